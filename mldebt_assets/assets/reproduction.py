"""What a training that was repeated says of the champion: the evidence of its reproducibility."""

from typing import Any

import dagster as dg

from mldebt_assets.assets.evidence import failed
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Pipeline

CHECK = "reproduced"
MEANING = "An exact copy of the champion can be trained: done again, with every hash compared."
KEPT = ("verdict", "outcome", "version", "weights_sha256", "differs", "seconds")
NAMES_SAID = 3


def result(pipeline: Pipeline, answer: dict[str, Any]) -> dg.AssetCheckResult:
    """Return a repeated training's answer as the check's result."""
    others = [one for one in answer["differs"] if one["kind"] == "artefact"]
    verdict = Verdict(
        name=CHECK,
        passed=answer["reproduced"],
        measured=len(others),
        limit=0,
        unit="hashes",
        reason=said(answer),
    )
    details = {name: answer[name] for name in KEPT if name != "differs"}
    return check_result(
        verdict,
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details={**details, "differs": dg.MetadataValue.json(answer["differs"])},
    )


def said(answer: dict[str, Any]) -> str:
    """Return the answer in one sentence."""
    told = f"v{answer['version']}: {answer['verdict']}"
    if answer["verdict"] == "cannot be reproduced":
        return f"{told}: {answer['stopped']}"
    if answer["verdict"] == "environment differs":
        names = [one["name"] for one in answer["differs"] if one["kind"] == "environment"]
        more = f" and {len(names) - NAMES_SAID} more" if len(names) > NAMES_SAID else ""
        told += f" ({', '.join(names[:NAMES_SAID])}{more}), {answer['outcome']} all the same"
    if answer["first_difference"] is not None:
        told += f"; the first artefact that is another: {answer['first_difference']}"
    if answer["stopped"] is not None:
        told += f"; stopped there: {answer['stopped'].splitlines()[0]}"
    return f"{told}; {answer['compared']} hashes compared in {answer['seconds']:.0f} s"


def unanswered(pipeline: Pipeline, problem: MLDebtError) -> dg.AssetCheckResult:
    """Return the check's result where nothing could be trained again, with the reason."""
    return failed(pipeline, CHECK, f"Not shown: {problem}")
