"""``mldebt quarantine``: what was put apart, by batch and reason, and the file to mend it in."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, OneBatch, PipelineName
from mldebt_assets.cli.opening import (
    EXIT_NO,
    opened,
    out,
    print_json,
    progress,
    say,
    table,
    write_whole,
)
from mldebt_assets.core.errors import CallError

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

Export = Annotated[
    Path | None, typer.Option(help="Write the batch's rows as CSV, to be mended.", metavar="FILE")
]


def quarantine(  # noqa: PLR0917 - a command's options
    pipeline: PipelineName,
    batch: OneBatch = None,
    export: Export = None,
    release: Annotated[
        bool, typer.Option("--release", help="Have the batch's rows judged anew and let in.")
    ] = False,
    mended: Annotated[
        Path | None,
        typer.Option(help="Release the rows of this file, as mended there.", metavar="FILE"),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show the rows in quarantine by batch, with their reasons, and the batches that are refused.

    No value is shown, since it might be personal. With `--export` the rows of a batch go to a file,
    each with its mark and its reason; cells that a spreadsheet would run have an apostrophe before.

    With `--release` the batch is made again with its rows, or with those of a mended file. You
    answer for the declared expectations that they break; what breaks a type, a bound or the row
    key stays. Who asks is MLDEBT_USER, else you at this host.

    Example: `mldebt quarantine flight_delays --batch 2013-01`
    """
    declared = pipelines.find(pipeline)
    if export is not None and batch is None:
        raise typer.BadParameter("say of which batch: --batch BATCH.")
    require_whole_call(batch, release=release, mended=mended, reason=reason)
    from mldebt_assets.answers.quarantine import exported, quarantined
    from mldebt_assets.answers.refused import refused_batches

    with opened() as (platform, instance):
        released = None
        if release and batch is not None:
            asked = Asked(batch, None if mended is None else bytes_of(mended), reason or "")
            with progress.status("judging the rows anew"):
                released = let_in(instance, platform, declared, asked)
        facts = platform.record(declared.name).facts()
        waiting = quarantined(instance, platform, declared, batch)
        answer: dict[str, Any] = {
            "pipeline": declared.name,
            "rows": sum(one["rows"] for one in waiting),
            "batches": waiting,
            "refused": [
                one
                for one in refused_batches(instance, declared, facts)
                if batch in {None, one["batch"]}
            ],
            "exported": None,
            "released": released,
        }
        if export is not None and batch is not None:
            write_whole(export, exported(instance, platform, declared, batch).decode())
            answer["exported"] = str(export)
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if released is not None and not released["rows"] and released["stays"]:
        raise typer.Exit(EXIT_NO)


@dataclass(frozen=True)
class Asked:
    """What is to be released: all of a batch, or what a mended file's bytes hold; and why."""

    batch: str
    mended: bytes | None
    reason: str


def require_whole_call(
    batch: str | None, *, release: bool, mended: Path | None, reason: str | None
) -> None:
    """Raise BadParameter where one option lacks another."""
    if mended is not None and not release:
        raise typer.BadParameter("say that the rows of the mended file are released: --release.")
    if release and batch is None:
        raise typer.BadParameter("say of which batch: --batch BATCH.")
    if release and reason is None:
        raise typer.BadParameter("say why: the record is read by those who were not there.")


def bytes_of(file: Path) -> bytes:
    """Return a file's bytes; CallError where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as problem:
        raise CallError(
            f"{file} cannot be read: {problem.strerror}.\nFix: name the mended file."
        ) from problem


def let_in(
    instance: "dg.DagsterInstance", platform: "Platform", pipeline: "Pipeline", asked: Asked
) -> dict[str, Any]:
    """Release a batch's rows, and return what came of it."""
    from mldebt_assets.by_hand import who
    from mldebt_assets.definitions import defs
    from mldebt_assets.releasing import Releasing

    repository = defs.get_repository_def()
    work = Releasing(instance, platform, pipeline, repository, asked.batch, who(), asked.reason)
    done = work.release(asked.mended, datetime.now(UTC))
    body = {} if done.fact is None else done.fact.body
    return {
        "batch": asked.batch,
        "rows": done.rows,
        "mended": int(body["mended"]) if done.rows else 0,
        "stays": [{"row": mark, "reason": why} for mark, why in done.stays.items()],
        "sha256": body["released"]["sha256"] if body else None,
        "by": body.get("by"),
        "reason": body.get("reason"),
        "fact": None if done.fact is None else done.fact.sequence,
    }


def show(answer: dict[str, Any]) -> None:
    """Print how many rows wait for which reason, batch by batch, then what is refused."""
    name = answer["pipeline"]
    released = answer["released"]
    if released is not None:
        told = f"{released['rows']:,} rows released, {released['mended']:,} of them mended"
        if not released["rows"] and released["fact"] is not None:
            told = f"none released now; rows of it were before, by {released['by']}"
        out.print(f"[bold]{name} {released['batch']}[/]  {escape(told)}")
        for reason, count in Counter(one["reason"] for one in released["stays"]).items():
            out.print(f"[yellow]{count:,} stay[/]: {escape(reason)}")
    out.print(f"[bold]{name}[/]  {answer['rows']:,} rows in quarantine")
    if answer["batches"]:
        made = table(("batch", "rows", "reason"), right=("rows",))
        for one in answer["batches"]:
            for place, (reason, count) in enumerate(one["reasons"].items()):
                made.add_row("" if place else one["batch"], f"{count:,}", escape(reason))
        out.print(made)
    for one in answer["refused"]:
        out.print(f"[red]{one['batch']}  {one['alarm']}[/], refused: {escape(one['reason'])}")
        out.print(f"[dim]Fix: {escape(one['fix'])}[/]")
    if answer["exported"] is not None:
        say(f"The rows, to be mended: {answer['exported']}")
