"""``p/sketch``: what drift needs to know of a batch, so that its rows are not read again for it.

A champion's reference is the merged sketches of its batches. One that was validated before there
were sketches, or whose watched columns were others, is sketched from its rows when it is needed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX, Reading, Stored, newest_first
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.drift.counts import Reference
    from mldebt_assets.core.drift.sketch import Sketch

SUFFIX = ".safetensors"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that sketches a batch."""

    @dg.asset(
        **common(pipeline, "sketch", kinds={"numpy"}, partitioned=True),
        deps=[key(pipeline, "validated")],
        description="Of each watched column what drift asks for, whatever the reference: missing "
        "values, a quantile summary or the categories, and the moments of each pair.",
    )
    def sketch(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        validated = reading.take(key(pipeline, "validated"), context.partition_key)

        def make() -> Iterator[Made]:
            from mldebt_assets.core.drift.sketch import sketch_of, to_bytes

            made = sketch_of(reading.load(validated), pipeline.watched)
            facts = {"rows": made.rows, "columns": len(made.columns)}
            yield dg.Output(Blob(to_bytes(made), SUFFIX), metadata=facts)

        yield from once(context, pipeline, reading, make)

    return [sketch]


def fits(pipeline: Pipeline, sketch: "Sketch") -> bool:
    """Return whether a sketch is of the columns that the pipeline watches now."""
    from mldebt_assets.core.drift.sketch import CategorySketch

    watched = [(column.name, column.dtype == "string") for column in pipeline.watched]
    return watched == [(one.name, isinstance(one, CategorySketch)) for one in sketch.columns]


def loaded(platform: Platform, stored: Stored) -> "Sketch":
    """Return a stored sketch."""
    from mldebt_assets.core.drift.sketch import from_bytes

    return from_bytes(platform.snapshots.load(stored.snapshot).data)


def reference_of_champion(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, named: dict[str, Any]
) -> tuple["Reference", dict[str, dg.JsonMetadataValue]]:
    """Return the reference that a promotion names, and the metadata that says what was read."""
    from mldebt_assets.core.drift.counts import reference_of
    from mldebt_assets.core.drift.sketch import merge

    parts = []
    reads: dict[str, dict[str, list[Any]]] = {}
    for batch, snapshot in named["batches"].items():
        stage, read, sketch = _of_batch(instance, platform, pipeline, batch, snapshot)
        parts.append(sketch)
        reads.setdefault(stage, {})[batch] = read
    metadata = {
        f"{READ_PREFIX}reference:{pipeline.name}/{stage}": dg.MetadataValue.json(read)
        for stage, read in reads.items()
    }
    return reference_of(merge(parts), named["hash"]), metadata


def _of_batch(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    batch: str,
    snapshot: dict[str, Any],
) -> tuple[str, list[Any], "Sketch"]:
    """Return which stage was read for a validated snapshot's sketch, at which event, and it."""
    from mldebt_assets.core.drift.sketch import sketch_of
    from mldebt_assets.core.tables import from_parquet

    validated = key(pipeline, "validated").to_user_string()
    for stored in newest_first(instance, key(pipeline, "sketch"), batch):
        if stored.reads[validated][batch][0] == snapshot["sha256"]:
            sketch = loaded(platform, stored)
            if fits(pipeline, sketch):
                return "sketch", [stored.snapshot.sha256, stored.storage_id], sketch
    name = f"{validated}/{batch}"
    rows = platform.snapshots.get(name=name, sha256_hex=snapshot["sha256"], md5=snapshot["md5"])
    read = [snapshot["sha256"], snapshot["storage_id"]]
    return "validated", read, sketch_of(as_declared(pipeline, from_parquet(rows)), pipeline.watched)


def as_declared(pipeline: Pipeline, rows: pd.DataFrame) -> pd.DataFrame:
    """Return earlier rows under today's declaration: what is new since is empty in them."""
    types = {"int64": "Int64", "float64": "float64", "timestamp": "datetime64[us]"}
    new = {
        column.name: types.get(column.dtype, "object")
        for column in pipeline.batch_columns
        if column.name not in rows
    }
    return rows.assign(**dict.fromkeys(new)).astype(new)
