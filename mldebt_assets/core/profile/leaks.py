"""Which columns of a table give its target away: those that are it in disguise, and the suspects.

A column may tell the classes apart and be honest: the petals of irises nearly do. So only what can
hardly be anything else is called a leak: another writing of the target, or the number that it was
cut from. Of the rest that tells too much, a person is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from mldebt_assets.core.profile.columns import Found
    from mldebt_assets.core.profile.goal import Goal

LEAST_ROWS = 20
"""Of fewer rows, that a column tells the target says nothing."""

SUSPECT = 0.995
"""The ROC AUC of each class, or the rank correlation with a number, from which on one asks."""

SAME_NUMBER = 0.999999
"""From this correlation on, a number is the target in another unit."""

BINS = 32
ROWS_A_BIN = 20
LEAST_MISSING = 5
NEAR = 20
MOST_GAP = 10.0
"""Values about a cut lie closely: its gap is no more than so many times the usual one there."""


def disguised(column: Found, goal: Goal) -> str:
    """Return how a column is the target in disguise; nothing where it need not be.

    A category is where each of its values goes with one class and each class with one of them, or
    where it has a value in the rows of some classes alone. A number is where the classes lie in it
    one behind the other, with no more room between them than there is between any two values; or
    where it is the target itself but for unit and origin.
    """
    labels = goal.labels
    known = labels.notna()
    values, truth = column.values.reset_index(drop=True)[known], labels[known]
    if len(truth) < LEAST_ROWS:
        return ""
    number = column.dtype in {"int64", "float64"}
    if goal.task == "regression":
        same = number and _correlation(values, truth) >= SAME_NUMBER
        return (
            "it gives the target away: it is the same number, perhaps in another unit"
            if same
            else ""
        )
    there = values.notna()
    apart = truth[there].nunique() + truth[~there].nunique() == truth.nunique()
    if apart and int((~there).sum()) >= LEAST_MISSING:
        return "it gives the target away: it has a value where the target has one of its values"
    if values.nunique(dropna=False) == truth.nunique() and _one_to_one(values, truth):
        return "it gives the target away: it is the same, written otherwise"
    cut = number and bool(there.all()) and _cut_from(values.astype("float64"), truth)
    return "it gives the target away: the target is cut from it" if cut else ""


def told_alone(column: Found, goal: Goal) -> float:
    """Return how well a column tells the target by itself, in [0, 1].

    For classes, the least ROC AUC of any of them, by its share among like values or in their order;
    for a number, the rank correlation. Of values too many for the rows nothing is said: 0.
    """
    known = goal.labels.notna()
    values, truth = column.values.reset_index(drop=True)[known], goal.labels[known]
    if column.dtype == "timestamp" or len(truth) < LEAST_ROWS:
        return 0.0
    number = column.dtype in {"int64", "float64"}
    if goal.task == "regression":
        return _correlation(values, truth, ranks=True) if number else 0.0
    bins = _binned(values, len(truth)) if number else values.fillna("").astype(str)
    if bins.nunique() > max(2, len(truth) // ROWS_A_BIN):
        return 0.0
    told = []
    for one in truth.unique():
        of_class = truth == one
        shares = of_class.astype("float64").groupby(bins.to_numpy()).transform("mean")
        alone = _auc(of_class, values.astype("float64").fillna(-np.inf)) if number else 0.5
        told.append(max(_auc(of_class, shares), alone, 1 - alone))
    return min(told)


def _binned(values: pd.Series[Any], rows: int) -> pd.Series[Any]:
    wanted = max(2, min(BINS, rows // ROWS_A_BIN))
    return pd.qcut(values.astype("float64").rank(), wanted, labels=False, duplicates="drop").fillna(
        -1
    )


def _one_to_one(values: pd.Series[Any], truth: pd.Series[Any]) -> bool:
    pairs = pd.DataFrame({"value": values.to_numpy(), "label": truth.to_numpy()})
    return len(pairs.drop_duplicates()) == truth.nunique()


def _cut_from(values: pd.Series[float], truth: pd.Series[Any]) -> bool:
    """Return whether the classes are ranges of a number that meet without a gap."""
    pairs = pd.DataFrame({"value": values.to_numpy(), "label": truth.to_numpy()})
    points = pairs.drop_duplicates().sort_values("value", kind="stable")
    number, label = points["value"].to_numpy(), points["label"].to_numpy()
    if len(np.unique(number)) < max(len(number), LEAST_ROWS):
        return False  # one value goes with two classes, or the values are few
    edges = np.flatnonzero(label[1:] != label[:-1])
    if len(edges) != truth.nunique() - 1:
        return False
    gaps = np.diff(number)
    return all(
        gaps[edge] <= MOST_GAP * float(np.median(gaps[max(0, edge - NEAR) : edge + NEAR + 1]))
        for edge in edges
    )


def _correlation(values: pd.Series[Any], truth: pd.Series[Any], *, ranks: bool = False) -> float:
    pairs = pd.DataFrame({"a": values.astype("float64"), "b": truth.astype("float64")}).dropna()
    if len(pairs) <= len(truth) / 2 or pairs["a"].nunique() <= 1 or pairs["b"].nunique() <= 1:
        return 0.0
    if ranks:
        pairs = pairs.rank()
    return abs(float(np.corrcoef(pairs["a"], pairs["b"])[0, 1]))


def _auc(truth: pd.Series[bool], scores: pd.Series[float]) -> float:
    ones = int(truth.sum())
    zeros = len(truth) - ones
    above = float(scores.rank()[truth].sum()) - ones * (ones + 1) / 2
    return above / (ones * zeros)
