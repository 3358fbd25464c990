"""A number: scores are values with an interval around them, and large errors weigh most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.errors import LabelError, SingleClassError
from mldebt_assets.core.tasks.level import LEVELS
from mldebt_assets.core.tasks.skill import Skill
from mldebt_assets.core.tasks.task import Line, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.policies import Costs
    from mldebt_assets.core.tasks.task import Numbers

PENALTIES = (1000.0, 100.0, 10.0, 1.0)
INTERVAL_SHARE = 0.9
"""How many values the interval of a prediction is to hold."""

FIT_BINS = 15
ERROR_BINS = 40
LEAST_VALUES = 2


@dataclass(frozen=True)
class Regression:
    """A number; see :class:`mldebt_assets.core.tasks.task.Task`."""

    kind = "regression"
    classes: tuple[str, ...] = ()
    level = LEVELS["regression"]
    outputs = 1
    loss_name = "squared_error"
    answer = "value"

    precise = True

    def unit(self, slope: float) -> float:
        """Return the spread of the labels that were learned from."""
        return slope

    def check(self, labels: pd.Series[Any], pipeline: str) -> pd.Series[Any]:
        """Return labels as float64. Raises: LabelError for what is no finite number."""
        import pandas as pd

        found = pd.to_numeric(labels, errors="coerce").astype("float64")
        strange = int((labels.notna() & ~np.isfinite(found)).sum())
        if strange:
            raise LabelError.of(pipeline, strange, len(labels), "a finite number, or NaN for none")
        return found

    def numbers(self, labels: pd.Series[Any]) -> Numbers:
        """Return the labels as they are stored."""
        return labels.to_numpy(dtype=np.float64)

    def lacking(self, labels: Numbers, rows: str) -> str | None:
        """Return that all rows have one value, where they have, or that there are none."""
        found = len(np.unique(labels))
        if found >= LEAST_VALUES:
            return None
        return f"{len(labels):,} {rows} rows hold {found} different values"

    def unlearnable(self, labels: Numbers) -> str | None:
        """Return how many different values there are, where they are fewer than two."""
        found = len(np.unique(labels))
        return None if found >= LEAST_VALUES else f"all have {found} different values"

    def start(self, labels: Numbers) -> Line:
        """Return the spread and the mean of the labels: the network learns standard scores."""
        return Line(slope=float(labels.std()), intercept=float(labels.mean()))

    def begin_at(self, labels: Numbers) -> Sequence[float]:  # noqa: ARG002
        """Return nothing: the mean of standard scores is 0."""
        return ()

    def targets(self, labels: Numbers, start: Line) -> NDArray[Any]:
        """Return standard scores."""
        return ((labels - start.intercept) / start.slope).astype(np.float32)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error."""
        from torch.nn.functional import mse_loss

        return mse_loss(outputs, targets)

    def calibrated(self, outputs: Numbers, labels: Numbers, start: Line) -> Line:  # noqa: ARG002
        """Return the line that turns standard scores back into values."""
        return start

    def link(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return the values as they are."""
        return outputs

    def rule(self, scores: Numbers, labels: Numbers, costs: Costs | None) -> Rule:  # noqa: ARG002
        """Return the half width of an interval that is to hold 90 % of the values.

        Source: split conformal prediction (Lei et al., Distribution-free predictive inference for
        regression, 2018) on the tuning rows, of which there must be nine; with fewer it is the
        largest error, and holds less. They chose the epoch too, so it is a little narrow.
        """
        errors = np.sort(np.abs(labels - scores))
        place = int(np.ceil((len(errors) + 1) * INTERVAL_SHARE)) - 1
        return Rule(half_width=float(errors[min(place, len(errors) - 1)]))

    def simple_models(self) -> tuple[Any, Sequence[Mapping[str, float]]]:
        """Return ridge regressions, the strongest penalty first."""
        from sklearn.linear_model import Ridge

        return Ridge(), [{"alpha": penalty} for penalty in PENALTIES]

    def simple_scores(self, estimator: Any, table: Any) -> Numbers:
        """Return the values."""
        return np.asarray(estimator.predict(table), dtype=np.float64)

    def mean_loss(self, labels: Numbers, scores: Numbers) -> float:
        """Return the mean squared error."""
        return float(np.mean((labels - scores) ** 2))

    def likelihood(self, labels: Numbers, scores: Numbers) -> Numbers:
        """Return the density of each row's error, as if errors were normal and equally wide."""
        errors = labels - scores
        width = float(np.sqrt(np.mean(errors**2))) or 1.0
        return np.exp(-((errors / width) ** 2) / 2)

    def measure(self, labels: Numbers, scores: Numbers) -> float:
        """Return R². Raises: SingleClassError where all values are equal."""
        return self._skill(labels).point((labels - scores) ** 2)

    def interval(
        self, labels: Numbers, scores: Numbers, groups: NDArray[Any], **settings: Any
    ) -> Interval:
        """Return the interval of R². Raises: SingleClassError."""
        return self._skill(labels).interval((labels - scores) ** 2, groups, **settings)

    def resampled(
        self,
        labels: Numbers,
        scores: Numbers,
        groups: NDArray[Any],
        inside: NDArray[np.bool_],
        **settings: Any,
    ) -> Numbers:
        """Return R² of the rows ``inside`` in each resample of all groups."""
        return self._skill(labels).resampled((labels - scores) ** 2, groups, inside, **settings)

    def gain(
        self,
        labels: Numbers,
        candidate: Numbers,
        incumbent: Numbers,
        groups: NDArray[Any],
        **settings: Any,
    ) -> Interval:
        """Return the interval of the gain in R². Raises: SingleClassError."""
        ours, theirs = (labels - candidate) ** 2, (labels - incumbent) ** 2
        return self._skill(labels).gain(ours, theirs, groups, **settings)

    def metrics(
        self,
        labels: Numbers,
        scores: Numbers,
        rule: Rule,
        costs: Costs | None,  # noqa: ARG002
    ) -> dict[str, float]:
        """Return errors in the target's unit, R², and the share of values inside the interval."""
        found: dict[str, float] = {"rows": len(labels)}
        if not len(labels):
            return found
        errors = scores - labels
        found |= {
            "mean_label": float(labels.mean()),
            "mean_error": float(errors.mean()),
            "mean_absolute_error": float(np.abs(errors).mean()),
            "root_mean_squared_error": float(np.sqrt((errors**2).mean())),
        }
        if rule.half_width is not None:
            found |= {
                "interval_half_width": rule.half_width,
                "interval_coverage": float((np.abs(errors) <= rule.half_width).mean()),
            }
        if self.lacking(labels, "judged") is None:
            found[self.level.key] = self.measure(labels, scores)
        return found

    def drawings(self, labels: Numbers, scores: Numbers) -> dict[str, dict[str, Any]]:
        """Return mean label by mean value in bins of about equal rows, and how errors spread."""
        order = np.argsort(scores, kind="stable")
        parts = [part for part in np.array_split(order, FIT_BINS) if len(part)]
        errors = scores - labels
        counts, edges = np.histogram(errors, ERROR_BINS)
        return {
            "curves": {
                "fit": {
                    "predicted": [float(scores[part].mean()) for part in parts],
                    "observed": [float(labels[part].mean()) for part in parts],
                    "rows": [float(len(part)) for part in parts],
                }
            },
            "errors": {"edges": edges.tolist(), "rows": counts.tolist()},
        }

    def served(self, scores: Numbers, rule: Rule) -> dict[str, NDArray[Any]]:
        """Return the value of each row and the ends of its interval."""
        half_width = rule.half_width or 0.0
        return {"score": scores, "lower": scores - half_width, "upper": scores + half_width}

    score_columns = ("score",)

    def outcomes(self, labels: pd.Series[Any]) -> pd.Series[Any]:
        """Return the labels as they are stored."""
        return labels

    def alarms_in(self, predictions: pd.DataFrame) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """Return None: no alarm is raised."""
        return None

    def scores_in(self, predictions: pd.DataFrame) -> Numbers:
        """Return the values."""
        return predictions["score"].to_numpy()

    def rule_in(self, predictions: pd.DataFrame) -> Rule:
        """Return the half width of the intervals, which is the same in every row."""
        if not len(predictions):
            return Rule()
        return Rule(half_width=float((predictions["upper"] - predictions["score"]).median()))

    def base_rate(self, labels: Numbers) -> float | None:  # noqa: ARG002
        """Return None: no label is 1 more than another."""
        return None

    def summary(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the mean and the spread of the values."""
        scores = self.scores_in(predictions)
        return {"mean_score": float(scores.mean()), "score_deviation": float(scores.std())}

    def aligned(self, scores: Numbers, classes: tuple[str, ...]) -> Numbers:  # noqa: ARG002
        """Return the values."""
        return scores

    def _skill(self, labels: Numbers) -> Skill:
        """Return what the squared error of the rows' own mean is held against."""
        if self.lacking(labels, "judged") is not None:
            raise SingleClassError.of_rows(self.level.name, self.lacking(labels, "judged") or "")
        away = labels - labels.mean()
        return Skill(np.column_stack([np.ones_like(away), away, away**2]), _spread)


def _spread(sums: Numbers) -> Numbers:
    """Return the squared error of the mean over all rows, from their count, sum and squares."""
    rows, first, second = sums.T
    spread: Numbers = second - first**2 / rows
    return spread
