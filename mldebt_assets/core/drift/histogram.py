"""Two columns as bars for the eye: which share of either side lies where.

Bars are of equal width over what both sides hold between their 0.5 % and 99.5 % quantiles, so that
one outlier squeezes nothing; the outer ones are open. They are drawn from sketches, so no row is
read again. A category that fewer than five rows have on either side stands under no name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.drift.sketch import CategorySketch, NumberSketch

if TYPE_CHECKING:
    from mldebt_assets.core.drift.sketch import ColumnSketch
    from mldebt_assets.core.drift.statistics import Values
    from mldebt_assets.core.drift.summary import Summary

BARS = 24
TAILS = (0.005, 0.995)
NAMED_CATEGORIES = 7
NAMED_ROWS = 5
OTHERS = "all others"


@dataclass(frozen=True)
class Histogram:
    """Shares of the rows that have a value, by bar: of numbers in their order, or by ``names``.

    ``span`` is from where to where the bars reach; None of categories.
    """

    reference: tuple[float, ...]
    current: tuple[float, ...]
    span: tuple[float, float] | None = None
    names: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return {
            "reference": list(self.reference),
            "current": list(self.current),
            "span": self.span and list(self.span),
            "names": list(self.names),
        }


def histogram_of(reference: ColumnSketch, current: ColumnSketch) -> Histogram | None:
    """Return the bars of both; None where either has no value, or they are of other kinds.

    Nor are there any of a column of which every category is rare.
    """
    if isinstance(reference, NumberSketch) and isinstance(current, NumberSketch):
        return _of_numbers(reference.summary, current.summary)
    if isinstance(reference, CategorySketch) and isinstance(current, CategorySketch):
        return _of_categories(reference, current)
    return None


def _of_numbers(reference: Summary, current: Summary) -> Histogram | None:
    sides = reference, current
    if not (reference.rows and current.rows):
        return None
    ends = [_quantiles(side) for side in sides]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    edges = _edges(low, high, whole=all(bool((s.values % 1 == 0).all()) for s in sides))
    shares = [side.counts(edges[1:-1]) / side.rows for side in sides]
    return Histogram(
        tuple(map(float, shares[0])),
        tuple(map(float, shares[1])),
        span=(float(low), float(high)),
    )


def _quantiles(summary: Summary) -> Values:
    running = np.cumsum(summary.weights)
    places = np.searchsorted(running, np.array(TAILS) * running[-1])
    quantiles: Values = summary.values[places]
    return quantiles


def _edges(low: float, high: float, *, whole: bool) -> Values:
    """Return the bars' edges; those of whole numbers lie half-way, as many numbers in each."""
    if whole and high / 2 - low / 2 < np.iinfo(np.int32).max:
        width = max(np.ceil((high - low + 1) / BARS), 1)
        bars = int(np.ceil((high - low + 1) / width))
        halves: Values = low - 0.5 + width * np.arange(bars + 1)
        return halves
    steps = np.linspace(0, 1, BARS + 1 if low < high else 2)
    edges: Values = low * (1 - steps) + high * steps
    return edges


def _of_categories(reference: CategorySketch, current: CategorySketch) -> Histogram | None:
    sides = reference, current
    rows = [sum(side.counts.values()) + side.others for side in sides]
    if not all(rows):
        return None
    shares = {
        name: tuple(side.counts.get(name, 0) / of for side, of in zip(sides, rows, strict=True))
        for name in {**reference.counts, **current.counts}
        if max(side.counts.get(name, 0) for side in sides) >= NAMED_ROWS
    }
    named = sorted(shares, key=lambda name: (-max(shares[name]), name))[:NAMED_CATEGORIES]
    if not named:
        return None
    rest = [1 - sum(shares[name][place] for name in named) for place in (0, 1)]
    bars = [shares[name] for name in named]
    more = len({**reference.counts, **current.counts}) > len(named) or max(rest) > 1 / max(rows)
    if more:
        bars.append((max(rest[0], 0.0), max(rest[1], 0.0)))
    return Histogram(
        tuple(bar[0] for bar in bars),
        tuple(bar[1] for bar in bars),
        names=(*named, OTHERS) if more else tuple(named),
    )
