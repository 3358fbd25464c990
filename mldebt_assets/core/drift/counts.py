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
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.bins import Bins, CategoryBins, NumberBins
from mldebt_assets.core.drift.lookup import Counted, counted_by_sorting, counted_numbers
from mldebt_assets.core.drift.moments import Moments, merge_moments
from mldebt_assets.core.drift.sketch import (
    CategorySketch,
    NumberSketch,
    Sketch,
    as_numbers,
    counted,
)
from mldebt_assets.core.drift.statistics import Counts, Values, weighted_edges
from mldebt_assets.core.errors import UnlikeSketchesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


@dataclass(frozen=True)
class TableCounts:
    """A table counted on a reference's bins: those of all columns one after another.

    ``missing``, ``lowest`` and ``highest`` are of shape (columns,); the latter two are infinite
    where a column has no finite value, and of categories. ``beyond``, of shape (columns, 2), sums
    up how far values lie below the first edge and above the last, to the last digits the same in
    any order of merging. ``moments`` is None where correlations were not summed up.
    """

    reference: str
    rows: int
    counts: Counts
    missing: Counts
    lowest: Values
    highest: Values
    beyond: Values
    moments: Moments | None = None

    def column(self, place: int, part: slice) -> Counted:
        """Return one column's counts, which stand in ``part`` of all."""
        return Counted(
            self.counts[part],
            int(self.missing[place]),
            float(self.lowest[place]),
            float(self.highest[place]),
            *self.beyond[place].tolist(),
        )


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

    Raises: KeyError if the table lacks a column.
    """
    found = []
    for bins in against.bins:
        series = table[bins.sketch.name]
        if isinstance(bins, CategoryBins):
            slots = bins.count(counted(series))
            found.append(Counted(slots, len(series) - int(slots.sum())))
        else:
            found.append(count_numbers(as_numbers(series), bins))
    return _table_counts(against, len(table), found, moments)


def count_numbers(values: Values, bins: NumberBins) -> Counted:
    """Return the counts of one numeric column."""
    if bins.edges.size:
        return counted_numbers(values, bins.grid)
    return counted_by_sorting(values, bins.edges)


def count_sketch(sketch: Sketch, against: Reference) -> TableCounts:
    """Return a sketch's counts: of categories exact, of numbers to 1/1024 of the rows.

    Raises: UnlikeSketchesError if it is not of the reference's columns.
    """
    found = []
    for column, bins in zip(sketch.columns, against.bins, strict=False):
        if isinstance(column, NumberSketch) and isinstance(bins, NumberBins):
            found.append(_count_summary(column, bins.edges))
        elif isinstance(column, CategorySketch) and isinstance(bins, CategoryBins):
            slots = bins.count(column.counts.items(), column.others)
            found.append(Counted(slots, column.missing))
    names = [column.name for column in sketch.columns]
    if len(found) < len(names) or names != [bins.sketch.name for bins in against.bins]:
        raise UnlikeSketchesError.of("columns")
    return _table_counts(against, sketch.rows, found, sketch.moments)


def _count_summary(column: NumberSketch, edges: Values) -> Counted:
    summary = column.summary
    counts = summary.counts(edges)
    if not (summary.values.size and edges.size):
        return Counted(counts, column.missing)
    with np.errstate(over="ignore"):
        outside = edges[0] - summary.values, summary.values - edges[-1]
        below, above = (float(np.maximum(far, 0) @ summary.weights) for far in outside)
    ends = float(summary.values[0]), float(summary.values[-1])
    return Counted(counts, column.missing, *ends, below, above)


def _table_counts(
    against: Reference, rows: int, found: Sequence[Counted], moments: Moments | None
) -> TableCounts:
    return TableCounts(
        reference=against.hash,
        rows=rows,
        counts=np.concatenate([np.empty(0, np.int64), *(column.counts for column in found)]),
        missing=np.array([column.missing for column in found], dtype=np.int64),
        lowest=np.array([column.lowest for column in found], dtype=np.float64),
        highest=np.array([column.highest for column in found], dtype=np.float64),
        beyond=np.array([column[-2:] for column in found], dtype=np.float64).reshape(-1, 2),
        moments=moments,
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
        counts=_sum([part.counts for part in parts]),
        missing=np.sum([part.missing for part in parts], axis=0),
        lowest=np.min([part.lowest for part in parts], axis=0),
        highest=np.max([part.highest for part in parts], axis=0),
        beyond=np.sum([part.beyond for part in parts], axis=0),
        moments=merge_moments(moments) if len(moments) == len(parts) else None,
    )


def _sum(parts: Sequence[Counts]) -> Counts:
    """Return their sum, without a table of all of them, which no cache would hold."""
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
