"""One report over any window of batches, from what each left behind: no row is read again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.drift_reference import STAGE, loaded_reference
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.sketch import fits, loaded, reference_of_champion
from mldebt_assets.assets.standing import references, still_there
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.snapshots import newest, newest_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from mldebt_assets.core.drift.blocks import BlockCounts
    from mldebt_assets.core.drift.counts import Reference, TableCounts
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

TOLD = (
    "drifted",
    "summary",
    "calibration",
    "calibration_reason",
    "underpowered",
    "verdicts",
)


def window_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batches: Sequence[str]
) -> dict[str, Any] | None:
    """Return what the rule says of all these batches' rows together; None before any champion.

    They are held against the reference that the newest of them was judged by. Batches that were
    counted against another are counted from their sketches, and named in ``approximated``: their
    shares are off by less than 1/1024. Batches without a sketch are left out; where none has
    one, None is returned. Where all were counted in blocks on the reference's bins, the rule is
    calibrated on these; batches of the reference itself are on both sides then, which lets less
    be told from chance and never more.

    Raises: SnapshotError if a stored sketch or count is gone or damaged.
    """
    from mldebt_assets.core.drift.blocks import join, laid_beside
    from mldebt_assets.core.drift.counts import merge_counts
    from mldebt_assets.core.drift.rule import judge_counts

    started = time.perf_counter()
    of_stage = {
        stage: {
            str(one.batch): one
            for one in still_there(
                platform,
                pipeline,
                newest_of_each(instance, key(pipeline, stage), batches).values(),
            )
        }
        for stage in ("drift_report", "drift_counts", "sketch")
    }
    reference = _newest_reference(instance, platform, pipeline, of_stage["drift_report"])
    if reference is None:
        return None
    exact = {
        batch: blocks
        for batch, stored in of_stage["drift_counts"].items()
        if (blocks := _counted(platform, stored, reference)) is not None
    }
    approximated = {
        batch: counts
        for batch, stored in of_stage["sketch"].items()
        if batch not in exact
        and (counts := _recounted(platform, pipeline, stored, reference)) is not None
    }
    if not exact and not approximated:
        return None
    together = merge_counts([*(one.whole for one in exact.values()), *approximated.values()])
    current = None if approximated else join(list(exact.values()))
    before = _of_reference(instance, platform, pipeline, max(exact), reference) if current else None
    beside = laid_beside(before, current, pipeline.training.seed) if before and current else None
    report = judge_counts(reference, together, pipeline.drift, beside).as_dict()
    return {
        "batches": sorted([*exact, *approximated]),
        "approximated": sorted(approximated),
        "reference": reference.hash,
        "rows": report["current_rows"],
        **{name: report[name] for name in TOLD},
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
    named = references(instance, platform, pipeline)
    for batch in sorted(reports, reverse=True):
        judged_by = reports[batch].metadata.get("reference")
        if judged_by in named:
            _, reference = named[judged_by]
            return reference_of_champion(instance, platform, pipeline, reference)[0]
    return None


def _counted(platform: Platform, stored: Stored, reference: Reference) -> BlockCounts | None:
    """Return what is stored in blocks on the reference's bins; None where it is of another.

    What an older version counted was stored otherwise, and is left out too.
    """
    from mldebt_assets.core.drift.blocks import from_bytes
    from mldebt_assets.store import Blob

    value = platform.snapshots.load(stored.snapshot)
    if not isinstance(value, Blob):
        return None
    try:
        return _on_bins(from_bytes(value.data), reference)
    except UnlikeSketchesError:
        return None


def _of_reference(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    batch: str,
    reference: Reference,
) -> BlockCounts | None:
    """Return the reference's own blocks, as a batch was held against them."""
    stored = newest(instance, key(pipeline, STAGE), batch)
    if stored is None:
        return None
    try:
        blocks = loaded_reference(platform, stored).rows
    except UnlikeSketchesError:
        return None
    return None if blocks is None else _on_bins(blocks, reference)


def _on_bins(blocks: BlockCounts, reference: Reference) -> BlockCounts | None:
    """Return blocks where they are on the reference's bins, else None."""
    ours = blocks.whole.reference == reference.hash
    return blocks if ours and blocks.whole.counts.size == reference.counts.counts.size else None


def _recounted(
    platform: Platform, pipeline: Pipeline, stored: Stored, reference: Reference
) -> TableCounts | None:
    """Return the counts of a batch's sketch; None where it is of other columns."""
    from mldebt_assets.core.drift.counts import count_sketch

    sketch = loaded(platform, stored)
    return count_sketch(sketch, reference) if fits(pipeline, sketch) else None
