"""One report over any window of batches, from what each left behind: no row is read again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.sketch import fits, loaded, reference_of_champion
from mldebt_assets.snapshots import newest_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from mldebt_assets.core.drift.counts import Reference, TableCounts
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored


def window_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batches: Sequence[str]
) -> dict[str, Any] | None:
    """Return what the rule says of all these batches' rows together; None before any champion.

    They are held against the reference that the newest of them was judged by. Batches that were
    counted against another are counted from their sketches, and named in ``approximated``: their
    shares are off by less than 1/1024. Batches without a sketch are left out; where none has
    one, None is returned.

    Raises: SnapshotError if a stored sketch or count is gone or damaged.
    """
    from mldebt_assets.core.drift.counts import merge_counts
    from mldebt_assets.core.drift.rule import judge_counts

    started = time.perf_counter()
    of_stage = {
        stage: newest_of_each(instance, key(pipeline, stage), batches)
        for stage in ("drift_report", "counts", "sketch")
    }
    reference = _newest_reference(instance, platform, pipeline, of_stage["drift_report"])
    if reference is None:
        return None
    exact = {
        batch: counts
        for batch, stored in of_stage["counts"].items()
        if (counts := _counts(platform, stored)) is not None
        and counts.reference == reference.hash
        and counts.counts.size == reference.counts.counts.size
    }
    approximated = {
        batch: counts
        for batch, stored in of_stage["sketch"].items()
        if batch not in exact
        and (counts := _recounted(platform, pipeline, stored, reference)) is not None
    }
    if not exact and not approximated:
        return None
    together = merge_counts([*exact.values(), *approximated.values()])
    report = judge_counts(reference, together, pipeline.drift).as_dict()
    return {
        "batches": sorted([*exact, *approximated]),
        "approximated": sorted(approximated),
        "reference": reference.hash,
        "rows": report["current_rows"],
        **{name: report[name] for name in ("drifted", "summary", "underpowered", "verdicts")},
        "columns": {
            column["name"]: {
                name: column[name]
                for name in ("kind", "distance", "statistics", "drifted", "reason")
            }
            for column in report["columns"]
        },
        "seconds": time.perf_counter() - started,
    }


def _newest_reference(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    reports: dict[str, Stored],
) -> Reference | None:
    """Return what the newest judged batch was held against."""
    named = {
        fact.body["reference"]["hash"]: fact.body["reference"]
        for fact in platform.record(pipeline.name).facts()
        if fact.kind == "intent"
    }
    for batch in sorted(reports, reverse=True):
        judged_by = reports[batch].metadata.get("reference")
        if judged_by in named:
            return reference_of_champion(instance, platform, pipeline, named[judged_by])[0]
    return None


def _counts(platform: Platform, stored: Stored) -> TableCounts | None:
    """Return a batch's counts; None where nothing was counted, or an older version counted less."""
    from mldebt_assets.core.drift.counts import from_bytes
    from mldebt_assets.core.errors import UnlikeSketchesError
    from mldebt_assets.store import Blob

    value = platform.snapshots.load(stored.snapshot)
    if not isinstance(value, Blob):
        return None
    try:
        return from_bytes(value.data)
    except UnlikeSketchesError:
        return None


def _recounted(
    platform: Platform, pipeline: Pipeline, stored: Stored, reference: Reference
) -> TableCounts | None:
    """Return the counts of a batch's sketch; None where it is of other columns."""
    from mldebt_assets.core.drift.counts import count_sketch

    sketch = loaded(platform, stored)
    return count_sketch(sketch, reference) if fits(pipeline, sketch) else None
