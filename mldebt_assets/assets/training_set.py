"""``p/training_set``: a manifest of hashes. Its own hash is *the data snapshot* of a version."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import dagster as dg

from mldebt_assets.assets.collecting import SCAN
from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.personal_data import known_of
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.core.errors import (
    DigestMismatchError,
    NothingToTrainOnError,
    TrainingSetError,
    UnknownBatchError,
    UnknownTrainingSetError,
)
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import (
    Reading,
    Stored,
    at_storage_ids,
    newest_first,
    newest_of_each,
)


class TrainingSetConfig(dg.Config):
    """Which batches to learn from: those whose period ends no later than that of ``until``.

    Or else exactly those of an earlier training set: ``snapshot`` is the SHA-256 of its manifest,
    which `mldebt lineage` shows.
    """

    until: str | None = None
    snapshot: str | None = None


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
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        if config.snapshot is None:
            refused = unlearnable(platform.record(pipeline.name).facts())
            chosen = choose(context.instance, pipeline, config.until, refused)
            if not chosen:
                raise NothingToTrainOnError.of(pipeline.name)
            for features, _ in chosen:
                reading.note(features)
        else:
            earlier = named(context.instance, pipeline, config, reading)

        def make() -> Iterator[Made]:
            if config.snapshot is None:
                manifest = describe(pipeline, chosen, context.instance)
            else:
                manifest = earlier
            facts = {
                "rows": manifest["rows"],
                "batches": len(manifest["batches"]),
                SCAN: dg.MetadataValue.json(known_of(context.instance, pipeline, reading)),
            }
            yield dg.Output(manifest, metadata=facts)

        yield from once(context, pipeline, reading, make)

    return [training_set]


def choose(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    until: str | None,
    refused: Container[str],
) -> list[tuple[Stored, Stored]]:
    """Return what ``arrived`` gives for each batch that is learned from: the newest with labels.

    Never learned are the validated rows whose SHA-256 is in ``refused``: broken feeds, and what
    was withdrawn for somebody.

    Raises: NothingToTrainOnError, UnknownBatchError as ``arrived``.
    """
    found = [
        (features, validated)
        for features, validated in arrived(instance, pipeline, until)
        if features.metadata["labelled rows"] and validated.snapshot.sha256 not in refused
    ]
    return found if pipeline.retraining.window is None else found[-pipeline.retraining.window :]


def named(
    instance: dg.DagsterInstance, pipeline: Pipeline, config: TrainingSetConfig, reading: Reading
) -> dict[str, Any]:
    """Return the manifest of an earlier training set, and note all that it was made from.

    Raises: UnknownTrainingSetError; TrainingSetError if it cannot be used as the pipeline is
            declared now; DigestMismatchError if the event log names other features than it does.
    """
    if config.until is not None:
        raise TrainingSetError.of(
            "Both `until` and `snapshot` say which batches to learn from.", "leave one of them out"
        )
    there = {
        one.snapshot.sha256: one for one in newest_first(instance, key(pipeline, "training_set"))
    }
    earlier = there.get(config.snapshot or "")
    if earlier is None:
        raise UnknownTrainingSetError.of(pipeline.name, str(config.snapshot), there)
    manifest: dict[str, Any] = reading.load(earlier)
    if manifest["split"] != asdict(pipeline.split):
        raise TrainingSetError.of(
            f"The training set {config.snapshot} was split by {manifest['split']}, but "
            f"{pipeline.name} declares {asdict(pipeline.split)}.",
            "declare that split again, or run the code of that time",
        )
    features = {one.batch: one for one in training_features(instance, pipeline, earlier)}
    for entry in manifest["batches"]:
        made, stated = features[entry["batch"]], entry["features"]["sha256"]
        if made.snapshot.sha256 != stated:
            name = f"{made.asset.to_user_string()}[{made.batch}]"
            raise DigestMismatchError.of(name, expected=stated, found=made.snapshot.sha256)
        reading.note(made)
    return manifest


def arrived(
    instance: dg.DagsterInstance, pipeline: Pipeline, until: str | None
) -> list[tuple[Stored, Stored]]:
    """Return each batch's features and the validated rows they were made from, up to ``until``.

    Batches come in the order of their data's time. Raises: NothingToTrainOnError if no batch has
    features yet; UnknownBatchError if ``until`` has none.
    """
    names = instance.get_dynamic_partitions(batches(pipeline).name or "")
    features = list(newest_of_each(instance, key(pipeline, "features"), names).values())
    validated = each_made_from(instance, features, key(pipeline, "validated"))
    found = {str(one.batch): (one, of) for one, of in zip(features, validated, strict=True)}
    if not found:
        raise NothingToTrainOnError.of(pipeline.name)
    if until is not None and until not in found:
        raise UnknownBatchError.of(pipeline.name, until, found)
    ordered = sorted(found.values(), key=lambda pair: (effective_at(pair[1]), str(pair[0].batch)))
    last = effective_at((ordered[-1] if until is None else found[until])[1])
    return [pair for pair in ordered if effective_at(pair[1]) <= last]


def made_from(instance: dg.DagsterInstance, stored: Stored, asset: dg.AssetKey) -> Stored:
    """Return the materialization of ``asset`` that this one says it read, of its own batch."""
    return each_made_from(instance, [stored], asset)[0]


def each_made_from(
    instance: dg.DagsterInstance, made: Sequence[Stored], asset: dg.AssetKey
) -> list[Stored]:
    """Return, in order, the materialization of ``asset`` that each of these says it read."""
    ids = [int(one.reads[asset.to_user_string()][one.batch or ""][1]) for one in made]
    found = at_storage_ids(instance, asset, ids)
    return [found[storage_id] for storage_id in ids]


def effective_at(validated: Stored) -> datetime:
    """Return the data's time of a validated batch."""
    return datetime.fromisoformat(str(validated.metadata["effective_at"]))


def describe(
    pipeline: Pipeline, chosen: list[tuple[Stored, Stored]], instance: dg.DagsterInstance
) -> dict[str, Any]:
    """Return the manifest: hashes only, so that equal data has an equal manifest anywhere."""
    entries: list[dict[str, Any]] = []
    raws = each_made_from(instance, [of for _, of in chosen], key(pipeline, "raw"))
    for (features, validated), raw in zip(chosen, raws, strict=True):
        entries.append(
            {
                "batch": features.batch,
                "effective_at": effective_at(validated).isoformat(),
                "raw": raw.identity,
                "validated": validated.identity,
                "features": features.identity,
            }
        )
    return manifest_of(pipeline, entries, window=pipeline.retraining.window)


def manifest_of(
    pipeline: Pipeline, entries: list[dict[str, Any]], *, window: int | None
) -> dict[str, Any]:
    """Return the manifest of these batches, chosen by this window, as it is stored."""
    return {
        "pipeline": pipeline.name,
        "batches": entries,
        "rows": sum(entry["features"]["rows"] for entry in entries),
        "split": asdict(pipeline.split),
        "window": window,
    }


def training_features(
    instance: dg.DagsterInstance, pipeline: Pipeline, manifest: Stored
) -> list[Stored]:
    """Return the feature tables that a manifest was made from, by the events that it read."""
    features = key(pipeline, "features")
    ids = [int(storage_id) for _, storage_id in manifest.reads[features.to_user_string()].values()]
    found = at_storage_ids(instance, features, ids)
    return [found[storage_id] for storage_id in ids]
