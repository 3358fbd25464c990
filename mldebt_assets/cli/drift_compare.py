"""``mldebt drift compare``: how far one file's rows lie from another's, with no pipeline at all."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets.cli.arguments import AsJson, HtmlFile
from mldebt_assets.cli.drift import SHARES, by_distance, coloured, distance
from mldebt_assets.cli.opening import facts, out, print_json, say, table, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldebt_assets.core.drift.sketch import ColumnSketch
    from mldebt_assets.plots.drift_page import DriftPage

    Pair = tuple[ColumnSketch, ColumnSketch]

ReferenceFile = Annotated[
    Path, typer.Argument(help="CSV or Parquet: what was usual.", metavar="REFERENCE")
]
CurrentFile = Annotated[
    Path, typer.Argument(help="CSV or Parquet: what is held against it.", metavar="CURRENT")
]


def compare(
    reference: ReferenceFile,
    current: CurrentFile,
    html: HtmlFile = None,
    as_json: AsJson = False,
) -> None:
    """Say how far the rows of CURRENT lie from those of REFERENCE: two files, and nothing else.

    Kinds are inferred: numbers, categories (true and false too), dates. Dates move on by
    themselves, so they are told and not judged. NaN, infinity and empty values count as missing.
    It ends with 0 whether there was drift or not.

    Example: `mldebt drift compare january.csv february.parquet`
    """
    started = time.perf_counter()
    from mldebt_assets.core.drift.compare import compare as compared
    from mldebt_assets.core.policies import Drift
    from mldebt_assets.sources.table_file import read_table

    found = compared(read_table(reference), read_table(current), Drift())
    answer = {
        "reference": str(reference),
        "current": str(current),
        "rows": {"reference": found.report.reference_rows, "current": found.report.current_rows},
        "drifted": found.drifted,
        "summary": found.summary,
        "rule": found.report.rule,
        "calibration": found.report.calibration,
        "underpowered": found.report.underpowered,
        "verdicts": [verdict.as_dict() for verdict in found.report.verdicts],
        "columns": found.columns,
        "seconds": time.perf_counter() - started,
    }
    if html is not None:
        from mldebt_assets.plots.drift_page import drift_page

        write_whole(html, drift_page(page_of(answer, found.sketches)))
    if as_json:
        print_json(answer)
        return
    show(answer)
    if html is not None:
        say(f"The page: {html}")


def page_of(answer: dict[str, Any], sketches: "Mapping[str, Pair]") -> "DriftPage":
    """Return the page of an answer, whose columns are drawn from both files' sketches."""
    from mldebt_assets.core.drift.histogram import histogram_of
    from mldebt_assets.core.policies import Drift
    from mldebt_assets.plots.drift_page import DriftPage

    if answer["drifted"]:
        standing, found = "drift", "drift"
    elif answer["underpowered"]:
        standing, found = "unknown", "underpowered"
    else:
        standing, found = "calm", "no drift"
    drawn = {name: histogram_of(*both) for name, both in sketches.items()}
    rows = {side: f"{answer[side]}, {answer['rows'][side]:,} rows" for side in answer["rows"]}
    return DriftPage(
        kind="Two files compared",
        title=Path(answer["current"]).name,
        standing=standing,
        found=found,
        summary=answer["summary"],
        facts=[*rows.items(), ("p-values", answer["calibration"])],
        columns=answer["columns"],
        histograms={name: one for name, one in drawn.items() if one is not None},
        limit=Drift().distance,
        rule=answer["rule"],
    )


def show(answer: dict[str, Any]) -> None:
    """Print the verdict, its reasons, and column by column, the drifted ones first."""
    columns = answer["columns"]
    said = "[bold yellow]drift[/]" if answer["drifted"] else "[bold]no alarm[/]"
    rows = answer["rows"]
    out.print(
        f"{said}  {escape(answer['current'])}, {rows['current']:,} rows, beside "
        f"{escape(answer['reference'])}, {rows['reference']:,}"
    )
    found = {True: "calm", False: "[yellow]drift[/]"}
    out.print(facts([(found[v["passed"]], escape(v["reason"])) for v in answer["verdicts"]]))
    out.print()
    made = table(("column", "kind", *SHARES, "found"), right=SHARES)
    for name in sorted(by_distance(columns), key=lambda name: not columns[name]["drifted"]):
        column = columns[name]
        missing = [column["statistics"].get(f"missing_{side}") for side in rows]
        made.add_row(
            escape(name),
            column["kind"],
            coloured(distance(column), column),
            *("" if share is None else f"{share:.1%}" for share in missing),
            escape(word(column)),
        )
    out.print(made)
    for name, column in columns.items():
        if column["kind"] in {"unknown", "date"}:
            say(f"{name}: {column['reason']}")


def word(column: dict[str, Any]) -> str:
    """Return what was found of a column, in a word or two.

    >>> word({"drifted": False, "reason": "underpowered: D 0.1, p 0.3"})
    'underpowered'
    """
    reason: str = column["reason"]
    return "drift" if column["drifted"] else reason.partition(":")[0].partition(",")[0]
