"""Columns in another unit: one conversion brings them to where they were, or to values of old."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.finding import Finding
from mldebt_assets.core.drift.known_values import restored
from mldebt_assets.core.drift.past import NEAR, spreads_of
from mldebt_assets.core.drift.units import Conversion, candidates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.past import Moved

    Values = NDArray[np.float64]

FREE_FACTOR, FREE_FIT = 1.5, 0.05
"""A factor that no unit explains is at least so large, and fits so well."""


def converted(known: Mapping[str, Moved], *_: object) -> Iterator[Finding]:
    """Yield the conversion that explains a displaced column, for each that one does."""
    for one in known.values():
        if one.is_far and isinstance(one.values, np.ndarray):
            yield from _conversion(one, one.values)


def _conversion(moved: Moved, values: Values) -> Iterator[Finding]:
    fits = candidates(moved.name)
    best = moved.nearest(fits)
    left = moved.past.gap(best.undo(values))
    if not moved.is_explained(left, moved.unrest):
        spread, usual = float(spreads_of(values)), float(np.median(moved.past.spreads))
        if moved.unrest > NEAR or not spread or not usual:
            return
        best = Conversion("one unit", "another", spread / usual)
        left = moved.past.gap(best.undo(values))
        if left > FREE_FIT or abs(log(best.factor)) < log(FREE_FACTOR):
            return
    yield unit_change(moved, best, fits, {}, f"gap {moved.gap:.2f}, {left:.2f} when undone")


def restored_values(known: Mapping[str, Moved], *_: object) -> Iterator[Finding]:
    """Yield the conversion that leaves no value that a column never took, for each that has one."""
    for name, one in known.items():
        if not isinstance(one.values, np.ndarray):
            continue
        fits = restored(name, one.values, list(one.past.quantiles[1:]))
        if fits:
            best = one.nearest(fits)
            before, after = fits[best]
            evidence = {"known values": before, "known values when undone": after}
            told = (
                f"{before:.0%} of its different values are among those that it ever took, "
                f"{after:.0%} when undone"
            )
            yield unit_change(one, best, fits, evidence, told)


def unit_change(
    moved: Moved,
    best: Conversion,
    fits: Iterable[Conversion],
    evidence: Mapping[str, float],
    told: str,
) -> Finding:
    """Return that a column went through the best of the conversions that fit.

    Args: ``evidence`` beside the gaps, and what the sentence tells of it.
    """
    same = [o.named for o in fits if (o.factor, o.offset) == (best.factor, best.offset)]
    named = " or ".join(same or [best.named])
    offset = f" plus {best.offset:.4g}" if best.offset else ""
    return Finding(
        fault="unit change",
        columns=(moved.name,),
        evidence={
            "conversion": named,
            "factor": best.factor,
            "offset": best.offset,
            "gap": moved.gap,
            "gap when undone": moved.past.gap(best.undo(np.asarray(moved.values))),
            "gap of earlier batches": moved.unrest,
            **evidence,
        },
        sentence=(
            f"{moved.name} looks converted from {named}: it is what it was times "
            f"{best.factor:.4g}{offset} ({told})"
        ),
    )
