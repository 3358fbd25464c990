"""A row has one name, in whatever batch, beside whatever other rows."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.features import GROUP, ROW_ID, as_text, feature_table, row_ids
from mldebt_assets.core.tasks.binary import BINARY

A_DAY = 86_400 * 10**9
MOMENTS = st.one_of(  # nanoseconds since 1970: finer ones, whole seconds, and midnights
    st.integers(min_value=-(10**18), max_value=10**18),
    st.integers(min_value=-(10**9), max_value=10**9).map(lambda second: second * 10**9),
    st.integers(min_value=-10_000, max_value=10_000).map(lambda day: day * A_DAY),
)


def ids(moments):
    return row_ids(pd.DataFrame({"at": pd.to_datetime(pd.Series(moments)), "n": 1}), ("at", "n"))


@given(moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_a_rows_id_does_not_depend_on_its_neighbours(moments):
    """A late label, or a batch sent again with fewer rows, would else miss its row."""
    assert ids(moments) == [one for moment in moments for one in ids([moment])]


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_a_moment_with_a_time_is_written_as_pandas_writes_it(zone):
    """The ids of every batch that was stored before stay what they are."""
    moments = pd.Series(pd.to_datetime(["2013-05-01 05:40", "2013-05-02 00:00"])).dt.tz_localize(
        zone
    )
    assert as_text(moments).tolist() == moments.astype(str).tolist()
    assert as_text(moments.iloc[1:]).iloc[0].startswith("2013-05-02 00:00:00")


def test_a_missing_moment_has_a_name_too():
    """It is told apart from every moment."""
    assert as_text(pd.Series([pd.NaT, pd.Timestamp("2013-05-02")])).tolist() == [
        "NaT",
        "2013-05-02 00:00:00",
    ]


def table_of(rows, group):
    return feature_table(
        rows,
        pipeline="clinic",
        row_key=("ward", "age"),
        group=group,
        label=lambda visits: visits["missed"],
        features=lambda visits: visits[["age"]],
        slices={},
        task=BINARY,
    )


def test_equal_rows_have_names_of_their_own_and_one_group():
    """Else one is held out and its twin is learned; and labels could not be told apart."""
    rows = pd.DataFrame({"ward": ["n", "n", "s"], "age": [30, 30, 30], "missed": [0.0, 1.0, 1.0]})
    made = table_of(rows, None)
    assert made[ROW_ID].is_unique
    assert made[GROUP].tolist()[0] == made[GROUP].tolist()[1] != made[GROUP].tolist()[2]
    assert made[ROW_ID].iloc[0] == made[GROUP].iloc[0]


def test_rows_are_grouped_by_the_days_of_a_time():
    """Rows of one day share what happened that day."""
    at = pd.to_datetime(["2024-01-01 09:00", "2024-01-01 17:30", "2024-01-02 09:00"])
    rows = pd.DataFrame({"ward": ["n", "n", "s"], "age": [30, 31, 30], "missed": 0.0, "at": at})
    assert table_of(rows, "at")[GROUP].tolist() == ["2024-01-01", "2024-01-01", "2024-01-02"]
