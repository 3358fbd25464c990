"""Rows far from all others: planted, or measured with a broken instrument.

How far a row is from its tenth nearest among rows drawn from all batches: it needs no shape of
the data, and notices combinations of usual values that never occur together, which isolation
forests, that cut one column after another, overlook. A batch of another season has neighbours in
itself and stands out in drift, not here; fewer planted rows than ten in the draw are all alone.
A category stands as how rare its value is, so that names need no distance. Far is what lies twice
as far as one row in a hundred does in the usual batch.

Source: Ramaswamy, Rastogi and Shim, Efficient Algorithms for Mining Outliers, SIGMOD 2000;
        Campos et al., On the evaluation of unsupervised outlier detection, DMKD 2016, where it is
        among the best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.suspects import OUTLIERS
from mldebt_assets.core.suspects.finding import Finding, judged
from mldebt_assets.core.suspects.rise import against_the_others, share_error

if TYPE_CHECKING:
    from mldebt_assets.core.suspects.rows import Numbers, Rows


UNIT = "of the rows are farther from all others than is usual"
NEIGHBOURS = 10
DRAWN = 3000
RARE = 0.01
FARTHER = 2.0
MARGIN = 0.005
LEAST_ROWS = 100
RAREST = 4.0
"""A category's value that occurs once lies as far as so many standard deviations of a number."""


def outlier_rows(rows: Rows, *, seed: int) -> Finding:
    """Return what share of each batch's rows are far from all others, and which rows."""
    far = distances(rows, seed=seed)
    places = [np.flatnonzero(rows.batch == batch) for batch in range(len(rows.batches))]
    kept = [
        (name, at) for name, at in zip(rows.batches, places, strict=True) if len(at) >= LEAST_ROWS
    ]
    usual = float(np.median([np.quantile(far[at], 1 - RARE) for _, at in kept])) if kept else 0.0
    out = far > FARTHER * usual
    batches = against_the_others(
        [name for name, _ in kept],
        [len(at) for _, at in kept],
        [float(out[at].mean()) for _, at in kept],
        [share_error(out[at], rows.group[at]) for _, at in kept],
        margin=MARGIN,
    )
    return judged(
        OUTLIERS,
        batches,
        unit=UNIT,
        what="are far",
        place=rows.place[out],
        score=far[out],
        batch=np.array(rows.batches)[rows.batch[out]],
    )


def distances(rows: Rows, *, seed: int) -> Numbers:
    """Return how far each row is from its tenth nearest of those drawn, itself not among them."""
    from sklearn.neighbors import NearestNeighbors

    points = rows.values.copy()
    for column in np.flatnonzero(rows.categorical):
        _, code, counts = np.unique(points[:, column], return_inverse=True, return_counts=True)
        rareness = np.log(len(points) / counts) / max(np.log(len(points)), 1.0)
        points[:, column] = RAREST * rareness[code]
    draw = np.random.default_rng(seed)
    drawn = draw.permutation(len(points))[:DRAWN]
    nearest = min(NEIGHBOURS, len(drawn) - 1)
    model = NearestNeighbors(n_neighbors=nearest + 1, algorithm="brute").fit(points[drawn])
    found = model.kneighbors(points, return_distance=True)[0]
    itself = np.zeros(len(points), dtype=bool)
    itself[drawn] = True
    far: Numbers = np.where(itself, found[:, nearest], found[:, nearest - 1]).astype(np.float64)
    return far
