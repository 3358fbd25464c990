"""``p/raw``: the very bytes that came, kept for ever under their hash."""

import dagster as dg

from mldebt_assets.assets.keys import common
from mldebt_assets.core.errors import BatchRefusedError, UnknownBatchError
from mldebt_assets.home import project_root
from mldebt_assets.pipeline import Pipeline, check_batch_name
from mldebt_assets.store import Blob


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that stores a landed file as it is."""

    @dg.asset(
        **common(pipeline, "raw", kinds={"dvc", "csv"}, partitioned=True),
        description=f"The very bytes that came. {pipeline.source.description}.",
    )
    def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Blob]:
        from mldebt_assets.sources import landing

        batch = check_batch_name(context.partition_key)
        arrivals = {a.batch: a for a in landing.survey(pipeline.source, project_root()).arrivals}
        if batch not in arrivals:
            raise UnknownBatchError.of(pipeline.name, batch, arrivals)
        arrival = arrivals[batch]
        blob = Blob(landing.read(arrival), arrival.suffix)
        return dg.MaterializeResult(
            value=blob,
            metadata={
                "source": arrival.uri,
                "licence": pipeline.source.licence,
                "consent": pipeline.source.consent,
                **table_metadata(pipeline, batch, blob),
            },
        )

    return [raw]


def table_metadata(
    pipeline: Pipeline, batch: str, blob: Blob
) -> dict[str, dg.MetadataValue | str | int]:
    """Return rows and column schema, or why the bytes cannot be read as the declared table."""
    from mldebt_assets.core.tables import parse

    try:
        rows = parse(blob.data, batch=batch, suffix=blob.suffix, columns=pipeline.columns)
    except BatchRefusedError as problem:
        return {"unreadable": str(problem)}
    declared = [
        dg.TableColumn(
            column.name,
            column.dtype,
            description=column.meaning,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for column in pipeline.columns
    ]
    return {
        "dagster/row_count": len(rows),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(declared)),
    }
