"""``p/references``: the values that a batch's foreign keys could have when it was judged.

The tables that they reference are the user's, and change: so what a batch was judged by is a
snapshot of its own, read beside the raw bytes. A pipeline that declares no foreign key has none.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.keys import FORGOTTEN_TAG, RELEASED_TAG, common, key
from mldebt_assets.assets.reuse import Made
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from mldebt_assets.core.foreign_keys import References

TABLES = "tables"
MADE_AGAIN = {FORGOTTEN_TAG, RELEASED_TAG}
"""What marks the runs that make a batch again by what it was judged by, and not by what is new."""


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that keeps what foreign keys reference; none where none is declared."""
    if not pipeline.foreign_keys:
        return []
    asset_key = key(pipeline, "references")
    named = ", ".join(one.name for one in pipeline.foreign_keys)

    @dg.asset(
        **common(pipeline, "references", kinds={"json"}, partitioned=True),
        description=f"The values that {named} may have: those of the tables that they reference, "
        "as they were when the batch was judged.",
    )
    def references(context: dg.AssetExecutionContext) -> Iterator[Made]:
        from mldebt_assets.sources.referenced import read_references

        stored = newest(context.instance, asset_key, context.partition_key)
        if stored is not None and MADE_AGAIN & context.run.tags.keys():
            yield dg.Output(stored.snapshot, metadata={TABLES: stored.described[TABLES]})
            return
        values, origins = read_references(pipeline)
        yield dg.Output(dict(values), metadata={TABLES: dg.MetadataValue.json(origins)})

    return [references]


def references_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batch: str
) -> "References | None":
    """Return the values by which a batch is made again; None where no foreign key is declared."""
    from mldebt_assets.sources.referenced import read_references

    if not pipeline.foreign_keys:
        return None
    stored = newest(instance, key(pipeline, "references"), batch)
    if stored is None:
        values, _ = read_references(pipeline)
        return values
    kept: References = platform.snapshots.load(stored.snapshot)
    return kept
