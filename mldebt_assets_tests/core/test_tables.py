"""Bytes become exactly the declared columns, or the batch is refused with what is at fault."""

import io
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.schema import Column
from mldebt_assets.core.tables import from_parquet, parse, to_parquet

COLUMNS = (
    Column(name="departure", dtype="timestamp", meaning="local time"),
    Column(name="carrier", dtype="string", meaning="airline"),
    Column(name="distance_miles", dtype="int64", meaning="great circle"),
    Column(name="delay_minutes", dtype="float64", meaning="on arrival", nullable=True),
)
HEADER = b"departure,carrier,distance_miles,delay_minutes\n"
ROW = b"2013-01-01T05:15:00,UA,1400,11\n"


def read(data, columns=COLUMNS):
    return parse(data, batch="2013-01", columns=columns)


def refusal(data, columns=COLUMNS):
    with pytest.raises(BatchRefusedError, match=r"^The batch '2013-01' is refused: ") as caught:
        read(data, columns)
    assert "\nFix: " in str(caught.value)
    return str(caught.value)


def as_parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


def test_columns_get_exactly_their_declared_types():
    """What is downstream is written for these types, whatever the file says."""
    table = read(HEADER + ROW + b"2013-01-01 05:29,B6,1416,\n")
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == {
        "departure": "datetime64[us]",
        "carrier": "object",
        "distance_miles": "int64",
        "delay_minutes": "float64",
    }
    assert table["departure"][1] == pd.Timestamp("2013-01-01 05:29")
    assert np.isnan(table["delay_minutes"][1])


def test_columns_may_come_in_another_order():
    """A sender that reorders its columns has changed nothing."""
    swapped = b"carrier,departure,delay_minutes,distance_miles\nUA,2013-01-01T05:15:00,11,1400\n"
    pd.testing.assert_frame_equal(read(swapped), read(HEADER + ROW))


@pytest.mark.parametrize("text", ["NA", "null", "NaN", "None", "n/a", "-"])
def test_only_an_empty_field_is_null(text):
    """pandas would take the airline NA, and the surname Null, for missing."""
    table = read(HEADER + f"2013-01-01,{text},1,\n2013-01-01,,1,\n".encode())
    assert table["carrier"].tolist() == [text, None]


def test_infinity_and_nan_are_read_and_left_to_the_quality_rules():
    """They are numbers in the file; whether they are good ones is judged a row at a time."""
    table = read(HEADER + b"2013-01-01,UA,1,inf\n2013-01-01,UA,1,-inf\n2013-01-01,UA,1,NaN\n")
    delays = table["delay_minutes"].tolist()
    assert delays[:2] == [np.inf, -np.inf]
    assert np.isnan(delays[2])


def test_a_whole_number_with_gaps_keeps_its_rows_for_quarantine():
    """Turning the column into floats would change every other number beyond 2^53."""
    table = read(HEADER + b"2013-01-01,UA,,1\n2013-01-01,UA,9007199254740993,1\n")
    assert str(table["distance_miles"].dtype) == "Int64"
    assert table["distance_miles"][0] is pd.NA
    assert table["distance_miles"][1] == 9007199254740993


def test_a_whole_number_may_be_written_with_a_point():
    """pandas writes whole numbers with gaps as 1400.0."""
    table = read(HEADER + b"2013-01-01,UA,1400.0,1\n2013-01-01,UA,+7,1\n")
    assert table["distance_miles"].tolist() == [1400, 7]


@pytest.mark.parametrize("data", [b"", b" \n\n"], ids=["no bytes", "blank lines"])
def test_an_empty_file_is_refused(data):
    """A failed export often leaves one."""
    assert "its file is empty" in refusal(data)


def test_a_header_without_rows_is_refused():
    """An empty month would pass every rule about values."""
    assert "columns, but no rows" in refusal(HEADER)
    assert "columns, but no rows" in refusal(to_parquet(read(HEADER + ROW).iloc[:0]))


def test_every_truncation_of_a_csv_is_refused_or_ends_at_a_row():
    """A copy that broke off must not become a shorter month: not even inside its last number."""
    whole = HEADER + ROW + b'2013-01-02T05:15:00,"U ""A"",\n",1400,\n'
    ends = {len(HEADER + ROW), len(whole)}
    for size in range(len(whole) + 1):
        if size not in ends:
            refusal(whole[:size])
    assert [len(read(whole[:size])) for size in sorted(ends)] == [1, 2]


def test_every_truncation_of_a_parquet_file_is_refused():
    """The same, for the other kind of file."""
    whole = to_parquet(read(HEADER + ROW))
    for size in range(0, len(whole), 7):
        refusal(whole[:size])
    assert "truncated, damaged, or no Parquet file" in refusal(whole[:-1])


def test_rows_with_too_few_or_too_many_fields_are_named():
    """pandas fills short rows with nulls, and shifts long ones, without a word."""
    told = refusal(HEADER + ROW + b"2013-01-01,UA,1400\n" + ROW + b"2013-01-01,U,A,1400,11\n")
    assert "2 rows of its file have the wrong number of fields: row 2 has 3 instead of 4" in told


def test_bytes_that_are_not_utf8_are_named_by_their_offset():
    """Latin-1 read as UTF-8 would change names in silence."""
    told = refusal(HEADER + "2013-01-01,Öst,1,1\n".encode("latin-1"))
    assert f"not UTF-8: the byte at offset {len(HEADER) + 11} is" in told


def test_a_byte_order_mark_is_no_part_of_a_name():
    """Spreadsheets write one."""
    pd.testing.assert_frame_equal(read(b"\xef\xbb\xbf" + HEADER + ROW), read(HEADER + ROW))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (b"departure,carrier,distance_miles\n", "lacks column 'delay_minutes'"),
        (b"departure,carrier,distance_miles,delay\n", "has undeclared column 'delay'"),
        (HEADER[:-1] + b",name,email\n", "has undeclared columns 'name', 'email'"),
        (HEADER[:-1] + b",carrier\n", "has more than once column 'carrier'"),
        (HEADER.replace(b",", b";"), "lacks columns 'departure', 'carrier'"),
    ],
    ids=["missing", "renamed", "extra", "twice", "semicolons"],
)
def test_columns_that_are_not_the_declared_ones_are_named(header, told):
    """An extra column may be personal; a missing one would be invented as nulls."""
    separator = b";" if b";" in header else b","
    assert told in refusal(header + separator.join([b"1"] * (header.count(separator) + 1)) + b"\n")


def test_a_file_without_its_header_does_not_show_its_first_row():
    """Its values would be taken for column names, and told."""
    said = refusal(b"2013-01-01,secret,1,1\n" + ROW)
    assert "lacks columns 'departure', 'carrier', 'distance_miles', 'delay_minutes'." in said
    assert "secret" not in said


def test_parquet_columns_that_are_not_the_declared_ones_are_named():
    """The same check, for the other kind of file."""
    assert "lacks columns 'departure', 'carrier', 'distance_miles'" in refusal(
        as_parquet(delay_minutes=[1.0])
    )


@pytest.mark.parametrize(
    ("field", "bad", "told"),
    [
        (2, b"secret", "'distance_miles' (int64) has values that are not whole numbers"),
        (2, b"1.5", "'distance_miles' (int64) has values that are not whole numbers"),
        (2, b"0x1F", "'distance_miles' (int64) has values that are not whole numbers"),
        (2, b"1e400", "'distance_miles' (int64) has values that are not whole numbers"),
        (2, b"99999999999999999999", "'distance_miles' (int64) has values that are not whole"),
        (3, b"secret", "'delay_minutes' (float64) has values that are not numbers"),
        (0, b"secret", "'departure' (timestamp) has values that are not ISO 8601 local times"),
        (0, b"2013-02-30", "'departure' (timestamp) has values that are not ISO 8601 local times"),
        (0, b"2013-01-01T05:15Z", "'departure' (timestamp) has values that are not ISO 8601"),
    ],
)
def test_values_of_another_type_are_named_by_column_and_row_and_never_shown(field, bad, told):
    """The value may be personal: a name that slipped into a column of numbers."""
    fields = ROW.rstrip().split(b",")
    fields[field] = bad
    said = refusal(HEADER + ROW + b",".join(fields) + b"\n" + ROW + b",".join(fields) + b"\n")
    assert told in said
    assert "in rows 2, 4." in said
    assert bad.decode() not in said


def test_many_bad_rows_are_counted_rather_than_listed():
    """A message of ten thousand row numbers helps nobody."""
    said = refusal(HEADER + b"2013-01-01,UA,x,1\n" * 9)
    assert "in rows 1, 2, 3, 4, 5 and 4 more." in said


def test_parquet_values_are_held_to_the_same_types():
    """Parquet files carry types of their own, which need not be the declared ones."""
    moment = pd.Timestamp("2013-01-01 05:15")
    good = {
        "departure": [moment],
        "carrier": pa.array(["UA"]).dictionary_encode(),
        "distance_miles": pa.array([1400.0, None][:1]),
        "delay_minutes": pa.array([11], type=pa.int32()),
    }
    pd.testing.assert_frame_equal(read(as_parquet(**good)), read(HEADER + ROW))
    zoned = as_parquet(**{**good, "departure": [moment.tz_localize("UTC")]})
    assert "'departure' is stored as timestamp[us, tz=UTC] instead of" in refusal(zoned)
    fraction = as_parquet(**{**good, "distance_miles": [1.5]})
    assert "'distance_miles' (int64) has values that are not whole" in refusal(fraction)
    codes = as_parquet(**{**good, "carrier": [7]})
    assert "'carrier' is stored as int64 instead of string" in refusal(codes)


def test_a_gap_in_a_parquet_column_of_floats_stays_a_gap():
    """pandas stores whole numbers with gaps as floats with NaN."""
    table = read(
        as_parquet(
            departure=[pd.Timestamp("2013-01-01")] * 2,
            carrier=["UA", None],
            distance_miles=[1400.0, float("nan")],
            delay_minutes=[None, 1.0],
        )
    )
    assert table["distance_miles"].tolist() == [1400, pd.NA]
    assert table["carrier"].tolist() == ["UA", None]


def test_equal_tables_make_equal_bytes_in_another_process():
    """The hash of these bytes is the data version."""
    code = (
        "import hashlib, sys; from mldebt_assets.core.tables import from_parquet, to_parquet; "
        "data = sys.stdin.buffer.read(); "
        "sys.stdout.buffer.write(to_parquet(from_parquet(data)))"
    )
    data = to_parquet(read(HEADER + ROW * 500))
    other = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=True
    )
    assert other.stdout == data


@given(
    st.lists(
        st.tuples(
            st.none() | st.text(max_size=5),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.floats() | st.none(),
            st.none() | st.datetimes(),
        ),
        max_size=20,
    )
)
def test_stored_tables_come_back_as_they_were(rows):
    """Types, gaps and order; also of a table that is empty, or has a column of gaps."""
    frame = pd.DataFrame(
        {
            "text": pd.Series([row[0] for row in rows], dtype=object),
            "whole": pd.array([row[1] for row in rows], dtype="Int64"),
            "number": pd.Series([row[2] for row in rows], dtype="float64"),
            "moment": pd.Series([row[3] for row in rows], dtype="datetime64[us]"),
        }
    )
    data = to_parquet(frame)
    pd.testing.assert_frame_equal(from_parquet(data), frame)
    assert to_parquet(from_parquet(data)) == data


def seen_at(written):
    return (Column(name="seen_at", dtype="timestamp", meaning="", nullable=True, written=written),)


NINE = pd.Timestamp("2024-03-31T09:00:00")


@pytest.mark.parametrize(
    ("written", "values"),
    [
        (
            "with_zone",
            ["2024-03-31T09:00:00Z", "2024-03-31 11:00:00+02:00", "2024-03-31T04:00-0500"],
        ),
        ("epoch_seconds", ["1711875600", "1711875600.0", "1.7118756e9"]),
    ],
)
def test_moments_are_utc_however_they_are_declared_to_be_written(written, values):
    """Mixed offsets, of summer and winter or of two offices, are moments all the same."""
    table = read("\n".join(["seen_at", *values, "", ""]).encode(), seen_at(written))
    assert str(table["seen_at"].dtype) == "datetime64[us]"
    assert table["seen_at"].dropna().tolist() == [NINE] * len(values)


@pytest.mark.parametrize(
    ("written", "values", "told"),
    [
        ("with_zone", ["2024-03-31T09:00:00"], 'write `written="local"`'),
        ("local", ["2024-03-31T09:00:00Z"], 'write `written="with_zone"`'),
        ("with_zone", ["2024-03-31T09:00Z", "2024-03-31T09:00"], "with a zone, to the micro"),
        ("epoch_seconds", ["1711875600", "1711875600000"], "seconds since 1970"),
        ("epoch_seconds", ["1", "nan"], "seconds since 1970"),
    ],
)
def test_moments_written_otherwise_are_refused_with_the_edit(written, values, told):
    """A local time taken for UTC, or milliseconds for seconds, would be a silent shift."""
    assert told in refusal("\n".join(["seen_at", *values, ""]).encode(), seen_at(written))


def test_stored_moments_with_a_zone_are_made_utc():
    """As Parquet files of other programs hold them."""
    stored = as_parquet(seen_at=[NINE.tz_localize("UTC").tz_convert("Asia/Tokyo"), None])
    assert read(stored, seen_at("with_zone"))["seen_at"][0] == NINE
