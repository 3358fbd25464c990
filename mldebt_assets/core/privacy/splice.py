"""Values of a CSV file replaced in its very bytes, many rows at once; all other bytes stay.

A row costs no Python: where fields begin and end is found by numpy, and Arrow puts the new values
between the old bytes. Each different value is asked about once a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

BLOCK_BYTES = 1 << 24
COMMA, QUOTE, NEW_LINE, RETURN = b',"\n\r'
TELLING = np.zeros(256, dtype=bool)
TELLING[[COMMA, QUOTE, NEW_LINE]] = True


def spliced(
    data: bytes, width: int, at: Sequence[int], replace: Callable[[bytes], bytes]
) -> bytes | None:
    r"""Return the records of a CSV file with other values in the columns at some places.

    Args: ``width``, the number of columns; ``data`` without their header; ``replace`` is given a
          field as it is written, quotes and all, and returns what is written instead.
    Returns None where this cannot tell the fields apart: rows of another width, unclosed quotes,
    carriage returns that end no line.

    >>> spliced(b'1,"a, b"\n2,c\n', 2, [1], bytes.upper)
    b'1,"A, B"\n2,C\n'
    """
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    signs = np.frombuffer(data, dtype=np.uint8)
    made, start = [], 0
    while start < len(data):
        block = signs[start : start + BLOCK_BYTES]
        found = rows_in(block, width, is_last=start + len(block) == len(data))
        if found is None:
            return None
        made.append(written(block[: found.bytes], found.bounds(sorted(at)), replace))
        start += found.bytes
    return b"".join(made)


@dataclass(frozen=True)
class Rows:
    """Where the fields of a block's whole, not empty rows begin and end; ``bytes`` are theirs.

    ``commas`` has a row's commas in a row.
    """

    starts: NDArray[np.int64]
    commas: NDArray[np.int64]
    stops: NDArray[np.int64]
    bytes: int

    def bounds(self, at: Sequence[int]) -> NDArray[np.int64]:
        """Return where the fields at these places begin and end, in the order of the bytes."""
        edges = np.column_stack([self.starts - 1, self.commas, self.stops])
        pairs = [bound for place in at for bound in (edges[:, place] + 1, edges[:, place + 1])]
        return np.column_stack(pairs).ravel()


def rows_in(block: NDArray[np.uint8], width: int, *, is_last: bool) -> Rows | None:
    """Return where the fields of a block are that begins with a row; None where nobody can tell."""
    telling = np.flatnonzero(TELLING[block])
    signs = block[telling]
    is_open = np.cumsum(signs == QUOTE) % 2 == 1
    apart = telling[~is_open & (signs != QUOTE)]
    ends = np.flatnonzero(block[apart] == NEW_LINE)
    if is_last and (not len(ends) or apart[ends[-1]] != len(block) - 1):
        if len(is_open) and is_open[-1]:
            return None
        apart = np.append(apart, len(block))
        ends = np.append(ends, len(apart) - 1)
    if not len(ends):
        return None
    stops, commas = apart[ends], np.diff(ends, prepend=-1) - 1
    end = min(int(stops[-1]) + 1, len(block))
    starts = np.concatenate([[0], stops[:-1] + 1])
    stops = stops - ((stops > starts) & (block[stops - 1] == RETURN))
    full = stops > starts
    if (commas[full] != width - 1).any():
        return None
    first = (ends - commas)[full]
    return Rows(starts[full], apart[first[:, None] + np.arange(width - 1)], stops[full], end)


def written(
    block: NDArray[np.uint8],
    bounds: NDArray[np.int64],
    replace: Callable[[bytes], bytes],
) -> bytes:
    """Return a block with what lies between each pair of bounds replaced."""
    edges = np.concatenate([[0], bounds, [len(block)]]).astype(np.int64)
    pieces = as_array(edges, block)
    places = np.arange(len(pieces))
    fields = pieces.take(pa.array(places[1::2])).dictionary_encode()
    new = pa.array(map(replace, fields.dictionary.to_pylist()), pa.large_binary())
    places[1::2] = len(pieces) + fields.indices.to_numpy()
    made = pa.concat_arrays([pieces, new]).take(pa.array(places))
    _, ends, held = made.buffers()
    length = int(np.frombuffer(ends, dtype=np.int64)[len(made)])
    return bytes(memoryview(held)[:length]) if held is not None else b""


def as_array(edges: NDArray[np.int64], block: NDArray[np.uint8]) -> Any:
    """Return the bytes between edges as Arrow's array, of which none is copied."""
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(block)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(edges) - 1, buffers)
