"""The bars that people look at show where the rows lie, whatever else is in the column."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.drift.histogram import BARS, histogram_of
from mldebt_assets.core.drift.sketch import sketch_of
from mldebt_assets.core.schema import Column


def drawn(reference, current, dtype="float64"):
    column = Column(name="x", dtype=dtype, meaning="")
    sides = (sketch_of(pd.DataFrame({"x": values}), [column]) for values in (reference, current))
    return histogram_of(*(side.columns[0] for side in sides))


finite = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50)


@given(reference=finite, current=finite)
def test_the_bars_hold_every_row_of_both_sides(reference, current):
    """A value beyond the quantiles lies in an outer bar, not nowhere."""
    bars = drawn(reference, current)
    assert 1 <= len(bars.reference) == len(bars.current) <= BARS + 1
    assert sum(bars.reference) == pytest.approx(1)
    assert sum(bars.current) == pytest.approx(1)


@given(values=st.lists(st.sampled_from("abcdefghijkl"), min_size=1, max_size=90))
def test_equal_sides_have_equal_bars(values):
    """And a category of fewer than five rows has no name."""
    bars = drawn(values, values, dtype="string")
    common = {one for one in values if values.count(one) >= 5}
    if not common:
        assert bars is None
        return
    assert bars.reference == bars.current
    assert set(bars.names) - {"all others"} <= common
    assert sum(bars.reference) == pytest.approx(1)


def test_one_outlier_squeezes_nothing():
    """With it, all other rows would stand in one bar."""
    values = np.random.default_rng(1).normal(size=5_000)
    bars = drawn(np.append(values, 1e6), values)
    assert bars.span[1] < 4
    assert max(bars.reference) < 0.2


def test_whole_numbers_have_equally_many_in_each_bar():
    """Else a bar that holds two days of a month beside one looks like a wave."""
    bars = drawn(np.arange(31), np.arange(31))
    assert np.ptp(bars.reference[:-1]) == pytest.approx(0)


def test_no_value_on_one_side_is_no_picture():
    """An empty frame would read like zeros."""
    assert drawn([np.nan], [1.0]) is None
