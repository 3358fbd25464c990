"""A slice is judged by its own rows, or not at all."""

import numpy as np
import pytest

from mldebt_assets.core.slices import levels_by_slice, slice_intervals
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.tasks.regression import Regression

SETTINGS = {"rounds": 200, "confidence": 0.95, "seed": 1}
REGRESSION = Regression()


def judged(task, rows=2_000):
    """Labels, scores and groups, where rows of a group share their luck."""
    draw = np.random.default_rng(1)
    group = draw.integers(0, 12, rows)
    values = draw.normal(size=rows) + draw.normal(size=12)[group]
    labels = (values > 0.7).astype(float) if task is BINARY else values
    return labels, 1 / (1 + np.exp(-(labels + draw.normal(size=rows)))), group


@pytest.mark.parametrize("task", [BINARY, REGRESSION], ids=lambda task: task.kind)
def test_each_slice_is_judged_by_its_own_rows(task):
    labels, scores, groups = judged(task)
    origin = {"origin": np.where(np.arange(2_000) < 900, "JFK", "LGA")}
    rows = slice(0, 900)
    found = slice_intervals(task, labels, scores, groups, origin, least_rows=900, **SETTINGS)
    assert list(found) == [("origin", "JFK"), ("origin", "LGA")]
    own = task.interval(labels[rows], scores[rows], groups[rows], **SETTINGS)
    assert found["origin", "JFK"] == own
    levels = levels_by_slice(task, labels, scores, origin, least_rows=1_000)
    assert levels == {("origin", "LGA"): task.measure(labels[900:], scores[900:])}


@pytest.mark.parametrize("task", [BINARY, REGRESSION], ids=lambda task: task.kind)
def test_a_slice_that_is_small_or_has_equal_labels_is_not_judged(task):
    """It would be drawn as if it were known."""
    labels, scores, groups = judged(task)
    labels = np.where(labels > 0, 1.0, 0.0)
    place = np.where(labels > 0, "late", np.where(np.arange(2_000) < 30, "few", "on time"))
    slices = {"origin": place}
    settings = {"least_rows": 50, **SETTINGS}
    assert slice_intervals(task, labels, scores, groups, slices, **settings) == {}
    assert levels_by_slice(task, labels, scores, slices, least_rows=50) == {}
