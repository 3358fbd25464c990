"""Columns in each other's place: each holds what another held, or the larger is the smaller one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.converted import unit_change
from mldebt_assets.core.drift.finding import Finding
from mldebt_assets.core.drift.orders import mirrored
from mldebt_assets.core.drift.past import NEARER_TIMES, UNREST_TIMES, Past
from mldebt_assets.core.drift.units import candidates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mldebt_assets.core.drift.past import Moved
    from mldebt_assets.core.drift.profile import Profile
    from mldebt_assets.core.drift.units import Conversion

LEAST_BATCHES = 2
"""One batch says nothing of the unrest of an order."""
TURNED = 0.08
"""An order that turned round differs by so much from every earlier one."""
FITS_TIMES = 1.25
"""Two columns that swapped lie no further from each other's past than so many times their own."""


def in_rounds(known: Mapping[str, Moved], *_: object) -> Iterator[Finding]:
    """Yield each closed round of columns that hold what the next of them held."""
    moved = {name: one for name, one in known.items() if one.is_far}
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


def turned_round(
    known: Mapping[str, Moved], current: Profile, earlier: Sequence[Profile]
) -> Iterator[Finding]:
    """Yield each two columns of which the larger is the smaller one now, the clearest first."""
    nothing = np.empty((0, 0))
    turned: list[tuple[float, float, str, str]] = []
    for one, others in current.orders.items():
        for other, order in others.items():
            before = (side.orders.get(one, {}).get(other) for side in earlier)
            orders = tuple(side for side in before if side is not None)
            if len(orders) < LEAST_BATCHES or not {one, other} <= known.keys():
                continue
            past = Past(nothing, nothing, (orders[0], *orders))
            gap, left = past.gap(order), past.gap(mirrored(order))
            clear = gap > max(TURNED, UNREST_TIMES * past.unrest) and left * NEARER_TIMES <= gap
            if clear and _swap_fits(known[one], known[other]):
                turned.append((gap, left, one, other))
    told: set[str] = set()
    for gap, left, one, other in sorted(turned, key=lambda entry: entry[1] - entry[0]):
        if {one, other} & told:
            continue
        told |= {one, other}
        if (converted := _rather_converted(known, one, other)) is not None:
            name, best, undone = converted
            if known[name].is_explained(undone, known[name].unrest):
                still = other if name == one else one
                why = f"which of it and {still} is larger turned round"
                evidence = {"gap of their order": gap}
                yield unit_change(known[name], best, candidates(name), evidence, why)
            continue
        yield Finding(
            fault="shifted columns",
            columns=(one, other),
            evidence={"gap of their order": gap, "gap when swapped": left},
            sentence=(
                f"{one} holds what {other} held, {other} holds what {one} held: which of them is "
                f"larger turned round (gap {gap:.2f}, {left:.2f} when swapped back)"
            ),
        )


def _swap_fits(one: Moved, other: Moved) -> bool:
    """Return whether two columns fit each other's past, by their values."""
    swapped = one.past.gap(other.values) + other.past.gap(one.values)
    return swapped <= FITS_TIMES * (one.gap + other.gap)


def _rather_converted(
    known: Mapping[str, Moved], one: str, other: str
) -> tuple[str, Conversion, float] | None:
    """Return the conversion of one of two columns that explains them better than a swap does.

    With the gap that it leaves.
    """
    swapped = known[one].past.gap(known[other].values) + known[other].past.gap(known[one].values)
    fits = [
        (left + known[still].gap, name, best, left)
        for name, still in ((one, other), (other, one))
        for best in [known[name].nearest(candidates(name))]
        for left in [known[name].past.gap(best.undo(np.asarray(known[name].values)))]
        if left * NEARER_TIMES <= known[name].gap
    ]
    if not fits:
        return None
    apart, name, best, left = min(fits, key=lambda fit: fit[0])
    return (name, best, left) if apart * NEARER_TIMES <= swapped else None
