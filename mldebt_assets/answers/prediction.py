"""Which model gave a row its score, from which bytes, and under which promotion.

A prediction is known by its row's id, a hash of the row's key, so that nothing here prints what
the row says.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.collecting import pseudonyms_of
from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.training_set import made_from
from mldebt_assets.core.errors import (
    RecordError,
    RowKeyError,
    UnknownBatchError,
    UnknownPredictionError,
)
from mldebt_assets.core.features import ROW_ID, row_ids
from mldebt_assets.core.privacy.policy import Pseudonymise
from mldebt_assets.core.privacy.pseudonyms import PSEUDONYM_BYTES
from mldebt_assets.forgotten import withdrawn
from mldebt_assets.snapshots import newest_first

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.core.schema import Column
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

A_PSEUDONYM = re.compile(rf"[0-9a-f]{{{2 * PSEUDONYM_BYTES}}}")
MOMENTS = ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f")


def prediction_of(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    ids: set[str],
    batch: str | None = None,
) -> tuple[dict[str, Any], Fact]:
    """Return the newest prediction for a row with one of these ids, and the promotion behind it.

    Predictions that a batch's newer bytes have replaced are searched too, after the newer ones;
    those that were withdrawn since somebody is forgotten are not there any more.

    Args:    ``batch``, the only one to search; all are searched without it.
    Raises:  UnknownBatchError; UnknownPredictionError if no scored row has such an id;
             RecordError if the row, its scorer and the promotion record disagree.
    """
    known = instance.get_dynamic_partitions(batches(pipeline).name or "")
    if batch is not None and batch not in known:
        raise UnknownBatchError.of(pipeline.name, batch, known)
    searched: set[str] = set()
    gone = withdrawn(platform.record(pipeline.name).facts())
    for scored in newest_first(instance, key(pipeline, "predictions"), batch):
        searched.add(str(scored.batch))
        if scored.snapshot.sha256 in gone:
            continue
        table = platform.snapshots.load(scored.snapshot)
        rows = table[table[ROW_ID].isin(ids)]
        if len(rows):
            return traced(instance, platform, pipeline, scored, rows.iloc[0].to_dict())
    raise UnknownPredictionError.of(pipeline.name, sorted(searched))


def traced(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    scored: Stored,
    row: dict[str, Any],
) -> tuple[dict[str, Any], Fact]:
    """Return what is to be said of one row's prediction, and the promotion that was in force."""
    scorer = made_from(instance, scored, key(pipeline, "scorer"))
    features = made_from(instance, scored, key(pipeline, "features"))
    validated = made_from(instance, features, key(pipeline, "validated"))
    raw = made_from(instance, validated, key(pipeline, "raw"))
    pinned = platform.snapshots.load(scorer.snapshot)
    record = platform.record(pipeline.name)
    promotion = record.facts()[pinned["promotion"] - 1]
    if not row["weights_sha256"] == pinned["weights_sha256"] == promotion.body["weights_sha256"]:
        raise RecordError.of(
            str(record.path),
            promotion.sequence,
            f"a prediction of {scored.batch} was made by {row['weights_sha256']}, its scorer "
            f"names {pinned['weights_sha256']}, the record {promotion.body['weights_sha256']}",
        )
    return {
        "row": row[ROW_ID],
        "batch": scored.batch,
        "score": float(row["score"]),
        "threshold": scored.metadata.get("threshold"),
        "decision": decided(row),
        "interval": [float(row["lower"]), float(row["upper"])] if "lower" in row else None,
        "version": int(row["version"]),
        "weights_sha256": row["weights_sha256"],
        "scored_at": datetime.fromtimestamp(scored.timestamp, UTC).isoformat(),
        "dagster_run_id": scored.run_id,
        "promotion": promotion.sequence,
        "raw": raw.identity,
        "validated": validated.identity,
        "features": features.identity,
        "scorer": scorer.identity,
        "predictions": scored.identity,
    }, promotion


def decided(row: dict[str, Any]) -> bool | str | None:
    """Return whether a row raised an alarm, or which class it was taken for; None for a value."""
    decision = row.get("decision")
    return decision if decision is None or isinstance(decision, str) else bool(decision)


def ids_of_key(platform: Platform, pipeline: Pipeline, text: str) -> set[str]:
    """Return the ids that a row has whose key is written ``column=value,column=value``.

    There are several where the key has a moment: how it was written into the id depends on
    whether all moments of its batch are midnights. Of a column that is pseudonymised, the clear
    value may be given as well as its pseudonym.

    Raises: RowKeyError if the text does not name each column of the key once, in its type;
            PseudonymKeyError where a clear value is given, and its key is not there.
    """
    import pandas as pd

    if not pipeline.row_key:
        raise RowKeyError.of(pipeline.name, (), "")
    names = "|".join(map(re.escape, pipeline.row_key))
    parts = [part.partition("=") for part in re.split(rf",(?=(?:{names})=)", text)]
    given = {name: value for name, _, value in parts}
    if len(given) != len(parts) or given.keys() != set(pipeline.row_key):
        raise RowKeyError.of(pipeline.name, pipeline.row_key, "each of these once")
    stored = {name: as_stored(platform, pipeline, name, value) for name, value in given.items()}
    spellings = [written(pipeline, pipeline.column(one), stored[one]) for one in pipeline.row_key]
    keys = pd.DataFrame(list(product(*spellings)), columns=list(pipeline.row_key), dtype=object)
    return set(row_ids(keys, pipeline.row_key))


def as_stored(platform: Platform, pipeline: Pipeline, name: str, text: str) -> str:
    """Return a value of a column as snapshots have it: its pseudonym, where the column has some."""
    hidden = isinstance(pipeline.column(name).privacy, Pseudonymise)
    if not hidden or not text or A_PSEUDONYM.fullmatch(text):
        return text
    return pseudonyms_of(pipeline, platform).of(text.encode("utf-8"))


def written(pipeline: Pipeline, column: Column, text: str) -> list[str]:
    """Return how a value of a column may have been written when its row's id was made.

    Raises: RowKeyError if it is not of the column's type; the value is not repeated.
    """
    try:
        match column.dtype:
            case "int64":
                return [str(int(text))]
            case "float64":
                return [str(float(text))]
            case "timestamp":
                moment = moment_of(column, text)
                return [moment.strftime(form) for form in MOMENTS]
            case _:
                return [text]
    except (ValueError, OverflowError, OSError):
        problem = f"{column.name} as {column.dtype}"
        raise RowKeyError.of(pipeline.name, pipeline.row_key, problem) from None


def moment_of(column: Column, text: str) -> datetime:
    """Return a moment as its column has it once it is read: what is said of a zone is UTC by then.

    Raises: ValueError if it is not written as the column's are.
    """
    if column.written == "epoch_seconds":
        return datetime.fromtimestamp(float(text), UTC).replace(tzinfo=None)
    moment = datetime.fromisoformat(text)
    if (moment.tzinfo is not None) != (column.written == "with_zone"):
        raise ValueError
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
