"""Any two tables get an answer that is true, or an error that says what to do."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.core.drift.compare import compare
from mldebt_assets.core.errors import EmptySampleError, NothingInCommonError
from mldebt_assets.core.policies import Drift

ROWS = 5_000
CELLS = {
    "number": st.floats(width=32) | st.none(),
    "text": st.sampled_from(["a", "B", "", "007", "true", "2020-01-01", "x y"]) | st.none(),
    "whole": st.integers(-(2**53), 2**53) | st.none(),
    "yes": st.booleans() | st.none(),
}
tables = st.integers(1, 30).flatmap(
    lambda rows: st.fixed_dictionaries(
        {name: st.lists(cell, min_size=rows, max_size=rows) for name, cell in CELLS.items()}
    )
)


def found(reference, current):
    """Return what is said of one column, as arrays or lists of values."""
    both = (pa.table({"x": values}) for values in (reference, current))
    return compare(*both, Drift()).columns["x"]


def draws(seed):
    return np.random.default_rng(seed)


@settings(max_examples=30, deadline=None)
@given(columns=tables)
def test_a_table_has_not_drifted_from_itself_in_any_order(columns):
    """Whatever is in it; and an alarm that depends on the order of rows is none."""
    table = pa.table(columns)
    backwards = table.take(np.arange(table.num_rows)[::-1].copy())
    told = compare(table, backwards, Drift())
    assert not told.drifted
    assert not [name for name, column in told.columns.items() if column["drifted"]]
    assert compare(table, table, Drift()).columns == told.columns


@settings(max_examples=30, deadline=None)
@given(columns=tables)
def test_csv_and_parquet_of_one_table_agree(columns):
    """Otherwise the format of a file would be drift."""
    typed = pa.table(columns)
    written = io.BytesIO()
    pa_csv.write_csv(typed, written)
    texts = pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()))
    read = pa_csv.read_csv(io.BytesIO(written.getvalue()), convert_options=texts)
    assert compare(typed, read, Drift()).columns == compare(typed, typed, Drift()).columns


@pytest.mark.parametrize(
    ("reference", "current", "kind", "said"),
    [
        (["1", "2.5"], [1.0, 2.5], "number", "underpowered"),
        (["007", "NA"], [7, None], "number", "underpowered"),
        (["true", "false"], [True, False], "category", "underpowered"),
        (["2020-01-01"], ["2020-02-01T05:00:00Z"], "date", "not judged, since dates move"),
        ([1.0], [2.0], "number", "underpowered"),
        ([None], [None], "unknown", "cannot be compared: no row of either file has a value"),
        ([np.nan, np.inf], [1.0, 2.0], "number", "no finite value on one side"),
        ([[1]], [[2]], "unknown", "cannot be compared: the reference file stores it as list"),
        ([b"\xff"], [b"\xff"], "unknown", "cannot be compared: the reference file stores it as bi"),
    ],
)
def test_too_little_to_judge_is_never_called_no_drift(reference, current, kind, said):
    """Of a row or two nothing can be said, and that is what is said."""
    told = found(reference, current)
    assert (told["kind"], told["drifted"]) == (kind, False)
    assert told["reason"].startswith(said)


def test_numbers_that_became_words_are_drift():
    """Not one value of one side could be of the other."""
    told = found([1.0, 2.0], ["low", "high"])
    assert (told["kind"], told["drifted"]) == ("unknown", True)
    assert told["reason"] == "drift: numbers in the reference file, no numbers in the current"


def test_a_few_words_among_numbers_count_as_missing_and_are_told():
    """One "unknown" among a thousand readings must not make them all categories."""
    numbers = draws(1).normal(size=ROWS).round(3).astype(str).tolist()
    told = found(numbers, [*numbers[:-50], *["broken"] * 50])
    assert (told["kind"], told["drifted"]) == ("number", False)
    assert "1.0% in the current are no numbers, and count as missing" in told["reason"]
    many = found(numbers, [*numbers[:-500], *["broken"] * 500])
    assert many["drifted"]
    assert "drift: missing share 0.000 -> 0.100" in many["reason"]


def test_a_shift_of_a_tenth_sigma_is_found_in_numbers_and_categories():
    """The least that the rule promises to see at 10,000 rows."""
    usual, moved = draws(1).normal(size=20_000), draws(2).normal(0.1, 1, size=20_000)
    assert found(usual, moved)["drifted"]
    sides = [draws(seed).choice(list("abc"), ROWS, p=p) for seed, p in
             ((1, [0.5, 0.3, 0.2]), (2, [0.3, 0.5, 0.2]))]  # fmt: skip
    assert found(*sides)["drifted"]


@pytest.mark.parametrize("categories", [2, 100, 10_000])
def test_categories_drawn_alike_do_not_drift_however_many_there_are(categories):
    """A rare one that only one file happens to have says nothing."""
    told = found(*(draws(seed).integers(categories, size=20_000).astype(str) + "x"
                   for seed in (1, 2)))  # fmt: skip
    assert not told["drifted"]
    assert told["reason"].startswith("no drift" if categories == 2 else "underpowered")


def test_an_identifier_cannot_be_compared():
    """All of its values are new in every file, and none of them is drift."""
    told = found(*([f"{side}{row}" for row in range(ROWS)] for side in "ab"))
    assert not told["drifted"]
    assert told["reason"].startswith("cannot be compared: nearly every value occurs once")


def test_new_and_vanished_categories_are_measured():
    """By how much, of which side."""
    told = found(["a"] * 60 + ["b"] * 40, ["a"] * 90 + ["c"] * 10)
    assert told["statistics"]["unseen_current"] == pytest.approx(0.1)
    assert told["statistics"]["vanished_reference"] == pytest.approx(0.4)


def test_columns_of_one_side_are_named():
    """A column that went away must not pass for calm."""
    told = compare(pa.table({"x": [1], "old": [1]}), pa.table({"x": [1], "new": [1]}), Drift())
    assert told.columns["old"]["reason"] == "cannot be compared: only the reference file has it"
    assert told.columns["new"]["reason"] == "cannot be compared: only the current file has it"
    assert "cannot be compared: old, new" in told.summary


def test_missing_dates_are_judged_and_dates_are_not():
    """February's dates are all new to January; that half of them are gone is news."""
    days = np.datetime64("2020-01-01") + np.arange(ROWS) % 31
    later = (days + 31).astype("datetime64[us]").astype(object)
    assert not found(days, later)["drifted"]
    assert found(days, later)["statistics"]["wasserstein"] == pytest.approx(31)
    told = found(days, [None if row % 2 else day for row, day in enumerate(later)])
    assert told["drifted"]
    assert "drift: missing share 0.000 -> 0.500" in told["reason"]


def test_huge_values_give_numbers_that_json_can_hold():
    """Infinity is none of them."""
    told = found(np.array([-1.7e308, 0, 1.7e308] * 99), np.array([1.7e308] * 99))
    assert told["drifted"]
    assert all(np.isfinite(value) for value in told["statistics"].values())


def test_nothing_to_compare_is_an_error_with_its_fix():
    """An empty answer would read like calm."""
    with pytest.raises(EmptySampleError, match=r"current sample .*\nFix:"):
        compare(pa.table({"x": [1]}), pa.table({"x": pa.array([], pa.int64())}), Drift())
    with pytest.raises(NothingInCommonError, match="reference has 'x', the current 'y'"):
        compare(pa.table({"x": [1]}), pa.table({"y": [1]}), Drift())
