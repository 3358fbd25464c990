"""``p/predictions``: every row scored by the champion of its time, with the model's hash on it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.model import require_same_task
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.standing import MODEL_IS_GONE, standing
from mldebt_assets.core.features import LABEL, ROW_ID, inputs_of
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX, Reading, Stored, newest

if TYPE_CHECKING:
    from mldebt_assets.core.training import FittedModel

CARRIED = ("scored by", "threshold")


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that scores a batch before anyone learns from it."""

    @dg.asset(
        **common(pipeline, "predictions", kinds={"pytorch", "parquet"}, partitioned=True),
        deps=[key(pipeline, "scorer"), key(pipeline, "features")],
        description="Scores of rows that nobody had learned from. Empty before the first champion.",
    )
    def predictions(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        features = reading.take(key(pipeline, "features"), context.partition_key)
        earlier = scored_before(context, pipeline) if MODEL_IS_GONE in scorer else None
        if earlier is not None:
            reading.note(earlier)

        def make() -> Iterator[Made]:
            if scorer["version"] is None:
                yield dg.Output(no_predictions(pipeline))
                return
            if MODEL_IS_GONE in scorer:
                yield carried(pipeline, platform, earlier, reading.load(features))
                return
            model, table = load_model(pipeline, platform, scorer), reading.load(features)
            scored = score(pipeline, model, scorer, table)
            facts = {
                **described(pipeline, model, scored, table),
                **read_of_model(pipeline, "champion", scorer),
            }
            yield dg.Output(scored, metadata=facts)

        yield from once(context, pipeline, reading, make)

    return [predictions]


def scored_before(context: dg.AssetExecutionContext, pipeline: Pipeline) -> Stored | None:
    """Return the batch's newest predictions, if there are any."""
    return newest(context.instance, key(pipeline, "predictions"), context.partition_key)


def carried(
    pipeline: Pipeline, platform: Platform, earlier: Stored | None, features: pd.DataFrame
) -> dg.Output[pd.DataFrame]:
    """Return the scores that a model gave which is gone, since it had learned of somebody.

    Rows that are no longer there have none any more, and rows that are new get none.
    """
    if earlier is None:
        return dg.Output(no_predictions(pipeline))
    scored = platform.snapshots.load(earlier.snapshot)
    left = scored[scored[ROW_ID].isin(features[ROW_ID])].reset_index(drop=True)
    told = {name: earlier.described[name] for name in CARRIED if name in earlier.described}
    return dg.Output(left, metadata={**told, "carried over": "the model that scored is forgotten"})


def no_predictions(pipeline: Pipeline) -> pd.DataFrame:
    """Return the table of a batch that arrived before there was a champion."""
    import numpy as np

    from mldebt_assets.core.tasks.task import Rule

    task = pipeline.task
    none = np.zeros((0, task.outputs) if task.classes else 0)
    columns = {
        ROW_ID: pd.Series([], dtype="object"),
        **task.served(none, Rule(threshold=0.0)),
        "version": pd.Series([], dtype="int64"),
        "weights_sha256": pd.Series([], dtype="object"),
    }
    return pd.DataFrame(columns)


def load_model(pipeline: Pipeline, platform: Platform, scorer: dict[str, Any]) -> "FittedModel":
    """Return the model that the scorer names, after comparing its digest and its task."""
    from mldebt_assets.core.training import from_bytes

    weights = platform.snapshots.get(
        name=f"{pipeline.name}/model version {scorer['version']}",
        sha256_hex=scorer["weights_sha256"],
        md5=scorer["model"]["md5"],
    )
    return require_same_task(pipeline, scorer["version"], from_bytes(weights))


def read_of_model(
    pipeline: Pipeline, role: str, scorer: dict[str, Any]
) -> dict[str, dg.MetadataValue]:
    """Return the metadata that says which model was loaded, by its hash, and as what."""
    if scorer["version"] is None:
        return {}
    read = {"": [scorer["weights_sha256"], scorer["model"]["storage_id"]]}
    return {f"{READ_PREFIX}{role}:{pipeline.name}/model": dg.MetadataValue.json(read)}


def score(
    pipeline: Pipeline, model: "FittedModel", scorer: dict[str, Any], features: pd.DataFrame
) -> pd.DataFrame:
    """Return a row a scored row: its id, score, decision, and the version and hash that made it."""
    from mldebt_assets.core.training import predict

    scores = pipeline.task.aligned(predict(model, inputs_of(features)), model.classes)
    return pd.DataFrame(
        {
            ROW_ID: features[ROW_ID],
            **pipeline.task.served(scores, model.rule),
            "version": scorer["version"],
            "weights_sha256": scorer["weights_sha256"],
        }
    )


def described(
    pipeline: Pipeline, model: "FittedModel", scored: pd.DataFrame, features: pd.DataFrame
) -> dict[str, Any]:
    """Return who scored the batch, how, and the picture of it: labels are shown where known."""
    from mldebt_assets.plots import answers_figure

    task = pipeline.task
    picture = answers_figure(task, scored, task.numbers(features[LABEL]), model.rule)
    return {
        "scored by": int(scored["version"].iloc[0]),
        **({} if model.threshold is None else {"threshold": model.threshold}),
        **task.summary(scored),
        "scores": dg.MetadataValue.md(picture.markdown),
    }
