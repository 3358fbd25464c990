"""What a column of the reference is counted on: bins of numbers, slots of categories."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from mldebt_assets.core.drift.grid import Grid, grid_of
from mldebt_assets.core.drift.sketch import CategorySketch, NumberSketch, place

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mldebt_assets.core.drift.statistics import Counts, Values


@dataclass(frozen=True)
class NumberBins:
    """The bins of a numeric column: open below the first edge and above the last."""

    sketch: NumberSketch
    edges: Values

    @functools.cached_property
    def grid(self) -> Grid:
        """The table that finds a value's bin."""
        return grid_of(self.edges, self.sketch.summary)

    @property
    def size(self) -> int:
        """How many bins there are."""
        return self.edges.size + 1


@dataclass(frozen=True)
class CategoryBins:
    """The slots of a column: one a category of the reference, then others, then unseen ones.

    ``others`` are those that the reference may have had beyond the bound of its sketch.
    """

    sketch: CategorySketch

    @functools.cached_property
    def slots(self) -> dict[str, int]:
        """The slot of each category that the reference counted."""
        return {category: slot for slot, category in enumerate(self.sketch.counts)}

    @property
    def size(self) -> int:
        """How many slots there are."""
        return len(self.sketch.counts) + 2

    @functools.cached_property
    def bound(self) -> str | None:
        """The place above which categories of the reference were not counted, if any is."""
        return max(map(place, self.sketch.counts)) if self.sketch.others else None

    def count(self, found: Iterable[tuple[str, int]], others: int = 0) -> Counts:
        """Return the rows of each slot."""
        counts = np.zeros(self.size, dtype=np.int64)
        counts[-2] = others
        for category, rows in found:
            slot = self.slots.get(category)
            if slot is None:
                slot = -2 if self.bound is not None and place(category) > self.bound else -1
            counts[slot] += rows
        return counts


Bins: TypeAlias = NumberBins | CategoryBins
