"""The one sequence that changes the champion: intent → MLflow's alias → Dagster's event → done.

The gate, a rollback, a person and the next start after a kill all go through it. One of them at a
time holds the pipeline's lock, which the operating system takes back from a process that is killed:
an intent that is open while nobody holds it was left half done.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import dagster as dg
from filelock import FileLock, Timeout

from mldebt_assets.assets.champion_page import headline
from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.training_set import effective_at
from mldebt_assets.core.errors import BusyError
from mldebt_assets.core.fingerprint import canonical_json, sha256
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Fact, PromotionRecord, open_intents
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import (
    Reading,
    at_storage_id,
    newest,
    newest_of_each,
    snapshot_metadata,
)

STANDS_ON = ("evaluation", "model", "training_set")  # an adopted model has no training set
LONGEST_PROMOTION_SECONDS = 60.0
OVERTAKEN = "a later promotion overtook it"
FINISHED_LATE = "Finished at start: whoever promoted it was killed."


@contextmanager
def alone(platform: Platform, pipeline: Pipeline, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the pipeline's lock, so that nobody else changes its champion meanwhile.

    Raises: BusyError if somebody else holds it and does not give it back in time.
    """
    path = platform.record(pipeline.name).path
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{path}.champion.lock", thread_local=False)
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout as taken:
        raise BusyError.of(
            f"Somebody else is changing the champion of {pipeline.name}; nothing was done.",
            "look at `mldebt status` in a moment, and say it again if it still holds.",
        ) from taken
    try:
        yield
    finally:
        lock.release()


def intend(platform: Platform, pipeline: Pipeline, body: dict[str, Any]) -> Fact:
    """Append the intent to promote, and point MLflow's alias to the version."""
    record = platform.record(pipeline.name)
    when = datetime.fromisoformat(body["effective_at"])
    intent = record.append("intent", body, effective_at=when)
    platform.registry.set_champion(pipeline.name, body["version"])
    return intent


def finish(record: PromotionRecord, intent: Fact) -> None:
    """Say that a promotion is done: from here on its version is the champion."""
    record.append("done", {"intent": intent.sequence}, effective_at=intent.effective_at)


def promote(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    body: dict[str, Any],
    description: str,
) -> Fact:
    """Go through the whole sequence outside a Dagster run; return the intent, which is done."""
    intent = intend(platform, pipeline, body)
    materialize(instance, platform, pipeline, intent, description)
    finish(platform.record(pipeline.name), intent)
    return intent


def finish_open(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> list[int]:
    """Finish every promotion that stopped between intent and done; return their versions.

    One that a later promotion has overtaken is closed as undone: it must not come after it. So is
    one whose version MLflow no longer has: the champion that was stays. Whoever calls this holds
    the lock; a promotion whose Dagster run has not ended is left to it.
    """
    record = platform.record(pipeline.name)
    champion = record.champion()
    finished = []
    for intent in open_intents(record.facts()):
        if is_at_work(instance, intent):
            continue
        version = intent.body["version"]
        if champion is not None and champion.promotion.sequence > intent.sequence:
            undo(record, intent, OVERTAKEN)
            continue
        if version not in {one.version for one in platform.registry.versions(pipeline.name)}:
            undo(record, intent, f"MLflow no longer has version {version}")
            continue
        platform.registry.set_champion(pipeline.name, version)
        if not is_materialized(instance, pipeline, intent):
            materialize(instance, platform, pipeline, intent, FINISHED_LATE)
        finish(record, intent)
        finished.append(version)
    return finished


def undo(record: PromotionRecord, intent: Fact, reason: str) -> None:
    """Close a promotion that is not to take effect any more."""
    body = {"intent": intent.sequence, "reason": reason}
    record.append("undone", body, effective_at=intent.effective_at)


def is_at_work(instance: dg.DagsterInstance, intent: Fact) -> bool:
    """Return whether the run that wrote this intent has not ended, and will finish it itself.

    What a person asked for has no run.
    """
    run_id = intent.body["run_id"]
    run = None if run_id is None else instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def is_materialized(instance: dg.DagsterInstance, pipeline: Pipeline, intent: Fact) -> bool:
    """Return whether the champion's newest materialization is that of this promotion."""
    shown = newest(instance, key(pipeline, "champion"))
    return shown is not None and shown.snapshot.sha256 == sha256(stored_bytes(intent))


def materialize(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    intent: Fact,
    description: str,
) -> None:
    """Write the champion's materialization where no run writes it."""
    asset = key(pipeline, "champion")
    reading = Reading(instance, platform.snapshots)
    for stage in stood_on(intent.body):
        storage_id = intent.body[stage]["storage_id"]
        reading.note(at_storage_id(instance, key(pipeline, stage), storage_id))
    snapshot = platform.snapshots.put(
        stored_bytes(intent), folder="/".join(asset.path), name="champion.json"
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset,
            description=description,
            metadata={
                **headline(instance, platform, pipeline, intent),
                **snapshot_metadata(snapshot),
                **reading.metadata(),
            },
            tags={"dagster/data_version": snapshot.sha256},
        )
    )


def stood_on(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the stages that a promotion stands on."""
    return tuple(stage for stage in STANDS_ON if body[stage] is not None)


def promotion_value(intent: Fact) -> dict[str, Any]:
    """Return the promotion as the champion's artefact stores it."""
    return {"sequence": intent.sequence, "hash": intent.hash, **intent.body}


def stored_bytes(intent: Fact) -> bytes:
    """Return the bytes of the champion's artefact for this promotion."""
    return canonical_json(promotion_value(intent))


def data_time(instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]) -> datetime:
    """Return the data's time by now: the end of the newest batch, and no earlier than any fact."""
    names = instance.get_dynamic_partitions(batches(pipeline).name or "")
    validated = newest_of_each(instance, key(pipeline, "validated"), names)
    told = [fact.effective_at for fact in facts]
    return max([*told, *map(effective_at, validated.values())])
