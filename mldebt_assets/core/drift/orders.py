"""Columns that look alike and changed places: which of two is the larger tells them apart.

The rain of 6 hours is never more than that of 12, whatever the season, and the dew point never
above the temperature. Where the larger of two columns is suddenly the smaller one as often as it
was the larger, and each fits the other's past, the two were swapped.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Values = NDArray[np.float64]
    Order = Mapping[str, float]

LEAST_PAIRS = 100
"""Fewer rows that have both say too little of an order."""
LESS, EQUAL, MORE = "less", "equal", "more"


def orders_of(numbers: Mapping[str, Values]) -> dict[str, dict[str, dict[str, float]]]:
    """Return for each pair of columns the share of rows in which the first is less, equal, more.

    Args: columns of equally many numbers, NaN where there is none; a pair of which fewer than
          LEAST_PAIRS rows have both is left out.

    >>> import numpy as np
    >>> few, many = np.arange(200.0), np.arange(200.0) + 1
    >>> orders_of({"few": few, "many": many})
    {'few': {'many': {'less': 1.0, 'equal': 0.0, 'more': 0.0}}}
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (one, first), (other, second) in combinations(numbers.items(), 2):
        less, more = int((first < second).sum()), int((first > second).sum())
        both = less + more + int((first == second).sum())
        if both >= LEAST_PAIRS:
            shares = {LESS: less / both, EQUAL: (both - less - more) / both, MORE: more / both}
            found.setdefault(one, {})[other] = shares
    return found


def mirrored(order: Order) -> dict[str, float]:
    """Return the order of the same two columns, swapped."""
    return {LESS: order[MORE], EQUAL: order[EQUAL], MORE: order[LESS]}
