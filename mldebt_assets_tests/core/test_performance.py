"""A drop that is not luck is told, luck is not, and nothing is said of what is not known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mldebt_assets.core import performance as p
from mldebt_assets.core.evaluation import confusion, roc_auc, threshold_of
from mldebt_assets.core.intervals import group_interval
from mldebt_assets.core.policies import Costs, Performance
from mldebt_assets.core.tasks.task import Rule

COSTS = Costs(false_alarm=20.0, missed=60.0, caught=10.0)
LIMITS = Performance(least_rows=100, rounds=200)
GROUPS = 30

brisk = settings(deadline=None, max_examples=60)
seeds = st.integers(0, 10_000)


def served(rows=6_000, *, skill=1.0, seed=0, labelled=1.0, threshold=0.6, groups=GROUPS):
    """Rows whose scores tell the labels apart by ``skill``; some labels are not known yet."""
    draw = np.random.default_rng(seed)
    labels = (draw.random(rows) < 0.3).astype(float)
    scores = 1 / (1 + np.exp(-(skill * labels + draw.normal(size=rows))))
    unknown = draw.random(rows) >= labelled
    return p.Served(
        labels=np.where(unknown, np.nan, labels),
        scores=scores,
        alarms=scores >= threshold,
        groups=draw.integers(0, groups, rows),
    )


def taken(rows, which):
    """Return these rows of what was served."""
    return p.Served(
        labels=rows.labels[which],
        scores=rows.scores[which],
        alarms=rows.alarms[which],
        groups=rows.groups[which],
    )


def realised(rows):
    return p.realised(rows, Rule(threshold=threshold_of(rows.scores, rows.alarms)), COSTS)


def auc(rows):
    return roc_auc(rows.labelled.labels, rows.labelled.scores)


def test_a_drop_that_is_not_luck_fails_with_its_numbers():
    """Who is woken by it must see at once how far, and below what."""
    rows = served(skill=0.5)
    found = p.judge(rows, 0.76, LIMITS, seed=1)
    assert (found.judged, found.dropped) == (True, True)
    assert found.summary == f"a drop of ROC AUC to {auc(rows):.3f}, expected 0.760"
    assert found.verdict.measured == pytest.approx(auc(rows))
    assert found.verdict.limit == pytest.approx(0.5 + 0.8 * 0.26)
    assert "30 groups, 100% of rows labelled; a drop begins below 0.708" in found.verdict.reason
    assert found.interval.lower < auc(rows) < found.interval.upper < 0.708


def test_a_loss_within_the_declared_share_is_no_drop():
    """Every champion does a little worse than on the days that chose it."""
    rows = served(skill=1.0)
    expected = 0.5 + (auc(rows) - 0.5) / 0.85
    found = p.judge(rows, expected, LIMITS, seed=1)
    assert found.judged
    assert found.interval.upper < expected
    assert not found.dropped
    assert p.judge(rows, expected, Performance(drop=0.1), seed=1).dropped


def test_a_loss_that_may_be_luck_is_no_drop_and_says_so():
    """A few unlucky days must not train a model each week."""
    draw = np.random.default_rng(4)
    luck = draw.normal(scale=1.5, size=8)
    rows = served(rows=160, skill=0.0, groups=8, seed=4)
    scores = rows.scores + luck[rows.groups] * (rows.labels - 0.5)
    shaky = p.Served(labels=rows.labels, scores=scores, alarms=rows.alarms, groups=rows.groups)
    expected = p.level(shaky, LIMITS, seed=1).upper - 0.001
    found = p.judge(shaky, expected, LIMITS, seed=1)
    assert found.judged
    assert not found.dropped
    assert found.verdict.measured < found.verdict.limit
    assert "which may be luck" in found.summary


@brisk
@given(seed=seeds, skill=st.floats(0.0, 2.0))
def test_what_lies_above_the_limit_never_drops(seed, skill):
    rows = served(rows=1_000, skill=skill, seed=seed)
    expected = 0.5 + (auc(rows) - 0.5) / 0.8 - 1e-6
    assert not p.judge(rows, expected, LIMITS, seed=1).dropped


def test_a_steady_champion_is_seldom_said_to_have_dropped():
    """By chance a window lies wholly below its level in 2.5 %, and that alone is no drop."""
    expected = auc(served(rows=400_000, seed=99))
    dropped = [p.judge(served(seed=seed), expected, LIMITS, seed=1).dropped for seed in range(200)]
    assert sum(dropped) == 0
    weak = [p.judge(served(rows=600, seed=s), expected, LIMITS, seed=1).dropped for s in range(200)]
    assert sum(weak) <= 10


@brisk
@given(seed=seeds, data=st.data())
def test_the_order_of_rows_is_of_no_account(seed, data):
    rows = served(rows=300, seed=seed)
    order = np.array(data.draw(st.permutations(range(len(rows)))))
    assert p.judge(taken(rows, order), 0.7, LIMITS, seed=1) == p.judge(rows, 0.7, LIMITS, seed=1)


@brisk
@given(seed=seeds, labelled=st.floats(0.0, 1.0))
def test_rows_without_a_label_change_no_figure(seed, labelled):
    """Labels that come late must not move what is known already."""
    rows = served(rows=500, seed=seed, labelled=labelled)
    known = taken(rows, ~np.isnan(rows.labels))
    assume(len(known))
    assert realised(rows) == realised(known)
    assert p.money(rows.labels, {"served": rows.alarms}, COSTS) == p.money(
        known.labels, {"served": known.alarms}, COSTS
    )
    first, second = (p.judge(each, 0.7, LIMITS, seed=1) for each in (rows, known))
    assert first.interval == second.interval
    assert first.dropped == second.dropped


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (served(labelled=0.0), "underpowered: 0 of 6,000 rows in 0 groups are labelled"),
        (served(rows=80), "underpowered: 80 of 80 rows in 30 groups are labelled, fewer than 100"),
        (served(groups=7), "in 7 groups are labelled, fewer than 100 in 8"),
    ],
    ids=["no labels", "few rows", "few groups"],
)
def test_what_is_underpowered_is_not_judged_and_never_no_drop(rows, why):
    """Silence about a champion that nobody has measured would read as praise."""
    found = p.judge(rows, 0.9, LIMITS, seed=1)
    assert (found.judged, found.dropped, found.interval) == (False, False, None)
    assert found.verdict.measured is None
    assert why in found.summary
    assert "nothing was judged: underpowered" in found.verdict.reason


@pytest.mark.parametrize(("label", "positives"), [(0.0, "0"), (1.0, "6,000")])
def test_one_class_alone_is_not_judged(label, positives):
    """A month without a single late flight has no ROC AUC, and is no failure."""
    rows = served()
    alike = p.Served(
        labels=np.full(len(rows), label), scores=rows.scores, alarms=rows.alarms, groups=rows.groups
    )
    found = p.judge(alike, 0.7, LIMITS, seed=1)
    assert not found.judged
    assert found.summary == f"underpowered: {positives} of 6,000 labelled rows are positive"


def test_without_a_level_at_the_promotion_nothing_is_judged():
    found = p.judge(served(), None, LIMITS, seed=1)
    assert (found.judged, found.dropped) == (False, False)
    assert "not known" in found.summary


def test_money_is_what_the_declared_costs_say():
    """Checked by hand: 10 for what was caught, 60 for what was missed, 20 for a false alarm."""
    labels = np.array([1.0, 1.0, 0.0, 0.0, np.nan])
    decisions = {
        "served": np.array([True, False, True, False, True]),
        "replaced": np.array([False, False, True, True, False]),
    }
    found = p.money(labels, decisions, COSTS)
    assert found == {
        "served": 10 + 60 + 20,
        "replaced": 60 + 60 + 20 + 20,
        "never_alarming": 60 + 60,
    }
    assert p.saved([found, found, {"served": 1.0}], "replaced") == {"batches": 2, "saved": 140.0}
    assert p.saved([{"served": 1.0}], "replaced") is None


@brisk
@given(seed=seeds, threshold=st.floats(0.0, 1.1))
def test_what_one_saves_the_other_loses(seed, threshold):
    rows = served(rows=200, seed=seed)
    other = rows.scores >= threshold
    one = p.money(rows.labels, {"served": rows.alarms, "replaced": other}, COSTS)
    turned = p.money(rows.labels, {"served": other, "replaced": rows.alarms}, COSTS)
    assert p.saved([one], "replaced")["saved"] == -p.saved([turned], "replaced")["saved"]
    alike = p.money(rows.labels, {"served": other, "replaced": other}, COSTS)
    assert p.saved([alike], "replaced")["saved"] == 0


@brisk
@given(seed=seeds, threshold=st.floats(0.0, 1.1))
def test_the_threshold_found_repeats_the_decisions(seed, threshold):
    """The decisions are what was served; a threshold read elsewhere might be another model's."""
    rows = served(rows=100, seed=seed, threshold=threshold)
    found = threshold_of(rows.scores, rows.alarms)
    np.testing.assert_array_equal(rows.scores >= found, rows.alarms)
    counted = realised(rows)
    counts = confusion(rows.labels, rows.scores, threshold)
    assert {name: counted[name] for name in counts} == counts
    assert counted["cost_total"] == p.money(rows.labels, {"it": rows.alarms}, COSTS)["it"]


def test_no_rows_have_no_metrics_and_no_labels_have_counts_alone():
    assert realised(taken(served(), slice(0, 0))) == {}
    assert set(realised(served(labelled=0.0)).values()) == {0}


def test_batches_together_are_all_their_rows():
    first, second = served(rows=10, seed=1), served(rows=20, seed=2)
    both = p.together([first, second])
    assert len(both) == 30
    np.testing.assert_array_equal(both.scores[10:], second.scores)


@brisk
@given(
    groups=st.lists(st.integers(0, 90), min_size=1, max_size=300).map(
        lambda found: np.unique(found, return_inverse=True)[1]
    ),
    most=st.integers(1, 50),
)
def test_groups_are_pooled_whole(groups, most):
    """Half a group in one pool and half in another would make luck look like knowledge."""
    found = p.pooled(groups, seed=3, most=most)
    assert len(np.unique(found)) == min(most, len(np.unique(groups)))
    pairs = {(group, pool) for group, pool in zip(groups, found, strict=True)}
    assert len(pairs) == len(np.unique(groups))


def test_pools_give_about_the_interval_that_groups_give():
    """Else a pipeline whose groups are customers would be judged by another rule."""
    rows = served(rows=20_000, groups=1_000)
    exact = group_interval(
        rows.labels, rows.scores, rows.groups, rounds=1_000, confidence=0.95, seed=1
    )
    found = p.level(rows, Performance(), seed=1)
    assert found.groups == 1_000
    assert found.point == exact.point
    assert found.upper - found.lower == pytest.approx(exact.upper - exact.lower, rel=0.15)
