"""``p/outcomes``: drift of what was served and of what became true, scores and labels.

They are judged once a batch is scored, and again when labels come late, beside the held-out days of
the champion's drift reference, as it scores them itself.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mldebt_assets.assets.drift_reference import (
    NO_CHAMPION,
    loaded_reference,
    nothing_beside,
    sketched_outcomes,
)
from mldebt_assets.assets.drift_report import table_of
from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.standing import standing
from mldebt_assets.core.features import ROW_ID
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading

STAGE = "outcomes"
DEPENDENCIES = ("scorer", "drift_reference", "predictions", "features")


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that judges a batch's scores and labels."""

    @dg.asset(
        **common(pipeline, STAGE, kinds={"scipy", "json"}, partitioned=True),
        deps=[key(pipeline, stage) for stage in DEPENDENCIES],
        description="How far scores and labels lie from those of the champion's held-out rows.",
    )
    def outcomes(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        reference, served, features = (
            reading.take(key(pipeline, stage), context.partition_key) for stage in DEPENDENCIES[1:]
        )

        def make() -> Iterator[Made]:
            from mldebt_assets.core.drift.outcomes import WHAT, judge_outcomes, unjudged

            alone = nothing_beside(scorer)
            before = loaded_reference(platform, reference).held_out
            if alone is not None or before is None:
                found = {what: unjudged(alone or NO_CHAMPION) for what in WHAT}
            else:
                rows, scores = reading.load(features), reading.load(served).set_index(ROW_ID)
                own = sketched_outcomes(pipeline, rows, scores.reindex(rows[ROW_ID]))
                found = judge_outcomes(before, own, pipeline.drift, pipeline.training.seed)
            yield dg.Output(found, metadata=page(found))

        yield from once(context, pipeline, reading, make)

    return [outcomes]


def page(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a person wants to read first: each in a sentence, then its numbers."""
    facts: dict[str, Any] = {what: one["summary"] for what, one in found.items()}
    for what, one in found.items():
        if one["judged"]:
            columns = [{"name": name, **told} for name, told in one["columns"].items()]
            facts[f"{what}: distance"] = table_of(columns, columns[0]["kind"])
            facts[f"{what}: calibration"] = f"{one['calibration']}: {one['calibration_reason']}"
    return facts
