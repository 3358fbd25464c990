"""What would be seen by chance: the drift rule calibrated on blocks of the rows themselves.

A p-value that takes rows for independent is wrong wherever rows come in days: all flights of a
day share its weather, so that thirty days of 900 flights tell of the weather what thirty values
do. Here whole blocks (days) are what is drawn at random. If nothing changed, those of the batch
could as well have been those of the reference; so the blocks of both are pooled, as many as the
batch has are held against all others, in many ways, and the batch's own p-value is the share of
these ways in which something lies at least as far apart:

    score = max over all tests of distance / its quantile over the ways at 1 - level
    p     = (1 + other ways with at least that score) / (1 + other ways)

The unit of each test is the distance beyond which it alone would alarm, so that each has about the
same part in the maximum whatever its distribution; it is the promised level again, and no number
that somebody chose. The score counts columns' distances, missing shares and correlations alike, and
the maximum makes one promise for all of them: where blocks are exchangeable, a false alarm at
``Drift.false_alarms`` is at most that frequent, whatever happens within a block, up to the choice
of the bins' edges, which the reference alone makes. A batch that is a single block is held against
each block of the reference in turn, which is conformal prediction.

Blocks shorter than the batch must be taken together to its length, as is done here. Held against
single days, a month would not be judged wrongly but never be heard: a distribution that is a mean
lies no further away than its parts do on average, so that a month's distance has to exceed what
is ordinary among days.

What is not promised: neighbouring days are alike, and days of another season differ. A batch that
lies a month after its reference is then rightly said to differ, and whether it matters is for the
triage and the gate. Blocks longer than the weather lasts are the better ones.

Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005 (p-values of
        exchangeable blocks); Westfall and Young, Resampling-Based Multiple Testing, 1993 (the
        maximum, and each test's p-value against it); Phipson and Smyth, Permutation P-values
        Should Never Be Zero, 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.bins import CategoryBins, NumberBins
from mldebt_assets.core.drift.moments import correlations_of_parts
from mldebt_assets.core.drift.rare import pooling_of_blocks
from mldebt_assets.core.drift.summary import RANK_ERROR
from mldebt_assets.core.errors import UnlikeSketchesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.drift.blocks import Blocks
    from mldebt_assets.core.drift.counts import Reference, TableCounts
    from mldebt_assets.core.drift.statistics import Values

WAYS = 999
"""In so many other ways the blocks are divided, where there are more than that."""


@dataclass(frozen=True)
class Calibration:
    """How far from each other blocks lie by chance.

    The p-values are each against the largest score of all tests, so none needs a correction:
    of columns and missing shares of shape (columns,), of correlations (numbers, numbers).
    ``reach`` is the least distance of each column that would have had a p-value of the level, or 1.
    """

    ways: int
    p_value: float
    columns: Values
    missing: Values
    correlations: Values
    reach: Values


def calibrate(blocks: Blocks, against: Reference, *, level: float) -> Calibration | None:
    """Return what chance does to blocks like these; None where they are too few to tell.

    With fewer than 1/``level`` ways to divide the blocks, no p-value can be as small as that.

    Raises: UnlikeSketchesError if the blocks are counted on another reference's bins, or some
            with and some without moments.
    """
    if blocks.ways * level < 1:
        return None
    pooled = [*blocks.reference, *blocks.current]
    if any(block.reference != against.hash for block in pooled):
        raise UnlikeSketchesError.of("reference")
    ways = _ways(len(blocks.reference), len(blocks.current), blocks.seed)
    columns = _distances(pooled, against, ways)
    missing = _missing_changes(pooled, ways)
    pairs = _correlation_changes(pooled, ways)
    apart = np.hstack([columns, missing, pairs])
    scale = np.maximum(np.quantile(apart, 1 - level, axis=0), RANK_ERROR)
    scores = apart / scale
    furthest = np.sort(scores.max(axis=1, initial=0.0))
    # Equal divisions may differ in their last digit, by the order of their sums.
    below = np.searchsorted(furthest, scores[0] * (1 - 1e-9))
    p_values = 1 - below / furthest.size
    critical = furthest[-max(int(level * furthest.size), 1)]
    parts = np.split(p_values, np.cumsum([columns.shape[1], missing.shape[1]]))
    return Calibration(
        ways=len(ways),
        p_value=float(p_values.min(initial=1.0)),
        columns=parts[0],
        missing=parts[1],
        correlations=_square(parts[2]),
        reach=np.minimum(critical * scale[: columns.shape[1]], 1.0),
    )


def _ways(reference: int, current: int, seed: int) -> NDArray[np.bool_]:
    """Return which blocks are taken for the batch's, shape (ways, blocks): first its own.

    Every way where the batch is one block, else :data:`WAYS` others drawn at random.
    """
    own = np.append(np.zeros(reference, dtype=bool), np.ones(current, dtype=bool))
    if current == 1:
        return np.eye(reference + 1, dtype=bool)[::-1]
    draw = np.random.default_rng(seed)
    return np.stack([own, *(draw.permutation(own) for _ in range(WAYS))])


def _distances(
    pooled: Sequence[TableCounts], against: Reference, ways: NDArray[np.bool_]
) -> Values:
    """Return the distance of each column in each way, shape (ways, columns)."""
    counts = np.stack([block.counts for block in pooled]).astype(np.float64)
    chosen = ways.astype(np.float64)
    found = np.zeros((len(ways), len(against.bins)))
    for place, (bins, part) in enumerate(zip(against.bins, against.parts, strict=True)):
        slots = counts[:, part]
        if isinstance(bins, CategoryBins):
            slots = pooling_of_blocks(slots[~ways[0]], slots[ways[0]]).of(slots)
        gap = _gaps(chosen @ slots, slots.sum(axis=0))
        if isinstance(bins, NumberBins):
            found[:, place] = np.abs(np.cumsum(gap, axis=1)).max(axis=1)
        else:
            found[:, place] = np.abs(gap).sum(axis=1) / 2
    return found


def _gaps(current: Values, both: Values) -> Values:
    """Return by how much the shares differ in each way; not at all where a side is empty."""
    rest = both - current
    rows = current.sum(axis=1, keepdims=True), rest.sum(axis=1, keepdims=True)
    gap = current / np.maximum(rows[0], 1) - rest / np.maximum(rows[1], 1)
    return np.where((rows[0] > 0) & (rows[1] > 0), gap, 0.0)


def _missing_changes(pooled: Sequence[TableCounts], ways: NDArray[np.bool_]) -> Values:
    """Return the change of each missing share in each way, shape (ways, columns)."""
    missing = np.stack([block.missing for block in pooled]).astype(np.float64)
    rows = np.array([[block.rows] for block in pooled], dtype=np.float64)
    chosen, rest = ways.astype(np.float64), (~ways).astype(np.float64)
    shares = [side @ missing / np.maximum(side @ rows, 1) for side in (chosen, rest)]
    return np.abs(shares[0] - shares[1])


def _correlation_changes(pooled: Sequence[TableCounts], ways: NDArray[np.bool_]) -> Values:
    """Return the change of each pair's correlation in each way, shape (ways, pairs)."""
    parts = [block.moments for block in pooled if block.moments is not None]
    if not parts:
        return np.empty((len(ways), 0))
    if len(parts) < len(pooled):
        raise UnlikeSketchesError.of("columns")
    sides = [correlations_of_parts(parts, side) for side in (ways, ~ways)]
    change = np.abs(sides[0] - sides[1])
    return np.nan_to_num(change, nan=0.0)


def _square(pairs: Values) -> Values:
    """Return the values of pairs (a, b), a < b, as a symmetric matrix with ones on its diagonal."""
    size = round((1 + np.sqrt(1 + 8 * pairs.size)) / 2) if pairs.size else 0
    square = np.ones((size, size))
    for value, (first, second) in zip(pairs, combinations(range(size), 2), strict=True):
        square[first, second] = square[second, first] = value
    return square
