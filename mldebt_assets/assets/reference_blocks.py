"""``p/reference_blocks``: the rows of a champion's reference in blocks, counted once.

What differs by chance between its days is seen in no sketch of a month, so the rows are read, for
the first batch that is held against this reference.
"""

from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.counted_once import Counted, Reads, counted_once
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.sketch import SUFFIX, as_declared
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.drift.blocks import BlockCounts
    from mldebt_assets.core.drift.counts import Reference

STAGE = "reference_blocks"


def blocks_of_reference(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    named: dict[str, Any],
    against: "Reference",
) -> "Counted[BlockCounts]":
    """Return the blocks of the reference that a promotion names, on its own bins."""
    from mldebt_assets.core.drift.blocks import BlockCounts, count_blocks, from_bytes, to_bytes

    def count() -> tuple[BlockCounts, Reads]:
        rows, reads = rows_of_reference(platform, pipeline, named)
        return count_blocks(rows, pipeline.split.group, against), reads

    return counted_once(
        instance,
        platform,
        pipeline,
        STAGE,
        {"reference": named["hash"]},
        count=count,
        to_bytes=to_bytes,
        from_bytes=from_bytes,
    )


def stored(blocks: "BlockCounts") -> Blob:
    """Return blocks as they are stored."""
    from mldebt_assets.core.drift.blocks import to_bytes

    return Blob(to_bytes(blocks), SUFFIX)


def rows_of_reference(
    platform: Platform, pipeline: Pipeline, named: dict[str, Any]
) -> tuple[pd.DataFrame, Reads]:
    """Return the rows that a promotion names as its reference, and which snapshots were read."""
    from mldebt_assets.core.tables import from_parquet

    validated = key(pipeline, "validated").to_user_string()
    tables = [
        from_parquet(
            platform.snapshots.get(
                name=f"{validated}/{batch}", sha256_hex=snapshot["sha256"], md5=snapshot["md5"]
            )
        )
        for batch, snapshot in named["batches"].items()
    ]
    read = {
        batch: [snapshot["sha256"], snapshot["storage_id"]]
        for batch, snapshot in named["batches"].items()
    }
    metadata = {f"{READ_PREFIX}reference:{validated}": dg.MetadataValue.json(read)}
    return as_declared(pipeline, pd.concat(tables, ignore_index=True)), metadata
