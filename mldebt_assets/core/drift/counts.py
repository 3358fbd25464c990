"""A batch counted against a reference: what a drift report is made from.

The reference's sketch gives each numeric column its quantile edges, and each column of categories
those that it knows; counts on them are exact, merge by addition in any order, and name the
reference by its hash, since counts on other edges cannot be added. A report over any window of
batches is then a sum. Where only sketches are there (the reference itself; batches that were
counted against another champion's reference) their summaries are counted instead: each share of
rows below an edge is then off by less than 1/1024.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from safetensors.numpy import load, save

from mldebt_assets.core.drift.grid import FastCounts, Grid, fast_counts, grid_of
from mldebt_assets.core.drift.moments import Moments, merge_moments
from mldebt_assets.core.drift.sketch import (
    CategorySketch,
    NumberSketch,
    Sketch,
    as_numbers,
    counted,
    header_of,
    place,
)
from mldebt_assets.core.drift.statistics import Counts, Values, bin_counts, weighted_edges
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.fingerprint import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

HEADER = "counts"
FAST_ROWS = 100_000
"""From so many rows on, compiled code saves more than importing numba costs."""


@dataclass(frozen=True)
class NumberBins:
    """The bins of a numeric column: open below the first edge and above the last."""

    sketch: NumberSketch
    edges: Values

    @functools.cached_property
    def grid(self) -> Grid:
        """The table that finds a value's bin."""
        return grid_of(self.edges, self.sketch.summary)

    @property
    def size(self) -> int:
        """How many bins there are."""
        return self.edges.size + 1


@dataclass(frozen=True)
class CategoryBins:
    """The slots of a column: one a category of the reference, then others, then unseen ones.

    ``others`` are those that the reference may have had beyond the bound of its sketch.
    """

    sketch: CategorySketch

    @functools.cached_property
    def slots(self) -> dict[str, int]:
        """The slot of each category that the reference counted."""
        return {category: slot for slot, category in enumerate(self.sketch.counts)}

    @property
    def size(self) -> int:
        """How many slots there are."""
        return len(self.sketch.counts) + 2

    @functools.cached_property
    def bound(self) -> str | None:
        """The place above which categories of the reference were not counted, if any is."""
        return max(map(place, self.sketch.counts)) if self.sketch.others else None

    def count(self, found: Iterable[tuple[str, int]], others: int = 0) -> Counts:
        """Return the rows of each slot."""
        counts = np.zeros(self.size, dtype=np.int64)
        counts[-2] = others
        for category, rows in found:
            slot = self.slots.get(category)
            if slot is None:
                slot = -2 if self.bound is not None and place(category) > self.bound else -1
            counts[slot] += rows
        return counts


Bins: TypeAlias = NumberBins | CategoryBins


@dataclass(frozen=True)
class TableCounts:
    """A table counted on a reference's bins: those of all columns one after another.

    ``missing``, ``lowest`` and ``highest`` are of shape (columns,); the latter two are infinite
    where a column has no finite value, and of categories. ``moments`` is None where correlations
    were not summed up.
    """

    reference: str
    rows: int
    counts: Counts
    missing: Counts
    lowest: Values
    highest: Values
    moments: Moments | None = None


@dataclass(frozen=True)
class Reference:
    """What batches are held against: a sketch under the hash that names it, and its bins."""

    hash: str
    sketch: Sketch
    bins: tuple[Bins, ...]

    @functools.cached_property
    def counts(self) -> TableCounts:
        """The reference's own counts."""
        return count_sketch(self.sketch, self)

    @functools.cached_property
    def parts(self) -> list[slice]:
        """Where each column's counts stand among those of all."""
        stops = np.cumsum([0, *(bins.size for bins in self.bins)]).tolist()
        return [slice(*ends) for ends in itertools.pairwise(stops)]


def reference_of(sketch: Sketch, name: str) -> Reference:
    """Return what batches are held against; ``name`` is the hash that identifies it."""
    bins: list[Bins] = []
    for column in sketch.columns:
        if isinstance(column, CategorySketch):
            bins.append(CategoryBins(column))
        else:
            summary = column.summary
            known = summary.values.size > 0
            edges = weighted_edges(summary.values, summary.weights) if known else np.empty(0)
            bins.append(NumberBins(column, edges))
    return Reference(name, sketch, tuple(bins))


def count(table: pd.DataFrame, against: Reference, moments: Moments | None = None) -> TableCounts:
    """Return the table's exact counts, in one pass over its rows.

    Large tables are counted by compiled code where numba is installed, with the same result.
    Raises: KeyError if the table lacks a column.
    """
    counts, missing, lowest, highest = [], [], [], []
    for bins in against.bins:
        series = table[bins.sketch.name]
        if isinstance(bins, CategoryBins):
            slots = bins.count(counted(series))
            found = FastCounts(slots, len(series) - int(slots.sum()), np.inf, -np.inf)
        else:
            found = count_numbers(as_numbers(series), bins)
        counts.append(found.counts)
        missing.append(found.missing)
        lowest.append(found.lowest)
        highest.append(found.highest)
    return TableCounts(
        reference=against.hash,
        rows=len(table),
        counts=np.concatenate([np.empty(0, np.int64), *counts]),
        missing=np.array(missing, dtype=np.int64),
        lowest=np.array(lowest, dtype=np.float64),
        highest=np.array(highest, dtype=np.float64),
        moments=moments,
    )


def count_numbers(values: Values, bins: NumberBins) -> FastCounts:
    """Return the counts of one numeric column, its missing values, minimum and maximum."""
    if values.size >= FAST_ROWS and bins.edges.size:
        fast = fast_counts(values, bins.grid)
        if fast is not None:
            return fast
    counts = bin_counts(values, bins.edges)
    finite = np.isfinite(values)
    return FastCounts(
        counts,
        values.size - int(counts.sum()),
        float(values.min(initial=np.inf, where=finite)),
        float(values.max(initial=-np.inf, where=finite)),
    )


def count_sketch(sketch: Sketch, against: Reference) -> TableCounts:
    """Return a sketch's counts: of categories exact, of numbers to 1/1024 of the rows.

    Raises: UnlikeSketchesError if it is not of the reference's columns.
    """
    counts = []
    for column, bins in zip(sketch.columns, against.bins, strict=False):
        if isinstance(column, NumberSketch) and isinstance(bins, NumberBins):
            counts.append(column.summary.counts(bins.edges))
        elif isinstance(column, CategorySketch) and isinstance(bins, CategoryBins):
            counts.append(bins.count(column.counts.items(), column.others))
    names = [column.name for column in sketch.columns]
    if len(counts) < len(names) or names != [bins.sketch.name for bins in against.bins]:
        raise UnlikeSketchesError.of("columns")
    summaries = [c.summary if isinstance(c, NumberSketch) else None for c in sketch.columns]
    lowest = [one.lowest if one else None for one in summaries]
    highest = [one.highest if one else None for one in summaries]
    return TableCounts(
        reference=against.hash,
        rows=sketch.rows,
        counts=np.concatenate([np.empty(0, np.int64), *counts]),
        missing=np.array([column.missing for column in sketch.columns], dtype=np.int64),
        lowest=np.array([np.inf if one is None else one for one in lowest]),
        highest=np.array([-np.inf if one is None else one for one in highest]),
        moments=sketch.moments,
    )


def merge_counts(parts: Sequence[TableCounts]) -> TableCounts:
    """Return the counts of all parts' rows together.

    Raises: UnlikeSketchesError if they are counted on the bins of different references.
    """
    if len({part.reference for part in parts}) > 1:
        raise UnlikeSketchesError.of("reference")
    moments = [part.moments for part in parts if part.moments is not None]
    return TableCounts(
        reference=parts[0].reference,
        rows=sum(part.rows for part in parts),
        counts=np.sum([part.counts for part in parts], axis=0),
        missing=np.sum([part.missing for part in parts], axis=0),
        lowest=np.min([part.lowest for part in parts], axis=0),
        highest=np.max([part.highest for part in parts], axis=0),
        moments=merge_moments(moments) if len(moments) == len(parts) else None,
    )


ARRAYS = ("counts", "missing", "lowest", "highest")


def to_bytes(counts: TableCounts) -> bytes:
    """Return the counts as one safetensors file; equal counts give equal bytes."""
    arrays = {name: getattr(counts, name) for name in ARRAYS}
    if counts.moments is not None:
        arrays |= {f"moments/{f.name}": getattr(counts.moments, f.name) for f in fields(Moments)}
    header = canonical_json({"reference": counts.reference, "rows": counts.rows})
    return save(arrays, metadata={HEADER: header.decode()})


def from_bytes(data: bytes) -> TableCounts:
    """Return the counts that :func:`to_bytes` stored."""
    arrays = load(data)
    header = header_of(data, HEADER)
    of_moments: dict[str, Any] = {
        field.name: arrays[f"moments/{field.name}"]
        for field in fields(Moments)
        if f"moments/{field.name}" in arrays
    }
    return TableCounts(
        reference=header["reference"],
        rows=header["rows"],
        counts=arrays["counts"],
        missing=arrays["missing"],
        lowest=arrays["lowest"],
        highest=arrays["highest"],
        moments=Moments(**of_moments) if of_moments else None,
    )
