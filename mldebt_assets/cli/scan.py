"""``mldebt scan``: is there personal data in what is stored, or in a file of mine?"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, complete_pipeline
from mldebt_assets.cli.opening import EXIT_NO, opened, out, print_json, progress, say, table
from mldebt_assets.core.errors import BatchRefusedError, NoSuchFileError, TableFileError

if TYPE_CHECKING:
    from mldebt_assets.core.privacy.survey import Also

TIMES_A_SCAN = 5
"""How many times the bytes of a file a scan takes of memory, as measured on 60 MB of CSV."""

What = Annotated[
    str,
    typer.Argument(
        help="A pipeline's name, or a CSV or Parquet file (./NAME for one that is called so).",
        metavar="PIPELINE|FILE",
        autocompletion=complete_pipeline,
    ),
]


Presidio = Annotated[
    bool,
    typer.Option(
        "--presidio", help="Ask presidio's pattern recognisers too, where they are installed."
    ),
]


def scan(what: What, presidio: Presidio = False, as_json: AsJson = False) -> None:
    """Look for personal data in all that is stored of a pipeline, or in a file.

    Every column is told: the kinds that were found, by whom, in how many of its distinct values,
    how these are written (9 for digits, A and a for letters, never a value), what is declared of
    it and what to declare. What is found of a pipeline is kept as the check `stored_personal_data`
    on its raw snapshots, and how well the champion's rows hide as `k_anonymous`, where
    quasi-identifiers are declared. It ends with 1 where something is not declared, or not hidden.

    Example: `mldebt scan flight_delays`
    """
    also = None
    if presidio:
        from mldebt_assets.core.privacy.presidio import presidio_findings, recognisers

        recognisers()
        also = presidio_findings
    declared = next((one for one in pipelines.PIPELINES if one.name == what), None)
    if declared is None:
        answer = of_file(Path(what).expanduser(), also)
    else:
        from mldebt_assets.assets.anonymity import shown
        from mldebt_assets.assets.stored_scan import scanned
        from mldebt_assets.by_hand import who

        with opened() as (platform, instance), progress.status("scanning every batch"):
            answer = scanned(instance, platform, declared, who(), also)
            answer["anonymity"] = shown(instance, platform, declared, who())
    if as_json:
        print_json(answer)
    else:
        show(answer)
    hides = answer["anonymity"] is None or answer["anonymity"]["passed"]
    if not (answer["ok"] and hides):
        raise typer.Exit(EXIT_NO)


def of_file(file: Path, also: "Also | None") -> dict[str, Any]:
    """Scan a file that belongs to no pipeline yet.

    Raises: NoSuchFileError if it cannot be read; TableFileError if it is too large.
    """
    from mldebt_assets.core.intake import opened as unpacked
    from mldebt_assets.core.policies import Limits
    from mldebt_assets.core.privacy.survey import survey, without_header
    from mldebt_assets.core.privacy.texts import LINES, columns_as_text, lines_of
    from mldebt_assets.sources import memory

    started, limits = time.monotonic(), Limits()
    try:
        size = file.stat().st_size
        if size > limits.file_bytes:
            problem = f"it has {size:,} bytes, and {limits.file_bytes:,} are looked at, at most."
            raise TableFileError.of(str(file), problem, "scan it in parts.")
        if short := memory.beyond(size, TIMES_A_SCAN):
            fix = "scan it in parts, or give this process more memory."
            raise TableFileError.of(str(file), f"it has {size:,} bytes, and {short}.", fix)
        data = file.read_bytes()
    except OSError as unread:
        named = ", ".join(one.name for one in pipelines.PIPELINES)
        problem = f"{unread.strerror or unread}; nor is it a pipeline ({named})"
        raise NoSuchFileError.of(str(file), problem) from unread
    try:
        data, found = unpacked(data, batch=file.name, limits=limits)
        texts = without_header(columns_as_text(data, f".{found}"))
    except BatchRefusedError:
        texts = {LINES: lines_of(data)}
    told = survey([("file", file.name, texts)], (), also)
    return {
        "of": str(file),
        "ok": all(one.problem is None for one in told),
        "batches": 1,
        "columns": [one.as_dict() for one in told],
        "anonymity": None,
        "seconds": time.monotonic() - started,
    }


def show(answer: dict[str, Any]) -> None:
    """Print the verdict, each column of which something is known, then what to do."""
    verdict = "[green]all is declared[/]" if answer["ok"] else "[red]not declared[/]"
    known = [one for one in answer["columns"] if one["findings"] or one["declared"]]
    if not known:
        verdict = "[green]none found[/]"
    out.print(verdict, end="  ")
    say(answer["of"])
    made = table(("column", "kind", "values", "looks like", "sure", "declared"), right=("values",))
    for one in known:
        name = one["column"] if one["stage"] in {"raw", "file"} else f"{one['column']} (labels)"
        for finding in one["findings"] or [None]:
            made.add_row(name, *cells(finding), one["declared"] or "")
            name = ""
    if known:
        out.print(made)
    for one in answer["columns"]:
        if one["problem"] is not None:
            say(f"\n{one['column']!r} {one['problem']}.\nFix: {one['fix']}.")
    if answer["anonymity"] is not None:
        passed = "[green]hidden[/]" if answer["anonymity"]["passed"] else "[red]not hidden[/]"
        out.print(f"\nrows of v{answer['anonymity']['version']}: {passed}")
        say(answer["anonymity"]["reason"])
    rest = len(answer["columns"]) - len(known)
    say(f"{rest} other columns: nothing found." if known else f"{rest} columns were looked at.")


def cells(finding: dict[str, Any] | None) -> tuple[str, str, str, str]:
    """Return a finding as the cells of its row; of others' recognisers it says whose."""
    if finding is None:
        return "nothing found", "", "", ""
    share = "by name" if finding["share"] is None else f"{finding['share']:.1%}"
    by = "" if finding["by"] == "mldebt" else f" ({finding['by']})"
    return f"{finding['kind']}{by}", share, finding["looks"] or "", finding["confidence"]
