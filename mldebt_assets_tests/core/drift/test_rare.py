"""Many rare categories: no false alarm where nothing changed, and none missed where much did."""

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.drift.rare import pooling
from mldebt_assets.core.drift.rule import judge
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

COLOUR = (Column(name="colour", dtype="string", meaning=""),)
TRIALS = 6


def shares(kind, categories):
    if kind == "even":
        return np.full(categories, 1 / categories)
    if kind == "a tail":
        return np.append(np.full(5, 0.1), np.full(categories, 0.5 / categories))
    zipf = 1 / np.arange(1, categories + 1)
    return zipf / zipf.sum()


def drawn(seed, kind, categories, rows, days):
    """Rows with a category and a day; only the days differ between one seed and another."""
    draw = np.random.default_rng(seed)
    chance = shares(kind, categories)
    found = draw.choice(chance.size, rows, p=chance).astype(str)
    day = np.arange(rows) * days // rows
    return pd.DataFrame(
        {"colour": np.char.add("k", found).astype(object), "day": [f"{seed}-{d}" for d in day]}
    )


@pytest.mark.parametrize("unit", [None, "day"])
@pytest.mark.parametrize("kind", ["even", "a tail", "zipf"])
@pytest.mark.parametrize(("before", "after"), [(6_000, 2_000), (2_000, 6_000)])
def test_thousands_of_rare_categories_are_no_drift(unit, kind, before, after):
    """Each batch has some that no other has: laid beside the reference's own blocks, which have
    none, they would call two batches of five a drift.
    """
    for trial in range(TRIALS):
        reference = drawn(2 * trial, kind, 2_000, before, days=before // 100)
        current = drawn(2 * trial + 1, kind, 2_000, after, days=after // 100)
        report = judge(reference, current, columns=COLOUR, limits=Drift(), unit=unit)
        assert not report.drifted, report.columns[0].reason


@pytest.mark.parametrize("kind", ["even", "a tail"])
def test_categories_that_belong_to_a_day_are_no_drift(kind):
    """A number that each day draws anew is of many rows on one day and of none on all others: a
    further day brings as many new ones, though none that is there occurs once.
    """
    for trial in range(TRIALS):
        tables = []
        for seed, days in ((2 * trial, 60), (2 * trial + 1, 20)):
            table = drawn(seed, kind, 40, 100 * days, days)
            tail = table["colour"].str.removeprefix("k").astype(int) >= (5 if kind != "even" else 0)
            own = table["colour"].where(~tail, table["colour"] + " of " + table["day"])
            tables.append(table.assign(colour=own))
        report = judge(*tables, columns=COLOUR, limits=Drift(), unit="day")
        assert not report.drifted, report.columns[0].reason


def test_a_promise_is_kept_where_the_tail_is_long():
    """What is pooled is chosen by all blocks together, as if none were the batch's."""
    trials, alarms = 200, 0
    for trial in range(trials):
        table = drawn(trial, "zipf", 300, 3_000, days=30)
        batch = table["day"].isin(
            np.random.default_rng(trial).permutation(table["day"].unique())[:8]
        )
        found = judge(
            table[~batch],
            table[batch],
            columns=COLOUR,
            limits=Drift(distance=0.0, false_alarms=0.05),
            unit="day",
        )
        alarms += found.drifted
    # Of 200 trials at .05 more than 18 alarm in 1 % of the cases.
    assert alarms <= 18


@pytest.mark.parametrize("unit", [None, "day"])
def test_a_column_of_rare_categories_alone_is_called_underpowered(unit):
    """Whatever lies inside the slot that they share cannot be told, and "no drift" would tell."""
    reference, current = (drawn(seed, "even", 2_000, 3_000, days=30) for seed in (1, 2))
    report = judge(reference, current, columns=COLOUR, limits=Drift(), unit=unit)
    assert report.underpowered
    assert report.columns[0].reason.startswith("underpowered: D 0.")
    assert report.summary.startswith("underpowered: the largest distance is 0.")


CHANGES = {
    "each is a new one": lambda rows: rows.assign(colour="new " + rows["colour"]),
    "three of ten are one new": lambda rows: replaced(rows, "violet"),
    "three of ten are one old": lambda rows: replaced(rows, "k5"),
}


def replaced(rows, colour):
    return rows.assign(colour=rows["colour"].where(np.arange(len(rows)) % 10 >= 3, colour))


@pytest.mark.parametrize("unit", [None, "day"])
@pytest.mark.parametrize("change", [None, *CHANGES])
def test_ten_thousand_categories_drift_where_something_changed(unit, change):
    """Pooled without a bound they would be one slot that holds every row, before and after."""
    reference = drawn(1, "even", 10_000, 30_000, days=60)
    current = drawn(2, "even", 10_000, 10_000, days=20)
    if change:
        current = CHANGES[change](current)
    report = judge(reference, current, columns=COLOUR, limits=Drift(), unit=unit)
    assert report.drifted == (change is not None)


def test_unseen_rows_are_expected_as_the_rarest_of_the_reference_say():
    """Good: the chance that the next row is of an unseen category is the share of singletons."""
    draw = np.random.default_rng(4)
    surpluses = []
    for _ in range(50):
        found, later = (
            np.bincount(draw.integers(0, 3_000, rows), minlength=3_000) for rows in (6_000, 9_000)
        )
        seen = found > 0
        reference = np.append(found[seen], 0)
        current = np.append(later[seen], later[~seen].sum())
        assert current[-1] > 500
        surpluses.append(pooling(reference, current).new)
    assert surpluses == [0.0] * 50
