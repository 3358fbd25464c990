"""The check on ``p/raw`` that all that is stored holds no personal data but what is declared.

Each batch was scanned as it came; recognisers learn more kinds, and declarations change, so what is
stored is scanned again, once a month and whenever a person asks.
"""

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.collecting import opened_or_not
from mldebt_assets.assets.evidence import failed, report
from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError, RefusedError
from mldebt_assets.core.privacy.survey import CHECK, MEANING
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import newest_of_each

if TYPE_CHECKING:
    import pyarrow as pa

    from mldebt_assets.core.privacy.survey import Also, ColumnTold

STAGE = "raw"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check on the raw snapshots that scans them again."""

    @dg.asset_check(asset=key(pipeline, STAGE), name=CHECK, description=MEANING)
    def stored_personal_data(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            told, tables = surveyed(context.instance, platform, pipeline)
        except MLDebtError as problem:
            return failed(pipeline, CHECK, f"Not shown: {problem}", stage=STAGE)
        return result(pipeline, told, tables)

    return [stored_personal_data]


def scanned(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    by: str,
    also: "Also | None" = None,
) -> dict[str, Any]:
    """Scan what is stored because a person asks, and keep what was found as the check.

    What only others' recognisers found (``also``) is told, and left out of the check.

    Raises: RefusedError where nothing is stored yet; SnapshotError if bytes are gone or damaged.
    """
    from mldebt_assets.core.privacy.survey import judge_stored

    started = time.monotonic()
    told, tables = surveyed(instance, platform, pipeline, also)
    report(instance, result(pipeline, told, tables), by)
    return {
        "of": pipeline.name,
        "ok": judge_stored(told, tables).passed,
        "batches": tables,
        "columns": [one.as_dict() for one in told],
        "seconds": time.monotonic() - started,
    }


def surveyed(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    also: "Also | None" = None,
) -> "tuple[list[ColumnTold], int]":
    """Return what is told of every column of the newest snapshots, and how many these are.

    Raises: RefusedError where nothing is stored yet; SnapshotError if bytes are gone or damaged.
    """
    from mldebt_assets.core.privacy.survey import survey

    tables = 0

    def read() -> Iterator[tuple[str, str, "Mapping[str, pa.ChunkedArray]"]]:
        nonlocal tables
        for found in stored_texts(instance, platform, pipeline):
            tables += 1
            yield found

    told = survey(read(), pipeline.columns, also)
    if not tables:
        said = f"{pipeline.name} has stored no batch yet, so there is nothing to scan."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}`.")
    return told, tables


def stored_texts(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> Iterator[tuple[str, str, "Mapping[str, pa.ChunkedArray]"]]:
    """Yield the newest snapshot of every batch, and of its late labels, as columns of text."""
    from mldebt_assets.core.privacy.declared import texts_of

    names = instance.get_dynamic_partitions(batches(pipeline).name or "")
    sources = {STAGE: (pipeline.source, pipeline.source_columns)}
    if pipeline.labels is not None:
        sources["labels"] = (pipeline.labels, pipeline.label_columns)
    for stage, (source, columns) in sources.items():
        for batch, stored in newest_of_each(instance, key(pipeline, stage), names).items():
            blob = platform.snapshots.blob(stored.snapshot)
            data, found = opened_or_not(blob.data, batch, source.limits)
            yield stage, batch, texts_of(data, found, columns)


def result(pipeline: Pipeline, told: "list[ColumnTold]", tables: int) -> dg.AssetCheckResult:
    """Return what was found as the check's result; no value is among it."""
    from mldebt_assets.core.privacy.survey import judge_stored, listed

    records = [
        dg.TableRecord(
            {
                "column": f"{one.column} ({one.stage})",
                "kind": finding.kind,
                "share": "by its name" if finding.share is None else f"{finding.share:.2%}",
                "confidence": finding.confidence,
                "looks like": finding.looks or "",
                "batches": listed(where),
            }
        )
        for one in told
        for finding, where in one.found.values()
    ]
    details: dict[str, Any] = {"batches": tables}
    if records:
        columns = [dg.TableColumn(name) for name in records[0].data]
        details["findings"] = dg.MetadataValue.table(records, dg.TableSchema(columns))
    return check_result(judge_stored(told, tables), key(pipeline, STAGE), details=details)
