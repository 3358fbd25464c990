"""``mldebt quarantine``: what was put apart, by batch and reason, and the file to mend it in."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName, complete_batch
from mldebt_assets.cli.opening import opened, out, print_json, say, table, write_whole

Batch = Annotated[
    str | None,
    typer.Option(help="Tell of this batch alone.", metavar="BATCH", autocompletion=complete_batch),
]
Export = Annotated[
    Path | None, typer.Option(help="Write the batch's rows as CSV, to be mended.", metavar="FILE")
]


def quarantine(
    pipeline: PipelineName,
    batch: Batch = None,
    export: Export = None,
    as_json: AsJson = False,
) -> None:
    """Show the rows in quarantine by batch, with their reasons, and the batches that are refused.

    No value is shown, since it might be personal. With `--export` the rows of a batch go to a file,
    each with its mark and its reason; cells that a spreadsheet would run have an apostrophe before.

    Example: `mldebt quarantine flight_delays --batch 2013-01`
    """
    declared = pipelines.find(pipeline)
    if export is not None and batch is None:
        raise typer.BadParameter("say of which batch: --batch BATCH.")
    from mldebt_assets.answers.quarantine import exported, quarantined
    from mldebt_assets.answers.refused import refused_batches

    with opened() as (platform, instance):
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
        }
        if export is not None and batch is not None:
            write_whole(export, exported(instance, platform, declared, batch).decode())
            answer["exported"] = str(export)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def show(answer: dict[str, Any]) -> None:
    """Print how many rows wait for which reason, batch by batch, then what is refused."""
    name = answer["pipeline"]
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
