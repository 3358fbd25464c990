"""The names that the stages share: asset keys, partitions, tags, and what every asset carries."""

from typing import TypedDict

import dagster as dg

from mldebt_assets.pipeline import Pipeline
from mldebt_assets.provenance import code_digest

PIPELINE_TAG = "mldebt/pipeline"
BATCH_TAG = "mldebt/batch"
RAW_TAG = "mldebt/raw_sha256"
RETRAINING_TAG = "mldebt/retraining"
REASON_TAG = "mldebt/reason"
INTERRUPTED_TAG = "mldebt/interrupted"
RELEASED_TAG = "mldebt/released"
FORGOTTEN_TAG = "mldebt/forgotten"
PARTITION_TAG = "dagster/partition"
ASKED_AGAIN_TAG = "mldebt/asked_again"
CODE_DIGITS = 12


def key(pipeline: Pipeline, stage: str) -> dg.AssetKey:
    """Return the key ``pipeline/stage``."""
    return dg.AssetKey([pipeline.name, stage])


def batches(pipeline: Pipeline) -> dg.DynamicPartitionsDefinition:
    """Return the pipeline's batches: they arrive, they are not a calendar."""
    return dg.DynamicPartitionsDefinition(name=f"{pipeline.name}_batches")


class Common(TypedDict):
    """The arguments of ``dagster.asset`` that every stage gives alike."""

    key: dg.AssetKey
    group_name: str
    owners: list[str]
    kinds: set[str]
    tags: dict[str, str]
    code_version: str
    io_manager_key: str
    partitions_def: dg.PartitionsDefinition | None


def common(pipeline: Pipeline, stage: str, *, kinds: set[str], partitioned: bool) -> Common:
    """Return the arguments that every stage gives its asset alike."""
    return {
        "key": key(pipeline, stage),
        "group_name": pipeline.name,
        "owners": [pipeline.owner],
        "kinds": kinds,
        "tags": {"mldebt/stage": stage},
        "code_version": code_digest()[:CODE_DIGITS],
        "io_manager_key": "snapshots",
        "partitions_def": batches(pipeline) if partitioned else None,
    }


def out_of(
    shared: Common,
    asset_key: dg.AssetKey,
    description: str,
    metadata: dict[str, dg.MetadataValue] | None = None,
) -> dg.AssetOut:
    """Return one output of a step that makes several assets, as every stage describes its own."""
    return dg.AssetOut(
        key=asset_key,
        description=description,
        metadata=metadata,
        is_required=False,
        io_manager_key="snapshots",
        owners=shared["owners"],
        kinds=shared["kinds"],
        tags={"mldebt/stage": asset_key.path[-1]},
        code_version=shared["code_version"],
    )
