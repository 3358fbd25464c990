"""The time that a replay still takes."""

from __future__ import annotations

import pytest

from mldebt_assets.cli.pace import Pace

# Wall seconds of the twelve batches of one replay of the flights' year, by Dagster's run records.
YEAR = (3.0, 1.5, 7.9, 4.6, 6.7, 7.0, 7.0, 6.5, 6.9, 7.7, 9.7, 8.5)
FIRST_TRAINED = 2


def paced(seconds, trained=True):
    """Return a pace that has seen these batches, and its clock."""
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    for number, each in enumerate(seconds):
        now[0] += each
        pace.settle(trained=trained and number >= FIRST_TRAINED)
    return pace, now


def test_nothing_is_said_before_there_is_anything_to_go_by():
    """Two batches before the first training say nothing of those with one."""
    for settled in range(FIRST_TRAINED + 1):
        pace, _ = paced(YEAR[:settled])
        assert pace.remaining(12 - settled) is None
    pace, _ = paced(YEAR[:3])
    assert pace.remaining(9) is not None


def test_three_batches_without_training_are_enough():
    """Some pipelines drift seldom."""
    pace, _ = paced([2.0, 2.0, 2.0], trained=False)
    assert pace.remaining(4) == pytest.approx(8)


def test_over_a_real_year_it_errs_by_less_than_a_third():
    """People plan a coffee by it, not a day."""
    for settled in range(5, 12):
        pace, _ = paced(YEAR[:settled])
        rest = sum(YEAR[settled:])
        assert abs(pace.remaining(12 - settled) - rest) < rest / 3


def test_time_spent_on_the_batch_at_work_counts_and_never_below_zero():
    """A bar whose remaining time stands still looks hung."""
    pace, now = paced([4.0, 4.0, 4.0])
    assert pace.remaining(2) == pytest.approx(8)
    now[0] += 1
    assert pace.remaining(2) == pytest.approx(7)
    now[0] += 100
    assert pace.remaining(2) == pytest.approx(4)
    assert pace.remaining(0) is None
