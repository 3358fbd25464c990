"""One of two: labels are 1.0 and 0.0, scores are probabilities of a 1, and alarms cost money."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core import evaluation
from mldebt_assets.core.errors import LabelError
from mldebt_assets.core.intervals import group_gain, group_interval, resampled_auc
from mldebt_assets.core.tasks.level import LEVELS
from mldebt_assets.core.tasks.task import Line, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.policies import Costs
    from mldebt_assets.core.tasks.task import Numbers

INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Binary:
    """The task of most pipelines; see :class:`mldebt_assets.core.tasks.task.Task`."""

    kind = "binary"
    classes: tuple[str, ...] = ()
    level = LEVELS["binary"]
    outputs = 1
    loss_name = "log_loss"
    answer = "probability"

    precise = False

    def unit(self, slope: float) -> float:  # noqa: ARG002
        """Return 1: scores are probabilities."""
        return 1.0

    def check(self, labels: pd.Series[Any], pipeline: str) -> pd.Series[Any]:
        """Return labels as they are stored. Raises: LabelError for any but 1, 0 and none."""
        strange = int((labels.notna() & ~labels.isin([0, 1])).sum())
        if strange:
            raise LabelError.of(pipeline, strange, len(labels), "1.0, 0.0 or NaN for no label")
        return labels

    def numbers(self, labels: pd.Series[Any]) -> Numbers:
        """Return the labels as they are stored."""
        return labels.to_numpy()

    def lacking(self, labels: Numbers, rows: str) -> str | None:
        """Return how many rows are positive, where that is none or all."""
        positives = int((labels > 0).sum())
        if 0 < positives < len(labels):
            return None
        return f"{positives:,} of {len(labels):,} {rows} rows are positive"

    def unlearnable(self, labels: Numbers) -> str | None:
        """Return how many rows have the label 1, where that is none or all."""
        positives = int((labels == 1).sum())
        return None if 0 < positives < len(labels) else f"{positives} have the label 1"

    def start(self, labels: Numbers) -> Line:  # noqa: ARG002
        """Return the line that changes nothing: logits need no scale."""
        return Line(slope=1.0, intercept=0.0)

    def begin_at(self, labels: Numbers) -> Sequence[float]:  # noqa: ARG002
        """Return nothing: Platt's line finds the share of the labels."""
        return ()

    def targets(self, labels: Numbers, start: Line) -> NDArray[Any]:  # noqa: ARG002
        """Return the labels."""
        return labels.astype(np.float32)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of logits."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        return binary_cross_entropy_with_logits(outputs, targets)

    def calibrated(self, outputs: Numbers, labels: Numbers, start: Line) -> Line:  # noqa: ARG002
        """Return Platt's line."""
        from mldebt_assets.core.calibration import platt

        slope, intercept = platt(outputs, labels)
        return Line(slope=slope, intercept=intercept)

    def link(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities of logits."""
        return outputs.sigmoid()

    def rule(self, scores: Numbers, labels: Numbers, costs: Costs | None) -> Rule:
        """Return the threshold that costs least. Args: costs, which a binary target declares."""
        from mldebt_assets.core.calibration import cheapest_threshold

        if costs is None:
            raise TypeError("a binary target without costs")
        return Rule(threshold=cheapest_threshold(scores, labels, costs))

    def simple_models(self) -> tuple[Any, Sequence[Mapping[str, float]]]:
        """Return logistic regressions, the strongest penalty first."""
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(tol=1e-3, max_iter=200, warm_start=True)
        return regression, [{"C": inverse} for inverse in INVERSE_PENALTIES]

    def simple_scores(self, estimator: Any, table: Any) -> Numbers:
        """Return the probabilities of a 1."""
        return np.asarray(estimator.predict_proba(table)[:, 1], dtype=np.float64)

    def mean_loss(self, labels: Numbers, scores: Numbers) -> float:
        """Return the log loss."""
        return evaluation.log_loss(labels, scores)

    def likelihood(self, labels: Numbers, scores: Numbers) -> Numbers:
        """Return the probability of each row's label."""
        return labels * scores + (1 - labels) * (1 - scores)

    def measure(self, labels: Numbers, scores: Numbers) -> float:
        """Return the ROC AUC. Raises: SingleClassError."""
        return evaluation.roc_auc(labels, scores)

    def interval(
        self, labels: Numbers, scores: Numbers, groups: NDArray[Any], **settings: Any
    ) -> Interval:
        """Return the interval of the ROC AUC. Raises: SingleClassError."""
        return group_interval(labels, scores, groups, **settings)

    def resampled(
        self,
        labels: Numbers,
        scores: Numbers,
        groups: NDArray[Any],
        inside: NDArray[np.bool_],
        **settings: Any,
    ) -> Numbers:
        """Return the ROC AUC of the rows ``inside`` in each resample of all groups."""
        return resampled_auc(labels, scores, groups, inside, **settings)

    def gain(
        self,
        labels: Numbers,
        candidate: Numbers,
        incumbent: Numbers,
        groups: NDArray[Any],
        **settings: Any,
    ) -> Interval:
        """Return the interval of the gain in ROC AUC. Raises: SingleClassError."""
        return group_gain(labels, candidate, incumbent, groups, **settings)

    def metrics(
        self, labels: Numbers, scores: Numbers, rule: Rule, costs: Costs | None
    ) -> dict[str, float]:
        """Return the metrics of ranking, probability and money."""
        if costs is None or rule.threshold is None:
            raise TypeError("binary metrics without costs or threshold")
        return evaluation.metrics(labels, scores, threshold=rule.threshold, costs=costs)

    def drawings(self, labels: Numbers, scores: Numbers) -> dict[str, dict[str, Any]]:
        """Return the ROC and calibration curves, and how many rows score how high."""
        return {
            "curves": {
                "roc": _plain(evaluation.roc_curve(labels, scores)),
                "calibration": _plain(evaluation.calibration_curve(labels, scores)),
            },
            "scores": _plain(evaluation.score_histogram(scores, labels)),
        }

    def served(self, scores: Numbers, rule: Rule) -> dict[str, NDArray[Any]]:
        """Return the score and the alarm of each row."""
        if rule.threshold is None:
            raise TypeError("binary decisions without a threshold")
        return {"score": scores, "decision": scores >= rule.threshold}

    score_columns = ("score",)

    def outcomes(self, labels: pd.Series[Any]) -> pd.Series[Any]:
        """Return the labels as text."""
        return labels.map({0.0: "0", 1.0: "1"}).astype(object)

    def alarms_in(self, predictions: pd.DataFrame) -> NDArray[np.bool_] | None:
        """Return the decisions."""
        return predictions["decision"].to_numpy()

    def scores_in(self, predictions: pd.DataFrame) -> Numbers:
        """Return the scores."""
        return predictions["score"].to_numpy()

    def rule_in(self, predictions: pd.DataFrame) -> Rule:
        """Return the lowest score that raised an alarm as threshold; without one it is infinite."""
        alarms = predictions["decision"].to_numpy(dtype=bool)
        return Rule(threshold=evaluation.threshold_of(self.scores_in(predictions), alarms))

    def base_rate(self, labels: Numbers) -> float | None:
        """Return the share of rows with the label 1; None where there are none."""
        return float(labels.mean()) if len(labels) else None

    def summary(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the share of alarms and the mean score."""
        return {
            "alarm_rate": float(predictions["decision"].mean()),
            "mean_score": float(self.scores_in(predictions).mean()),
        }

    def aligned(self, scores: Numbers, classes: tuple[str, ...]) -> Numbers:  # noqa: ARG002
        """Return the scores: no binary model has classes of its own."""
        return scores


BINARY = Binary()


def _plain(points: Mapping[str, NDArray[Any]]) -> dict[str, list[float]]:
    return {axis: values.tolist() for axis, values in points.items()}
