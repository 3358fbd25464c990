"""Whose rows stand in a batch's bytes, and these bytes without them.

Of a CSV file no other byte changes. A Parquet file is written anew, in its order and types.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mldebt_assets.core.privacy.pseudonyms import (
    BYTE_ORDER_MARK,
    fields,
    records,
    value_of,
)
from mldebt_assets.core.privacy.texts import as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mldebt_assets.core.intake import Format

    Whose = Callable[[str], bool]


def without_rows(data: bytes, found: Format, column: str, is_theirs: Whose) -> tuple[bytes, int]:
    r"""Return a table's bytes without somebody's rows, and how many these were.

    Args: ``is_theirs`` says of a value of ``column``, as text, whether it is theirs. A table
          without the column has none of their rows.

    >>> without_rows(b"who,kg\nada,1\nbob,2\n", "csv", "who", "ada".__eq__)
    (b'who,kg\nbob,2\n', 1)
    """
    return without_places(data, found, theirs(data, found, column, is_theirs))


def theirs(data: bytes, found: Format, column: str, is_theirs: Whose) -> list[bool]:
    """Return, row by row, whether it is theirs; each value is asked about once."""
    known: dict[str, bool] = {"": False}
    places = []
    for value in _values(data, found, column):
        if value not in known:
            known[value] = is_theirs(value)
        places.append(known[value])
    return places


def without_places(data: bytes, found: Format, gone: Sequence[bool]) -> tuple[bytes, int]:
    r"""Return a table's bytes without the rows at some places, and how many these were.

    >>> without_places(b"who,kg\nada,1\n\nbob,2\n", "csv", [False, True])
    (b'who,kg\nada,1\n\n', 1)
    """
    if not any(gone):
        return data, 0
    if found == "parquet":
        table = pq.read_table(io.BytesIO(data), use_threads=False)
        sink = io.BytesIO()
        kept_rows = table.filter(pa.array([not one for one in gone]))
        pq.write_table(kept_rows, sink, compression="zstd", version="2.6")
        return sink.getvalue(), sum(gone)
    mark, rows = _opened(data)
    place = iter(gone)
    kept = [mark, next(rows, b"")]
    kept += [row for row in rows if not (row.rstrip(b"\r\n") and next(place))]
    return b"".join(kept), sum(gone)


def _values(data: bytes, found: Format, column: str) -> list[str]:
    """Return a column's values as text, "" where there is none; none at all without the column."""
    if found == "parquet":
        table = pq.read_table(io.BytesIO(data), use_threads=False)
        if column not in table.column_names:
            return []
        return [value or "" for value in as_text(table.column(column)).to_pylist()]
    _, rows = _opened(data)
    names = [value_of(field) for field in fields(next(rows, b"").rstrip(b"\r\n"))]
    if column not in names:
        return []
    position, values = names.index(column), []
    for row in rows:
        body = row.rstrip(b"\r\n")
        if body:
            parts = fields(body)
            values.append(value_of(parts[position]) if position < len(parts) else "")
    return values


def _opened(data: bytes) -> tuple[bytes, Iterator[bytes]]:
    """Return a CSV file's byte order mark, if it has one, and its records."""
    mark = BYTE_ORDER_MARK if data.startswith(BYTE_ORDER_MARK) else b""
    return mark, records(data[len(mark) :])
