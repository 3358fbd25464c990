"""What leaves the stores for somebody who is forgotten: their snapshots, and models that learned.

The fact that says so comes first. Bytes that something else stands on stay, and are told. A model
in production stays until another has taken its place. What a kill left is removed by the next
start, or by whoever says it again.
"""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from mldebt_assets.assets.deleting import finish_deletions, record_deletion
from mldebt_assets.assets.evidence import report
from mldebt_assets.assets.keys import FORGOTTEN_TAG, PARTITION_TAG, PIPELINE_TAG, key
from mldebt_assets.assets.promoting import data_time
from mldebt_assets.assets.rollback import closed, evidence, rehearse
from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.forgotten import (
    FORGET,
    awaiting,
    dispensable,
    done_of,
    forgettings,
    never_again,
    open_forgettings,
    outstanding,
)
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import ACT, Fact, deletions
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import newest, newest_first
from mldebt_assets.store import Snapshot

MADE_AGAIN = ("raw", "labels", "released", "validated", "quarantine", "features")
BY = "mldebt forget"
NOTE = (
    "The landed files in `sources` still hold the rows, which are left out from now on. Backups, "
    "and copies of data or models elsewhere, are not reached from here."
)
TOLD = ("stage", "batch", "rows", "sha256", "md5")


def finish_forgetting(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Remove what can be removed by now; return the versions that are gone for it.

    Whoever calls this holds the lock, and no run of the pipeline is under way.

    Raises: UnreachableError if MLflow or the remote does not answer; it stays open then.
    """
    record = platform.record(pipeline.name)
    for forgetting in open_forgettings(record.facts()):
        if not left_to_make(instance, pipeline, forgetting):
            finish(instance, platform, pipeline, forgetting)
    gone = remove_versions(instance, platform, pipeline)
    for forgetting in forgettings(record.facts()):
        write_receipt(platform, pipeline, forgetting)
    return gone


def left_to_make(instance: dg.DagsterInstance, pipeline: Pipeline, forgetting: Fact) -> list[str]:
    """Return the batches that are to be made again without the rows, in the order of names.

    Their newest snapshots still hold them, or the newest run that was to make them again broke off:
    what is made late in a run, as predictions are, would hold them still.
    """
    gone = {one["sha256"] for one in forgetting.body["withdrawn"]}
    named = {(one["stage"], one["batch"]) for one in forgetting.body["withdrawn"]}
    left = set()
    for stage, batch in named:
        if stage in MADE_AGAIN and batch not in forgetting.body["alone"]:
            stored = newest(instance, key(pipeline, stage), batch)
            if stored is not None and stored.snapshot.sha256 in gone:
                left.add(batch)
    return sorted(left | broken_off(instance, pipeline, forgetting))


def broken_off(instance: dg.DagsterInstance, pipeline: Pipeline, forgetting: Fact) -> set[str]:
    """Return the batches of which the newest run for a forgetting did not succeed."""
    tags = {PIPELINE_TAG: pipeline.name, FORGOTTEN_TAG: str(forgetting.sequence)}
    newest_runs: dict[str, dg.DagsterRun] = {}
    for run in instance.get_runs(dg.RunsFilter(tags=tags)):
        newest_runs.setdefault(run.tags[PARTITION_TAG], run)
    return {
        batch
        for batch, run in newest_runs.items()
        if not run.is_success and batch not in forgetting.body["alone"]
    }


def finish(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    forgetting: Fact,
    refused: tuple[str, ...] = (),
) -> Fact:
    """Remove the bytes that a forgetting withdraws, and say that it is done.

    Args: ``refused`` are batches that were refused as they were made again without the rows.
    """
    record, removed, kept = platform.record(pipeline.name), [], []
    needed = needed_by(instance, platform, pipeline, forgetting)
    for one in forgetting.body["withdrawn"]:
        because = needed.get(one["md5"])
        if because is None:
            platform.snapshots.remove(path=one["snapshot"], md5=one["md5"])
            removed.append({name: one[name] for name in TOLD})
        else:
            kept.append({**{name: one[name] for name in TOLD}, "because": because})
    done = {
        "intent": forgetting.sequence,
        "removed": removed,
        "kept": kept,
        "refused": list(refused),
    }
    return record.append("done", done, effective_at=forgetting.effective_at)


def remove_returned(platform: Platform, facts: list[Fact]) -> None:
    """Remove again what holds the rows of somebody, and came back: from a backup of the remote."""
    for one in never_again(facts):
        platform.snapshots.remove(path=one.snapshot.path, md5=one.snapshot.md5)


def needed_by(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, forgetting: Fact
) -> dict[str, str]:
    """Return which of the withdrawn bytes something else stands on, by their address, and what.

    A step that gives the same bytes with and without somebody's rows says nothing of them.
    """
    entries = forgetting.body["withdrawn"]
    addresses = {one["md5"] for one in entries}
    named = {(one["stage"], one["batch"], one["sha256"]) for one in entries}
    refused = set(left_to_make(instance, pipeline, forgetting))
    needed: dict[str, str] = {}
    for stage in dict.fromkeys(one["stage"] for one in entries):
        seen: set[str] = set()
        for stored in newest_first(instance, key(pipeline, stage)):
            batch, snapshot = str(stored.batch), stored.snapshot
            is_newest = batch not in seen and batch not in refused
            seen.add(batch)
            if snapshot.md5 not in addresses:
                continue
            if (stage, batch, snapshot.sha256) not in named:
                needed[snapshot.md5] = f"{stage} of {batch} has the same bytes"
            elif is_newest and stage not in MADE_AGAIN:
                needed[snapshot.md5] = "it is the same without these rows"
    return elsewhere(platform, pipeline, addresses) | needed


def elsewhere(platform: Platform, pipeline: Pipeline, addresses: set[str]) -> dict[str, str]:
    """Return which of these addresses another pipeline of this home has a pointer to."""
    needed = {}
    folder = platform.home.root / "snapshots"
    for other in sorted(one for one in folder.iterdir() if one.name != pipeline.name):
        for pointer in other.rglob("*.dvc"):
            told = pointer.read_text(encoding="utf-8")
            for md5 in addresses:
                if f"md5: {md5}\n" in told:
                    needed[md5] = f"{other.name} has the same bytes: forget them there, too"
    return needed


def remove_versions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Remove the models that learned of somebody who is forgotten and that nothing serves."""
    record = platform.record(pipeline.name)
    finish_deletions(instance, platform, pipeline)
    removed = []
    for version in dispensable(record.facts()):
        facts = record.facts()
        because = [one for one in forgettings(facts) if version in one.body["versions"]][-1]
        told = {
            ACT: FORGET,
            "forgotten": because.sequence,
            "by": because.body["by"],
            "reason": f"it had learned of somebody who is forgotten: {because.body['reason']}",
        }
        for proposal in awaiting(facts):
            if proposal.body["version"] == version:
                body = {**proposal.body, **told, "retraining": None, "run_id": None}
                when = data_time(instance, pipeline, facts)
                record.append("refused", body, effective_at=when)
        record_deletion(instance, platform, pipeline, version=version, told=told)
        finish_deletions(instance, platform, pipeline)
        removed.append(version)
    if removed:
        show_way_back(instance, platform, pipeline)
    return removed


def show_way_back(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> None:
    """Rehearse the way back once versions are gone, and keep what comes of it as evidence."""
    try:
        shown = evidence(pipeline, rehearse(instance, platform, pipeline))
    except MLDebtError as problem:
        shown = closed(pipeline, problem)
    report(instance, shown, BY)


def receipt_of(pipeline: Pipeline, facts: list[Fact], forgetting: Fact) -> dict[str, Any]:
    """Return what was removed for somebody and what is outstanding, without anything of theirs."""
    body, done = forgetting.body, done_of(facts, forgetting)
    gone = deletions(facts)
    left = [version for version in body["versions"] if version in outstanding(facts)]
    entries = [{name: one[name] for name in TOLD} for one in body["withdrawn"]]
    return {
        "pipeline": pipeline.name,
        "subject": body["subject"],
        "column": body["column"],
        "by": body["by"],
        "reason": body["reason"],
        "recorded_at": forgetting.recorded_at.isoformat(),
        "effective_at": forgetting.effective_at.isoformat(),
        "complete": done is not None and not left,
        "removed": done.body["removed"] if done else [],
        "kept": done.body["kept"] if done else [],
        "outstanding_snapshots": [] if done else entries,
        "training_sets": body["training_sets"],
        "versions_removed": [version for version in body["versions"] if version in gone],
        "versions_outstanding": left,
        "batches_refused": done.body["refused"] if done else [],
        "sources": body["sources"],
        "note": NOTE,
        "fact": {"sequence": forgetting.sequence, "hash": forgetting.hash},
        "record_head": {"sequence": facts[-1].sequence, "hash": facts[-1].hash},
    }


def receipt_path(platform: Platform, pipeline: Pipeline, forgetting: Fact) -> Path:
    """Return where a forgetting's receipt lies in the home."""
    return platform.home.root / "receipts" / f"{pipeline.name}-{forgetting.sequence}.json"


def write_receipt(platform: Platform, pipeline: Pipeline, forgetting: Fact) -> dict[str, Any]:
    """Write a forgetting's receipt as it stands now, and return it."""
    facts = platform.record(pipeline.name).facts()
    receipt = receipt_of(pipeline, facts, forgetting)
    file = receipt_path(platform, pipeline, forgetting)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(receipt, indent=2) + "\n", encoding="utf-8")
    return receipt


def withdrawal(stage: str, batch: str, rows: int | None, snapshot: Snapshot) -> dict[str, Any]:
    """Return one snapshot that is to be withdrawn, as the record keeps it."""
    return {
        "stage": stage,
        "batch": batch,
        "rows": rows,
        "sha256": snapshot.sha256,
        "md5": snapshot.md5,
        "bytes": snapshot.bytes,
        "snapshot": snapshot.path,
    }
