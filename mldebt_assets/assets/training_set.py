"""``p/training_set``: a manifest of hashes. Its own hash is *the data snapshot* of a version."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.core.errors import UnknownBatchError
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, at_storage_id, newest

if TYPE_CHECKING:
    import pandas as pd


class TrainingSetConfig(dg.Config):
    """Which batches to learn from: those whose period ends no later than that of ``until``."""

    until: str | None = None


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that chooses batches and writes down exactly which bytes they are."""

    @dg.asset(
        **common(pipeline, "training_set", kinds={"json"}, partitioned=False),
        deps=[dg.AssetDep(key(pipeline, "features"), partition_mapping=dg.AllPartitionMapping())],
        description="Which snapshots a version learns from, batch by batch, and how they split.",
    )
    def training_set(
        context: dg.AssetExecutionContext,
        config: TrainingSetConfig,
        platform: dg.ResourceParam[Platform],
    ) -> dg.MaterializeResult[dict[str, Any]]:
        chosen = choose(context.instance, pipeline, config.until)
        reading = Reading(context.instance, platform.snapshots)
        for features, _ in chosen:
            reading.note(features)
        manifest = describe(pipeline, chosen, context.instance)
        metadata = {"rows": manifest["rows"], "batches": len(chosen), **reading.metadata()}
        return dg.MaterializeResult(value=manifest, metadata=metadata)

    return [training_set]


def choose(
    instance: dg.DagsterInstance, pipeline: Pipeline, until: str | None
) -> list[tuple[Stored, Stored]]:
    """Return each chosen batch's features and the validated rows they were made from.

    Batches come in the order of their data's time. Raises: UnknownBatchError if ``until`` has
    no features.
    """
    found: dict[str, tuple[Stored, Stored]] = {}
    for batch in instance.get_dynamic_partitions(batches(pipeline).name or ""):
        features = newest(instance, key(pipeline, "features"), batch)
        if features is not None:
            found[batch] = (features, made_from(instance, features, key(pipeline, "validated")))
    if until is not None and until not in found:
        raise UnknownBatchError.of(pipeline.name, until, found)
    ordered = sorted(found.items(), key=lambda item: (effective_at(item[1][1]), item[0]))
    last = ordered[-1][1] if until is None else found[until]
    chosen = [pair for _, pair in ordered if effective_at(pair[1]) <= effective_at(last[1])]
    return chosen if pipeline.retraining.window is None else chosen[-pipeline.retraining.window :]


def made_from(instance: dg.DagsterInstance, stored: Stored, asset: dg.AssetKey) -> Stored:
    """Return the materialization of ``asset`` that this one says it read, of its own batch."""
    _, storage_id = stored.reads[asset.to_user_string()][stored.batch or ""]
    return at_storage_id(instance, asset, int(storage_id))


def effective_at(validated: Stored) -> str:
    """Return the data's time of a validated batch, ISO 8601."""
    return str(validated.metadata["effective_at"])


def describe(
    pipeline: Pipeline, chosen: list[tuple[Stored, Stored]], instance: dg.DagsterInstance
) -> dict[str, Any]:
    """Return the manifest: hashes only, so that equal data has an equal manifest anywhere."""
    entries: list[dict[str, Any]] = []
    for features, validated in chosen:
        raw = made_from(instance, validated, key(pipeline, "raw"))
        entries.append(
            {
                "batch": features.batch,
                "effective_at": effective_at(validated),
                "raw": raw.identity,
                "validated": validated.identity,
                "features": features.identity,
            }
        )
    return {
        "pipeline": pipeline.name,
        "batches": entries,
        "rows": sum(entry["features"]["rows"] for entry in entries),
        "split": asdict(pipeline.split),
        "window": pipeline.retraining.window,
    }


def load_rows(
    instance: dg.DagsterInstance, reading: Reading, pipeline: Pipeline, manifest: Stored
) -> "pd.DataFrame":
    """Return the feature tables that a manifest was made from, with their batch in ``_batch``.

    They are found by the events that the manifest says it read, and checked by their hashes.
    """
    import pandas as pd

    features = key(pipeline, "features")
    tables = []
    for batch, (_, storage_id) in manifest.reads[features.to_user_string()].items():
        stored = at_storage_id(instance, features, int(storage_id))
        tables.append(reading.load(stored).assign(_batch=batch))
    rows: pd.DataFrame = pd.concat(tables, ignore_index=True)
    return rows
