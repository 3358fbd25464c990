"""What the daemon watches: batches that arrive, and drift that asks for retraining.

Both sensors derive what is to be done from the event log and the promotion record; their cursors
only spare them looking again. So a replay, which evaluates these same sensors, can be interrupted
anywhere, and a live year answers like a replay.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from mldebt_assets.assets.keys import (
    ASKED_AGAIN_TAG,
    BATCH_TAG,
    INTERRUPTED_TAG,
    PIPELINE_TAG,
    RAW_TAG,
    REASON_TAG,
    RETRAINING_TAG,
    batches,
    key,
)
from mldebt_assets.assets.training_set import choose, effective_at, made_from
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.retraining import Decision, Facts, decide
from mldebt_assets.home import Home, project_root
from mldebt_assets.jobs import batch_job_name, retraining_job_name
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Fact
from mldebt_assets.reconcile import fail_dead_runs, finish_promotions
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, as_stored, newest

if TYPE_CHECKING:
    from mldebt_assets.sources.landing import Arrival

UNFINISHED = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED]
ARRIVALS_INTERVAL_SECONDS = 15
RETRAINING_INTERVAL_SECONDS = 10
REPORTS_A_TICK = 100
LANDINGS_A_BATCH = 100


def arrivals_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that takes in what lands."""
    return f"{pipeline.name}_arrivals"


def retraining_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that decides on retraining."""
    return f"{pipeline.name}_retraining_on_drift"


def build(pipeline: Pipeline) -> list[dg.SensorDefinition]:
    """Return the pipeline's sensors."""

    @dg.sensor(
        name=arrivals_name(pipeline),
        job_name=batch_job_name(pipeline),
        minimum_interval_seconds=ARRIVALS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Take in one new or changed file of the landing folder at a time, in order.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_arrival(context, pipeline, Platform(Home.locate().require()))

    @dg.sensor(
        name=retraining_name(pipeline),
        job_name=retraining_job_name(pipeline),
        minimum_interval_seconds=RETRAINING_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Train a candidate on the first batches, and where a batch has drifted.",
    )
    def retraining(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_retraining(context, pipeline, Platform(Home.locate().require()))

    return [arrivals, retraining]


def next_arrival(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform
) -> dg.SensorResult:
    """Ask for the first file that is new or has changed, or say why nothing is asked for."""
    from mldebt_assets.sources import landing

    busy = reconciled(context.instance, pipeline, platform)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    if retraining_has_its_turn(context.instance, pipeline, platform):
        return dg.SensorResult(skip_reason="The newest drift report waits for its decision.")
    folder = landing.survey(pipeline.source, project_root())
    settled: dict[str, str] = json.loads(context.cursor or "{}")
    for arrival in folder.arrivals:
        if settled.get(arrival.batch) == arrival.fingerprint:
            continue
        request = request_batch(context.instance, pipeline, platform, arrival)
        if request is not None:
            return dg.SensorResult(
                run_requests=[request],
                dynamic_partitions_requests=[batches(pipeline).build_add_request([arrival.batch])],
                cursor=json.dumps(settled),
            )
        settled[arrival.batch] = arrival.fingerprint
    refused = "".join(f" Left alone: {file.problem}" for file in folder.refused)
    return dg.SensorResult(
        skip_reason=f"Nothing new among {len(folder.arrivals)} batches.{refused}",
        cursor=json.dumps(settled),
    )


def request_batch(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, arrival: "Arrival"
) -> dg.RunRequest | None:
    """Return the run that takes in these bytes, or None if they were taken in or refused.

    Bytes that were refused fail again, so they are not tried again; a run that failed or died for
    another cause is, up to the declared number of attempts. Bytes that come back after others
    are taken in again: what lies in the folder is what the newest snapshot holds.
    """
    from mldebt_assets.sources import landing

    digest = sha256(landing.read(arrival))
    tags = {PIPELINE_TAG: pipeline.name, BATCH_TAG: arrival.batch, RAW_TAG: digest}
    others_until = others_taken_in_until(instance, pipeline, arrival.batch, digest)
    records = instance.get_run_records(dg.RunsFilter(tags=tags))
    runs = [r.dagster_run for r in records if r.create_timestamp.timestamp() > others_until]
    refusals = {
        fact.body["run_id"]
        for fact in platform.record(pipeline.name).facts()
        if fact.kind == "batch_refused"
    }
    finished = any(run.is_success or run.run_id in refusals for run in runs)
    if finished or attempts_of(runs) >= pipeline.retraining.attempts:
        return None
    return dg.RunRequest(
        run_key=f"{arrival.batch}:{digest}:{len(records) + 1}",
        partition_key=arrival.batch,
        tags=tags,
    )


def others_taken_in_until(
    instance: dg.DagsterInstance, pipeline: Pipeline, batch: str, digest: str
) -> float:
    """Return when other bytes of this batch were last taken in, in seconds since 1970, else 0."""
    taken_in = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(pipeline, "raw"), asset_partitions=[batch]),
        limit=LANDINGS_A_BATCH,
    ).records
    others = [r.timestamp for r in taken_in if as_stored(r).snapshot.sha256 != digest]
    return max(others, default=0.0)


def attempts_of(runs: Sequence[dg.DagsterRun]) -> int:
    """Return how many of these runs count as attempts.

    Not those that a person interrupted, nor those after which a person asked for the same again.
    """
    return sum(not run.tags.keys() & {INTERRUPTED_TAG, ASKED_AGAIN_TAG} for run in runs)


def reconciled(instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform) -> str | None:
    """End what a kill left half done; return the id of a run that has not ended, if any."""
    fail_dead_runs(instance, platform)
    busy = unfinished_run(instance, pipeline)
    if busy is None:
        finish_promotions(instance, platform, pipeline)
    return busy


def unfinished_run(instance: dg.DagsterInstance, pipeline: Pipeline) -> str | None:
    """Return the id of a run of this pipeline that has not ended, if there is one."""
    runs = instance.get_runs(
        dg.RunsFilter(tags={PIPELINE_TAG: pipeline.name}, statuses=UNFINISHED), limit=1
    )
    return runs[0].run_id if runs else None


def retraining_has_its_turn(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform
) -> bool:
    """Return whether a drift report still waits for a decision that somebody will take.

    The next batch is to be scored by the champion that this decision may bring. Where a person
    has stopped the retraining sensor, nobody will decide, and batches go on.
    """
    name = retraining_name(pipeline)
    stopped = any(
        state.name == name and state.status == InstigatorStatus.STOPPED
        for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    )
    if stopped:
        return False
    facts = platform.record(pipeline.name).facts()
    if pending_retraining(instance, pipeline, facts) is not None:
        return True
    report = newest(instance, key(pipeline, "drift_report"))
    return report is not None and report.storage_id > last_decided(facts)


def last_decided(facts: list[Fact]) -> int:
    """Return the storage id of the newest drift report on which a decision was taken, else 0."""
    return max((f.body["storage_id"] for f in facts if f.kind == "decision"), default=0)


def next_retraining(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform
) -> dg.SensorResult:
    """Decide on every drift report since the last decision, in order, until one asks for a run."""
    instance, record = context.instance, platform.record(pipeline.name)
    busy = reconciled(instance, pipeline, platform)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    facts = record.facts()
    pending = pending_retraining(instance, pipeline, facts)
    if pending is not None:
        return dg.SensorResult(run_requests=[pending], cursor=str(last_decided(facts)))
    undecided = instance.fetch_materializations(
        dg.AssetRecordsFilter(
            asset_key=key(pipeline, "drift_report"),
            after_storage_id=max(int(context.cursor or 0), last_decided(facts)),
        ),
        limit=REPORTS_A_TICK,
        ascending=True,
    ).records
    said = ["No drift report since the last decision."] if not undecided else []
    for report in map(as_stored, undecided):
        decision, when = decide_on(instance, pipeline, facts, report)
        noted = {"batch": report.batch, "storage_id": report.storage_id, **asdict(decision)}
        facts.append(record.append("decision", noted, effective_at=when))
        said.append(f"{report.batch}: {decision.reason}")
        if decision.asked:
            break
    request = pending_retraining(instance, pipeline, facts)
    return dg.SensorResult(
        run_requests=[request] if request else [],
        skip_reason=None if request else " ".join(said),
        cursor=str(last_decided(facts)),
    )


def pending_retraining(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]
) -> dg.RunRequest | None:
    """Return the run that the newest decision asks for, if the gate has not judged it yet.

    Failed and dead runs are tried again under a new key, since the daemon never runs a key twice;
    after the declared number of attempts nothing more is asked.
    """
    asked = [fact for fact in facts if fact.kind == "decision" and fact.body["asked"]]
    if not asked:
        return None
    decision = asked[-1].body
    judged = {fact.body["retraining"] for fact in facts if fact.kind in {"intent", "refused"}}
    if decision["key"] in judged:
        return None
    tags = {PIPELINE_TAG: pipeline.name, RETRAINING_TAG: decision["key"]}
    runs = instance.get_runs(dg.RunsFilter(tags=tags))
    if any(run.is_success for run in runs) or attempts_of(runs) >= pipeline.retraining.attempts:
        return None
    return dg.RunRequest(
        run_key=f"{decision['key']}:{len(runs) + 1}",
        run_config={
            "ops": {f"{pipeline.name}__training_set": {"config": {"until": decision["batch"]}}}
        },
        tags={**tags, REASON_TAG: decision["reason"], BATCH_TAG: decision["batch"]},
    )


def decide_on(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact], report: Stored
) -> tuple[Decision, datetime]:
    """Return the decision on a drift report, and the data's time at which it is taken."""
    validated = made_from(instance, report, key(pipeline, "validated"))
    raw = made_from(instance, validated, key(pipeline, "raw"))
    reference = report.metadata["reference"]
    when = effective_at(validated)
    trained = [fact.effective_at for fact in facts if fact.kind in {"intent", "refused"}]
    known = Facts(
        batch=report.batch or "",
        raw_hash=raw.snapshot.sha256,
        reference_hash=None if reference == "none" else str(reference),
        batches=len(choose(instance, pipeline, report.batch)),
        drifted=bool(report.metadata["drifted"]),
        drift=str(report.metadata["summary"]),
        effective_at=when,
        trained_until=max(trained, default=None),
    )
    return decide(known, pipeline.retraining), when
