"""What a kill left half done is finished or ended, before anything new starts.

A run whose process is gone is failed (Dagster's run monitoring cannot tell under the default
launcher); its MLflow run is ended; a promotion that stopped between intent and done is finished,
since every artefact that it names was stored and checked before the intent was written.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import dagster as dg
import psutil
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES

from mldebt_assets.assets.champion import headline, promotion_value
from mldebt_assets.assets.keys import key
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.promotions import Fact, open_intents
from mldebt_assets.resources import PROCESS_TAG
from mldebt_assets.snapshots import Reading, at_storage_id, newest, snapshot_metadata

if TYPE_CHECKING:
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform


def fail_dead_runs(instance: dg.DagsterInstance, platform: Platform) -> list[str]:
    """Fail every run in progress whose process is gone; return the ids of those runs."""
    unfinished = instance.get_runs(
        dg.RunsFilter(statuses=[*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED])
    )
    dead = [
        run for run in unfinished if PROCESS_TAG in run.tags and not is_alive(run.tags[PROCESS_TAG])
    ]
    for run in dead:
        instance.report_run_failed(
            run, f"The process {run.tags[PROCESS_TAG]} of this run is gone: it was killed."
        )
    identities = {run.run_id for run in dead}
    if identities:
        platform.registry.end_dead_runs(identities)
    return sorted(identities)


def is_alive(identity: str) -> bool:
    """Return whether the process ``pid:start@host`` still runs; a later one with its id is another.

    Nobody here can tell of another host's processes, so they are taken to run.
    """
    process_here, _, host = identity.partition("@")
    if host and host != socket.gethostname():
        return True
    pid, started = process_here.split(":")
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(started)) < 1
        # A killed process stays a zombie for as long as its parent does not ask for its end.
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def finish_promotions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Finish every promotion that stopped between intent and done; return their versions.

    One that a later promotion has overtaken is closed as undone: it must not come after it.
    """
    record = platform.record(pipeline.name)
    champion = record.champion()
    finished = []
    for intent in open_intents(record.facts()):
        if is_at_work(instance, intent):
            continue
        version = intent.body["version"]
        if champion is not None and champion.promotion.sequence > intent.sequence:
            body = {"intent": intent.sequence, "reason": "a later promotion overtook it"}
            record.append("undone", body, effective_at=intent.effective_at)
            continue
        platform.registry.set_champion(pipeline.name, version)
        materialized = newest(instance, key(pipeline, "champion"))
        if materialized is None or materialized.metadata.get("version") != version:
            materialize(instance, platform, pipeline, intent)
        record.append("done", {"intent": intent.sequence}, effective_at=intent.effective_at)
        finished.append(version)
    return finished


def is_at_work(instance: dg.DagsterInstance, intent: Fact) -> bool:
    """Return whether the run that wrote this intent has not ended, and will finish it itself."""
    run = instance.get_run_by_id(intent.body["run_id"])
    return run is not None and not run.is_finished


def materialize(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, intent: Fact
) -> None:
    """Write the champion's materialization that the killed run did not come to write."""
    asset = key(pipeline, "champion")
    reading = Reading(instance, platform.snapshots)
    for stage in ("evaluation", "model", "training_set"):
        storage_id = intent.body[stage]["storage_id"]
        reading.note(at_storage_id(instance, key(pipeline, stage), storage_id))
    snapshot = platform.snapshots.put(
        canonical_json(promotion_value(intent)), folder="/".join(asset.path), name="champion.json"
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset,
            description="Finished at start: the run that promoted it was killed.",
            metadata={
                **headline(pipeline, intent),
                **snapshot_metadata(snapshot),
                **reading.metadata(),
            },
            tags={"dagster/data_version": snapshot.sha256},
        )
    )
