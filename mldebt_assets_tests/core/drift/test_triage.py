"""Faults planted in real flights are named; the untouched year shows none."""

import json
from dataclasses import astuple
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.drift.profile import Profile, pooled, profile_of_rows
from mldebt_assets.core.drift.triage import Triage, triage
from mldebt_assets.core.periods import month_end
from mldebt_assets.core.tables import parse
from mldebt_assets.pipelines.flight_delays import flight_delays
from mldebt_assets.sources import nycflights

COLUMNS = tuple(
    column
    for column in flight_delays.columns
    if column.dtype != "timestamp" and column.name not in ("flight_date", "flight_number")
)


def profile(rows, batch):
    return profile_of_rows(
        rows,
        columns=COLUMNS,
        row_key=flight_delays.row_key,
        time=flight_delays.time,
        group=flight_delays.split.group,
        end=month_end(batch),
    )


@pytest.fixture(scope="module")
def year():
    """The flights of 2013, a month a batch."""
    return {
        name.removesuffix(".csv"): parse(data, batch=name, columns=flight_delays.columns)
        for name, data in nycflights.batches()
    }


@pytest.fixture(scope="module")
def profiles(year):
    return {batch: profile(rows, batch) for batch, rows in year.items()}


def before(profiles, batch):
    return {name: one for name, one in profiles.items() if name < batch}


def judge(profiles, batch, rows=None, *, reference_batches=3, drifted=True):
    """Return the triage of a month, or of other rows in its place, after the months before it."""
    earlier = before(profiles, batch)
    current = profiles[batch] if rows is None else profile(rows, batch)
    reference = pooled(list(earlier.values())[-reference_batches:])
    return said_of(triage(current, reference, earlier), drifted)


def said_of(found, drifted):
    """Return the triage's findings and season beside its class, read back as it was written."""
    again = Triage.from_dict(json.loads(json.dumps(found.as_dict())))
    assert again == found
    return Said(*astuple(again.alarm(drifted=drifted)), found)


class Said(NamedTuple):
    alarm: str
    sentence: str
    triage: Triage

    @property
    def findings(self):
        return self.triage.findings


@pytest.mark.parametrize("reference_batches", [1, 3, 12])
def test_no_month_of_the_real_year_is_called_broken(profiles, reference_batches):
    """Who refuses a real shift keeps the model from learning it: worse than a fault overlooked."""
    said = {
        batch: judge(profiles, batch, reference_batches=reference_batches)
        for batch in list(profiles)[1:]
    }
    assert {one.alarm for one in said.values()} == {"real shift"}
    assert not [one.findings for one in said.values() if one.findings]


def test_a_month_without_drift_raises_no_alarm(profiles):
    assert judge(profiles, "2013-02", drifted=False).alarm == "no alarm"


def scaled(column, factor, offset=0.0, digits=2):
    return lambda rows: rows.assign(**{column: (rows[column] * factor + offset).round(digits)})


UNITS = {
    "miles to kilometres": ("2013-09", "distance_miles", scaled("distance_miles", 1.609344)),
    "mph to km/h": ("2013-12", "wind_speed_mph", scaled("wind_speed_mph", 1.609344)),
    "Fahrenheit to Celsius": (
        "2013-12",
        "temperature_f",
        scaled("temperature_f", 5 / 9, -160 / 9, 1),
    ),
    "fractions to percent": (
        "2013-05",
        "relative_humidity",
        scaled("relative_humidity", 100, digits=0),
    ),
    "minutes to hours": (
        "2013-08",
        "arrival_delay_minutes",
        scaled("arrival_delay_minutes", 1 / 60),
    ),
    "minutes to seconds": (
        "2013-11",
        "scheduled_departure_minute",
        scaled("scheduled_departure_minute", 60),
    ),
    "inches to millimetres": (
        "2013-07",
        "precipitation_12h_inches",
        scaled("precipitation_12h_inches", 25.4),
    ),
    "one unit to another": (
        "2013-07",
        "flights_scheduled_earlier",
        scaled("flights_scheduled_earlier", 12),
    ),
}


@pytest.mark.parametrize(("batch", "column", "change"), UNITS.values(), ids=UNITS)
def test_another_unit_is_named(request, year, profiles, batch, column, change):  # noqa: PLR0917
    said = judge(profiles, batch, change(year[batch]))
    (found,) = said.findings
    assert (said.alarm, found.fault, found.columns) == ("broken feed", "unit change", (column,))
    assert found.evidence["conversion"] == request.node.callspec.id
    assert found.evidence["gap when undone"] < found.evidence["gap"]
    assert f"{column} looks converted from {request.node.callspec.id}" in said.sentence


FAHRENHEIT, KNOTS = "Fahrenheit to Celsius", "mph to knots"
WITHIN_A_SEASON = {
    "warmth": (FAHRENHEIT, scaled("temperature_f", 5 / 9, -160 / 9, 1), {"temperature_f"}),
    "both": (
        FAHRENHEIT,
        lambda rows: scaled("dew_point_f", 5 / 9, -160 / 9, 1)(
            scaled("temperature_f", 5 / 9, -160 / 9, 1)(rows)
        ),
        {"temperature_f", "dew_point_f"},
    ),
    "wind": (KNOTS, scaled("wind_speed_mph", 1609.344 / 1852, digits=0), {"wind_speed_mph"}),
    "gusts": (KNOTS, scaled("wind_gust_mph", 1609.344 / 1852), {"wind_gust_mph"}),
}


@pytest.mark.parametrize("batch", ["2013-04", "2013-08", "2013-12"])
@pytest.mark.parametrize(
    ("conversion", "change", "columns"), WITHIN_A_SEASON.values(), ids=WITHIN_A_SEASON
)
def test_a_unit_that_moves_less_than_a_season_shows_in_the_values(  # noqa: PLR0917
    year, profiles, batch, conversion, change, columns
):
    """Where everything lies says nothing here; that old values come back when undone does."""
    said = judge(profiles, batch, change(year[batch]), drifted=False)
    assert {name for found in said.findings for name in found.columns} == columns
    assert {found.evidence["conversion"] for found in said.findings} == {conversion}


def test_a_heat_wave_in_the_instruments_own_steps_is_no_other_unit(year, profiles):
    """Twenty degrees Fahrenheit more, none of them ever read in that month."""
    rows = year["2013-04"]
    steps = (rows["temperature_f"] - 32) / 1.8 + 11
    hot = rows.assign(temperature_f=(steps.round(1) * 1.8 + 32).round(2))
    assert judge(profiles, "2013-04", hot).alarm == "real shift"


def swapped(*columns):
    """Return rows in which each of these columns holds what the next of them held."""
    after = [*columns[1:], columns[0]]
    return lambda rows: rows.assign(**{a: rows[b] for a, b in zip(columns, after, strict=True)})


def emptied(column, share):
    def without(rows):
        there = np.random.default_rng(1).random(len(rows)) >= share
        return rows.assign(**{column: rows[column].where(there)})

    return without


def respelt(column, old, new, share=1.0):
    def with_typo(rows):
        typo = (rows[column] == old) & (np.random.default_rng(1).random(len(rows)) < share)
        return rows.assign(**{column: rows[column].mask(typo, new)})

    return with_typo


PLANTED = {
    "two columns swapped": (
        "shifted columns",
        {"scheduled_departure_minute", "scheduled_arrival_minute"},
        swapped("scheduled_departure_minute", "scheduled_arrival_minute"),
    ),
    "three columns rotated": (
        "shifted columns",
        {"distance_miles", "flights_scheduled_earlier", "scheduled_departure_minute"},
        swapped("distance_miles", "flights_scheduled_earlier", "scheduled_departure_minute"),
    ),
    "categories swapped": (
        "shifted columns",
        {"carrier", "origin"},
        swapped("carrier", "origin"),
    ),
    "a sensor half dead": ("nulls", {"temperature_f"}, emptied("temperature_f", 0.5)),
    "a sensor stuck": (
        "constant column",
        {"pressure_millibars"},
        lambda rows: rows.assign(pressure_millibars=1013.0),
    ),
    "one airport": ("constant column", {"origin"}, lambda rows: rows.assign(origin="JFK")),
    "lower case": (
        "near spelling",
        {"carrier"},
        lambda rows: rows.assign(carrier=rows["carrier"].str.lower()),
    ),
    "one category with a space": (
        "near spelling",
        {"destination"},
        respelt("destination", "ATL", "ATL "),
    ),
    "some rows of a category": ("near spelling", {"origin"}, respelt("origin", "EWR", "Ewr", 0.5)),
    "cut off": ("truncated file", set(), lambda rows: rows.head(int(len(rows) * 0.8))),
}


@pytest.mark.parametrize("batch", ["2013-04", "2013-08", "2013-12"])
@pytest.mark.parametrize(("fault", "columns", "change"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_named(year, profiles, batch, fault, columns, change):  # noqa: PLR0917
    said = judge(profiles, batch, change(year[batch]), drifted=False)
    assert said.alarm == "broken feed"
    assert {finding.fault for finding in said.findings} == {fault}
    assert {name for finding in said.findings for name in finding.columns} == columns


LOOK_ALIKES = {
    "2013-05": ("least_visibility_6h_miles", "least_visibility_12h_miles"),
    "2013-06": ("precipitation_6h_inches", "precipitation_12h_inches"),
    "2013-08": ("temperature_f", "dew_point_f"),
    "2013-12": ("precipitation_inches", "precipitation_6h_inches"),
}


@pytest.mark.parametrize(("batch", "columns"), LOOK_ALIKES.items(), ids=LOOK_ALIKES)
def test_look_alikes_that_changed_places_show_in_their_order(year, profiles, batch, columns):
    """Each fits the other's past; the rain of 6 hours is never more than that of 12."""
    said = judge(profiles, batch, swapped(*columns)(year[batch]), drifted=False)
    (found,) = said.findings
    assert (found.fault, set(found.columns)) == ("shifted columns", set(columns))
    assert found.evidence["gap when swapped"] * 4 <= found.evidence["gap of their order"]


def test_warmth_below_the_dew_point_is_rather_another_unit(year, profiles):
    """In whole degrees no value tells, but what was swapped would fit the other's past better."""
    celsius = scaled("temperature_f", 5 / 9, -160 / 9, 0)
    said = judge(profiles, "2013-12", celsius(year["2013-12"]))
    (found,) = said.findings
    assert (found.columns, found.evidence["conversion"]) == (("temperature_f",), FAHRENHEIT)


@pytest.mark.parametrize("kept", [1.0, 0.7])
def test_an_old_file_under_a_new_name_is_found(year, profiles, kept):
    """Its columns look as ever, so no drift would show it."""
    rows = year["2013-03"].sample(frac=kept, random_state=1)
    said = judge(profiles, "2013-06", rows, drifted=False)
    (found,) = [one for one in said.findings if one.fault == "duplicated file"]
    assert found.evidence["batch"] == "2013-03"
    assert found.evidence["share"] == pytest.approx(1.0)


def test_old_rows_with_a_new_date_are_found(year, profiles):
    """A feed that is stuck writes today's date on yesterday's rows."""
    rows = year["2013-03"]
    moved = rows.assign(
        scheduled_departure=rows["scheduled_departure"] + pd.Timedelta(days=92),
        flight_date=(rows["scheduled_departure"] + pd.Timedelta(days=92)).dt.strftime("%Y-%m-%d"),
    )
    said = judge(profiles, "2013-06", moved, drifted=False)
    assert [(one.fault, one.evidence["of"]) for one in said.findings] == [
        ("duplicated file", "rows but for their time")
    ]


def a_year_later(rows):
    when = rows["scheduled_departure"] + pd.DateOffset(years=1)
    return rows.assign(scheduled_departure=when, flight_date=when.dt.strftime("%Y-%m-%d"))


def test_a_season_that_was_seen_before_is_named(year, profiles):
    """Odd days of a month stand for the year before, even days for the year after."""
    odd = {b: rows["scheduled_departure"].dt.day % 2 == 1 for b, rows in year.items()}
    history = {
        b: profile_of_rows(
            rows[odd[b]],
            columns=COLUMNS,
            row_key=flight_delays.row_key,
            time=flight_delays.time,
            group=flight_delays.split.group,
            end=None,
        )
        for b, rows in year.items()
    }
    reference = pooled([history["2013-01"], history["2013-02"], history["2013-12"]])
    july = profile(a_year_later(year["2013-07"][~odd["2013-07"]]), "2014-07")
    found = triage(july, reference, history)
    assert found.alarm(drifted=True).name == "season seen before"
    assert found.alarm(drifted=False).name == "no alarm"
    batch, distance = found.season
    assert batch in {"2013-06", "2013-07", "2013-08"}
    assert distance <= found.distance / 2
    assert f"batch {batch}, of the same season" in found.alarm(drifted=True).sentence


def test_a_change_without_an_earlier_year_is_a_real_shift(year, profiles):
    said = judge(profiles, "2013-07")
    assert (said.alarm, said.triage.season) == ("real shift", None)


GENUINE = {
    "a tenth longer flights": scaled("distance_miles", 1.1, digits=0),
    "half the flights are long": lambda rows: rows.assign(
        distance_miles=rows["distance_miles"].where(rows.index % 2 == 0, rows["distance_miles"] * 3)
    ),
    "a heat wave": scaled("temperature_f", 1.0, 25),
    "one airport closes": lambda rows: rows[rows["origin"] != "LGA"],
    "a new airport": respelt("destination", "ATL", "ZZZ", 0.5),
    "a new carrier of like name": respelt("carrier", "UA", "UB", 0.5),
    "no rain": lambda rows: rows.assign(precipitation_inches=0.0),
}


@pytest.mark.parametrize("change", GENUINE.values(), ids=GENUINE)
def test_what_may_really_happen_is_no_broken_feed(year, profiles, change):
    assert judge(profiles, "2013-05", change(year["2013-05"])).alarm == "real shift"


def test_a_column_of_one_value_that_was_empty_before_is_no_fault(year):
    """It came with a change of the schema that a person accepted, or is filled in from now on."""
    told = {batch: year[batch].assign(origin=None) for batch in ("2013-01", "2013-02", "2013-03")}
    earlier = {batch: profile(rows, batch) for batch, rows in told.items()}
    current = profile(year["2013-04"].assign(origin="JFK"), "2013-04")
    assert triage(current, pooled(list(earlier.values())), earlier).findings == ()


def test_a_profile_survives_being_written(profiles):
    """It is stored with the drift report, and read back a month later."""
    one = profiles["2013-01"]
    assert Profile.from_dict(json.loads(json.dumps(one.as_dict()))) == one


def test_pooled_profiles_are_near_the_profile_of_all_rows(year, profiles):
    """Earlier batches are pooled without reading their rows again."""
    months = ["2013-01", "2013-02", "2013-03"]
    whole = profile(pd.concat([year[batch] for batch in months]), "2013-03")
    from_parts = pooled([profiles[batch] for batch in months])
    assert from_parts.rows == whole.rows
    for name, column in whole.columns.items():
        merged = from_parts.columns[name]
        assert merged.missing_share == pytest.approx(column.missing_share)
        assert merged.shares == pytest.approx(column.shares)
        if column.quantiles:
            spread = np.ptp(column.quantiles)
            assert np.abs(np.subtract(merged.quantiles, column.quantiles)).mean() < 0.01 * spread


def test_the_order_of_rows_changes_nothing(year, profiles):
    assert profile(year["2013-02"].sample(frac=1, random_state=3), "2013-02") == profiles["2013-02"]


def test_a_first_batch_has_nothing_to_be_laid_beside(profiles):
    one = profiles["2013-01"]
    assert triage(one, one, {}).alarm(drifted=False).name == "no alarm"


def test_no_finding_quotes_a_value(year, profiles):
    """Categories may be names of people."""
    rows = respelt("destination", "ATL", "aTL")(year["2013-05"])
    said = judge(profiles, "2013-05", rows)
    assert said.findings[0].fault == "near spelling"
    assert "atl" not in json.dumps(said.triage.as_dict()).lower()


@pytest.mark.parametrize("rows", [1, 5])
def test_a_handful_of_rows_is_judged_without_an_error(year, profiles, rows):
    assert judge(profiles, "2013-05", year["2013-05"].tail(rows)).alarm == "real shift"


def test_labels_that_are_not_there_yet_are_no_fault(year, profiles):
    """They may come late; a reading that fails to come is one."""
    rows = year["2013-06"].assign(arrival_delay_minutes=np.nan, pressure_millibars=np.nan)
    earlier = before(profiles, "2013-06")
    found = triage(
        profile(rows, "2013-06"),
        pooled(list(earlier.values())),
        earlier,
        known_later=flight_delays.target.reads,
    )
    assert [one.columns for one in found.findings] == [("pressure_millibars",)]
