"""Retraining is asked for when it should be, once, and with a reason that a human can read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mldebt_assets.core.policies import Retraining
from mldebt_assets.core.retraining import Facts, History, Signal, decide, decide_weekly

POLICY = Retraining(first_batches=3, cool_down_days=20.0)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)
HISTORY = History(champion=4, effective_at=JUNE, trained_until=JUNE - timedelta(days=31))
NONE = History(champion=None, effective_at=JUNE, trained_until=None)
DRIFT = Signal(raised=True, summary="drift in temperature_f (D 0.41) and 7 more columns")
CALM = Signal(raised=False, summary="no drift: the largest distance is 0.012, of x")
DROP = Signal(raised=True, summary="the lift over the base fell by 31 % (limit 20 %)")
STEADY = Signal(raised=False, summary="the lift over the base rose by 2 %")
DRIFTED = Facts(
    batch="2013-05",
    raw_hash="c0ffee",
    reference_hash="beef",
    batches=5,
    drift=DRIFT,
    history=HISTORY,
)
UNJUDGED = Signal(raised=False, summary="no champion yet, so nothing to compare with")
FIRST = replace(DRIFTED, reference_hash=None, batches=3, drift=UNJUDGED, history=NONE)


def trained(**changes):
    return replace(HISTORY, **changes)


def test_drift_outside_the_cool_down_asks_and_says_why():
    decision = decide(DRIFTED, POLICY)
    assert decision.asked
    assert decision.reason == (
        "Drift in temperature_f (D 0.41) and 7 more columns; last training 31 days ago."
    )
    assert decision.key == "2013-05:c0ffee:beef"


def test_no_drift_asks_for_nothing():
    quiet = replace(DRIFTED, drift=CALM)
    assert not decide(quiet, POLICY).asked
    assert decide(quiet, POLICY).reason == (
        "The inputs give no cause to train: no drift: the largest distance is 0.012, of x."
    )


def test_a_drop_of_the_performance_asks_without_any_drift():
    """Concept drift leaves the inputs as they are; only the labels tell."""
    decision = decide(replace(DRIFTED, drift=CALM, performance=DROP), POLICY)
    assert decision.asked
    assert decision.reason == (
        "The lift over the base fell by 31 % (limit 20 %); last training 31 days ago."
    )


def test_both_causes_are_named_where_both_ask():
    decision = decide(replace(DRIFTED, performance=DROP), POLICY)
    assert decision.asked
    assert decision.reason == (
        "Drift in temperature_f (D 0.41) and 7 more columns; the lift over the base fell by 31 % "
        "(limit 20 %); last training 31 days ago."
    )


def test_where_neither_asks_both_are_told():
    decision = decide(replace(DRIFTED, drift=CALM, performance=STEADY), POLICY)
    assert not decision.asked
    assert decision.reason == (
        "The inputs give no cause to train: no drift: the largest distance is 0.012, of x. "
        "The performance gives no cause to train: the lift over the base rose by 2 %."
    )


@pytest.mark.parametrize(
    ("off", "facts", "told"),
    [
        ("on_drift", DRIFTED, "There is drift, but the policy does not train on it: drift in"),
        (
            "on_performance",
            replace(DRIFTED, drift=CALM, performance=DROP),
            "The performance has dropped, but the policy does not train on it: the lift",
        ),
    ],
)
def test_a_cause_that_the_policy_switches_off_is_told_and_passed_over(off, facts, told):
    """Who reads "no cause" beside a failed check would look for a bug."""
    decision = decide(facts, replace(POLICY, **{off: False}))
    assert not decision.asked
    assert told in decision.reason


def test_always_asks_after_every_batch_but_not_after_late_labels():
    """A batch whose labels come later is still the same batch."""
    always = replace(POLICY, always=True)
    decision = decide(replace(DRIFTED, drift=CALM), always)
    assert decision.asked
    assert decision.reason == "Every batch is trained on; last training 31 days ago."
    assert not decide(replace(DRIFTED, drift=None, performance=STEADY), always).asked


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
    again = replace(NONE, trained_until=JUNE - timedelta(days=1))
    assert decide(replace(FIRST, batches=4, history=again), POLICY).asked


def test_batches_that_came_before_the_champion_do_not_train_again():
    """Twelve months that land in one night are decided on one by one, after the first training."""
    decision = decide(replace(FIRST, history=trained(champion=1)), POLICY)
    assert not decision.asked
    assert decision.reason == (
        "No champion scored this batch, so it was not judged, and gives no cause to train; "
        "version 1 has become champion since."
    )


@pytest.mark.parametrize(("days", "asked"), [(19.9, False), (20, True), (0, False), (-31, False)])
@pytest.mark.parametrize("cause", ["on_drift", "on_performance", "always"])
def test_the_cool_down_is_counted_in_the_time_of_the_data(days, asked, cause):
    """A replay takes minutes, a live year twelve months, and both must decide alike.

    A late copy of an old month (negative days) finds a model that has learned from newer data.
    """
    facts = {
        "on_drift": DRIFTED,
        "on_performance": replace(DRIFTED, drift=CALM, performance=DROP),
        "always": replace(DRIFTED, drift=CALM),
    }[cause]
    history = trained(trained_until=JUNE - timedelta(days=days))
    decision = decide(replace(facts, history=history), replace(POLICY, always=cause == "always"))
    assert decision.asked == asked
    assert ("cool-down is 20 days" in decision.reason) != asked


@pytest.mark.parametrize(("spent", "asked"), [(0, True), (1, True), (2, False), (3, False)])
def test_the_budget_of_a_week_is_a_limit_to_every_cause(spent, asked):
    """It is money: whoever sets it does not want to be asked whether the drift was interesting."""
    policy = replace(POLICY, trainings_a_week=2, cool_down_days=0)
    history = trained(trained_this_week=spent)
    decision = decide(replace(DRIFTED, history=history), policy)
    assert decision.asked == asked
    told = f"{spent} trainings fall into the last seven days of data, and the budget is 2 a week."
    assert (told in decision.reason) != asked
    weekly = decide_weekly(
        fresh=1, batches=5, training=None, history=history, policy=policy, key="k"
    )
    assert weekly.asked == asked


def test_without_a_budget_nothing_is_counted():
    history = trained(trained_this_week=1000)
    assert decide(replace(DRIFTED, history=history), POLICY).asked


@pytest.mark.parametrize(
    "change", [{"raw_hash": "d00d"}, {"reference_hash": "f00d"}, {"labels_hash": "1abe1"}]
)
def test_other_bytes_another_reference_and_later_labels_are_another_decision(change):
    """The daemon never runs a key twice, so what is new needs a key of its own."""
    assert decide(replace(DRIFTED, **change), POLICY).key != decide(DRIFTED, POLICY).key


def weekly(**changes):
    facts = {"fresh": 2, "batches": 5, "training": None, "history": HISTORY, "policy": POLICY}
    return decide_weekly(**{**facts, **changes}, key="weekly:2013-06-02")


def test_the_weekly_training_needs_no_cause_and_no_cool_down():
    """It is there for the slow change that no limit notices."""
    decision = weekly(history=trained(trained_until=JUNE - timedelta(days=1)))
    assert decision.asked
    assert decision.key == "weekly:2013-06-02"
    assert decision.reason == (
        "The weekly retraining: of 5 batches 2 are new or changed; last training 1 days ago."
    )


def test_the_weekly_training_trains_nothing_twice():
    """The same batches make the same model: that was measured, it is no guess."""
    decision = weekly(fresh=0)
    assert not decision.asked
    assert decision.reason == (
        "The weekly retraining finds nothing new: last training 31 days ago, on these very "
        "5 batches."
    )


def test_the_weekly_training_is_not_started_beside_another():
    decision = weekly(training="0123abcd")
    assert not decision.asked
    assert decision.reason == (
        "The weekly retraining is not needed: run 0123abcd is training already."
    )


@pytest.mark.parametrize(("batches", "asked"), [(2, False), (3, True)])
def test_the_weekly_training_waits_for_the_first_batches_too(batches, asked):
    assert weekly(history=NONE, batches=batches, fresh=batches).asked == asked


def waiting(days):
    since = JUNE - timedelta(days=days)
    return trained(trained_until=since, waiting=4, waiting_since=since)


def test_the_weekly_training_waits_for_the_person_who_decides():
    """Else each week would put another candidate before them."""
    decision = weekly(history=waiting(days=7))
    assert not decision.asked
    assert decision.reason == (
        "v4 awaits a person's approval since 2013-05-25, and another is trained when the data "
        "reach 20 days further: `mldebt approve` or `mldebt reject` decides on it."
    )
    assert weekly(history=waiting(days=20)).asked, "one that old is overtaken by newer data"


def test_drift_does_not_train_beside_a_candidate_that_awaits_approval():
    """The decision says what a person has to do, and not only that time must pass."""
    decision = decide(replace(DRIFTED, history=waiting(days=7)), POLICY)
    assert not decision.asked
    assert "but v4 awaits a person's approval since" in decision.reason
    assert decide(replace(DRIFTED, history=waiting(days=20)), POLICY).asked
