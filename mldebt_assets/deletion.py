"""What a person deletes: a version's model, for good, and never what production stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.deleting import finish_deletions, record_deletion
from mldebt_assets.automation.reconcile import unfinished_run
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import BusyError, RefusedError, UnknownVersionError
from mldebt_assets.promotions import (
    ACT,
    deletions,
    open_proposals,
    told_of_deletion,
    way_back,
)

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
    return record_deletion(
        instance, platform, pipeline, version=version, told={ACT: "delete", **told}
    )


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
