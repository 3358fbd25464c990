"""Into which bin a value falls, by one look into a table and a short search.

A grid of equal cells says for each cell which edges lie in it; only these are compared with a
value. An extreme edge would stretch the grid until all other edges share a cell, so the grid
covers only the edges between the k-th from either end, where k is what asks for the fewest
comparisons of the reference's own values; what lies outside belongs to the first cell or the last.
Within a cell the search halves until four edges are left, so that of 258 edges no value is
compared with more than eleven.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.drift.statistics import Counts, Values
    from mldebt_assets.core.drift.summary import Summary

CELLS = 8192
FEW = 4
"""So many edges of a cell are tried one after another."""

CLIPPED = (0, 1, 2, 4, 8, 16, 32, 64)
"""How many edges at either end the grid may leave out."""


@dataclass(frozen=True)
class Grid:
    """Edges, closed by infinity, and the first in or above each cell, shape (cells + 1,)."""

    edges: Values
    first: NDArray[np.uint16]
    low: float
    scale: float

    def comparisons(self, values: Values) -> Counts:
        """Return with how many edges each value is compared, at most."""
        cell = _cells(values, self.low, self.scale)
        left = (self.first[cell + 1] - self.first[cell]).astype(np.int64)
        halvings = np.zeros_like(left)
        while (left > FEW).any():
            halvings += left > FEW
            left = np.where(left > FEW, left // 2, left)
        return halvings + left + 1


def grid_of(edges: Values, reference: Summary) -> Grid:
    """Return the grid that needs the fewest comparisons for values like the reference's."""
    grids = [_grid(edges, clipped) for clipped in CLIPPED if 2 * clipped < edges.size]
    return min(grids, key=lambda grid: int(grid.comparisons(reference.values) @ reference.weights))


def _grid(edges: Values, clipped: int) -> Grid:
    low, high = float(edges[clipped]), float(edges[edges.size - 1 - clipped])
    with np.errstate(over="ignore", divide="ignore"):
        width = np.float64(high) - np.float64(low)
        scale = float(CELLS / width) if width > 0 else 0.0
    cells = _cells(edges, low, scale)
    first = np.searchsorted(cells, np.arange(CELLS + 1)).astype(np.uint16)
    return Grid(np.append(edges, np.inf), first, low, scale)


def _cells(values: Values, low: float, scale: float) -> NDArray[np.int64]:
    with np.errstate(over="ignore", invalid="ignore"):
        place = (values - low) * scale
    inside = np.where(place > 0, np.minimum(place, CELLS - 1), 0.0)
    return inside.astype(np.int64)
