"""The quantile summary of a column: order statistics at fixed ranks, and how many rows each is for.

Of n values it keeps 1,025 at evenly spaced ranks, at both ends also those at ranks 2, 4, 8 and so
on, so that one outlier does not stand for a thousandth of the rows, and below a value that fills
more than one of these ranks its neighbour, so that a frequent value is counted exactly. Each kept
value stands for the rows above the one before it.

So the share of rows up to a kept value is exact, and between two of them too small by less than
1/1024. Merging adds up rows, and forgets nothing: it is exact integer arithmetic, in any order and
grouping, and that bound stays what it is however many are merged. Of up to 1,025 values nothing is
lost. A randomised sketch (KLL) would be smaller, but two passes would give different bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.drift.statistics import Counts, Values

KEPT = 1025
"""Evenly spaced order statistics, the smallest and the largest among them."""

RANK_ERROR = 1 / (KEPT - 1)
"""By less than this share of the rows the summary's distribution differs from that of the rows."""


@dataclass(frozen=True)
class Summary:
    """Ascending values, and the rows that each stands for; both of shape (kept,)."""

    values: Values
    weights: Counts

    @property
    def rows(self) -> int:
        """How many finite values it is made from."""
        return int(self.weights.sum())

    @property
    def lowest(self) -> float | None:
        """The exact minimum; None without any value."""
        return float(self.values[0]) if self.values.size else None

    @property
    def highest(self) -> float | None:
        """The exact maximum; None without any value."""
        return float(self.values[-1]) if self.values.size else None

    def counts(self, edges: Values) -> Counts:
        """Return how many rows lie in each bin, shape (edges + 1,); an edge lies below.

        Exact where the edge is a kept value, else each running sum is off by :data:`RANK_ERROR`.
        """
        running = np.append(0, np.cumsum(self.weights))
        at_most = running[np.searchsorted(self.values, edges, side="right")]
        return np.diff(at_most, prepend=0, append=running[-1])


def summary_of(values: Values) -> Summary:
    """Return the summary of the finite values among these; their order is of no account.

    >>> summary_of(np.array([2.0, 1.0, 2.0, np.nan]))
    Summary(values=array([1., 2.]), weights=array([1, 2]))
    """
    ordered = np.sort(values[np.isfinite(values)])
    ordered += 0.0  # so that -0.0, which sorts beside 0.0 in any order, is 0.0
    ranks = _ranks(ordered.size)
    kept, repeats = np.unique(ordered[ranks], return_counts=True)
    neighbours = np.searchsorted(ordered, kept[repeats > 1]) - 1
    kept = np.union1d(kept, ordered[neighbours[neighbours >= 0]])
    return Summary(kept, np.diff(np.searchsorted(ordered, kept, side="right"), prepend=0))


def merge_summaries(parts: Sequence[Summary]) -> Summary:
    """Return the summary of all parts' rows together."""
    if len(parts) == 1:
        return parts[0]
    values, place = np.unique(np.concatenate([part.values for part in parts]), return_inverse=True)
    weights = np.zeros(values.size, dtype=np.int64)
    np.add.at(weights, place, np.concatenate([part.weights for part in parts]))
    return Summary(values, weights)


def _ranks(size: int) -> Counts:
    if size <= KEPT:
        return np.arange(size)
    even = np.arange(KEPT) * (size - 1) // (KEPT - 1)
    tail = 2 ** np.arange(size.bit_length()) - 1
    tail = tail[tail < even[1]]
    return np.union1d(even, np.concatenate([tail, size - 1 - tail]))
