"""What kind of column two files share, as their values say: numbers, dates or categories.

Both sides are read alike whatever their format, so that CSV and Parquet of one table agree. An
empty text is no value. Text of which at least 9 of 10 values are numbers is a column of numbers,
and so for dates; the rest counts as missing, as do NaN and infinity. Whatever else there is, true
and false too, is a category.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from mldebt_assets.core.drift.statistics import Values

Kind = Literal["number", "category", "date"]

MOSTLY, HALF = 0.9, 0.5
"""What share of one side makes the kind, and what share of the other still is of it."""

LEAST_ROWS = 20
"""Of fewer values, that they all differ says nothing."""

NO_VALUE = {"na", "n/a", "#n/a", "nan", "null", "none", "-", "?"}
"""What stands in columns of numbers and dates where there is none; as a category it is a value."""

BOOLEANS = {"true", "false"}
DAY_MICROSECONDS = 86_400e6
PLURAL = {"number": "numbers", "category": "categories", "date": "dates"}


@dataclass(frozen=True)
class Read:
    """Values as one kind, NaN where there is none; ``share`` of those that are there fit it."""

    values: Values
    share: float


class Side:
    """One column of one file, which can be read as each kind."""

    def __init__(self, stored: pa.ChunkedArray) -> None:
        if pa.types.is_dictionary(stored.type):
            stored = stored.cast(stored.type.value_type)
        if pa.types.is_duration(stored.type):
            stored = stored.cast(pa.int64())
        if _is_text(stored.type):
            stored = stored.cast(pa.string())
        if pa.types.is_string(stored.type):
            stored = pc.if_else(pc.equal(stored, ""), None, stored)
        self.stored = stored
        self.rows = len(stored)

    @property
    def unusable(self) -> str | None:
        """The stored type where nothing here compares it: lists, structures, bytes."""
        stored = self.stored.type
        known = (
            pa.types.is_null(stored)
            or pa.types.is_string(stored)
            or pa.types.is_boolean(stored)
            or _is_number(stored)
            or pa.types.is_temporal(stored)
        )
        return None if known and not pa.types.is_interval(stored) else str(stored)

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return bool(self.stored.null_count == self.rows)

    @property
    def is_identifier(self) -> bool:
        """Whether nearly every value is another one."""
        there = self.rows - self.stored.null_count
        distinct = pc.count_distinct(self.stored).as_py()
        return bool(there >= LEAST_ROWS and distinct >= MOSTLY * there)

    @cached_property
    def numbers(self) -> Read:
        """The column as numbers."""
        if _is_number(self.stored.type):
            return Read(_floats(self.stored.cast(pa.float64(), safe=False)), 1.0)
        if not pa.types.is_string(self.stored.type):
            return Read(np.full(self.rows, np.nan), 0.0)
        try:
            return Read(_floats(self.stored.cast(pa.float64())), 1.0)
        except pa.ArrowInvalid:
            return self._distinct(lambda texts: pd.to_numeric(texts, errors="coerce"))

    @cached_property
    def dates(self) -> Read:
        """The column as days since 1970, of ISO 8601 times; those with a zone in UTC."""
        if pa.types.is_timestamp(self.stored.type) or pa.types.is_date(self.stored.type):
            moments = self.stored.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return Read(_floats(moments.cast(pa.float64(), safe=False)) / DAY_MICROSECONDS, 1.0)
        if not pa.types.is_string(self.stored.type):
            return Read(np.full(self.rows, np.nan), 0.0)
        return self._distinct(_days)

    @cached_property
    def categories(self) -> pd.Series[Any]:
        """The column as texts, None where there is no value; true and false in lower case."""
        texts = self.stored.cast(pa.string())
        found = {text.lower() for text in pc.unique(texts).to_pylist() if text is not None}
        if found <= BOOLEANS:
            texts = pc.utf8_lower(texts)
        series: pd.Series[Any] = texts.to_pandas()
        return series

    def _distinct(self, read: Any) -> Read:
        """Read each different text once; words for no value count neither for nor against."""
        coded = self.stored.combine_chunks().dictionary_encode()
        texts = pd.Series(coded.dictionary.to_pylist(), dtype=object)
        values = np.append(np.asarray(read(texts.str.strip()), dtype=np.float64), np.nan)
        code = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
        rows = np.bincount(code, minlength=len(texts) + 1)[:-1]
        value = ~texts.str.strip().str.lower().isin(NO_VALUE).to_numpy(dtype=bool)
        fits = ~np.isnan(values[:-1])
        there = int(rows[value | fits].sum())
        return Read(values[code], float(rows[fits].sum() / there) if there else 0.0)


@dataclass(frozen=True)
class Pair:
    """A column of both files: its ``kind``, or why it has none in common.

    ``differs`` says that each side has a kind, and another one.
    """

    kind: Kind | None
    problem: str = ""
    differs: bool = False


def pair_of(reference: Side, current: Side) -> Pair:
    """Return the kind under which two sides can be compared; a side without values takes any."""
    sides = reference, current
    for name, side in zip(("reference", "current"), sides, strict=True):
        if side.unusable:
            return Pair(None, f"cannot be compared: the {name} file stores it as {side.unusable}")
    filled = [side for side in sides if not side.is_empty]
    if not filled:
        return Pair(None, "cannot be compared: no row of either file has a value")
    kinds: tuple[Kind, ...] = ("number", "date")
    for kind in kinds:
        shares = [(side.numbers if kind == "number" else side.dates).share for side in filled]
        if max(shares) >= MOSTLY and min(shares) >= HALF:
            return Pair(kind)
        if max(shares) >= MOSTLY:
            of = [PLURAL[kind] if share >= MOSTLY else f"no {PLURAL[kind]}" for share in shares]
            return Pair(None, f"drift: {of[0]} in the reference file, {of[1]} in the current", True)
    return Pair("category")


def _is_number(stored: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(stored) or types.is_floating(stored) or types.is_decimal(stored))


def _is_text(stored: pa.DataType) -> bool:
    """Whether these are texts of another layout, or times of day, which are texts in a CSV."""
    types = pa.types
    return bool(
        types.is_large_string(stored) or types.is_string_view(stored) or types.is_time(stored)
    )


def _floats(values: pa.ChunkedArray) -> Values:
    floats: Values = values.to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    return floats


def _days(texts: pd.Series[Any]) -> Values:
    moments = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
    days = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return np.asarray(days, dtype=np.float64)
