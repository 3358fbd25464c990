"""A small pipeline whose story is known: what drifts, what is learned, and who wins.

Parcels are late where weight and distance are both high or both low, which no linear model sees.
In the fifth batch a new kind of heavy parcel appears, late for another reason: it drifts, and only
a model that has seen it can rank it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mldebt_assets.core.periods import month_end
from mldebt_assets.core.policies import Costs, Drift, Gate, Split, Training
from mldebt_assets.core.schema import Column, Expectation
from mldebt_assets.pipeline import LandingFolder, Pipeline, Target

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = ("2020-01", "2020-02", "2020-03", "2020-04", "2020-05")
ROWS_A_DAY = 60
DAYS = 28
HEAVY_SHARE = 0.5
NUMBERS = ("weight_kg", "distance_km", "fragile")


def late(parcels: pd.DataFrame) -> pd.Series[float]:
    return (parcels["delay_hours"] > 0).astype("float64").where(parcels["delay_hours"].notna())


def features(parcels: pd.DataFrame) -> pd.DataFrame:
    return parcels[["depot", "weight_kg", "distance_km", "fragile"]]


def depot(parcels: pd.DataFrame) -> pd.Series[str]:
    return parcels["depot"]


def column(name: str, dtype: str, **rules: object) -> Column:
    return Column(name=name, dtype=dtype, meaning=name.replace("_", " "), **rules)  # type: ignore[arg-type]


def pipeline(landing: Path) -> Pipeline:
    """Return the pipeline with its landing folder at ``landing``."""
    return Pipeline(
        name="parcels",
        description="Will a parcel be late?",
        owner="team:parcels",
        source=LandingFolder(
            url=str(landing), description="Made for tests", licence="CC0-1.0", consent="none needed"
        ),
        columns=(
            column("sent_at", "timestamp"),
            column("day", "string"),
            column("parcel", "int64", minimum=0),
            column("depot", "string"),
            column("weight_kg", "float64", minimum=0, maximum=100),
            column("distance_km", "float64", minimum=0, maximum=2000),
            column("fragile", "float64", minimum=0, maximum=1, nullable=True),
            column("delay_hours", "float64", nullable=True),
        ),
        row_key=("day", "parcel"),
        subject="parcel",
        time="sent_at",
        batch_end=month_end,
        target=Target(description="1 where late", label=late, reads=("delay_hours",)),
        features=features,
        expectations=(
            Expectation(
                name="ExpectColumnValuesToBeInSet",
                arguments={"column": "depot", "value_set": ["north", "south"]},
                failing="quarantine",
            ),
        ),
        least_rows=100,
        slices={"depot": depot},
        split=Split(group="day"),
        training=Training(members=1, epochs=6, batch_rows=128, hidden=(32, 16)),
        costs=Costs(false_alarm=1.0, missed=5.0),
        gate=Gate(slice_rows=200),
        drift=Drift(ignore=("parcel",)),
    )


def rows(batch: str) -> pd.DataFrame:
    """Return a batch's rows; the same in every process."""
    seed = int(batch.replace("-", ""))
    rng = np.random.default_rng(seed)
    count = DAYS * ROWS_A_DAY
    day = np.repeat(np.arange(1, DAYS + 1), ROWS_A_DAY)
    weight = rng.uniform(0, 20, count)
    distance = rng.uniform(0, 500, count)
    fragile = rng.uniform(0, 1, count)
    risky = (weight > 10) == (distance > 250)
    if batch >= BATCHES[-1]:
        heavy = rng.random(count) < HEAVY_SHARE
        weight = np.where(heavy, weight + 40, weight)
        risky = np.where(heavy, fragile > 0.5, risky)
    is_late = rng.random(count) < np.where(risky, 0.85, 0.1)
    return pd.DataFrame(
        {
            "sent_at": [f"{batch}-{d:02d}T08:00:00" for d in day],
            "day": [f"{batch}-{d:02d}" for d in day],
            "parcel": np.tile(np.arange(ROWS_A_DAY), DAYS),
            "depot": rng.choice(["north", "south"], count),
            "weight_kg": weight.round(3),
            "distance_km": distance.round(3),
            "fragile": fragile.round(3),
            "delay_hours": np.where(is_late, 5.0, -1.0),
        }
    )


def write_batch(landing: Path, batch: str, table: pd.DataFrame | None = None) -> Path:
    """Write a batch's file into the landing folder and return its path."""
    landing.mkdir(parents=True, exist_ok=True)
    path = landing / f"{batch}.csv"
    (rows(batch) if table is None else table).to_csv(path, index=False, lineterminator="\n")
    return path


def onnx_file() -> bytes:
    """Return an ONNX model of parcels, trained elsewhere: on rows that no batch holds."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import GradientBoostingClassifier

    known = rows("2019-06")
    table = known[list(NUMBERS)].to_numpy(dtype=np.float32)
    model = GradientBoostingClassifier(n_estimators=20, random_state=0)
    model.fit(table, known["delay_hours"] > 0)
    exported = to_onnx(model, table[:1], options={"zipmap": False}, target_opset=17)
    return bytes(exported.SerializeToString())
