"""Any CSV or Parquet file as a table, without a declaration: of a CSV every value as text."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from mldebt_assets.core.errors import NoSuchFileError, TableFileError
from mldebt_assets.sources import memory

if TYPE_CHECKING:
    from pathlib import Path

PARQUET_MAGIC = b"PAR1"
DELIMITERS = (",", ";", "\t")
HEADER_BYTES = 1 << 16
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHOLE = "write the file again, whole."


def read_table(path: Path) -> pa.Table:
    """Return the table that a file holds; Parquet is known by its first bytes, not by its name.

    A CSV is UTF-8 with one header line; commas, semicolons or tabs stand between its values.

    Raises: NoSuchFileError if it is not there; TableFileError if it is no table, is cut off,
            names a column twice, has no row, or is larger than memory suffices for.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEADER_BYTES)
    except OSError as problem:
        raise NoSuchFileError.of(str(path), problem.strerror or str(problem)) from problem
    if not head.strip():
        raise TableFileError.of(str(path), "it is empty.", WHOLE)
    try:
        is_parquet = head.startswith(PARQUET_MAGIC) or path.suffix == ".parquet"
        _require_room(path, is_parquet=is_parquet)
        table = pq.read_table(path) if is_parquet else _read_csv(path, head)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError):
        # What Arrow says may hold values of a row.
        found = "it is truncated, damaged, or neither CSV in UTF-8 nor Parquet."
        raise TableFileError.of(str(path), found, f"{WHOLE[:-1]}, as one of the two.") from None
    twice = [name for name, times in Counter(table.column_names).items() if times > 1]
    if twice:
        raise TableFileError.of(
            str(path), f"it has {', '.join(map(repr, twice))} twice.", "rename one of the two."
        )
    if not table.num_rows:
        fix = "name a file with rows below the header line."
        raise TableFileError.of(str(path), "it has columns, but no rows.", fix)
    return table


def _require_room(path: Path, *, is_parquet: bool) -> None:
    """Raise TableFileError, before anything is read, where memory does not suffice for a table."""
    size = path.stat().st_size
    if is_parquet:
        stated = pq.read_metadata(path)
        groups = range(stated.num_row_groups)
        size = max(size, sum(stated.row_group(place).total_byte_size for place in groups))
    if told := memory.beyond(size):
        fix = "name a part of it, or give this process more memory."
        raise TableFileError.of(str(path), f"it has {size:,} bytes, and {told}.", fix)


def _read_csv(path: Path, head: bytes) -> pa.Table:
    uneven: list[pa_csv.InvalidRow] = []

    def note(row: pa_csv.InvalidRow) -> str:
        uneven.append(row)
        return "skip"

    parsing = pa_csv.ParseOptions(
        delimiter=_delimiter(head), newlines_in_values=True, invalid_row_handler=note
    )
    with pa_csv.open_csv(path, parse_options=parsing) as opened:
        names = opened.schema.names
    uneven.clear()
    parsing.ignore_empty_lines = len(names) > 1
    texts = pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    table = pa_csv.read_csv(path, parse_options=parsing, convert_options=texts)
    if uneven:
        first = uneven[0]
        problem = (
            f"{len(uneven)} of its rows have the wrong number of values; the first of them has "
            f"{first.actual_columns} instead of {first.expected_columns}."
        )
        fix = "write the file again, whole, with values that hold a delimiter in quotes."
        raise TableFileError.of(str(path), problem, fix)
    return table


def _delimiter(head: bytes) -> str:
    """Return what stands between the names of the header line."""
    line = head.removeprefix(BYTE_ORDER_MARK).partition(b"\n")[0].decode("utf-8", "replace")
    return max(DELIMITERS, key=line.count)
