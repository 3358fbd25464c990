"""``p/validated`` and ``p/quarantine``: the rows that pass, and the others with their reasons.

A batch refused as a whole makes neither event: its check results and a refusal are recorded, then
the step fails, so that nothing, now or later, can build on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import batches, common, key, out_of
from mldebt_assets.assets.raw import declared_schema
from mldebt_assets.assets.refusal import refuse
from mldebt_assets.assets.released import release_of
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.errors import BatchRefusedError, DeclarationError, SchemaChangedError
from mldebt_assets.core.schema_change import SCHEMA_CHANGE
from mldebt_assets.core.suite import COLUMNS, FOREIGN_KEYS, TYPES, meanings
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import COLUMN_SCHEMA, Reading, Stored
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldebt_assets.core.foreign_keys import References
    from mldebt_assets.core.quality import Observation, Quality
    from mldebt_assets.core.release import Admission

A_DAY = timedelta(days=1)


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
        deps=[key(pipeline, stage) for stage in read_by_validated(pipeline)],
        outs={
            "validated": out_of(
                shared,
                validated_key,
                "The rows that pass, typed.",
                metadata={COLUMN_SCHEMA: declared_schema(pipeline.batch_columns)},
            ),
            "quarantine": out_of(
                shared,
                quarantine_key,
                "The rows that fail a row-wise rule, each with its reason. "
                f"`mldebt quarantine {pipeline.name}` lists, exports and releases them.",
            ),
        },
        check_specs=check_specs(pipeline),
    )
    def validated(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        inputs = noted(context, pipeline, reading)

        def make() -> Iterator[Made]:
            yield from told_apart(context, pipeline, platform, reading, inputs)

        yield from once(context, pipeline, reading, make)

    return [validated]


@dataclass(frozen=True)
class Inputs:
    """What a batch is judged from: its bytes, what was released of it, what its keys may be."""

    raw: Stored
    released: Stored | None
    references: Stored | None


def noted(context: dg.AssetExecutionContext, pipeline: Pipeline, reading: Reading) -> Inputs:
    """Return what a batch is judged from, and note that it is read."""
    batch, references = context.partition_key, None
    raw = reading.take(key(pipeline, "raw"), batch)
    released = release_of(context.instance, pipeline, raw)
    if released is not None:
        reading.note(released)
    if pipeline.foreign_keys:
        references = reading.take(key(pipeline, "references"), batch)
    return Inputs(raw, released, references)


def told_apart(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    platform: Platform,
    reading: Reading,
    inputs: Inputs,
) -> Iterator[Made]:
    """Yield the checks on a batch and its two tables; a refused one is recorded, and fails."""
    batch, asset_key = context.partition_key, key(pipeline, "validated")
    try:
        released, references = (
            None if stored is None else reading.load(stored)
            for stored in (inputs.released, inputs.references)
        )
        quality = examine(pipeline, batch, reading.blob(inputs.raw), released, references)
        effective_at = period_end(pipeline, batch, quality.valid)
    except SchemaChangedError as problem:
        for verdict in verdicts_of(problem, len(pipeline.batch_columns)):
            yield check_result(verdict, asset_key, details=changes_of(problem))
        refuse(context, pipeline, platform, problem)
    except BatchRefusedError as problem:
        refuse(context, pipeline, platform, problem)
    for verdict in quality.verdicts:
        observed = table_of(quality.observations.get(verdict.name, ()))
        yield check_result(verdict, asset_key, details=observed)
    if quality.refusal is not None:
        judged_by = of_keys(quality, inputs.references)
        refuse(context, pipeline, platform, quality.refusal, references=judged_by)
    facts: dict[str, str | int | float] = {
        "effective_at": effective_at.isoformat(),
        "rows in quarantine": len(quality.quarantine),
        "duplicate rate": quality.duplicate_rate,
    }
    yield dg.Output(quality.valid, "validated", metadata=facts)
    told = what_to_do(pipeline, batch) if len(quality.quarantine) else {}
    yield dg.Output(quality.quarantine, "quarantine", metadata=told)


def read_by_validated(pipeline: Pipeline) -> tuple[str, ...]:
    """Return the stages that rows are validated from: references are one where keys have any."""
    return ("raw", "released", *(("references",) if pipeline.foreign_keys else ()))


def of_keys(quality: "Quality", judged_by: Stored | None) -> Stored | None:
    """Return by what foreign keys were judged, where they are why a batch is refused."""
    broken = {one.name for one in quality.verdicts if not one.passed}
    return judged_by if FOREIGN_KEYS in broken else None


def check_specs(pipeline: Pipeline) -> list[dg.AssetCheckSpec]:
    """Return one blocking check an expectation, evaluated for each batch."""
    asset = key(pipeline, "validated")
    told = meanings(
        pipeline.batch_columns,
        pipeline.row_key,
        pipeline.expectations,
        pipeline.duplicate_limit,
        pipeline.foreign_keys,
    )
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


def what_to_do(pipeline: Pipeline, batch: str) -> dict[str, dg.MarkdownMetadataValue]:
    """Return, as metadata, how rows in quarantine are looked at, mended and released."""
    of = f"mldebt quarantine {pipeline.name} --batch {batch}"
    steps = (
        f"`{of}` says which rows, and why; `{of} --export FILE` writes them for you to mend; "
        f"`{of} --release --mended FILE --reason WHY` has them judged anew."
    )
    return {"what to do": dg.MetadataValue.md(steps)}


def examine(
    pipeline: Pipeline,
    batch: str,
    raw: Blob,
    released: pd.DataFrame | None = None,
    references: "References | None" = None,
) -> "Quality":
    """Return what the declared expectations say of the bytes; BatchRefusedError if unreadable.

    Rows that a person ``released`` take the place of theirs in quarantine; ``references`` are the
    values that foreign keys may have.
    """
    return admission(pipeline, batch, raw, released, references).quality


def admission(
    pipeline: Pipeline,
    batch: str,
    raw: Blob,
    released: pd.DataFrame | None,
    references: "References | None",
) -> "Admission":
    """Return what ``examine`` does, with which of the released rows stay in quarantine and why."""
    from mldebt_assets.core.quality import judge
    from mldebt_assets.core.release import Admission, admitted
    from mldebt_assets.core.tables import parse

    limits = pipeline.source.limits
    rows = parse(raw.data, batch=batch, columns=pipeline.batch_columns, limits=limits)
    judged = partial(
        judge,
        batch=batch,
        columns=pipeline.batch_columns,
        row_key=pipeline.row_key,
        expectations=pipeline.expectations,
        least_rows=pipeline.least_rows,
        quarantine_limit=pipeline.quarantine_limit,
        duplicate_limit=pipeline.duplicate_limit,
        foreign_keys=pipeline.foreign_keys,
        references=references,
    )
    if released is None:
        return Admission(judged(rows), (), {})
    columns = pipeline.batch_columns
    return admitted(rows, released, batch=batch, columns=columns, judged=judged)


def period_end(pipeline: Pipeline, batch: str, rows: pd.DataFrame) -> datetime:
    """Return the data's time of a batch: what its name says, else its largest time.

    Raises: BatchRefusedError if the batch's name does not say a period, or if rows lie after it
            or in the future: what they say was not known then.
    """
    end = None if pipeline.batch_end is None else named_end(pipeline.batch_end, batch)
    if pipeline.time is None:
        if end is None:
            raise DeclarationError.of(
                pipeline.name, "nothing says of what time its data are.", "declare `batch_end`."
            )
        return end
    times = rows[pipeline.time]
    require_past(pipeline.time, batch, times, "lie in the future", datetime.now(UTC))
    if end is not None:
        fault = "lie after the period that its name says"
        require_past(pipeline.time, batch, times, fault, end)
        return end
    latest: datetime = times.max().to_pydatetime()
    return latest if latest.tzinfo else latest.replace(tzinfo=UTC)


def named_end(batch_end: "Callable[[str], datetime]", batch: str) -> datetime:
    """Return what a batch's name says of its data's time; BatchRefusedError if nothing."""
    try:
        return batch_end(batch)
    except ValueError as problem:
        raise BatchRefusedError.of(
            batch,
            f"its name does not say which period it covers ({problem}).",
            "rename the file, as the pipeline's batch_end reads it.",
        ) from problem


def require_past(name: str, batch: str, times: pd.Series, fault: str, end: datetime) -> None:
    """Refuse a batch with event times after ``end``; a day is spared for times of other zones."""
    late = times >= (end + A_DAY).astimezone(UTC).replace(tzinfo=None)
    if late.any():
        raise BatchRefusedError.of(
            batch,
            f"{int(late.sum())} of its {len(times)} rows have a {name!r} that {fault}.",
            "correct these times at the source, or land the rows with the batch that they are of.",
        )


def verdicts_of(problem: SchemaChangedError, declared: int) -> list[Verdict]:
    """Return the checks that a change of the schema fails: on the columns, on their types."""
    retyped = [change for change in problem.changes if change.change == "retyped"]
    others = [change for change in problem.changes if change.change != "retyped"]
    return [
        Verdict(
            name=name,
            passed=False,
            measured=len(changes),
            limit=0,
            unit=f"changes in {declared} declared columns",
            reason=f"{SCHEMA_CHANGE}: {'; '.join(change.sentence for change in changes)}",
        )
        for name, changes in ((COLUMNS, others), (TYPES, retyped))
        if changes
    ]


def changes_of(problem: SchemaChangedError) -> dict[str, dg.TableMetadataValue]:
    """Return, as a check's metadata, each change with its evidence and the edit that accepts it."""
    records = [
        dg.TableRecord(
            {
                "column": one.column,
                "change": one.change,
                "evidence": ", ".join(f"{name}: {value}" for name, value in one.evidence.items()),
                "accepted by": one.edit,
            }
        )
        for one in problem.changes
    ]
    columns = [dg.TableColumn(name) for name in records[0].data]
    return {SCHEMA_CHANGE: dg.MetadataValue.table(records, dg.TableSchema(columns))}
