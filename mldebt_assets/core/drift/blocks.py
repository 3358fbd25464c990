"""A table counted in blocks of its rows: what the drift rule is calibrated on.

A block is the rows that share a value of one column, the day for instance. Reference and batch are
counted apart, each once, and stored; whenever a batch is judged its blocks are laid beside the
reference's. Where there are too many values for a block each, runs of neighbours share one: a power
of two of them, so that blocks which were counted apart can still be made equally long.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, fields
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load, save

from mldebt_assets.core.drift.counts import (
    Reference,
    TableCounts,
    count,
    merge_counts,
)
from mldebt_assets.core.drift.moments import Moments, moments_of
from mldebt_assets.core.drift.sketch import as_numbers, header_of
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.features import group_names
from mldebt_assets.core.fingerprint import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

HEADER = "blocks"
ARRAYS = ("counts", "missing", "lowest", "highest", "beyond")

MOST_BLOCKS = 400
"""Of more groups, neighbours share a block."""


@dataclass(frozen=True)
class BlockCounts:
    """A table's rows on the bins of one reference, apart for each block.

    ``unit`` is what a block is, for a human: the name of the column whose values part them. In
    the order of these values, ``values_a_block`` of them share a block, which is named by its
    first.
    """

    unit: str
    values_a_block: int
    parts: Mapping[str, TableCounts]

    @functools.cached_property
    def whole(self) -> TableCounts:
        """The counts of all rows together."""
        return merge_counts(list(self.parts.values()))


@dataclass(frozen=True)
class Blocks:
    """The blocks of both samples, equally long; ``seed`` draws how they are divided."""

    unit: str
    reference: Sequence[TableCounts]
    current: Sequence[TableCounts]
    seed: int = 0

    @property
    def ways(self) -> int:
        """In how many ways as many blocks as the batch has can be chosen of all."""
        return comb(len(self.reference) + len(self.current), len(self.current))

    @property
    def sizes(self) -> str:
        """How many blocks there are, for a human."""
        return (
            f"{len(self.reference)} blocks of the reference and {len(self.current)} of the "
            f"current rows, by {self.unit}"
        )


def count_blocks(table: pd.DataFrame, unit: str | None, against: Reference) -> BlockCounts:
    """Return the table's counts by the values of ``unit`` (days of a time), in at most 400 blocks.

    Rows without a value are a block of their own; a table without rows, or a unit, is one block.
    """
    if unit is None:
        return in_one_block(table, against)
    run, blocks = parted(table, group_names(table[unit]))
    return BlockCounts(unit, run, {name: _counted(rows, against) for name, rows in blocks})


def parted(
    table: pd.DataFrame, groups: pd.Series[Any]
) -> tuple[int, Iterator[tuple[str, pd.DataFrame]]]:
    """Return how many groups share a block, and of each block its name and its rows of a table."""
    import pandas as pd

    codes, values = pd.factorize(groups.astype(str).to_numpy(dtype=object), sort=True)
    run = _run(values.size)
    block = codes // run
    ordered = table.iloc[np.argsort(block, kind="stable")]
    stops = np.cumsum(np.bincount(block, minlength=1)).tolist()
    names = values[::run].tolist() or [""]
    parts = (ordered.iloc[start:stop] for start, stop in itertools.pairwise([0, *stops]))
    return run, zip(names, parts, strict=True)


def in_one_block(table: pd.DataFrame, against: Reference) -> BlockCounts:
    """Return the table's counts where it is not parted."""
    return BlockCounts("", 1, {"": _counted(table, against)})


def laid_beside(reference: BlockCounts, current: BlockCounts, seed: int = 0) -> Blocks:
    """Return both samples in blocks of as many values, 400 blocks in all at most.

    Raises: UnlikeSketchesError if they are parted by different columns, or count others.
    """
    sizes = {part.counts.size for one in (reference, current) for part in one.parts.values()}
    if reference.unit != current.unit or len(sizes) > 1:
        raise UnlikeSketchesError.of("columns")
    run = max(reference.values_a_block, current.values_a_block)
    while _blocks(reference, run) + _blocks(current, run) > MOST_BLOCKS:
        run *= 2
    return Blocks(reference.unit, _in_runs(reference, run), _in_runs(current, run), seed)


def join(batches: Sequence[BlockCounts]) -> BlockCounts | None:
    """Return the blocks of all batches' rows; a value that several batches have is one block.

    None where several values share a block: those of another batch would be parted elsewhere.

    Raises: UnlikeSketchesError if they are parted by different columns.
    """
    if len({one.unit for one in batches}) > 1:
        raise UnlikeSketchesError.of("columns")
    if any(one.values_a_block > 1 for one in batches):
        return None
    found: dict[str, list[TableCounts]] = {}
    for one in batches:
        for name, part in one.parts.items():
            found.setdefault(name, []).append(part)
    joined = {name: merge_counts(found[name]) for name in sorted(found)}
    return BlockCounts(batches[0].unit, 1, joined)


def to_bytes(blocks: BlockCounts) -> bytes:
    """Return the blocks as one safetensors file; equal blocks give equal bytes."""
    parts = list(blocks.parts.values())
    arrays = {name: np.stack([getattr(part, name) for part in parts]) for name in ARRAYS}
    arrays["rows"] = np.array([part.rows for part in parts], dtype=np.int64)
    arrays["counts"] = arrays["counts"].astype(np.min_scalar_type(arrays["counts"].max(initial=0)))
    moments = [part.moments for part in parts if part.moments is not None]
    arrays |= {
        f"moments/{field.name}": np.stack([getattr(one, field.name) for one in moments])
        for field in fields(Moments)
    }
    header = {
        "reference": parts[0].reference,
        "unit": blocks.unit,
        "values_a_block": blocks.values_a_block,
        "names": list(blocks.parts),
    }
    return save(arrays, metadata={HEADER: canonical_json(header).decode()})


def from_bytes(data: bytes) -> BlockCounts:
    """Return the blocks that :func:`to_bytes` stored.

    Raises: UnlikeSketchesError if an older version stored them, without all that is counted now.
    """
    arrays = load(data)
    if not arrays.keys() >= {*ARRAYS, "rows"}:
        raise UnlikeSketchesError.of("version")
    header = header_of(data, HEADER)
    arrays["counts"] = arrays["counts"].astype(np.int64)
    parts = {}
    for place, name in enumerate(header["names"]):
        of_moments: dict[str, Any] = {
            field.name: arrays[f"moments/{field.name}"][place] for field in fields(Moments)
        }
        parts[name] = TableCounts(
            reference=header["reference"],
            rows=int(arrays["rows"][place]),
            moments=Moments(**of_moments),
            **{field: arrays[field][place] for field in ARRAYS},
        )
    return BlockCounts(header["unit"], header["values_a_block"], parts)


def _counted(rows: pd.DataFrame, against: Reference) -> TableCounts:
    numbers = [as_numbers(rows[name]) for name in against.sketch.numbers]
    return count(rows, against, moments_of(numbers))


def _run(values: int) -> int:
    """Return the least power of two of which so many values make at most 400 blocks."""
    run = 1
    while -(-values // run) > MOST_BLOCKS:
        run *= 2
    return run


def _blocks(counted: BlockCounts, run: int) -> int:
    return -(-len(counted.parts) * counted.values_a_block // run)


def _in_runs(counted: BlockCounts, run: int) -> list[TableCounts]:
    together = run // counted.values_a_block
    parts = list(counted.parts.values())
    if together == 1:
        return parts
    return [merge_counts(parts[at : at + together]) for at in range(0, len(parts), together)]
