"""The calibrated rule keeps its promise where rows come in days, and the other one does not."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.core.drift.blocks import Blocks
from mldebt_assets.core.drift.calibration import calibrate
from mldebt_assets.core.drift.counts import count, count_sketch, reference_of
from mldebt_assets.core.drift.moments import (
    correlations,
    correlations_of_parts,
    merge_moments,
    moments_of,
)
from mldebt_assets.core.drift.rule import judge
from mldebt_assets.core.drift.sketch import sketch_of
from mldebt_assets.core.drift.statistics import ks, total_variation
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

NUMBERS = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(3))
COLUMNS = (*NUMBERS, Column(name="colour", dtype="string", meaning=""))
LIMITS = Drift(false_alarms=0.05)


def days(draw, number, rows=60, effect=0.7):
    """Return rows of several days; the values of each share what their day adds to them."""
    day = np.repeat(np.arange(number), rows)
    table = {
        column.name: draw.normal(size=number)[day] * effect + draw.normal(size=day.size)
        for column in NUMBERS
    }
    reds = draw.uniform(0.5 - effect / 2, 0.5 + effect / 2, number)[day]
    table["colour"] = np.where(draw.uniform(size=day.size) < reds, "red", "blue")
    return pd.DataFrame(table | {"day": day})


def test_days_that_differ_raise_no_more_false_alarms_than_promised():
    """Were rows independent, the other rule would be right; here all its alarms are false."""
    trials = 40
    alarms = {"day": 0, None: 0}
    for seed in range(trials):
        draw = np.random.default_rng([3, seed])
        reference, current = days(draw, 24, rows=40), days(draw, 8, rows=40)
        for unit in alarms:
            found = judge(reference, current, columns=COLUMNS, limits=LIMITS, unit=unit)
            assert found.calibration == ("calibrated" if unit else "uncalibrated")
            alarms[unit] += found.drifted
    assert alarms[None] > 0.7 * trials
    # Of 40 trials at .05 six or more alarm in 1.4 % of the cases.
    assert alarms["day"] < 6


tables = st.integers(0, 2**32 - 1).map(
    lambda seed: days(np.random.default_rng(seed), 20, rows=int(seed % 9) + 1)
)


@settings(deadline=None, max_examples=15)
@given(table=tables, holes=st.sets(st.integers(0, 19), max_size=3))
def test_whichever_of_twenty_blocks_is_the_batch_one_at_most_alarms_at_five_in_a_hundred(
    table, holes
):
    """That is the promise, without chance: under no drift each is as likely to be the batch."""
    table.loc[table["day"].isin(holes), "x0"] = np.nan
    against = reference_of(sketch_of(table, COLUMNS), "all")
    moments = {
        day: moments_of(rows[["x0", "x1"]].to_numpy().T) for day, rows in table.groupby("day")
    }
    parts = [count(rows, against, moments[day]) for day, rows in table.groupby("day")]
    alarms = 0
    for own in range(len(parts)):
        blocks = Blocks("day", [*parts[:own], *parts[own + 1 :]], [parts[own]])
        found = calibrate(blocks, against, level=0.05)
        assert found is not None
        assert found.ways == 20
        alarms += found.p_value <= 0.05 + 1e-9
    assert alarms <= 1


def test_a_shift_beyond_what_days_do_is_found_and_named():
    """Otherwise the alarms that are left out were all of them."""
    draw = np.random.default_rng(7)
    current = days(draw, 30).assign(x1=lambda table: table["x1"] + 1.5)
    found = judge(days(draw, 90), current, columns=COLUMNS, limits=Drift(), unit="day")
    assert [column.name for column in found.columns if column.drifted] == ["x1"]
    assert found.summary.startswith("drift in x1 (D ")
    assert found.calibration_reason == (
        "90 blocks of the reference and 30 of the current rows, by day: 1000 ways to divide them, "
        "p 0.001"
    )


def test_a_missing_share_and_a_correlation_are_judged_by_blocks_too():
    """An alarm by any of them wakes as many people."""
    draw = np.random.default_rng(8)
    reference, current = days(draw, 90), days(draw, 30)
    current.loc[::3, "x0"] = np.nan
    current["x2"] = current["x1"] + draw.normal(size=len(current)) / 10
    found = judge(reference, current, columns=COLUMNS, limits=Drift(), unit="day")
    assert [verdict.name for verdict in found.verdicts if not verdict.passed] == [
        "missing_values",
        "correlations",
    ]
    assert found.correlations[0].p_value == pytest.approx(0.001)


def test_a_distance_that_days_reach_by_chance_is_called_underpowered():
    """ "No drift" would be a claim that so few days do not carry."""
    draw = np.random.default_rng(9)
    found = judge(days(draw, 30), days(draw, 10), columns=COLUMNS, limits=Drift(), unit="day")
    assert found.underpowered
    assert found.summary.startswith("underpowered: with so few blocks only a distance above 0.")


def test_too_few_blocks_are_not_calibrated_on():
    """Of three months and one, no p-value is below a quarter."""
    draw = np.random.default_rng(1)
    found = judge(days(draw, 3), days(draw, 1), columns=COLUMNS, limits=Drift(), unit="day")
    assert found.calibration == "uncalibrated"
    assert found.calibration_reason == (
        "3 blocks of the reference and 1 of the current rows, by day, can be divided in 4 ways, "
        "of 100 that are needed, so every row was taken for independent"
    )


def test_without_blocks_the_report_says_so():
    draw = np.random.default_rng(1)
    found = judge(days(draw, 3), days(draw, 1), columns=COLUMNS, limits=Drift())
    assert found.calibration_reason.startswith("no blocks of rows to calibrate on")


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_whole_lies_no_further_away_than_its_parts_on_average(seed):
    """So a month held against single days would be silent rather than wrong."""
    draw = np.random.default_rng(seed)
    against = reference_of(sketch_of(days(draw, 5), COLUMNS), "five days")
    current = days(draw, 4)
    parts = [count(rows, against) for _, rows in current.groupby("day")]
    whole = count(current, against)
    for place, part in enumerate(against.parts):
        distance = total_variation if place == 3 else ks
        expected = against.counts.counts[part]
        apart = np.mean([distance(expected, one.counts[part]) for one in parts])
        assert distance(expected, whole.counts[part]) <= apart + 1e-12


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_correlations_of_chosen_parts_are_those_of_the_parts_merged(seed):
    """Merging them for each of a thousand choices would take a hundred times as long."""
    draw = np.random.default_rng(seed)
    parts = []
    for _ in range(5):
        columns = draw.normal(size=(3, 8)) * 10.0 ** draw.integers(-3, 4, (3, 1)) + 5
        columns[draw.uniform(size=columns.shape) < 0.1] = np.nan
        parts.append(moments_of(list(columns)))
    chosen = draw.uniform(size=(6, 5)) < 0.6
    chosen[:, 0] = True
    found = correlations_of_parts(parts, chosen)
    for row, taken in zip(found, chosen, strict=True):
        merged = merge_moments([part for part, is_in in zip(parts, taken, strict=True) if is_in])
        expected = [correlations(merged)[0][pair] for pair in combinations(range(3), 2)]
        assert row == pytest.approx(expected, abs=1e-7, nan_ok=True)


def test_blocks_on_the_bins_of_another_reference_are_refused():
    """Their counts would be compared bin by bin, and mean nothing."""
    sketch = sketch_of(days(np.random.default_rng(1), 2), COLUMNS)
    against = reference_of(sketch, "this")
    other = replace(count_sketch(sketch, against), reference="that")
    blocks = Blocks("day", [other] * 99, [other])
    with pytest.raises(UnlikeSketchesError, match="reference"):
        calibrate(blocks, against, level=0.01)
