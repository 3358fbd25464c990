"""Metrics equal scikit-learn's, whatever the order of rows, and are left out where undefined."""

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


def judged(rows):
    draw = np.random.default_rng(1)
    labels = (draw.random(rows) < 0.3).astype(float)
    return labels, 1 / (1 + np.exp(-(labels + draw.normal(size=rows))))


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
    labels, scores = judged(3_000)
    curve = e.calibration_curve(labels, scores)
    assert curve["rows"].sum() == 3_000
    assert np.ptp(curve["rows"]) <= 1


def test_the_roc_curve_keeps_its_ends_and_its_area_with_few_points():
    labels, scores = judged(5_000)
    curve = e.roc_curve(labels, scores, points=100)
    rates = curve["false_positive_rate"], curve["true_positive_rate"]
    assert len(rates[0]) <= 100
    assert [(float(rate[0]), float(rate[-1])) for rate in rates] == [(0, 1), (0, 1)]
    assert np.trapezoid(rates[1], rates[0]) == pytest.approx(e.roc_auc(labels, scores), abs=1e-3)


def test_lift_shares_out_the_rows_that_tie_at_the_border():
    """All scores alike find what chance finds."""
    assert e.lift(np.tile([1.0, 0.0, 0.0], 40), np.full(120, 0.3)) == pytest.approx(1)


def test_a_small_slice_tells_its_rows_and_nothing_else():
    labels, scores = judged(1_000)
    origin = np.where(np.arange(1_000) < 30, "LGA", "JFK")

    def measured(inside):
        return e.metrics(labels[inside], scores[inside], threshold=0.5, costs=COSTS)

    found = e.metrics_by_slice({"origin": origin}, measured, least_rows=100)
    assert [(s.dimension, s.value, s.rows) for s in found] == [
        ("origin", "JFK", 970),
        ("origin", "LGA", 30),
    ]
    assert found[0].metrics == e.metrics(labels[30:], scores[30:], threshold=0.5, costs=COSTS)
    assert (found[1].metrics, found[1].reason) == (None, "30 rows, fewer than 100")


def test_every_score_is_counted_once_under_its_label():
    """Both ends count: a model that is sure says 0 and 1."""
    scores = np.array([0.0, 0.5, 1.0, 1.0, 0.2])
    labels = np.array([0.0, 1.0, 1.0, np.nan, np.nan])
    found = e.score_histogram(scores, labels, bins=4)
    assert found["edges"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found["negative"].tolist() == [1, 0, 0, 0]
    assert found["positive"].tolist() == [0, 0, 1, 1]
    assert found["unlabelled"].tolist() == [1, 0, 0, 1]
