"""A batch whose labels depend on the features in a new way: another world, or poison.

Two models of a batch are compared on its own rows, by groups that neither was fitted on: what was
learned from the batches before it, with nothing but the rate of the labels set anew (a season may
be worse for everybody); and the same combined with a model of the batch itself, which knows every
way in which features work here. Told is what share of the labels' entropy (of a number: of its
variance) only the second explains. Every batch adds something, since worlds change a little; what
adds more than the other batches did, beyond their spread, is new.

A model is only ever held against batches later than those it has learned from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.suspects import DEPENDENCE
from mldebt_assets.core.suspects.finding import Finding, judged
from mldebt_assets.core.suspects.predicted import FOLDS, SMALLEST, folds_of, out_of_fold, says
from mldebt_assets.core.suspects.rise import against_the_others

if TYPE_CHECKING:
    from mldebt_assets.core.suspects.rows import Flags, Numbers, Places, Rows


UNIT = "of the labels' entropy is explained only in this batch's own way"
MARGIN = 0.02
LEAST_ROWS = 200
LEAST_GROUPS = 5
MOST_LEARNED = 60_000
RAKINGS = 50


def new_dependence(rows: Rows, *, seed: int, folds: int = FOLDS) -> Finding:
    """Return how much each batch's labels depend in a new way, and the rows that show it most."""
    known = rows.labelled
    names, sizes, values, errors = [], [], [], []
    place, score, batch = [], [], []
    for number, name in enumerate(known.batches):
        own = known.of(known.batch == number)
        earlier = np.flatnonzero(known.batch < number)
        enough = len(own) >= LEAST_ROWS and len(np.unique(own.group)) >= LEAST_GROUPS
        if not enough or len(earlier) < LEAST_ROWS or _constant(own.labels):
            continue
        gains = gained(known, earlier, own, number, seed=seed, folds=folds)
        sums = np.bincount(own.group, weights=gains - gains.mean())
        names.append(name)
        sizes.append(len(own))
        values.append(float(gains.mean()))
        errors.append(float(np.sqrt((sums**2).sum()) / len(gains)))
        shows = gains > 1
        place.append(own.place[shows])
        score.append(gains[shows])
        batch.append(np.full(int(shows.sum()), name, dtype=object))
    return judged(
        DEPENDENCE,
        against_the_others(names, sizes, values, errors, margin=MARGIN),
        unit=UNIT,
        what="explained anew",
        place=np.concatenate([*place, np.zeros(0, dtype=np.int64)]),
        score=np.concatenate([*score, np.zeros(0)]),
        batch=np.concatenate([*batch, np.zeros(0, dtype=object)]),
    )


def gained(
    known: Rows, earlier: Places, own: Rows, number: int, *, seed: int, folds: int
) -> Numbers:
    """Return each row's loss by what was learned before less that by the batch's own way.

    In units of the mean loss of a model that knows only the labels' rate.
    """
    draw = np.random.default_rng([seed, number])
    learned = np.zeros(len(known), dtype=bool)
    learned[draw.permutation(earlier)[:MOST_LEARNED]] = True
    before = says(known, learned, known.batch == number, seed=seed)
    itself = out_of_fold(own, folds=folds, seed=seed)
    fold = folds_of(own.group, folds, seed)
    old, new = np.empty(len(own)), np.empty(len(own))
    rate = np.empty(len(own))
    for one in np.unique(fold):
        asked = fold == one
        told = own.labels[~asked], own.labels[asked]
        if own.classes:
            old[asked] = _of_label(_reset(before, told[0], ~asked)[asked], told[1])
            both = np.log(np.column_stack([before, itself]))
            new[asked] = _of_label(_combined(both, told[0], asked, own.classes), told[1])
            constant = np.bincount(told[0].astype(np.int64), minlength=own.classes) + SMALLEST
            rate[asked] = _of_label(
                np.tile(constant / constant.sum(), (int(asked.sum()), 1)), told[1]
            )
        else:
            old[asked] = _square(before[:, 0], own.labels, asked, slope=False)
            new[asked] = _square(np.column_stack([before, itself]), own.labels, asked, slope=True)
            rate[asked] = (told[1] - told[0].mean()) ** 2
    gains: Numbers = (old - new) / rate.mean()
    return gains


def _constant(labels: Numbers) -> bool:
    return bool(len(labels) == 0 or (labels == labels[0]).all())


def _of_label(chances: Numbers, labels: Numbers) -> Numbers:
    """Return the log loss of each row."""
    picked = chances[np.arange(len(labels)), labels.astype(np.int64)]
    losses: Numbers = -np.log(np.maximum(picked, SMALLEST))
    return losses


def _reset(chances: Numbers, labels: Numbers, learned: Flags) -> Numbers:
    """Return chances whose mean is the classes' rate in the labels, and nothing else changed."""
    rate = np.bincount(labels.astype(np.int64), minlength=chances.shape[1]) + SMALLEST
    rate = rate / rate.sum()
    factor = np.ones(chances.shape[1])
    for _ in range(RAKINGS):
        held = chances[learned] * factor
        factor *= rate / (held / held.sum(axis=1, keepdims=True)).mean(axis=0)
    held = chances * factor
    normed: Numbers = held / held.sum(axis=1, keepdims=True)
    return normed


def _combined(columns: Numbers, labels: Numbers, asked: Flags, classes: int) -> Numbers:
    """Return the chances that a regression on both models' own gives the rows asked."""
    from sklearn.linear_model import LogisticRegression

    chances = np.full((int(asked.sum()), classes), SMALLEST)
    known = np.unique(labels).astype(np.int64)
    if len(known) == 1:
        chances[:, known[0]] = 1.0
    else:
        model = LogisticRegression(max_iter=500).fit(columns[~asked], labels.astype(np.int64))
        chances[:, known] = np.maximum(model.predict_proba(columns[asked]), SMALLEST)
    normed: Numbers = chances / chances.sum(axis=1, keepdims=True)
    return normed


def _square(said: Numbers, labels: Numbers, asked: Flags, *, slope: bool) -> Numbers:
    """Return each asked row's squared error, by a line fitted on the others or a shift alone."""
    told = labels[~asked]
    if not slope:
        moved = said + (told - said[~asked]).mean()
        return np.asarray((labels - moved)[asked] ** 2)
    table = np.column_stack([np.ones(len(labels)), said])
    line = np.linalg.lstsq(table[~asked], told, rcond=None)[0]
    return np.asarray((labels[asked] - table[asked] @ line) ** 2)
