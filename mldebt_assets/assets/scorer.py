"""``p/scorer``: which champion scores a batch, and with it which drift reference holds.

Written once: made again, it gives its first answer. So old predictions do not turn stale at each
promotion, and a batch is never scored by a model that has learned from it.
"""

from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import common, key
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion, Fact, champion_of, champions_of, deletions
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, newest

NO_CHAMPION = "no champion yet"
IDENTITY = ("version", "weights_sha256", "model")


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
            facts = platform.record(pipeline.name).facts()
            answer = {**pinned(champion_of(facts)), **instead_of(facts)}
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
    """Return a champion as the scorer stores it; every value is None before there is one.

    ``expected`` are its metrics on the held-out groups that it was promoted by.
    """
    if champion is None:
        return dict.fromkeys((*IDENTITY, "reference", "promotion", "expected"))
    return {
        **identity(champion),
        "reference": champion.reference,
        "promotion": champion.promotion.sequence,
        "expected": champion.promotion.body.get("expected"),
    }


def identity(champion: Champion) -> dict[str, Any]:
    """Return what a champion's weights are loaded by."""
    return {
        "version": champion.version,
        "weights_sha256": champion.weights_sha256,
        "model": champion.promotion.body["model"],
    }


def instead_of(facts: list[Fact]) -> dict[str, dict[str, Any] | None]:
    """Return the versions that the champion is held against in money: None where there is none.

    ``replaced`` was champion before it, and ``first`` would still be, had nothing been retrained.
    One that was deleted is held against nothing.
    """
    champions, deleted = champions_of(facts), deletions(facts)
    named = {
        "replaced": champions[-2] if len(champions) > 1 else None,
        "first": champions[0] if champions else None,
    }
    return {
        name: identity(one) if one is not None and one.version not in deleted else None
        for name, one in named.items()
    }
