"""Which data, code and environment made a version, from what each step says that it read.

The walk goes by storage ids, never by "newest": promotion → model → training set → features →
validated → raw → source. Every manifest it passes is loaded by its hash and compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import RecordError, UnknownVersionError
from mldebt_assets.promotions import Fact, champion_of
from mldebt_assets.snapshots import at_storage_id, at_storage_ids

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

STAGES = ("features", "validated", "raw")


def decision_on(facts: list[Fact], pipeline: str, version: int | None) -> Fact | None:
    """Return the promotion of the champion, or the decision on a version.

    A version's promotion says more than later refusals to promote it again. Returns None where no
    version is asked for and there is no champion yet.

    Raises: UnknownVersionError for a version on which nothing was decided.
    """
    if version is None:
        champion = champion_of(facts)
        return None if champion is None else champion.promotion
    decided = {
        fact.body["version"]: fact
        for kind in ("proposed", "refused", "intent")
        for fact in facts
        if fact.kind == kind
    }
    if version not in decided:
        raise UnknownVersionError.of(pipeline, version, decided)
    return decided[version]


def held_at(facts: list[Fact], moment: datetime, *, recorded: bool = False) -> list[Fact]:
    """Return the facts that held at a moment of the data's time, or of the wall clock."""
    return [
        fact for fact in facts if (fact.recorded_at if recorded else fact.effective_at) <= moment
    ]


def trace(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, decision: Fact
) -> dict[str, Any]:
    """Return the whole lineage of the version that a fact decided on, as plain JSON values.

    Raises: RecordError if the manifest and the steps that it names disagree.
    """
    body = decision.body
    model = at_storage_id(instance, key(pipeline, "model"), body["model"]["storage_id"])
    training_set = at_storage_id(
        instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    manifest = platform.snapshots.load(training_set.snapshot)
    walked = walk(instance, pipeline, training_set)
    labels = late_labels(instance, pipeline, walked["features"])
    compare(platform, pipeline, manifest, walked)
    return {
        "pipeline": pipeline.name,
        "model": {
            "version": body["version"],
            "weights_sha256": body["weights_sha256"],
            "trained_at": datetime.fromtimestamp(model.timestamp, UTC).isoformat(),
            "mlflow_run_id": model.metadata["mlflow_run_id"],
            "dagster_run_id": model.run_id,
        },
        "training_set": {
            "hash": training_set.snapshot.sha256,
            "rows": manifest["rows"],
            "batches": [
                {name: entry[name] for name in ("batch", *reversed(STAGES))}
                | ({"labels": labels[entry["batch"]].identity} if entry["batch"] in labels else {})
                for entry in manifest["batches"]
            ],
        },
        "code": {
            "commit": None if (c := model.metadata["code_commit"]) == "unknown" else c,
            "dirty": {"true": True, "false": False}.get(str(model.metadata["code_dirty"])),
            "digest": model.metadata["code_digest"],
        },
        "configuration": {
            "digest": model.metadata["configuration"],
            "values": model.metadata.get("configuration_facts"),
        },
        "environment": model.metadata["environment_facts"],
        "promotion": promotion_of(decision),
        "sources": [*sources_of(walked["raw"]), *sources_of(labels)],
    }


def promotion_of(decision: Fact) -> dict[str, Any]:
    """Return who decided what, when and why."""
    body = decision.body
    return {
        "promoted": decision.kind == "intent",
        "effective_at": decision.effective_at.isoformat(),
        "recorded_at": decision.recorded_at.isoformat(),
        "by": body["by"],
        "reason": body["reason"],
        "asked_because": body["asked_because"],
        "previous_version": body["previous_version"],
    }


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


def compare(
    platform: Platform,
    pipeline: Pipeline,
    manifest: dict[str, Any],
    walked: dict[str, dict[str, Stored]],
) -> None:
    """Raise RecordError where the manifest names other bytes than the steps say they read."""
    for entry in manifest["batches"]:
        for stage in STAGES:
            stated = entry[stage]["sha256"]
            found = walked[stage][entry["batch"]].snapshot.sha256
            if stated != found:
                raise RecordError.of(
                    str(platform.record(pipeline.name).path),
                    0,
                    f"the training set names {stage} {stated} for {entry['batch']}, "
                    f"but the event log says {found}",
                )


def late_labels(
    instance: dg.DagsterInstance, pipeline: Pipeline, features: dict[str, Stored]
) -> dict[str, Stored]:
    """Return the labels that each batch's features say they read, where labels come late."""
    asset = key(pipeline, "labels")
    read = {
        batch: int(storage_id)
        for batch, made in features.items()
        for _, storage_id in made.reads.get(asset.to_user_string(), {}).values()
    }
    found = at_storage_ids(instance, asset, list(read.values()))
    return {batch: found[storage_id] for batch, storage_id in read.items()}


def sources_of(stored: dict[str, Stored]) -> list[dict[str, Any]]:
    """Return where each batch's bytes came from and under which licence."""
    return [
        {
            "batch": batch,
            "uri": one.metadata["source"],
            "licence": one.metadata["licence"],
            "consent": one.metadata["consent"],
        }
        for batch, one in stored.items()
    ]
