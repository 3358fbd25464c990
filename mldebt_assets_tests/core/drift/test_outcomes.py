"""What a model gave and what became true is compared by the same rule as its inputs."""

import json

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.drift.outcomes import from_bytes, judge_outcomes, outcomes_of, to_bytes
from mldebt_assets.core.policies import Drift

LIMITS = Drift()


def outcomes(days, seed, shift=0.0, late=0.0, effect=0.3):
    """Return the outcomes of some days; a day's rows share what their day adds to them."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 300)
    logits = draw.normal(scale=effect, size=days)[day] + draw.normal(size=day.size) - 1 + shift
    scores = 1 / (1 + np.exp(-logits))
    labels = pd.Series(np.where(draw.uniform(size=day.size) < scores, "1", "0"), dtype=object)
    labels[draw.uniform(size=day.size) < late] = None
    days_of_rows = pd.Series([f"{seed}-{one:03}" for one in day])
    return outcomes_of(pd.DataFrame({"score": scores}), labels, days_of_rows, "day")


def judged(current, reference=None, limits=LIMITS):
    return judge_outcomes(reference or outcomes(30, seed=1), current, limits)


def test_days_of_the_same_kind_have_drifted_in_neither():
    """Rows of a day share its luck; taken for independent, every month would differ."""
    sides = [outcomes(30, seed, effect=0.8) for seed in (3, 4)]
    found = judged(sides[1], sides[0])
    assert not found["scores"]["drifted"]
    assert not found["labels"]["drifted"]
    by_rows = judged(sides[1], sides[0], Drift(calibrate=False))
    assert by_rows["scores"]["drifted"]
    assert by_rows["scores"]["calibration"] == "uncalibrated"


def test_a_shift_of_both_is_found_with_its_size():
    """An effect that nobody is told the size of can be neither weighed nor dismissed."""
    found = judged(outcomes(30, seed=2, shift=1.0))
    means = {"scores": "score", "labels": "label 1"}
    for what, one in found.items():
        (column,) = one["columns"].values()
        mean = one["means"][means[what]]
        assert one["drifted"]
        assert column["drifted"]
        assert one["calibration"] == "calibrated"
        assert column["distance"] > 0.15
        assert mean["current"] > mean["reference"] + 0.1
        assert one["summary"].endswith(
            f"; mean of {means[what]} {mean['reference']:.3f} -> {mean['current']:.3f}"
        )
    statistics = found["scores"]["columns"]["score"]["statistics"]
    assert {"ks", "psi", "wasserstein"} <= statistics.keys()
    rate = found["labels"]["means"]["label 1"]
    assert found["labels"]["columns"]["label"]["distance"] == pytest.approx(
        rate["current"] - rate["reference"]
    )
    assert json.loads(json.dumps(found)) == found


def test_a_label_that_is_not_there_yet_is_no_drift():
    """Where labels come late all are missing at first, and that says nothing of the world."""
    found = judged(outcomes(30, seed=2, late=0.7))["labels"]
    assert not found["drifted"]
    assert found["rows"]["current"] == pytest.approx(0.3 * 9000, rel=0.05)
    none_yet = judged(outcomes(30, seed=2, late=1.0))
    assert not none_yet["labels"]["judged"]
    assert none_yet["labels"]["summary"] == "no labels of this batch are known"
    assert none_yet["scores"]["judged"]


def test_scores_of_many_classes_and_labels_that_are_numbers_are_judged_alike():
    """Whether a model names a class or a number, what it gave can drift."""

    def three(seed, shift):
        draw = np.random.default_rng(seed)
        raw = np.exp(draw.normal([shift, 0, 0], size=(6_000, 3)))
        shares = pd.DataFrame(raw / raw.sum(axis=1, keepdims=True), columns=["a", "b", "c"])
        days = pd.Series(np.arange(6_000) // 300).astype(str)
        return outcomes_of(shares, pd.Series(draw.normal(shift, 1, 6_000)), days, "day")

    found = judged(three(2, 1.0), three(1, 0.0))
    assert found["scores"]["columns"].keys() == found["scores"]["means"].keys() == {"a", "b", "c"}
    assert found["labels"]["drifted"]
    assert found["labels"]["means"]["label"]["current"] == pytest.approx(1, abs=0.05)


def test_two_passes_give_the_same_bytes():
    """They are stored under their hash, like everything."""
    first = to_bytes(outcomes(3, seed=1, late=0.5))
    assert to_bytes(outcomes(3, seed=1, late=0.5)) == first
    assert to_bytes(from_bytes(first)) == first
    none = to_bytes(outcomes(3, seed=1, late=1.0))
    assert not from_bytes(none)["labels"].parts
