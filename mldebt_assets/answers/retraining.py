"""Why was a model retrained, or why not: every decision with its evidence, and what waiting costs.

Decisions and what came of them are facts of the promotion record; the evidence is what the events
say that a decision names. The staleness curve is measured anew, from the stored models and tables.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.answers.refused import REFUSED, alarm_of
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.predictions import load_model
from mldebt_assets.assets.training_set import arrived, effective_at
from mldebt_assets.automation.decisions import EVENTS_A_QUERY, JUDGING, signal
from mldebt_assets.automation.pending import decisions
from mldebt_assets.core.errors import NothingToTrainOnError
from mldebt_assets.core.features import LABEL, inputs_of
from mldebt_assets.core.staleness import Backtest, staleness_curve
from mldebt_assets.forgotten import withdrawn
from mldebt_assets.promotions import adopted_by, champion_of, deletions, judged_by_gate
from mldebt_assets.snapshots import as_stored, at_storage_ids

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

ALARMS = dict(zip(JUDGING, ("drifted", "dropped"), strict=True))
GATE_SAID = {"intent": "promoted", "proposed": "proposed", "refused": "refused"}
SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Version:
    """A trained version, and the newest batch that it learned from, by its place."""

    number: int
    weights: dict[str, Any]
    place: int


def retraining_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> dict[str, Any]:
    """Return each decision on retraining, oldest first, and the staleness curve up to now.

    Raises: SnapshotError if a stored model or table is gone or damaged.
    """
    started = time.monotonic()
    facts = platform.record(pipeline.name).facts()
    batches = batches_in_order(instance, pipeline)
    names = [str(one.batch) for one, _ in batches]
    versions = trained_versions(instance, pipeline, facts, names)
    backtests = list(backtested(pipeline, platform, versions, [one for one, _ in batches]))
    return {
        "pipeline": pipeline.name,
        "champion": standing(facts, versions, [when for _, when in batches]),
        "decisions": told_decisions(instance, pipeline, facts),
        "metric": pipeline.task.level.name,
        "staleness": [asdict(age) for age in staleness_curve(backtests)],
        "backtests": [asdict(backtest) for backtest in backtests],
        "seconds": time.monotonic() - started,
    }


def batches_in_order(
    instance: dg.DagsterInstance, pipeline: Pipeline
) -> list[tuple[Stored, datetime]]:
    """Return the features of every batch and its data's time, in the order of that time."""
    try:
        found = arrived(instance, pipeline, None)
    except NothingToTrainOnError:
        return []
    return [(features, effective_at(validated)) for features, validated in found]


def told_decisions(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: Sequence[Fact]
) -> list[dict[str, Any]]:
    """Return every decision on retraining, with its evidence and what the gate made of it.

    Among them, in their order, are the batches that validation refused: nothing was decided on
    them, since nothing was taken in.
    """
    taken = decisions(facts)
    ids = [event for fact in taken for event in fact.body["events"]]
    found = {
        record.storage_id: (stage, as_stored(record))
        for stage in JUDGING
        for start in range(0, len(ids), EVENTS_A_QUERY)
        for record in instance.fetch_materializations(
            dg.AssetRecordsFilter(
                asset_key=key(pipeline, stage), storage_ids=ids[start : start + EVENTS_A_QUERY]
            ),
            limit=EVENTS_A_QUERY,
        ).records
    }
    outcomes = {fact.body["retraining"]: fact for fact in judged_by_gate(facts)}
    told = {
        fact.sequence: {
            "batch": fact.body["batch"],
            "about": fact.body["about"],
            "asked": fact.body["asked"],
            "reason": fact.body["reason"],
            "effective_at": fact.effective_at.isoformat(),
            "recorded_at": fact.recorded_at.isoformat(),
            "evidence": [evidence(*found[one]) for one in fact.body["events"] if one in found],
            "outcome": outcome(outcomes.get(fact.body["key"])) if fact.body["asked"] else None,
        }
        for fact in taken
    }
    told |= {fact.sequence: not_taken_in(fact) for fact in facts if fact.kind == "batch_refused"}
    return [told[sequence] for sequence in sorted(told)]


def not_taken_in(refusal: Fact) -> dict[str, Any]:
    """Return that a batch was refused before anything could be decided on it, and as what."""
    reason, raw = str(refusal.body["reason"]).partition("\nFix: ")[0], refusal.body["raw"]
    shown = {"what": "raw", "raised": True, "summary": alarm_of(refusal)}
    return {
        "batch": refusal.body["batch"],
        "about": REFUSED,
        "asked": False,
        "reason": reason,
        "effective_at": refusal.effective_at.isoformat(),
        "recorded_at": refusal.recorded_at.isoformat(),
        "evidence": [{**shown, "sha256": raw["sha256"]}] if raw else [],
        "outcome": None,
    }


def evidence(stage: str, stored: Stored) -> dict[str, Any]:
    """Return what one report said that a decision was taken on, and the hash of its bytes."""
    said = signal(stored, ALARMS[stage])
    return {
        "what": stage,
        "sha256": stored.snapshot.sha256,
        "raised": said is not None and said.raised,
        "summary": str(stored.metadata["summary"]),
    }


def outcome(verdict: Fact | None) -> dict[str, Any] | None:
    """Return what the gate decided on the candidate that was asked for, None while it has not."""
    if verdict is None:
        return None
    return {
        "version": verdict.body["version"],
        "gate": GATE_SAID[verdict.kind],
        "reason": verdict.body["reason"],
    }


def trained_versions(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: Sequence[Fact], batches: Sequence[str]
) -> list[Version]:
    """Return every version that the gate has judged and nobody deleted, in their order."""
    deleted = deletions(facts)
    judged = {
        fact.body["version"]: fact.body
        for fact in judged_by_gate(facts)
        if fact.body["version"] not in deleted
    }
    ids = [body["training_set"]["storage_id"] for body in judged.values()]
    manifests = at_storage_ids(instance, key(pipeline, "training_set"), ids)
    features = key(pipeline, "features").to_user_string()
    return [
        Version(
            number=number,
            weights={name: body[name] for name in ("version", "weights_sha256", "model")},
            place=max(
                batches.index(batch)
                for batch in manifests[body["training_set"]["storage_id"]].reads[features]
            ),
        )
        for number, body in sorted(judged.items())
    ]


def backtested(
    pipeline: Pipeline, platform: Platform, versions: Sequence[Version], batches: Sequence[Stored]
) -> Iterable[Backtest]:
    """Yield how well each version does on each labelled batch after those that it learned from.

    One table and all models are in memory at a time.
    """
    from mldebt_assets.core.training import predict

    task, models = pipeline.task, dict[int, "FittedModel"]()
    by_place: dict[int, list[Version]] = defaultdict(list)
    for version in versions:
        for place in range(version.place + 1, len(batches)):
            by_place[place].append(version)
    gone = withdrawn(platform.record(pipeline.name).facts())
    for place, of_batch in sorted(by_place.items()):
        if batches[place].snapshot.sha256 in gone:
            continue
        table = platform.snapshots.load(batches[place].snapshot)
        known = table[table[LABEL].notna()]
        labels = task.numbers(known[LABEL])
        if task.lacking(labels, "labelled") is not None:
            continue
        for version in of_batch:
            if version.number not in models:
                models[version.number] = load_model(pipeline, platform, version.weights)
            model = models[version.number]
            scores = task.aligned(predict(model, inputs_of(known)), model.classes)
            yield Backtest(
                version=version.number,
                batch=str(batches[place].batch),
                age=place - version.place,
                value=task.measure(labels, scores),
            )


def standing(
    facts: Sequence[Fact], versions: Sequence[Version], times: Sequence[datetime]
) -> dict[str, Any] | None:
    """Return how old the champion's data are, in batches and in days of the data's time.

    None before there is a champion; each is None of one that was adopted.
    """
    champion = champion_of(list(facts))
    if champion is None:
        return None
    if adopted_by(champion.promotion.body) is not None:
        unknown = dict.fromkeys(("learned_until", "age", "age_days"))
        return {"version": champion.version, **unknown}
    [place] = {one.place for one in versions if one.number == champion.version}
    age = times[-1] - times[place]
    return {
        "version": champion.version,
        "learned_until": times[place].isoformat(),
        "age": len(times) - 1 - place,
        "age_days": age.total_seconds() / SECONDS_A_DAY,
    }
