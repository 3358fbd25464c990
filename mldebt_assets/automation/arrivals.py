"""What has landed and is not taken in yet: asked for one by one by a sensor, all at once by night.

Whether bytes were taken in is derived from the runs that did it. A run notes the mark of the file
that it was asked for, so that a file that lies there unchanged is not read again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import dagster as dg

from mldebt_assets.assets.collecting import LANDED
from mldebt_assets.assets.keys import (
    BATCH_TAG,
    PIPELINE_TAG,
    RAW_TAG,
    REASON_TAG,
    batches,
    key,
)
from mldebt_assets.assets.refusal import declared_data
from mldebt_assets.automation.decisions import retraining_has_its_turn
from mldebt_assets.automation.failures import CODE_TAG, after_failures
from mldebt_assets.automation.reconcile import reconciled
from mldebt_assets.core.errors import BatchChangedError, DeclarationError, MLDebtError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.periods import how_many
from mldebt_assets.home import project_root
from mldebt_assets.jobs import batch_job_name, labels_job_name
from mldebt_assets.provenance import code_digest
from mldebt_assets.snapshots import as_stored, newest_of_each
from mldebt_assets.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from mldebt_assets.pipeline import LandingFolder, Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored
    from mldebt_assets.sources.landing import Arrival, Landing


@dataclass(frozen=True)
class Intake:
    """A landing folder, the job that takes in a file of it, the stage that stores its bytes."""

    source: LandingFolder
    job: str
    stage: str


State = Literal["settled", "waits", "left alone", "wanted"]

LANDED_TAG = "mldebt/landed"
LANDINGS_A_BATCH = 100
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is to be done about one landed file, and why.

    ``settled``: its bytes were taken in or refused. ``waits``: it will be looked at again.
    ``left alone``: until its bytes or the code change, or a person asks. ``wanted``: by a run.
    """

    state: State
    reason: str
    request: dg.RunRequest | None = None


def next_arrival(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform, now: datetime
) -> dg.SensorResult:
    """Ask for the first file that is new or has changed, or say why nothing is asked for."""
    from mldebt_assets.sources import landing

    busy = reconciled(context.instance, pipeline, platform, now)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    if retraining_has_its_turn(context.instance, pipeline, platform, now):
        return dg.SensorResult(skip_reason="The newest batch waits for the decision on retraining.")
    intake = Intake(pipeline.source, batch_job_name(pipeline), "raw")
    folder = landing.survey(intake.source, project_root())
    refused = refusals(pipeline, platform)
    reopened = sorted(run for run, stands in refused.items() if not stands)
    settled = settled_before(context.cursor, reopened)
    unsettled = [a for a in folder.arrivals if settled.get(a.batch) != a.fingerprint]

    def judge(arrival: Arrival) -> Outlook:
        return look(context.instance, pipeline, intake, arrival, refused=refused, now=now)

    seen, wanted = up_to_the_first_wanted(unsettled, judge, one_after_another=True)
    fingerprints = {arrival.batch: arrival.fingerprint for arrival in unsettled}
    settled |= {b: fingerprints[b] for b, outlook in seen.items() if outlook.state == "settled"}
    cursor = json.dumps({"reopened": reopened, "settled": settled})
    if wanted is None:
        return dg.SensorResult(skip_reason=nothing_asked(folder, seen), cursor=cursor)
    added = batches(pipeline).build_add_request([wanted.partition_key or ""])
    return dg.SensorResult(
        run_requests=[wanted], dynamic_partitions_requests=[added], cursor=cursor
    )


def settled_before(cursor: str | None, reopened: list[str]) -> dict[str, str]:
    """Return the marks of the files that need no look, by batch; none once refusals ``reopened``.

    These are the ids of the runs whose refusal does not stand any more.
    """
    before = json.loads(cursor or "{}")
    same = before.get("reopened") == reopened
    settled: dict[str, str] = before["settled"] if same else {}
    return settled


def next_labels(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform, now: datetime
) -> dg.SensorResult:
    """Ask for the first file of late labels that is new or has changed, or say why for none.

    Labels wait for their batch, and for nothing else: those of a later batch may come first.
    """
    from mldebt_assets.sources import landing

    if pipeline.labels is None:
        raise DeclarationError.of(pipeline.name, "it declares no late labels.", "declare `labels`.")
    busy = reconciled(context.instance, pipeline, platform, now)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    intake = Intake(pipeline.labels, labels_job_name(pipeline), "labels")
    folder = landing.survey(intake.source, project_root())
    names = context.instance.get_dynamic_partitions(batches(pipeline).name or "")
    scored = newest_of_each(context.instance, key(pipeline, "predictions"), names)
    refused = refusals(pipeline, platform)

    def judge(arrival: Arrival) -> Outlook:
        if arrival.batch not in scored:
            return Outlook(state="waits", reason="its batch has not been scored yet")
        return look(context.instance, pipeline, intake, arrival, refused=refused, now=now)

    seen, wanted = up_to_the_first_wanted(folder.arrivals, judge, one_after_another=False)
    if wanted is None:
        return dg.SensorResult(skip_reason=nothing_asked(folder, seen))
    return dg.SensorResult(run_requests=[wanted])


def up_to_the_first_wanted(
    arrivals: Iterable[Arrival], judge: Callable[[Arrival], Outlook], *, one_after_another: bool
) -> tuple[dict[str, Outlook], dg.RunRequest | None]:
    """Return what was found about files, by batch, and the first run that is to be asked for.

    Where they go one after another, one that waits holds up those behind it.
    """
    seen: dict[str, Outlook] = {}
    for arrival in arrivals:
        seen[arrival.batch] = outlook = judge(arrival)
        if outlook.request is not None:
            return seen, outlook.request
        if one_after_another and outlook.state == "waits":
            break
    return seen, None


def all_arrivals(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, now: datetime
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask at once for every file that is new or has changed, in order; else say why for none.

    The queue starts them one after another. So all are scored by the champion of that night, and
    the decisions on retraining come when the last has ended.
    """
    from mldebt_assets.sources import landing

    reconciled(instance, pipeline, platform, now)
    intake = Intake(pipeline.source, batch_job_name(pipeline), "raw")
    folder = landing.survey(intake.source, project_root())
    refused = refusals(pipeline, platform)
    seen = {
        arrival.batch: look(instance, pipeline, intake, arrival, refused=refused, now=now)
        for arrival in folder.arrivals
    }
    requests = [outlook.request for outlook in seen.values() if outlook.request is not None]
    if not requests:
        return dg.SkipReason(nothing_asked(folder, seen))
    instance.add_dynamic_partitions(
        batches(pipeline).name or "", [request.partition_key or "" for request in requests]
    )
    return requests


def nothing_asked(folder: Landing, seen: dict[str, Outlook]) -> str:
    """Return why no run is asked for, in a sentence for each file that is not simply there."""
    said = [f"Nothing new among {how_many(len(folder.arrivals))}."]
    for state, told in (("waits", "Waiting"), ("left alone", "Left alone")):
        of_state = [f"{batch}: {o.reason}." for batch, o in seen.items() if o.state == state]
        said += [f"{told}: {one}" for one in of_state[:SHOWN]]
        if len(of_state) > SHOWN:
            said.append(f"{told}: {len(of_state) - SHOWN} more.")
    return " ".join([*said, *(f"Left alone: {file.problem}" for file in folder.refused)])


def look(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    intake: Intake,
    arrival: Arrival,
    *,
    refused: Mapping[str, bool],
    now: datetime,
) -> Outlook:
    """Return what is to be done about one landed file; ``refused`` are runs that refused theirs.

    Bytes that were refused fail again, so they are not tried again while the declaration is the
    same; a run that failed for another cause is, as the cause allows. Bytes that come back after
    others are taken in again: what lies
    in the folder is what the newest snapshot holds.
    """
    from mldebt_assets.sources import landing

    tags = {PIPELINE_TAG: pipeline.name, BATCH_TAG: arrival.batch}
    latest = instance.get_runs(dg.RunsFilter(job_name=intake.job, tags=tags), limit=1)
    noted = latest[0].tags if latest and arrival.marked else {}
    unchanged = noted.get(LANDED_TAG) == arrival.fingerprint
    if unchanged and latest[0].is_success:
        return Outlook(state="settled", reason="was taken in")
    try:
        digest = noted[RAW_TAG] if unchanged else sha256(landing.read(arrival))
    except BatchChangedError as changing:
        reason = str(changing).partition(".\nFix: ")[0]
        return Outlook(state="waits", reason=reason)
    tags = {**tags, RAW_TAG: digest}
    others_until = others_taken_in_until(
        instance, key(pipeline, intake.stage), arrival.batch, digest
    )
    every = instance.get_run_records(dg.RunsFilter(job_name=intake.job, tags=tags))
    records = [
        record
        for record in every
        if record.create_timestamp.timestamp() > others_until
        and refused.get(record.dagster_run.run_id, True)
    ]
    done = outlook_of(instance, pipeline, records, refused, now)
    if done.state != "wanted":
        return done
    reason = "has changed" if others_until and not records else done.reason
    if len(records) < len(every) and not others_until:
        reason = "was refused when its data were declared otherwise"
    tags = {**tags, LANDED_TAG: arrival.fingerprint, CODE_TAG: code_digest()}
    request = dg.RunRequest(
        run_key=f"{arrival.batch}:{digest}:{len(every) + 1}",
        partition_key=arrival.batch,
        tags={**tags, REASON_TAG: f"{arrival.batch} {reason}"},
    )
    return replace(done, reason=reason, request=request)


def outlook_of(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    records: Sequence[dg.RunRecord],
    refused: Mapping[str, bool],
    now: datetime,
) -> Outlook:
    """Return what is to be done about bytes that these runs were asked to take in, newest first."""
    runs = [record.dagster_run for record in records]
    if any(run.is_success for run in runs):
        return Outlook(state="settled", reason="was taken in")
    unfinished = [run.run_id for run in runs if not run.is_finished]
    if unfinished:
        return Outlook(state="waits", reason=f"run {unfinished[0][:8]} takes it in")
    again = after_failures(instance, pipeline, records, now, refused)
    if again is None:
        return Outlook(state="wanted", reason="is new")
    if again.answer != "never":
        state: State = "wanted" if again.answer == "now" else "waits"
        return Outlook(state=state, reason=again.reason)
    state = "settled" if runs[0].run_id in refused else "left alone"
    return Outlook(state=state, reason=again.reason)


def refusals(pipeline: Pipeline, platform: Platform) -> dict[str, bool]:
    """Return, by the ids of the runs that refused their batch, whether that stands.

    It does while the data are declared as they were then, and, where foreign keys were broken,
    while the tables that they reference hold the same values.
    """
    facts, declared = platform.record(pipeline.name).facts(), declared_data(pipeline)
    refusing = [fact for fact in facts if fact.kind == "batch_refused"]
    by_references = any("references" in fact.body for fact in refusing)
    references = references_now(pipeline) if by_references else None
    return {
        fact.body["run_id"]: fact.body.get("declared", declared) == declared
        and (references is None or fact.body.get("references", references) == references)
        for fact in refusing
    }


def references_now(pipeline: Pipeline) -> str | None:
    """Return the SHA-256 of what foreign keys may be by now; None where that cannot be read."""
    from mldebt_assets.sources.referenced import read_references

    try:
        values, _ = read_references(pipeline)
    except MLDebtError:
        return None
    return sha256(encode(dict(values)).data)


def others_taken_in_until(
    instance: dg.DagsterInstance, asset: dg.AssetKey, batch: str, digest: str
) -> float:
    """Return when other bytes of this batch were last taken in, in seconds since 1970, else 0."""
    taken_in = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[batch]),
        limit=LANDINGS_A_BATCH,
    ).records
    others = [r.timestamp for r in taken_in if landed_as(as_stored(r)) != digest]
    return max(others, default=0.0)


def landed_as(stored: Stored) -> str:
    """Return the SHA-256 of the bytes that landed, which pseudonyms make other ones."""
    return str(stored.metadata.get(LANDED, stored.snapshot.sha256))
