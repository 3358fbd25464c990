"""Bytes to tables and back: a batch's CSV or Parquet bytes become exactly the declared columns.

Nothing is guessed and nothing is dropped. Only an empty field is null ("NA" may be an airline),
and a value that is not of its column's type refuses the batch, by column and row. Rows are counted
from 1, below the header. No message holds a value: it might be personal.

Types: ``string`` is object with None, ``timestamp`` is datetime64[us], and ``int64`` is int64, or
Int64 where the column is nullable or, so that its rows can be quarantined, has a gap all the same.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mldebt_assets.core.errors import BatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.schema import Column

ROWS_NAMED = 5
ARROW_TYPES = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "timestamp": pa.timestamp("us"),
}
NOT_OF_TYPE = {
    "string": "text",
    "int64": "whole numbers of 64 bits",
    "float64": "numbers",
    "timestamp": "ISO 8601 local times without a zone, to the microsecond",
}
WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)(?:\.0*)?")
WHOLE = "land the file again, whole."


def parse(data: bytes, *, batch: str, suffix: str, columns: Sequence[Column]) -> pd.DataFrame:
    r"""Return the batch's rows, in their order, with the declared columns, in theirs.

    Args:    the file's bytes, and its suffix: ``.csv`` (UTF-8, commas, one header line) or
             ``.parquet``.
    Raises:  BatchRefusedError, which names the batch and what is at fault, if the file is empty,
             truncated, not UTF-8, lacks or repeats a column or has one that is not declared, or
             if a value is not of its column's type.

    >>> from mldebt_assets.core.schema import Column
    >>> columns = (Column(name="carrier", dtype="string", meaning="airline"),)
    >>> parse(b"carrier\nNA\n", batch="2013-01", suffix=".csv", columns=columns)["carrier"][0]
    'NA'
    """
    readers = {".csv": _read_csv, ".parquet": _read_parquet}
    if suffix not in readers:
        raise BatchRefusedError.of(
            batch, f"{suffix!r} files cannot be read.", f"land {' or '.join(readers)} files."
        )
    if not data.strip():
        raise BatchRefusedError.of(batch, "its file is empty.", WHOLE)
    table = readers[suffix](data, batch, columns)
    _check_names(table.column_names, batch, columns)
    if table.num_rows == 0:
        raise BatchRefusedError.of(batch, "its file has columns, but no rows.", WHOLE)
    return pd.DataFrame(
        {column.name: _series(table.column(column.name), batch, column) for column in columns}
    )


def to_parquet(frame: pd.DataFrame) -> bytes:
    """Return the table as Parquet: equal tables make equal bytes, in any process. No index."""
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    for position, field in enumerate(schema):
        if pa.types.is_null(field.type):
            # A text column with no text in it would otherwise lose its type.
            schema = schema.set(position, field.with_type(pa.string()))
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False, nthreads=1)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", compression_level=3, version="2.6")
    return sink.getvalue()


def from_parquet(data: bytes) -> pd.DataFrame:
    """Return the table that :func:`to_parquet` stored, types and all, on a fresh index."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(data), use_threads=False).to_pandas()
    return frame


def _read_csv(data: bytes, batch: str, columns: Sequence[Column]) -> pa.Table:
    """Return the file's own columns, every declared one as text."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"its file is not UTF-8: the byte at offset {error.start} is {error.reason}."
        raise BatchRefusedError.of(
            batch, problem, "convert it to UTF-8, or, if it was cut off, land it again, whole."
        ) from None
    if not data.endswith((b"\n", b"\r")):
        problem = "its file seems truncated: its last line has no end."
        raise BatchRefusedError.of(batch, problem, f"{WHOLE[:-1]}, with a line end after each row.")
    if data.count(b'"') % 2:
        problem = "its file seems truncated: a quoted value is never closed."
        raise BatchRefusedError.of(
            batch, problem, "land it again, whole, with its quotes in pairs."
        )
    uneven: list[tuple[int, int, int]] = []

    def note(row: pa_csv.InvalidRow) -> str:
        uneven.append((row.number - 1, row.actual_columns, row.expected_columns))
        return "skip"

    try:
        table = pa_csv.read_csv(
            pa.BufferReader(data),
            read_options=pa_csv.ReadOptions(use_threads=False),
            parse_options=pa_csv.ParseOptions(
                newlines_in_values=True,
                ignore_empty_lines=len(columns) > 1,
                invalid_row_handler=note,
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types={column.name: pa.string() for column in columns},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid:
        # What Arrow says may hold values of the row.
        raise BatchRefusedError.of(batch, "its file cannot be read as CSV.", WHOLE) from None
    if uneven:
        row, found, expected = uneven[0]
        problem = (
            f"{_count(len(uneven), 'row')} of its file {'has' if len(uneven) == 1 else 'have'} "
            f"the wrong number of fields: row {row} has {found} instead of {expected}."
        )
        fix = "land the file again, whole, with values that hold a comma in quotes."
        raise BatchRefusedError.of(batch, problem, fix)
    return table


def _read_parquet(data: bytes, batch: str, _columns: Sequence[Column]) -> pa.Table:
    """Return the file's own columns, as they are typed in it."""
    try:
        table = pq.read_table(io.BytesIO(data), use_threads=False, page_checksum_verification=True)
        table.validate(full=True)
    except (pa.ArrowException, OSError):
        problem = "its file is truncated, damaged, or no Parquet file."
        raise BatchRefusedError.of(batch, problem, WHOLE) from None
    return table


def _check_names(found: Sequence[str], batch: str, columns: Sequence[Column]) -> None:
    """Refuse a table whose columns are not the declared ones, each once, in any order."""
    declared = [column.name for column in columns]
    twice = [name for name, count in Counter(found).items() if count > 1]
    missing = [name for name in declared if name not in found]
    # Without one declared name the first line may be no header: its "names" may be personal.
    extra = [name for name in found if name not in declared] if len(missing) < len(declared) else []
    faults = {"has more than once": twice, "lacks": missing, "has undeclared": extra}
    told = [
        f"{fault} {_count(len(names), 'column', show=False)} {', '.join(map(repr, names))}"
        for fault, names in faults.items()
        if names
    ]
    if told:
        fix = (
            f"land a comma-separated file with exactly the columns {', '.join(declared)}, or "
            "change the pipeline's declaration."
        )
        raise BatchRefusedError.of(batch, f"its file {'; it '.join(told)}.", fix)


def _series(values: pa.ChunkedArray, batch: str, column: Column) -> pd.Series:
    """Return a column as its declared type, or refuse the batch by the rows that are not."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    found = values.type
    if not _convertible(found, column.dtype):
        problem = f"its column {column.name!r} is stored as {found} instead of {column.dtype}."
        raise BatchRefusedError.of(batch, problem, "store it as the pipeline declares it.")
    if pa.types.is_floating(found) and column.dtype == "int64":
        # pandas stores a column of whole numbers with gaps as floats with NaN.
        values = pc.if_else(pc.is_nan(values), None, values)
    try:
        typed = _at_once(values, column)
    except pa.ArrowInvalid:
        typed = _each(values.combine_chunks(), batch, column)
    gaps = column.dtype == "int64" and (column.nullable or typed.null_count)
    mapper = {pa.int64(): pd.Int64Dtype()}.get if gaps else None
    series: pd.Series = typed.to_pandas(types_mapper=mapper)
    return series


def _convertible(found: pa.DataType, dtype: str) -> bool:
    """Return whether a stored type can hold values of a declared one, so that each is tried."""
    types = pa.types
    text = types.is_string(found) or types.is_large_string(found) or types.is_null(found)
    number = types.is_integer(found) or types.is_floating(found) or types.is_decimal(found)
    moment = types.is_date(found) or (types.is_timestamp(found) and not found.tz)
    other = {"string": False, "int64": number, "float64": number, "timestamp": moment}
    return bool(text or other[dtype])


def _at_once(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Return the values converted; ArrowInvalid if one of them is not of the column's type."""
    text = column.dtype == "int64" and pa.types.is_string(values.type)
    if text and pc.any(pc.match_substring_regex(values, "[xX]")).as_py():
        # Arrow would read 0x1F as 31.
        raise pa.ArrowInvalid
    return values.cast(ARROW_TYPES[column.dtype])


def _each(values: pa.Array, batch: str, column: Column) -> pa.Array:
    """Return the values converted one by one, or refuse the batch by those that cannot be."""
    wanted = ARROW_TYPES[column.dtype]
    converted = []
    bad = []
    for row, value in enumerate(values, start=1):
        try:
            converted.append(_one(value, wanted))
        except pa.ArrowInvalid:
            bad.append(row)
    if bad:
        named = ", ".join(map(str, bad[:ROWS_NAMED]))
        more = f" and {len(bad) - ROWS_NAMED} more" if len(bad) > ROWS_NAMED else ""
        problem = (
            f"its column {column.name!r} ({column.dtype}) has values that are not "
            f"{NOT_OF_TYPE[column.dtype]}, in {_count(len(bad), 'row', show=False)} {named}{more}."
        )
        fix = "correct these rows at the source, or declare another type."
        raise BatchRefusedError.of(batch, problem, fix)
    return pa.array(converted, type=wanted)


def _one(value: pa.Scalar, wanted: pa.DataType) -> object:
    """Return one value as Python's; whole numbers may be written ``5.0``."""
    if pa.types.is_integer(wanted) and isinstance(value.as_py(), str):
        whole = WHOLE_NUMBER.fullmatch(value.as_py())
        if whole is None:
            raise pa.ArrowInvalid
        value = pa.scalar(whole[1].removeprefix("+"))
    return value.cast(wanted).as_py()


def _count(count: int, noun: str, *, show: bool = True) -> str:
    """Return the noun in its number, behind the number itself if that is shown."""
    noun = noun if count == 1 else f"{noun}s"
    return f"{count} {noun}" if show else noun
