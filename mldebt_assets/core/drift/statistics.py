"""How far two samples lie apart: functions of plain arrays that return a number.

Numbers are counted on bins that hold about equal parts of the reference, never on bins of equal
width: there a single outlier squeezes all other values into one bin, and hides whatever happens
to them. Categories are counted one by one. To add a statistic of counts, write its function and
add one line to :data:`STATISTICS`.

Whatever is not finite (NaN, infinity) is missing: it has no place among the bins, and its share
is watched on its own, as the counts of :func:`presence`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mldebt_assets.core.errors import EmptySampleError

if TYPE_CHECKING:
    from collections.abc import Callable

Values: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

FINE_BINS = 256
"""Bins for the Kolmogorov distance, which is then off by at most 1/256."""

COARSE_BINS = 10
"""Bins for the divergences: the ten for which PSI's customary limits, .1 and .25, were meant."""


def finite_sorted(values: Values, sample: str) -> Values:
    """Return the finite values in ascending order; ``sample`` is its name in an error.

    Raises: EmptySampleError if none is finite.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise EmptySampleError.of(sample, dropped=values.size)
    return np.sort(finite)


def quantile_edges(reference: Values, bins: int = FINE_BINS) -> Values:
    """Return the edges of bins that hold about equal parts of the reference, ascending.

    Every edge is a value of the reference and belongs to the bin below it; the first bin and the
    last are open. A value that fills a quantile or more, and the minimum, gets a bin of its own,
    so that not even a small move away from it stays unseen. At most ``bins`` + 2 edges.

    Raises: EmptySampleError if no value is finite.

    >>> quantile_edges(np.array([1.0, 2.0, 3.0, 4.0]), bins=2).round(6).tolist()
    [1.0, 1.0, 2.0, 4.0]
    """
    ordered = finite_sorted(reference, "reference")
    return weighted_edges(ordered, np.ones(ordered.size, dtype=np.int64), bins)


def weighted_edges(values: Values, weights: Counts, bins: int = FINE_BINS) -> Values:
    """Return the edges of :func:`quantile_edges` for ascending values that stand for many rows.

    >>> weighted_edges(np.array([1.0, 2.0]), np.array([3, 1]), bins=4).round(6).tolist()
    [1.0, 1.0, 2.0]
    """
    running = np.cumsum(weights)
    ranks = np.ceil(np.arange(1, bins + 1) * running[-1] / bins).astype(np.int64)
    quantiles, repeats = np.unique(values[np.searchsorted(running, ranks)], return_counts=True)
    own_bin = np.append(quantiles[repeats > 1], values[0])
    with np.errstate(over="ignore", under="ignore"):
        below = np.nextafter(own_bin, -np.inf)
    return np.unique(np.concatenate([quantiles, values[:1], below]))


def coarsen(reference: Counts, current: Counts, bins: int = COARSE_BINS) -> tuple[Counts, Counts]:
    """Return both counts with neighbouring bins merged to equal parts of the reference.

    Bins that stay empty on both sides are left out.

    Raises: EmptySampleError if the reference counts nothing.
    """
    share = shares_of(reference, "reference")
    middle = np.cumsum(share) - share / 2
    part = np.minimum((middle * bins).astype(np.int64), bins - 1)
    part = np.cumsum(np.diff(part, prepend=part[:1]) > 0)
    merged = [np.bincount(part, weights=side).astype(np.int64) for side in (reference, current)]
    return merged[0], merged[1]


def presence(missing: NDArray[np.bool_]) -> Counts:
    """Return how many values are there and how many are missing, shape (2,).

    The total variation of two such counts is the change of the missing share, and their
    chi-squared statistic is the square of the two-proportion z.
    """
    absent = int(np.count_nonzero(missing))
    return np.array([missing.size - absent, absent], dtype=np.int64)


def ks(reference: Counts, current: Counts) -> float:
    """Return the Kolmogorov distance: the largest difference between the two distributions.

    Args:    counts of the same ordered bins, shape (bins,).
    Returns: a difference of probabilities in [0, 1]; on the bins of :func:`quantile_edges` below
             the exact one by at most one bin's share of the reference.
    Raises:  EmptySampleError if either side counts nothing.
    Source:  Kolmogorov 1933, Smirnov 1939; equal to scipy.stats.ks_2samp where every value of
             both samples is an edge.

    >>> ks(np.array([5, 5]), np.array([10, 0]))
    0.5
    """
    gap = np.cumsum(shares_of(reference, "reference")) - np.cumsum(shares_of(current, "current"))
    return min(float(np.max(np.abs(gap))), 1.0)


def psi(reference: Counts, current: Counts) -> float:
    """Return the population stability index of ``current`` against ``reference``.

    Args:    counts of the same bins or categories, shape (bins,).
    Returns: nats, >= 0, 0 for equal counts; without drift about (bins - 1)(1/n + 1/m), so a
             fixed limit means little in small samples.
    Raises:  EmptySampleError if either side counts nothing.
    Source:  Siddiqi, Credit Risk Scorecards, 2006. Each bin gains half a count, so none is empty.

    >>> psi(np.array([5, 5]), np.array([50, 50]))
    0.0
    """
    shares_of(reference, "reference")
    shares_of(current, "current")
    expected = (reference + 0.5) / (reference + 0.5).sum()
    actual = (current + 0.5) / (current + 0.5).sum()
    return float(np.sum((actual - expected) * np.log(actual / expected)))


def jensen_shannon(reference: Counts, current: Counts) -> float:
    """Return the Jensen-Shannon distance: the root of the divergence in bits.

    Args:    counts of the same bins or categories, shape (bins,).
    Returns: in [0, 1]; 0 for equal shares, 1 for samples with no bin in common.
    Raises:  EmptySampleError if either side counts nothing.
    Source:  Lin, Divergence measures based on the Shannon entropy, 1991; equal to
             scipy.spatial.distance.jensenshannon(..., base=2).

    >>> jensen_shannon(np.array([5, 0]), np.array([0, 7]))
    1.0
    """
    sides = shares_of(reference, "reference"), shares_of(current, "current")
    middle = (sides[0] + sides[1]) / 2
    divergence = 0.0
    for share in sides:
        some = share > 0
        divergence += float(np.sum(share[some] * np.log2(share[some] / middle[some]))) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def total_variation(reference: Counts, current: Counts) -> float:
    """Return the share of rows that would have to move for the two to be alike.

    Args:    counts of the same bins or categories, shape (bins,).
    Returns: half the sum of the absolute differences of the shares, in [0, 1].
    Raises:  EmptySampleError if either side counts nothing.

    >>> total_variation(np.array([6, 2, 0]), np.array([4, 2, 2]))
    0.25
    """
    gap = shares_of(reference, "reference") - shares_of(current, "current")
    return min(float(np.abs(gap).sum() / 2), 1.0)


def chi_squared(reference: Counts | Values, current: Counts | Values) -> float:
    """Return the chi-squared statistic of the hypothesis that both have one distribution.

    Args:    counts of the same bins or categories, shape (bins,); the sizes may differ.
    Returns: >= 0; without drift about the number of bins filled on either side, less one.
    Raises:  EmptySampleError if either side counts nothing.
    Source:  Pearson 1900; equal to scipy.stats.chi2_contingency(..., correction=False).

    >>> chi_squared(np.array([10, 10]), np.array([20, 20]))
    0.0
    """
    gap = shares_of(reference, "reference") - shares_of(current, "current")
    both = reference + current
    filled = both > 0
    size = float(reference.sum()) * float(current.sum())
    return float(size * np.sum(gap[filled] ** 2 / both[filled]))


STATISTICS: dict[str, Callable[[Counts, Counts], float]] = {
    "psi": psi,
    "jensen_shannon": jensen_shannon,
    "total_variation": total_variation,
    "chi_squared": chi_squared,
}
"""What is reported of every column: of numbers on ten bins, of categories one by one."""


def fisher_z(
    reference: Values, current: Values, reference_rows: Counts, current_rows: Counts
) -> Values:
    """Return how many standard errors two correlations lie apart, elementwise, never negative.

    NaN where either is not defined; 0 where either has fewer than four rows, which tell nothing.
    A correlation of 1 or -1 is taken as the nearest smaller number, so that two perfect ones have
    not changed.

    Source: Fisher, On the probable error of a coefficient of correlation, 1921.
    """
    limit = 1 - np.finfo(np.float64).eps
    apart = np.arctanh(np.clip(reference, -limit, limit)) - np.arctanh(
        np.clip(current, -limit, limit)
    )
    with np.errstate(divide="ignore"):
        error = np.sqrt(1 / np.maximum(reference_rows - 3, 0) + 1 / np.maximum(current_rows - 3, 0))
    change: Values = np.abs(apart) / error
    return change


def shares_of(counts: Counts | Values, sample: str) -> Values:
    """Return the share of each in the total; ``sample`` is its name in an error.

    Raises: EmptySampleError if they count nothing.
    """
    total = counts.sum()
    if not total:
        raise EmptySampleError.of(sample, dropped=0)
    shares: Values = counts / total
    return shares
