"""What a version was made from, as plain values that another process, and older code, can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.lineage import compare
from mldebt_assets.answers.walk import read_beside, walk
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.model import BROUGHT, BROUGHT_MD5, UNCOMMITTED, UNCOMMITTED_MD5
from mldebt_assets.snapshots import at_storage_id

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.store import Snapshot

FORMAT = 1


def recipe_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, decision: Fact
) -> dict[str, Any]:
    """Return what the version of a decision was made from, and what came of it.

    ``artefacts`` {name: sha256} stand in the order in which data flows.

    Raises: RecordError if the manifest and the steps that it names disagree;
            SnapshotMissingError, DigestMismatchError if the manifest is gone or damaged.
    """
    body = decision.body
    model = at_storage_id(instance, key(pipeline, "model"), body["model"]["storage_id"])
    training_set = at_storage_id(
        instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    manifest = platform.snapshots.load(training_set.snapshot)
    stages = walk(instance, pipeline, training_set)
    hashes = {
        stage: {batch: made.snapshot.sha256 for batch, made in of.items()}
        for stage, of in stages.items()
    }
    compare(platform, pipeline, manifest, hashes)
    labels = read_beside(instance, pipeline, "labels", stages["features"])
    released = read_beside(instance, pipeline, "released", stages["validated"])
    references = read_beside(instance, pipeline, "references", stages["validated"])
    names = [entry["batch"] for entry in manifest["batches"]]
    artefacts: dict[str, str] = {}
    for batch in names:
        artefacts[f"raw {batch}"] = hashes["raw"][batch]
        if batch in labels:
            artefacts[f"labels {batch}"] = labels[batch].snapshot.sha256
        if batch in released:
            artefacts[f"released {batch}"] = released[batch].snapshot.sha256
        if batch in references:
            artefacts[f"references {batch}"] = references[batch].snapshot.sha256
        artefacts[f"validated {batch}"] = hashes["validated"][batch]
        artefacts[f"features {batch}"] = hashes["features"][batch]
    artefacts["training_set"] = training_set.snapshot.sha256
    artefacts["model"] = body["weights_sha256"]
    said = model.metadata
    return {
        "format": FORMAT,
        "pipeline": pipeline.name,
        "version": body["version"],
        "batches": [
            {
                "batch": batch,
                "raw": address(stages["raw"][batch].snapshot),
                "labels": address(labels[batch].snapshot) if batch in labels else None,
                "released": address(released[batch].snapshot) if batch in released else None,
                "references": address(references[batch].snapshot) if batch in references else None,
            }
            for batch in names
        ],
        "window": manifest["window"],
        "weights": address(model.snapshot),
        "artefacts": artefacts,
        "code": {
            "commit": None if said["code_commit"] == "unknown" else said["code_commit"],
            "dirty": said["code_dirty"] == "true",
            "digest": said["code_digest"],
            "uncommitted": {"sha256": said[UNCOMMITTED], "md5": said[UNCOMMITTED_MD5]}
            if UNCOMMITTED_MD5 in said
            else None,
            "pipelines": {"sha256": said[BROUGHT], "md5": said[BROUGHT_MD5]}
            if BROUGHT_MD5 in said
            else None,
        },
        "configuration": said["configuration_facts"],
        "environment": {n: v for n, v in said["environment_facts"].items() if n != "digest"},
    }


def address(snapshot: Snapshot) -> dict[str, str]:
    """Return how the bytes of a snapshot are found and known."""
    return {"path": snapshot.path, "sha256": snapshot.sha256, "md5": snapshot.md5}
