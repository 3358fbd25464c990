"""``p/scorer``: which champion scores a batch, and with it which drift reference holds.

Written once: made again, it gives its first answer. So old predictions do not turn stale at each
promotion, and a batch is never scored by a model that has learned from it.
"""

from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import common, key
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, newest

NO_CHAMPION = "no champion yet"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that pins the champion of a batch's time."""

    @dg.asset(
        **common(pipeline, "scorer", kinds={"json"}, partitioned=True),
        deps=[key(pipeline, "champion")],
        description="Which champion, with which drift reference, scores this batch. Written once.",
    )
    def scorer(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.MaterializeResult[dict[str, Any]]:
        reading = Reading(context.instance, platform.snapshots)
        first = newest(context.instance, key(pipeline, "scorer"), context.partition_key)
        if first is not None:
            answer = reading.load(first)
        else:
            answer = pinned(platform.record(pipeline.name).champion())
            note_promotion(pipeline, reading, answer)
        return dg.MaterializeResult(
            value=answer,
            data_version=dg.DataVersion(answer["weights_sha256"] or NO_CHAMPION),
            metadata={"version": answer["version"] or NO_CHAMPION, **reading.metadata()},
        )

    return [scorer]


def note_promotion(pipeline: Pipeline, reading: Reading, answer: dict[str, Any]) -> None:
    """Note the materialization of the promotion that the answer was taken from."""
    if answer["version"] is not None:
        reading.note(reading.newest(key(pipeline, "champion")))


def pinned(champion: Champion | None) -> dict[str, Any]:
    """Return a champion as the scorer stores it; every value is None before there is one."""
    if champion is None:
        return dict.fromkeys(("version", "weights_sha256", "model", "reference", "promotion"))
    body = champion.promotion.body
    return {
        "version": champion.version,
        "weights_sha256": champion.weights_sha256,
        "model": body["model"],
        "reference": champion.reference,
        "promotion": champion.promotion.sequence,
    }
