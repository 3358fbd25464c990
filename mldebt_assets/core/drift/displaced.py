"""Columns that no longer hold what they held: in another unit, or in another column's place.

A column is displaced where it lies far from what it was in *every* earlier batch, by far more
than those lie from each other: a season moves a temperature, too. It is explained where one
conversion, or another column, brings it as near as the earlier batches are to each other. The
limits were chosen on the flights of January to March 2013.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.finding import Finding
from mldebt_assets.core.drift.units import Conversion, candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.profile import ColumnSummary, Profile

    Values = NDArray[np.float64]

LEAST_VALUES = 100
"""Fewer values say too little of a column."""
FAR, NEAR = 0.3, 0.1
"""Gaps; the earlier batches' unrest raises both."""
UNREST_TIMES = 2.0
"""Far is so many times what the earlier batches differ by."""
NEARER_TIMES = 4.0
"""An explanation brings the batch so many times nearer."""
CLEAR_TIMES = 20.0
"""One that brings it so many times nearer may leave a gap of up to FAR."""
FREE_FACTOR, FREE_FIT = 1.5, 0.05
"""A factor that no unit explains is at least so large, and fits so well."""


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
            return cls(quantiles, _spreads(quantiles), ())
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


def _spreads(quantiles: Values) -> Values:
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


def displaced(current: Profile, reference: Profile, earlier: Sequence[Profile]) -> list[Finding]:
    """Return the displaced columns that a swap or a conversion explains.

    Args: at least two ``earlier`` batches, since one says nothing of the column's unrest.
    """
    moved: dict[str, Moved] = {}
    for name, column in current.columns.items():
        sides = [one.columns.get(name) for one in (reference, *earlier)]
        there = [one for one in sides if one is not None and one.present >= LEAST_VALUES]
        past = Past.of(there) if len(there) == len(sides) else None
        if past is None or column.present < LEAST_VALUES:
            continue
        values = np.array(column.quantiles) if column.quantiles else column.shares
        unrest, gap = past.unrest, past.gap(values)
        if max(FAR, UNREST_TIMES * unrest) < gap < inf:
            moved[name] = Moved(values, past, unrest, gap)
    found = list(_shifted(moved))
    told = {name for finding in found for name in finding.columns}
    for name, one in moved.items():
        if name not in told and isinstance(one.values, np.ndarray):
            found += _converted(name, one.values, one)
    return found


@dataclass(frozen=True)
class Moved:
    """A column that lies at ``gap`` from its own past, of that unrest."""

    values: Values | Mapping[str, float]
    past: Past
    unrest: float
    gap: float

    def is_explained(self, left: float, unrest: float) -> bool:
        """Return whether a gap of ``left`` to what has this unrest explains where it lies now."""
        clear = min(FAR, self.gap / CLEAR_TIMES)
        return left * NEARER_TIMES <= self.gap and left <= max(NEAR, unrest, clear)


def _shifted(moved: Mapping[str, Moved]) -> Iterator[Finding]:
    """Yield each closed round of columns that hold what the next of them held."""
    holds: dict[str, str] = {}
    left: dict[str, float] = {}
    for name, one in moved.items():
        gaps = {o: other.past.gap(one.values) for o, other in moved.items() if o != name}
        nearest = min(gaps, key=lambda other: gaps[other], default=None)
        if nearest is not None and one.is_explained(gaps[nearest], moved[nearest].unrest):
            holds[name], left[name] = nearest, gaps[nearest]
    for round_ in _rounds(holds):
        held = [*round_[1:], round_[0]]
        told = ", ".join(f"{a} holds what {b} held" for a, b in zip(round_, held, strict=True))
        yield Finding(
            fault="shifted columns",
            columns=tuple(round_),
            evidence={f"gap of {a} to its own past": moved[a].gap for a in round_}
            | {f"gap of {a} to {b}": left[a] for a, b in zip(round_, held, strict=True)},
            sentence=told,
        )


def _rounds(holds: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield each closed round of a map, once, in its order.

    >>> list(_rounds({"a": "b", "b": "c", "c": "a", "d": "a"}))
    [['a', 'b', 'c']]
    """
    told: set[str] = set()
    for start in holds:
        way = [start]
        while way[-1] in holds and holds[way[-1]] not in way:
            way.append(holds[way[-1]])
        if holds.get(way[-1]) == start and start not in told:
            told.update(way)
            yield way


def _converted(name: str, values: Values, moved: Moved) -> Iterator[Finding]:
    """Yield the conversion that explains a displaced column, if one does."""
    fits = {one: moved.past.gap(one.undo(values)) for one in candidates(name)}
    best = min(fits, key=lambda one: fits[one], default=None)
    if best is not None and moved.is_explained(fits[best], moved.unrest):
        same = [o for o in fits if (o.factor, o.offset) == (best.factor, best.offset)]
        named, left = " or ".join(one.named for one in same), fits[best]
    else:
        spread, usual = float(_spreads(values)), float(np.median(moved.past.spreads))
        if moved.unrest > NEAR or not spread or not usual:
            return
        best = Conversion("one unit", "another", spread / usual)
        named, left = best.named, moved.past.gap(best.undo(values))
        if left > FREE_FIT or abs(log(best.factor)) < log(FREE_FACTOR):
            return
    offset = f" plus {best.offset:.4g}" if best.offset else ""
    yield Finding(
        fault="unit change",
        columns=(name,),
        evidence={
            "conversion": named,
            "factor": best.factor,
            "offset": best.offset,
            "gap": moved.gap,
            "gap when undone": left,
            "gap of earlier batches": moved.unrest,
        },
        sentence=(
            f"{name} looks converted from {named}: it is what it was times "
            f"{best.factor:.4g}{offset} (gap {moved.gap:.2f}, {left:.2f} when undone)"
        ),
    )
