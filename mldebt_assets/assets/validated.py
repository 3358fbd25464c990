"""``p/validated`` and ``p/quarantine``: the rows that pass, and the others with their reasons.

A batch refused as a whole makes neither event: its check results and a refusal are recorded, then
the step fails, so that nothing, now or later, can build on it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import batches, common, key, out_of
from mldebt_assets.assets.raw import declared_schema
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.suite import meanings
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import COLUMN_SCHEMA, Reading, newest
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.quality import Observation, Quality


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the step that validates a batch, with one blocking check an expectation."""
    validated_key, quarantine_key = key(pipeline, "validated"), key(pipeline, "quarantine")
    shared = common(
        pipeline, "validated", kinds={"great_expectations", "parquet"}, partitioned=True
    )

    @dg.multi_asset(
        name=f"{pipeline.name}__validated",
        group_name=pipeline.name,
        partitions_def=batches(pipeline),
        deps=[key(pipeline, "raw")],
        outs={
            "validated": out_of(
                shared,
                validated_key,
                "The rows that pass, typed.",
                metadata={COLUMN_SCHEMA: declared_schema(pipeline.batch_columns)},
            ),
            "quarantine": out_of(
                shared, quarantine_key, "The rows that fail a row-wise rule, each with its reason."
            ),
        },
        check_specs=check_specs(pipeline),
    )
    def validated(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        raw = reading.take(key(pipeline, "raw"), context.partition_key)

        def make() -> Iterator[Made]:
            try:
                quality = examine(pipeline, context.partition_key, reading.load(raw))
                effective_at = period_end(pipeline, context.partition_key, quality.valid)
            except BatchRefusedError as problem:
                refuse(context, pipeline, platform, str(problem))
            for verdict in quality.verdicts:
                observed = table_of(quality.observations.get(verdict.name, ()))
                yield check_result(verdict, validated_key, details=observed)
            if quality.refusal is not None:
                refuse(context, pipeline, platform, str(quality.refusal))
            facts: dict[str, str | int] = {
                "effective_at": effective_at.isoformat(),
                "rows in quarantine": len(quality.quarantine),
            }
            yield dg.Output(quality.valid, "validated", metadata=facts)
            yield dg.Output(quality.quarantine, "quarantine")

        yield from once(context, pipeline, reading, make)

    return [validated]


def check_specs(pipeline: Pipeline) -> list[dg.AssetCheckSpec]:
    """Return one blocking check an expectation, evaluated for each batch."""
    asset = key(pipeline, "validated")
    told = meanings(pipeline.batch_columns, pipeline.row_key, pipeline.expectations)
    return [
        check_spec(name, asset, meaning, partitions=batches(pipeline), blocking=True)
        for name, meaning in told.items()
    ]


def table_of(observations: "Sequence[Observation]") -> dict[str, dg.TableMetadataValue]:
    """Return, as a check's metadata, what each expectation behind it observed."""
    records = [
        dg.TableRecord(
            {
                "of": one.subject,
                "expectation": one.expectation,
                "observed": "not told" if one.observed is None else one.observed,
            }
        )
        for one in observations
    ]
    if not records:
        return {}
    columns = [dg.TableColumn(name) for name in records[0].data]
    return {"expectations": dg.MetadataValue.table(records, dg.TableSchema(columns))}


def examine(pipeline: Pipeline, batch: str, raw: Blob) -> "Quality":
    """Return what the declared expectations say of the bytes; BatchRefusedError if unreadable."""
    from mldebt_assets.core.quality import judge
    from mldebt_assets.core.tables import parse

    rows = parse(raw.data, batch=batch, suffix=raw.suffix, columns=pipeline.batch_columns)
    return judge(
        rows,
        batch=batch,
        columns=pipeline.batch_columns,
        row_key=pipeline.row_key,
        expectations=pipeline.expectations,
        least_rows=pipeline.least_rows,
        quarantine_limit=pipeline.quarantine_limit,
    )


def period_end(pipeline: Pipeline, batch: str, rows: pd.DataFrame) -> datetime:
    """Return the data's time of a batch: the end of its period, else its largest time.

    Raises: BatchRefusedError if the batch's name does not say a period.
    """
    if pipeline.batch_end is not None:
        try:
            return pipeline.batch_end(batch)
        except ValueError as problem:
            raise BatchRefusedError.of(
                batch,
                f"its name does not say which period it covers ({problem}).",
                "rename the file, as the pipeline's batch_end reads it.",
            ) from problem
    latest: datetime = rows[pipeline.time].max().to_pydatetime()
    return latest if latest.tzinfo else latest.replace(tzinfo=UTC)


def refuse(
    context: dg.AssetExecutionContext, pipeline: Pipeline, platform: Platform, reason: str
) -> NoReturn:
    """Record the refusal, then fail the step; the champion and every snapshot stay as they are.

    Raises: dagster.Failure, always; it is not retried, since the same bytes fail again.
    """
    raw = newest(context.instance, key(pipeline, "raw"), context.partition_key)
    platform.record(pipeline.name).append(
        "batch_refused",
        {
            "batch": context.partition_key,
            "raw": raw.identity if raw else None,
            "reason": reason,
            "run_id": context.run.run_id,
        },
        effective_at=datetime.now(UTC),
    )
    raise dg.Failure(description=reason, allow_retries=False)
