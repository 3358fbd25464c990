"""What a user's table asks for: one of two, one of several, or a number, as its target says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mldebt_assets.core.errors import TableUnfitError

if TYPE_CHECKING:
    from mldebt_assets.core.profile.columns import Found

Task = Literal["binary", "multiclass", "regression"]

TWO = 2
FEW_NUMBERS = 12
"""So few different whole numbers are taken for classes; more, or any fraction, for a number."""

MOST_CLASSES = 100
LEAST_ROWS_A_CLASS = 5
"""Texts of which each stands in fewer rows on average are no classes."""

POSITIVE_WORDS = {"1", "1.0", "true", "yes", "y", "t", "positive", "pos"}
OTHER_TARGET = "name another --target"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What is to be predicted, and why it is taken for that.

    ``labels`` are as a pipeline's are: 1.0 or 0.0, the names of the ``classes``, or numbers; NaN or
    None for no label. ``positive`` is the value that counts as 1, ``levels`` are those of classes.
    """

    column: str
    task: Task
    why: str
    labels: pd.Series[Any] = field(repr=False)
    positive: Any = None
    levels: tuple[Any, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their values."""
        return tuple(pd.Series(self.levels).astype("string"))

    @property
    def share(self) -> float | None:
        """The share of the ones, or of the most frequent class; None for a number."""
        known = self.labels.dropna()
        if self.task == "regression":
            return None
        return float(
            known.mean() if self.task == "binary" else known.value_counts().iloc[0] / len(known)
        )

    @property
    def range(self) -> tuple[float, float] | None:
        """The smallest and the largest label of a number; None for classes."""
        if self.task != "regression":
            return None
        return float(self.labels.min()), float(self.labels.max())


def goal_of(target: Found, asked: Task | None) -> Goal:
    """Return what a target asks for: the task ``asked`` for, else the one that its values say.

    Raises: TableUnfitError where nothing can be learned from it, or not as it was asked.
    """
    values = target.values.reset_index(drop=True)
    counts = values.value_counts()
    if len(counts) < TWO:
        raise TableUnfitError.of(
            f"its target {target.name!r} has {len(counts) or 'no'} value: nothing can be learned.",
            f"{OTHER_TARGET}, or a table with different outcomes.",
        )
    if target.dtype == "timestamp":
        raise TableUnfitError.of(f"its target {target.name!r} is a time.", f"{OTHER_TARGET}.")
    if target.spelled and asked != "multiclass" and len(counts) > TWO:
        raise TableUnfitError.of(
            f"of its target {target.name!r}, {target.spelled}.",
            "write them so, or say --task multiclass where they are names.",
        )
    task, why = (asked, "as asked for") if asked is not None else _inferred(target, counts)
    if task == "regression":
        return Goal(column=target.name, task=task, why=why, labels=_numbers(target, values))
    if int(counts.min()) == 1:
        raise TableUnfitError.of(
            f"one value of its target {target.name!r} stands in a single row.",
            "name a table in which each outcome comes several times: merge it with another, or "
            "leave its row out.",
        )
    if task == "multiclass":
        labels, levels = _classes(target, values, counts)
        return Goal(column=target.name, task=task, why=why, labels=labels, levels=levels)
    if len(counts) > TWO:
        raise TableUnfitError.of(
            f"its target {target.name!r} has {len(counts)} different values, and yes or no two.",
            "say --task multiclass or --task regression, or leave --task out.",
        )
    said = [value for value in counts.index if str(value).strip().lower() in POSITIVE_WORDS]
    positive = said[0] if len(said) == 1 else counts.index[-1]
    labels = (values == positive).astype("float64").where(values.notna())
    return Goal(column=target.name, task=task, why=why, labels=labels, positive=positive)


def _inferred(target: Found, counts: pd.Series[int]) -> tuple[Task, str]:
    if len(counts) == TWO:
        return "binary", "it has two values"
    rows = int(counts.sum())
    number = target.dtype in {"int64", "float64"}
    whole = number and bool((np.asarray(counts.index, dtype="float64") % 1 == 0).all())
    several = f"it has {len(counts)} different values"
    if whole and len(counts) <= min(FEW_NUMBERS, rows // LEAST_ROWS_A_CLASS):
        return "multiclass", f"{several}, all whole numbers"
    if number and not (target.id_like and len(counts) == rows):
        return "regression", f"{several}, and they are numbers"
    if number or len(counts) > min(MOST_CLASSES, rows // LEAST_ROWS_A_CLASS):
        raise TableUnfitError.of(
            f"its target {target.name!r} has {len(counts):,} different values in {rows:,} rows, "
            "which are neither classes nor a number.",
            f"{OTHER_TARGET}: one with few values, or a number; --task says which.",
        )
    return "multiclass", several


def _numbers(target: Found, values: pd.Series[Any]) -> pd.Series[float]:
    if target.dtype not in {"int64", "float64"}:
        raise TableUnfitError.of(
            f"its target {target.name!r} has values that are no numbers.",
            "say --task multiclass, or write them as 1234.5, without units and separators.",
        )
    return values.astype("float64")


def _classes(
    target: Found, values: pd.Series[Any], counts: pd.Series[int]
) -> tuple[pd.Series[Any], tuple[Any, ...]]:
    if len(counts) > MOST_CLASSES:
        raise TableUnfitError.of(
            f"its target {target.name!r} has {len(counts):,} different values, and "
            f"{MOST_CLASSES} classes are the most.",
            f"{OTHER_TARGET}, or merge its rare values into one.",
        )
    return values.astype("string").astype(object), tuple(pd.Series(counts.index).sort_values())
