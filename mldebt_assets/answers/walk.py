"""What a training set was made from, by what each step says that it read, and an index of it.

To read an event costs Dagster half a millisecond, and a version may stand on thousands. So what a
walk found is kept in a file beside the event log, under a name that the training set's own event
gives. It holds nothing that the event log does not: a file that is gone or damaged is made again.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.collecting import MADE_FROM
from mldebt_assets.assets.keys import key
from mldebt_assets.core.fingerprint import canonical_json, digest, sha256
from mldebt_assets.snapshots import at_storage_ids

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

STAGES = ("features", "validated", "raw")
FOLDER = "lineage"
FORM = 3
"""Which keys a kept file has: one of another form is made again."""


def found_from(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, training_set: Stored
) -> dict[str, Any]:
    """Return what a training set stands on: from the index, else from the event log.

    ``hashes`` {stage: {batch: sha256}}, ``labels`` {batch: identity} where they came late,
    ``released`` likewise where rows were released from quarantine, ``references`` where foreign
    keys were judged, and ``sources``, where each batch's bytes came from.
    """
    file = index_file(platform, pipeline, training_set)
    kept = read(file)
    if kept is not None:
        return kept
    found = walked(instance, pipeline, training_set)
    keep(file, found)
    return found


def walked(
    instance: dg.DagsterInstance, pipeline: Pipeline, training_set: Stored
) -> dict[str, Any]:
    """Return what a training set stands on, by walking the event log."""
    stages = walk(instance, pipeline, training_set)
    labels = read_beside(instance, pipeline, "labels", stages["features"])
    released = read_beside(instance, pipeline, "released", stages["validated"])
    references = read_beside(instance, pipeline, "references", stages["validated"])
    return {
        "hashes": {
            stage: {batch: made.snapshot.sha256 for batch, made in of.items()}
            for stage, of in stages.items()
        },
        "labels": {batch: made.identity for batch, made in labels.items()},
        "released": {batch: made.identity for batch, made in released.items()},
        "references": {batch: made.identity for batch, made in references.items()},
        "sources": [*sources_of(stages["raw"]), *sources_of(labels)],
    }


def index_file(platform: Platform, pipeline: Pipeline, training_set: Stored) -> Path:
    """Return where it is kept; another event never has the same name, in whatever event log."""
    event = {
        "form": FORM,
        "storage_id": training_set.storage_id,
        "run_id": training_set.run_id,
        "timestamp": training_set.timestamp,
        "reads": training_set.reads,
    }
    return platform.home.dagster / FOLDER / pipeline.name / f"{digest(event)}.json"


def read(file: Path) -> dict[str, Any] | None:
    """Return what was kept in a file; None where it is missing or its bytes are not those kept."""
    try:
        stated, _, body = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if stated.decode("ascii", errors="replace") != sha256(body):
        return None
    kept: dict[str, Any] = json.loads(body)
    return kept


def keep(file: Path, found: dict[str, Any]) -> None:
    """Keep what was found, below its SHA-256; whoever reads meanwhile sees all of it or nothing."""
    body = canonical_json(found)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".new-", delete=False) as written:
        written.write(sha256(body).encode() + b"\n" + body)
    Path(written.name).replace(file)


def walk(
    instance: dg.DagsterInstance, pipeline: Pipeline, training_set: Stored
) -> dict[str, dict[str, Stored]]:
    """Return each stage's materialization for each batch, going by what each one read."""
    walked: dict[str, dict[str, Stored]] = {}
    readers = {"": training_set}
    for stage in STAGES:
        asset = key(pipeline, stage)
        read = [
            (batch, int(storage_id))
            for reader in readers.values()
            for batch, (_, storage_id) in reader.reads[asset.to_user_string()].items()
        ]
        found = at_storage_ids(instance, asset, [storage_id for _, storage_id in read])
        readers = walked[stage] = {batch: found[storage_id] for batch, storage_id in read}
    return walked


def read_beside(
    instance: dg.DagsterInstance, pipeline: Pipeline, stage: str, readers: dict[str, Stored]
) -> dict[str, Stored]:
    """Return what each batch's readers say they read of a stage that not every batch has.

    Features read late ``labels`` beside what was validated, and that reads what was ``released``,
    and the ``references`` of foreign keys, beside the raw bytes.
    """
    asset = key(pipeline, stage)
    read = {
        batch: int(storage_id)
        for batch, made in readers.items()
        for _, storage_id in made.reads.get(asset.to_user_string(), {}).values()
    }
    found = at_storage_ids(instance, asset, list(read.values()))
    return {batch: found[storage_id] for batch, storage_id in read.items()}


def sources_of(stored: dict[str, Stored]) -> list[dict[str, Any]]:
    """Return where each batch's bytes came from, under which licence, and made from what."""
    return [
        {
            "batch": batch,
            "uri": one.metadata["source"],
            "licence": one.metadata["licence"],
            "consent": one.metadata["consent"],
            "made_from": one.metadata.get(MADE_FROM, []),
        }
        for batch, one in stored.items()
    ]
