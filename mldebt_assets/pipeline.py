"""What a user declares: a pipeline and its policies, as frozen values.

A pipeline is one Python file in :mod:`mldebt_assets.pipelines`. It holds functions, not dotted
strings, so that editors and type checkers follow them. Everything else is derived from it.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from mldebt_assets.core.errors import BatchNameError, DeclarationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import pandas as pd

DType = Literal["string", "int64", "float64", "timestamp"]

BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_batch_name(name: str) -> str:
    """Return ``name`` if it is a plain file name that stays in its folder.

    Raises: BatchNameError otherwise.
    """
    if not BATCH_NAME.fullmatch(name) or ".." in name:
        raise BatchNameError.of(name)
    return name


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the source: its exact name and type, what it means, and its bounds.

    ``minimum`` and ``maximum`` are row-wise rules: a row outside them goes to quarantine. So does
    a row without a value, unless the column is ``nullable``. ``timestamp`` is ISO 8601 local time.
    """

    name: str
    dtype: DType
    meaning: str
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A Great Expectations expectation by its class name, with its keyword arguments.

    ``failing`` says what happens to what fails: rows of a row-wise expectation can be
    quarantined, and anything can refuse the batch as a whole.
    """

    name: str
    arguments: Mapping[str, Any]
    failing: Literal["quarantine", "refuse"] = "refuse"


@dataclass(frozen=True, kw_only=True)
class LandingFolder:
    """A folder (any fsspec URL) with one CSV or Parquet file a batch; the stem is its name.

    A relative path lies below the project's root. ``licence`` and ``consent`` go into the
    metadata of every snapshot that comes from here.
    """

    url: str
    pattern: str = "*.csv"
    description: str
    licence: str
    consent: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted: ``label`` turns the validated rows into 1.0, 0.0, or NaN for no label."""

    description: str
    label: Callable[[pd.DataFrame], pd.Series[float]]
    reads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Whole groups are chosen by a hash of the group's name, the same in every version.

    Held-out groups only judge. Tuning groups lie inside training and choose when to stop, the
    calibration and the threshold.
    """

    group: str
    held_out_fraction: float = 0.2
    tuning_fraction: float = 0.1
    salt: str = "mldebt"


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the network is trained. Every choice that changes the weights is in here."""

    seed: int = 20130101
    device: str = "cpu"
    members: int = 1
    epochs: int = 4
    batch_rows: int = 2048
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What each kind of decision costs a row, in ``currency``; the threshold minimises the sum."""

    false_alarm: float
    missed: float
    caught: float = 0.0
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """When a candidate replaces the champion.

    The lower end of the paired interval of the gain in ROC AUC, bootstrapped over held-out groups
    of the last ``recent_batches``, must exceed ``margin``; no slice may lose more than
    ``slice_loss``, where it has at least ``slice_rows`` rows.
    """

    margin: float = 0.0
    confidence: float = 0.95
    rounds: int = 2000
    recent_batches: int = 3
    slice_loss: float = 0.02
    slice_rows: int = 500
    least_groups: int = 8


@dataclass(frozen=True, kw_only=True)
class Drift:
    """The limits of the drift rule, and how many of the champion's last batches it is held to."""

    level: float = 0.0025
    distance: float = 0.03
    correlation: float = 0.05
    reference_batches: int = 3
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """When a candidate is trained: after the first batches, then on drift, outside the cool-down.

    ``window`` is how many of the newest batches it learns from; None takes all history.
    """

    first_batches: int = 3
    cool_down_days: float = 20.0
    window: int | None = None
    attempts: int = 3


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One model in production, from where its data comes to when it is replaced."""

    name: str
    description: str
    owner: str
    source: LandingFolder
    columns: tuple[Column, ...]
    row_key: tuple[str, ...]
    time: str
    target: Target
    features: Callable[[pd.DataFrame], pd.DataFrame]
    expectations: tuple[Expectation, ...] = ()
    least_rows: int = 1
    quarantine_limit: float = 0.01
    slices: Mapping[str, Callable[[pd.DataFrame], pd.Series[str]]] = field(default_factory=dict)
    batch_end: Callable[[str], datetime] | None = None
    split: Split
    training: Training = Training()
    costs: Costs
    gate: Gate = Gate()
    drift: Drift = Drift()
    retraining: Retraining = Retraining()

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself, before anything runs."""
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", self.name):
            raise DeclarationError.of(
                self.name,
                "its name is not lower case letters, digits and '_'.",
                "rename it, for example to 'flight_delays'.",
            )
        names = [column.name for column in self.columns]
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            raise DeclarationError.of(
                self.name, f"it declares {', '.join(twice)} twice.", "remove one of the two."
            )
        used = {*self.row_key, self.time, self.split.group, *self.target.reads, *self.drift.ignore}
        unknown = sorted(used - set(names))
        if unknown:
            raise DeclarationError.of(
                self.name,
                f"it uses {', '.join(unknown)}, but its columns are {', '.join(names)}.",
                "declare the column, or correct the name.",
            )

    def column(self, name: str) -> Column:
        """Return the declared column of this name; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def watched(self) -> tuple[Column, ...]:
        """The columns whose drift is watched: all but time, group, target and those ignored."""
        apart = {self.time, self.split.group, *self.target.reads, *self.drift.ignore}
        return tuple(
            column
            for column in self.columns
            if column.name not in apart and column.dtype != "timestamp"
        )


def as_configuration(value: object) -> Any:
    """Return a declaration as plain JSON values; functions appear by their qualified name.

    Two declarations with equal JSON and equal code train equal models.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_configuration(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, dict):
        return {str(key): as_configuration(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_configuration(item) for item in value]
    return value
