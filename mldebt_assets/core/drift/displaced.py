"""Columns that no longer hold what they held: in another unit, or in another column's place.

A column is displaced where it lies far from what it was in *every* earlier batch, by far more
than those lie from each other: a season moves a temperature, too. It is explained where one
conversion, or another column, brings it as near as the earlier batches are to each other. What
moves it by less than a season does shows in the values that it takes, and in its order with others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.converted import converted, restored_values
from mldebt_assets.core.drift.past import Moved, Past
from mldebt_assets.core.drift.swapped import in_rounds, turned_round

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.drift.finding import Finding
    from mldebt_assets.core.drift.profile import Profile

LEAST_VALUES = 100
"""Fewer values say too little of a column."""


def displaced(current: Profile, reference: Profile, earlier: Sequence[Profile]) -> list[Finding]:
    """Return the displaced columns that a swap or a conversion explains, each once.

    Args: at least two ``earlier`` batches, since one says nothing of the column's unrest.
    """
    known: dict[str, Moved] = {}
    for name, column in current.columns.items():
        sides = [one.columns.get(name) for one in (reference, *earlier)]
        there = [one for one in sides if one is not None and one.present >= LEAST_VALUES]
        past = Past.of(there) if len(there) == len(sides) else None
        if past is None or column.present < LEAST_VALUES:
            continue
        values = np.array(column.quantiles) if column.quantiles else column.shares
        known[name] = Moved(name, values, past, past.unrest, past.gap(values))
    found: list[Finding] = []
    for explained in (in_rounds, restored_values, turned_round, converted):
        told = {name for finding in found for name in finding.columns}
        left = {name: one for name, one in known.items() if name not in told}
        found += explained(left, current, earlier)
    return found
