"""``mldebt status``: the champion and the four questions."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, HtmlFile, OptionalPipelineName
from mldebt_assets.cli.opening import facts, opened, out, print_json, say, short, write_whole
from mldebt_assets.page import MARKS

LONGEST_ANSWER = 90
COLOURS = {"ok": "green", "warning": "yellow", "unknown": "dim"}
AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def status(
    pipeline: OptionalPipelineName = None, html: HtmlFile = None, as_json: AsJson = False
) -> None:
    """Show the champion and the four questions that its owner must be able to answer.

    Example: `mldebt status flight_delays`
    """
    declared = pipelines.PIPELINES if pipeline is None else (pipelines.find(pipeline),)
    from mldebt_assets.answers.status import status_of

    now = datetime.now(UTC)
    with opened() as (platform, instance):
        answers = [status_of(instance, platform, each, now) for each in declared]
    if html is not None:
        write_page(html, answers, now)
    if as_json:
        print_json(answers if pipeline is None else answers[0])
        return
    if not answers:
        say("There is no pipeline yet: add a file to mldebt_assets/pipelines/.")
    for number, answer in enumerate(answers):
        if number:
            out.print()
        show(answer)
    if html is not None:
        say(f"The page: {html}")


def write_page(file: Path, answers: list[dict[str, Any]], now: datetime) -> None:
    """Write the page, whole or not at all.

    Raises: CallError if it cannot be written there.
    """
    from mldebt_assets.cli.status_page import page

    ages = {
        f"{answer['pipeline']}/{name}": age(question["age_seconds"])
        for answer in answers
        for name, question in answer["questions"].items()
        if question["age_seconds"] is not None
    }
    write_whole(file, page(answers, now, ages))


def show(answer: dict[str, Any]) -> None:
    """Print one pipeline's champion and the four answers."""
    name, champion = answer["pipeline"], answer["champion"]
    if champion is None:
        out.print(f"[bold]{name}[/]  no champion yet: mldebt replay {name}")
    else:
        out.print(
            f"[bold]{name}[/]  champion: [green]v{champion['version']}[/] since "
            f"{champion['effective_at'][:10]}, weights {short(champion['weights_sha256'])}"
        )
    for one in answer["refused"]:
        mark = "scored, and learned by nobody" if one["scored"] else "learned by nobody"
        out.print(f"[red]{one['batch']}  {one['alarm']}[/], {mark}: {escape(one['reason'])}")
        out.print(f"[dim]Fix: {escape(one['fix'])}[/]")
    if answer["quarantined"]:
        out.print(f"[yellow]{waiting(answer['quarantined'])}[/]: mldebt quarantine {name}")
    out.print(facts([row(question) for question in answer["questions"].values()]))
    if any(cut(question["answer"]).endswith("…") for question in answer["questions"].values()):
        out.print(f"[dim]In full: mldebt status {name} --json; mldebt drift {name} --last 1[/]")


def waiting(quarantined: dict[str, int]) -> str:
    """Return how many rows wait in quarantine.

    >>> waiting({"2013-01": 1}), waiting({"2013-01": 1200, "2013-02": 3})
    ('1 row of 1 batch waits in quarantine', '1,203 rows of 2 batches wait in quarantine')
    """
    rows, batches = sum(quarantined.values()), len(quarantined)
    of = f"{rows:,} row{'s' * (rows != 1)} of {batches} batch{'es' * (batches != 1)}"
    return f"{of} wait{'s' * (rows == 1)} in quarantine"


def row(question: dict[str, Any]) -> tuple[str, str]:
    """Return a question, and its answer with its mark and the age of what proves it."""
    standing, known = question["standing"], escape(cut(question["answer"]))
    if question["age_seconds"] is not None:
        known += f" [dim]({age(question['age_seconds'])})[/]"
    return question["question"], f"[{COLOURS[standing]}]{MARKS[standing]}[/] {known}"


def cut(text: str) -> str:
    """Return a text at most ``LONGEST_ANSWER`` long, cut between two words.

    >>> cut("calm"), len(cut("temperature " * 20)), cut("temperature " * 20)[-13:]
    ('calm', 85, 'temperature …')
    """
    if len(text) <= LONGEST_ANSWER:
        return text
    return text[: LONGEST_ANSWER - 1].rsplit(" ", 1)[0].rstrip(";,") + " …"


def age(seconds: float) -> str:
    """Return how long ago something was proved, in the largest unit that fits.

    >>> age(-7_300), age(30), age(60), age(7_300), age(200_000)
    ('in the future', 'just now', '1 minute ago', '2 hours ago', '2 days ago')
    """
    for length, unit in AGES:
        count = int(seconds // length)
        if count > 0:
            return f"{count} {unit}{'s' * (count > 1)} ago"
    return "just now" if seconds > -AGES[-1][0] else "in the future"
