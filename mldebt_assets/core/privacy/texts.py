"""A batch's bytes as columns of text, for whoever looks for something in them before all else.

Nothing is declared and nothing refused here. What cannot be read as a table is read as lines.
"""

from __future__ import annotations

import io
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

LINES = "its lines"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
CSV_BLOCK_BYTES = 1 << 24


def columns_as_text(data: bytes, suffix: str) -> dict[str, pa.ChunkedArray]:
    """Return every column of a CSV or Parquet file as text, by its name.

    Where rows have another number of fields than the header line, and where the bytes are no such
    file at all, its lines are one more column: what is hidden there is looked at too.
    """
    try:
        if suffix == ".parquet":
            return of_parquet(data)
        table, uneven = of_csv(data)
    except (pa.ArrowException, OSError, ValueError):
        return {LINES: lines_of(data)}
    return {**table, LINES: lines_of(data)} if uneven else table


def of_csv(data: bytes) -> tuple[dict[str, pa.ChunkedArray], bool]:
    """Return the columns of a CSV file as text, and whether there are uneven rows beside them."""
    uneven = []

    def note(row: pa_csv.InvalidRow) -> str:
        uneven.append(row.number)
        return "skip"

    parsing = pa_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=note)
    reading = pa_csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES)
    head = pa_csv.open_csv(pa.BufferReader(data), read_options=reading, parse_options=parsing)
    names = head.schema.names
    head.close()
    uneven.clear()
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        read_options=reading,
        parse_options=parsing,
        convert_options=pa_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    return named(table), bool(uneven)


def of_parquet(data: bytes) -> dict[str, pa.ChunkedArray]:
    """Return the columns of a Parquet file as text; fractions and truth values tell of nobody."""
    table = pq.read_table(io.BytesIO(data), use_threads=False)
    return named(table)


def named(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return a table's columns as text by their names; of equal names, each later one is numbered.

    >>> list(named(pa.table([["a"], ["b"]], names=["x", "x"])))
    ['x', 'x (2)']
    """
    seen: Counter[str] = Counter()
    found: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        seen[name] += 1
        text = as_text(column)
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = text
    return found


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column's values as text: whole numbers without a point, nested values by Python."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_floating(kind) and whole_numbers(column):
        column = column.cast(pa.int64())
    if pa.types.is_binary(kind) or pa.types.is_nested(kind):
        texts = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])
    return column.cast(pa.string())


def whole_numbers(column: pa.ChunkedArray) -> bool:
    """Return whether all numbers of a column are whole, as keys with gaps are often stored."""
    largest = pc.max(pc.abs(column)).as_py()
    if largest is None or not largest < 2**63:
        return False
    return bool(pc.all(pc.equal(pc.floor(column), column)).as_py())


def lines_of(data: bytes) -> pa.ChunkedArray:
    """Return whatever text is in these bytes, in lines."""
    wide = data.startswith(UTF16_MARKS)
    text = data.decode("utf-16" if wide else "utf-8", errors="replace").replace("\0", "")
    return pa.chunked_array([pa.array(text.splitlines(), pa.string())])
