"""Bytes to tables and back: a batch's CSV or Parquet bytes become exactly the declared columns.

Nothing is guessed and nothing is dropped. Only an empty field is null ("NA" may be an airline),
and a value that is not of its column's type refuses the batch, by column and row. Rows are counted
from 1, below the header. No message holds a value: it might be personal.

Types: ``string`` is object with None, ``timestamp`` is datetime64[us], and ``int64`` is int64, or
Int64 where the column is nullable or, so that its rows can be quarantined, has a gap all the same.
"""

from __future__ import annotations

import io
from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mldebt_assets.core.column_types import count_of, found_in, nothing, typed
from mldebt_assets.core.errors import BatchRefusedError, SchemaChangedError
from mldebt_assets.core.intake import WHOLE, opened, too_large
from mldebt_assets.core.policies import Limits
from mldebt_assets.core.schema_change import renamed_or_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.schema import Column

DEFAULT_LIMITS = Limits()


def parse(
    data: bytes, *, batch: str, columns: Sequence[Column], limits: Limits = DEFAULT_LIMITS
) -> pd.DataFrame:
    r"""Return the batch's rows, in their order, with the declared columns, in theirs.

    Args:    the file's bytes: CSV (UTF-8, commas, one header line), bare or in gzip, or Parquet.
    Raises:  BatchRefusedError, which names the batch and what is at fault, if the file is empty,
             truncated, of another format, beyond its limits, repeats a column, has none that is
             declared, or if a value is not of its column's type; SchemaChangedError, which is one
             too, if it lacks a column, has one that is not declared, or one of another type.

    >>> from mldebt_assets.core.schema import Column
    >>> columns = (Column(name="carrier", dtype="string", meaning="airline"),)
    >>> parse(b"carrier\nNA\n", batch="2013-01", columns=columns)["carrier"][0]
    'NA'
    """
    data, found = opened(data, batch=batch, limits=limits)
    read = _read_csv(data, batch, columns) if found == "csv" else _read_parquet(data, batch, limits)
    table = _bearable(read, batch, limits)
    later = [c for c in columns if c.came_after(batch) and c.name not in table.column_names]
    expected = [column for column in columns if column not in later]
    told = _check_names(table.column_names, batch, expected)
    if table.num_rows == 0 and not told:
        raise BatchRefusedError.of(batch, "its file has columns, but no rows.", WHOLE)
    series, retyped_columns, faulty = typed(table, expected)
    if told or retyped_columns:
        declared = {column.name for column in columns}
        names = set(table.column_names)
        new = [found_in(name, table.column(name)) for name in sorted(names - declared)]
        missing = [column for column in expected if column.name not in names]
        changes = [*renamed_or_gone(missing, new, batch), *retyped_columns]
        told += [change.sentence for change in changes if change.change in {"renamed", "retyped"}]
        raise SchemaChangedError.of_changes(batch, changes, told, faulty)
    if faulty:
        fix = "correct these rows at the source, or declare another type."
        raise BatchRefusedError.of(batch, " ".join(faulty), fix)
    series |= {column.name: nothing(column, table.num_rows) for column in later}
    return pd.DataFrame({column.name: series[column.name] for column in columns})


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
            f"{count_of(len(uneven), 'row')} of its file {'has' if len(uneven) == 1 else 'have'} "
            f"the wrong number of fields: row {row} has {found} instead of {expected}."
        )
        fix = "land the file again, whole, with values that hold a comma in quotes."
        raise BatchRefusedError.of(batch, problem, fix)
    return table


def _read_parquet(data: bytes, batch: str, limits: Limits) -> pa.Table:
    """Return the file's own columns, as they are typed in it."""
    try:
        file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
        stated = file.metadata
        groups = [stated.row_group(place) for place in range(stated.num_row_groups)]
        unpacked = sum(group.total_byte_size for group in groups)
        if unpacked > limits.unpacked_bytes:
            said = f"unpacks to {unpacked:,} bytes, by its own footer"
            raise too_large(batch, said, "unpacked_bytes", limits.unpacked_bytes)
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError):
        problem = "its file is truncated, damaged, or no Parquet file."
        raise BatchRefusedError.of(batch, problem, WHOLE) from None
    if table.num_rows != stated.num_rows:
        problem = f"its footer says {stated.num_rows} rows, and it holds {table.num_rows}."
        raise BatchRefusedError.of(batch, problem, WHOLE)
    return table


def _bearable(table: pa.Table, batch: str, limits: Limits) -> pa.Table:
    """Return the table; refuse too many columns, one without a name, and values too long."""
    if table.num_columns > limits.columns:
        raise too_large(batch, f"has {table.num_columns:,} columns", "columns", limits.columns)
    if nameless := sum(not name.strip() for name in table.column_names):
        problem = f"its file has {count_of(nameless, 'column')} without a name."
        raise BatchRefusedError.of(batch, problem, "name every column in the header line.")
    for name, column in zip(table.column_names, table.columns, strict=True):
        packed = pa.types.is_dictionary(column.type)
        values = column.cast(column.type.value_type) if packed else column
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            continue
        longest = pc.max(pc.binary_length(values)).as_py() or 0
        if longest > limits.value_bytes:
            said = f"has a value of {longest:,} bytes in the column {name!r}"
            raise too_large(batch, said, "value_bytes", limits.value_bytes)
    return table


def _check_names(found: Sequence[str], batch: str, columns: Sequence[Column]) -> list[str]:
    """Return what is wrong with the names of a table's columns; they may be in any order.

    Raises: BatchRefusedError where none is declared or one comes twice: no change of the schema.
    """
    declared = [column.name for column in columns]
    twice = [name for name, count in Counter(found).items() if count > 1]
    missing = [name for name in declared if name not in found]
    # Without one declared name the first line may be no header: its "names" may be personal.
    headless = len(missing) == len(declared)
    extra = [] if headless else [name for name in found if name not in declared]
    faults = {"has more than once": twice, "lacks": missing, "has undeclared": extra}
    told = [
        f"{fault} {count_of(len(names), 'column', show=False)} {', '.join(map(repr, names))}"
        for fault, names in faults.items()
        if names
    ]
    if headless or twice:
        fix = f"land a comma-separated file with exactly the columns {', '.join(declared)}."
        raise BatchRefusedError.of(batch, f"its file {'; it '.join(told)}.", fix)
    return told
