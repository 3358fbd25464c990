"""What a table's target asks for, and which columns are that target in disguise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine

from mldebt_assets.core.errors import TableUnfitError
from mldebt_assets.core.profile.columns import Found
from mldebt_assets.core.profile.goal import goal_of
from mldebt_assets.core.profile.joins import join_of, joined
from mldebt_assets.core.profile.leaks import SUSPECT, disguised, told_alone
from mldebt_assets.core.profile.spelling import spelled
from mldebt_assets.core.profile.table import profile

DRAW = np.random.default_rng(3)
ROWS = 400
NUMBERS = pd.Series(DRAW.normal(50, 10, ROWS))


def found(values, name="target"):
    values = pd.Series(values)
    kinds = {"f": "float64", "i": "int64", "M": "timestamp"}
    return Found(
        name=name, dtype=kinds.get(values.dtype.kind, "string"), values=values, nullable=False
    )


def goal(values, task=None):
    return goal_of(found(values), task)


def texts(count):
    return [f"kind {one % count}" for one in range(ROWS)]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"] * 200, "binary"),
        ([1.5, 2.5] * 200, "binary"),
        (texts(3), "multiclass"),
        (list(np.arange(ROWS) % 10), "multiclass"),
        (np.arange(ROWS) % 10.0, "multiclass"),
        (list(np.arange(ROWS) % 13), "regression"),
        (np.arange(ROWS) % 4 / 3, "regression"),
        (NUMBERS, "regression"),
    ],
    ids=str,
)
def test_the_task_is_what_the_values_say(values, task):
    """Nobody should have to say what a table says."""
    assert goal(values).task == task


@pytest.mark.parametrize(
    ("values", "asked", "said"),
    [
        (texts(ROWS), None, "neither classes nor a number"),
        (texts(3), "binary", "has 3 different values"),
        (texts(3), "regression", "no numbers"),
        (texts(200), "multiclass", "100 classes are the most"),
        (pd.date_range("2024-01-01", periods=ROWS), None, "is a time"),
        (["a"] * ROWS, None, "1 value"),
        (["a", "b"] * 199 + ["a", "c"], None, "stands in a single row"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_target_that_cannot_be_one_is_refused(values, asked, said):
    with pytest.raises(TableUnfitError, match=rf"{said}[\s\S]*\nFix: "):
        goal(values, asked)


def test_classes_are_named_as_their_values_are_and_numbers_stand_in_their_order():
    """Else "10" would stand between "1" and "2", and a label would name no class."""
    made = goal(pd.Series([10, 2, None, 1] * 100, dtype="Int64"))
    assert made.classes == ("1", "2", "10")
    assert set(made.labels.dropna()) == set(made.classes)
    assert made.labels.isna().sum() == 100


BAD = pd.Series(np.where(NUMBERS > 55, "late", "on time"))
THREE = pd.Series(np.digitize(NUMBERS, [45, 55]))


@pytest.mark.parametrize(
    ("column", "target"),
    [
        (BAD.map({"late": 1, "on time": 0}), BAD),
        (BAD.map({"late": "lost the van", "on time": None}), BAD),
        (pd.Series(np.where(BAD == "late", NUMBERS.round(), np.nan)), BAD),
        (NUMBERS, BAD),
        (NUMBERS, THREE),
        (THREE.map({0: "low", 1: "middle", 2: "high"}), THREE),
        (NUMBERS * 1.8 + 32, NUMBERS),
    ],
    ids=["as a number", "its reason", "known where late", "cut in two", "cut in three", "words",
         "in another unit"],
)  # fmt: skip
def test_the_target_in_disguise_is_no_input(column, target):
    """A model that reads it is perfect until it is used."""
    assert disguised(found(column, "x"), goal(target)).startswith("it gives the target away")


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer, load_diabetes])
def test_no_column_of_a_real_table_is_taken_for_a_leak(load):
    """Petals and cell nuclei tell a lot, and are honest."""
    table = load(as_frame=True).frame
    made = goal(table["target"])
    for name in table.columns.drop("target"):
        assert not disguised(found(table[name], name), made), name


def test_two_species_that_one_petal_tells_apart_are_asked_about_and_not_dropped():
    """Perfect, but with a gap between the two: nobody cut the species from it."""
    table = load_iris(as_frame=True).frame
    made = goal(table["target"].eq(0).map({True: "setosa", False: "other"}))
    petal = found(table["petal length (cm)"], "petal")
    assert not disguised(petal, made)
    assert told_alone(petal, made) >= SUSPECT
    assert told_alone(found(table["sepal width (cm)"], "sepal"), made) < SUSPECT


def test_chance_is_neither_a_leak_nor_a_suspicion():
    """A column of noise must cost nobody a question."""
    noise = found(DRAW.normal(size=ROWS), "noise")
    many = found([f"person {one}" for one in range(ROWS)], "many")
    for target in (BAD, THREE, NUMBERS):
        for column in (noise, many):
            assert not disguised(column, goal(target))
            assert told_alone(column, goal(target)) < SUSPECT


LEFT = pa.table({"row": [1, 2, 3, 4], "depot": ["7", "8", "7", None], "name": list("abcd")})
RIGHT = pa.table({"id": [7.0, 8.0, None], "name": ["north", "south", "?"], "beds": [5, 6, 0]})


def test_each_row_finds_its_partner_whatever_type_the_key_is_stored_as():
    """A database stores 7 where a file writes it, or 7.0 where the column has gaps."""
    made, unmatched = joined(LEFT, RIGHT, join_of("dir/depots.csv on depot=id"))
    assert made.column("row").to_pylist() == [1, 2, 3, 4]
    assert made.column_names == ["row", "depot", "name", "depots_name", "beds"]
    assert made.column("beds").to_pylist() == [5, 6, 5, None]
    assert unmatched == 1


def test_a_join_may_have_several_keys_and_follow_another():
    other = pa.table({"beds": ["5", "6"], "depot": ["7", "7"], "head": ["x", "y"]})
    first, _ = joined(LEFT, RIGHT, join_of("depots on depot=id"))
    made, unmatched = joined(first, other, join_of("heads ON depot, beds"))
    assert made.column("head").to_pylist() == ["x", None, "x", None]
    assert unmatched == 2


@pytest.mark.parametrize(
    ("declared", "right", "told"),
    [
        ("depots", RIGHT, "names no table and its keys"),
        ("depots on depot=", RIGHT, "names no table and its keys"),
        ("depots on depo=id", RIGHT, "its left side has no column 'depo'"),
        ("depots on depot=ib", RIGHT, "depots has no column 'ib'"),
        ("depots on name", RIGHT, "no row finds a partner"),
        ("depots on depot=id", pa.table({"id": [7, 7, 8]}), "1 of its rows have a key"),
    ],
)
def test_a_join_that_would_lose_or_double_rows_is_refused(declared, right, told):
    """Doubled rows would be learned twice, and stand on both sides of the split."""
    with pytest.raises(TableUnfitError, match=rf"{told}[\s\S]*\nFix: "):
        joined(LEFT, right, join_of(declared))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([f"{one},{one % 7}" for one in range(ROWS)], "commas, signs or units"),
        ([f"${one:,.2f}" for one in range(900, 900 + ROWS)], "commas, signs or units"),
        ([f"1.{one:03d},5 €" for one in range(ROWS)], "commas, signs or units"),
        ([f"{one / 10}%" for one in range(ROWS)], "commas, signs or units"),
        ([f"1'{one:03d}" for one in range(ROWS)], "commas, signs or units"),
        ([f"{1 + one % 28}/0{1 + one % 9}/2024" for one in range(ROWS)], "2024-05-31"),
        ([f"{1 + one % 28}.1.24 09:30" for one in range(ROWS)], "2024-05-31"),
        ([str(one) if one % 50 else "not measured" for one in range(ROWS)], "a few are not"),
        (texts(ROWS), ""),
        ([f"{10**20 + one}" for one in range(ROWS)], ""),
        ([f"10.0.{one}.1" for one in range(ROWS)], ""),
        ([f"{one}-{one + 1}" for one in range(ROWS)], ""),
        ([None] * ROWS, ""),
    ],
    ids=["comma", "dollars", "euros", "percent", "Swiss", "slashes", "dots", "a few words", "texts",
         "past 64 bits", "addresses", "ranges", "nothing"],
)  # fmt: skip
def test_numbers_and_dates_spelled_otherwise_are_told_and_not_guessed_at(values, told):
    """1,234 is a thousand here and a little more than one there."""
    said = spelled(pd.Series(values, dtype=object))
    assert told in said
    assert bool(said) == bool(told)


@pytest.mark.parametrize("spelling", ["{:.3f} €", "{:.4f}%"])
def test_a_number_spelled_otherwise_is_neither_key_nor_input_nor_target(spelling):
    """It would be taken for the name of its row, and the best input be lost without a word."""
    price = NUMBERS.map(spelling.format)
    table = pa.table({"price": price, "kind": texts(3), "target": ["yes", "no"] * (ROWS // 2)})
    made = profile(table, target="target", time=None, every=None, name="b")
    assert made.row_key == ()
    assert {one.name: one.left_out for one in made.columns}["price"].startswith("its numbers are")
    with pytest.raises(TableUnfitError, match=r"'price', its numbers are written[\s\S]*\nFix: "):
        profile(table, target="price", time=None, every=None, name="b")


def test_a_column_without_any_value_is_left_behind():
    """The gate refuses a batch with one: it cannot tell it from a feed that broke."""
    table = pa.table({
        "x": NUMBERS, "empty": pa.nulls(ROWS), "blank": [" "] * ROWS, "nested": [[1]] * ROWS,
        "target": ["yes", "no"] * (ROWS // 2),
    })  # fmt: skip
    made = profile(table, target="target", time=None, every=None, name="b")
    assert made.unusable == ("empty", "blank", "nested")
    assert made.table.column_names == ["x", "target"]
