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
    from typing import Any

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
    """Return how two samples of independent rows are pooled; the last slot is of unseen ones.

    >>> pooling(np.array([900, 90, 10, 0]), np.array([900, 0, 0, 100]))
    Pooling(rare=array([False, False, False,  True]), new=1.0)
    """
    sizes = float(reference.sum()), float(current.sum())
    once, twice = (reference[:-1][reference[:-1] == times] for times in (1, 2))
    return _pooled(reference + current, sizes, float(current[-1]), once, twice)


def pooling_of_blocks(reference: Values, current: Values) -> Pooling:
    """Return how two samples' blocks are pooled, each of shape (blocks, slots).

    What is rare depends on all blocks together and on how many either side has, so not on which
    of them are the batch's. What is new has to: only the reference's categories have slots. A
    category may belong to one block, a day; so it is those that occur in one block of the
    reference, with all their rows there, that foretell the unseen rows.
    """
    whole = reference.sum(axis=0)
    found_in = np.count_nonzero(reference[:, :-1], axis=0)
    once, twice = (whole[:-1][found_in == times] for times in (1, 2))
    unseen = float(current[:, -1].sum())
    blocks = float(len(reference)), float(len(current))
    return _pooled(whole + current.sum(axis=0), blocks, unseen, once, twice)


def _pooled(
    both: Counts | Values,
    draws: tuple[float, float],
    unseen: float,
    once: NDArray[Any],
    twice: NDArray[Any],
) -> Pooling:
    """Return which slots are rare, and how much of the unseen rows is a change.

    Rare is a slot in which fewer than five rows of the smaller sample are expected, were both
    drawn alike. ``draws`` is how many rows, or blocks, either side has; ``once`` and ``twice`` are
    the rows of the reference's categories that occur in one and in two of its draws.

    Source: Cochran, The chi-squared test of goodness of fit, 1952, for the five; Good, The
            population frequencies of species, 1953: of n draws, n1 of which are of a category that
            occurs once, a further one is of an unseen category with probability n1/n.
    """
    share, ratio = min(draws) / max(sum(draws), 1), draws[1] / max(draws[0], 1)
    rare = both * share < LEAST
    rare[-1] = True
    chance = ratio * float(once.sum())
    # A category that is not seen is of several draws more often the more there are; and how many
    # occur once is chance as well.
    variance = ratio * (1 + ratio) * float(once @ once) + ratio**2 * float(twice @ twice) / 2
    surplus = np.floor(max(unseen - chance - BY_CHANCE * np.sqrt(variance), 0))
    stands_out = surplus * share >= LEAST
    return Pooling(rare, float(surplus / unseen) if stands_out else 0.0)
