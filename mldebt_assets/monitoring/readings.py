"""The samples of one pipeline, each kind read apart: what cannot be read takes no other along."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evidence import EVALUATED
from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.questions import OK, UNKNOWN, WARNING, answers_of
from mldebt_assets.assets.training_set import effective_at
from mldebt_assets.core.errors import RecordError
from mldebt_assets.core.tasks.level import LEVELS
from mldebt_assets.jobs import (
    batch_job_name,
    evidence_job_name,
    labels_job_name,
    performance_job_name,
    retraining_job_name,
    scan_job_name,
)
from mldebt_assets.promotions import (
    ACT,
    champion_of,
    champions_of,
    judged_by_gate,
    open_proposals,
)
from mldebt_assets.snapshots import newest_of_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

    Reading = Callable[[dg.DagsterInstance, Platform, Pipeline], Iterator["Sample"]]

MOST_COLUMNS = 200
# The newest report may lie some batches back, where the last ones were refused or have no labels.
LOOKED_BACK = 12
JOBS = {
    "batch": batch_job_name,
    "labels": labels_job_name,
    "performance": performance_job_name,
    "retraining": retraining_job_name,
    "evidence": evidence_job_name,
    "scan": scan_job_name,
}
ENDS = {
    "success": dg.DagsterRunStatus.SUCCESS,
    "failure": dg.DagsterRunStatus.FAILURE,
    "canceled": dg.DagsterRunStatus.CANCELED,
}
VERDICTS = {"intent": "promoted", "proposed": "proposed", "refused": "refused"}
ACTS = ("gate", "approve", "promote", "rollback", "adopt")
LEVEL = {
    "{}": "mldebt_served_level",
    "{}_lower": "mldebt_served_level_lower",
    "{}_upper": "mldebt_served_level_upper",
    "expected_{}": "mldebt_expected_level",
}
SERVED = {
    "labelled_share": "mldebt_labelled_ratio",
    "dropped": "mldebt_performance_dropped",
}
MONEY = {
    "cost_per_row": "mldebt_served_cost_per_row",
    "replaced_cost_per_row": "mldebt_replaced_cost_per_row",
}


@dataclass(frozen=True)
class Sample:
    """One value of a metric, with the labels that tell it from the metric's others."""

    name: str
    value: float
    labels: dict[str, str] = field(default_factory=dict)


def of_pipeline(checks: Sequence[dg.AssetCheckKey], now: datetime) -> list[Reading]:
    """Return what is to be read of a pipeline, in any order."""
    return [
        of_record,
        of_batches,
        of_drift,
        of_performance,
        of_runs,
        partial(of_questions, now=now),
        partial(of_checks, checks=checks),
    ]


def of_record(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> Iterator[Sample]:
    """Yield whether the record is whole, and what it says of champion, retraining and gate."""
    labels = {"pipeline": pipeline.name}
    try:
        facts = platform.record(pipeline.name).facts()
    except RecordError:
        yield Sample("mldebt_record_ok", 0.0, labels)
        return
    yield Sample("mldebt_record_ok", 1.0, labels)
    champion = champion_of(facts)
    if champion is not None:
        at, data = champion.promotion.recorded_at, champion.promotion.effective_at
        yield Sample("mldebt_champion_version", champion.version, labels)
        yield Sample("mldebt_champion_promoted_timestamp_seconds", at.timestamp(), labels)
        yield Sample("mldebt_champion_data_timestamp_seconds", data.timestamp(), labels)
    yield Sample("mldebt_approvals_waiting", len(open_proposals(facts)), labels)
    yield from of_decisions(facts, labels)
    refusals = [fact for fact in facts if fact.kind == "batch_refused"]
    yield Sample("mldebt_batches_refused_total", len(refusals), labels)
    newest_refusal = {fact.body["batch"]: fact.recorded_at.timestamp() for fact in refusals}
    valid = newest_of_each(instance, key(pipeline, "validated"), list(newest_refusal))
    refused = [b for b, at in newest_refusal.items() if b not in valid or valid[b].timestamp < at]
    yield Sample("mldebt_batches_refused", len(refused), labels)


def of_decisions(facts: list[Fact], labels: dict[str, str]) -> Iterator[Sample]:
    """Yield how often was decided, trained, judged and promoted; 0 where it never was."""
    decisions = [fact.body for fact in facts if fact.kind == "decision"]
    for asked in (True, False):
        count = sum(bool(body["asked"]) == asked for body in decisions)
        told = {**labels, "asked": "yes" if asked else "no"}
        yield Sample("mldebt_retraining_decisions_total", count, told)
    judged = judged_by_gate(facts)
    yield Sample("mldebt_trainings_total", len(judged), labels)
    known = {fact.body["retraining"] for fact in judged}
    asked_for = [body["key"] for body in decisions if body["asked"]][-1:]
    yield Sample("mldebt_retraining_pending", float(not known.issuperset(asked_for)), labels)
    verdicts = Counter(VERDICTS[fact.kind] for fact in judged)
    for verdict in VERDICTS.values():
        told = {**labels, "verdict": verdict}
        yield Sample("mldebt_gate_verdicts_total", verdicts[verdict], told)
    acts = Counter(one.promotion.body.get(ACT, "gate") for one in champions_of(facts))
    for act in ACTS:
        yield Sample("mldebt_promotions_total", acts[act], {**labels, "act": act})


def newest_batches(instance: dg.DagsterInstance, pipeline: Pipeline) -> list[str]:
    """Return the names of the last batches, oldest first."""
    return sorted(instance.get_dynamic_partitions(batches(pipeline).name or ""))[-LOOKED_BACK:]


def newest_with(
    instance: dg.DagsterInstance, pipeline: Pipeline, stage: str, has: str
) -> Stored | None:
    """Return the newest batch's materialization of a stage whose metadata has an entry."""
    names = newest_batches(instance, pipeline)
    found = newest_of_each(instance, key(pipeline, stage), names)
    return next(
        (found[b] for b in reversed(names) if b in found and has in found[b].metadata), None
    )


def of_batches(
    instance: dg.DagsterInstance, _platform: Platform, pipeline: Pipeline
) -> Iterator[Sample]:
    """Yield how many batches there are and how old the newest is."""
    labels = {"pipeline": pipeline.name}
    arrived = instance.get_dynamic_partitions(batches(pipeline).name or "")
    yield Sample("mldebt_batches", len(arrived), labels)
    validated = newest_with(instance, pipeline, "validated", "effective_at")
    if validated is not None:
        data = effective_at(validated).timestamp()
        yield Sample("mldebt_newest_batch_timestamp_seconds", validated.timestamp, labels)
        yield Sample("mldebt_newest_batch_data_timestamp_seconds", data, labels)


def of_drift(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> Iterator[Sample]:
    """Yield how far each column of the newest judged batch lies from its champion's reference."""
    names = newest_batches(instance, pipeline)
    reports = newest_of_each(instance, key(pipeline, "drift_report"), names)
    judged = (
        reports[batch]
        for batch in reversed(names)
        if batch in reports and reports[batch].metadata.get("reference") != "none"
    )
    stored = next(judged, None)
    if stored is None:
        return
    report: dict[str, Any] = platform.snapshots.load(stored.snapshot)
    labels, columns = {"pipeline": pipeline.name}, report["columns"]
    yield Sample("mldebt_batch_drifted", float(report["drifted"]), labels)
    yield Sample("mldebt_drift_columns", len(columns), labels)
    drifted = sum(column["drifted"] for column in columns)
    yield Sample("mldebt_drift_columns_drifted", drifted, labels)
    farthest = sorted(columns, key=lambda column: -(column["distance"] or 0.0))
    for column in farthest[:MOST_COLUMNS]:
        of = {**labels, "column": str(column["name"])}
        yield Sample("mldebt_drift_column_drifted", float(column["drifted"]), of)
        if column["distance"] is not None:
            yield Sample("mldebt_drift_distance_ratio", column["distance"], of)


def of_performance(
    instance: dg.DagsterInstance, _platform: Platform, pipeline: Pipeline
) -> Iterator[Sample]:
    """Yield how well the newest batch with labels was served, in its level and in money."""
    level = LEVELS[pipeline.target.task]
    stored = newest_with(instance, pipeline, "performance", level.key)
    if stored is None:
        return
    labels, found = {"pipeline": pipeline.name}, stored.metadata
    for measured, name in SERVED.items():
        if measured in found:
            yield Sample(name, float(found[measured]), labels)
    for template, name in LEVEL.items():
        if template.format(level.key) in found:
            value = float(found[template.format(level.key)])
            yield Sample(name, value, {**labels, "metric": level.key})
    paid = {**labels, "currency": pipeline.currency or "none"}
    for measured, name in MONEY.items():
        if measured in found:
            yield Sample(name, float(found[measured]), paid)


def of_runs(
    instance: dg.DagsterInstance, _platform: Platform, pipeline: Pipeline
) -> Iterator[Sample]:
    """Yield how many runs of each job ended, and how."""
    for job, name_of in JOBS.items():
        for said, status in ENDS.items():
            wanted = dg.RunsFilter(job_name=name_of(pipeline), statuses=[status])
            labels = {"pipeline": pipeline.name, "job": job, "status": said}
            yield Sample("mldebt_runs_total", instance.get_runs_count(wanted), labels)


def of_questions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, *, now: datetime
) -> Iterator[Sample]:
    """Yield how the answers to the four questions stand, and when they were shown."""
    for question, answer in answers_of(instance, platform, pipeline, now).items():
        labels = {"pipeline": pipeline.name, "question": question}
        for standing in (OK, WARNING, UNKNOWN):
            told = {**labels, "standing": standing}
            yield Sample("mldebt_question_standing", float(answer["standing"] == standing), told)
        if answer["age_seconds"] is not None:
            at = now.timestamp() - answer["age_seconds"]
            yield Sample("mldebt_evidence_timestamp_seconds", at, labels)


def of_checks(
    instance: dg.DagsterInstance,
    _platform: Platform,
    pipeline: Pipeline,
    *,
    checks: Sequence[dg.AssetCheckKey],
) -> Iterator[Sample]:
    """Yield how many checks of each stage failed when they were last evaluated."""
    storage = instance.event_log_storage
    latest = dict(storage.get_latest_asset_check_execution_by_key(checks)) if checks else {}
    failed: Counter[tuple[str, str]] = Counter()
    for check, execution in latest.items():
        found = execution
        if execution.evaluation is None:  # It is under way, or its run was killed.
            before = storage.get_asset_check_execution_history(check, limit=1, status=EVALUATED)
            found = before[0] if before else execution
        if found.evaluation is not None and not found.evaluation.passed:
            failed[check.asset_key.path[-1], found.evaluation.severity.value.lower()] += 1
    for stage in sorted({check.asset_key.path[-1] for check in checks}):
        for severity in ("error", "warn"):
            labels = {"pipeline": pipeline.name, "stage": stage, "severity": severity}
            yield Sample("mldebt_checks_failed", failed[stage, severity], labels)
