"""The demo's batches are the same bytes wherever they are made."""

import hashlib
import io
from pathlib import Path

import fsspec
import pandas as pd
import pytest

from mldebt_assets.core.errors import SourceMissingError
from mldebt_assets.pipelines.flight_delays import flight_delays
from mldebt_assets.sources import FETCHERS, nycflights

MONTHS = [f"2013-{month:02}.csv" for month in range(1, 13)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("landing") / "flight_delays"
    assert FETCHERS["flight_delays"](str(folder)) == MONTHS
    return folder


@pytest.fixture(scope="module")
def year(folder):
    return {
        name: pd.read_csv(folder / name, keep_default_na=False, na_values=[""]) for name in MONTHS
    }


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_there_is_one_file_a_month_and_nothing_unfinished_beside_them(folder):
    """A leftover temporary file would be taken for a batch one day."""
    assert sorted(path.name for path in folder.iterdir()) == MONTHS


def test_written_twice_the_bytes_are_equal(folder, tmp_path):
    """Otherwise a clean clone could not reproduce the committed hashes."""
    nycflights.write_batches(str(tmp_path))
    assert digests(tmp_path) == digests(folder)


def test_identical_files_are_left_alone_and_a_damaged_one_is_written_again(folder):
    """Fetching again must not look like twelve new arrivals."""
    before = digests(folder)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    (folder / "2013-04.csv").write_bytes(b"damaged")
    assert nycflights.write_batches(str(folder)) == ["2013-04.csv"]
    assert digests(folder) == before
    untouched = set(MONTHS) - {"2013-04.csv"}
    assert all((folder / name).stat().st_mtime_ns == times[name] for name in untouched)


def test_any_fsspec_url_will_do(folder):
    """The landing folder may be a bucket."""
    fs = fsspec.filesystem("memory")
    assert nycflights.write_batches("memory://nycflights-test/landing") == MONTHS
    try:
        for name in MONTHS:
            stored = fs.cat_file(f"/nycflights-test/landing/{name}")
            assert stored == (folder / name).read_bytes()
    finally:
        fs.rm("/nycflights-test", recursive=True)


def test_the_columns_are_those_declared_in_their_order(year):
    """The declaration is what everything after this file goes by."""
    declared = [column.name for column in flight_delays.columns]
    assert all(list(month) == declared for month in year.values())


def test_the_year_has_every_flight_once(year):
    """Joining the weather must neither lose a flight nor repeat one."""
    flights = pd.concat(year.values())
    assert len(flights) == 336_776
    assert flights["arrival_delay_minutes"].notna().sum() == 327_346
    assert not flights.duplicated(list(flight_delays.row_key)).any()
    for name, month in year.items():
        assert set(month["flight_date"].str[:7]) == {Path(name).stem}


def test_the_first_flight_of_the_year_is_as_the_package_has_it(year):
    """Times, units and the joined weather, against the package's own first row."""
    first = year["2013-01.csv"].iloc[0].to_dict()
    assert first["scheduled_departure"] == "2013-01-01T05:15:00"
    assert first["flight_date"] == "2013-01-01"
    assert (first["carrier"], first["flight_number"]) == ("UA", 1545)
    assert (first["origin"], first["destination"]) == ("EWR", "IAH")
    assert first["scheduled_departure_minute"] == 5 * 60 + 15
    assert first["scheduled_arrival_minute"] == 8 * 60 + 19
    assert first["distance_miles"] == 1400
    assert first["relative_humidity"] == pytest.approx(0.6443)
    assert first["wind_speed_mph"] == pytest.approx(12.65858, abs=1e-3)
    assert first["arrival_delay_minutes"] == 11


def test_the_files_are_plain_utf8_with_line_feeds(folder):
    """Carriage returns would change every hash on another platform."""
    for name in MONTHS:
        data = (folder / name).read_bytes()
        assert b"\r" not in data
        assert data.endswith(b"\n")
        assert io.StringIO(data.decode("utf-8")).readline().startswith("scheduled_departure,")


def test_midnight_is_minute_zero_however_it_is_written():
    """Schedules write midnight as 0 or as 2400; a minute 1440 would be quarantined."""
    clock = pd.Series([0, 1, 59, 100, 2359, 2400])
    assert nycflights.minute_of_day(clock).tolist() == [0, 1, 59, 60, 1439, 0]


def test_a_missing_package_is_named_with_its_fix(monkeypatch, tmp_path):
    """The data come with a dependency, which somebody may have left out."""
    monkeypatch.setattr(nycflights, "PACKAGE", "nycflights_that_is_not_there")
    with pytest.raises(SourceMissingError, match=r"not installed[\s\S]*Fix: install it again"):
        nycflights.write_batches(str(tmp_path))


def test_a_package_without_its_data_is_named_with_the_file(monkeypatch, tmp_path):
    """Some repackaged installs carry the code alone."""
    (tmp_path / "package_without_data.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(nycflights, "PACKAGE", "package_without_data")
    with pytest.raises(SourceMissingError, match=r"data/flights\.csv\.zip is missing"):
        nycflights.write_batches(str(tmp_path / "landing"))
