"""``p/features``: the model's inputs, computed by the same code that serving runs."""

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.core.features import feature_table
from mldebt_assets.pipeline import Pipeline


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that turns validated rows into inputs."""

    @dg.asset(
        **common(pipeline, "features", kinds={"pandas", "parquet"}, partitioned=True),
        ins={"validated": dg.AssetIn(key(pipeline, "validated"), input_manager_key="snapshots")},
        description="The model's inputs, one row a validated row; stateless, nothing is fitted.",
    )
    def features(validated: pd.DataFrame) -> dg.MaterializeResult[pd.DataFrame]:
        table = compute(pipeline, validated)
        labelled = int(table["_label"].notna().sum())
        return dg.MaterializeResult(value=table, metadata={"labelled rows": labelled})

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
