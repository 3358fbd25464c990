"""Whether to train: decided once on every batch that was judged.

What is still to be decided is derived from the event log and the promotion record, where every
decision is a fact, so that a decision interrupted anywhere is taken once, by whoever comes next.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.training_set import choose, effective_at, made_from
from mldebt_assets.automation.pending import decisions, last_decided, pending_retraining
from mldebt_assets.automation.reconcile import reconciled
from mldebt_assets.automation.shown import show_decisions
from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.core.retraining import Decision, Facts, History, Signal, decide
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.promotions import (
    champion_of,
    judged_by_gate,
    open_proposals,
    refused_feeds,
)
from mldebt_assets.snapshots import as_stored, newest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact, PromotionRecord
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

JUDGING = ("drift_report", "performance")
EVENTS_A_QUERY = 100
WEEK = timedelta(days=7)


def retraining_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that decides on retraining."""
    return f"{pipeline.name}_retraining_decisions"


def next_retraining(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform, now: datetime
) -> dg.SensorResult:
    """Decide on every batch that was judged since, in order, until one decision asks for a run."""
    instance, record = context.instance, platform.record(pipeline.name)
    busy = reconciled(instance, pipeline, platform, now)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    facts, said = record.facts(), []
    pending = pending_retraining(instance, pipeline, facts, now)
    if pending is None or pending.state == "left alone":
        said = decide_in_turn(instance, pipeline, record, facts)
        pending = pending_retraining(instance, pipeline, facts, now)
    show_decisions(instance, pipeline, facts)
    request = pending.request if pending else None
    if pending and pending.state != "wanted":
        said.append(pending.reason)
    if request is not None and context.log_key:
        context.log.info(" ".join(said))  # A tick that asks for a run has no other place to say it.
    return dg.SensorResult(
        run_requests=[request] if request else [],
        skip_reason=None if request else " ".join(said),
        cursor=str(last_decided(facts)),
    )


def decide_in_turn(
    instance: dg.DagsterInstance, pipeline: Pipeline, record: PromotionRecord, facts: list[Fact]
) -> list[str]:
    """Record a decision on each batch that was judged, up to the first that asks for a training.

    Returns what was decided; ``facts`` grows by the decisions.
    """
    undecided = judged_since_decided(instance, pipeline, facts)
    said = [] if undecided else ["Nothing was judged since the last decision."]
    for place, events in enumerate(undecided):
        decision, when = decide_on(instance, pipeline, facts, events)
        ids = [event.storage_id for event in events]
        later = [event.storage_id for group in undecided[place + 1 :] for event in group]
        # All events up to ``storage_id`` are decided, and beyond it those that are named.
        until = min(later) - 1 if later else max(ids)
        about = "batch" if any(e.asset.path[-1] == "drift_report" for e in events) else "labels"
        body = {
            "about": about,
            "batch": events[0].batch,
            "storage_id": until,
            "events": ids,
            **asdict(decision),
        }
        facts.append(record.append("decision", body, effective_at=when))
        said.append(f"{events[0].batch}: {decision.reason}")
        if decision.asked:
            break
    return said


def judged_since_decided(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]
) -> list[list[Stored]]:
    """Return the drift reports and performances without a decision, those of one run together."""
    decided = {event for fact in decisions(facts) for event in fact.body.get("events", ())}
    found = [
        event
        for stage in JUDGING
        for event in events_after(instance, key(pipeline, stage), last_decided(facts))
        if event.storage_id not in decided
    ]
    groups: dict[tuple[str, str | None], list[Stored]] = defaultdict(list)
    for event in sorted(found, key=lambda event: event.storage_id):
        groups[event.run_id, event.batch].append(event)
    return list(groups.values())


def events_after(
    instance: dg.DagsterInstance, asset: dg.AssetKey, storage_id: int
) -> Iterator[Stored]:
    """Yield an asset's materializations after this one, oldest first."""
    more = True
    while more:
        page = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, after_storage_id=storage_id),
            limit=EVENTS_A_QUERY,
            ascending=True,
        )
        yield from map(as_stored, page.records)
        more = page.has_more
        storage_id = max((record.storage_id for record in page.records), default=storage_id)


def decide_on(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact], events: list[Stored]
) -> tuple[Decision, datetime]:
    """Return the decision on what one run said of a batch, and the data's time of that batch."""
    said = {event.asset.path[-1]: event for event in events}
    report, performance = said.get("drift_report"), said.get("performance")
    batch = events[0].batch or ""
    validated_key = key(pipeline, "validated")
    if report is not None:
        validated = made_from(instance, report, validated_key)
    else:
        validated = newest_validated(instance, pipeline, batch)
    raw = made_from(instance, validated, key(pipeline, "raw"))
    reference = report.metadata["reference"] if report is not None else "none"
    history = history_at(facts, effective_at(validated))
    first = history.champion is None
    refused = refused_feeds(facts)
    broken = refused.get(validated.snapshot.sha256)
    known = Facts(
        batch=batch,
        raw_hash=raw.snapshot.sha256,
        reference_hash=None if reference == "none" else str(reference),
        batches=len(choose(instance, pipeline, batch, unlearnable(facts))) if first else 0,
        drift=signal(report, "drifted"),
        performance=signal(performance, "dropped"),
        labels_hash=performance.snapshot.sha256 if performance and report is None else None,
        refused=None if broken is None else str(broken.body["reason"]).partition("\nFix: ")[0],
        history=history,
    )
    return decide(known, pipeline.retraining), history.effective_at


def newest_validated(instance: dg.DagsterInstance, pipeline: Pipeline, batch: str) -> Stored:
    """Return a batch's newest valid rows; SnapshotMissingError if it has none."""
    validated = newest(instance, key(pipeline, "validated"), batch)
    if validated is None:
        name = f"{pipeline.name}/validated[{batch}]"
        raise SnapshotMissingError.of(name, "unknown", "the event log")
    return validated


def signal(event: Stored | None, alarm: str) -> Signal | None:
    """Return what a report says, where there is one; ``alarm`` names its yes or no."""
    if event is None:
        return None
    return Signal(raised=bool(event.metadata[alarm]), summary=str(event.metadata["summary"]))


def history_at(facts: Sequence[Fact], when: datetime) -> History:
    """Return what was trained up to the data's time ``when``, and who is champion now."""
    trained = [fact.effective_at for fact in judged_by_gate(facts)]
    champion, waiting = champion_of(list(facts)), open_proposals(facts)
    return History(
        champion=champion.version if champion else None,
        effective_at=when,
        trained_until=max(trained, default=None),
        trained_this_week=sum(at > when - WEEK for at in trained),
        waiting=waiting[-1].body["version"] if waiting else None,
        waiting_since=waiting[-1].effective_at if waiting else None,
    )


def retraining_has_its_turn(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, now: datetime
) -> bool:
    """Return whether a batch still waits for a decision that somebody will take.

    The next batch is to be scored by the champion that this decision may bring. Where a person
    has stopped the sensor that decides, nobody will, and batches go on.
    """
    name = retraining_name(pipeline)
    stopped = any(
        state.name == name and state.status == InstigatorStatus.STOPPED
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    )
    if stopped:
        return False
    facts = platform.record(pipeline.name).facts()
    pending = pending_retraining(instance, pipeline, facts, now)
    if pending is not None and pending.state != "left alone":
        return True
    return bool(judged_since_decided(instance, pipeline, facts))
