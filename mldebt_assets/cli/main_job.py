"""``mldebt replay``: the main job, shown while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from mldebt_assets.cli.opening import (
    AsJson,
    PipelineName,
    opened,
    out,
    print_json,
    progress,
    say,
)
from mldebt_assets.home import project_root
from mldebt_assets.pipelines import find

if TYPE_CHECKING:
    from mldebt_assets.replay import Outcome, Progress
    from mldebt_assets.story import Chapter

Until = Annotated[str | None, typer.Option(help="The last batch to take in.", metavar="BATCH")]


def add_commands(cli: typer.Typer) -> None:
    """Add this module's command to the command line."""
    cli.command()(replay)


def replay(pipeline: PipelineName, until: Until = None, as_json: AsJson = False) -> None:
    """Let the batches arrive one after another, and do what the sensors ask for.

    Example: `mldebt replay flight_delays --until 2013-06`
    """
    declared = find(pipeline)
    with opened() as (platform, instance):
        from mldebt_assets.definitions import defs
        from mldebt_assets.replay import replay as run
        from mldebt_assets.sources import landing

        arrived = landing.survey(declared.source, project_root()).arrivals
        total = sum(1 for a in arrived if until is None or a.batch <= until)
        with Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=progress,
            transient=True,
        ) as bar:
            task = bar.add_task(f"replaying {declared.name}", total=total)
            outcome = run(
                declared,
                platform,
                instance,
                defs.get_repository_def(),
                until=until,
                report=lambda step: show(bar, task, step),
            )
    if as_json:
        batches = [chapter.as_dict() for chapter in outcome.chapters]
        print_json({"pipeline": declared.name, "batches": batches, "seconds": outcome.seconds})
    else:
        summarise(declared.name, outcome)
    if outcome.failed:
        raise typer.Exit(1)


def show(bar: Bar, task: TaskID, step: Progress) -> None:
    """Show one step of the replay: what runs now, and a line for each batch that is settled."""
    if step.kind == "batch":
        bar.update(task, description=f"{step.batch}  taking in, scoring, looking for drift")
    elif step.kind == "retraining":
        bar.update(task, description=f"{step.batch}  training a candidate")
    elif step.chapter is not None:
        bar.advance(task)
        bar.console.print(line(step.chapter))


def line(chapter: Chapter) -> str:
    """Return what became of a batch, in one line of at most 80 columns."""
    if chapter.problem:
        return f"[red]{chapter.batch}  problem[/]  {escape(chapter.problem.splitlines()[0])}"
    auc = chapter.metrics.get("roc_auc")
    served = f"AUC {auc:.3f} by v{chapter.scored_by}" if auc is not None else "not served yet"
    drift = "[yellow]drift[/]" if chapter.drifted else "calm "
    return f"{chapter.batch}  {served:<18}  {drift}  {became(chapter)}"


def became(chapter: Chapter) -> str:
    """Return whether a candidate was trained, and what the gate said."""
    if not chapter.retrained:
        return "[dim]no retraining[/]"
    if chapter.promoted:
        return f"retrained, [green]promoted v{chapter.champion}[/]"
    return f"retrained, [dim]refused: v{chapter.champion} stays[/]"


def summarise(name: str, outcome: Outcome) -> None:
    """Print the year as a table, then what this replay did."""
    if not outcome.settled:
        out.print(f"Nothing new: all {len(outcome.chapters)} batches of {name} are settled.")
    table = Table(title=f"{name}: what became of each batch", title_justify="left", box=None)
    for heading in ("batch", "rows", "scored by", "AUC", "drifted", "retrained", "gate"):
        table.add_column(heading, justify="right" if heading in {"rows", "AUC"} else "left")
    for chapter in outcome.chapters:
        auc = chapter.metrics.get("roc_auc")
        table.add_row(
            chapter.batch,
            f"{chapter.rows:,}" if chapter.rows else "",
            f"v{chapter.scored_by}" if chapter.scored_by else "",
            f"{auc:.3f}" if auc is not None else "",
            "yes" if chapter.drifted else "",
            "yes" if chapter.retrained else "",
            gate(chapter),
        )
    out.print(table)
    for chapter in outcome.chapters:
        if chapter.problem:
            say(f"{chapter.batch}: {chapter.problem}")
    served = [c.metrics["roc_auc"] for c in outcome.chapters if "roc_auc" in c.metrics]
    if served:
        mean = sum(served) / len(served)
        out.print(f"Mean AUC of what was served, over {len(served)} batches: {mean:.4f}")
    out.print(f"{len(outcome.settled)} batches settled in {outcome.seconds:.1f} s")


def gate(chapter: Chapter) -> str:
    """Return what the gate said of the batch's candidate, or that it came to no gate."""
    if chapter.problem:
        return "[red]problem[/]"
    if not chapter.retrained:
        return ""
    return f"[green]promoted v{chapter.champion}[/]" if chapter.promoted else "refused"
