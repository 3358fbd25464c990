"""``p/released``: rows that a person released from quarantine, mended or as they were.

It is made by a release alone, from the fact of the record that says who and why; a batch of which
nothing was released has none. What is validated of the batch reads it beside the raw bytes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.forgetting import table_without_forgotten
from mldebt_assets.assets.keys import FORGOTTEN_TAG, common, key
from mldebt_assets.assets.reuse import Made
from mldebt_assets.core.errors import RefusedError
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import newest_release
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, newest
from mldebt_assets.store import Snapshot

if TYPE_CHECKING:
    from mldebt_assets.promotions import Fact


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that keeps what was released of a batch."""

    @dg.asset(
        **common(pipeline, "released", kinds={"parquet"}, partitioned=True),
        deps=[key(pipeline, "raw")],
        description="The rows that somebody released from quarantine, all of a batch together. "
        f"Made by `mldebt quarantine {pipeline.name} --batch B --release --reason WHY`.",
    )
    def released(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        batch = context.partition_key
        reading = Reading(context.instance, platform.snapshots)
        raw = reading.take(key(pipeline, "raw"), batch)
        fact = newest_release(platform.record(pipeline.name).facts(), batch)
        if fact is None:
            raise nothing_released(pipeline, batch)
        kept = newest(context.instance, key(pipeline, "released"), batch)
        snapshot, of_raw = snapshot_of(fact), str(fact.body["raw"])
        if kept is not None and kept.timestamp > fact.recorded_at.timestamp():
            snapshot, of_raw = kept.snapshot, raw_of(pipeline, kept)
        if of_raw != raw.snapshot.sha256 and FORGOTTEN_TAG not in context.run.tags:
            raise nothing_released(pipeline, batch)
        table = platform.snapshots.load(snapshot)
        told = {
            "by": fact.body["by"],
            "reason": fact.body["reason"],
            "mended": fact.body["mended"],
            "fact": fact.sequence,
            "quarantine": fact.body["quarantine"]["sha256"],
        }
        rows = table_without_forgotten(pipeline, platform, table)
        yield dg.Output(rows, metadata={**told, **reading.metadata()})

    return [released]


def release_of(instance: dg.DagsterInstance, pipeline: Pipeline, raw: Stored) -> Stored | None:
    """Return what was released of these very raw bytes; None where nothing was."""
    kept = newest(instance, key(pipeline, "released"), raw.batch)
    if kept is None or raw_of(pipeline, kept) != raw.snapshot.sha256:
        return None
    return kept


def raw_of(pipeline: Pipeline, released: Stored) -> str:
    """Return the hash of the raw bytes from whose quarantine rows were released."""
    return str(released.reads[f"{pipeline.name}/raw"][str(released.batch)][0])


def snapshot_of(fact: "Fact") -> Snapshot:
    """Return the rows that a release names, as they were stored before it was recorded."""
    return Snapshot(**fact.body["released"])


def nothing_released(pipeline: Pipeline, batch: str) -> RefusedError:
    """Return the answer where no row of a batch's newest bytes was released."""
    return RefusedError.of(
        f"No row of {batch}, as it was last collected, was released from quarantine.",
        f"`mldebt quarantine {pipeline.name} --batch {batch} --release --reason WHY` releases.",
    )
