"""A column of a user's table: its type, its gaps, its bounds, and whether it is an input at all."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mldebt_assets.core.column_types import all_of, found_in
from mldebt_assets.core.drift.kinds import NO_VALUE
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    from mldebt_assets.core.schema import DType, Written

ID_LIKE = re.compile(r"(^|[_\W])(id|key|uuid|guid|nr|no|number|code)$|[a-z]Id$", re.IGNORECASE)
FEW_LEVELS = 12
LEAST_OF_LEVEL = 5
"""A category is declared where each of its few values comes at least so often."""

LEAST_SECONDS = 1e8
"""Of 1973: what is less is hardly a moment in seconds since 1970."""

IDENTIFIER_SHARE = 0.9
LEAST_ROWS = 20
"""Of fewer rows, that all values differ says nothing."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a column is: ``values`` as declared; ``left_out`` says why it is no input, if so.

    ``suspected`` says of an input what a person should answer; ``spelled``, how its numbers or
    dates are written that are texts for that. What is ``personal`` is text, to be pseudonymised.
    """

    name: str
    dtype: DType
    values: pd.Series[Any]
    nullable: bool
    minimum: float | None = None
    maximum: float | None = None
    levels: tuple[str, ...] = ()
    written: Written = "local"
    personal: bool = False
    spelled: str = ""
    left_out: str = ""
    suspected: str = ""

    @property
    def id_like(self) -> bool:
        """Whether its name is one that identifiers have."""
        return ID_LIKE.search(self.name) is not None


def plain(stored: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column in a type that a pipeline can declare; None where there is none.

    Words for no value become none in a column whose other values are numbers.
    """
    types = pa.types
    if types.is_dictionary(stored.type):
        stored = stored.cast(stored.type.value_type)
    if types.is_boolean(stored.type) or types.is_time(stored.type):
        return stored.cast(pa.string())
    if types.is_timestamp(stored.type):
        return stored.cast(pa.timestamp("us", "UTC" if stored.type.tz else None), safe=False)
    if types.is_large_string(stored.type) or types.is_string_view(stored.type):
        stored = stored.cast(pa.string())
    if types.is_string(stored.type):
        stored = pc.if_else(pc.equal(pc.utf8_trim_whitespace(stored), ""), None, stored)
        words = pa.array(sorted(NO_VALUE))
        nothing = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(stored)), value_set=words)
        if pc.any(nothing).as_py():
            without = pc.if_else(nothing, None, stored)
            if without.null_count < len(without) and type_of("", without)[0] != "string":
                return without
        return stored
    usable = (
        types.is_integer(stored.type)
        or types.is_floating(stored.type)
        or types.is_decimal(stored.type)
        or types.is_date(stored.type)
        or types.is_null(stored.type)
    )
    return stored if usable else None


def type_of(name: str, values: pa.ChunkedArray) -> tuple[DType, Written]:
    """Return the narrowest type that every value of a column is of; text where none other is.

    A time is also said to be written with a zone or without one.
    """
    if values.null_count == len(values):
        return "string", "local"
    found = found_in(name, values)
    return found.dtype or "string", found.written


def seconds_since_1970(name: str, values: pa.ChunkedArray) -> bool:
    """Return whether a column of numbers may be that; small ones are years or counts."""
    column = Column(name=name, dtype="timestamp", meaning="", written="epoch_seconds")
    if values.null_count == len(values) or not all_of(values, column):
        return False
    return bool(pc.min(values.cast(pa.float64())).as_py() >= LEAST_SECONDS)


def bounds(values: pd.Series[Any], dtype: DType) -> tuple[float | None, float | None]:
    """Return bounds as wide again as the values seen; what is never negative stays so.

    >>> bounds(pd.Series([2.0, 4.0]), "float64")
    (0.0, 6.0)
    """
    numbers = pd.to_numeric(values, errors="coerce").dropna().astype("float64")
    if not len(numbers):
        return None, None
    low, high = float(numbers.min()), float(numbers.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        return None, None
    slack = (high - low) or abs(high) or 1.0
    minimum = 0.0 if low >= 0 else low - slack
    maximum = 0.0 if high <= 0 else high + slack
    if dtype == "int64":
        return float(math.floor(minimum)), float(math.ceil(maximum))
    return minimum, maximum


def levels_of(values: pd.Series[Any]) -> tuple[str, ...]:
    """Return the values of a category that has few, each seen often enough; else none."""
    counts = values.value_counts()
    few = 0 < len(counts) <= FEW_LEVELS and int(counts.min()) >= LEAST_OF_LEVEL
    return tuple(sorted(map(str, counts.index))) if few else ()
