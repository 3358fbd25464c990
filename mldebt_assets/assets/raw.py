"""``p/raw``: the very bytes that came, kept for ever under their hash.

Only what is declared so is pseudonymised before; what nobody declared is not stored at all.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from mldebt_assets.assets.collecting import MADE_FROM, collect, collected_again, refused_check
from mldebt_assets.assets.forgetting import taken_in_before, told_left_out, without_forgotten
from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.refusal import refuse
from mldebt_assets.assets.reuse import Made
from mldebt_assets.assets.verdicts import check_spec
from mldebt_assets.core.errors import BatchRefusedError, UnknownBatchError
from mldebt_assets.core.policies import Limits
from mldebt_assets.core.privacy.declared import CHECK, MEANING
from mldebt_assets.home import project_root
from mldebt_assets.pipeline import Column, LandingFolder, Pipeline, check_batch_name
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import COLUMN_SCHEMA
from mldebt_assets.store import Blob


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that stores a landed file as it is."""
    asset_key = key(pipeline, "raw")

    @dg.asset(
        **common(pipeline, "raw", kinds={"dvc", "csv"}, partitioned=True),
        check_specs=[check_spec(CHECK, asset_key, MEANING, partitions=batches(pipeline))],
        output_required=False,
        description=f"The very bytes that came. {pipeline.source.description}.",
    )
    def raw(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        batch = context.partition_key
        stored = taken_in_before(context, asset_key)
        if stored is not None:
            collected = collected_again(pipeline, platform, stored, pipeline.source_columns)
        else:
            came, whence = landed(pipeline, pipeline.source, batch)
            try:
                collected = collect(
                    pipeline,
                    platform,
                    asset=asset_key,
                    columns=pipeline.source_columns,
                    batch=batch,
                    blob=came,
                    limits=pipeline.source.limits,
                )
            except BatchRefusedError as problem:
                yield refused_check(asset_key, problem)
                refuse(context, pipeline, platform, problem, unstored=came)
            collected.facts.update(whence)
        yield collected.check
        blob, left_out = without_forgotten(pipeline, platform, batch, collected.blob)
        facts = table_metadata(pipeline.batch_columns, batch, blob, pipeline.source.limits)
        told = told_left_out(collected.blob, left_out)
        yield dg.Output(blob, metadata={**told, **collected.facts, **facts})

    return [raw]


def landed(pipeline: Pipeline, source: LandingFolder, batch: str) -> tuple[Blob, dict[str, Any]]:
    """Return the very bytes that lie in a landing folder for a batch, and whence they came.

    Raises: BatchNameError, UnknownBatchError if no file there is called so.
    """
    from mldebt_assets.sources import landing, origins

    arrivals = {a.batch: a for a in landing.survey(source, project_root()).arrivals}
    if check_batch_name(batch) not in arrivals:
        raise UnknownBatchError.of(pipeline.name, batch, arrivals)
    arrival = arrivals[batch]
    data = landing.read(arrival)
    whence = {"source": arrival.uri, "licence": source.licence, "consent": source.consent}
    made_from = origins.origins_of(arrival, data)
    told = {MADE_FROM: dg.MetadataValue.json(made_from)} if made_from else {}
    return Blob(data, arrival.suffix), whence | told


def table_metadata(
    columns: Sequence[Column], batch: str, blob: Blob, limits: Limits
) -> dict[str, dg.MetadataValue | str | int]:
    """Return rows and column schema, or why the bytes cannot be read as the declared table."""
    from mldebt_assets.core.tables import parse

    try:
        rows = parse(blob.data, batch=batch, columns=columns, limits=limits)
    except BatchRefusedError as problem:
        return {"unreadable": str(problem)}
    return {"dagster/row_count": len(rows), COLUMN_SCHEMA: declared_schema(columns)}


def declared_schema(columns: Sequence[Column]) -> dg.TableSchemaMetadataValue:
    """Return declared columns as Dagster shows them."""
    shown = [
        dg.TableColumn(
            column.name,
            column.dtype,
            description=column.meaning,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in columns
    ]
    return dg.MetadataValue.table_schema(dg.TableSchema(shown))
