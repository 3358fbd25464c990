"""How long `mldebt lineage` takes inside the process, as batches and events grow.

    python -m benchmarks.lineage

A champion stands on 12, 120 and 1,200 batches in an event log of 1,000, 10,000 and 100,000
materializations, where they fit. Medians after a first call, which opens the stores: of the first
time that a version is asked for, from the event log, and of every later one, from the index
beside it. Beside each stands what it may take: 50 ms and 0.1 ms a batch. Writes
benchmarks/results/lineage.json.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.machine import keep

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from mldebt_assets.resources import Platform
    from mldebt_assets.store import Snapshot

BATCHES = (12, 120, 1_200)
EVENTS = (1_000, 10_000, 100_000)
ROUNDS = 7
ALLOWED_SECONDS, ALLOWED_SECONDS_A_BATCH = 0.05, 0.0001
COLUMNS = 30
STAGES = ("raw", "validated", "features")
PIPELINE = "flight_delays"
Row = dict[str, Any]


def snapshot_of(stage: str, batch: str) -> Snapshot:
    """Return the name of an artefact that nothing ever loads."""
    from mldebt_assets.core.fingerprint import md5, sha256
    from mldebt_assets.store import Snapshot

    name = f"{PIPELINE}/{stage}/{batch}".encode()
    return Snapshot(name.decode(), sha256(name), md5(name), 1_000_000)


def row_of(
    storage: Any, number: int, stage: str, batch: str | None, snapshot: Snapshot, **more: Any
) -> Row:
    """Return a materialization as Dagster's table keeps it, as heavy as one of the demo's."""
    import dagster as dg
    from dagster._core.events import DagsterEvent, StepMaterializationData
    from dagster._core.events.log import EventLogEntry

    from mldebt_assets.snapshots import snapshot_metadata

    columns = [dg.TableColumn(f"column_{n}", "float64", "what it means") for n in range(COLUMNS)]
    schema = {"dagster/column_schema": dg.TableSchema(columns), "dagster/row_count": 27_000}
    made = dg.AssetMaterialization(
        asset_key=dg.AssetKey([PIPELINE, stage]),
        partition=batch,
        metadata={**snapshot_metadata(snapshot), **(schema if batch else {}), **more},
    )
    event = DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION.value,
        job_name="benchmark",
        event_specific_data=StepMaterializationData(made),
    )
    entry = EventLogEntry(
        error_info=None,
        level="debug",
        user_message="",
        run_id="benchmark",
        timestamp=float(number),
        dagster_event=event,
    )
    row: Row = storage._event_to_row(entry)
    return {**row, "id": number}


def chain(storage: Any, names: list[str], gap: int) -> Iterator[Row]:
    """Yield each batch's three materializations, ``gap`` events apart, each naming what it read."""
    number = 0
    for batch in names:
        read: dict[str, Any] = {"source": "file", "licence": "CC0-1.0", "consent": "none needed"}
        for stage in STAGES:
            number += gap
            made = snapshot_of(stage, batch)
            yield row_of(storage, number, stage, batch, made, **read)
            read = {f"read/{PIPELINE}/{stage}": {batch: [made.sha256, number]}}


def champion(
    storage: Any, platform: Platform, names: list[str], gap: int, last: int
) -> tuple[list[Row], dict[str, Any]]:
    """Return the materializations of a training set and of its model, and the promotion."""
    from mldebt_assets.core.fingerprint import canonical_json

    numbers = {batch: (place * len(STAGES) + 3) * gap for place, batch in enumerate(names)}
    entries = [
        {"batch": b, **{s: {**identity(snapshot_of(s, b)), "rows": 27_000} for s in STAGES}}
        for b in names
    ]
    manifest = canonical_json({"batches": entries, "rows": 27_000 * len(names)})
    stored = platform.snapshots.put(manifest, folder="benchmark", name="training_set.json")
    read = {b: [snapshot_of("features", b).sha256, numbers[b]] for b in names}
    weights = snapshot_of("model", "weights")
    facts = dict.fromkeys(("mlflow_run_id", "code_commit", "code_digest", "configuration"), "0")
    rows = [
        row_of(
            storage, last + 1, "training_set", None, stored, **{f"read/{PIPELINE}/features": read}
        ),
        row_of(
            *(storage, last + 2, "model", None, weights),
            **{**facts, "code_dirty": "false", "environment_facts": {"digest": "0"}},
        ),
    ]
    words = ("by", "reason", "asked_because")
    body = {
        "version": 1,
        "weights_sha256": weights.sha256,
        "training_set": {"storage_id": last + 1},
        "model": {"storage_id": last + 2},
        "previous_version": None,
        **dict.fromkeys(words, "benchmark"),
    }
    return rows, body


def identity(snapshot: Snapshot) -> dict[str, str]:
    """Return the hashes by which a manifest names an artefact."""
    return {"sha256": snapshot.sha256, "md5": snapshot.md5}


def fill(
    instance: dg.DagsterInstance, platform: Platform, batches: int, events: int
) -> dict[str, Any]:
    """Fill the event log anew, and return the promotion of a champion on these batches."""
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Table

    storage: Any = instance.event_log_storage
    names = [f"batch-{number:05}" for number in range(batches)]
    last = events - 2
    gap = last // (len(STAGES) * batches)
    rows = list(chain(storage, names, gap))
    made, body = champion(storage, platform, names, gap, last)
    taken = {row["id"] for row in rows}
    other = row_of(storage, 0, "predictions", "other", snapshot_of("predictions", "other"))
    between = ({**other, "id": n} for n in range(1, last + 1) if n not in taken)
    with storage.index_connection() as connection:
        connection.execute(Table.delete())
        connection.execute(Table.insert(), [*rows, *between, *made])
    with storage.index_connection() as connection:  # as a log is that was not filled just now
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return body


def measure(
    instance: dg.DagsterInstance, platform: Platform, batches: int, events: int
) -> dict[str, Any]:
    """Return the median seconds of one champion's lineage, beside what is allowed."""
    from mldebt_assets import pipelines
    from mldebt_assets.answers.lineage import trace
    from mldebt_assets.answers.walk import FOLDER
    from mldebt_assets.promotions import Fact

    body = fill(instance, platform, batches, events)
    now = datetime.now(UTC)
    decision = Fact(1, "intent", recorded_at=now, effective_at=now, body=body, hash="0")
    pipeline = pipelines.find(PIPELINE)
    seconds: dict[str, list[float]] = {"first": [], "later": []}
    for _ in range(ROUNDS + 1):
        shutil.rmtree(platform.home.dagster / FOLDER, ignore_errors=True)
        for of in seconds.values():
            started = time.perf_counter()
            answer = trace(instance, platform, pipeline, decision)
            of.append(time.perf_counter() - started)
    if len(answer["sources"]) != batches:
        raise RuntimeError(f"{len(answer['sources'])} batches were found instead of {batches}")
    first, taken = (median(of[1:]) for of in seconds.values())
    allowed = ALLOWED_SECONDS + ALLOWED_SECONDS_A_BATCH * batches
    return {
        "batches": batches,
        "events": events,
        "first_seconds": round(first, 4),
        "seconds": round(taken, 4),
        "allowed_seconds": round(allowed, 4),
        "within": taken <= allowed,
    }


def growth(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return how many times longer the largest log takes than the smallest, by batches."""
    of = {n: [one["seconds"] for one in found if one["batches"] == n] for n in BATCHES}
    return {str(batches): round(seconds[-1] / seconds[0], 2) for batches, seconds in of.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        import dagster as dg

        from mldebt_assets.home import Home, initialise
        from mldebt_assets.resources import Platform

        home = Home(Path(folder) / "home")
        initialise(home, [PIPELINE])
        os.environ.update(home.environment())
        with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
            platform = Platform(home)
            measured = [
                measure(instance, platform, batches, events)
                for batches in BATCHES
                for events in EVENTS
                if len(STAGES) * batches + 2 <= events
            ]
    keep("lineage", {"lineage": measured, "growth_with_events": growth(measured)})
