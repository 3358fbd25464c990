"""What a model that has not seen a row says of its label: gradient boosting, fitted without it.

Histogram gradient boosting takes categories and numbers as they come, needs no tuning to be good
on tables, and learns 200,000 rows in seconds. Few leaves and a penalty keep it from learning
single wrong labels by heart.

Source: Grinsztajn, Oyallon and Varoquaux, Why do tree-based models still outperform deep learning
        on typical tabular data?, NeurIPS 2022; Ke et al., LightGBM, NeurIPS 2017.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.suspects.rows import Flags, Places, Rows

    Numbers = NDArray[np.float64]

FOLDS = 5
SETTINGS = {
    "max_iter": 60,
    "max_leaf_nodes": 15,
    "l2_regularization": 5.0,
    "early_stopping": False,
}
SMALLEST = 1e-6


def folds_of(groups: Places, folds: int, seed: int) -> Places:
    """Return each row's fold: whole groups, dealt at random, as equal as their number allows."""
    names, group = np.unique(groups, return_inverse=True)
    dealt = np.random.default_rng(seed).permutation(len(names)) % min(folds, len(names))
    return dealt[group].astype(np.int64)


def out_of_fold(rows: Rows, *, folds: int, seed: int, extra: Numbers | None = None) -> Numbers:
    """Return what models say that were fitted without the row's fold: see :func:`says`."""
    fold = folds_of(rows.group, folds, seed)
    said = np.empty((len(rows), max(rows.classes, 1)))
    for one in np.unique(fold):
        unseen = fold == one
        said[unseen] = says(rows, ~unseen, unseen, seed=seed, extra=extra)
    return said


def says(
    rows: Rows, learned: Flags, asked: Flags, *, seed: int, extra: Numbers | None = None
) -> Numbers:
    """Return what a model of the ``learned`` rows says of the ``asked``.

    Returns: shape (asked, classes), the probability of each class, those never met too; of a
             number, shape (asked, 1), its value. ``extra`` are further columns, a row each.
    """
    values, categorical = rows.values, rows.categorical
    if extra is not None:
        values = np.column_stack([values, extra])
        categorical = np.append(categorical, np.zeros(extra.shape[1], dtype=bool))
    if not rows.classes:
        model = _model(rows, categorical, seed).fit(values[learned], rows.labels[learned])
        return np.asarray(model.predict(values[asked]), dtype=np.float64)[:, None]
    labels = rows.labels[learned].astype(np.int64)
    chances = np.full((int(asked.sum()), rows.classes), SMALLEST)
    known = np.unique(labels)
    if len(known) == 1:
        chances[:, known[0]] = 1.0
    else:
        model = _model(rows, categorical, seed).fit(values[learned], labels)
        chances[:, known] = np.maximum(model.predict_proba(values[asked]), SMALLEST)
    normed: Numbers = chances / chances.sum(axis=1, keepdims=True)
    return normed


def _model(rows: Rows, categorical: Flags, seed: int) -> Any:
    from sklearn import ensemble

    kind = "HistGradientBoostingClassifier" if rows.classes else "HistGradientBoostingRegressor"
    return getattr(ensemble, kind)(categorical_features=categorical, random_state=seed, **SETTINGS)
