"""``mldebt forget``: what holds somebody's rows, and what becomes of it; then it goes for good."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import (
    EXIT_NO,
    facts,
    opened,
    out,
    print_json,
    progress,
    say,
    short,
    table,
    write_whole,
)
from mldebt_assets.core.errors import CallError
from mldebt_assets.promotions import adopted_versions

if TYPE_CHECKING:
    from mldebt_assets.answers.subject import Held, Holdings
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

FROM_STDIN = "-"
MADE_AGAIN = "made again without the rows"
SERVES = "serves until a retraining has replaced it"
REMOVED = "removed"
UNLIKE = "removed: its file is not what is declared by now, so that it would be refused"
NOT_KNOWN = "stays: it was adopted, and whether it has learned of them is not known"


def forget(  # noqa: PLR0917 - a command's options
    pipeline: PipelineName,
    subject: Annotated[
        str,
        typer.Option(
            help="Who, as the source writes it; - reads one line from stdin.", metavar="KEY"
        ),
    ],
    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would happen, and change nothing.")
    ] = False,
    receipt: Annotated[
        Path | None, typer.Option(help="Write the receipt here, too.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Forget somebody: remove their rows from every snapshot, and the models that learned of them.

    What held them is made again without them, a retraining is asked for, and what is collected
    later leaves them out. The record keeps the hashes and the lineage, and nothing of theirs.

    Example: `mldebt forget flight_delays --subject "Ada Lovelace" --dry-run`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.by_hand import who

    value = sys.stdin.readline().rstrip("\r\n") if subject == FROM_STDIN else subject
    if not value:
        raise CallError("The subject is empty.\nFix: write it as the source has it.")
    if reason is None and not dry_run:
        raise typer.BadParameter("say why: the record is read by those who were not there.")
    with opened() as (platform, instance), progress.status("looking for the rows") as shown:
        from mldebt_assets.answers.subject import holdings, subject_of

        if dry_run:
            found = holdings(instance, platform, declared, subject_of(platform, declared, value))
            answer = planned(platform, declared, found)
        else:
            from mldebt_assets.definitions import defs
            from mldebt_assets.forgetting import Forgetting

            done = Forgetting(
                instance,
                platform,
                declared,
                defs.get_repository_def(),
                who(),
                reason or "",
                shown.update,
            ).forget(value, datetime.now(UTC))
            answer = told(done.receipts, [str(file) for file in done.files])
        if answer["found"]:
            adopted = adopted_versions(platform.record(declared.name).facts())
            answer["versions"] += [{"version": one, "action": NOT_KNOWN} for one in adopted]
    if receipt is not None and not dry_run:
        write_whole(receipt, json.dumps(answer["receipts"], indent=2) + "\n")
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if not answer["found"]:
        raise typer.Exit(EXIT_NO)


def planned(platform: "Platform", pipeline: "Pipeline", found: "Holdings") -> dict[str, Any]:
    """Return what a dry run tells: everything that would change, and how."""
    from mldebt_assets.assets.forgetting import parsed_rows

    unlike = {
        one.batch
        for one in found.snapshots
        if one.stage == "raw"
        and one.is_newest
        and parsed_rows(pipeline, platform, one.stored) is None
    }

    def action(one: "Held") -> str:
        if not one.is_newest:
            return REMOVED
        return UNLIKE if one.batch in unlike and one.stage != "raw" else MADE_AGAIN

    return {
        "pipeline": pipeline.name,
        "column": pipeline.subject_column,
        "dry_run": True,
        "found": bool(found.snapshots),
        "snapshots": [
            {
                "stage": one.stage,
                "batch": one.batch,
                "rows": one.rows,
                "sha256": one.stored.snapshot.sha256,
                "action": action(one),
            }
            for one in found.snapshots
        ],
        "training_sets": [one.snapshot.sha256 for one in found.training_sets],
        "versions": [
            {
                "version": version,
                "action": SERVES if version == found.champion else REMOVED,
            }
            for version in found.versions
        ],
        "receipts": [],
        "files": [],
    }


def told(receipts: Sequence[dict[str, Any]], files: list[str]) -> dict[str, Any]:
    """Return what was done, of all receipts together."""
    newest = receipts[-1]
    entries = [
        {name: one[name] for name in ("stage", "batch", "rows", "sha256")}
        | {"action": one.get("because", REMOVED)}
        for receipt in receipts
        for one in (*receipt["removed"], *receipt["kept"])
    ]
    removed = {one for receipt in receipts for one in receipt["versions_removed"]}
    left = {one for receipt in receipts for one in receipt["versions_outstanding"]}
    return {
        "pipeline": newest["pipeline"],
        "column": newest["column"],
        "dry_run": False,
        "found": True,
        "snapshots": entries,
        "training_sets": sorted({one for r in receipts for one in r["training_sets"]}),
        "versions": [{"version": one, "action": REMOVED} for one in sorted(removed)]
        + [{"version": one, "action": SERVES} for one in sorted(left)],
        "receipts": list(receipts),
        "files": files,
    }


def show(answer: dict[str, Any]) -> None:
    """Print what held the rows, and what becomes of each."""
    name = answer["pipeline"]
    if not answer["found"]:
        out.print(f"[bold]{name}[/]  nobody of that name is in any snapshot")
        return
    rows = sum(one["rows"] or 0 for one in answer["snapshots"] if one["stage"] == "raw")
    verb = "would be forgotten" if answer["dry_run"] else "is forgotten"
    out.print(f"[bold]{name}[/]  a subject {verb}: {rows} rows of raw batches")
    shown = table(("batch", "stage", "rows", "snapshot", ""), right=("rows",))
    for one in sorted(answer["snapshots"], key=lambda one: str(one["batch"])):
        count = "" if one["rows"] is None else str(one["rows"])
        shown.add_row(one["batch"], one["stage"], count, short(one["sha256"]), one["action"])
    out.print(shown)
    rows_of = [
        ("training sets", ", ".join(map(short, answer["training_sets"])) or "none"),
        *((f"v{one['version']}", one["action"]) for one in answer["versions"]),
    ]
    for receipt in answer["receipts"]:
        left = ", ".join(f"v{one}" for one in receipt["versions_outstanding"])
        complete = "complete" if receipt["complete"] else f"not complete before {left} is replaced"
        rows_of.append(("receipt", complete))
    rows_of += [("", file) for file in answer["files"]]
    out.print(facts([(heading, escape(value)) for heading, value in rows_of]))
    refused = sorted({one for receipt in answer["receipts"] for one in receipt["batches_refused"]})
    if refused:
        made = f"{', '.join(refused)}: refused when made again, so nothing is learned from them"
        say(f"{made}; `mldebt status {name}` says why, and the fix")
    sources = sorted({one for receipt in answer["receipts"] for one in receipt["sources"]})
    if sources:
        files = "file still holds" if len(sources) == 1 else "files still hold"
        say(f"{len(sources)} landed {files} the rows, which are left out from now on:")
        say(f"  {sources[0]}{' and others' * (len(sources) > 1)}")
