"""Whether a batch stands out among the others by one number: the rule that all checks share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL = 0.001
FEWEST_OTHERS = 3
ENOUGH_FOR_THE_MEDIAN = 6
"""So many others have a median deviation; of fewer, one that stands out by itself is not known."""
NORMAL_DEVIATION = 1.4826
"""What the median deviation of a normal sample is multiplied by to be its standard deviation."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One batch's number, beside what the others lead to expect.

    ``limit`` is None where there are too few others to hold it against.
    """

    batch: str
    rows: int
    measured: float
    usual: float | None
    limit: float | None

    @property
    def stands_out(self) -> bool:
        """Whether it lies above its limit."""
        return self.limit is not None and self.measured > self.limit

    def as_dict(self) -> dict[str, Any]:
        """Return the batch as plain JSON values."""
        return {**asdict(self), "stands_out": self.stands_out}


def against_the_others(
    batches: Sequence[str],
    sizes: Sequence[int],
    values: Sequence[float],
    errors: Sequence[float],
    *,
    margin: float,
) -> list[Measured]:
    """Return each batch's value beside a limit that another batch like the others seldom passes.

    Args:    ``errors``, the standard error of each value from sampling alone; ``margin``, by how
             much a value must lie above the others' median to matter at all.
    Returns: the limit is the median of the others plus Student's quantile for one batch in a
             thousand, times their spread (by the median deviation, so that one or two planted
             batches do not hide each other), and never less than sampling alone explains.

    >>> calm = [.10, .11, .09, .10, .11, .09, .10, .30]
    >>> found = against_the_others("abcdefgh", [100] * 8, calm, [.01] * 8, margin=.01)
    >>> [one.batch for one in found if one.stands_out]
    ['h']
    """
    every, unsure = np.array(values, dtype=np.float64), np.array(errors, dtype=np.float64)
    found = []
    for place, (batch, size) in enumerate(zip(batches, sizes, strict=True)):
        others = np.delete(every, place)
        usual = limit = None
        if len(others) >= FEWEST_OTHERS:
            usual = float(np.median(others))
            spread = _spread(others)
            between = float(stats.t.isf(LEVEL, len(others) - 1) * np.sqrt(1 + 1 / len(others)))
            by_chance = float(stats.norm.isf(LEVEL) * unsure[place])
            limit = usual + max(margin, between * spread, by_chance)
        found.append(
            Measured(batch=batch, rows=size, measured=float(every[place]), usual=usual, limit=limit)
        )
    return found


def _spread(others: NDArray[np.float64]) -> float:
    if len(others) < ENOUGH_FOR_THE_MEDIAN:
        return float(others.std(ddof=1))
    return float(NORMAL_DEVIATION * np.median(np.abs(others - np.median(others))))


def share_error(flags: NDArray[np.bool_], groups: NDArray[np.int64]) -> float:
    """Return the standard error of the share of ``flags`` whose groups share their luck.

    At least one row more or less could have been flagged, so that a share of none has an error.
    """
    share = flags.mean()
    sums = np.bincount(groups, weights=flags - share)
    return float(max(np.sqrt((sums**2).sum()), 1.0) / len(flags))
