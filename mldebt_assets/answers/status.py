"""The champion, and the four questions that a model's owner must be able to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.assets import rollback
from mldebt_assets.assets.evidence import newest_evidence
from mldebt_assets.assets.keys import key
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from datetime import datetime

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion
    from mldebt_assets.resources import Platform

QUESTIONS = {
    "reproducible": "Can I train an exact copy now?",
    "input_change": "How much have the inputs changed?",
    "rollback": "How fast can I go back?",
    "personal_data": "Is there personal data in it?",
}
NOT_YET_KNOWN = "not yet known"


def status_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, now: datetime
) -> dict[str, Any]:
    """Return the champion (None before there is one) and each question's answer and evidence.

    ``age_seconds`` is the evidence's age on the wall clock; where nothing answers a question yet,
    it and ``evidence`` are None and the answer says so.
    """
    champion = platform.record(pipeline.name).champion()
    answers = {name: unanswered(question) for name, question in QUESTIONS.items()}
    answers["input_change"] |= input_change(instance, pipeline, now)
    answers["rollback"] |= way_back_shown(instance, pipeline, champion, now)
    return {
        "pipeline": pipeline.name,
        "champion": champion
        and {
            "version": champion.version,
            "weights_sha256": champion.weights_sha256,
            "effective_at": champion.promotion.effective_at.isoformat(),
            "reason": champion.promotion.body["reason"],
        },
        "questions": answers,
    }


def unanswered(question: str) -> dict[str, Any]:
    """Return a question to which nothing has given an answer yet."""
    return {
        "question": question,
        "answer": NOT_YET_KNOWN,
        "evidence": None,
        "age_seconds": None,
    }


def input_change(instance: dg.DagsterInstance, pipeline: Pipeline, now: datetime) -> dict[str, Any]:
    """Return what the newest drift report says, if it judged anything."""
    report = newest(instance, key(pipeline, "drift_report"))
    if report is None or report.metadata["reference"] == "none":
        return {}
    return {
        "answer": f"{report.batch}: {report.metadata['summary']}",
        "evidence": {
            "asset": report.asset.to_user_string(),
            "batch": report.batch,
            "sha256": report.snapshot.sha256,
            "storage_id": report.storage_id,
        },
        "age_seconds": round(now.timestamp() - report.timestamp, 1),
    }


def way_back_shown(
    instance: dg.DagsterInstance, pipeline: Pipeline, champion: Champion | None, now: datetime
) -> dict[str, Any]:
    """Return what the newest drill, or the newest rollback, showed, if there was one.

    It says so where another version has become champion since: the way back is another one then.
    """
    shown = newest_evidence(instance, pipeline, rollback.CHECK, rollback.KEPT)
    if shown is None or champion is None:
        return {}
    left_at = shown["to"] if shown.get("drill") is False else shown.get("from")
    since = "" if left_at in {None, champion.version} else f"; v{champion.version} came since"
    age = now.timestamp() - shown.pop("timestamp")
    return {
        "answer": shown.pop("said") + since,
        "evidence": shown,
        "age_seconds": round(age, 1),
    }
