"""``mldebt replay``: the main job, shown while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from mldebt_assets import pipelines
from mldebt_assets.cli.apart import stderr_of_our_own
from mldebt_assets.cli.arguments import AsJson, PipelineName, complete_batch
from mldebt_assets.cli.opening import (
    EXIT_NO,
    Terminal,
    opened,
    out,
    print_json,
    say,
    table,
)
from mldebt_assets.cli.pace import Pace
from mldebt_assets.core.periods import how_many
from mldebt_assets.home import project_root

if TYPE_CHECKING:
    from mldebt_assets.answers.story import Chapter
    from mldebt_assets.core.tasks.level import Level
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.replay import Outcome
    from mldebt_assets.replay import Progress as Step

HEADINGS = ("batch", "rows", "scored by", "{}", "dropped", "drifted", "retrained", "gate")
DOING = {"batch": "taking in, scoring", "retraining": "training a candidate"}

Until = Annotated[
    str | None,
    typer.Option(help="The last batch to take in.", metavar="BATCH", autocompletion=complete_batch),
]


def replay(pipeline: PipelineName, until: Until = None, as_json: AsJson = False) -> None:
    """Let the batches arrive one after another, and do what the sensors ask for.

    Example: `mldebt replay flight_delays --until 2013-06`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.sources.landing import survey

    outcome = watched(declared, until)
    left_alone = survey(declared.source, project_root()).refused
    if as_json:
        print_json(
            {
                "pipeline": declared.name,
                "batches": [chapter.as_dict() for chapter in outcome.chapters],
                "left_alone": [{"file": one.name, "problem": one.problem} for one in left_alone],
                "seconds": outcome.seconds,
            }
        )
    else:
        summarise(declared, outcome)
        for one in left_alone:
            say(f"Left alone: {one.problem}")
    if outcome.failed:
        raise typer.Exit(EXIT_NO)


def watched(declared: Pipeline, until: str | None) -> Outcome:
    """Replay a pipeline, showing on stderr how far it is."""
    with opened() as (platform, instance):
        from mldebt_assets.assets.keys import batches
        from mldebt_assets.definitions import defs
        from mldebt_assets.replay import replay as run
        from mldebt_assets.sources import landing

        arrived = landing.survey(declared.source, project_root()).arrivals
        awaited = {a.batch for a in arrived if until is None or a.batch <= until}
        known = set(instance.get_dynamic_partitions(batches(declared).name or ""))
        with stderr_of_our_own() as stderr, progress_on(stderr) as shown:
            watch = Watch(shown, declared, awaited, settled=awaited & known)
            return run(
                declared,
                platform,
                instance,
                defs.get_repository_def(),
                until=until,
                report=watch.see,
            )


class TimeSpent(ProgressColumn):
    """The time since the start, and about how long it still takes."""

    def render(self, task: Task) -> Text:
        """Return both times, as far as they are known."""
        pace: Pace = task.fields["pace"]
        left = pace.remaining(int(task.remaining or 0))
        spent = clock(task.elapsed or 0)
        return Text(spent if left is None else f"{spent}, about {clock(left)} left")


def progress_on(stream: TextIO) -> Progress:
    """Return a line of progress of at most 80 columns, which shows itself on a terminal alone."""
    console = Terminal(file=stream, highlight=False)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TimeSpent(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def clock(seconds: float) -> str:
    """Return a duration as people read it.

    >>> clock(5.4), clock(61), clock(3_700)
    ('0:05', '1:01', '1:01:40')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@dataclass
class Watch:
    """Shows what a replay does now, and a line for each batch that is settled.

    ``settled`` begins with the batches that had arrived before; one of them that is taken up
    again, since it was interrupted or has other bytes, counts as open until it is settled.
    """

    shown: Progress
    pipeline: Pipeline
    awaited: set[str]
    settled: set[str]
    pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        self.task = self.shown.add_task(
            f"replaying {self.pipeline.name}",
            total=len(self.awaited),
            completed=len(self.settled),
            pace=self.pace,
        )

    def see(self, step: Step) -> None:
        """Show one step of the replay."""
        if step.chapter is None:
            self.settled.discard(step.batch)
            self.shown.update(self.task, description=f"{step.batch}  {DOING[step.kind]}")
        else:
            self.settled.add(step.batch)
            self.pace.settle(trained=step.chapter.retrained)
            self.shown.console.print(line(step.chapter, level_of(self.pipeline)), soft_wrap=True)
        self.shown.update(self.task, completed=len(self.settled))


def level_of(pipeline: Pipeline) -> Level:
    """Return what the pipeline's versions are compared by."""
    from mldebt_assets.core.tasks.level import LEVELS

    return LEVELS[pipeline.target.task]


def line(chapter: Chapter, level: Level) -> str:
    """Return what became of a batch, in one line of at most 80 columns for names up to 14 long."""
    if chapter.problem:
        return (
            f"[red]{chapter.batch}  {chapter.fault}[/]  {escape(chapter.problem.splitlines()[0])}"
        )
    found_level = chapter.metrics.get(level.key)
    if found_level is not None:
        served = f"{level.short} {found_level:.3f} by v{chapter.scored_by}"
    else:
        served = f"scored by v{chapter.scored_by}" if chapter.scored_by else "not served yet"
    return f"{chapter.batch}  {served:<18}  {found(chapter)}  {became(chapter)}"


def found(chapter: Chapter) -> str:
    """Return what asks for a retraining: drift of the inputs, or a drop in performance."""
    asking = (("drift", chapter.drifted), ("drop", chapter.dropped))
    words = ", ".join(word for word, asks in asking if asks)
    return f"[yellow]{words:<11}[/]" if words else f"{'calm':<11}"


def became(chapter: Chapter) -> str:
    """Return whether a candidate was trained, and what the gate said."""
    if not chapter.retrained:
        return "[dim]no retraining[/]"
    if chapter.promoted:
        return f"retrained, [green]promoted v{chapter.champion}[/]"
    if chapter.is_proposed:
        return "retrained, [yellow]proposed: a person approves[/]"
    stays = "no champion yet" if chapter.champion is None else f"v{chapter.champion} stays"
    return f"retrained, [dim]refused: {stays}[/]"


def summarise(pipeline: Pipeline, outcome: Outcome) -> None:
    """Print the year as a table, then what this replay did."""
    name, level = pipeline.name, level_of(pipeline)
    headings = [heading.format(level.short) for heading in HEADINGS]
    if not outcome.settled:
        say(f"Nothing new: all of {name} is settled, {how_many(len(outcome.chapters))}.")
    year = table(headings, right=("rows", level.short), title=f"{name}: what became of each batch")
    for chapter in outcome.chapters:
        found_level = chapter.metrics.get(level.key)
        year.add_row(
            chapter.batch,
            f"{chapter.rows:,}" if chapter.rows else "",
            f"v{chapter.scored_by}" if chapter.scored_by else "",
            f"{found_level:.3f}" if found_level is not None else "",
            "[yellow]yes[/]" if chapter.dropped else "",
            "[yellow]yes[/]" if chapter.drifted else "",
            "yes" if chapter.retrained else "",
            gate(chapter),
        )
    out.print(year)
    for chapter in outcome.chapters:
        if chapter.problem:
            say(f"{chapter.batch}: {chapter.problem}")
    served = [c.metrics[level.key] for c in outcome.chapters if level.key in c.metrics]
    if served:
        mean = sum(served) / len(served)
        say(f"Mean {level.short} of what was served, over {how_many(len(served))}: {mean:.4f}")
    say(f"{how_many(len(outcome.settled))} settled in {outcome.seconds:.1f} s")


def gate(chapter: Chapter) -> str:
    """Return what the gate said of the batch's candidate, or that it came to no gate."""
    if chapter.problem:
        return f"[red]{chapter.fault}[/]"
    if not chapter.retrained:
        return ""
    if chapter.is_proposed:
        return "[yellow]proposed[/]"
    return f"[green]promoted v{chapter.champion}[/]" if chapter.promoted else "refused"
