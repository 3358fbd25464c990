"""A batch in a few numbers a column, so that triage needs no rows but the batch's own.

A profile is a plain value that JSON holds: it is stored with the batch's drift report, and later
batches are laid beside it. Profiles of several batches pool into that of all their rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.drift.orders import orders_of
from mldebt_assets.core.features import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.schema import Column

    Numbers = NDArray[np.float64]

LEVELS = 100
SAMPLED_HASHES = 256
MOST_CATEGORIES = 1000
LEAST_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class ColumnSummary:
    """What triage knows of one column.

    ``quantiles`` are LEVELS order statistics of a number, at the middles of as many equal parts,
    empty where nothing is there; ``shares`` are a category's share of the values that are there,
    empty where there are more than MOST_CATEGORIES.
    """

    rows: int
    missing_share: float
    most_common_share: float
    quantiles: tuple[float, ...] = ()
    shares: Mapping[str, float]

    @property
    def present(self) -> float:
        """How many rows have a value."""
        return self.rows * (1 - self.missing_share)


@dataclass(frozen=True, kw_only=True)
class RowSample:
    """The smallest hashes of a batch's rows: equal rows have equal hashes in every batch.

    ``distinct_share`` is the share of rows that no other row of the batch equals.
    """

    hashes: tuple[int, ...]
    distinct_share: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A batch, or several pooled, as triage sees it.

    ``keys`` samples the row keys where they hold the row's time, ``contents`` all that is not the
    row's time or group. ``first``, ``last`` and ``end`` are seconds since 1970: of the first and
    last row, and of the end of the declared period (None where none is declared). ``orders`` are
    those of ``orders_of``.
    """

    rows: int
    columns: Mapping[str, ColumnSummary]
    keys: RowSample | None = None
    contents: RowSample | None = None
    first: float | None = None
    last: float | None = None
    end: float | None = None
    orders: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the profile as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Profile:
        """Return the profile that ``as_dict`` wrote."""
        columns = {
            name: ColumnSummary(**{**column, "quantiles": tuple(column["quantiles"])})
            for name, column in plain["columns"].items()
        }
        samples = {
            name: None
            if plain[name] is None
            else RowSample(
                hashes=tuple(plain[name]["hashes"]), distinct_share=plain[name]["distinct_share"]
            )
            for name in ("keys", "contents")
        }
        return cls(**{**plain, "columns": columns, **samples})


def profile_of_rows(
    rows: pd.DataFrame,
    *,
    columns: Sequence[Column],
    row_key: Sequence[str],
    time: str | None,
    group: str | None,
    end: datetime | None,
) -> Profile:
    """Return the profile of a batch's valid rows, at least one.

    Args: ``columns`` to be summarised, numbers and strings; ``end`` of the period that the batch
          declares, if it declares one.
    """
    apart = {time, group, *(str(name) for name in rows if rows[name].dtype.kind == "M")}
    content = [str(name) for name in rows if name not in apart]
    zone_free = _seconds(rows, time)
    numbers = {
        column.name: finite_numbers(rows[column.name])
        for column in columns
        if column.dtype != "string"
    }
    return Profile(
        rows=len(rows),
        columns={column.name: summary_of(rows[column.name], column) for column in columns},
        orders=orders_of(numbers),
        keys=sample_of(rows, row_key) if {time, group} & {*row_key} else None,
        contents=sample_of(rows, content) if content else None,
        first=min(zone_free, default=None),
        last=max(zone_free, default=None),
        end=None if end is None else end.timestamp(),
    )


def _seconds(rows: pd.DataFrame, time: str | None) -> Sequence[float]:
    """Return the rows' times in seconds since 1970; none where no column says them."""
    if time is None:
        return ()
    moments = rows[time].dropna()
    seconds: Sequence[float] = (moments - np.datetime64(0, "s")).dt.total_seconds().to_list()
    return seconds


def summary_of(values: pd.Series[Any], column: Column) -> ColumnSummary:
    """Return one column's summary; infinity counts as missing."""
    if column.dtype == "string":
        counts = values.value_counts()
        present = int(counts.sum())
        few = 0 < len(counts) <= MOST_CATEGORIES
        shares = {str(name): int(count) / present for name, count in counts.items()} if few else {}
        quantiles: tuple[float, ...] = ()
        most = int(counts.max()) / present if present else 0.0
    else:
        numbers = finite_numbers(values)
        there = np.sort(numbers[~np.isnan(numbers)])
        present, shares = there.size, {}
        places = ((np.arange(LEVELS) + 0.5) / LEVELS * present).astype(np.int64)
        quantiles = tuple(there[places].tolist()) if present else ()
        most = int(np.unique(there, return_counts=True)[1].max()) / present if present else 0.0
    return ColumnSummary(
        rows=len(values),
        missing_share=1 - present / max(len(values), 1),
        most_common_share=most,
        quantiles=quantiles,
        shares=dict(sorted(shares.items())),
    )


def finite_numbers(values: pd.Series[Any]) -> Numbers:
    """Return a column as numbers, NaN where it has none or infinity."""
    numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def sample_of(rows: pd.DataFrame, names: Sequence[str]) -> RowSample:
    """Return the smallest hashes of the rows' values under these names."""
    values = zip(*(as_text(rows[name]) for name in names), strict=True)
    hashes = [
        int.from_bytes(hashlib.blake2b("\x1f".join(row).encode(), digest_size=6).digest())
        for row in values
    ]
    distinct = sorted(set(hashes))
    return RowSample(
        hashes=tuple(distinct[:SAMPLED_HASHES]), distinct_share=len(distinct) / max(len(rows), 1)
    )


def pooled(profiles: Sequence[Profile]) -> Profile:
    """Return the profile of all rows of these batches together, at least one batch.

    Quantiles are exact to one part in LEVELS; rows and times are no batch's any more, and left out.
    """
    names = profiles[0].columns
    columns = {
        name: _pooled_column([profile.columns[name] for profile in profiles]) for name in names
    }
    return Profile(rows=sum(profile.rows for profile in profiles), columns=columns)


def _pooled_column(columns: Sequence[ColumnSummary]) -> ColumnSummary:
    rows = sum(column.rows for column in columns)
    present = sum(column.present for column in columns)
    whole = present or 1.0
    shares: dict[str, float] = {}
    for column in columns:
        for name, share in column.shares.items():
            shares[name] = shares.get(name, 0.0) + share * column.present / whole
    complete = all(column.shares or not column.present for column in columns)
    return ColumnSummary(
        rows=rows,
        missing_share=1 - present / max(rows, 1),
        most_common_share=sum(c.most_common_share * c.present for c in columns) / whole,
        quantiles=_pooled_quantiles([c for c in columns if c.quantiles]),
        shares=dict(sorted(shares.items())) if complete else {},
    )


def _pooled_quantiles(columns: Sequence[ColumnSummary]) -> tuple[float, ...]:
    if not columns:
        return ()
    values = np.concatenate([column.quantiles for column in columns])
    weights = np.concatenate([np.full(LEVELS, column.present / LEVELS) for column in columns])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    places = np.searchsorted(reached, (np.arange(LEVELS) + 0.5) / LEVELS * reached[-1])
    return tuple(values[order][places].tolist())


def contained_share(sample: RowSample, earlier: RowSample) -> float:
    """Return the share of a batch's distinct rows that an earlier batch had, 0 where too few show.

    Below the smaller of the two samples' largest hashes both are complete.
    """
    if not sample.hashes or not earlier.hashes:
        return 0.0
    ends = [s.hashes[-1] for s in (sample, earlier) if len(s.hashes) == SAMPLED_HASHES]
    shown = [value for value in sample.hashes if not ends or value <= min(ends)]
    if len(shown) < LEAST_SHOWN:
        return 0.0
    return len(set(shown) & set(earlier.hashes)) / len(shown)
