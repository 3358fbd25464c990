"""What is wrong goes to quarantine or refuses the batch; what is right is never lost."""

import dataclasses
import re
import subprocess
import sys
from itertools import islice

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.quality import REASON, judge
from mldebt_assets.core.schema import Column, Expectation
from mldebt_assets.core.suite import expectation_names
from mldebt_assets.core.tables import from_parquet, parse, to_parquet
from mldebt_assets.pipelines.flight_delays import flight_delays
from mldebt_assets.sources import nycflights

COLUMNS = (
    Column(name="departure", dtype="timestamp", meaning="local time"),
    Column(name="carrier", dtype="string", meaning="airline"),
    Column(name="distance_miles", dtype="int64", meaning="", minimum=1, maximum=6000),
    Column(name="wind_mph", dtype="float64", meaning="", minimum=0),
    Column(name="delay_minutes", dtype="float64", meaning="", nullable=True),
)
KEY = ("departure", "carrier")
CARRIER_CODE = Expectation(
    name="ExpectColumnValuesToMatchRegex",
    arguments={"column": "carrier", "regex": "^[0-9A-Z]{2}$"},
    failing="quarantine",
)
MEAN_WIND = Expectation(
    name="ExpectColumnMeanToBeBetween",
    arguments={"column": "wind_mph", "min_value": 1, "max_value": 50},
)
EXPECTATIONS = (CARRIER_CODE, MEAN_WIND)


def good(rows=10):
    return pd.DataFrame(
        {
            "departure": pd.date_range("2013-01-01", periods=rows, freq="h").astype(
                "datetime64[us]"
            ),
            "carrier": pd.Series(["UA"] * rows, dtype=object),
            "distance_miles": pd.Series(range(100, 100 + rows), dtype="int64"),
            "wind_mph": np.linspace(5.0, 15.0, rows),
            "delay_minutes": [None] + [2.5] * (rows - 1),
        }
    ).astype({"delay_minutes": "float64"})


def judged(
    frame,
    *,
    limit=0.25,
    expectations=EXPECTATIONS,
    columns=COLUMNS,
    key=KEY,
    least=1,
    duplicates=None,
):
    quality = judge(
        frame,
        batch="2013-01",
        columns=columns,
        row_key=key,
        expectations=expectations,
        least_rows=least,
        quarantine_limit=limit,
        duplicate_limit=duplicates,
    )
    assert tuple(one.name for one in quality.verdicts) == expectation_names(
        columns, key, expectations, duplicates
    )
    assert quality.refused == any(not one.passed for one in quality.verdicts)
    return quality


def verdict(quality, name):
    return {one.name: one for one in quality.verdicts}[name]


def test_the_names_are_known_without_great_expectations():
    """Definitions load in every process; importing the library takes seconds."""
    code = (
        "import sys; from mldebt_assets.core.suite import expectation_names; "
        "from mldebt_assets.pipelines.flight_delays import flight_delays as p; "
        "print(*expectation_names(p.columns, p.row_key, p.expectations)); "
        "assert 'great_expectations' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = run.stdout.split()
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    assert {
        "columns_declared",
        "types_declared",
        "row_count",
        "values_complete",
        "values_finite",
        "values_within_bounds",
        "row_key_unique",
        "origin_in_set",
        "flight_date_unique_value_count_between",
    } <= set(names)


def test_names_stay_apart_when_expectations_are_alike():
    """Two checks of one name would be one check in Dagster."""
    names = expectation_names(COLUMNS, KEY, (CARRIER_CODE, CARRIER_CODE, MEAN_WIND))
    assert names[-4:-1] == ("carrier_match_regex", "carrier_match_regex_2", "wind_mph_mean_between")
    quality = judged(good(), expectations=(CARRIER_CODE, CARRIER_CODE, MEAN_WIND))
    assert not quality.refused


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.integers(2, 40), wind=st.floats(1, 50), seed=st.integers(0, 99))
def test_a_batch_that_meets_its_declaration_is_never_refused(rows, wind, seed):
    """False alarms teach people to override the check."""
    frame = good(rows).assign(wind_mph=wind).sample(frac=1, random_state=seed)
    quality = judged(frame, limit=0.0)
    assert quality.refusal is None
    assert quality.quarantine.empty
    pd.testing.assert_frame_equal(quality.valid, frame.reset_index(drop=True))


faults = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from(
            [
                ("carrier", "secret"),
                ("carrier", None),
                ("distance_miles", 7000),
                ("distance_miles", pd.NA),
                ("wind_mph", np.inf),
                ("wind_mph", -1.0),
                ("wind_mph", np.nan),
                ("departure", pd.Timestamp("2013-01-01")),
                ("departure", pd.NaT),
            ]
        ),
    ),
    max_size=8,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(faults=faults, limit=st.sampled_from([0.0, 0.2, 1.0]))
def test_valid_and_quarantine_hold_each_row_once_in_order(faults, limit):
    """A lost row is a silent change of the data."""
    frame = good().astype({"distance_miles": "Int64"})
    frame["delay_minutes"] = np.arange(10.0)
    for row, (column, value) in faults:
        frame.loc[row, column] = value
    quality = judged(frame, limit=limit)
    together = pd.concat(
        [quality.valid.astype({"distance_miles": "Int64"}), quality.quarantine[frame.columns]]
    )
    back = together.sort_values("delay_minutes", ignore_index=True)
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert quality.valid["delay_minutes"].is_monotonic_increasing
    assert quality.quarantine["delay_minutes"].is_monotonic_increasing
    assert quality.quarantine[REASON].str.len().gt(0).all()
    assert str(quality.valid["distance_miles"].dtype) == "int64"
    assert "secret" not in str(quality.verdicts)
    pd.testing.assert_frame_equal(from_parquet(to_parquet(quality.quarantine)), quality.quarantine)


@pytest.mark.parametrize(
    ("column", "value", "name", "reason"),
    [
        ("carrier", "united", "carrier_match_regex", "carrier does not meet ExpectColumnValues"),
        ("carrier", None, "values_complete", "carrier is missing"),
        ("distance_miles", 0, "values_within_bounds", "distance_miles is outside 1 to 6000"),
        ("wind_mph", -1.0, "values_within_bounds", "wind_mph is below 0"),
        ("wind_mph", np.inf, "values_finite", "wind_mph is not finite"),
        ("wind_mph", np.nan, "values_complete", "wind_mph is missing"),
        ("delay_minutes", -np.inf, "values_finite", "delay_minutes is not finite"),
        ("departure", pd.Timestamp("2013-01-01"), "row_key_unique", "the row key (departure, "),
    ],
)
def test_a_row_that_breaks_a_rule_goes_to_quarantine_with_the_rule(column, value, name, reason):
    """Infinity passes a bound that is open on its side; a null passes every bound."""
    frame = good()
    frame.loc[3, column] = value
    quality = judged(frame, expectations=(CARRIER_CODE,))
    assert not quality.refused
    assert len(quality.valid) == 9
    (told,) = quality.quarantine[REASON]
    assert reason in told
    found = verdict(quality, name)
    assert (found.measured, found.limit, found.unit) == (0.1, 0.25, "fraction of rows")
    assert found.reason.endswith("in 1 row; 1 of 10 rows quarantined")
    assert verdict(quality, "quarantined_rows").measured == 0.1


def test_a_row_is_quarantined_with_every_rule_that_it_broke():
    """Whoever mends it should not have to come back twice."""
    frame = good()
    frame.loc[3, ["carrier", "distance_miles"]] = ["united", 9000]
    (told,) = judged(frame).quarantine[REASON]
    assert told == (
        "distance_miles is outside 1 to 6000; carrier does not meet ExpectColumnValuesToMatchRegex"
    )


def test_only_the_later_of_two_equal_keys_is_quarantined():
    """The first of them is as good as any other row."""
    frame = pd.concat([good(), good().iloc[[2, 2]]])
    quality = judged(frame)
    pd.testing.assert_frame_equal(quality.valid, good())
    assert len(quality.quarantine) == 2


def test_a_key_of_one_column_is_held_to_the_same():
    """Great Expectations has another expectation for one column than for several."""
    frame = good()
    frame.loc[5, "departure"] = frame.loc[4, "departure"]
    quality = judged(frame, key=("departure",))
    assert quality.quarantine["distance_miles"].tolist() == [105]
    assert not judged(frame, key=()).refused


@pytest.mark.parametrize("column", ["carrier", "wind_mph", "departure", "distance_miles"])
def test_a_column_of_nulls_refuses_the_batch_by_its_name(column):
    """A between-expectation alone passes on it."""
    frame = good()
    frame[column] = pd.Series(
        [None] * 10, dtype=frame[column].dtype if column != "distance_miles" else "Int64"
    )
    quality = judged(frame, expectations=())
    assert quality.refused
    assert f"{column} is missing in 10 rows" in str(quality.refusal)
    assert "10 of 10 rows are more than the limit of 25.00%" in str(quality.refusal)


def test_a_nullable_column_without_any_value_refuses_the_batch():
    """Gaps are allowed; a column that stopped coming is not a gap."""
    quality = judged(good().assign(delay_minutes=np.nan))
    assert "values_complete: delay_minutes has no value at all" in str(quality.refusal)
    assert quality.quarantine.empty


def test_a_column_of_infinities_refuses_the_batch():
    """The column has only a minimum, which infinity meets."""
    quality = judged(good().assign(wind_mph=np.inf), expectations=())
    assert "values_finite: 10 of 10 rows are more" in str(quality.refusal)


def test_too_few_rows_refuse_the_batch():
    """Half a month is no month."""
    quality = judged(good(), least=11)
    assert "row_count: the table has fewer than 11 rows" in str(quality.refusal)
    assert verdict(quality, "row_count").measured == 10


def test_an_empty_table_is_refused():
    """Most expectations pass on it."""
    quality = judged(good().iloc[:0], least=0, expectations=())
    assert "row_count: the table has fewer than 1 rows" in str(quality.refusal)


def test_the_quarantine_of_all_rules_together_is_limited():
    """Ten rules that each lose a little lose a lot."""
    frame = good()
    frame.loc[0, "carrier"] = "united"
    frame.loc[1, "distance_miles"] = 9000
    frame.loc[2, "wind_mph"] = -1.0
    quality = judged(frame)
    assert [one.name for one in quality.verdicts if not one.passed] == ["quarantined_rows"]
    assert "3 of 10 rows are more than the limit of 25.00%" in str(quality.refusal)
    assert "distance_miles is outside 1 to 6000 in 1 row; wind_mph is below 0" in str(
        quality.refusal
    )


def test_an_expectation_about_the_whole_batch_refuses_it_with_the_observed_value():
    """A sensor that reads in other units shows in the mean, not in any row."""
    quality = judged(good().assign(wind_mph=80.0))
    found = verdict(quality, "wind_mph_mean_between")
    assert (found.passed, found.measured, found.limit) == (False, 80.0, "at least 1, at most 50")
    with pytest.raises(BatchRefusedError, match=r"The batch '2013-01' is refused[\s\S]*Fix: "):
        raise quality.refusal


def test_a_row_wise_expectation_may_refuse_the_batch_beyond_what_it_tolerates():
    """``mostly`` is how such an expectation says how many."""
    mostly = Expectation(
        name="ExpectColumnValuesToBeInSet",
        arguments={"column": "carrier", "value_set": ["UA"], "mostly": 0.8},
    )
    frame = good()
    frame.loc[[0, 1], "carrier"] = "B6"
    tolerated = judged(frame, expectations=(mostly,))
    assert not tolerated.refused
    assert len(tolerated.valid) == 10
    assert verdict(tolerated, "carrier_in_set").measured == 0.2
    frame.loc[2, "carrier"] = "B6"
    assert "carrier does not meet" in str(judged(frame, expectations=(mostly,)).refusal)


def test_text_in_a_column_of_numbers_is_a_failure_and_not_zero_faults():
    """Great Expectations raises inside the expectation, and then counts nothing."""
    frame = good().astype({"distance_miles": object})
    frame.loc[3, "distance_miles"] = "secret"
    quality = judged(frame)
    assert not verdict(quality, "types_declared").passed
    assert "distance_miles is not of type int64" in str(quality.refusal)
    assert "could not be evaluated" in verdict(quality, "values_within_bounds").reason
    assert "secret" not in str(quality.refusal)


@pytest.mark.parametrize(
    "frame",
    [good().drop(columns="wind_mph"), good().assign(email="a@b.c"), good()[good().columns[::-1]]],
    ids=["missing", "extra", "reordered"],
)
def test_another_set_of_columns_refuses_the_batch(frame):
    """Whoever hands over a table that was not parsed by the declaration is told."""
    quality = judged(frame)
    assert "columns_declared: the table does not have exactly the 5" in str(quality.refusal)


@pytest.mark.parametrize(
    "expectation",
    [
        Expectation(name="ExpectMiracles", arguments={}),
        Expectation(name="ExpectColumnValuesToBeInSet", arguments={"colunm": "carrier"}),
    ],
    ids=["unknown", "wrong arguments"],
)
def test_an_expectation_that_does_not_exist_refuses_rather_than_passes(expectation):
    """A misspelt rule would otherwise be a rule that always holds."""
    quality = judged(good(), expectations=(expectation,))
    assert f"{expectation.name} does not exist, or not with these arguments" in str(quality.refusal)


def test_real_months_meet_the_declaration_without_losing_a_row():
    """Bounds that real weather breaks would throw away real flights."""
    for name, data in islice(nycflights.batches(), 2):
        frame = parse(data, batch=name, columns=flight_delays.columns)
        quality = judged(
            frame,
            columns=flight_delays.columns,
            expectations=flight_delays.expectations,
            key=flight_delays.row_key,
            least=flight_delays.least_rows,
            limit=0.0,
        )
        assert not quality.refused
        pd.testing.assert_frame_equal(quality.valid, frame)


def test_every_expectation_says_what_it_observed_of_which_column():
    """One verdict a kind keeps the list short; the numbers of each column must not get lost."""
    frame = good(20)
    frame.loc[3, "wind_mph"] = np.inf
    observed = judged(frame).observations
    finite = {one.subject: one.observed for one in observed["values_finite"]}
    assert finite == {"wind_mph": 1 / 20, "delay_minutes": 0.0}
    assert {one.subject for one in observed["values_complete"]} == {c.name for c in COLUMNS}
    types = {one.subject: one.observed for one in observed["types_declared"]}
    assert types["distance_miles"] == "int64"


def twice(rows):
    """Return ten rows, of which the last ``rows`` are those before them once more."""
    frame = good(10)
    frame.iloc[10 - rows :] = frame.iloc[10 - 2 * rows : 10 - rows].to_numpy()
    return frame.astype(good(10).dtypes.to_dict())


def test_rows_that_repeat_are_counted_once_and_stay():
    """Without a row key, two equal rows may be of two things: nobody may drop one unasked."""
    quality = judged(twice(3), key=())
    assert quality.duplicate_rate == pytest.approx(0.3)
    assert not quality.refused
    assert len(quality.valid) == 10
    assert judged(good(), key=()).duplicate_rate == 0


@pytest.mark.parametrize(("limit", "refused"), [(0.3, False), (0.29, True), (0.0, True)])
def test_too_many_rows_that_repeat_refuse_the_batch(limit, refused):
    """A file exported twice over counts every row double, and each of its rows is in order."""
    quality = judged(twice(3), key=(), duplicates=limit)
    said = verdict(quality, "repeated_rows")
    assert (said.measured, said.limit, said.unit) == (pytest.approx(0.3), limit, "fraction of rows")
    assert quality.refused is refused
    assert len(quality.valid) == 10
    if refused:
        assert "30.00% of the rows repeat an earlier one whole" in str(quality.refusal)


def test_rows_with_gaps_repeat_too():
    """Two gaps are as equal as two values: else a file with one empty column hides its copies."""
    frame = pd.concat([good(5).assign(wind_mph=np.nan)] * 2, ignore_index=True)
    assert judged(frame, key=(), expectations=()).duplicate_rate == 0.5


def test_without_a_limit_there_is_no_check_of_rows_that_repeat():
    """A check that nothing can fail would only bury those that can."""
    assert "repeated_rows" not in expectation_names(COLUMNS, KEY, EXPECTATIONS)


@pytest.mark.parametrize("name", ["departure", "carrier", "distance_miles", "wind_mph"])
def test_a_column_of_later_batches_breaks_no_rule_of_an_earlier_one(name):
    """It is null there, whatever its type, and every rule about it is silent; a table keeps it."""
    columns = [
        dataclasses.replace(one, since="2013-02") if one.name == name else one for one in COLUMNS
    ]
    rows = good().drop(columns=name).to_csv(index=False).encode()
    frame = parse(rows, batch="2013-01", columns=columns)
    assert list(frame) == [one.name for one in COLUMNS]
    quality = judged(frame, columns=columns, key=())
    assert (quality.refusal, len(quality.quarantine)) == (None, 0)
    assert quality.valid[name].isna().all()
    assert from_parquet(to_parquet(quality.valid)).dtypes.equals(quality.valid.dtypes)
    with pytest.raises(BatchRefusedError, match=f"lacks column '{name}'"):
        parse(rows, batch="2013-02", columns=columns)
