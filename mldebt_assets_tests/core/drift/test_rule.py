"""The drift rule wakes someone for what is both visible and significant, and for nothing else."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from mldebt_assets.core.drift.rule import judge
from mldebt_assets.core.errors import EmptySampleError
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

NUMBERS = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(4))
CATEGORY = Column(name="colour", dtype="string", meaning="")
COLUMNS = (*NUMBERS, CATEGORY)


def table(rows, seed, **changes):
    draw = np.random.default_rng(seed)
    columns = {column.name: draw.normal(size=rows) for column in NUMBERS}
    columns["colour"] = draw.choice(["red", "green", "blue"], rows)
    return pd.DataFrame(columns | {name: change(columns[name]) for name, change in changes.items()})


def report(current, *, reference=None, columns=COLUMNS):
    reference = table(20_000, seed=1) if reference is None else reference
    return judge(reference, current, columns=columns, limits=Drift())


def by_name(found):
    return {column.name: column for column in found.columns}


def failed(found):
    return [verdict.name for verdict in found.verdicts if not verdict.passed]


def test_fresh_rows_of_the_same_kind_have_not_drifted():
    """Otherwise every month retrains."""
    found = report(table(20_000, seed=2))
    assert not found.drifted
    assert not found.underpowered
    assert found.summary.startswith("no drift: the largest distance is")
    assert found.calibration == "uncalibrated"


def test_a_shift_of_a_tenth_sigma_is_found_and_named():
    found = report(table(20_000, seed=2, x1=lambda x: x + 0.1))
    assert found.summary == "drift in x1 (D 0.05)"
    assert failed(found) == ["distributions"]
    assert [column.name for column in found.columns if column.drifted] == ["x1"]


def test_several_drifted_columns_are_named_by_the_worst():
    found = report(table(20_000, seed=2, x1=lambda x: x + 0.1, x2=lambda x: x + 1))
    assert found.summary.startswith("drift in x2 (D 0.38) and 1 more column")


def test_one_outlier_in_the_reference_hides_no_shift():
    """Bins of equal width lose a shift of half a sigma to one value of a million."""
    reference = table(20_000, seed=1)
    reference.loc[0, "x0"] = 1e6
    found = report(table(20_000, seed=2, x0=lambda x: x + 0.5), reference=reference)
    assert by_name(found)["x0"].distance == pytest.approx(0.197, abs=0.01)
    assert by_name(found)["x0"].statistics["psi"] == pytest.approx(0.24, abs=0.02)


def test_a_tiny_difference_is_not_drift_however_many_rows_show_it():
    """With a million rows everything is significant, and little of it matters."""
    found = report(table(400_000, seed=2, x1=lambda x: x + 0.02), reference=table(400_000, seed=1))
    assert by_name(found)["x1"].p_value < 1e-6
    assert not found.drifted


def test_too_few_rows_are_called_underpowered_and_never_no_drift():
    """A quiet report on a thousand rows is no evidence that nothing changed."""
    found = report(table(1_000, seed=2), reference=table(1_000, seed=1))
    assert found.underpowered
    assert not found.drifted
    assert found.summary.startswith("underpowered: with so few rows only a distance above 0.0")
    assert "no drift" not in json.dumps(found.as_dict())


def test_a_column_with_few_values_is_underpowered_in_a_report_that_is_not():
    sparse = {"x3": lambda x: np.where(np.arange(x.size) < 50, x, np.nan)}
    found = report(table(20_000, seed=2, **sparse), reference=table(20_000, seed=1, **sparse))
    assert found.summary.endswith("underpowered: x3")
    assert by_name(found)["x3"].reason.startswith("underpowered")


def test_a_changed_correlation_is_found_where_no_column_changed():
    """A join that mixes up its rows leaves every column as it was."""
    reference, current = table(20_000, seed=1), table(20_000, seed=2)
    reference["x1"] = reference["x0"] * 0.6 + reference["x1"] * 0.8
    found = report(current, reference=reference)
    assert failed(found) == ["correlations"]
    assert found.summary == "drift in the correlation of x0 with x1 (r 0.60 -> -0.01)"
    assert [(pair.first, pair.second) for pair in found.correlations if pair.drifted] == [
        ("x0", "x1")
    ]


def test_a_changed_share_of_missing_values_is_drift():
    """A dead sensor changes no distribution: the values that are left look as before."""
    hole = {"x2": lambda x: np.where(np.arange(x.size) % 10 == 0, np.nan, x)}
    found = report(table(20_000, seed=2, **hole))
    assert failed(found) == ["missing_values"]
    assert found.summary == "drift in the missing share of x2 (0.000 -> 0.100)"


def test_infinity_counts_as_missing():
    """It has no place among the bins, and must not poison a mean or a correlation."""
    found = report(table(20_000, seed=2, x2=lambda x: np.where(x > 1, np.inf, x)))
    assert by_name(found)["x2"].statistics["missing_current"] == pytest.approx(0.16, abs=0.01)
    assert "missing_values" in failed(found)
    assert all(math.isfinite(value) for value in by_name(found)["x2"].statistics.values())


@pytest.mark.parametrize("name", ["x0", "colour"])
def test_a_column_that_lost_all_its_values_has_drifted(name):
    current = table(20_000, seed=2)
    current[name] = None
    found = by_name(report(current))[name]
    assert found.drifted
    assert found.distance is None
    assert found.reason.startswith("no finite value on one side")


def test_a_column_that_never_had_a_value_has_not_drifted():
    empty = {"x0": lambda x: x * np.nan}
    found = report(table(20_000, seed=2, **empty), reference=table(20_000, seed=1, **empty))
    assert not found.drifted


@pytest.mark.parametrize(("after", "drifted"), [(5.0, False), (5.1, True)])
def test_a_constant_column_drifts_when_its_value_changes(after, drifted):
    found = report(
        table(20_000, seed=2, x0=lambda x: x * 0 + after),
        reference=table(20_000, seed=1, x0=lambda x: x * 0 + 5.0),
    )
    assert found.drifted == drifted
    assert by_name(found)["x0"].distance == float(drifted)


def test_unseen_categories_are_drift_and_are_counted_but_not_quoted():
    """A value may be personal data: a report tells how much is new, not what it says."""
    found = report(table(20_000, seed=2, colour=lambda c: np.where(c == "red", "violet", c)))
    colour = by_name(found)["colour"]
    assert colour.drifted
    assert colour.statistics["unseen_current"] == pytest.approx(1 / 3, abs=0.02)
    assert "violet" not in json.dumps(found.as_dict())


def test_thousands_of_rare_categories_are_no_drift_for_being_rare():
    """Two samples of serial numbers have few in common, and nothing has changed."""
    draw = np.random.default_rng(3)
    serial = {"colour": lambda c: draw.integers(0, 20_000, c.size).astype(str)}
    tables = [table(20_000, seed=seed, **serial) for seed in (1, 2)]
    found = by_name(report(tables[1], reference=tables[0]))["colour"]
    assert found.distance > 0.3
    assert not found.drifted
    tables[1].loc[:2_000, "colour"] = "violet"
    assert by_name(report(tables[1], reference=tables[0]))["colour"].drifted


def test_p_values_are_those_of_scipy():
    current = table(5_000, seed=2, x0=lambda x: x + 0.03)
    reference = table(5_000, seed=1)
    found = by_name(report(current, reference=reference))
    counts = [side["colour"].value_counts().sort_index() for side in (reference, current)]
    assert found["colour"].p_value == pytest.approx(stats.chi2_contingency(counts).pvalue)
    expected = stats.kstwobign.sf(found["x0"].distance * np.sqrt(2_500))
    assert found["x0"].p_value == pytest.approx(expected)


def test_the_report_is_plain_json_of_finite_numbers():
    """It becomes metadata, and NaN is no JSON."""
    current = table(2_000, seed=2, x0=lambda x: x * np.nan, x1=lambda x: x * 0)
    text = json.dumps(report(current).as_dict(), allow_nan=False)
    assert json.loads(text)["columns"][0]["drifted"] is True


@pytest.mark.parametrize("columns", [(), NUMBERS[:1], (CATEGORY,)])
def test_a_pipeline_may_watch_few_columns(columns):
    found = report(table(2_000, seed=2), columns=columns)
    assert not found.drifted
    assert len(found.columns) == len(columns)


@pytest.mark.parametrize("sample", ["reference", "current"])
def test_an_empty_table_is_refused(sample):
    tables = {"reference": table(10, seed=1), "current": table(10, seed=2)}
    tables[sample] = tables[sample].iloc[:0]
    with pytest.raises(EmptySampleError, match=f"The {sample} sample"):
        judge(tables["reference"], tables["current"], columns=COLUMNS, limits=Drift())


cells = st.one_of(
    st.sampled_from([None, math.inf, -math.inf, 5e-324]),
    st.floats(-1e150, 1e150),
    st.integers(-3, 3).map(float),
)
frames = st.lists(
    st.tuples(cells, cells, st.sampled_from(["a", "b", None])), min_size=1, max_size=30
).map(
    lambda rows: pd.DataFrame(rows, columns=["x0", "x1", "colour"]).astype(
        {"x0": "float64", "x1": "float64", "colour": "object"}
    )
)


@settings(deadline=None, max_examples=60)
@given(reference=frames, current=frames)
def test_no_table_breaks_the_rule(reference, current):
    """A batch that cannot be judged stops the pipeline on the very day that something is wrong."""
    columns = (*NUMBERS[:2], CATEGORY)
    found = judge(reference, current, columns=columns, limits=Drift())
    json.dumps(found.as_dict(), allow_nan=False)
    assert not judge(reference, reference, columns=columns, limits=Drift()).drifted


def test_the_order_of_rows_is_of_no_account():
    current = table(3_000, seed=2, x0=lambda x: x + 0.3)
    shuffled = current.sample(frac=1, random_state=3)
    first, second = report(current), report(shuffled)
    assert first.summary == second.summary
    for one, other in zip(first.columns, second.columns, strict=True):
        assert one.statistics == pytest.approx(other.statistics)


def test_a_test_that_cannot_be_made_takes_no_power_from_the_others():
    """A column without a hole has no missing share to test, and most columns have none."""
    whole = report(table(20_000, seed=2), columns=NUMBERS)
    assert "p < 0.005/4, or" in whole.rule
    holed = table(20_000, seed=2)
    holed.loc[:9, "x0"] = np.nan
    assert "p < 0.005/5, or" in report(holed, columns=NUMBERS).rule


def test_with_ten_thousand_rows_the_limit_decides_and_not_the_p_value():
    """What moved visibly in twenty columns is then heard; a shift of a tenth sigma is D .04."""
    columns = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(20))
    draw = np.random.default_rng(4)
    names = [column.name for column in columns]
    sides = [pd.DataFrame(draw.normal(size=(10_000, 20)), columns=names) for _ in range(2)]
    assert not report(sides[1], reference=sides[0], columns=columns).underpowered
