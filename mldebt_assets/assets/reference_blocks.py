"""``p/reference_blocks``: the rows of a champion's reference in blocks, counted once.

What differs by chance between its days is seen in no sketch of a month, so the rows are read, for
the first batch that is held against this reference. Every later one takes what was counted then: a
snapshot under its hash, recorded as read. A champion that was promoted before there were blocks,
and one that came back, are no exception: what is not there is counted, to the same bytes.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.reuse import RESULTS_LOOKED_THROUGH
from mldebt_assets.assets.sketch import SUFFIX, as_declared
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.pipeline import Pipeline, as_configuration
from mldebt_assets.provenance import code_digest
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX, Stored, as_stored, read_metadata
from mldebt_assets.store import Blob, Snapshot

if TYPE_CHECKING:
    from mldebt_assets.core.drift.blocks import BlockCounts
    from mldebt_assets.core.drift.counts import Reference

STAGE = "reference_blocks"
COUNTED = "counted"


class ReferenceBlocks(NamedTuple):
    """A reference's blocks, what is stored of them, and what was read for them."""

    blocks: "BlockCounts"
    value: Blob | Snapshot
    counted: str
    reads: dict[str, dg.JsonMetadataValue]


def blocks_of_reference(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    named: dict[str, Any],
    against: "Reference",
) -> ReferenceBlocks:
    """Return the blocks of the reference that a promotion names, on its own bins.

    ``counted`` identifies them: the reference, the code and the configuration.
    """
    from mldebt_assets.core.drift.blocks import count_blocks, from_bytes

    counted = digest(
        {
            "reference": named["hash"],
            "code": code_digest(),
            "configuration": as_configuration(pipeline),
        }
    )
    earlier = counted_before(instance, platform, key(pipeline, STAGE), counted)
    if earlier is not None:
        blocks = from_bytes(platform.snapshots.load(earlier.snapshot).data)
        reads = read_metadata([earlier], part="reference")
        return ReferenceBlocks(blocks, earlier.snapshot, counted, reads)
    rows, reads = rows_of_reference(platform, pipeline, named)
    blocks = count_blocks(rows, pipeline.split.group, against)
    return ReferenceBlocks(blocks, stored(blocks), counted, reads)


def stored(blocks: "BlockCounts") -> Blob:
    """Return blocks as they are stored."""
    from mldebt_assets.core.drift.blocks import to_bytes

    return Blob(to_bytes(blocks), SUFFIX)


def counted_before(
    instance: dg.DagsterInstance, platform: Platform, asset: dg.AssetKey, counted: str
) -> Stored | None:
    """Return what was counted of a reference for one of the last batches, if it is still stored."""
    records = instance.fetch_materializations(asset, limit=RESULTS_LOOKED_THROUGH)
    for earlier in map(as_stored, records.records):
        if earlier.metadata.get(COUNTED) == counted and platform.snapshots.has(earlier.snapshot):
            return earlier
    return None


def rows_of_reference(
    platform: Platform, pipeline: Pipeline, named: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, dg.JsonMetadataValue]]:
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
