"""What an old version has lost is told apart from batches that are hard for everybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.staleness import Backtest, staleness_curve

aucs = st.floats(min_value=0.5, max_value=1.0)


def test_a_hard_batch_does_not_look_like_age():
    """Only versions that met the same batch are compared."""
    easy = [Backtest(version=1, batch="04", age=1, value=0.80)]
    hard = [
        Backtest(version=1, batch="05", age=2, value=0.60),
        Backtest(version=2, batch="05", age=1, value=0.61),
    ]
    young, old = staleness_curve(easy + hard)
    assert young.value - old.value == pytest.approx(0.105)
    assert (young.lost, young.pairs) == (0.0, 1)
    assert (old.lost, old.pairs) == (pytest.approx(0.01), 1)


def test_without_a_younger_version_nothing_is_known_to_be_lost():
    """A champion that nobody was trained to replace cannot be said to have aged."""
    [only] = staleness_curve([Backtest(version=1, batch="04", age=3, value=0.7)])
    assert (only.age, only.lost, only.pairs) == (3, None, 0)


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5), aucs), min_size=1),
    st.randoms(use_true_random=False),
)
def test_the_order_of_the_backtests_does_not_matter(found, random):
    """Models are loaded in whatever order is cheapest."""
    tests = [
        Backtest(version=age, batch=str(batch), age=age, value=auc) for age, batch, auc in found
    ]
    shuffled = list(tests)
    random.shuffle(shuffled)
    for one, other in zip(staleness_curve(tests), staleness_curve(shuffled), strict=True):
        assert one.value == pytest.approx(other.value)
        assert one.lost == pytest.approx(other.lost)
