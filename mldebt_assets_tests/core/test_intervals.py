"""The fast bootstrap over groups equals the slow one, and never favours a copy."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from mldebt_assets.core.errors import SingleClassError
from mldebt_assets.core.evaluation import roc_auc
from mldebt_assets.core.intervals import group_gain, group_interval


def judged(rows, seed, groups=12):
    """Labels, scores and groups, where rows of a group share their luck."""
    draw = np.random.default_rng(seed)
    group = draw.integers(0, groups, rows)
    luck = draw.normal(size=groups)[group]
    labels = (draw.normal(size=rows) + luck > 0.7).astype(float)
    scores = 1 / (1 + np.exp(-(labels + draw.normal(size=rows))))
    return labels, scores, group


def by_brute_force(labels, candidate, incumbent, groups, *, rounds, seed):
    """The same resamples, row by row, with scikit-learn."""
    names = np.unique(groups)
    draw = np.random.default_rng(seed)
    gains = []
    for times in draw.multinomial(len(names), np.full(len(names), 1 / len(names)), size=rounds):
        rows = np.repeat(np.arange(len(labels)), times[np.searchsorted(names, groups)])
        if 0 < labels[rows].sum() < len(rows):
            first, second = (
                sklearn_metrics.roc_auc_score(labels[rows], scores[rows])
                for scores in (candidate, incumbent)
            )
            gains.append(first - second)
    return gains


@pytest.mark.parametrize("decimals", [1, 6], ids=["many ties", "few ties"])
def test_the_fast_bootstrap_equals_brute_force(decimals):
    """The gate stands on it, and nobody can see from the outside that a pair was lost."""
    labels, candidate, groups = judged(400, seed=1, groups=6)
    incumbent = np.round(judged(400, seed=2)[1] + labels / 10, decimals)
    candidate = np.round(candidate, decimals)
    slow = by_brute_force(labels, candidate, incumbent, groups, rounds=60, seed=9)
    fast = group_gain(labels, candidate, incumbent, groups, rounds=60, confidence=0.9, seed=9)
    assert [fast.lower, fast.median, fast.upper] == pytest.approx(
        np.quantile(slow, [0.05, 0.5, 0.95]).tolist()
    )
    assert fast.point == pytest.approx(roc_auc(labels, candidate) - roc_auc(labels, incumbent))
    assert (fast.groups, fast.rounds) == (6, len(slow))


def test_resamples_without_both_classes_are_left_out_and_counted():
    labels, groups = np.array([1.0, 0.0]), np.array(["a", "b"])
    found = group_interval(
        labels, np.array([0.9, 0.1]), groups, rounds=1_000, confidence=0.95, seed=1
    )
    assert 400 < found.rounds < 600
    assert found.lower == found.upper == 1


def test_equal_scores_gain_exactly_nothing():
    """Rounding must not promote a copy of the champion."""
    labels, scores, groups = judged(5_000, seed=1)
    found = group_gain(labels, scores, scores**3, groups, rounds=500, confidence=0.95, seed=1)
    assert found.lower == found.median == found.upper == found.point == 0


def test_the_interval_is_the_same_for_rows_in_any_order_and_another_for_another_seed():
    labels, scores, groups = judged(2_000, seed=1)
    order = np.random.default_rng(5).permutation(2_000)
    settings_ = {"rounds": 300, "confidence": 0.95}
    first = group_interval(labels, scores, groups, seed=1, **settings_)
    again = group_interval(labels[order], scores[order], groups[order], seed=1, **settings_)
    assert first == again
    assert group_interval(labels, scores, groups, seed=2, **settings_) != first


def test_an_interval_needs_both_classes():
    with pytest.raises(SingleClassError, match=r"ROC AUC is not defined for 2 positive and 0"):
        group_interval(np.ones(2), np.zeros(2), np.arange(2), rounds=10, confidence=0.95, seed=1)
