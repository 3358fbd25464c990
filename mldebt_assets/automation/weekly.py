"""The weekly retraining: whatever drift and performance say, what is new is learned from."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.training_set import choose, effective_at
from mldebt_assets.automation.decisions import history_at
from mldebt_assets.automation.pending import decisions, last_decided, pending_retraining
from mldebt_assets.automation.reconcile import UNFINISHED, reconciled
from mldebt_assets.automation.shown import show_decisions
from mldebt_assets.core.errors import NothingToTrainOnError
from mldebt_assets.core.retraining import decide_weekly
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.promotions import judged_by_gate
from mldebt_assets.snapshots import at_storage_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored


def weekly_training(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    platform: Platform,
    *,
    scheduled: datetime,
    now: datetime,
) -> dg.RunRequest | dg.SkipReason:
    """Decide on the training of the week of ``scheduled``, once, and ask for it or say why not.

    If its run fails, the sensor that decides on retraining tries it again.
    """
    reconciled(instance, pipeline, platform, now)
    record = platform.record(pipeline.name)
    facts = record.facts()
    name = f"weekly:{scheduled:%Y-%m-%d}"
    taken = [fact for fact in decisions(facts) if fact.body["key"] == name]
    if not taken:
        try:
            chosen = choose(instance, pipeline, None, unlearnable(facts))
        except NothingToTrainOnError:
            return dg.SkipReason("The weekly retraining waits: no batch has arrived yet.")
        if not chosen:
            return dg.SkipReason("The weekly retraining waits: no label has arrived yet.")
        batch, when = chosen[-1][0].batch, effective_at(chosen[-1][1])
        decision = decide_weekly(
            fresh=fresh(instance, pipeline, facts, [features for features, _ in chosen]),
            batches=len(chosen),
            training=training_under_way(instance, pipeline),
            history=history_at(facts, when),
            policy=pipeline.retraining,
            key=name,
        )
        # A weekly "no" is about no batch, and settles nothing that was judged.
        body = {
            "about": "week",
            "batch": batch if decision.asked else None,
            "storage_id": last_decided(facts),
            "events": [],
            **asdict(decision),
        }
        taken = [record.append("decision", body, effective_at=when)]
        facts += taken
        show_decisions(instance, pipeline, facts)
    if not taken[-1].body["asked"]:
        return dg.SkipReason(taken[-1].body["reason"])
    pending = pending_retraining(instance, pipeline, facts, now, by_schedule=True)
    if pending is None:
        return dg.SkipReason("The training of this week has been judged already.")
    return pending.request or dg.SkipReason(pending.reason)


def fresh(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    facts: Sequence[Fact],
    features: Sequence[Stored],
) -> int:
    """Return how many of these batches the last training did not have as they are now."""
    trained = judged_by_gate(facts)
    learned: dict[str, list[object]] = {}
    if trained:
        asset, manifest = key(pipeline, "training_set"), trained[-1].body["training_set"]
        stored = at_storage_id(instance, asset, manifest["storage_id"])
        learned = stored.reads[f"{pipeline.name}/features"]
    known = {batch: read[0] for batch, read in learned.items()}
    return sum(known.get(one.batch or "") != one.snapshot.sha256 for one in features)


def training_under_way(instance: dg.DagsterInstance, pipeline: Pipeline) -> str | None:
    """Return the id of a training of this pipeline that has not ended, if there is one."""
    unended = dg.RunsFilter(job_name=retraining_job_name(pipeline), statuses=UNFINISHED)
    runs = instance.get_runs(unended, limit=1)
    return runs[0].run_id if runs else None
