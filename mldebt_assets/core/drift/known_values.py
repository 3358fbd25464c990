"""Columns that only ever took a few values, and take others now that one conversion turns back.

An instrument reads in steps: wind in whole knots is 3.452, 4.603, 5.754 … mph. A season moves how
often each step is read and not the steps, so that even a conversion that moves a column by less
than a season does shows itself, where every value that it leaves is an old one again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.units import candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.units import Conversion

    Values = NDArray[np.float64]

MOST_DIGITS = 6
LEAST_BATCHES = 2
"""One batch says nothing of which values are new in every batch."""
LEAST_DISTINCT = 10
"""Fewer different values may fit by chance."""
KNOWN, UNKNOWN = 0.8, 0.5
"""The share of different values that are old ones: at least where undone, at most before."""
CHANCE = 0.25
"""The share of what lies between known values that their rounding covers, at most."""
FINER = 3
"""So many more digits than are written may be meant: whole knots are exact."""


@dataclass(frozen=True)
class KnownValues:
    """The different values that a column took, rising, and half of the last digit of them."""

    values: Values
    half_digit: float

    @classmethod
    def of(cls, values: Values) -> KnownValues:
        """Return the different ones of these values."""
        return cls(np.unique(values), half_digit(values))

    def share(self, values: Values, halves: Sequence[float]) -> float:
        """Return which share of different values within the range is known, 0 if that says nothing.

        Nothing is said by fewer than LEAST_DISTINCT of them, nor by fewer than half of them, nor
        where chance would know more than CHANCE.

        Args: ``halves`` of the last digit that the values may be exact to; the best one counts.
        """
        return max(self._share(values, half + self.half_digit) for half in halves)

    def _share(self, values: Values, within: float) -> float:
        low, high = self.values[0] - within, self.values[-1] + within
        inside = np.unique(values[(values >= low) & (values <= high)])
        if inside.size < max(LEAST_DISTINCT, np.unique(values).size / 2):
            return 0.0
        places = np.searchsorted(self.values, inside).clip(1, self.values.size - 1)
        before, after = self.values[places - 1], self.values[places]
        by_chance = np.minimum(2 * within / (after - before), 1).mean()
        if by_chance > CHANCE:
            return 0.0
        nearest = np.minimum(np.abs(inside - before), np.abs(inside - after))
        return float((nearest <= within * (1 + 1e-9)).mean())


def half_digit(values: Values) -> float:
    """Return half of the last digit that these values are written with.

    >>> half_digit(np.array([3.5, 4.25])), half_digit(np.array([10.0, 20.0]))
    (0.005, 0.5)
    """
    digits = next(
        (d for d in range(MOST_DIGITS) if np.allclose(values.round(d), values, rtol=0, atol=1e-9)),
        MOST_DIGITS,
    )
    return float(0.5 * 10.0**-digits)


def restored(
    name: str, values: Values, batches: Sequence[Values]
) -> dict[Conversion, tuple[float, float]]:
    """Return the conversions that leave known values only, with the share known before and after.

    There is none where an earlier batch took values of its own: then new ones say nothing.

    Args: the quantiles of the batch, and of each earlier batch.
    """
    if len(batches) < LEAST_BATCHES or np.unique(values).size < LEAST_DISTINCT:
        return {}
    for place, batch in enumerate(batches):
        others = np.concatenate([*batches[:place], *batches[place + 1 :]])
        if np.unique(others).size < LEAST_DISTINCT:
            return {}
        if KnownValues.of(others).share(batch, [half_digit(batch)]) < KNOWN:
            return {}
    known, half = KnownValues.of(np.concatenate(batches)), half_digit(values)
    halves = [half * 10.0**-finer for finer in range(FINER + 1)]
    before = known.share(values, halves)
    if before > UNKNOWN:
        return {}
    after = {
        one: known.share(one.undo(values), [each / one.factor for each in halves])
        for one in candidates(name)
    }
    return {one: (before, share) for one, share in after.items() if share >= KNOWN}
