"""Drift of what was served and of what became true, scores and labels: part of ``p/performance``.

They are judged once a batch is scored, and again when labels come late, beside the held-out days of
the champion's drift reference, as it scores them itself.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from mldebt_assets.assets.drift_reference import NO_CHAMPION, nothing_beside, sketched_outcomes
from mldebt_assets.assets.drift_report import table_of
from mldebt_assets.core.features import ROW_ID
from mldebt_assets.pipeline import Pipeline

if TYPE_CHECKING:
    from mldebt_assets.core.drift.champion_reference import ChampionReference


def judged_outcomes(
    pipeline: Pipeline,
    scorer: dict[str, Any],
    reference: "ChampionReference",
    predictions: pd.DataFrame,
    features: pd.DataFrame,
) -> dict[str, dict[str, Any]]:
    """Return what the rule says of a batch's scores and labels, by what they are."""
    from mldebt_assets.core.drift.outcomes import WHAT, judge_outcomes, unjudged

    alone = nothing_beside(scorer)
    if alone is not None or reference.held_out is None:
        return {what: unjudged(alone or NO_CHAMPION) for what in WHAT}
    served = predictions.set_index(ROW_ID).reindex(features[ROW_ID])
    own = sketched_outcomes(pipeline, features, served)
    return judge_outcomes(reference.held_out, own, pipeline.drift, pipeline.training.seed)


def page(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a person wants to read first: each in a sentence, then its numbers."""
    facts: dict[str, Any] = {}
    for what, one in found.items():
        facts[f"drift of {what}"] = one["summary"]
        if one["judged"]:
            columns = [{"name": name, **told} for name, told in one["columns"].items()]
            facts[f"drift of {what}: distance"] = table_of(columns, columns[0]["kind"])
            calibration = f"{one['calibration']}: {one['calibration_reason']}"
            facts[f"drift of {what}: calibration"] = calibration
    return facts
