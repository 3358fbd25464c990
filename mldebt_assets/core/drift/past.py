"""What a column was in each earlier batch, how far it lies from that, and what brings it back."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.profile import ColumnSummary
    from mldebt_assets.core.drift.units import Conversion

    Values = NDArray[np.float64]

FAR, NEAR = 0.3, 0.1
"""Gaps; the earlier batches' unrest raises both."""
UNREST_TIMES = 2.0
"""Far is so many times what the earlier batches differ by."""
NEARER_TIMES = 4.0
"""An explanation brings the batch so many times nearer."""
CLEAR_TIMES = 20.0
"""One that brings it so many times nearer may leave a gap of up to FAR."""


@dataclass(frozen=True)
class Past:
    """What a column was, in each side that the batch is laid beside.

    Numbers are a row of ``quantiles`` a side, and ``spreads``, their mean absolute deviations;
    categories are ``shares``. ``unrest`` is the largest gap of a batch to the nearest other one.
    """

    quantiles: Values
    spreads: Values
    shares: tuple[Mapping[str, float], ...]

    @classmethod
    def of(cls, sides: Sequence[ColumnSummary]) -> Past | None:
        """Return the past of a column with these sides; None where they are of two kinds."""
        if all(side.quantiles for side in sides):
            quantiles = np.array([side.quantiles for side in sides])
            return cls(quantiles, spreads_of(quantiles), ())
        if all(side.shares for side in sides):
            nothing = np.empty((0, 0))
            return cls(nothing, nothing, tuple(side.shares for side in sides))
        return None

    @property
    def unrest(self) -> float:
        """How far apart the earlier batches lie; the first side is no batch."""
        if self.shares:
            gaps = np.array([[variation(a, b) for b in self.shares[1:]] for a in self.shares[1:]])
        else:
            values = self.quantiles[1:]
            moves = np.abs(values[:, None] - values[None]).mean(axis=-1)
            gaps = _ratio(moves, self.spreads[1:])
        np.fill_diagonal(gaps, inf)
        return float(gaps.min(axis=1).max())

    def gap(self, values: Values | Mapping[str, float]) -> float:
        """Return how far values lie from the nearest side; infinity if they are of another kind.

        Numbers, given by their quantiles: Wasserstein-1 in the side's mean absolute deviations,
        which rounding does not disturb. Categories, given by their shares: total variation.
        """
        if isinstance(values, np.ndarray):
            if not self.quantiles.size:
                return inf
            moves = np.abs(self.quantiles - values).mean(axis=1)
            return float(_ratio(moves, self.spreads).min())
        return min((variation(values, side) for side in self.shares), default=inf)


def spreads_of(quantiles: Values) -> Values:
    """Return the mean absolute deviation of each row of quantiles."""
    middles = np.median(quantiles, axis=-1, keepdims=True)
    spreads: Values = np.abs(quantiles - middles).mean(axis=-1)
    return spreads


def _ratio(moves: Values, spreads: Values) -> Values:
    """Return moves in spreads; infinity where there is no spread, since all is far from that."""
    return np.divide(moves, spreads, out=np.full_like(moves, inf), where=spreads > 0)


def variation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the total variation of two categories' shares, in [0, 1]."""
    names = one.keys() | other.keys()
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in names) / 2


@dataclass(frozen=True)
class Moved:
    """A column of this ``name`` that lies at ``gap`` from its own past, of that unrest."""

    name: str
    values: Values | Mapping[str, float]
    past: Past
    unrest: float
    gap: float

    @property
    def is_far(self) -> bool:
        """Return whether it is displaced."""
        return max(FAR, UNREST_TIMES * self.unrest) < self.gap < inf

    def nearest(self, conversions: Iterable[Conversion]) -> Conversion:
        """Return the conversion, of at least one, that leaves numbers nearest when undone."""
        values = np.asarray(self.values)
        return min(conversions, key=lambda one: self.past.gap(one.undo(values)))

    def is_explained(self, left: float, unrest: float) -> bool:
        """Return whether a gap of ``left`` to what has this unrest explains where it lies now."""
        clear = min(FAR, self.gap / CLEAR_TIMES)
        return left * NEARER_TIMES <= self.gap and left <= max(NEAR, unrest, clear)
