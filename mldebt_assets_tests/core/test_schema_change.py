"""A change of the schema is called one, with what it rests on and the edit that accepts it."""

import pickle

import pytest

from mldebt_assets.core.errors import BatchRefusedError, SchemaChangedError
from mldebt_assets.core.schema import Column
from mldebt_assets.core.tables import parse

COLUMNS = (
    Column(name="departure", dtype="timestamp", meaning="local time"),
    Column(name="carrier", dtype="string", meaning="airline"),
    Column(name="flights", dtype="int64", meaning="that day", minimum=0),
    Column(name="distance_miles", dtype="float64", meaning="great circle"),
)
NAMES = [column.name for column in COLUMNS]
ROWS = [["2013-01-31T05:15:00", "UA", str(n), f"{1400 + n}.5"] for n in range(9)]


def landed(names=NAMES, rows=ROWS):
    return ("\n".join(",".join(row) for row in [names, *rows]) + "\n").encode()


def with_values(column, values):
    at = NAMES.index(column)
    pairs = zip(ROWS, values, strict=True)
    return landed(rows=[[*row[:at], value, *row[at + 1 :]] for row, value in pairs])


def changed(data, columns=COLUMNS):
    """Return the changes that a file is refused for, and what is said of it."""
    with pytest.raises(SchemaChangedError, match="is refused: schema change: ") as caught:
        parse(data, batch="2013-01", columns=columns)
    what, _, fix = str(caught.value).partition("\nFix: ")
    for change in caught.value.changes:
        assert change.edit in fix
    assert fix.endswith(".")
    return caught.value.changes, what


def renamed(new):
    (change,), _ = changed(landed(["departure", "carrier", "flights", new]))
    return change


@pytest.mark.parametrize(
    ("values", "line"),
    [
        (["red"] * 9, 'Column(name="colour", dtype="string", meaning="colour", since="2013-01"),'),
        (["7"] * 9, 'Column(name="colour", dtype="int64", meaning="colour", since="2013-01"),'),
        (["7.5"] * 8 + [""], 'Column(name="colour", dtype="float64", meaning="colour", nullable=T'),
        (
            ["2013-01-31"] * 9,
            'Column(name="colour", dtype="timestamp", meaning="colour", since="2013-01"),',
        ),
    ],
)
def test_a_new_column_comes_with_the_line_that_declares_it(values, line):
    """Whoever accepts it pastes the line; its type is what the values are of."""
    rows = [[*row, value] for row, value in zip(ROWS, values, strict=True)]
    (change,), said = changed(landed([*NAMES, "colour"], rows))
    assert (change.change, change.column) == ("added", "colour")
    assert f"add `{line}" in change.edit
    assert "has undeclared column 'colour'" in said


def test_the_line_that_declares_a_new_column_accepts_the_file():
    """Else the advice would cost a day."""
    data = landed([*NAMES, "Grams, net"], [[*row, "7"] for row in ROWS])
    (change,), _ = changed(data.replace(b"Grams, net", b'"Grams, net"'))
    line = change.edit.partition("`")[2].partition("`")[0].rstrip(",")
    added = eval(line, {"Column": Column})  # noqa: S307
    accepted = parse(
        data.replace(b"Grams, net", b'"Grams, net"'),
        batch="2013-01",
        columns=(*COLUMNS, added),
    )
    assert accepted["Grams, net"].tolist() == [7] * 9


def test_a_column_that_is_gone_names_the_line_to_delete():
    (change,), said = changed(landed(NAMES[:3], [row[:3] for row in ROWS]))
    assert (change.change, change.column) == ("missing", "distance_miles")
    assert change.edit == 'delete `Column(name="distance_miles", …)`'
    assert "lacks column 'distance_miles'" in said


@pytest.mark.parametrize(
    ("new", "why"),
    [
        ("Distance Miles", "near spelling"),
        ("distanceMiles", "near spelling"),
        ("distanse_miles", "near spelling"),
        ("distance", "part of the name"),
        ("how_far", "the only new column, for the only one gone"),
    ],
)
def test_a_renamed_column_is_no_loss_and_no_addition(new, why):
    change = renamed(new)
    assert (change.change, change.column) == ("renamed", "distance_miles")
    assert change.evidence == {"called now": new, "by": why}
    assert change.edit == f'in `Column(name="distance_miles", …)` write `name="{new}"`'


def test_a_name_with_another_unit_says_that_the_numbers_are_others():
    """Accepted as a mere name, kilometres would be learned as miles."""
    change = renamed("distance_km")
    assert (change.evidence["unit declared"], change.evidence["unit now"]) == (
        "miles",
        "kilometres",
    )
    assert change.edit.endswith("have `features` convert kilometres to miles")


def test_a_new_column_of_another_type_is_no_renamed_one():
    rows = [[*row[:3], "red"] for row in ROWS]
    changes, _ = changed(landed([*NAMES[:3], "how_far"], rows))
    assert [change.change for change in changes] == ["missing", "added"]


def test_columns_in_another_order_are_no_change():
    """They are read by their names."""
    data = landed(NAMES[::-1], [row[::-1] for row in ROWS])
    assert list(parse(data, batch="2013-01", columns=COLUMNS)) == NAMES


def test_numbers_that_became_text_are_another_type():
    (change,), said = changed(with_values("flights", ["many"] * 9))
    assert (change.change, change.evidence["found"]) == ("retyped", "string")
    assert change.edit == ('in `Column(name="flights", …)` write `dtype="string"` without bounds')
    assert "many" not in said


def test_numbers_past_64_bits_are_text():
    """As floats two of them may become one."""
    (change,), _ = changed(with_values("flights", ["9" * 25] * 9))
    assert change.evidence["found"] == "string"


def test_whole_numbers_that_became_fractions_are_another_type():
    (change,), _ = changed(with_values("flights", [f"{n}.25" for n in range(9)]))
    assert change.edit == 'in `Column(name="flights", …)` write `dtype="float64"`'


@pytest.mark.parametrize("count", [1, 4])
def test_a_few_values_of_another_type_are_faults_of_their_rows(count):
    """A typo is mended at its source; no declaration should take it for a number."""
    values = ["many"] * count + ["7"] * (9 - count)
    with pytest.raises(BatchRefusedError, match=r"'flights' \(int64\) .* in rows? 1") as caught:
        parse(with_values("flights", values), batch="b", columns=COLUMNS)
    assert not isinstance(caught.value, SchemaChangedError)


@pytest.mark.parametrize(
    ("value", "shape"),
    [
        ("31/01/2013 05:15", "99/99/9999 99:99"),
        ("20130131.5", "99999999.9"),
    ],
)
def test_another_format_of_times_is_named_and_left_to_the_source(value, shape):
    """Day before month is not guessed at: half the dates of a year would be wrong."""
    (change,), said = changed(with_values("departure", [value] * 9))
    assert (change.change, change.evidence["written as"]) == ("retyped", shape)
    assert "the source must write ISO 8601 local times" in change.edit
    assert value not in said


def test_all_changes_of_a_file_are_told_at_once():
    """One edit after another would take as many deliveries."""
    data = landed(["departure", "flights", "distance"], [[r[0], "x", r[3]] for r in ROWS])
    changes, _ = changed(data)
    assert {change.column: change.change for change in changes} == {
        "carrier": "missing",
        "distance_miles": "renamed",
        "flights": "retyped",
    }


def test_a_file_of_which_no_column_is_known_is_no_change():
    """It has no header, or other separators, or is another table."""
    with pytest.raises(BatchRefusedError, match="lacks columns") as caught:
        parse(b"a;b\n1;2\n", batch="b", columns=COLUMNS)
    assert not isinstance(caught.value, SchemaChangedError)


def test_the_changes_survive_pickling():
    """Dagster's processes hand errors to each other."""
    with pytest.raises(SchemaChangedError, match="lacks column") as caught:
        parse(landed(NAMES[:3], [r[:3] for r in ROWS]), batch="b", columns=COLUMNS)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert (str(again), again.changes) == (str(caught.value), caught.value.changes)
