"""The gate lets through what is proved to be better, and nothing else; every gate obeys one law."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.core.gate import GATES, Contest, judge
from mldebt_assets.core.policies import Gate
from mldebt_assets.core.verdict import all_passed

LIMITS = Gate(rounds=400)
every_gate = pytest.mark.parametrize("gate", GATES.values(), ids=GATES)


def contest(*, candidate=1.0, incumbent=0.7, baseline=0.4, rows=8_000, groups=20):
    """Scores that follow the label as closely as their argument says; None for no incumbent."""
    draw = np.random.default_rng(1)
    labels = (draw.random(rows) < 0.25).astype(float)
    noise = draw.normal(size=(4, rows))
    scores = {
        name: None if strength is None else strength * labels + noise[0] + noise[place] / 4
        for place, (name, strength) in enumerate(
            {"candidate": candidate, "incumbent": incumbent, "baseline": baseline}.items(), start=1
        )
    }
    return Contest(
        labels=labels,
        groups=draw.integers(0, groups, rows).astype(str),
        slices={"origin": draw.choice(["EWR", "JFK", "LGA"], rows)},
        **scores,
    )


def refusals(found):
    return {verdict.name: verdict.reason for verdict in found if not verdict.passed}


def test_a_clearly_better_candidate_passes():
    found = judge(contest(), LIMITS)
    assert [verdict.name for verdict in found] == list(GATES)
    assert refusals(found) == {}
    assert all_passed(found)


def test_a_worse_candidate_is_refused():
    """It may well have been asked for by drift, and trained without a fault."""
    found = refusals(judge(contest(candidate=0.7, incumbent=1.0), LIMITS))
    assert "beats_incumbent" in found
    assert "gains -0.0" in found["beats_incumbent"]


def test_an_equal_candidate_is_refused():
    """A retrained copy would change production for nothing."""
    same = contest()
    equal = replace(same, candidate=same.incumbent)
    verdict = {v.name: v for v in judge(equal, LIMITS)}["beats_incumbent"]
    assert not verdict.passed
    assert verdict.measured == 0.0


def test_a_lucky_candidate_is_refused():
    """Ahead on these rows is not yet better: the interval has to say so."""
    found = contest(candidate=0.702, incumbent=0.7, rows=2_000)
    verdict = {v.name: v for v in judge(found, LIMITS)}["beats_incumbent"]
    assert not verdict.passed
    assert verdict.measured < 0


def test_a_margin_is_asked_of_the_lower_end():
    verdict = {v.name: v for v in judge(contest(), LIMITS)}["beats_incumbent"]
    tight = replace(LIMITS, margin=verdict.measured)
    assert "beats_incumbent" in refusals(judge(contest(), tight))


def test_a_candidate_that_fails_one_airport_is_refused_by_its_name():
    """A gain on the whole must not be paid for by a few."""
    won = contest(candidate=2.0)
    lost = won.slices["origin"] == "LGA"
    shuffled = np.where(lost, np.random.default_rng(2).normal(size=lost.size), won.candidate)
    found = refusals(judge(replace(won, candidate=shuffled), LIMITS))
    assert list(found) == ["no_slice_worse"]
    assert found["no_slice_worse"].startswith("of 3 slices, origin LGA changes worst, by -0.")


def test_a_slice_with_too_few_rows_has_no_veto():
    """Forty rows lose or gain a tenth by chance."""
    won = contest(candidate=2.0)
    few = np.where(np.arange(len(won.labels)) < 40, "rare", "common")
    spoilt = np.where(few == "rare", 0.0, won.candidate)
    found = judge(replace(won, candidate=spoilt, slices={"kind": few}), LIMITS)
    assert all_passed(found)


def test_the_first_candidate_needs_no_incumbent_but_everything_else():
    first = judge(contest(incumbent=None), LIMITS)
    assert all_passed(first)
    assert "no champion yet" in {v.name: v for v in first}["beats_incumbent"].reason
    useless = refusals(judge(contest(candidate=0.0, incumbent=None, baseline=0.0), LIMITS))
    assert "better_than_chance" in useless


@pytest.mark.parametrize("candidate", [0.4, 0.3], ids=["equal", "worse"])
def test_a_candidate_that_a_simple_model_matches_is_refused(candidate):
    found = contest(candidate=candidate, incumbent=None)
    if candidate == 0.4:
        found = replace(found, candidate=found.baseline)
    assert list(refusals(judge(found, LIMITS))) == ["holds_against_baseline"]


def test_a_candidate_that_a_simple_model_leads_by_chance_is_not_refused():
    """A few weeks cannot order two models that are about equally good."""
    found = contest(candidate=0.4, incumbent=None, baseline=0.4)
    verdicts = {one.name: one for one in judge(found, LIMITS)}
    against = verdicts["holds_against_baseline"]
    assert against.passed
    assert against.measured > 0
    swapped = replace(found, candidate=found.baseline, baseline=found.candidate)
    assert all_passed([one for one in judge(swapped, LIMITS) if one.name == against.name])


def test_too_few_groups_are_refused():
    """An interval over five days says little of the sixth."""
    found = refusals(judge(contest(groups=5), LIMITS))
    assert found == {"enough_groups": "5 groups were held out; at least 8 are needed"}


@pytest.mark.parametrize("model", ["candidate", "incumbent", "baseline"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_scores_that_are_no_numbers_are_refused_and_counted(model, value):
    """NaN sorts above everything, and would win."""
    found = contest()
    getattr(found, model)[:7] = value
    reasons = refusals(judge(found, LIMITS))
    assert reasons["finite_scores"] == f"not finite: 7 of the {model}"
    assert "beats_incumbent" in reasons


def test_forward_metrics_are_told():
    found = replace(contest(), forward={"incumbent": 0.6912})
    reason = {v.name: v for v in judge(found, LIMITS)}["beats_incumbent"].reason
    assert reason.endswith("; forward ROC AUC of the incumbent 0.6912")


@pytest.mark.parametrize("rate", [0.025, 0.25, 0.5])
def test_an_equal_model_passes_at_the_stated_rate(rate):
    """Whoever loosens the gate says how often production then changes for nothing."""
    limits, draw, trials = Gate(rounds=200, equal_passes=rate), np.random.default_rng(3), 200
    group = np.repeat(np.arange(40), 30)
    passed = 0
    for _ in range(trials):
        labels = (draw.random(len(group)) < 0.3).astype(float)
        shared = labels + draw.normal(size=len(group))
        mine, theirs = (shared + draw.normal(0, 0.5, len(group)) for _ in range(2))
        found = Contest(
            labels=labels, groups=group, candidate=mine, incumbent=theirs, baseline=theirs
        )
        passed += GATES["beats_incumbent"](found, limits).passed
    # Three standard errors of a share of 200, and the bootstrap's own lean with 40 groups.
    assert abs(passed / trials - rate) < 3 * (rate * (1 - rate) / trials) ** 0.5 + 0.02


def test_a_looser_gate_still_refuses_what_is_worse_on_average():
    """At .5 a candidate need not be proved better, but it must lead."""
    loose = replace(LIMITS, equal_passes=0.5)
    ahead = contest(candidate=0.72, incumbent=0.7, rows=2_000)
    gain = {v.name: v for v in judge(ahead, loose)}["beats_incumbent"]
    behind = replace(ahead, candidate=ahead.incumbent, incumbent=ahead.candidate)
    other = {v.name: v for v in judge(behind, loose)}["beats_incumbent"]
    assert [gain.passed, other.passed] == [gain.measured > 0, other.measured > 0]
    assert gain.passed != other.passed


@st.composite
def contests(draw):
    rows = draw(st.integers(0, 25))

    def column(elements):
        return np.array(draw(st.lists(elements, min_size=rows, max_size=rows)))

    score = st.sampled_from([0.0, 0.25, 0.25, 0.5, 1.0]) | st.floats()
    incumbent = column(score) if draw(st.booleans()) else None
    return Contest(
        labels=column(st.sampled_from([0.0, 1.0])).astype(float),
        groups=column(st.sampled_from("abc")).astype(str),
        candidate=column(score).astype(float),
        incumbent=None if incumbent is None else incumbent.astype(float),
        baseline=column(score).astype(float),
        slices={"kind": column(st.sampled_from("xy")).astype(str)},
        promised={"sex": column(st.sampled_from("fm")).astype(str)},
    )


@every_gate
@settings(deadline=None, max_examples=60)
@given(found=contests(), data=st.data())
def test_every_gate_answers_whatever_the_rows_and_in_any_order(gate, found, data):
    """Ties, one class, no rows, NaN: a gate that raises leaves a run without a decision."""
    limits = Gate(rounds=50, slice_rows=2, least_groups=2, group_rows=2)
    verdict = gate(found, limits)
    json.dumps(verdict.as_dict(), allow_nan=False)
    assert verdict == gate(found, limits)
    order = np.array(data.draw(st.permutations(range(len(found.labels)))), dtype=int)
    moved = replace(
        found,
        slices={"kind": found.slices["kind"][order]},
        promised={"sex": found.promised["sex"][order]},
        **{
            name: getattr(found, name)[order]
            for name in ("labels", "groups", "candidate", "baseline", "incumbent")
            if getattr(found, name) is not None
        },
    )
    assert gate(moved, limits) == verdict


@every_gate
def test_every_gate_is_named_as_in_the_table_and_refuses_without_a_number_only_with_a_reason(gate):
    name = next(key for key, value in GATES.items() if value is gate)
    empty = contest(rows=0)
    for found in (gate(contest(), LIMITS), gate(empty, LIMITS)):
        assert found.name == name
        assert found.reason
    assert not all_passed(judge(empty, LIMITS))
