"""Sums of products of pairs of columns, from which correlations come, and which can be merged.

Each pair of columns has its own: over the rows in which both values are finite. They are kept
about the mean of these rows, and each column in units of a power of two near its largest value,
so that neither a large mean nor a large value eats the digits. Merging is exact but for rounding:
where a mean is at most a million standard deviations, a correlation of merged moments is within
1e-8 of that of all rows at once, in whatever order and grouping they are merged.

Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample
        variances, 1979.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.statistics import Counts, Values

CHUNK_ROWS = 1 << 16
EPS = float(np.finfo(np.float64).eps)
NO_EXPONENT = -2000
"""Of a column without any value but zero: below the exponent of every other."""


@dataclass(frozen=True)
class Moments:
    """What is summed over the rows in which columns a and b are both finite, each (k, k).

    ``rows`` counts them, ``mean[a, b]`` is the mean of a, ``spread[a, b]`` its sum of squares
    about that mean and ``comoment[a, b]`` the sum of products about both. The unit of column a is
    two to the ``exponent[a]``.
    """

    rows: Counts
    mean: Values
    spread: Values
    comoment: Values
    exponent: Counts


def moments_of(columns: Sequence[Values]) -> Moments:
    """Return the moments of columns of equal length; what is not finite counts nowhere."""
    size = columns[0].size if len(columns) else 0
    exponents = np.array([_exponent(column) for column in columns], dtype=np.int64)
    starts = range(0, max(size, 1), CHUNK_ROWS)
    return merge_moments(
        [_of_chunk([c[start : start + CHUNK_ROWS] for c in columns], exponents) for start in starts]
    )


def merge_moments(parts: Sequence[Moments]) -> Moments:
    """Return the moments of all parts' rows together; their columns are the same."""
    if len(parts) == 1:
        return parts[0]
    exponents = np.stack([part.exponent for part in parts])
    largest = exponents.max(axis=0)
    rows, mean, spread, comoment = (
        np.stack([getattr(part, name) for part in parts])
        for name in ("rows", "mean", "spread", "comoment")
    )
    down = exponents - largest
    if down.any():
        scale = np.ldexp(1.0, down)[:, :, None]
        mean *= scale
        spread *= scale * scale
        comoment *= scale * scale.transpose(0, 2, 1)
    together = rows.sum(axis=0)
    centre = np.einsum("pab,pab->ab", rows, mean) / np.maximum(together, 1)
    apart = mean - centre
    weighted = rows * apart
    return Moments(
        rows=together,
        mean=centre,
        spread=spread.sum(axis=0) + np.einsum("pab,pab->ab", weighted, apart),
        comoment=comoment.sum(axis=0) + np.einsum("pab,pba->ab", weighted, apart),
        exponent=largest,
    )


def correlations(moments: Moments) -> tuple[Values, Counts]:
    """Return the Pearson correlation of each pair of columns, and the rows that it comes from.

    Two arrays of shape (columns, columns). NaN where a correlation is not defined: a column is
    constant in these rows, or there are fewer than two of them.
    """
    own = np.diag(moments.spread)[:, None]
    rounding = 4 * EPS * own + moments.rows * (8 * EPS * moments.mean) ** 2
    spread = np.where(moments.spread > rounding, moments.spread, np.nan)
    correlation = moments.comoment / np.sqrt(spread) / np.sqrt(spread.T)
    return np.clip(correlation, -1.0, 1.0), moments.rows


def correlations_of_parts(parts: Sequence[Moments], chosen: NDArray[np.bool_]) -> Values:
    """Return the correlations over many choices of parts, as those of the merged parts.

    ``chosen`` is of shape (choices, parts). What comes back is of shape (choices, pairs), of each
    pair (a, b) with a < b in that order; NaN where a correlation is not defined.
    """
    whole = merge_moments(parts)
    first, second = np.triu_indices(whole.exponent.size, k=1)
    weight = chosen.astype(np.float64)

    def summed(values: list[Values]) -> Values:
        return weight @ np.stack(values)

    rows, sums, squares, products = [], [], [], []
    for part in parts:
        down = part.exponent - whole.exponent
        scale = down[:, None]
        apart = np.ldexp(part.mean, scale) - whole.mean
        rows.append(part.rows.astype(np.float64))
        sums.append(part.rows * apart)
        squares.append(np.ldexp(part.spread, 2 * scale) + part.rows * apart**2)
        products.append(np.ldexp(part.comoment, scale + down) + part.rows * apart * apart.T)
    upper, lower = (first, second), (second, first)
    together = np.maximum(summed([one[upper] for one in rows]), 1)
    left, right = (summed([one[pair] for one in sums]) for pair in (upper, lower))
    spreads = []
    for pair, total in ((upper, left), (lower, right)):
        raw = summed([one[pair] for one in squares])
        own = raw - total**2 / together
        rounding = 4 * EPS * raw + together * (8 * EPS * whole.mean[pair]) ** 2
        spreads.append(np.sqrt(np.where(own > rounding, own, np.nan)))
    comoment = summed([one[upper] for one in products]) - left * right / together
    return np.clip(comoment / spreads[0] / spreads[1], -1.0, 1.0)


def _exponent(column: Values) -> int:
    finite = np.isfinite(column)
    if finite.all():
        largest = max(float(column.max(initial=0.0)), -float(column.min(initial=0.0)))
    else:
        largest = float(np.abs(column).max(initial=0.0, where=finite))
    return int(np.frexp(largest)[1]) if largest else NO_EXPONENT


def _of_chunk(columns: Sequence[Values], exponents: Counts) -> Moments:
    size = columns[0].size if len(columns) else 0
    values = np.empty((len(columns), size))
    for row, column, exponent in zip(values, columns, exponents, strict=True):
        np.ldexp(column, -exponent, out=row)
    finite = np.isfinite(values)
    if finite.all():
        rows = np.full((len(columns), len(columns)), size, dtype=np.int64)
        centre = values.mean(axis=1, keepdims=True) if size else np.zeros((len(columns), 1))
        values -= centre
        sums = np.broadcast_to(values.sum(axis=1, keepdims=True), rows.shape)
        products = values @ values.T
        squares = np.broadcast_to(np.diag(products)[:, None], rows.shape)
    else:
        present = finite.astype(np.float64)
        there = np.maximum(present.sum(axis=1, keepdims=True), 1.0)
        centre = np.where(finite, values, 0.0).sum(axis=1, keepdims=True) / there
        values = np.where(finite, values - centre, 0.0)
        rows = np.rint(present @ present.T).astype(np.int64)
        sums, products, squares = values @ present.T, values @ values.T, values**2 @ present.T
    share = np.maximum(rows, 1)
    return Moments(
        rows=rows,
        mean=np.where(rows > 0, centre + sums / share, 0.0),
        spread=np.maximum(squares - sums**2 / share, 0.0),
        comoment=products - sums * sums.T / share,
        exponent=exponents,
    )
