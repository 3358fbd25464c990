"""A batch's bytes as columns of text, for whoever looks for something in them before all else.

Nothing is declared and nothing refused here. What cannot be read as a table is read as lines.
"""

from __future__ import annotations

import codecs
import io
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

LINES = "its lines"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
CSV_BLOCK_BYTES = 1 << 24
PART_BYTES = 1 << 24
LONGEST_VALUE = 2_000
OVERLAP = 300  # characters; an e-mail address has at most 254 (RFC 5321)


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
    """Return whatever text is in these bytes, in lines; each different one once a part of them.

    Parts, and pieces of long lines, overlap, so that what lies across a cut is seen whole.
    """
    wide = data.startswith(UTF16_MARKS)
    decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8")(errors="replace")
    parts, before = [], ""
    for start in range(0, max(len(data), 1), PART_BYTES):
        end = start + PART_BYTES
        text = before + decoder.decode(data[start:end], end >= len(data)).replace("\0", "")
        pieces = [piece for line in text.splitlines() for piece in pieces_of(line)]
        parts.append(pc.unique(pa.array(pieces, pa.string())))
        before = text[-OVERLAP:]
    return pa.chunked_array(parts, pa.string())


def pieces_of(line: str) -> list[str]:
    """Return a line in pieces that are looked at whole.

    >>> [len(piece) for piece in pieces_of("x" * 5000)]
    [2000, 2000, 1600]
    """
    step = LONGEST_VALUE - OVERLAP
    return [line[at : at + LONGEST_VALUE] for at in range(0, max(len(line) - OVERLAP, 1), step)]
