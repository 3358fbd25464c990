"""The champion, the batches that stand refused, and the four questions of a model's owner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.quarantine import rows_waiting
from mldebt_assets.answers.refused import refused_batches
from mldebt_assets.assets.questions import answers_of
from mldebt_assets.promotions import champion_of

if TYPE_CHECKING:
    from datetime import datetime

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform


def status_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, now: datetime
) -> dict[str, Any]:
    """Return the champion, None before there is one, what is refused, and every answer."""
    facts = platform.record(pipeline.name).facts()
    champion = champion_of(facts)
    return {
        "pipeline": pipeline.name,
        "champion": champion
        and {
            "version": champion.version,
            "weights_sha256": champion.weights_sha256,
            "effective_at": champion.promotion.effective_at.isoformat(),
            "reason": champion.promotion.body["reason"],
        },
        "refused": refused_batches(instance, pipeline, facts),
        "quarantined": rows_waiting(instance, pipeline),
        "questions": answers_of(instance, platform, pipeline, now),
    }
