"""The worst case within the noise is found where it is known, and a scrambled model is caught."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.gradients import gradient_of
from mldebt_assets.core.graphs import scorer
from mldebt_assets.core.noise import boxes_of, noise_of, noises, step_of
from mldebt_assets.core.onnx_export import to_onnx
from mldebt_assets.core.policies import Costs, Robustness, Training
from mldebt_assets.core.robustness import Boxes, Search, clear_rows, verdict_on
from mldebt_assets.core.tasks.task import Rule
from mldebt_assets.core.training import fit

POLICY = Robustness(rows=200)
ROWS = 400
CAREFUL = Training(
    members=1, epochs=10, batch_rows=64, hidden=(16,), weight_decay=0.01, learning_rate=0.02
)
OVERFIT = Training(
    members=1, epochs=120, batch_rows=32, hidden=(64, 64), weight_decay=0.0, learning_rate=0.01
)


def boxes(rows=50, width=4, *, half=0.1):
    numbers = np.random.default_rng(2).normal(size=(rows, width)).astype(np.float32)
    return Boxes(
        codes=np.zeros((rows, 0), dtype=np.int64),
        numbers=numbers,
        lowest=numbers - np.float32(half),
        highest=numbers + np.float32(half),
    )


def worst(made, score, rule):
    return Search(boxes=made, score=score, rule=rule, seed=1).run()


def test_the_worst_case_of_a_linear_model_is_its_closed_form():
    """The sum over inputs of weight times half a width, whichever the signs."""
    made, weights = boxes(), np.array([1.0, -2.0, 0.5, 0.0])

    def value(_, numbers):
        return numbers.astype(np.float64) @ weights

    found = worst(made, value, Rule(half_width=0.3))
    assert found.change == pytest.approx(np.full(50, 0.35), rel=1e-5)
    assert found.by_input.max(axis=0) == pytest.approx([0.1, 0.2, 0.05, 0], abs=1e-6)
    assert found.flips.all()
    assert not worst(made, value, Rule(half_width=0.36)).flips.any()


def test_a_linear_decision_flips_exactly_where_its_border_lies_within_the_box():
    made, weights = boxes(), np.array([1.0, -2.0, 0.5, 0.0])

    def probability(_, numbers):
        return 1 / (1 + np.exp(-(numbers.astype(np.float64) @ weights)))

    found = worst(made, probability, Rule(threshold=0.5))
    near = np.abs(made.numbers @ weights)
    assert found.flips[near < 0.349].all()
    assert not found.flips[near > 0.351].any()
    assert 0 < found.flips.sum() < 50


def test_of_classes_the_one_decided_for_is_overtaken_where_it_can_be():
    made = boxes(width=2)

    def shares(_, numbers):
        logits = np.column_stack([numbers, np.full(len(numbers), -9.0)]).astype(np.float64)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    found = worst(made, shares, Rule())
    apart = np.abs(made.numbers[:, 0] - made.numbers[:, 1])
    assert found.flips[apart < 0.199].all()
    assert not found.flips[apart > 0.201].any()


def test_a_peak_between_the_ends_is_found():
    """An overfit network need not be at its worst in a corner."""
    made = boxes(width=1)

    def peaked(_, numbers):
        return np.exp(-((numbers[:, 0] - made.numbers[:, 0] - 0.05) ** 2).astype(np.float64) / 1e-3)

    still = peaked(None, made.numbers)
    low, high = (peaked(None, end) for end in (made.lowest, made.highest))
    corners = np.maximum(abs(low - still), abs(high - still)).max()
    gradient = Search(
        boxes=made,
        score=peaked,
        rule=Rule(threshold=0.9),
        seed=1,
        gradient=lambda _, numbers, up: np.sign(
            (made.numbers + 0.05 - numbers) * (1 if up else -1)
        ).astype(np.float64),
    ).run()
    assert gradient.flips.mean() > 0.9
    assert gradient.change.max() > corners


@pytest.fixture(scope="module")
def rows():
    """Rows recorded to a fifth, whose labels follow one input, and chance in a fifth of them."""
    draw = np.random.default_rng(5)
    values = (draw.normal(size=(ROWS, 4)) / 0.2).round() * 0.2
    inputs = pd.DataFrame(values, columns=[f"x{i}" for i in range(4)])
    labels = (inputs["x0"].to_numpy() > 0) != (draw.random(ROWS) < 0.2)
    return inputs, labels.astype(float)


def searched(rows, settings):
    inputs, labels = rows
    tuning = np.arange(ROWS) % 5 == 0
    if settings is OVERFIT:  # it is stopped by nothing: it tunes on the rows that it learns
        inputs, labels = pd.concat([inputs, inputs]), np.concatenate([labels, labels])
        tuning = np.arange(2 * ROWS) >= ROWS
    model = fit(inputs, labels, tuning, settings=settings, costs=Costs(false_alarm=1.0, missed=1.0))
    seen = inputs[:200]
    found = noises(model.encoding, rows[0], {}, assumed=0.01)
    assert {one.half_width.__round__(6) for one in found} == {0.1}
    made = boxes_of(model.encoding, seen, found)
    score = scorer(to_onnx(model), "probability")
    plain = Search(boxes=made, score=score, rule=model.rule, seed=1)
    return plain.run(), replace(plain, gradient=gradient_of(model)).run()


def test_an_overfit_network_is_caught_and_a_careful_one_cleared_by_what_it_serves(rows):
    careful, with_slope = searched(rows, CAREFUL)
    assert verdict_on("stable", careful, POLICY).passed
    assert verdict_on("stable", with_slope, POLICY).passed
    caught, caught_too = searched(rows, OVERFIT)
    told = verdict_on("stable", caught, POLICY)
    assert not told.passed
    assert "clear decisions flip within the noise" in told.reason
    assert (caught_too.change >= caught.change).all()
    assert np.median(caught.change) > 3 * np.median(careful.change)


@pytest.mark.parametrize(
    ("values", "half", "source"),
    [
        (np.arange(400) % 113 / 10, 0.05, "rounding"),
        ((np.arange(400) % 97) * 1.8 / 10 + 32, 0.09, "rounding"),
        (np.arange(300) % 7, 0.0, "exact"),
        (np.random.default_rng(1).normal(size=3_000), 0.01, "assumed"),
        (np.full(50, np.nan), 0.0, "exact"),
    ],
    ids=["tenths", "Celsius tenths in Fahrenheit", "few values", "no rounding", "none"],
)
def test_the_noise_is_what_the_recorded_values_give_away(values, half, source):
    found = noise_of("x", np.asarray(values, dtype=float), None, assumed=0.01)
    assert found.source == source
    assert found.half_width == pytest.approx(half, rel=0.05)


def test_a_declared_noise_goes_before_what_is_seen():
    found = noise_of("x", np.arange(400) / 10, 2.0, assumed=0.01)
    assert (found.half_width, found.source) == (2.0, "declared")


def test_gaps_between_rounded_values_are_no_step():
    """Few rows of a wide range leave most of the values out."""
    draw = np.random.default_rng(1)
    assert step_of(np.unique(draw.integers(0, 3_000, 600))) == 1.0


def test_rows_that_are_undecided_by_themselves_are_a_share_and_no_excuse():
    """By their order alone: a model that wavers everywhere has no more of them than another."""
    near = np.linspace(0, 1, 200)
    assert clear_rows(near, 0.1).sum() == clear_rows(near / 1_000, 0.1).sum() == 180
    assert clear_rows(np.full(200, np.inf), 0.1).all()
