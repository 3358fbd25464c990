"""Floods of near duplicates: one row sent a thousand times with its last digits changed.

Rows are near duplicates where they fall in one cell: equal categories, and numbers equal after
rounding to a quarter of their standard deviation. Three grids that are shifted against each other
are laid, since a grid's lines part some neighbours: the largest of a row's three cells counts. One
pass of hashing a grid, and a sort of 64-bit numbers.

Many tables have full cells by nature (flights of one hour under one weather), so what is counted
are rows in cells twice as full as the fullest of the usual batch; where that has no near duplicate
at all, in any cell of two rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.suspects import DUPLICATES
from mldebt_assets.core.suspects.finding import Finding, judged
from mldebt_assets.core.suspects.rise import against_the_others, share_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.suspects.rows import Places, Rows


UNIT = "of the rows crowd in cells fuller than is usual"
CELL = 0.25
GRIDS = 3
FULLER = 2
MARGIN = 0.005
LEAST_ROWS = 100


def duplicate_flood(rows: Rows, *, seed: int) -> Finding:
    """Return what share of each batch's rows crowd, and which rows."""
    places = [np.flatnonzero(rows.batch == batch) for batch in range(len(rows.batches))]
    kept = [
        (name, at) for name, at in zip(rows.batches, places, strict=True) if len(at) >= LEAST_ROWS
    ]
    crowd = [cell_sizes(rows.values[at], rows.categorical, seed=seed) for _, at in kept]
    fullest = float(np.median([one.max() / len(one) for one in crowd])) if crowd else 0.0
    full = [one > FULLER * max(1.0, fullest * len(one)) - 1 for one in crowd]
    batches = against_the_others(
        [name for name, _ in kept],
        [len(at) for _, at in kept],
        [float(one.mean()) for one in full],
        [share_error(one, rows.group[at]) for one, (_, at) in zip(full, kept, strict=True)],
        margin=MARGIN,
    )
    nobody = np.zeros(0, dtype=np.int64)
    named = np.concatenate([nobody, *(at[one] for one, (_, at) in zip(full, kept, strict=True))])
    score = np.concatenate([nobody, *(size[one] for size, one in zip(crowd, full, strict=True))])
    return judged(
        DUPLICATES,
        batches,
        unit=UNIT,
        what="crowd",
        place=rows.place[named],
        score=score.astype(np.float64),
        batch=np.array(rows.batches)[rows.batch[named]],
    )


def cell_sizes(values: NDArray[np.float32], categorical: NDArray[np.bool_], *, seed: int) -> Places:
    """Return how many rows are in each row's cell, itself among them: of its largest in any grid.

    >>> same = np.array([[0.11, 1], [0.12, 1], [0.11, 2], [9.0, 1]], dtype=np.float32)
    >>> cell_sizes(same, np.array([False, True]), seed=0).tolist()
    [2, 2, 1, 1]
    """
    draw = np.random.default_rng(seed)
    columns = values.shape[1]
    mixers: NDArray[np.uint64] = draw.integers(1, 2**62, size=(columns,), dtype=np.uint64)
    mixers |= np.uint64(1)  # multiplied by an odd number, no two cells become one
    largest = np.ones(len(values), dtype=np.int64)
    for grid in range(GRIDS):
        shift = np.where(categorical, 0.0, CELL * grid / GRIDS)
        width = np.where(categorical, 1.0, CELL)
        cells = np.floor((values + shift) / width).astype(np.int64).astype(np.uint64)
        mixed = np.zeros(len(values), dtype=np.uint64)
        for column in range(columns):
            mixed ^= cells[:, column] * mixers[column]
            mixed *= np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        cell = np.unique(mixed, return_inverse=True)[1]
        largest = np.maximum(largest, np.bincount(cell)[cell])
    return largest
