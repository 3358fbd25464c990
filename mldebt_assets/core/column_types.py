"""A stored column as its declared type, or what it is instead: nothing is guessed, nothing dropped.

Rows are counted from 1, below the header. No message holds a value.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mldebt_assets.core.schema import Column
from mldebt_assets.core.schema_change import Found, retyped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.schema import DType, Written
    from mldebt_assets.core.schema_change import ColumnChange

ROWS_NAMED = 5
MOSTLY_OTHER = 0.5
"""Where a larger share of a column's values is of another type, the column is."""
ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": pa.timestamp("us"),
}
UTC_TIMES = pa.timestamp("us", "UTC")
NOT_OF_TYPE = {"string": "text", "int64": "whole numbers of 64 bits", "float64": "numbers"}
NOT_WRITTEN: dict[Written, str] = {
    "local": "ISO 8601 local times without a zone, to the microsecond",
    "with_zone": "ISO 8601 times with a zone, to the microsecond",
    "epoch_seconds": "seconds since 1970, up to the year 9999",
}
SECONDS_UNTIL_10000 = 253_402_300_800
MICROSECONDS = 1e6
PAST_64 = "^[+-]?[0-9]{16,}$"
A_TIME = re.compile(r"[0-9 :./,+TZ-]{6,32}")
WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")


def typed(
    table: pa.Table, columns: Sequence[Column]
) -> tuple[dict[str, pd.Series], list[ColumnChange], list[str]]:
    """Return the columns that are there as declared, those of another type, and faulty rows."""
    series, changes, faulty = {}, [], []
    for column in columns:
        if column.name not in table.column_names:
            continue
        values = table.column(column.name)
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if not _convertible(values.type, column):
            said = f"its column {column.name!r} is stored as {values.type} instead of"
            found = found_in(column.name, values)
            changes.append(retyped(column, found, f"{said} {column.dtype}"))
            continue
        typed, bad = _converted(values, column)
        if typed is not None:
            series[column.name] = _series(typed, column)
        elif len(bad) > MOSTLY_OTHER * (len(values) - values.null_count):
            found = found_in(column.name, values)
            changes.append(retyped(column, found, _faulty(column, bad)))
        else:
            faulty.append(f"{_faulty(column, bad)}.")
    return series, changes, faulty


def nothing(column: Column, rows: int) -> pd.Series:
    """Return a column of its declared type without any value."""
    nulls = pa.nulls(rows, ARROW_TYPES[column.dtype])
    return _series(pa.chunked_array([nulls]), column)


def _series(typed: pa.ChunkedArray, column: Column) -> pd.Series:
    """Return a column as its declared type."""
    gaps = column.dtype == "int64" and (column.nullable or typed.null_count)
    mapper = {pa.int64(): pd.Int64Dtype()}.get if gaps else None
    series: pd.Series = typed.to_pandas(types_mapper=mapper)
    return series


def _converted(values: pa.ChunkedArray, column: Column) -> tuple[pa.ChunkedArray | None, list[int]]:
    """Return the values as the column's type; else none, and the rows that cannot be."""
    if pa.types.is_floating(values.type) and column.dtype == "int64":
        # pandas stores a column of whole numbers with gaps as floats with NaN.
        values = pc.if_else(pc.is_nan(values), None, values)
    try:
        return _at_once(values, column), []
    except pa.ArrowInvalid:
        return _each(values.combine_chunks(), column)


def _faulty(column: Column, bad: Sequence[int]) -> str:
    """Return which rows of a column are not of its type."""
    named = ", ".join(map(str, bad[:ROWS_NAMED]))
    more = f" and {len(bad) - ROWS_NAMED} more" if len(bad) > ROWS_NAMED else ""
    wanted = NOT_OF_TYPE.get(column.dtype, NOT_WRITTEN[column.written])
    return (
        f"its column {column.name!r} ({column.dtype}) has values that are not "
        f"{wanted}, in {count_of(len(bad), 'row', show=False)} {named}{more}"
    )


def found_in(name: str, values: pa.ChunkedArray) -> Found:
    """Return what a column of the file holds, whatever is declared of it."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    dtypes: list[tuple[DType, Written]] = [
        ("int64", "local"),
        ("float64", "local"),
        ("timestamp", "local"),
        ("timestamp", "with_zone"),
        ("string", "local"),
    ]
    dtype, written = next(
        (
            (one, how)
            for one, how in dtypes
            if all_of(values, Column(name=name, dtype=one, meaning="", written=how))
        ),
        (None, dtypes[0][1]),
    )
    return Found(
        name=name,
        dtype=dtype,
        stored=dtype or str(values.type),
        gaps=bool(values.null_count),
        shape=_shape(values),
        written=written,
    )


def all_of(values: pa.ChunkedArray, column: Column) -> bool:
    """Return whether every value is of a column's type; whole numbers past 64 bits are texts."""
    dtype = column.dtype
    if not _convertible(values.type, column):
        return False
    if values.null_count == len(values):
        return dtype == "string"
    text = pa.types.is_string(values.type)
    if dtype == "float64" and text and pc.any(pc.match_substring_regex(values, PAST_64)).as_py():
        return False
    try:
        _at_once(values, column)
    except pa.ArrowInvalid:
        return False
    return True


def _shape(values: pa.ChunkedArray) -> str | None:
    """Return how the first value is written where it may be a time, with 9 for each digit."""
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        return None
    first = next((text for text in values.drop_null()[:1].cast(pa.string()).to_pylist()), None)
    return re.sub("[0-9]", "9", first) if first and A_TIME.fullmatch(first) else None


def _convertible(found: pa.DataType, column: Column) -> bool:
    """Return whether a stored type can hold values of a declared one, so that each is tried."""
    types = pa.types
    text = types.is_string(found) or types.is_large_string(found) or types.is_null(found)
    number = types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)
    moment = {
        "local": types.is_date(found) or (types.is_timestamp(found) and not found.tz),
        "with_zone": types.is_timestamp(found) and bool(found.tz),
        "epoch_seconds": number,
    }[column.written]
    other = {"string": False, "int64": number, "float64": number, "timestamp": moment}
    return bool(text or other[column.dtype])


def _at_once(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Return the values converted; ArrowInvalid if one of them is not of the column's type."""
    text = column.dtype == "int64" and pa.types.is_string(values.type)
    if text and pc.any(pc.match_substring_regex(values, "[xX]")).as_py():
        # Arrow would read 0x1F as 31.
        raise pa.ArrowInvalid
    wanted = ARROW_TYPES[column.dtype]
    if column.dtype == "timestamp" and column.written == "with_zone":
        return values.cast(UTC_TIMES).cast(wanted)
    if column.dtype == "timestamp" and column.written == "epoch_seconds":
        seconds = values.cast(pa.float64())
        if pc.any(pc.greater_equal(pc.abs(seconds), SECONDS_UNTIL_10000)).as_py():
            raise pa.ArrowInvalid
        return pc.round(pc.multiply(seconds, MICROSECONDS)).cast(pa.int64()).cast(wanted)
    return values.cast(wanted)


def _each(values: pa.Array, column: Column) -> tuple[pa.ChunkedArray | None, list[int]]:
    """Return the values converted one by one, or the rows of those that cannot be."""
    wanted = ARROW_TYPES[column.dtype]
    converted = []
    bad = []
    for row, value in enumerate(values, start=1):
        try:
            converted.append(_one(value, column))
        except pa.ArrowInvalid:
            bad.append(row)
    return (None, bad) if bad else (pa.chunked_array([pa.array(converted, type=wanted)]), [])


def _one(value: pa.Scalar, column: Column) -> object:
    """Return one value as Python's; whole numbers may be written ``5.0``."""
    if column.dtype == "int64" and isinstance(value.as_py(), str):
        whole = WHOLE_NUMBER.fullmatch(value.as_py())
        if whole is None:
            raise pa.ArrowInvalid
        value = pa.scalar(whole[1].removeprefix("+"))
    if column.written == "local":
        return value.cast(ARROW_TYPES[column.dtype]).as_py()
    return _at_once(pa.chunked_array([pa.array([value.as_py()], value.type)]), column)[0].as_py()


def count_of(count: int, noun: str, *, show: bool = True) -> str:
    """Return the noun in its number, behind the number itself if that is shown."""
    noun = noun if count == 1 else f"{noun}s"
    return f"{count} {noun}" if show else noun
