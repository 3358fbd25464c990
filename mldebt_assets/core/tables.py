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
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mldebt_assets.core.column_types import count_of, found_in, typed
from mldebt_assets.core.errors import BatchRefusedError, SchemaChangedError
from mldebt_assets.core.schema_change import renamed_or_gone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.schema import Column

WHOLE = "land the file again, whole."


def parse(data: bytes, *, batch: str, suffix: str, columns: Sequence[Column]) -> pd.DataFrame:
    r"""Return the batch's rows, in their order, with the declared columns, in theirs.

    Args:    the file's bytes, and its suffix: ``.csv`` (UTF-8, commas, one header line) or
             ``.parquet``.
    Raises:  BatchRefusedError, which names the batch and what is at fault, if the file is empty,
             truncated, not UTF-8, repeats a column, has none that is declared, or if a value is
             not of its column's type; SchemaChangedError, which is one too, if it lacks a column,
             has one that is not declared, or one of another type.

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
    told = _check_names(table.column_names, batch, columns)
    if table.num_rows == 0 and not told:
        raise BatchRefusedError.of(batch, "its file has columns, but no rows.", WHOLE)
    series, retyped_columns, faulty = typed(table, columns)
    if told or retyped_columns:
        declared = {column.name for column in columns}
        names = set(table.column_names)
        new = [found_in(name, table.column(name)) for name in sorted(names - declared)]
        missing = [column for column in columns if column.name not in names]
        changes = [*renamed_or_gone(missing, new), *retyped_columns]
        told += [change.sentence for change in changes if change.change in {"renamed", "retyped"}]
        raise SchemaChangedError.of_changes(batch, changes, told, faulty)
    if faulty:
        fix = "correct these rows at the source, or declare another type."
        raise BatchRefusedError.of(batch, " ".join(faulty), fix)
    return pd.DataFrame(series)


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
            f"{count_of(len(uneven), 'row')} of its file {'has' if len(uneven) == 1 else 'have'} "
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
