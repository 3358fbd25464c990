"""Metrics equal scikit-learn's, and the fast group bootstrap equals the slow one."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from mldebt_assets.core import evaluation as e
from mldebt_assets.core.errors import SingleClassError
from mldebt_assets.core.policies import Costs

COSTS = Costs(false_alarm=20.0, missed=60.0, caught=10.0)

brisk = settings(deadline=None, max_examples=60)
samples = st.lists(
    st.tuples(st.booleans(), st.integers(0, 20).map(lambda k: k / 20)), min_size=2, max_size=60
).map(lambda rows: (np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])))


def judged(rows, seed, groups=12, strength=1.0):
    """Labels, scores and groups, where rows of a group share their luck."""
    draw = np.random.default_rng(seed)
    group = draw.integers(0, groups, rows)
    luck = draw.normal(size=groups)[group]
    labels = (draw.normal(size=rows) + luck > 0.7).astype(float)
    scores = 1 / (1 + np.exp(-(strength * labels + draw.normal(size=rows))))
    return labels, scores, group


@brisk
@given(sample=samples)
def test_ranking_metrics_equal_scikit_learn_with_ties(sample):
    labels, scores = sample
    assume(0 < labels.sum() < len(labels))
    assert e.roc_auc(labels, scores) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))
    assert e.average_precision(labels, scores) == pytest.approx(
        sklearn_metrics.average_precision_score(labels, scores)
    )


@brisk
@given(sample=samples)
def test_probability_metrics_equal_scikit_learn(sample):
    labels, scores = sample
    assert e.brier(labels, scores) == pytest.approx(
        sklearn_metrics.brier_score_loss(labels, scores)
    )
    inside = np.clip(scores, 1e-6, 1 - 1e-6)
    assert e.log_loss(labels, inside) == pytest.approx(
        sklearn_metrics.log_loss(labels, inside, labels=[0, 1])
    )
    counts = e.confusion(labels, scores, 0.5)
    expected = sklearn_metrics.confusion_matrix(labels, scores >= 0.5, labels=[0, 1])
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [counts[name] for name in names] == expected.ravel().tolist()


@brisk
@given(sample=samples, data=st.data())
def test_the_order_of_rows_is_of_no_account(sample, data):
    """Equal scores may stand in any order, and a metric must not pick one."""
    labels, scores = sample
    order = np.array(data.draw(st.permutations(range(len(labels)))))
    first = e.metrics(labels, scores, threshold=0.5, costs=COSTS)
    assert e.metrics(labels[order], scores[order], threshold=0.5, costs=COSTS) == pytest.approx(
        first
    )


def test_costs_are_those_of_the_declared_matrix():
    labels, scores = np.array([1.0, 1.0, 0.0, 0.0]), np.array([0.9, 0.1, 0.8, 0.2])
    found = e.metrics(labels, scores, threshold=0.5, costs=COSTS)
    assert found["cost_total"] == 10 + 60 + 20
    assert found["cost_per_row"] == 90 / 4
    assert found["cost_never"] == 120


@pytest.mark.parametrize(
    ("label", "missing"), [(0.0, {"roc_auc", "pr_auc", "lift"}), (1.0, {"roc_auc"})]
)
def test_a_metric_that_is_not_defined_is_left_out(label, missing):
    """A quiet day without a single late flight is no failure, and has no AUC either."""
    some = e.metrics(np.array([0.0, 1.0]), np.array([0.2, 0.7]), threshold=0.5, costs=COSTS)
    found = e.metrics(np.full(5, label), np.full(5, 0.3), threshold=0.5, costs=COSTS)
    assert set(some) - set(found) == missing
    none = e.metrics(np.array([]), np.array([]), threshold=0.5, costs=COSTS)
    assert none["rows"] == none["cost_total"] == 0


@pytest.mark.parametrize("metric", [e.roc_auc, e.roc_curve, e.average_precision, e.lift])
def test_a_metric_asked_of_one_class_says_so(metric):
    with pytest.raises(SingleClassError, match=r"0 positive and 3 negative rows"):
        metric(np.zeros(3), np.array([0.1, 0.2, 0.3]))


def test_a_perfectly_calibrated_score_has_almost_no_calibration_error():
    draw = np.random.default_rng(3)
    scores = draw.random(200_000)
    labels = (draw.random(200_000) < scores).astype(float)
    assert e.calibration_error(labels, scores) < 0.005
    assert e.calibration_error(labels, scores / 2) == pytest.approx(0.25, abs=0.005)


def test_calibration_bins_hold_about_equal_numbers_of_rows():
    """Bins of equal width would leave most of them to a handful of rows."""
    labels, scores, _ = judged(3_000, seed=1)
    curve = e.calibration_curve(labels, scores)
    assert curve["rows"].sum() == 3_000
    assert np.ptp(curve["rows"]) <= 1


def test_the_roc_curve_keeps_its_ends_and_its_area_with_few_points():
    labels, scores, _ = judged(5_000, seed=1)
    curve = e.roc_curve(labels, scores, points=100)
    rates = curve["false_positive_rate"], curve["true_positive_rate"]
    assert len(rates[0]) <= 100
    assert [(float(rate[0]), float(rate[-1])) for rate in rates] == [(0, 1), (0, 1)]
    assert np.trapezoid(rates[1], rates[0]) == pytest.approx(e.roc_auc(labels, scores), abs=1e-3)


def test_lift_shares_out_the_rows_that_tie_at_the_border():
    """All scores alike find what chance finds."""
    assert e.lift(np.tile([1.0, 0.0, 0.0], 40), np.full(120, 0.3)) == pytest.approx(1)


def test_a_small_slice_tells_its_rows_and_nothing_else():
    labels, scores, _ = judged(1_000, seed=1)
    origin = np.where(np.arange(1_000) < 30, "LGA", "JFK")
    found = e.metrics_by_slice(
        labels, scores, {"origin": origin}, threshold=0.5, costs=COSTS, least_rows=100
    )
    assert [(s.dimension, s.value, s.rows) for s in found] == [
        ("origin", "JFK", 970),
        ("origin", "LGA", 30),
    ]
    assert found[0].metrics == e.metrics(labels[30:], scores[30:], threshold=0.5, costs=COSTS)
    assert (found[1].metrics, found[1].reason) == (None, "30 rows, fewer than 100")


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
    fast = e.group_gain(labels, candidate, incumbent, groups, rounds=60, confidence=0.9, seed=9)
    assert [fast.lower, fast.median, fast.upper] == pytest.approx(
        np.quantile(slow, [0.05, 0.5, 0.95]).tolist()
    )
    assert fast.point == pytest.approx(e.roc_auc(labels, candidate) - e.roc_auc(labels, incumbent))
    assert (fast.groups, fast.rounds) == (6, len(slow))


def test_resamples_without_both_classes_are_left_out_and_counted():
    labels, groups = np.array([1.0, 0.0]), np.array(["a", "b"])
    found = e.group_interval(
        labels, np.array([0.9, 0.1]), groups, rounds=1_000, confidence=0.95, seed=1
    )
    assert 400 < found.rounds < 600
    assert found.lower == found.upper == 1


def test_equal_scores_gain_exactly_nothing():
    """Rounding must not promote a copy of the champion."""
    labels, scores, groups = judged(5_000, seed=1)
    found = e.group_gain(labels, scores, scores**3, groups, rounds=500, confidence=0.95, seed=1)
    assert found.lower == found.median == found.upper == found.point == 0


def test_the_interval_is_the_same_for_rows_in_any_order_and_another_for_another_seed():
    labels, scores, groups = judged(2_000, seed=1)
    order = np.random.default_rng(5).permutation(2_000)
    settings_ = {"rounds": 300, "confidence": 0.95}
    first = e.group_interval(labels, scores, groups, seed=1, **settings_)
    again = e.group_interval(labels[order], scores[order], groups[order], seed=1, **settings_)
    assert first == again
    assert e.group_interval(labels, scores, groups, seed=2, **settings_) != first


def test_an_interval_needs_both_classes():
    with pytest.raises(SingleClassError, match=r"ROC AUC is not defined for 2 positive and 0"):
        e.group_interval(np.ones(2), np.zeros(2), np.arange(2), rounds=10, confidence=0.95, seed=1)
