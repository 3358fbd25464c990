"""``mldebt robustness``: do the champion's decisions hold within the noise of the data?"""

from typing import Any

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import answer_with, opened, out, progress, say, table

SHOWN = 8


def robustness(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Look for the worst that the noise of the newest rows' inputs can do to the champion.

    What is found is kept as a check on the champion. It ends with 1 where too many clear decisions
    flip.

    Example: `mldebt robustness flight_delays`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.assets.robustness import robustness_of
    from mldebt_assets.by_hand import who

    with opened() as (platform, instance), progress.status("looking for the worst case"):
        answer = robustness_of(instance, platform, declared, who())
    answer_with(answer, show, as_json=as_json, good=answer["passed"])


def show(answer: dict[str, Any]) -> None:
    """Print the verdict, then the inputs that move a score most, and the rows."""
    verdict = "[green]holds[/]" if answer["passed"] else "[red]hangs on noise[/]"
    out.print(f"[bold]{answer['pipeline']} v{answer['version']}[/]  {verdict}")
    out.print(f"  {answer['reason']}", markup=False)
    headings = ("input", "known to", "says", "moves a score by", "at most")
    made = table(headings, right=("known to", "moves a score by", "at most"))
    for one in answer["inputs"][:SHOWN]:
        numbers = (f"{one[name]:.3g}" for name in ("change", "most"))
        made.add_row(one["name"], f"± {one['half_width']:.3g}", one["source"], *numbers)
    out.print(made)
    headings = ("batch", "row", "score", "moved by", "flips")
    made = table(headings, right=("score", "moved by"))
    for row in answer["worst"]:
        told = (f"{row['score']:.3g}", f"{row['change']:.3g}", "yes" if row["flips"] else "no")
        made.add_row(row["batch"], row["row_id"], *told)
    out.print(made)
    say(f"{answer['rows']:,} rows of {', '.join(answer['batches'])} were looked at.")
