"""``p/predictions``: every row scored by the champion of its time, with the model's hash on it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.core.features import LABEL, ROW_ID, inputs_of
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX, Reading

if TYPE_CHECKING:
    from mldebt_assets.core.training import FittedModel


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
        scorer = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        features = reading.take(key(pipeline, "features"), context.partition_key)

        def make() -> Iterator[Made]:
            if scorer["version"] is None:
                yield dg.Output(no_predictions())
                return
            model, table = load_model(pipeline, platform, scorer), reading.load(features)
            scored = score(model, scorer, table)
            facts = {
                **described(model, scored, table),
                **read_of_model(pipeline, "champion", scorer),
            }
            yield dg.Output(scored, metadata=facts)

        yield from once(context, pipeline, reading, make)

    return [predictions]


def no_predictions() -> pd.DataFrame:
    """Return the table of a batch that arrived before there was a champion."""
    types = {ROW_ID: "object", "score": "float64", "decision": "bool", "version": "int64"}
    return pd.DataFrame({name: pd.Series([], dtype=t) for name, t in types.items()}).assign(
        weights_sha256=pd.Series([], dtype="object")
    )


def load_model(pipeline: Pipeline, platform: Platform, scorer: dict[str, Any]) -> "FittedModel":
    """Return the model that the scorer names, after comparing its digest."""
    from mldebt_assets.core.training import from_bytes

    weights = platform.snapshots.get(
        name=f"{pipeline.name}/model version {scorer['version']}",
        sha256_hex=scorer["weights_sha256"],
        md5=scorer["model"]["md5"],
    )
    return from_bytes(weights)


def read_of_model(
    pipeline: Pipeline, role: str, scorer: dict[str, Any]
) -> dict[str, dg.MetadataValue]:
    """Return the metadata that says which model was loaded, by its hash, and as what."""
    if scorer["version"] is None:
        return {}
    read = {"": [scorer["weights_sha256"], scorer["model"]["storage_id"]]}
    return {f"{READ_PREFIX}{role}:{pipeline.name}/model": dg.MetadataValue.json(read)}


def score(model: "FittedModel", scorer: dict[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """Return a row a scored row: its id, score, decision, and the version and hash that made it."""
    from mldebt_assets.core.training import predict

    scores = predict(model, inputs_of(features))
    return pd.DataFrame(
        {
            ROW_ID: features[ROW_ID],
            "score": scores,
            "decision": scores >= model.threshold,
            "version": scorer["version"],
            "weights_sha256": scorer["weights_sha256"],
        }
    )


def described(model: "FittedModel", scored: pd.DataFrame, features: pd.DataFrame) -> dict[str, Any]:
    """Return who scored the batch, how, and the picture of it: labels are shown where known."""
    from mldebt_assets.plots import score_figure

    scores = scored["score"].to_numpy()
    picture = score_figure(scores, features[LABEL].to_numpy(), model.threshold)
    return {
        "scored by": int(scored["version"].iloc[0]),
        "threshold": model.threshold,
        "alarm_rate": float(scored["decision"].mean()),
        "mean_score": float(scores.mean()),
        "scores": dg.MetadataValue.md(picture.markdown),
    }
