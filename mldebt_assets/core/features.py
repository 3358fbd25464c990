"""The table that training and scoring read: a pipeline's inputs, beside what is no input.

Columns whose names start with ``_`` keep the books: ``_row_id`` names the row in predictions,
``_group`` is its split group, ``_label`` what really happened, ``_slice_…`` the slices that it
counts in, ``_promised_…`` the groups that it belongs to. All other columns are the model's inputs.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mldebt_assets.core.errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.schema import Column
    from mldebt_assets.core.tasks.task import Task

BOOKKEEPING = "_"
ROW_ID = "_row_id"
GROUP = "_group"
LABEL = "_label"
SLICE = "_slice_"
PROMISED = "_promised_"


def feature_table(
    validated: pd.DataFrame,
    *,
    pipeline: str,
    row_key: tuple[str, ...],
    group: str | None,
    label: Callable[[pd.DataFrame], pd.Series[Any]],
    task: Task,
    features: Callable[[pd.DataFrame], pd.DataFrame],
    slices: Mapping[str, Callable[[pd.DataFrame], pd.Series[str]]],
    promised: Mapping[str, str | Callable[[pd.DataFrame], pd.Series[str]]] | None = None,
) -> pd.DataFrame:
    """Return inputs and bookkeeping, one row a validated row, in the same order.

    Args:   ``row_key``, the columns that say which row it is; where rows share their values, their
            order tells them apart. ``group`` as :class:`Split` declares it.
    Raises: DeclarationError if the features lose or reorder rows, or take a reserved name;
            LabelError if a label is none of the task's.
    """
    inputs = features(validated)
    if not inputs.index.equals(validated.index):
        raise DeclarationError.of(
            pipeline,
            f"its features turn {len(validated)} rows into {len(inputs)}, or reorder them.",
            "return one row a row, with the index that came in.",
        )
    reserved = sorted(str(name) for name in inputs if str(name).startswith(BOOKKEEPING))
    if reserved:
        raise DeclarationError.of(
            pipeline,
            f"its features are called {', '.join(reserved)}; names with '_' in front are reserved.",
            "rename them.",
        )
    ids = pd.Series(row_ids(validated, row_key), index=validated.index, dtype=object)
    books: dict[str, Any] = {
        ROW_ID: told_apart(ids),
        GROUP: ids if group is None else group_names(validated[group]),
        LABEL: task.check(label(validated), pipeline),
        **{SLICE + name: as_text(assign(validated)) for name, assign in slices.items()},
        **{
            PROMISED + name: as_text(validated[of] if isinstance(of, str) else of(validated))
            for name, of in (promised or {}).items()
        },
    }
    return inputs.assign(**books).reset_index(drop=True)


def with_labels(
    rows: pd.DataFrame,
    labels: pd.DataFrame | None,
    *,
    row_key: tuple[str, ...],
    columns: tuple[Column, ...],
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the rows with the columns that labels bring, and which rows have been labelled.

    Args:    ``labels``, at most one a row, of these ``columns``; None before any has come.
    """
    brought = [column.name for column in columns if column.name not in row_key]
    if labels is None:
        return rows.assign(**dict.fromkeys(brought, np.nan)), np.zeros(len(rows), dtype=bool)
    joined = rows.merge(
        labels, on=list(row_key), how="left", validate="many_to_one", indicator="_found"
    ).set_axis(rows.index)
    labelled = (joined["_found"] == "both").to_numpy()
    return joined.drop(columns="_found"), labelled


def row_ids(rows: pd.DataFrame, row_key: tuple[str, ...]) -> list[str]:
    """Return 16 hexadecimal digits a row: a hash of its key's values.

    Equal keys have equal ids in every batch and version; 64 bits make two of a billion rows meet
    with a probability of 3 %, two of a million with one in 30 million.
    """
    keys = zip(*(as_text(rows[name]) for name in row_key), strict=True)
    return [
        hashlib.blake2b("\x1f".join(values).encode(), digest_size=8).hexdigest() for values in keys
    ]


def told_apart(ids: pd.Series[str]) -> pd.Series[str]:
    """Return the ids, those of the second and later rows with the same one made others."""
    times = ids.groupby(ids).cumcount()
    again = [f"{one}\x1f{time}".encode() for one, time in zip(ids, times, strict=True)]
    other = [hashlib.blake2b(text, digest_size=8).hexdigest() for text in again]
    return ids.where(times == 0, pd.Series(other, index=ids.index, dtype=object))


def group_names(values: pd.Series[Any]) -> pd.Series[str]:
    """Return the name of the split group that each value makes: of a timestamp, its day.

    >>> group_names(pd.Series(pd.to_datetime(["2013-05-01 05:40", "2013-05-01 00:00"]))).tolist()
    ['2013-05-01', '2013-05-01']
    """
    if values.dtype.kind == "M":
        days: pd.Series[str] = values.dt.strftime("%Y-%m-%d")
        return days
    return as_text(values)


def as_text(values: pd.Series[Any]) -> pd.Series[str]:
    """Return each value as text that depends on that value alone.

    pandas leaves the time out where every timestamp of a column is a midnight, and writes as many
    decimals of a second as the finest of them needs.

    >>> as_text(pd.Series(pd.to_datetime(["2013-05-01"]))).tolist()
    ['2013-05-01 00:00:00']
    """
    if values.dtype.kind == "M":
        codes, times = pd.factorize(values, use_na_sentinel=False)
        texts = np.array([str(time) for time in times], dtype=object)
        return pd.Series(texts[codes], values.index)
    return values.astype(str)


def inputs_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the model's inputs alone."""
    return table[[name for name in table if not str(name).startswith(BOOKKEEPING)]]


def slices_of(table: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """Return each slice's values by the slice's name."""
    return _named(table, SLICE)


def promised_of(table: pd.DataFrame) -> dict[str, pd.Series[str]]:
    """Return the values of what groups are declared by, by its name."""
    return _named(table, PROMISED)


def _named(table: pd.DataFrame, prefix: str) -> dict[str, pd.Series[str]]:
    return {
        str(name).removeprefix(prefix): table[name]
        for name in table
        if str(name).startswith(prefix)
    }
