"""Which batches stand refused, by validation or as a broken feed, and what mends that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.keys import key
from mldebt_assets.promotions import refused_feeds
from mldebt_assets.snapshots import newest_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.snapshots import Stored

REFUSED = "refused"


def alarm_of(refusal: Fact) -> str:
    """Return the class of what a batch was refused for, ``refused`` where it has none."""
    return str(refusal.body.get("class", REFUSED))


def refused_batches(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: Sequence[Fact]
) -> list[dict[str, Any]]:
    """Return each batch whose newest bytes are refused, in the order of their names.

    A broken feed is scored all the same; what validation refused is not even taken in.
    """
    by_validation = {f.body["batch"]: f for f in facts if f.kind == "batch_refused"}
    broken = refused_feeds(facts)
    asked = sorted({*by_validation, *(fact.body["batch"] for fact in broken.values())})
    valid = newest_of_each(instance, key(pipeline, "validated"), asked)
    scored = newest_of_each(instance, key(pipeline, "predictions"), asked)
    standing: dict[str, Fact] = {}
    for batch in asked:
        refusal, taken_in = by_validation.get(batch), valid.get(batch)
        since = 0.0 if taken_in is None else taken_in.timestamp
        if refusal is not None and refusal.recorded_at.timestamp() > since:
            standing[batch] = refusal
        elif taken_in is not None and taken_in.snapshot.sha256 in broken:
            standing[batch] = broken[taken_in.snapshot.sha256]
    return [
        {
            "batch": batch,
            "alarm": alarm_of(refusal),
            "reason": str(refusal.body["reason"]).partition("\nFix: ")[0],
            "fix": str(refusal.body["reason"]).partition("\nFix: ")[2],
            "scored": refusal.kind == "feed_refused" and is_scored(scored.get(batch)),
            "since": refusal.recorded_at.isoformat(),
        }
        for batch, refusal in standing.items()
    ]


def is_scored(predictions: Stored | None) -> bool:
    """Return whether a champion scored the batch; before the first, predictions are empty."""
    return predictions is not None and "scored by" in predictions.metadata
