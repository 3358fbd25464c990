"""The champion, and the four questions that a model's owner must be able to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.questions import answers_of

if TYPE_CHECKING:
    from datetime import datetime

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform


def status_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, now: datetime
) -> dict[str, Any]:
    """Return the champion (None before there is one), and each question's answer and evidence."""
    champion = platform.record(pipeline.name).champion()
    return {
        "pipeline": pipeline.name,
        "champion": champion
        and {
            "version": champion.version,
            "weights_sha256": champion.weights_sha256,
            "effective_at": champion.promotion.effective_at.isoformat(),
            "reason": champion.promotion.body["reason"],
        },
        "questions": answers_of(instance, platform, pipeline, now),
    }
