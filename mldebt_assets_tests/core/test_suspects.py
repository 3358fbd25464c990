"""What is planted is found and named, and what is only unlikely is left alone."""

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.errors import NothingSuspectedError
from mldebt_assets.core.suspects.dependence import new_dependence
from mldebt_assets.core.suspects.duplicates import cell_sizes, duplicate_flood
from mldebt_assets.core.suspects.labels import label_noise
from mldebt_assets.core.suspects.outliers import outlier_rows
from mldebt_assets.core.suspects.rise import against_the_others
from mldebt_assets.core.suspects.rows import rows_of

BATCHES = tuple("abcdef")
ROWS = 500
SEED = 3


def table(seed=0):
    """Return inputs, and chances that depend on two of them in the same way in every batch."""
    draw = np.random.default_rng(seed)
    count = ROWS * len(BATCHES)
    inputs = pd.DataFrame(draw.normal(size=(count, 4)), columns=list("wxyz"))
    inputs["kind"] = draw.choice(["one", "two", "three"], count)
    return inputs, 2.5 * inputs["w"] + 1.5 * inputs["x"] * (inputs["kind"] == "one"), draw


def rows(inputs, labels, classes=2, batches=BATCHES, most=10**6):
    names = np.repeat(np.array(batches), len(inputs) // len(batches))
    return rows_of(
        inputs,
        np.asarray(labels, dtype=float),
        classes=classes,
        groups=np.arange(len(inputs)) // 10,
        batches=names,
        order=tuple(batches),
        rare_below=5,
        most=most,
        seed=SEED,
    )


def noisy(logit, draw):
    return (draw.random(len(logit)) < 1 / (1 + np.exp(-logit))).astype(float)


def of_last(share):
    """Return the places of that share of the last batch, spread over all of it."""
    return np.arange(ROWS * (len(BATCHES) - 1), ROWS * len(BATCHES), round(1 / share))


def standing_out(found):
    return [one.batch for one in found.batches if one.stands_out]


FINDERS = {
    "labels": label_noise,
    "duplicates": duplicate_flood,
    "outliers": outlier_rows,
    "dependence": new_dependence,
}


@pytest.mark.parametrize("find", FINDERS.values(), ids=FINDERS)
def test_noise_that_was_always_there_is_no_poison(find):
    """On rows that nobody could predict well most labels are unlikely, and none of them wrong."""
    inputs, logit, draw = table()
    found = find(rows(inputs, noisy(0.4 * logit, draw)), seed=SEED)
    assert found.verdict.passed, found.verdict.reason
    assert standing_out(found) == []


def test_flipped_labels_of_one_batch_are_caught_and_named():
    """Labels that somebody has turned round in one delivery."""
    inputs, logit, draw = table()
    labels = noisy(2 * logit, draw)
    planted = of_last(0.1)
    labels[planted] = 1 - labels[planted]
    found = label_noise(rows(inputs, labels), seed=SEED)
    assert not found.verdict.passed
    assert standing_out(found) == ["f"]
    top = found.place[: len(planted)]
    assert np.isin(top, planted).mean() > 0.5
    assert found.place.min() >= ROWS * (len(BATCHES) - 1)


def test_wrong_classes_spread_over_a_whole_table_are_caught():
    """Where every batch has them, no batch stands out; the surest rows tell."""
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 3, 1200)
    inputs = pd.DataFrame(
        {"x": labels + draw.normal(0, 0.15, 1200), "y": -labels + draw.normal(0, 0.15, 1200)}
    )
    clean = label_noise(rows(inputs, labels, classes=3, batches=("only",)), seed=SEED)
    assert clean.verdict.passed
    planted = np.arange(0, 1200, 20)
    labels[planted] = (labels[planted] + 1) % 3
    found = label_noise(rows(inputs, labels, classes=3, batches=("only",)), seed=SEED)
    assert not found.verdict.passed
    assert "seem wrong" in found.verdict.reason
    assert np.isin(planted, found.place).mean() > 0.9
    assert np.isin(found.place, planted).mean() > 0.9


def test_numbers_that_are_no_longer_their_rows_are_caught():
    """A column of labels that slipped by a few rows, in one batch."""
    inputs, logit, draw = table()
    labels = 10 * logit.to_numpy() + draw.normal(size=len(logit))
    assert label_noise(rows(inputs, labels, classes=0), seed=SEED).verdict.passed
    planted = of_last(0.1)
    labels[planted] = np.roll(labels[planted], 7)
    found = label_noise(rows(inputs, labels, classes=0), seed=SEED)
    assert not found.verdict.passed
    assert standing_out(found) == ["f"]
    assert np.isin(found.place[:20], planted).mean() > 0.9


def test_a_flood_of_one_row_with_other_last_digits_is_caught_and_named():
    """Exact copies are refused by the row key; these have keys of their own."""
    inputs, logit, draw = table()
    planted = of_last(0.05)
    numbers = list("wxyz")
    one = inputs.loc[planted[0], numbers].to_numpy(dtype=float)
    inputs.loc[planted, numbers] = one + draw.normal(0, 0.002, (len(planted), 4))
    inputs.loc[planted, "kind"] = "one"
    found = duplicate_flood(rows(inputs, noisy(logit, draw)), seed=SEED)
    assert not found.verdict.passed
    assert standing_out(found) == ["f"]
    assert np.isin(planted, found.place).all()
    assert np.isin(found.place[: len(planted)], planted).all()


def test_tables_whose_rows_repeat_by_nature_are_no_flood():
    """A table of four categories has nothing but duplicates."""
    draw = np.random.default_rng(2)
    inputs = pd.DataFrame({name: draw.choice(list("pqr"), 3000) for name in "wx"})
    found = duplicate_flood(rows(inputs, draw.integers(0, 2, 3000)), seed=SEED)
    assert found.verdict.passed
    assert len(found.place) == 0


def test_rows_far_from_all_others_are_caught_and_named():
    """Each value alone is usual; together they never occur."""
    inputs, logit, draw = table()
    inputs["y"] = inputs["w"] + draw.normal(0, 0.05, len(inputs))
    inputs["z"] = inputs["w"] + draw.normal(0, 0.05, len(inputs))
    planted = of_last(0.02)
    inputs.loc[planted, "w"] = 2.5
    inputs.loc[planted, "y"] = -2.5
    found = outlier_rows(rows(inputs, noisy(logit, draw)), seed=SEED)
    assert not found.verdict.passed
    assert standing_out(found) == ["f"]
    assert np.isin(planted, found.place).all()


@pytest.mark.parametrize("classes", [0, 2, 3])
def test_a_batch_whose_labels_work_the_other_way_round_is_caught(classes):
    """Nothing in its columns has drifted, and still all that was learned is wrong there."""
    inputs, logit, draw = table()
    last = np.arange(len(inputs)) >= ROWS * (len(BATCHES) - 1)
    turned = np.where(last, -logit, logit) + draw.normal(0, 0.5, len(logit))
    cuts = {0: turned, 2: turned > 0, 3: np.digitize(turned, [-1, 1])}
    calm = {0: logit, 2: logit > 0, 3: np.digitize(logit, [-1, 1])}
    assert new_dependence(rows(inputs, calm[classes], classes), seed=SEED).verdict.passed
    found = new_dependence(rows(inputs, cuts[classes], classes), seed=SEED)
    assert not found.verdict.passed
    assert standing_out(found) == ["f"]
    assert len(found.place) > ROWS / 10
    assert found.place.min() >= ROWS * (len(BATCHES) - 1)


def test_a_season_in_which_more_is_late_is_no_new_dependence():
    """The rate of the labels moves every winter; how they depend on the features does not."""
    inputs, logit, draw = table()
    last = np.arange(len(inputs)) >= ROWS * (len(BATCHES) - 1)
    found = new_dependence(rows(inputs, noisy(logit + 1.5 * last, draw)), seed=SEED)
    assert found.verdict.passed, found.verdict.reason


@pytest.mark.parametrize("find", FINDERS.values(), ids=FINDERS)
def test_rows_without_labels_are_no_obstacle(find):
    """Late labels leave a whole batch without any for weeks."""
    inputs, logit, draw = table()
    labels = noisy(logit, draw)
    labels[ROWS * 5 :] = np.nan
    found = find(rows(inputs, labels), seed=SEED)
    assert found.verdict.passed, found.verdict.reason


@pytest.mark.parametrize("find", FINDERS.values(), ids=FINDERS)
def test_too_few_batches_are_not_judged_and_it_says_so(find):
    """Silence must not read as innocence."""
    inputs, logit, draw = table()
    found = find(rows(inputs, noisy(0.4 * logit, draw), batches=("a", "b")), seed=SEED)
    assert found.verdict.passed
    assert found.verdict.reason.startswith("not judged")


def test_two_planted_batches_do_not_hide_each_other():
    """The median deviation of the others does not move by the second."""
    values = [0.10, 0.11, 0.09, 0.10, 0.12, 0.11, 0.30, 0.30]
    found = against_the_others("abcdefgh", [100] * 8, values, [0.01] * 8, margin=0.01)
    assert [one.batch for one in found if one.stands_out] == ["g", "h"]


def test_batches_of_one_kind_seldom_stand_out():
    """The promise of the limit: one batch in a thousand, or few more."""
    draw = np.random.default_rng(5)
    out = 0
    for _ in range(300):
        values = draw.normal(0.2, 0.03, 12)
        found = against_the_others("abcdefghijkl", [1] * 12, values, [0.001] * 12, margin=0.001)
        out += sum(one.stands_out for one in found)
    assert out / 3600 < 0.01


def test_a_large_batch_is_looked_at_in_rows_of_all_its_groups():
    """Rows of one day share their luck: ten whole days say less of a month than a third of all."""
    inputs, logit, draw = table()
    whole = rows(inputs, noisy(logit, draw))
    found = rows(inputs, whole.labels, most=600)
    assert set(np.bincount(found.batch)) == {100}
    assert len(np.unique(found.group)) > 0.75 * len(np.unique(whole.group))


def test_near_duplicates_are_found_across_a_grids_lines():
    """One grid parts two rows that differ in the fifth digit, if its line runs between them."""
    pairs = np.repeat(np.linspace(-3, 3, 200), 2)[:, None].astype(np.float32)
    pairs[1::2] += 1e-5
    sizes = cell_sizes(pairs, np.array([False]), seed=SEED)
    assert (sizes >= 2).all()


def test_too_few_rows_are_not_looked_at():
    """A table of ten rows has no usual row."""
    inputs, logit, draw = table()
    with pytest.raises(NothingSuspectedError, match="of 90 rows in 9 groups"):
        rows(inputs[:90], noisy(logit[:90], draw), batches=("a",))
