"""Retraining is asked for when it should be, once, and with a reason that a human can read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mldebt_assets.core.policies import Retraining
from mldebt_assets.core.retraining import Facts, decide

POLICY = Retraining(first_batches=3, cool_down_days=20.0, attempts=3)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)
DRIFTED = Facts(
    batch="2013-05",
    raw_hash="c0ffee",
    reference_hash="beef",
    batches=5,
    drifted=True,
    drift="drift in temperature_f (D 0.41) and 7 more columns",
    effective_at=JUNE,
    trained_until=JUNE - timedelta(days=31),
)
FIRST = replace(
    DRIFTED, reference_hash=None, drifted=False, drift="", batches=3, trained_until=None
)


def test_drift_outside_the_cool_down_asks_and_says_why():
    decision = decide(DRIFTED, POLICY)
    assert decision.asked
    assert decision.reason == (
        "Drift in temperature_f (D 0.41) and 7 more columns; last training 31 days ago."
    )
    assert decision.key == "2013-05:c0ffee:beef"


def test_no_drift_asks_for_nothing():
    quiet = replace(DRIFTED, drifted=False, drift="no drift: the largest distance is 0.012, of x")
    assert not decide(quiet, POLICY).asked
    assert decide(quiet, POLICY).reason == (
        "The inputs give no cause to train: no drift: the largest distance is 0.012, of x."
    )


def test_the_first_model_waits_for_the_first_batches_and_for_no_drift():
    """Before a champion there is no reference, and so no drift to wait for."""
    assert decide(FIRST, POLICY).asked
    assert decide(FIRST, POLICY).key == "2013-05:c0ffee:none"
    assert decide(FIRST, POLICY).reason == (
        "There is no champion yet, and 3 batches are there; nothing was trained before."
    )
    early = decide(replace(FIRST, batches=2), POLICY)
    assert not early.asked
    assert early.reason == "There is no champion yet, and 2 of the first 3 batches are there."


def test_a_refused_first_candidate_is_followed_by_another_at_the_next_batch():
    """Without a champion nothing is served, so nobody waits for a cool-down."""
    again = replace(FIRST, batches=4, trained_until=JUNE - timedelta(days=1))
    assert decide(again, POLICY).asked


@pytest.mark.parametrize(("days", "asked"), [(19.9, False), (20, True), (0, False), (-31, False)])
def test_the_cool_down_is_counted_in_the_time_of_the_data(days, asked):
    """A replay takes minutes, a live year twelve months, and both must decide alike.

    A late copy of an old month (negative days) finds a model that has learned from newer data.
    """
    decision = decide(replace(DRIFTED, trained_until=JUNE - timedelta(days=days)), POLICY)
    assert decision.asked == asked
    assert ("cool-down is 20 days" in decision.reason) != asked


def test_never_two_at_once():
    decision = decide(replace(DRIFTED, running=True), POLICY)
    assert (decision.asked, decision.reason) == (
        False,
        "A run of this pipeline has not ended yet.",
    )


@pytest.mark.parametrize(("failed", "asked"), [(0, True), (2, True), (3, False), (4, False)])
def test_failed_runs_are_tried_again_up_to_the_declared_number(failed, asked):
    decision = decide(replace(DRIFTED, failed_attempts=failed), POLICY)
    assert decision.asked == asked
    assert ("attempt 3" in decision.reason) == (failed == 2)
    assert ("All 3 attempts" in decision.reason) != asked


@pytest.mark.parametrize("change", [{"raw_hash": "d00d"}, {"reference_hash": "f00d"}])
def test_other_bytes_and_another_reference_are_another_decision(change):
    """The daemon never runs a key twice, so what is new needs a key of its own."""
    assert decide(replace(DRIFTED, **change), POLICY).key != decide(DRIFTED, POLICY).key
