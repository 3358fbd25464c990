"""``p/papers``: written for each champion once its promotion is done, and stored by their hash.

A promotion by hand, or one that a kill cut off, has no run that goes on to its papers: they are
written by the next look for what was left undone, or when somebody asks for them.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.promoting import STANDS_ON, is_materialized, stood_on, stored_bytes
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import (
    Reading,
    Stored,
    at_storage_id,
    newest_first,
    snapshot_metadata,
)
from mldebt_assets.store import Blob

PROMOTION = "promotion"
FOLDER = "papers"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that writes the champion's papers."""

    @dg.asset(
        **common(pipeline, "papers", kinds={"markdown", "json"}, partitioned=False),
        deps=[key(pipeline, stage) for stage in ("champion", *STANDS_ON)],
        description="The champion's model card, data sheet and CycloneDX bill of materials.",
    )
    def papers(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        champion = platform.record(pipeline.name).champion()
        if champion is None or not is_materialized(context.instance, pipeline, champion.promotion):
            raise dg.Failure(
                f"{pipeline.name} has no champion whose promotion is done.\n"
                "Fix: materialize the papers again once `mldebt status` names it."
            )
        reading = read_for(context.instance, platform, pipeline, champion)

        def make() -> Iterator[Made]:
            blob, page = write(context.instance, platform, pipeline, champion)
            yield dg.Output(blob, metadata=page)

        yield from once(context, pipeline, reading, make)

    return [papers]


def read_for(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> Reading:
    """Return the note of what the papers of a promotion are written from."""
    reading = Reading(instance, platform.snapshots)
    promoted = sha256(stored_bytes(champion.promotion))
    for stored in newest_first(instance, key(pipeline, "champion")):
        if stored.snapshot.sha256 == promoted:
            reading.note(stored)
            break
    for stage in stood_on(champion.promotion.body):
        storage_id = champion.promotion.body[stage]["storage_id"]
        reading.note(at_storage_id(instance, key(pipeline, stage), storage_id))
    return reading


def write(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> tuple[Blob, dict[str, Any]]:
    """Return the papers of a promotion in one zip, and their page; MLflow keeps them too."""
    from mldebt_assets.papers.bundle import DATA_SHEET, MODEL_CARD, papers_of, zipped
    from mldebt_assets.papers.dossier import gather

    dossier = gather(instance, platform, pipeline, champion)
    files = papers_of(dossier)
    run_id = dossier["lineage"]["model"]["mlflow_run_id"]
    for name, data in files.items():
        platform.registry.log_file(run_id, f"{FOLDER}/{name}", data)
    command = f"`mldebt papers {pipeline.name} --version {champion.version} --out FILE.zip`"
    page = {
        "model card": dg.MetadataValue.md(files[MODEL_CARD].decode()),
        "data sheet": dg.MetadataValue.md(files[DATA_SHEET].decode()),
        "version": champion.version,
        PROMOTION: champion.promotion.hash,
        "all of it, with the evidence": dg.MetadataValue.md(command),
        "MLflow run": dg.MetadataValue.url(platform.registry.run_url(run_id)),
    }
    return Blob(zipped(files, champion.promotion.recorded_at), ".zip"), page


def find(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> Stored | None:
    """Return the stored papers of a promotion, or None where there are none, or none any more."""
    for stored in newest_first(instance, key(pipeline, "papers")):
        if stored.metadata[PROMOTION] == champion.promotion.hash:
            return stored if platform.snapshots.has(stored.snapshot) else None
    return None


def store(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> None:
    """Write and store the papers of a promotion outside any run.

    Raises: MLDebtError where what they tell of is gone, damaged or cannot be reached.
    """
    asset = key(pipeline, "papers")
    reading = read_for(instance, platform, pipeline, champion)
    blob, page = write(instance, platform, pipeline, champion)
    snapshot = platform.snapshots.put(
        blob.data, folder="/".join(asset.path), name=f"papers{blob.suffix}"
    )
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset,
            metadata={**page, **snapshot_metadata(snapshot), **reading.metadata()},
            tags={"dagster/data_version": snapshot.sha256},
        )
    )


def write_missing(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[str]:
    """Write the champion's papers where it has none; return a sentence on it, or nothing.

    What cannot be written now is told, and stands in nobody's way.
    """
    champion = platform.record(pipeline.name).champion()
    if champion is None or newest_is_of(instance, pipeline, champion):
        return []
    name = f"{pipeline.name} v{champion.version}"
    try:
        store(instance, platform, pipeline, champion)
    except MLDebtError as problem:
        return [f"The papers of {name} cannot be written: {problem}"]
    return [f"Wrote the papers of {name}."]


def newest_is_of(instance: dg.DagsterInstance, pipeline: Pipeline, champion: Champion) -> bool:
    """Return whether the papers that were stored last are those of this promotion."""
    newest = next(newest_first(instance, key(pipeline, "papers")), None)
    return newest is not None and newest.metadata[PROMOTION] == champion.promotion.hash
