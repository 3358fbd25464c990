"""How far the last batches lay from what their champions learned from, by the stored reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.drift_window import window_of
from mldebt_assets.answers.refused import refused_batches
from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.standing import references, still_there
from mldebt_assets.core.errors import UnknownBatchError
from mldebt_assets.snapshots import newest_of_each

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

NO_OUTCOMES = "not judged: the batch has not been scored since scores and labels are watched"
NO_REPORT = "no report: the batch was refused, or its run has not ended well"


def drift_of(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    last: int,
    until: str | None = None,
) -> dict[str, Any]:
    """Return what the drift reports say of the ``last`` batches up to ``until``, oldest first.

    Without ``until`` these are the newest. ``window`` is one report on all their rows together;
    ``refused`` says of each batch why its newest rows stand refused, None where they do not.

    Raises: SnapshotError if a stored report is gone or damaged; UnknownBatchError if ``until``
            has not arrived.
    """
    arrived = sorted(instance.get_dynamic_partitions(batches(pipeline).name or ""))
    if until is not None:
        if until not in arrived:
            raise UnknownBatchError.of(pipeline.name, until, arrived)
        arrived = arrived[: arrived.index(until) + 1]
    arrived = arrived[-last:]
    facts = platform.record(pipeline.name).facts()
    named = references(instance, platform, pipeline)
    versions = {hash_: version for hash_, (version, _) in named.items()}
    refused = {one["batch"]: one for one in refused_batches(instance, pipeline, facts)}
    reports = newest_of_each(instance, key(pipeline, "drift_report"), arrived)
    left = {str(one.batch): one for one in still_there(platform, pipeline, reports.values())}
    found = {batch: left.get(batch) for batch in arrived}
    measured = newest_of_each(instance, key(pipeline, "performance"), arrived)
    return {
        "pipeline": pipeline.name,
        "batches": [
            {
                "batch": batch,
                **told(platform, pipeline, stored, versions),
                "outcomes": told_outcomes(platform, measured.get(batch) if batch in left else None),
                "refused": refused.get(batch),
            }
            for batch, stored in found.items()
        ],
        "window": window_of(instance, platform, pipeline, arrived),
    }


def told(
    platform: Platform, pipeline: Pipeline, stored: Stored | None, versions: dict[str, int]
) -> dict[str, Any]:
    """Return what one batch's report says; one that judged nothing has no columns."""
    if stored is None:
        return unjudged(NO_REPORT)
    report = platform.snapshots.load(stored.snapshot)
    if not report["judged"]:
        return unjudged(report["summary"])
    read = {
        batch
        for stage in ("sketch", "validated")
        for batch in stored.reads.get(f"reference:{pipeline.name}/{stage}", {})
    }
    return {
        "judged": True,
        "drifted": report["drifted"],
        "reference": {
            "hash": report["reference"],
            "version": versions.get(report["reference"]),
            "batches": sorted(read),
        },
        "summary": report["summary"],
        "rule": report["rule"],
        "calibration": report["calibration"],
        "verdicts": report["verdicts"],
        "columns": {
            column["name"]: {
                name: column[name]
                for name in ("kind", "distance", "statistics", "drifted", "reason")
            }
            for column in report["columns"]
        },
    }


def told_outcomes(platform: Platform, stored: Stored | None) -> dict[str, Any]:
    """Return what is known of a batch's scores and labels by now: labels may have come late."""
    from mldebt_assets.core.drift import outcomes

    nothing = dict.fromkeys(outcomes.WHAT, outcomes.unjudged(NO_OUTCOMES))
    if stored is None:
        return nothing
    found: dict[str, Any] = platform.snapshots.load(stored.snapshot).get("outcomes", nothing)
    return found


def unjudged(summary: str) -> dict[str, Any]:
    """Return the answer for a batch that nothing was held against."""
    return {
        "judged": False,
        "drifted": False,
        "reference": None,
        "summary": summary,
        "rule": None,
        "calibration": None,
        "verdicts": [],
        "columns": {},
    }
