"""Decisions on retraining as they stand on the page of ``p/training_set``: one observation each.

The record is what counts. An observation that a kill left out is made at the next tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.automation.pending import decisions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact

SEQUENCE = "fact"


def show_decisions(instance: dg.DagsterInstance, pipeline: Pipeline, facts: Sequence[Fact]) -> None:
    """Put each decision that is not there yet on the training set's page, oldest first."""
    asset = key(pipeline, "training_set")
    newest = instance.fetch_observations(asset, limit=1).records
    observed = newest[0].asset_observation if newest else None
    shown = observed.metadata[SEQUENCE].value if observed else None
    last = shown if isinstance(shown, int) else -1
    for fact in decisions(facts):
        if fact.sequence > last:
            instance.report_runless_asset_event(observation_of(asset, fact))


def observation_of(asset: dg.AssetKey, decision: Fact) -> dg.AssetObservation:
    """Return a decision as it is shown: yes or no, why, and the events that it was taken on."""
    body = decision.body
    about = f"the {body['about']}" if body["batch"] is None else body["batch"]
    decided = "retraining" if body["asked"] else "no retraining"
    return dg.AssetObservation(
        asset,
        description=f"{about}: {decided}. {body['reason']}",
        metadata={
            "batch": body["batch"] or "none",
            "decided": decided,
            "reason": body["reason"],
            "decided on, by storage id": dg.MetadataValue.json(body["events"]),
            "data's time": decision.effective_at.isoformat(),
            SEQUENCE: decision.sequence,
            "hash of the fact": decision.hash,
        },
    )
