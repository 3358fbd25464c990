"""Laws that hold for every task, so that a gate or a drop means the same whatever is predicted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from mldebt_assets.core.baseline import fit_baseline
from mldebt_assets.core.calibration import temperature
from mldebt_assets.core.errors import LabelError, SingleClassError, UntrainableError
from mldebt_assets.core.gate import Contest, judge
from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
from mldebt_assets.core.performance import Served
from mldebt_assets.core.performance import judge as judge_served
from mldebt_assets.core.policies import Gate, Performance
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.tasks.level import LEVELS, METRICS
from mldebt_assets.core.tasks.task import Rule
from mldebt_assets.core.training import fit, from_bytes, predict, to_bytes
from mldebt_assets_tests.core.small_table import COSTS, SETTINGS, small_table

CLASSES = ("ash", "birch", "cedar")
TASKS = {kind: task_of(kind, CLASSES if kind == "multiclass" else ()) for kind in LEVELS}
BOOTSTRAP = {"rounds": 300, "confidence": 0.9, "seed": 3}
GROUPS = 25

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
brisk = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 10_000)


def judged(task, rows=600, seed=0):
    """Labels, scores that know something, and groups."""
    draw = np.random.default_rng(seed)
    hidden = draw.normal(size=rows)
    seen = hidden + draw.normal(size=rows)
    groups = draw.integers(0, GROUPS, rows)
    if task.kind == "multiclass":
        labels = np.digitize(hidden, [-0.5, 0.5]).astype(float)
        logits = np.column_stack([-seen, np.zeros(rows), seen])
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return labels, scores, groups
    if task.kind == "binary":
        return (hidden > 0.5).astype(float), 1 / (1 + np.exp(-seen)), groups
    return 40 + 10 * hidden, 40 + 5 * seen, groups


def perfect(task, labels):
    """Return the scores of one who knows."""
    if task.kind == "multiclass":
        return np.eye(len(task.classes))[labels.astype(int)]
    return labels


def constant(task, labels):
    """Return the best scores of one who has not looked."""
    if task.kind == "multiclass":
        shares = np.bincount(labels.astype(int), minlength=len(task.classes)) / len(labels)
        return np.tile(shares, (len(labels), 1))
    return np.full(len(labels), labels.mean())


@every_task
def test_who_knows_is_at_the_top_and_who_has_not_looked_at_chance(task):
    """The gate and the drop count in the part that lies between."""
    labels, scores, groups = judged(task)
    assert task.measure(labels, perfect(task, labels)) == pytest.approx(1)
    assert task.measure(labels, constant(task, labels)) == pytest.approx(task.level.chance)
    assert task.level.chance < task.measure(labels, scores) < 1
    other = constant(task, labels[: len(labels) // 3])[0]
    shifted = np.tile(other, (len(labels), *[1] * np.ndim(other)))
    assert task.measure(labels, shifted) <= task.level.chance + 1e-12
    at_chance = task.interval(labels, constant(task, labels), groups, **BOOTSTRAP)
    assert at_chance.lower <= task.level.chance + 1e-12


@every_task
@brisk
@given(seed=seeds)
def test_neither_order_nor_names_of_groups_change_what_is_measured(task, seed):
    labels, scores, groups = judged(task, rows=120, seed=seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    found = task.interval(labels, scores, groups, **BOOTSTRAP)
    turned = task.interval(labels[order], scores[order], groups[order], **BOOTSTRAP)
    named = task.interval(labels, scores, [f"g{group:03d}" for group in groups], **BOOTSTRAP)
    for one in (turned, named):
        assert one.point == pytest.approx(found.point)
        assert one.lower == pytest.approx(found.lower)
    assert found.point == pytest.approx(task.measure(labels, scores))
    assert found.lower <= found.median <= found.upper


@every_task
def test_an_equal_model_gains_exactly_nothing(task):
    """A candidate that is the champion over again must not win by rounding."""
    labels, scores, groups = judged(task)
    gain = task.gain(labels, scores, scores.copy(), groups, **BOOTSTRAP)
    assert gain.lower == gain.median == gain.upper == gain.point == 0


@every_task
def test_the_gain_is_the_difference_of_the_levels(task):
    labels, scores, groups = judged(task)
    other = constant(task, labels)
    gain = task.gain(labels, scores, other, groups, **BOOTSTRAP)
    expected = task.measure(labels, scores) - task.measure(labels, other)
    assert gain.point == pytest.approx(expected)
    assert gain.lower > 0


@every_task
def test_the_bootstrap_holds_the_truth_about_as_often_as_it_says(task):
    """An interval that is too narrow promotes noise; one that is biased, the wrong model."""
    labels, scores, _ = judged(task, rows=60_000, seed=99)
    truth = task.measure(labels, scores)
    found = [
        task.interval(labels[rows], scores[rows], np.arange(300), **BOOTSTRAP)
        for rows in np.arange(60_000).reshape(200, 300)
    ]
    held = np.mean([one.lower <= truth <= one.upper for one in found])
    assert 0.82 < held < 0.96
    spread = np.mean([one.upper - one.lower for one in found])
    assert abs(np.mean([one.median for one in found]) - truth) < spread / 10


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_the_fast_bootstrap_is_the_slow_one(kind):
    """Rows drawn one by one, and measured by scikit-learn."""
    task = TASKS[kind]
    labels, scores, groups = judged(task, rows=200)
    size = len(np.unique(groups))
    draw = np.random.default_rng(3)
    slow = []
    for times in draw.multinomial(size, np.full(size, 1 / size), size=300):
        rows = np.repeat(np.arange(200), times[np.searchsorted(np.unique(groups), groups)])
        if kind == "regression":
            slow.append(sklearn_metrics.r2_score(labels[rows], scores[rows]))
        else:
            skill = sklearn_metrics.d2_log_loss_score(labels[rows], scores[rows], labels=[0, 1, 2])
            slow.append(skill)
    found = task.interval(labels, scores, groups, **BOOTSTRAP)
    assert [found.lower, found.median, found.upper] == pytest.approx(
        np.quantile(slow, [0.05, 0.5, 0.95])
    )


@every_task
def test_labels_that_do_not_differ_are_said_and_not_measured(task):
    labels, scores, groups = judged(task)
    same = np.full_like(labels, labels[0])
    assert str(len(same)) in task.lacking(same, "held-out")
    assert task.lacking(labels, "held-out") is None
    assert task.level.key not in task.metrics(same, scores, Rule(threshold=0.5), COSTS)
    with pytest.raises(SingleClassError, match=r"is not defined(.|\n)*Fix:"):
        task.measure(same, scores)
    found = Contest(
        labels=same, groups=groups, candidate=scores, incumbent=scores, baseline=scores, task=task
    )
    verdicts = {verdict.name: verdict for verdict in judge(found, Gate())}
    assert not verdicts["better_than_chance"].passed
    assert "nothing could be measured" in verdicts["better_than_chance"].reason


@every_task
def test_the_gate_refuses_noise_and_lets_knowledge_through(task):
    labels, scores, groups = judged(task, rows=1_000)
    draw = np.random.default_rng(1)
    noise = draw.permutation(scores)
    simple = constant(task, labels)
    contest = Contest(
        labels=labels, groups=groups, candidate=scores, incumbent=noise, baseline=simple, task=task
    )
    assert all(verdict.passed for verdict in judge(contest, Gate()))
    turned = replace(contest, candidate=noise, incumbent=None, baseline=scores)
    verdicts = {verdict.name: verdict for verdict in judge(turned, Gate())}
    assert not verdicts["better_than_chance"].passed
    assert not verdicts["holds_against_baseline"].passed
    assert task.level.name in verdicts["better_than_chance"].reason


@every_task
def test_a_drop_is_told_in_the_level_of_the_task(task):
    labels, scores, groups = judged(task, rows=3_000)
    limits = Performance(least_rows=100, rounds=200)
    expected = task.measure(labels, scores)
    worse = np.random.default_rng(1).permutation(scores)
    fell = judge_served(
        Served(labels=labels, scores=worse, alarms=None, groups=groups), expected, limits, 1, task
    )
    holds = judge_served(
        Served(labels=labels, scores=scores, alarms=None, groups=groups), expected, limits, 1, task
    )
    assert fell.dropped
    assert not holds.dropped
    assert f"a drop of {task.level.name}" in fell.summary
    few = Served(labels=labels[:9], scores=scores[:9], alarms=None, groups=groups[:9])
    assert "underpowered" in judge_served(few, expected, limits, 1, task).summary


@every_task
def test_what_is_served_can_be_read_back(task):
    """Performance is measured on the predictions that were stored, not on new ones."""
    labels, scores, _ = judged(task)
    rule = task.rule(scores, labels, COSTS)
    stored = pd.DataFrame(task.served(scores, rule))
    np.testing.assert_array_equal(task.scores_in(stored), scores)
    before = task.metrics(labels, scores, rule, COSTS)
    again = task.metrics(labels, task.scores_in(stored), task.rule_in(stored), COSTS)
    assert again == pytest.approx(before)
    assert {name for name in before if name.partition("_")[0] not in {"recall", "precision"}} == {
        *METRICS[task.kind]
    }
    empty = pd.DataFrame(task.served(scores[:0], rule))
    assert task.scores_in(empty).shape == scores[:0].shape
    assert dict(empty.dtypes) == dict(stored.dtypes)


def test_the_metrics_are_those_of_scikit_learn():
    several, value = TASKS["multiclass"], TASKS["regression"]
    labels, scores, _ = judged(several)
    found = several.metrics(labels, scores, Rule(), None)
    answers = scores.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(sklearn_metrics.log_loss(labels, scores))
    assert found["balanced_accuracy"] == pytest.approx(
        sklearn_metrics.balanced_accuracy_score(labels, answers)
    )
    assert found["macro_roc_auc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(labels, scores, multi_class="ovr")
    )
    assert found["recall_cedar"] == pytest.approx(
        sklearn_metrics.recall_score(labels, answers, average=None)[2]
    )
    labels, scores, _ = judged(value)
    found = value.metrics(labels, scores, Rule(half_width=5.0), None)
    assert found["r_squared"] == pytest.approx(sklearn_metrics.r2_score(labels, scores))
    assert found["mean_absolute_error"] == pytest.approx(
        sklearn_metrics.mean_absolute_error(labels, scores)
    )


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("binary", [0.0, 1.0, 2.0, np.nan]),
        ("multiclass", ["ash", None, "oak"]),
        ("regression", [1.0, np.inf, np.nan]),
        ("regression", ["1", "two", None]),
    ],
)
def test_a_label_that_is_none_of_the_tasks_is_refused_without_its_value(kind, bad):
    """Guessing at a label, or dropping it, would teach the model something nobody declared."""
    with pytest.raises(LabelError, match=rf"in 1 of {len(bad)} rows(.|\n)*Fix:") as refused:
        TASKS[kind].check(pd.Series(bad), "trees")
    assert "oak" not in str(refused.value)
    assert "two" not in str(refused.value)


def test_classes_are_kept_by_their_names():
    """A class that is declared later, before the others, must not turn birches into ashes."""
    task = TASKS["multiclass"]
    stored = task.check(pd.Series(["birch", None, "ash", np.nan]), "trees")
    assert stored.tolist() == ["birch", None, "ash", None]
    np.testing.assert_array_equal(task.numbers(stored), [1, np.nan, 0, np.nan])
    wider = task_of("multiclass", ("acacia", *CLASSES))
    np.testing.assert_array_equal(wider.numbers(stored), [2, np.nan, 1, np.nan])
    scores = np.array([[0.2, 0.7, 0.1]])
    np.testing.assert_array_equal(wider.aligned(scores, CLASSES), [[0, 0.2, 0.7, 0.1]])


def labelled(task, rows=900):
    """Return a small table with labels of the task, which a model can learn."""
    inputs, labels, tuning = small_table(rows)
    draw = np.random.default_rng(5)
    if task.kind == "regression":
        labels = 1e6 + 100 * (inputs["x"].to_numpy() + labels + draw.normal(size=rows) / 4)
    elif task.kind == "multiclass":
        known = inputs["x"].to_numpy() + 2 * labels
        labels = np.digitize(known + draw.normal(size=rows) / 4, [5, 7]).astype(float)
    return inputs, labels, tuning


@every_task
def test_a_model_learns_is_the_same_twice_and_survives_its_bytes_and_its_export(task):
    """All that a version is held to: exact lineage, reproduction, and serving without PyTorch."""
    inputs, labels, tuning = labelled(task)
    settings_ = {"settings": SETTINGS, "costs": COSTS, "task": task}
    losses = []
    model = fit(inputs, labels, tuning, report=lambda *told: losses.append(told), **settings_)
    again = fit(inputs, labels, tuning, **settings_)
    assert to_bytes(model) == to_bytes(again)
    back = from_bytes(to_bytes(model))
    assert to_bytes(back) == to_bytes(model)
    scores = predict(back, inputs)
    np.testing.assert_array_equal(scores, predict(model, inputs))
    level = task.measure(labels[tuning], scores[tuning])
    assert level > task.level.chance + 0.1
    simple = fit_baseline(inputs, labels, tuning, settings=SETTINGS, task=task).predict(inputs)
    assert task.measure(labels[tuning], simple[tuning]) > task.level.chance + 0.1
    exported = to_onnx(model)
    assert onnx_disagreement(model, exported, inputs) < 1e-5
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    assert [one.name for one in session.get_outputs()] == [task.answer]
    assert set(losses[0][1]) == {f"training_{task.loss_name}", f"tuning_{task.loss_name}"}


def test_a_binary_model_has_the_bytes_that_it_always_had():
    """Versions that were trained before there were other tasks must still be reproduced."""
    inputs, labels, tuning = labelled(TASKS["binary"])
    data = to_bytes(fit(inputs, labels, tuning, settings=SETTINGS, costs=COSTS))
    for word in (b"outputs", b"classes", b"half_width", b"task"):
        assert word not in data


@every_task
def test_equal_labels_cannot_be_learned(task):
    inputs, labels, tuning = labelled(task)
    labels = np.full_like(labels, labels[0])
    with pytest.raises(UntrainableError, match=r"of \d+ training rows(.|\n)*Fix:"):
        fit(inputs, labels, tuning, settings=SETTINGS, costs=COSTS, task=task)


def test_an_interval_holds_about_nine_tenths_of_new_values():
    """It is the one thing that tells a reader of a single value how much to trust it."""
    task = TASKS["regression"]
    labels, scores, _ = judged(task, rows=4_000)
    rule = task.rule(scores[:2_000], labels[:2_000], None)
    found = task.metrics(labels[2_000:], scores[2_000:], rule, None)
    assert found["interval_coverage"] == pytest.approx(0.9, abs=0.025)


def test_a_temperature_mends_answers_that_are_too_sure():
    labels, scores, _ = judged(TASKS["multiclass"], rows=4_000)
    logits = np.log(scores)
    found = temperature(5 * logits, labels)
    assert 5 * found == pytest.approx(temperature(logits, labels), rel=1e-3)
    never_wrong = temperature(np.eye(3)[labels.astype(int)], labels)
    assert np.isfinite(never_wrong)
