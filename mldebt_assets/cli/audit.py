"""``mldebt audit``: does the champion give away which rows it has learned from?"""

from typing import Any

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import answer_with, opened, out, progress, say, table

ATTACKS = {"rmia": "RMIA", "loss": "loss alone"}


def audit(pipeline: PipelineName, as_json: AsJson = False) -> None:
    """Attack the champion, to see whether it gives away which rows it has learned from.

    Four reference models are trained as it was, on halves of all groups. What is found is kept as
    a check on the champion. It ends with 1 where it leaks.

    Example: `mldebt audit flight_delays`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.assets.membership import audited
    from mldebt_assets.by_hand import who

    with opened() as (platform, instance), progress.status("training the reference models"):
        answer = audited(instance, platform, declared, who())
    answer_with(answer, show, as_json=as_json, good=not answer["leaks"])


def show(answer: dict[str, Any]) -> None:
    """Print the verdict, then both attacks."""
    verdict = "[red]gives its rows away[/]" if answer["leaks"] else "[green]gives no row away[/]"
    out.print(f"[bold]{answer['pipeline']} v{answer['version']}[/]  {verdict}")
    rates = list(answer["rmia"]["true_positive_rate"])
    headings = ("attack", "ROC AUC", "95 %", *(f"at {float(r):.1%} false" for r in rates))
    made = table(headings, right=headings[1:])
    for attack, name in ATTACKS.items():
        auc, found = answer[attack]["roc_auc"], answer[attack]["true_positive_rate"]
        told = (f"{found[rate]['point']:.2%}" for rate in rates)
        made.add_row(
            name, f"{auc['point']:.3f}", f"{auc['lower']:.3f} to {auc['upper']:.3f}", *told
        )
    out.print(made)
    say(f"{answer['members']:,} learned rows, and {answer['outsiders']:,} of held-out groups.")
    say("ROC AUC .5 is guessing. At: members found, at so many false positives.")
