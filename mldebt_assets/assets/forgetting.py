"""Rows of those who are forgotten are left out of whatever is collected, by their keyed marks."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.collecting import LANDED, opened_or_not, pinned_pseudonyms
from mldebt_assets.assets.keys import FORGOTTEN_TAG, key
from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.privacy.forgetting import without_places, without_rows
from mldebt_assets.forgotten import marks
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, newest
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    import pandas as pd

LEFT_OUT = "rows of forgotten subjects left out"


def taken_in_before(context: dg.AssetExecutionContext, asset: dg.AssetKey) -> Stored | None:
    """Return what a batch is made again from because somebody is forgotten; None in other runs.

    It is what was stored last, and not what lies in the landing folder by now.
    """
    if FORGOTTEN_TAG not in context.run.tags:
        return None
    return newest(context.instance, asset, context.partition_key)


def without_forgotten(
    pipeline: Pipeline, platform: Platform, batch: str, blob: Blob
) -> tuple[Blob, int]:
    """Return a batch's bytes without the rows of those who are forgotten, and how many these were.

    They are the very same, and no key is asked for, where nobody is.

    Raises: PseudonymKeyError where the key is missing, unsafe, or not the one there was.
    """
    column = pipeline.subject_column
    forgotten = marks(platform.record(pipeline.name).facts())
    if column is None or not forgotten:
        return blob, 0
    data, found = opened_or_not(blob.data, batch, pipeline.source.limits)
    if found is None:
        return blob, 0
    pseudonyms = pinned_pseudonyms(pipeline, platform)
    made, gone = without_rows(
        data, found, column, lambda stored: pseudonyms.mark(stored) in forgotten
    )
    return (Blob(made, f".{found}"), gone) if gone else (blob, 0)


def table_without_forgotten(
    pipeline: Pipeline, platform: Platform, table: "pd.DataFrame"
) -> "pd.DataFrame":
    """Return a typed table without the rows of those who are forgotten.

    Raises: PseudonymKeyError where the key is missing, unsafe, or not the one there was.
    """
    column = pipeline.subject_column
    forgotten = marks(platform.record(pipeline.name).facts())
    if column is None or not forgotten:
        return table
    pseudonyms = pinned_pseudonyms(pipeline, platform)
    whole = pipeline.column(column).dtype == "int64"
    texts = (table[column].astype("Int64") if whole else table[column]).astype(str)
    return table[[pseudonyms.mark(text) not in forgotten for text in texts]].reset_index(drop=True)


def labels_without_forgotten(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, batch: str, blob: Blob
) -> tuple[Blob, int]:
    """Return late labels without those of the forgotten, and how many these were.

    Once somebody is forgotten, a label of a row that the batch does not have may be theirs.
    """
    if not marks(platform.record(pipeline.name).facts()):
        return blob, 0
    raw = newest(instance, key(pipeline, "raw"), batch)
    rows = None if raw is None else parsed_rows(pipeline, platform, raw)
    if rows is None:
        return blob, 0
    known = set(row_texts(pipeline, rows))
    from mldebt_assets.core.tables import parse

    limits = (pipeline.labels or pipeline.source).limits
    data, found = opened_or_not(blob.data, batch, limits)
    try:
        labels = parse(data, batch=batch, columns=pipeline.label_columns, limits=limits)
    except BatchRefusedError:
        return blob, 0
    if found is None:
        return blob, 0
    strangers = [text not in known for text in row_texts(pipeline, labels)]
    made, gone = without_places(data, found, strangers)
    return (Blob(made, f".{found}"), gone) if gone else (blob, 0)


def parsed_rows(pipeline: Pipeline, platform: Platform, raw: Stored) -> "pd.DataFrame | None":
    """Return a stored batch's rows, typed; None where they are not the declared table."""
    from mldebt_assets.core.tables import parse

    try:
        return parse(
            platform.snapshots.blob(raw.snapshot).data,
            batch=str(raw.batch),
            columns=pipeline.batch_columns,
            limits=pipeline.source.limits,
        )
    except BatchRefusedError:
        return None


def row_texts(pipeline: Pipeline, rows: "pd.DataFrame") -> list[str]:
    """Return which row each one is, by its key."""
    from mldebt_assets.core.features import row_ids

    return row_ids(rows, pipeline.row_key)


def told_left_out(came: Blob, left_out: int) -> dict[str, Any]:
    """Return what a snapshot says of the rows that were left out of what came; nothing if none."""
    return {LEFT_OUT: left_out, LANDED: sha256(came.data)} if left_out else {}
