"""What a person deletes: a version's model, for good, and never what production stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.deleting import artefacts_of, finish_deletions
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.promoting import data_time
from mldebt_assets.automation.reconcile import unfinished_run
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import BusyError, RefusedError, UnknownVersionError
from mldebt_assets.promotions import (
    ACT,
    deletions,
    judged_by_gate,
    open_proposals,
    told_of_deletion,
    way_back,
)
from mldebt_assets.snapshots import at_storage_id
from mldebt_assets.store import HASH_DIGITS_IN_PATHS

if TYPE_CHECKING:
    from datetime import datetime

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.registry import ModelVersion
    from mldebt_assets.resources import Platform


@dataclass(frozen=True)
class Deleted:
    """A deletion: the fact that says who and why, and what was removed and kept."""

    fact: Fact
    removed: list[dict[str, Any]]
    kept: list[dict[str, Any]]


def delete(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    version: int,
    reason: str,
    by: str,
    now: datetime,
) -> Deleted:
    """Delete a version: MLflow's version and files, and those bytes that nothing else stands on.

    The record keeps what it was, who deleted it and why. Said again after a kill, it goes on.

    Raises: RefusedError for the champion, the version before it, one that awaits approval, or one
            that was deleted; UnknownVersionError; CallError without a reason; BusyError while a
            run of the pipeline is under way; UnreachableError. Nothing was changed then.
    """
    reason = require_reason(reason)
    with settled(instance, platform, pipeline, now) as facts:
        busy = unfinished_run(instance, pipeline)
        if busy is not None:
            said = f"Run {busy} of {pipeline.name} has not ended; nothing was deleted."
            raise BusyError.of(said, "say it again when it has ended.")
        begun, done = deletions(facts).get(version), finish_deletions(instance, platform, pipeline)
        if begun is None or begun.sequence not in {one.body["intent"] for one in done}:
            told = {"by": by, "reason": reason}
            begun = begin(instance, platform, pipeline, facts, version=version, told=told)
            done = finish_deletions(instance, platform, pipeline)
        (ended,) = (one.body for one in done if one.body["intent"] == begun.sequence)
    return Deleted(begun, ended["removed"], ended["kept"])


def begin(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    facts: list[Fact],
    *,
    version: int,
    told: dict[str, str],
) -> Fact:
    """Append the fact that a version is deleted, once MLflow and the remote have answered."""
    with platform.registry.reachable():
        registered = {one.version: one for one in platform.registry.versions(pipeline.name)}
    require_dispensable(facts, pipeline, version, registered)
    artefacts = artefacts_of(facts, version) or artefacts_in(pipeline, registered[version])
    for one in artefacts:
        platform.snapshots.examine("remote", one["md5"])
    when = data_time(instance, pipeline, facts)
    (weights,) = (one["sha256"] for one in artefacts if one["what"] == "model")
    body = {
        ACT: "delete",
        "version": version,
        "weights_sha256": weights,
        "mlflow_run_id": run_of(instance, pipeline, facts, version, registered),
        "artefacts": artefacts,
        "effective_at": when.isoformat(),
        **told,
    }
    return platform.record(pipeline.name).append("deleted", body, effective_at=when)


def require_dispensable(
    facts: list[Fact], pipeline: Pipeline, version: int, registered: dict[int, ModelVersion]
) -> None:
    """Raise RefusedError where production stands on a version, or may soon.

    The version before that MLflow has lost is no way back any more: to say so is no loss.
    """
    name, stack = f"{pipeline.name} v{version}", way_back(facts)
    deleted, decided = deletions(facts), {f.body["version"] for f in facts if "version" in f.body}
    if version in deleted:
        said = f"{name} {told_of_deletion(deletions(facts)[version])}; nothing is left to delete."
        raise RefusedError.of(said, f"`mldebt lineage {pipeline.name} --version {version}` tells.")
    if version not in {*registered, *decided}:
        raise UnknownVersionError.of(pipeline.name, version, {*registered, *decided})
    if stack and stack[-1].version == version:
        said = f"{name} is the champion, which cannot be deleted; nothing was changed."
        raise RefusedError.of(said, f"`mldebt rollback {pipeline.name}`, or promote another first.")
    if len(stack) > 1 and stack[-2].version == version and version in registered:
        said = (
            f"{name} is the version before the champion, to which `mldebt rollback` leads: "
            "it cannot be deleted; nothing was changed."
        )
        raise RefusedError.of(said, "delete it when a later promotion stands between.")
    if version in {one.body["version"] for one in open_proposals(facts)}:
        said = f"{name} awaits a person's approval, so it cannot be deleted; nothing was changed."
        raise RefusedError.of(said, f"`mldebt reject {pipeline.name} --version {version}` first.")


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
    """Return the MLflow run that trained a version: MLflow forgets it with the version."""
    if version in registered:
        return registered[version].run_id
    judged = [fact for fact in judged_by_gate(facts) if fact.body["version"] == version]
    stored = judged[-1].body["model"]["storage_id"]
    return str(at_storage_id(instance, key(pipeline, "model"), stored).metadata["mlflow_run_id"])
