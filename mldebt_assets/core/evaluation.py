"""How good a binary model's scores are: in ranking, in probability, and in money.

Labels are 1.0 and 0.0 throughout: rows without a label are left out by the caller. What slices
are made of is the same for every task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.errors import SingleClassError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Costs

    Labels = NDArray[np.float64]
    Scores = NDArray[np.float64]

CALIBRATION_BINS = 15
"""Guo et al., On calibration of modern neural networks, 2017, use fifteen."""

SCORE_BINS = 50
LEAST_PROBABILITY = 1e-15
TOP_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class SliceMetrics:
    """The metrics of one slice; None, with the reason, where it has too few rows to be judged."""

    dimension: str
    value: str
    rows: int
    metrics: Mapping[str, float] | None
    reason: str | None


def roc_auc(labels: Labels, scores: Scores) -> float:
    """Return the chance that a positive row scores above a negative one; ties count half.

    Raises: SingleClassError unless both classes are there.
    Source: Hanley and McNeil 1982, by ranks; equal to sklearn.metrics.roc_auc_score.

    >>> roc_auc(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.4, 0.4, 0.8]))
    0.875
    """
    positive = labels > 0
    positives = int(positive.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise SingleClassError.of("ROC AUC", positives=positives, negatives=negatives)
    ranks = float(_middle_ranks(scores)[positive].sum())
    return (ranks - positives * positives / 2) / (positives * negatives)


def average_precision(labels: Labels, scores: Scores) -> float:
    """Return the area under the precision-recall curve, as a sum of steps.

    Raises: SingleClassError where no row is positive.
    Source: equal to sklearn.metrics.average_precision_score.

    >>> average_precision(np.array([0.0, 1.0]), np.array([0.2, 0.9]))
    1.0
    """
    if not labels.any():
        raise SingleClassError.of("PR AUC", positives=0, negatives=len(labels))
    caught, alarms = _falling(labels, scores)
    recall_gain = np.diff(caught, prepend=0) / caught[-1]
    return float(np.sum(recall_gain * caught / alarms))


def log_loss(labels: Labels, scores: Scores) -> float:
    """Return the mean negative log likelihood in nats; scores are kept 1e-15 off 0 and 1."""
    likely = np.clip(np.where(labels > 0, scores, 1 - scores), LEAST_PROBABILITY, 1.0)
    return float(-np.mean(np.log(likely)))


def brier(labels: Labels, scores: Scores) -> float:
    """Return the mean squared difference of score and label."""
    return float(np.mean((scores - labels) ** 2))


def calibration_error(labels: Labels, scores: Scores, bins: int = CALIBRATION_BINS) -> float:
    """Return the expected calibration error over bins of about equal numbers of rows.

    Equal scores share a bin, so that the order of rows does not matter.
    """
    curve = calibration_curve(labels, scores, bins)
    gap = np.abs(curve["observed"] - curve["predicted"])
    return float(np.average(gap, weights=curve["rows"]))


def calibration_curve(
    labels: Labels, scores: Scores, bins: int = CALIBRATION_BINS
) -> dict[str, NDArray[np.float64]]:
    """Return mean score (``predicted``), share of positives (``observed``) and ``rows`` a bin."""
    place = (_middle_ranks(scores) * bins / len(scores)).astype(np.int64)
    rows = np.bincount(place)
    filled = rows > 0
    return {
        "predicted": np.bincount(place, weights=scores)[filled] / rows[filled],
        "observed": np.bincount(place, weights=labels)[filled] / rows[filled],
        "rows": rows[filled].astype(np.float64),
    }


def roc_curve(labels: Labels, scores: Scores, points: int = 200) -> dict[str, NDArray[np.float64]]:
    """Return at most ``points`` points of the ROC curve, evenly spaced, with both ends.

    Raises: SingleClassError unless both classes are there.
    """
    caught, alarms = _falling(labels, scores)
    false_alarms = alarms - caught
    if not caught[-1] or not false_alarms[-1]:
        counts = {"positives": int(caught[-1]), "negatives": int(false_alarms[-1])}
        raise SingleClassError.of("The ROC curve", **counts)
    kept = np.unique(np.linspace(0, len(caught), points).astype(np.int64))
    return {
        "false_positive_rate": np.append(0, false_alarms)[kept] / false_alarms[-1],
        "true_positive_rate": np.append(0, caught)[kept] / caught[-1],
    }


def confusion(labels: Labels, scores: Scores, threshold: float) -> dict[str, int]:
    """Return the four counts; a score at or above the threshold is an alarm.

    >>> confusion(np.array([1.0, 0.0, 1.0]), np.array([0.5, 0.2, 0.1]), threshold=0.5)
    {'true_positives': 1, 'false_positives': 0, 'true_negatives': 1, 'false_negatives': 1}
    """
    alarm, positive = scores >= threshold, labels > 0
    return {
        "true_positives": int(np.sum(alarm & positive)),
        "false_positives": int(np.sum(alarm & ~positive)),
        "true_negatives": int(np.sum(~alarm & ~positive)),
        "false_negatives": int(np.sum(~alarm & positive)),
    }


def rates(counts: Mapping[str, float]) -> dict[str, float | None]:
    """Return the shares of rows, of positive and of negative ones, that raised an alarm.

    >>> rates(confusion(np.array([1.0, 1.0, 0.0]), np.array([0.9, 0.1, 0.2]), threshold=0.5))
    {'selection_rate': 0.3333333333333333, 'true_positive_rate': 0.5, 'false_positive_rate': 0.0}
    """
    caught, false = counts["true_positives"], counts["false_positives"]
    positive, negative = caught + counts["false_negatives"], false + counts["true_negatives"]
    return {
        "selection_rate": (caught + false) / (positive + negative) if positive + negative else None,
        "true_positive_rate": caught / positive if positive else None,
        "false_positive_rate": false / negative if negative else None,
    }


def threshold_of(scores: Scores, alarms: NDArray[np.bool_]) -> float:
    """Return a threshold that repeats these alarms: the lowest score that raised one.

    Without an alarm it is infinite.

    >>> threshold_of(np.array([0.2, 0.7, 0.9]), np.array([False, True, True]))
    0.7
    """
    return float(scores[alarms].min()) if alarms.any() else np.inf


def cost(counts: Mapping[str, int], costs: Costs) -> float:
    """Return what decisions with these counts cost, in ``costs.currency``."""
    return (
        counts["false_positives"] * costs.false_alarm
        + counts["false_negatives"] * costs.missed
        + counts["true_positives"] * costs.caught
    )


def score_histogram(
    scores: Scores, labels: Labels, bins: int = SCORE_BINS
) -> dict[str, NDArray[np.float64]]:
    """Return how many rows score in each of ``bins`` equal parts of [0, 1], by their label.

    Labels may be NaN here: those rows are the ``unlabelled``. ``edges`` has one entry more.

    >>> found = score_histogram(np.array([0.1, 0.9, 0.8]), np.array([0.0, 1.0, np.nan]), bins=2)
    >>> {name: counts.tolist() for name, counts in found.items()}
    {'edges': [0.0, 0.5, 1.0], 'positive': [0, 1], 'negative': [1, 0], 'unlabelled': [0, 1]}
    """
    edges = np.linspace(0, 1, bins + 1)
    sides = {"positive": labels > 0, "negative": labels <= 0, "unlabelled": np.isnan(labels)}
    return {"edges": edges} | {
        name: np.histogram(scores[inside], edges)[0] for name, inside in sides.items()
    }


def lift(labels: Labels, scores: Scores) -> float:
    """Return how many times the base rate the tenth of rows with the highest scores holds.

    Rows that tie at the border count in proportion.
    Raises: SingleClassError where no row is positive.

    >>> lift(np.repeat([1.0, 0.0], [10, 90]), np.repeat([0.9, 0.1], [10, 90])).__round__(6)
    10.0
    """
    if not labels.any():
        raise SingleClassError.of("The lift", positives=0, negatives=len(labels))
    caught, alarms = _falling(labels, scores)
    top = len(labels) * TOP_SHARE
    found = float(np.interp(top, np.append(0, alarms), np.append(0, caught)))
    return found / top / float(np.mean(labels))


def metrics(labels: Labels, scores: Scores, *, threshold: float, costs: Costs) -> dict[str, float]:
    """Return every metric of these rows that is defined, by name.

    Where a class is missing, what needs it is left out (``roc_auc``, ``pr_auc``, ``lift``), and
    with no rows all but the counts. Costs are in ``costs.currency``: ``cost_total`` and
    ``cost_per_row`` of the alarms at ``threshold``, ``cost_never`` of never raising one.

    Args: labels 1.0 and 0.0, probabilities of the same shape.
    """
    counts = confusion(labels, scores, threshold)
    positives = counts["true_positives"] + counts["false_negatives"]
    found: dict[str, float] = {"rows": len(labels), **counts}
    found["cost_total"] = cost(counts, costs)
    found["cost_never"] = positives * costs.missed
    if not len(labels):
        return found
    found |= {
        "cost_per_row": found["cost_total"] / len(labels),
        "base_rate": positives / len(labels),
        "log_loss": log_loss(labels, scores),
        "brier": brier(labels, scores),
        "calibration_error": calibration_error(labels, scores),
    }
    if positives:
        found |= {"pr_auc": average_precision(labels, scores), "lift": lift(labels, scores)}
    if 0 < positives < len(labels):
        found["roc_auc"] = roc_auc(labels, scores)
    return found


def metrics_by_slice(
    slices: Mapping[str, NDArray[Any]],
    measured: Callable[[NDArray[np.bool_]], Mapping[str, float]],
    *,
    least_rows: int,
) -> list[SliceMetrics]:
    """Return the metrics of every value of every slice, in the order of their names.

    Args: ``measured`` returns the metrics of the rows that it is given.
    """
    found = []
    for dimension, value, inside in parts_of(slices):
        rows = int(inside.sum())
        small = rows < least_rows
        found.append(
            SliceMetrics(
                dimension=dimension,
                value=value,
                rows=rows,
                metrics=None if small else measured(inside),
                reason=f"{rows} rows, fewer than {least_rows}" if small else None,
            )
        )
    return found


def parts_of(
    slices: Mapping[str, NDArray[Any]],
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Yield each slice's dimension, value and rows, in the order of their names."""
    for dimension in sorted(slices):
        values = slices[dimension].astype(str)
        for value in np.unique(values):
            yield dimension, str(value), values == value


def _middle_ranks(scores: Scores) -> NDArray[np.float64]:
    """Return how many rows score below each row, those that tie with it counting half."""
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle: NDArray[np.float64] = (np.cumsum(counts) - counts / 2)[place]
    return middle


def _falling(labels: Labels, scores: Scores) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how many positives and how many rows lie at or above each distinct score, falling."""
    _, place, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    return np.cumsum(np.bincount(place, weights=labels)), np.cumsum(counts)
