"""Which faults of a feed triage names, and what it calls broken that is not.

    python -m benchmarks.triage

Each fault is planted in each month of the flights from April on, and judged as the platform would:
beside the months before, with the last three of them as the champion's reference. Named means the
right class, fault and columns; refused means the right class under whatever name. Untouched months,
and months to which something real is made to happen, must not be called broken. Faults are planted
in rows that are valid; out of bounds, the pipeline would quarantine them before. Writes
benchmarks/results/triage.json.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.false_alarm_scenes import wilson
from benchmarks.machine import keep
from mldebt_assets.assets.triage import profile_of
from mldebt_assets.core.drift.profile import pooled
from mldebt_assets.core.drift.triage import triage
from mldebt_assets.core.errors import SchemaChangedError
from mldebt_assets.core.tables import parse
from mldebt_assets.pipelines.flight_delays import flight_delays as pipeline
from mldebt_assets.pipelines.flight_delays import month_end
from mldebt_assets.sources import nycflights

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mldebt_assets.core.drift.finding import Finding
    from mldebt_assets.core.drift.profile import Profile

FIRST, REFERENCE = 3, 3
"""Months before the first planted one, and those that the champion is held to."""
Change = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault of some kind: what it does to a month's rows, and how it should be named."""

    kind: str
    named: str
    columns: tuple[str, ...]
    change: Change


def scaled(column: str, factor: float, *, offset: float = 0.0, digits: int = 2) -> Change:
    """Return a change of a column's unit, rounded."""
    return lambda rows: rows.assign(**{column: (rows[column] * factor + offset).round(digits)})


def swapped(*columns: str) -> Change:
    """Return a change after which each column holds what the next one held."""
    after = [*columns[1:], columns[0]]
    return lambda rows: rows.assign(**{a: rows[b] for a, b in zip(columns, after, strict=True)})


def emptied(column: str) -> Change:
    """Return a change that loses half of a column's values."""
    return lambda rows: rows.assign(
        **{column: rows[column].where(np.random.default_rng(1).random(len(rows)) < 0.5)}
    )


def stuck(column: str) -> Change:
    """Return a change after which a column has its first value in every row."""
    return lambda rows: rows.assign(**{column: rows[column].dropna().iloc[0]})


def respelt(column: str, old: str, new: str) -> Change:
    """Return a change of a category's spelling."""
    return lambda rows: rows.assign(**{column: rows[column].replace(old, new)})


def kept(share: float) -> Change:
    """Return a change that cuts a file off."""
    return lambda rows: rows.head(int(len(rows) * share))


FACTORS = (
    ("distance_miles", 1.609344, 0),
    ("visibility_miles", 1.609344, 1),
    ("least_visibility_6h_miles", 1.609344, 1),
    ("wind_speed_mph", 1.609344, 1),
    ("wind_speed_mph", 0.44704, 1),
    ("wind_speed_mph", 1609.344 / 1852, 0),
    ("wind_gust_mph", 1609.344 / 1852, 0),
    ("precipitation_inches", 25.4, 1),
    ("precipitation_12h_inches", 25.4, 1),
    ("pressure_millibars", 1 / 33.86389, 2),
    ("relative_humidity", 100, 0),
    ("scheduled_departure_minute", 60, 0),
)
LOOK_ALIKES = (
    ("temperature_f", "dew_point_f"),
    ("precipitation_6h_inches", "precipitation_12h_inches"),
    ("precipitation_inches", "precipitation_6h_inches"),
    ("least_visibility_6h_miles", "least_visibility_12h_miles"),
    ("visibility_miles", "least_visibility_6h_miles"),
    ("scheduled_departure_minute", "scheduled_arrival_minute"),
)
UNLIKE = (
    ("carrier", "origin"),
    ("origin", "destination"),
    ("distance_miles", "flights_scheduled_earlier"),
    ("scheduled_departure_minute", "flights_scheduled_earlier"),
)
ROTATED = (
    ("distance_miles", "flights_scheduled_earlier", "scheduled_departure_minute"),
    ("carrier", "origin", "destination"),
)
NUMBERS = ("temperature_f", "pressure_millibars", "distance_miles", "scheduled_departure_minute")
SPELLINGS = (("origin", "EWR", "Ewr"), ("destination", "ATL", "ATL "), ("carrier", "UA", "ua"))


def faults() -> list[Fault]:
    """Return each fault that shows in the values."""
    made = [
        *(("nulls", "nulls", (c,), emptied(c)) for c in ("carrier", *NUMBERS)),
        *(("constant", "constant column", (c,), stuck(c)) for c in ("origin", *NUMBERS)),
        *(
            ("unit, by a factor", "unit change", (c,), scaled(c, factor, digits=digits))
            for c, factor, digits in FACTORS
        ),
        *(
            (
                f"unit, °F to °C, to {'whole degrees' if not digits else 'a tenth'}",
                "unit change",
                (c,),
                scaled(c, 5 / 9, offset=-160 / 9, digits=digits),
            )
            for digits in (1, 0)
            for c in ("temperature_f", "dew_point_f")
        ),
        *(("swapped look-alikes", "shifted columns", pair, swapped(*pair)) for pair in LOOK_ALIKES),
        *(("swapped, unlike", "shifted columns", pair, swapped(*pair)) for pair in UNLIKE),
        *(("three rotated", "shifted columns", three, swapped(*three)) for three in ROTATED),
        *(("truncated", "truncated file", (), kept(share)) for share in (0.5, 0.8)),
        *(("near spelling", "near spelling", (c,), respelt(c, a, b)) for c, a, b in SPELLINGS),
    ]
    return [Fault(kind=k, named=n, columns=c, change=change) for k, n, c, change in made]


REAL: dict[str, Change] = {
    "a heat wave": scaled("temperature_f", 1.0, offset=20.0),
    "no rain": lambda rows: rows.assign(precipitation_inches=0.0),
    "a tenth longer flights": scaled("distance_miles", 1.1, digits=0),
    "an airport closes": lambda rows: rows[rows["origin"] != "LGA"],
    "a new destination": respelt("destination", "ATL", "ZZZ"),
    "every wind exactly doubled": scaled("wind_speed_mph", 2.0, digits=3),
}

Edit = Callable[[pd.DataFrame], pd.DataFrame]
EDITS: dict[str, tuple[Edit, ...]] = {
    "renamed": (
        lambda text: text.rename(columns={"temperature_f": "temperatureF"}),
        lambda text: text.rename(columns={"distance_miles": "distance_km"}),
        lambda text: text.rename(columns={"carrier": "airline"}),
    ),
    "missing": (
        lambda text: text.drop(columns="dew_point_f"),
        lambda text: text.drop(columns="carrier"),
    ),
    "added": (
        lambda text: text.assign(gate="B12"),
        lambda text: text.assign(taxi_minutes="14"),
    ),
    "retyped": (
        lambda text: text.assign(distance_miles=text["distance_miles"] + " mi"),
        lambda text: text.assign(
            scheduled_departure=text["scheduled_departure"].str.replace(
                r"(\d+)-(\d+)-(\d+)", r"\3/\2/\1", regex=True
            )
        ),
    ),
}


def judge(profile: Profile, earlier: Mapping[str, Profile]) -> Sequence[Finding]:
    """Return the faults that triage sees in a month, after the months before it."""
    reference = pooled(list(earlier.values())[-REFERENCE:])
    return triage(profile, reference, earlier, known_later=pipeline.target.reads).findings


def is_named(found: Sequence[Finding], fault: Fault) -> bool:
    """Return whether triage names this fault and nothing else."""
    return [one.fault for one in found] == [fault.named] and {*found[0].columns} == {*fault.columns}


def schema_changes(data: bytes, batch: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield each kind of change of the columns, whether it is refused as one, and named."""
    text = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    for kind, edits in EDITS.items():
        for edit in edits:
            changed = edit(text).to_csv(index=False).encode()
            try:
                parse(changed, batch=batch, columns=pipeline.columns)
            except SchemaChangedError as error:
                yield f"schema: {kind}", True, [c.change for c in error.changes] == [kind]
            else:
                yield f"schema: {kind}", False, False


def main() -> None:
    files = {name.removesuffix(".csv"): data for name, data in nycflights.batches()}
    year = {
        batch: parse(data, batch=batch, columns=pipeline.columns) for batch, data in files.items()
    }
    profiles = {
        batch: profile_of(pipeline, rows, end=month_end(batch)) for batch, rows in year.items()
    }
    told: list[tuple[str, bool, bool]] = []
    alarms: list[tuple[str, bool]] = []
    for batch in list(year)[FIRST:]:
        rows, end = year[batch], month_end(batch)
        earlier = {name: one for name, one in profiles.items() if name < batch}
        for fault in faults():
            found = judge(profile_of(pipeline, fault.change(rows), end=end), earlier)
            told.append((fault.kind, bool(found), is_named(found, fault)))
        found = judge(profile_of(pipeline, year[list(earlier)[-1]], end=end), earlier)
        again = any(one.fault == "duplicated file" for one in found)
        told.append(("duplicated", bool(found), again))
        told += schema_changes(files[batch], batch)
        alarms.append(("untouched", bool(judge(profiles[batch], earlier))))
        alarms += [
            (name, bool(judge(profile_of(pipeline, change(rows), end=end), earlier)))
            for name, change in REAL.items()
        ]
    keep("triage", {"planted": shares_of(told), "false_alarms": false_alarms(alarms)})


def shares_of(told: Sequence[tuple[str, bool, bool]]) -> dict[str, dict[str, float]]:
    """Return of each kind how many were planted, and which shares were refused and named."""
    kinds = {}
    for kind in dict.fromkeys(kind for kind, _, _ in told):
        judged = [(refused, named) for one, refused, named in told if one == kind]
        kinds[kind] = {
            "planted": len(judged),
            "refused": round(float(np.mean([refused for refused, _ in judged])), 3),
            "named": round(float(np.mean([named for _, named in judged])), 3),
        }
    return kinds


def false_alarms(alarms: Sequence[tuple[str, bool]]) -> dict[str, dict[str, float]]:
    """Return of each harmless scene how many months were judged, and called broken."""
    scenes = {}
    for scene in dict.fromkeys(scene for scene, _ in alarms):
        called = [alarm for one, alarm in alarms if one == scene]
        scenes[scene] = {
            "months": len(called),
            "called broken": sum(called),
            "upper": round(wilson(sum(called), len(called))[1], 3),
        }
    return scenes


if __name__ == "__main__":
    main()
