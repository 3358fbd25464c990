"""The one sequence that deletes a version: its fact → MLflow's version and files → bytes → done.

From its fact on a version is gone for everybody. What a kill left is removed by the next start, or
by the next deletion. Bytes on which something that remains stands stay where they are, and so do
the training set, the evaluation and every event: only the model goes. Where it had learned of
somebody who is forgotten, no score and no comparison keeps its bytes.
"""

from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.promoting import data_time
from mldebt_assets.forgotten import FORGET
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import ACT, Fact, deletions, judged_by_gate, open_deletions
from mldebt_assets.registry import ModelVersion
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import at_storage_id, newest_of_each
from mldebt_assets.store import HASH_DIGITS_IN_PATHS

STORED = ("model", "onnx")
PINNED = ("replaced", "first")


def record_deletion(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    version: int,
    told: dict[str, Any],
) -> Fact:
    """Append the fact that a version is deleted, once MLflow and the remote have answered.

    ``told`` says who does it and why, and by which act.
    """
    record = platform.record(pipeline.name)
    facts = record.facts()
    with platform.registry.reachable():
        registered = {one.version: one for one in platform.registry.versions(pipeline.name)}
    artefacts = artefacts_of(facts, version) or artefacts_in(pipeline, registered[version])
    for one in artefacts:
        platform.snapshots.examine("remote", one["md5"])
    when = data_time(instance, pipeline, facts)
    (weights,) = (one["sha256"] for one in artefacts if one["what"] == "model")
    body = {
        "version": version,
        "weights_sha256": weights,
        "mlflow_run_id": run_of(instance, pipeline, facts, version, registered),
        "artefacts": artefacts,
        "effective_at": when.isoformat(),
        **told,
    }
    return record.append("deleted", body, effective_at=when)


def finish_deletions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[Fact]:
    """Remove what open deletions left; return the facts that say what was removed and kept.

    Whoever calls this holds the lock, and no run of the pipeline is under way: one could be
    storing the very same weights.

    Raises: UnreachableError if MLflow or the remote does not answer; it stays open then.
    """
    record = platform.record(pipeline.name)
    return [finish(instance, platform, pipeline, one) for one in open_deletions(record.facts())]


def finish(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, deletion: Fact
) -> Fact:
    """Remove a deleted version's model, and say that it is done."""
    record, body = platform.record(pipeline.name), deletion.body
    with platform.registry.reachable():
        platform.registry.delete(pipeline.name, body["version"], body["mlflow_run_id"])
        users = users_of_weights(platform, pipeline)
    facts, removed, kept = record.facts(), [], []
    for one in body["artefacts"]:
        because = users.get(one["md5"]) or named_by_a_version(facts, one["md5"])
        if because is None and body.get(ACT) != FORGET:
            because = named_by_a_score(instance, platform, pipeline, one["md5"])
            if because is None and one["what"] == "model":
                because = compared_with(facts, body["version"])
        if because is None:
            platform.snapshots.remove(path=one["snapshot"], md5=one["md5"])
            removed.append(one)
        else:
            kept.append({**one, "because": because})
    done = {"intent": deletion.sequence, "removed": removed, "kept": kept}
    return record.append("done", done, effective_at=deletion.effective_at)


def users_of_weights(platform: Platform, pipeline: Pipeline) -> dict[str, str]:
    """Return which of MLflow's versions has the weights at an address, judged or not."""
    return {
        version.tags["weights_md5"]: f"v{version.version} has the same bytes"
        for version in platform.registry.versions(pipeline.name)
        if "weights_md5" in version.tags
    }


def named_by_a_version(facts: list[Fact], md5: str) -> str | None:
    """Return which version that remains names the bytes at an address."""
    deleted = deletions(facts)
    for fact in facts:
        if fact.kind == "deleted" or fact.body.get("version") in deleted:
            continue
        if any(fact.body.get(part, {}).get("md5") == md5 for part in STORED):
            return f"v{fact.body['version']} has the same bytes"
    return None


def named_by_a_score(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, md5: str
) -> str | None:
    """Return which batch is scored by these weights, or holds its scores against theirs.

    Its scores are made again where its bytes change or its labels come, always by those versions.
    """
    names = instance.get_dynamic_partitions(batches(pipeline).name or "")
    for batch, stored in newest_of_each(instance, key(pipeline, "scorer"), names).items():
        scorer = platform.snapshots.load(stored.snapshot)
        named = [one for one in (scorer, *map(scorer.get, PINNED)) if one and one["model"]]
        if any(one["model"]["md5"] == md5 for one in named):
            return f"the scores of {batch} stand on it"
    return None


def compared_with(facts: list[Fact], version: int) -> str | None:
    """Return which version that remains was judged beside this one: its evaluation reads both."""
    deleted = deletions(facts)
    for fact in judged_by_gate(facts):
        if fact.body["previous_version"] == version and fact.body["version"] not in deleted:
            return f"v{fact.body['version']} was judged beside it"
    return None


def artefacts_of(facts: list[Fact], version: int) -> list[dict[str, Any]]:
    """Return the weights and the export of a version as the record names them, each once."""
    found: dict[str, dict[str, Any]] = {}
    for fact in facts:
        if fact.kind == "deleted" or fact.body.get("version") != version:
            continue
        for part in STORED:
            stored = fact.body.get(part)
            if stored is not None:
                kept = {name: stored[name] for name in ("sha256", "md5", "snapshot")}
                found[stored["md5"]] = {"what": part, **kept}
    return list(found.values())


def artefacts_in(pipeline: Pipeline, registered: ModelVersion) -> list[dict[str, Any]]:
    """Return the weights of a version on which the gate has not decided, as MLflow names them."""
    sha256, md5 = (registered.tags[f"weights_{digest}"] for digest in ("sha256", "md5"))
    path = f"{pipeline.name}/model/{sha256[:HASH_DIGITS_IN_PATHS]}/model.safetensors"
    return [{"what": "model", "sha256": sha256, "md5": md5, "snapshot": path}]


def run_of(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    facts: list[Fact],
    version: int,
    registered: dict[int, ModelVersion],
) -> str | None:
    """Return the MLflow run of a version: MLflow itself forgets it with the version."""
    if version in registered:
        return registered[version].run_id
    decided = [f for f in facts if f.body.get("version") == version and f.body.get("model")]
    stored = decided[-1].body["model"]["storage_id"]
    return str(at_storage_id(instance, key(pipeline, "model"), stored).metadata["mlflow_run_id"])
