"""``p/labels``: what really happened, where it is known later than the batch itself.

The very bytes of the label file are kept, as those of a batch are; features are made again from
them. A pipeline whose batches bring their labels has no such asset.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.collecting import collect, collected_again, refused_check
from mldebt_assets.assets.forgetting import (
    labels_without_forgotten,
    taken_in_before,
    told_left_out,
)
from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.raw import landed, table_metadata
from mldebt_assets.assets.refusal import refuse
from mldebt_assets.assets.reuse import Made
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.privacy import declared
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    import pandas as pd

CHECK = "known_rows"
MEANING = "Every label belongs to a row that arrived and was valid."


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that stores late labels, with its check; none where they come in time."""
    source, asset_key = pipeline.labels, key(pipeline, "labels")
    if source is None:
        return []

    @dg.asset(
        **common(pipeline, "labels", kinds={"dvc", "csv"}, partitioned=True),
        deps=[key(pipeline, "validated")],
        check_specs=[
            check_spec(CHECK, asset_key, MEANING, partitions=batches(pipeline)),
            check_spec(declared.CHECK, asset_key, declared.MEANING, partitions=batches(pipeline)),
        ],
        description=f"What really happened, as far as it is known. {source.description}.",
    )
    def labels(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        batch = context.partition_key
        reading = Reading(context.instance, platform.snapshots)
        rows = reading.load(reading.newest(key(pipeline, "validated"), batch))
        stored = taken_in_before(context, asset_key)
        if stored is not None:
            collected = collected_again(pipeline, platform, stored, pipeline.label_columns)
        else:
            came, whence = landed(pipeline, source, batch)
            try:
                collected = collect(
                    pipeline,
                    platform,
                    asset=asset_key,
                    columns=pipeline.label_columns,
                    batch=batch,
                    blob=came,
                    limits=source.limits,
                )
            except BatchRefusedError as problem:
                yield refused_check(asset_key, problem)
                refuse(context, pipeline, platform, problem, unstored=came)
            collected.facts.update(whence)
        yield collected.check
        blob, left_out = labels_without_forgotten(
            context.instance, pipeline, platform, batch, collected.blob
        )
        try:
            found = parsed(pipeline, batch, blob)
        except BatchRefusedError as problem:
            refuse(context, pipeline, platform, problem)
        verdict = known_rows(pipeline, rows, found)
        yield check_result(verdict, asset_key, severity=dg.AssetCheckSeverity.WARN)
        table = table_metadata(pipeline.label_columns, batch, blob, source.limits)
        told = told_left_out(collected.blob, left_out)
        yield dg.Output(blob, metadata={**told, **collected.facts, **table, **reading.metadata()})

    return [labels]


def label_rows(pipeline: Pipeline, stored: Stored, blob: Blob) -> "pd.DataFrame":
    """Return the rows of a stored label file, typed."""
    return parsed(pipeline, str(stored.batch), blob)


def parsed(pipeline: Pipeline, batch: str, blob: Blob) -> "pd.DataFrame":
    """Return a label file's rows, typed; BatchRefusedError if it is not one label a row key."""
    from mldebt_assets.core.tables import parse

    limits = (pipeline.labels or pipeline.source).limits
    found = parse(blob.data, batch=batch, columns=pipeline.label_columns, limits=limits)
    twice = int(found.duplicated(list(pipeline.row_key)).sum())
    if twice:
        raise BatchRefusedError.of(
            batch,
            f"its labels name {twice} rows more than once.",
            "keep one label a row key in the file.",
        )
    return found


def known_rows(pipeline: Pipeline, rows: "pd.DataFrame", labels: "pd.DataFrame") -> Verdict:
    """Return whether every label is one of a row that arrived and was valid."""
    names = list(pipeline.row_key)
    joined = labels[names].merge(rows[names], on=names, how="left", indicator="_found")
    strangers = int((joined["_found"] == "left_only").sum())
    return Verdict(
        name=CHECK,
        passed=not strangers,
        measured=strangers,
        limit=0,
        unit="labels",
        reason=f"{len(labels)} labels for {len(rows)} rows; {strangers} belong to no row that "
        "arrived and was valid, and count nowhere",
    )
