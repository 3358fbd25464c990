"""``mldebt retraining``: each decision with its evidence, and what an old champion costs."""

from typing import Any

from rich.markup import escape
from rich.table import Table

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, HtmlFile, PipelineName
from mldebt_assets.cli.opening import opened, out, print_json, say, table, write_whole

HEADINGS = ("age", "mean", "lost", "backtests")


def retraining(pipeline: PipelineName, html: HtmlFile = None, as_json: AsJson = False) -> None:
    """Say why a model was retrained on each batch, or why not, and what waiting costs.

    The staleness curve is measured now: every version on every batch after those it learned from.

    Example: `mldebt retraining flight_delays`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.answers.retraining import retraining_of

    with opened() as (platform, instance):
        answer = retraining_of(instance, platform, declared)
    if html is not None:
        from mldebt_assets.plots.retraining_page import retraining_page

        write_whole(html, retraining_page(answer))
    if as_json:
        print_json(answer)
    elif not answer["decisions"]:
        say(f"Nothing of {declared.name} was decided on yet: mldebt replay {declared.name}")
    else:
        show(answer)
        if html is not None:
            say(f"The page: {html}")


def show(answer: dict[str, Any]) -> None:
    """Print the decisions, then the staleness curve with the champion's place on it."""
    out.print(f"[bold]{answer['pipeline']}[/]  decisions on retraining, oldest first")
    out.print(decisions(answer["decisions"]))
    if answer["staleness"]:
        out.print()
        out.print(staleness(answer["staleness"], answer["champion"]))
        say(f"Age: batches since the newest that a version learned from. Mean {answer['metric']}.")
        say("Lost: by how much the youngest version was better on the same batches.")


def decisions(taken: list[dict[str, Any]]) -> Table:
    """Return a row a decision: what it was about, what came of it, and why."""
    made = table(("batch", "decision", "why"))
    for one in taken:
        not_asked = "[red]refused[/]" if one["about"] == "refused" else "[dim]wait[/]"
        asked = "retrain" if one["asked"] else not_asked
        came = one["outcome"]
        if came is not None:
            asked += f": v{came['version']} {came['gate']}"
        made.add_row(escape(one["batch"] or one["about"]), asked, escape(one["reason"]))
    return made


def staleness(curve: list[dict[str, Any]], champion: dict[str, Any] | None) -> Table:
    """Return a row an age; the champion's own is marked."""
    made = table((*HEADINGS, ""), right=HEADINGS)
    for one in curve:
        lost = "" if one["lost"] is None else f"{one['lost']:.3f}"
        known = champion is not None and champion["age"] is not None
        here = champion and known and champion["age"] + 1 == one["age"]
        mark = f"v{champion['version']} will be on the next batch" if champion and here else ""
        made.add_row(str(one["age"]), f"{one['value']:.3f}", lost, str(one["backtests"]), mark)
    return made
