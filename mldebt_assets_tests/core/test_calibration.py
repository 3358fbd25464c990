import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from mldebt_assets.core.calibration import cheapest_threshold, platt
from mldebt_assets.core.policies import Costs

scored = st.lists(
    st.tuples(st.sampled_from([0.05, 0.1, 0.3, 0.5, 0.9, 1.0]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=40,
)
prices = st.floats(0, 100)


def cost_at(threshold, probabilities, labels, costs):
    alarm = probabilities >= threshold
    return (
        costs.false_alarm * (alarm & (labels == 0)).sum()
        + costs.caught * (alarm & (labels == 1)).sum()
        + costs.missed * (~alarm & (labels == 1)).sum()
    )


@given(rows=scored, false_alarm=prices, missed=prices, caught=prices)
def test_no_threshold_costs_less(rows, false_alarm, missed, caught):
    """The threshold is a claim about money; every possible one is tried here by hand."""
    probabilities, labels = (np.array(part) for part in zip(*rows, strict=True))
    costs = Costs(false_alarm=false_alarm, missed=missed, caught=caught)
    chosen = cost_at(cheapest_threshold(probabilities, labels, costs), probabilities, labels, costs)
    every = [0.0, *np.unique(probabilities), 2.0]
    assert chosen == pytest.approx(
        min(cost_at(threshold, probabilities, labels, costs) for threshold in every), abs=1e-9
    )


def test_no_alarm_is_raised_where_alarms_never_pay():
    """Even at a probability of exactly 1."""
    costs = Costs(false_alarm=10.0, missed=1.0, caught=5.0)
    assert cheapest_threshold(np.array([1.0]), np.array([1.0]), costs) > 1.0


def test_calibration_recovers_the_line_that_made_the_labels():
    """Scores twice too sure come out half as sure. Expected: the line drawn from."""
    draws = np.random.default_rng(3)
    scores = draws.normal(0.0, 2.0, 40_000)
    labels = (draws.random(40_000) < expit(0.5 * scores - 1.0)).astype("float64")
    assert platt(scores, labels) == (pytest.approx(0.5, abs=0.03), pytest.approx(-1.0, abs=0.05))


def test_the_mean_probability_is_the_rate():
    """Calibrated costs add up: the expected number of alarms is the real one."""
    draws = np.random.default_rng(4)
    scores = draws.normal(3.0, 1.0, 5_000)
    labels = (draws.random(5_000) < 0.2).astype("float64")
    slope, intercept = platt(scores, labels)
    assert expit(slope * scores + intercept).mean() == pytest.approx(labels.mean(), abs=0.002)


def test_calibration_never_turns_the_order_around():
    """A few odd tuning days must not make the model predict the opposite."""
    slope, _ = platt(np.linspace(-2, 2, 100), np.linspace(1, 0, 100).round())
    assert slope > 0


def test_scores_that_part_the_labels_get_finite_probabilities():
    """Without Platt's targets the line would grow until the sum of its logits overflows."""
    slope, intercept = platt(np.array([-1.0, -1.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    low, high = expit(np.array([-slope, slope]) + intercept)
    assert 0.1 < low < high < 0.9


@given(scores=st.lists(st.floats(-20, 20), min_size=4, max_size=40))
def test_a_higher_score_is_never_less_probable(scores):
    """Calibration changes probabilities, not ranks."""
    values = np.array(sorted(scores))
    slope, intercept = platt(values, np.arange(len(values)) % 2.0)
    assert all(a <= b for a, b in pairwise(slope * values + intercept))


LINE = """
import numpy as np
from mldebt_assets.core.calibration import platt
draws = np.random.default_rng(5)
scores = draws.normal(0.0, 2.0, 30_000)
print(*(number.hex() for number in platt(scores, (draws.random(30_000) < 0.3).astype("float64"))))
"""


def test_the_line_is_the_same_whatever_kernels_of_linear_algebra_there_are():
    """It is stored with the weights: another machine must find the same hash."""
    found = {
        subprocess.run(
            [sys.executable, "-c", LINE],
            env={**os.environ, "OPENBLAS_CORETYPE": kernels},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for kernels in ("Prescott", "Haswell", "SkylakeX")
    }
    assert len(found) == 1


@pytest.mark.parametrize("score", [0.0, 3.3, -1e6])
def test_scores_that_are_all_the_same_get_the_rate(score):
    """A model that learned nothing says how often it happens, and no more."""
    labels = np.array([1.0, 0.0, 0.0, 0.0] * 100)
    slope, intercept = platt(np.full(400, score), labels)
    assert expit(slope * score + intercept) == pytest.approx(0.25, abs=0.002)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_line_fits_better(seed):
    """Expected: what scipy's own optimiser finds, run to its last digit."""
    draws = np.random.default_rng(seed)
    scores = draws.normal(draws.normal(), 10.0 ** draws.uniform(-1, 1.5), 2_000)
    labels = (draws.random(2_000) < expit(draws.uniform(0.05, 3) * scores)).astype("float64")
    rate = labels.sum()
    targets = np.where(labels > 0, (rate + 1) / (rate + 2), 1 / (2_000 - rate + 2))

    def loss(line):
        logits = line[0] * scores + line[1]
        return float(np.mean(np.logaddexp(0, logits) - targets * logits))

    best = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-15})
    assert loss(platt(scores, labels)) <= best.fun + 1e-12
