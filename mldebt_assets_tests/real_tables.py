"""Two small real tables that come with scikit-learn, as pipelines of other tasks than binary.

The digits are 1,797 images, ten classes (Alpaydin and Kaynak, UCI, 1998), here of 4 by 4 points,
each the mean of four; the diabetes table holds 442 patients and how far their illness went in a
year (Efron et al., Least angle regression, 2004). Neither has a time: rows are dealt to months in
their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_digits

from mldebt_assets import pipelines
from mldebt_assets.core.policies import Drift, Gate, Performance, Retraining, Split, Training
from mldebt_assets.core.schema import Column
from mldebt_assets.pipeline import LandingFolder, Pipeline, Target
from mldebt_assets.pipelines.flight_delays import month_end
from mldebt_assets_tests.command_line import mldebt

if TYPE_CHECKING:
    from pathlib import Path

DIGITS = tuple("0123456789")
POINTS = tuple(f"point_{place:02d}" for place in range(16))
BLOOD = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
ROWS_A_GROUP = 5
MONTHS = ("2021-01", "2021-02", "2021-03")


def digits_rows() -> pd.DataFrame:
    found = load_digits()
    images = found.images.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(-1, len(POINTS))
    return pd.DataFrame(images, columns=list(POINTS)).assign(outcome=found.target)


def diabetes_rows() -> pd.DataFrame:
    found = load_diabetes(scaled=False)
    return pd.DataFrame(found.data, columns=list(BLOOD)).assign(outcome=found.target)


def of_months(rows: pd.DataFrame, months: tuple[str, ...] = MONTHS) -> dict[str, pd.DataFrame]:
    """Return the rows in about equal parts, a month each, with what a batch needs."""
    size = -(-len(rows) // len(months))
    parts = {}
    for place, month in enumerate(months):
        part = rows.iloc[place * size : (place + 1) * size].reset_index(drop=True)
        parts[month] = part.assign(
            row=part.index + place * size,
            sheet=[f"{month}-{row // ROWS_A_GROUP:03d}" for row in part.index],
            seen_at=[f"{month}-{1 + row % 28:02d}T12:00:00" for row in part.index],
        )
    return parts


def land(landing: Path, rows: pd.DataFrame) -> None:
    landing.mkdir(parents=True, exist_ok=True)
    for month, part in of_months(rows).items():
        part.to_csv(landing / f"{month}.csv", index=False, lineterminator="\n")


def brought(root: Path, name: str, rows: pd.DataFrame, months: tuple[str, ...]) -> Pipeline:
    """Return the pipeline that `mldebt new` writes for a table, and land its batches."""
    root.mkdir(parents=True)
    data, folder = root / f"{name}.csv", root / "pipelines"
    pd.concat(of_months(rows, months).values()).to_csv(data, index=False)
    asked = ["--data", str(data), "--target", "outcome", "--time", "seen_at", "--batch", "month"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLDEBT_PIPELINES", str(folder))
        said = mldebt("new", name, *asked, "--landing", str(root / "landing"))
        assert said.code == 0, said.err
        return pipelines.loaded(folder / f"{name}.py")


def digit(rows: pd.DataFrame) -> pd.Series[str]:
    return rows["outcome"].astype("int64").astype(str)


def progression(rows: pd.DataFrame) -> pd.Series[float]:
    return rows["outcome"]


def points(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[list(POINTS)]


def blood(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[list(BLOOD)]


def half(rows: pd.DataFrame) -> pd.Series[str]:
    return (rows["row"] % 2).map({0: "even", 1: "odd"})


def declared(landing: Path, name: str, inputs: tuple[str, ...], **own: object) -> Pipeline:
    """Return a pipeline of a real table: settings for few rows, everything else by default."""
    numbers = (*inputs, "outcome")
    columns = [Column(name=n, dtype="float64", meaning=n.replace("_", " ")) for n in numbers]
    return Pipeline(
        name=name,
        owner="team:tests",
        source=LandingFolder(
            url=str(landing), description="From scikit-learn", licence="CC-BY-4.0", consent="public"
        ),
        columns=(
            Column(name="seen_at", dtype="timestamp", meaning="dealt by place"),
            Column(name="sheet", dtype="string", meaning="five rows that stay together"),
            Column(name="row", dtype="int64", meaning="place in the table"),
            *columns,
        ),
        row_key=("row",),
        time="seen_at",
        batch_end=month_end,
        split=Split(group="sheet"),
        slices={"half": half},
        gate=Gate(slice_rows=40, group_rows=20),
        performance=Performance(least_rows=50),
        drift=Drift(ignore=("row",)),
        retraining=Retraining(first_batches=2, always=True),
        **own,  # type: ignore[arg-type]
    )


def digits(landing: Path) -> Pipeline:
    """Return which digit an image shows: one of ten classes."""
    return declared(
        landing,
        "digits",
        POINTS,
        description="Which digit is it?",
        target=Target(
            description="the digit",
            label=digit,
            reads=("outcome",),
            task="multiclass",
            classes=DIGITS,
        ),
        features=points,
        training=Training(members=1, epochs=20, batch_rows=32, hidden=(64,)),
    )


def diabetes(landing: Path) -> Pipeline:
    """Return how far an illness goes in a year: a number."""
    return declared(
        landing,
        "diabetes",
        BLOOD,
        description="How far does the illness go?",
        target=Target(
            description="progression after a year",
            label=progression,
            reads=("outcome",),
            task="regression",
        ),
        features=blood,
        groups={"sex": "sex"},
        training=Training(
            members=2, linear_members=1, epochs=40, batch_rows=16, hidden=(8,), weight_decay=0.1
        ),
    )
