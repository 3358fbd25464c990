"""``p/features``: the model's inputs, computed by the same code that serving runs."""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.labels import label_rows
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.core.features import LABEL, feature_table, with_labels
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, newest


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that turns validated rows into inputs."""

    @dg.asset(
        **common(pipeline, "features", kinds={"pandas", "parquet"}, partitioned=True),
        deps=[key(pipeline, stage) for stage in read_by_features(pipeline)],
        description="The model's inputs, one row a validated row; stateless, nothing is fitted.",
    )
    def features(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        validated = reading.take(key(pipeline, "validated"), context.partition_key)
        late = late_labels(context, pipeline)
        if late is not None:
            reading.note(late)

        def make() -> Iterator[Made]:
            labels = None if late is None else label_rows(pipeline, late, reading.blob(late))
            table = compute(pipeline, reading.load(validated), labels)
            yield dg.Output(table, metadata={"labelled rows": int(table[LABEL].notna().sum())})

        yield from once(context, pipeline, reading, make)

    return [features]


def read_by_features(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the stages that features are made from: labels are one where they come late."""
    return ("validated",) if pipeline.labels is None else ("validated", "labels")


def late_labels(context: dg.AssetExecutionContext, pipeline: Pipeline) -> Stored | None:
    """Return the batch's newest labels where they come apart from it; None while there are none."""
    if pipeline.labels is None:
        return None
    return newest(context.instance, key(pipeline, "labels"), context.partition_key)


def compute(
    pipeline: Pipeline, validated: pd.DataFrame, labels: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return the feature table of validated rows, as the pipeline declares it.

    Where labels come late, ``labels`` are those that are there; rows without have none.
    """
    rows, labelled = validated, None
    if pipeline.labels is not None:
        rows, labelled = with_labels(
            validated, labels, row_key=pipeline.row_key, columns=pipeline.label_columns
        )
    table = feature_table(
        rows,
        pipeline=pipeline.name,
        row_key=pipeline.identified_by,
        group=pipeline.split.group,
        label=pipeline.target.label,
        task=pipeline.task,
        features=pipeline.features,
        slices=pipeline.slices,
        promised=pipeline.groups,
    )
    return table if labelled is None else table.assign(**{LABEL: table[LABEL].where(labelled)})
