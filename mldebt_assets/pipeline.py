"""What a user declares: a pipeline and its policies, as frozen values.

A pipeline is one Python file in :mod:`mldebt_assets.pipelines`. It holds functions, not dotted
strings, so that editors and type checkers follow them. Everything else is derived from it.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass, field, fields, is_dataclass
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal

from mldebt_assets.contradictions import require_sound
from mldebt_assets.core.errors import BatchNameError, DeclarationError
from mldebt_assets.core.policies import (
    Costs,
    Drift,
    Gate,
    Layout,
    Limits,
    Performance,
    Retraining,
    Robustness,
    Split,
    Training,
)
from mldebt_assets.core.privacy.policy import Allow, Deny, Privacy, Pseudonymise
from mldebt_assets.core.schema import Column, Expectation, ForeignKey
from mldebt_assets.core.tasks import task_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    import pandas as pd

    from mldebt_assets.core.tasks.task import Task

__all__ = [
    "Allow",
    "Column",
    "Costs",
    "Deny",
    "Drift",
    "Expectation",
    "ForeignKey",
    "Gate",
    "LandingFolder",
    "Layout",
    "Limits",
    "Performance",
    "Pipeline",
    "Privacy",
    "Pseudonymise",
    "Retraining",
    "Robustness",
    "Split",
    "Target",
    "Training",
    "as_configuration",
    "check_batch_name",
]

RESERVED = {"compare"}
BATCH_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_pipeline_name(name: str) -> str:
    """Return ``name`` if a pipeline may be called so; DeclarationError otherwise."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or keyword.iskeyword(name):
        raise DeclarationError.of(
            name,
            "its name is not lower case letters, digits and '_', or means something to Python.",
            "rename it, for example to 'flight_delays'.",
        )
    if name in RESERVED:
        raise DeclarationError.of(name, "`mldebt drift compare` compares two files.", "rename it.")
    return name


def check_batch_name(name: str) -> str:
    """Return ``name`` if it is a plain file name that stays in its folder.

    Raises: BatchNameError otherwise.
    """
    if not BATCH_NAME.fullmatch(name) or ".." in name:
        raise BatchNameError.of(name)
    return name


@dataclass(frozen=True, kw_only=True)
class LandingFolder:
    """A folder (any fsspec URL) with one CSV or Parquet file a batch; the stem is its name.

    ``pattern`` says which files are batches, as ``"*.csv"`` does: a file that fits it and is no
    table is told. None is every file that is called a CSV, also in gzip, or Parquet file.
    A relative path lies below the project's root. ``licence`` and ``consent`` go into the
    metadata of every snapshot that comes from here; ``retention``, how long they may be kept, into
    the data sheet.
    """

    url: str
    pattern: str | None = None
    description: str
    licence: str
    consent: str
    limits: Limits = field(default_factory=Limits)
    retention: str | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What is predicted: ``label`` turns the validated rows into labels, NaN or None for none.

    The ``task`` says what a label is: 1.0 or 0.0 (``binary``), the name of one of the declared
    ``classes`` (``multiclass``), or a number (``regression``).
    """

    description: str
    label: Callable[[pd.DataFrame], pd.Series[Any]]
    reads: tuple[str, ...]
    task: Literal["binary", "multiclass", "regression"] = "binary"
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """One model in production, from where its data comes to when it is replaced.

    ``labels`` is where they come from where they come later than their batch: a file under the
    batch's name, with the row key and the columns that the target reads, for some or all rows.
    Without it, these columns are in the batch itself. ``costs`` are those of a binary target.

    ``time`` is the column that says when a row came to be. Without it the batch's name must say
    what time its data are of: ``batch_end`` reads it. ``row_key`` names the columns that are unique
    together; without it, a row is known by all that is in it but the target. ``subject`` is the
    column that says whose row it is, for whoever wants to be forgotten; without it, that is the one
    pseudonymised column, where there is only one. ``privacy`` is how many rows must share what may
    tell who they are of.

    ``duplicate_limit`` is the share of a batch's rows that may repeat an earlier one whole; beyond
    it the batch is refused. Without it any share may, and the metadata of ``p/validated`` tell it.

    ``foreign_keys`` are columns whose values must be those of rows of other tables; a row of which
    they are not goes to quarantine.

    ``slices`` are looked at, ``groups`` are promised: a candidate that leaves one of them behind is
    refused. Each is a column, or a function of the rows; it need not be an input of the model.
    """

    name: str
    description: str
    owner: str
    source: LandingFolder
    labels: LandingFolder | None = None
    columns: tuple[Column, ...]
    row_key: tuple[str, ...] = ()
    subject: str | None = None
    time: str | None = None
    target: Target
    features: Callable[[pd.DataFrame], pd.DataFrame]
    expectations: tuple[Expectation, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    privacy: Privacy | None = None
    least_rows: int = 1
    quarantine_limit: float = 0.01
    duplicate_limit: float | None = None
    slices: Mapping[str, Callable[[pd.DataFrame], pd.Series[str]]] = field(default_factory=dict)
    groups: Mapping[str, str | Callable[[pd.DataFrame], pd.Series[str]]] = field(
        default_factory=dict
    )
    batch_end: Callable[[str], datetime] | None = None
    split: Split = field(default_factory=Split)
    training: Training = field(default_factory=Training)
    costs: Costs | None = None
    gate: Gate = field(default_factory=Gate)
    drift: Drift = field(default_factory=Drift)
    performance: Performance = field(default_factory=Performance)
    retraining: Retraining = field(default_factory=Retraining)
    robustness: Robustness = field(default_factory=Robustness)

    def __post_init__(self) -> None:
        """Refuse a declaration that contradicts itself, before anything runs."""
        check_pipeline_name(self.name)
        require_sound(self)

    @property
    def task(self) -> Task:
        """What is asked of the model, and all that follows from it."""
        return task_of(self.target.task, self.target.classes)

    @property
    def currency(self) -> str | None:
        """What costs are counted in; None where there are none."""
        return self.costs.currency if self.costs is not None else None

    def column(self, name: str) -> Column:
        """Return the declared column of this name; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def referring_columns(self) -> set[str]:
        """The columns of its foreign keys."""
        return {name for one in self.foreign_keys for name in one.columns}

    @property
    def group_columns(self) -> tuple[str, ...]:
        """The columns that are promised groups as they are."""
        return tuple(one for one in self.groups.values() if isinstance(one, str))

    @property
    def batch_columns(self) -> tuple[Column, ...]:
        """The columns of a stored batch: all but those denied, and those of late labels."""
        return _kept(self.source_columns)

    @property
    def source_columns(self) -> tuple[Column, ...]:
        """The columns that are declared of a batch's file, those too that are never to come."""
        late = () if self.labels is None else self.target.reads
        return tuple(column for column in self.columns if column.name not in late)

    @property
    def kept_columns(self) -> tuple[Column, ...]:
        """The columns that are stored: all but those that the declared privacy denies."""
        return _kept(self.columns)

    @property
    def label_columns(self) -> tuple[Column, ...]:
        """The columns of a file of late labels: the row key, and what the target reads."""
        named = (*self.row_key, *self.target.reads)
        return tuple(self.column(name) for name in named)

    @property
    def identified_by(self) -> tuple[str, ...]:
        """The columns whose values say which row it is: the row key, else all but the target's."""
        others = [c.name for c in self.kept_columns if c.name not in self.target.reads]
        return self.row_key or tuple(others)

    @property
    def subject_column(self) -> str | None:
        """The column that says whose row it is; None where nothing is declared that could."""
        named = [c.name for c in self.batch_columns if isinstance(c.privacy, Pseudonymise)]
        return self.subject or (named[0] if len(named) == 1 else None)

    @property
    def watched(self) -> tuple[Column, ...]:
        """The columns whose drift is watched: all but time, group, target and those ignored.

        Nor is who the rows are of: it would be copied into every sketch and count.
        """
        apart = {self.time, self.split.group, *self.target.reads, *self.drift.ignore}
        apart |= {self.subject_column}
        return tuple(
            column
            for column in self.kept_columns
            if column.name not in apart and column.dtype != "timestamp"
        )


def _kept(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    return tuple(column for column in columns if not isinstance(column.privacy, Deny))


def as_configuration(value: object) -> Any:
    """Return a declaration as plain JSON values; functions and classes by their qualified name.

    Two declarations with equal JSON and equal code train equal models.
    """
    if isinstance(value, FunctionType | type):
        return f"{value.__module__}.{value.__qualname__}"
    if is_dataclass(value):
        return {f.name: as_configuration(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): as_configuration(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [as_configuration(item) for item in value]
    return value
