"""How far a sample has to travel to lie like another, from values or from counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.statistics import shares_of

if TYPE_CHECKING:
    from mldebt_assets.core.drift.lookup import Counted
    from mldebt_assets.core.drift.statistics import Counts, Values


def wasserstein(
    reference: Values,
    current: Values,
    reference_rows: Counts | Values,
    current_rows: Counts | Values,
) -> float:
    """Return the Wasserstein-1 distance: how far a value has to travel on average.

    Args:    finite values of each sample in any order, and the rows that each stands for.
    Returns: in the column's own unit, >= 0; the difference of the means for a pure shift.
    Raises:  EmptySampleError if either side counts nothing.
    Source:  Vallender 1973, the area between the distributions; equal to
             scipy.stats.wasserstein_distance.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([3.0, 4.0]), np.ones(2), np.ones(2))
    3.0
    """
    shares = shares_of(reference_rows, "reference"), -shares_of(current_rows, "current")
    values = np.concatenate([reference, current])
    order = np.argsort(values, kind="stable")
    gap = np.cumsum(np.concatenate(shares)[order])[:-1]
    with np.errstate(over="ignore"):
        steps = np.diff(values[order])
    return float(np.abs(gap) @ np.where(gap == 0, 0.0, steps))


def spread_over(
    counted: Counted, edges: Values, values: Values, rows: Counts
) -> tuple[Values, Values]:
    """Return values and the rows that each stands for, as a column's counts suggest them.

    Inside a bin the sample is taken to lie as the reference does, whose ``values`` stand for
    ``rows`` there, as far as its own minimum and maximum allow; where the reference has nothing, in
    the middle between what bounds the bin and the sample. What lies beyond the outermost edges is
    put at its mean: since all of the reference lies on one side of it, the Wasserstein distance is
    then the one of the rows. So the counts of the reference itself give the reference back.
    """
    counts, lowest, highest = counted.counts, counted.lowest, counted.highest
    bins = np.searchsorted(edges, values)
    inside = np.where((values >= lowest) & (values <= highest), rows, 0)
    known = np.bincount(bins, weights=inside, minlength=counts.size)
    share = counts / np.where(known > 0, known, 1)
    bare = np.flatnonzero((known == 0) & (counts > 0))
    left = np.clip(np.append(-np.inf, edges)[bare], lowest, highest)
    right = np.clip(np.append(edges, np.inf)[bare], lowest, highest)
    middle = left / 2 + right / 2
    if edges.size:
        middle[bare == 0] = edges[0] - counted.below / max(counts[0], 1)
        middle[bare == counts.size - 1] = edges[-1] + counted.above / max(counts[-1], 1)
    return np.append(values, middle), np.append(inside * share[bins], counts[bare])
