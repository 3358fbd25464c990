"""A promised group is told how far it lies behind, and refuses only what is proved."""

from dataclasses import replace

import numpy as np
import pytest

from mldebt_assets.core.gate import Contest
from mldebt_assets.core.groups import group_standings, no_group_left_behind
from mldebt_assets.core.policies import Gate
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.tasks.multiclass import MultiClass
from mldebt_assets.core.tasks.regression import Regression

LIMITS = Gate(rounds=400, group_rows=100)
TASKS = [BINARY, Regression(), MultiClass(("0", "1"))]


def contest(task=BINARY, *, served=1.0, rows=4_000, days=20, champion=None, seed=1, share=0.25):
    """Rows of which a quarter are the few; ``served`` is how well scores follow theirs."""
    draw = np.random.default_rng(seed)
    few = draw.random(rows) < share
    truth = draw.normal(size=rows)
    labels = truth if task.kind == "regression" else (truth + draw.normal(size=rows) > 0) * 1.0

    def scores(strength):
        noise = draw.normal(size=rows)
        told = np.where(few, strength * truth + (1 - strength) * noise, truth)
        if task.kind == "regression":
            return told
        likely = 1 / (1 + np.exp(-1.7 * told))
        return likely if task is BINARY else np.column_stack([1 - likely, likely])

    return Contest(
        labels=labels,
        groups=draw.integers(0, days, rows).astype(str),
        candidate=scores(served),
        incumbent=None if champion is None else scores(champion),
        baseline=scores(0.5),
        promised={"sex": np.where(few, "f", "m")},
        task=task,
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_a_group_that_is_served_badly_refuses_by_its_name_and_one_that_is_not_does_not(task):
    """The mean of all rows hides it: the few are a quarter of them."""
    bad = no_group_left_behind(contest(task, served=0.2), LIMITS)
    assert not bad.passed
    assert "sex f stands worst" in bad.reason
    assert bad.measured > LIMITS.group_gap
    assert no_group_left_behind(contest(task), LIMITS).passed


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_the_gap_is_what_the_levels_differ_by_and_lies_in_its_interval(task):
    found = contest(task, served=0.2)
    for one in group_standings(found, LIMITS):
        own = task.measure(found.labels[one.inside], found.candidate[one.inside])
        assert one.level.point == own
        gap = task.measure(found.labels, found.candidate) - own
        assert one.gap.point == pytest.approx(gap)
        assert one.gap.lower < gap < one.gap.upper
        level = task.interval(
            found.labels[one.inside],
            found.candidate[one.inside],
            found.groups[one.inside],
            rounds=400,
            confidence=0.95,
            seed=0,
        )
        assert one.level.lower == pytest.approx(level.lower, abs=0.02)


def test_the_whole_as_one_group_lies_exactly_nowhere_behind():
    """The same resamples on both sides: no luck of a day is taken for a gap."""
    found = contest()
    [one] = group_standings(replace(found, promised={"all": np.full(4_000, "rows")}), LIMITS)
    assert (one.gap.point, one.gap.lower, one.gap.upper) == (0, 0, 0)


def test_chance_alone_refuses_hardly_ever_however_many_groups_are_promised():
    """Twenty groups of a hundred rows: the worst of them looks bad by luck every time."""
    limits, refused, behind = replace(LIMITS, group_gap=0.0), 0, 0
    for seed in range(40):
        found = contest(rows=3_000, seed=seed)
        dealt = np.random.default_rng(seed).integers(0, 20, 3_000).astype(str)
        found = replace(found, promised={"dealt": dealt})
        refused += not no_group_left_behind(found, limits).passed
        behind += max(one.gap.point for one in group_standings(found, limits)) > 0.03
    assert behind > 30
    assert refused <= 5  # .025 of 40 is 1; percentile intervals over 20 groups are a little narrow


def test_small_groups_are_told_and_not_judged():
    small = contest(served=0.0, rows=300, share=0.1)
    found = {one.value: one for one in group_standings(small, LIMITS)}
    assert found["f"].gap is None
    assert "rows, fewer than 100" in found["f"].reason
    few_days = contest(served=0.0, days=4)
    assert no_group_left_behind(few_days, LIMITS).passed
    assert "too small" in no_group_left_behind(few_days, LIMITS).reason


def test_a_group_behind_refuses_nothing_that_serves_it_better_than_the_champion_does():
    """Refused, it would go on being served by what is worse."""
    better = no_group_left_behind(contest(served=0.4, champion=0.0), LIMITS)
    assert better.passed
    assert "sex f no worse than under the champion" in better.reason
    assert not no_group_left_behind(contest(served=0.2, champion=1.0), LIMITS).passed


def test_without_promised_groups_the_gate_says_so_and_passes():
    verdict = no_group_left_behind(replace(contest(), promised={}), LIMITS)
    assert (verdict.passed, verdict.measured) == (True, None)
    assert verdict.reason == "no groups are promised"
