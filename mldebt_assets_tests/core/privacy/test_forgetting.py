"""Somebody's rows go, and no other byte changes."""

import io

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.privacy.forgetting import theirs, without_places, without_rows
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms

names = st.lists(st.sampled_from(["ada", "bob, jr", 'the "one"', "two\nlines", ""]), max_size=20)


def csv_of(values, end="\n"):
    table = pd.DataFrame({"kg": range(len(values)), "who": values})
    return table.to_csv(index=False, lineterminator=end).encode()


@given(names, st.sampled_from(["\n", "\r\n"]))
def test_a_csv_without_somebody_is_the_file_that_never_had_them(values, end):
    """The others' rows must hash as they would have without them, quotes and line ends too."""
    data = csv_of(values, end)
    made, gone = without_rows(data, "csv", "who", "bob, jr".__eq__)
    kept = pd.DataFrame({"kg": range(len(values)), "who": values}).query("who != 'bob, jr'")
    assert made == kept.to_csv(index=False, lineterminator=end).encode()
    assert gone == values.count("bob, jr")
    assert without_rows(made, "csv", "who", "bob, jr".__eq__) == (made, 0)


@given(names)
def test_a_parquet_file_loses_the_same_rows(values):
    table = pa.table(
        {"kg": pa.array(range(len(values)), pa.int64()), "who": pa.array(values, pa.string())}
    )
    sink = io.BytesIO()
    pq.write_table(table, sink)
    made, gone = without_rows(sink.getvalue(), "parquet", "who", "ada".__eq__)
    left = pq.read_table(io.BytesIO(made))
    assert left.column("who").to_pylist() == [one for one in values if one != "ada"]
    assert left.schema.equals(table.schema)
    assert gone == values.count("ada")
    assert (made == sink.getvalue()) or gone


def test_each_value_is_asked_about_once_and_none_is_nobody():
    """A keyed hash for every row of a million would take longer than the batch."""
    asked = []
    theirs(csv_of(["ada", "ada", "", "bob, jr"]), "csv", "who", asked.append)
    assert asked == ["ada", "bob, jr"]


@pytest.mark.parametrize("data", [b"kg\n1\n2\n", b"", b"\xef\xbb\xbfkg,who\n\n1,bob\n"])
def test_what_has_nobody_stays_byte_for_byte(data):
    assert without_rows(data, "csv", "who", "ada".__eq__) == (data, 0)


def test_a_byte_order_mark_and_empty_lines_are_no_rows():
    data = b"\xef\xbb\xbfkg,who\n\n1,ada\n2,bob\n"
    assert without_rows(data, "csv", "who", "ada".__eq__) == (b"\xef\xbb\xbfkg,who\n\n2,bob\n", 1)
    assert without_places(data, "csv", [False, True]) == (b"\xef\xbb\xbfkg,who\n\n1,ada\n", 1)


def test_a_mark_is_neither_a_pseudonym_nor_of_another_key():
    """Who reads the record can match it with nothing that is stored."""
    one, other = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
    stored = one.of(b"ada")
    assert len({one.mark(stored), stored, one.mark("ada"), other.mark(stored)}) == 4
    assert one.mark(stored) == Pseudonyms(b"a" * 32).mark(stored)
