"""``p/features``: the model's inputs, computed by the same code that serving runs."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.core.features import LABEL, feature_table
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that turns validated rows into inputs."""

    @dg.asset(
        **common(pipeline, "features", kinds={"pandas", "parquet"}, partitioned=True),
        deps=[key(pipeline, "validated")],
        description="The model's inputs, one row a validated row; stateless, nothing is fitted.",
    )
    def features(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        validated = reading.take(key(pipeline, "validated"), context.partition_key)

        def make() -> Iterator[Made]:
            table = compute(pipeline, reading.load(validated))
            yield dg.Output(table, metadata={"labelled rows": int(table[LABEL].notna().sum())})

        yield from once(context, pipeline, reading, make)

    return [features]


def compute(pipeline: Pipeline, validated: pd.DataFrame) -> pd.DataFrame:
    """Return the feature table of validated rows, as the pipeline declares it."""
    return feature_table(
        validated,
        pipeline=pipeline.name,
        row_key=pipeline.row_key,
        group=pipeline.split.group,
        label=pipeline.target.label,
        features=pipeline.features,
        slices=pipeline.slices,
    )
