"""The level by which models of a task are compared: its name, its key, and where chance lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Level:
    """A measure of which more is better; 1 is perfect, and ``chance`` needs no inputs.

    ``key`` names it in JSON and metadata, ``name`` in sentences, ``short`` in a narrow column.
    """

    task: str
    key: str
    name: str
    short: str
    chance: float


LEVELS = {
    level.task: level
    for level in (
        Level(task="binary", key="roc_auc", name="ROC AUC", short="AUC", chance=0.5),
        Level(
            task="multiclass",
            key="log_loss_skill",
            name="log loss skill",
            short="skill",
            chance=0.0,
        ),
        Level(task="regression", key="r_squared", name="R²", short="R²", chance=0.0),
    )
}
"""By the kind of the task, as a target declares it."""

METRICS = {
    "binary": (
        "roc_auc",
        "pr_auc",
        "log_loss",
        "brier",
        "calibration_error",
        "lift",
        "base_rate",
        "cost_per_row",
        "cost_total",
        "cost_never",
        "rows",
        "true_positives",
        "false_positives",
        "true_negatives",
        "false_negatives",
    ),
    "multiclass": (
        "log_loss_skill",
        "accuracy",
        "balanced_accuracy",
        "macro_roc_auc",
        "log_loss",
        "brier",
        "calibration_error",
        "largest_class",
        "rows",
        "errors",
    ),
    "regression": (
        "r_squared",
        "mean_absolute_error",
        "root_mean_squared_error",
        "mean_error",
        "mean_label",
        "interval_coverage",
        "interval_half_width",
        "rows",
    ),
}
"""The metrics of each task, most important first; a multi-class one has two a class besides."""


def level_of(stored: Mapping[str, Any]) -> Level:
    """Return the level that an evaluation or a report was measured by.

    Those of earlier versions name no ``task``: they were all binary.

    >>> level_of({}).key, level_of({"task": "regression"}).key
    ('roc_auc', 'r_squared')
    """
    return LEVELS[stored.get("task", "binary")]
