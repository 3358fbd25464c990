"""Categories that are too rare to be compared one by one.

They share a slot, as do those that the reference has not: where categories are many and rare,
either sample has some that the other lacks, and that is no change. But only so many rows: those
of new categories beyond what the reference's own rarest ones lead to expect are a slot of their
own, so that thousands of new categories, or a frequent one, are a change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.drift.statistics import Counts, Values

LEAST = 5
BY_CHANCE = 4
"""So many standard errors above their expected number, unseen rows are still chance."""


@dataclass(frozen=True)
class Pooling:
    """Which slots share one, and which share of the unseen rows, the last slot, is a change."""

    rare: NDArray[np.bool_]
    new: float

    def of(self, counts: Counts | Values) -> Values:
        """Return counts, shape (..., slots): the frequent ones, the rare together, the new."""
        new = counts[..., -1:] * self.new
        rare = counts[..., self.rare].sum(axis=-1, keepdims=True) - new
        return np.concatenate([counts[..., ~self.rare], rare, new], axis=-1)


def pooling(reference: Counts | Values, current: Counts | Values) -> Pooling:
    """Return how two samples' slots are pooled; the last is of what the reference has not.

    Rare is a slot in which fewer than five rows of the smaller sample are expected, were both drawn
    alike.

    Source: Cochran, The chi-squared test of goodness of fit, 1952, for the five; Good, The
            population frequencies of species, 1953: of n rows, n1 of them in a category that
            occurs once, a further row is of an unseen category with probability n1/n.

    >>> pooling(np.array([900, 90, 10, 0]), np.array([900, 0, 0, 100]))
    Pooling(rare=array([False, False, False,  True]), new=1.0)
    """
    both = reference + current
    sizes = float(reference.sum()), float(current.sum())
    expected = both * min(sizes) / max(sum(sizes), 1)
    rare = expected < LEAST
    rare[-1] = True
    once, twice = (int(np.count_nonzero(reference[:-1] == times)) for times in (1, 2))
    ratio = sizes[1] / max(sizes[0], 1)
    chance = ratio * once
    # A category that is not seen is of several rows more often the more rows there are; and how
    # many occur once is chance as well.
    variance = chance + 2 * ratio**2 * twice + ratio**2 * once
    unseen = float(current[-1])
    surplus = np.floor(max(unseen - chance - BY_CHANCE * np.sqrt(variance), 0))
    stands_out = surplus * min(sizes) >= LEAST * sum(sizes)
    return Pooling(rare, float(surplus / unseen) if stands_out else 0.0)
