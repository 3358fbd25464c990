"""The check on ``p/champion`` that its owner's four questions have good answers, and not old ones.

The champion's materialization says what was true when it was promoted; what is proved later, and
grows old, is said by this check, once a week and whenever it is run.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.questions import OK, answers_of
from mldebt_assets.page import MARKS, in_markdown
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform

CHECK = "four_questions"
MEANING = "The four questions have answers by now: good ones, proved, and not long ago."
AFTER_THE_OTHERS = {"dagster/priority": "-1"}


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check, which a job evaluates after the checks that it speaks of."""
    champion = key(pipeline, "champion")

    @dg.asset_check(asset=champion, name=CHECK, description=MEANING, op_tags=AFTER_THE_OTHERS)
    def four_questions(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        return judged(champion, answers_of(context.instance, platform, pipeline, datetime.now(UTC)))

    return [four_questions]


def judged(champion: dg.AssetKey, answers: Mapping[str, Mapping[str, Any]]) -> dg.AssetCheckResult:
    """Return the check's result: it passes if each question that is due has a good answer."""
    due = {name: answer for name, answer in answers.items() if answer["due"]}
    wanting = {name: answer for name, answer in due.items() if answer["standing"] != OK}
    named = "; ".join(f"{name}: {answer['answer']}" for name, answer in wanting.items())
    said = f"{len(due) - len(wanting)} of {len(due)} questions that are due have a good answer"
    return dg.AssetCheckResult(
        passed=not wanting,
        check_name=CHECK,
        asset_key=champion,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{said}. {named}" if named else f"{said}.",
        metadata={
            "answers": dg.MetadataValue.md(as_markdown(answers)),
            "due": len(due),
            "good": len(due) - len(wanting),
        },
    )


def as_markdown(answers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the answers as Markdown, each with its evidence's page and when that was shown."""
    return "\n".join(item(answer) for answer in answers.values())


def item(answer: Mapping[str, Any]) -> str:
    """Return one answer as an item of a list; a link stays on the server that shows it."""
    said = f"- {MARKS[answer['standing']]} **{in_markdown(answer['question'])}** "
    said += in_markdown(answer["answer"])
    if answer["link"] is None:
        return said
    path = urlsplit(answer["link"])._replace(scheme="", netloc="").geturl()
    at = f", {answer['shown_at'][:16].replace('T', ' ')} UTC" if answer["shown_at"] else ""
    return f"{said} ([evidence]({path}){at})"
