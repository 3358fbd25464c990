"""One of several: labels are names of classes, scores a probability for each of them.

The classes are declared, not found: their order is that of the probabilities in every version, and
a class that only the newest rows hold is a change of the declaration, not of a model's meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.calibration import temperature
from mldebt_assets.core.errors import LabelError, SingleClassError
from mldebt_assets.core.evaluation import calibration_curve, roc_auc
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

INVERSE_PENALTIES = (0.001, 0.01, 0.1, 1.0)
LEAST_PROBABILITY = 1e-15
COLUMN = "probability_"
LEAST_CLASSES = 2


@dataclass(frozen=True)
class MultiClass:
    """One of ``classes``; see :class:`mldebt_assets.core.tasks.task.Task`."""

    classes: tuple[str, ...]
    kind = "multiclass"
    level = LEVELS["multiclass"]
    loss_name = "log_loss"
    answer = "probabilities"

    @property
    def outputs(self) -> int:
        """A logit a class."""
        return len(self.classes)

    precise = False

    def unit(self, slope: float) -> float:  # noqa: ARG002
        """Return 1: scores are probabilities."""
        return 1.0

    def check(self, labels: pd.Series[Any], pipeline: str) -> pd.Series[Any]:
        """Return the names as text. Raises: LabelError for one that is not declared."""
        import pandas as pd

        names = [
            str(label) if known else None
            for label, known in zip(labels, labels.notna(), strict=True)
        ]
        strange = sum(name is not None and name not in self.classes for name in names)
        if strange:
            asked = f"one of the {len(self.classes)} declared classes, or None for no label"
            raise LabelError.of(pipeline, strange, len(labels), asked)
        return pd.Series(names, index=labels.index, dtype=object)

    def numbers(self, labels: pd.Series[Any]) -> Numbers:
        """Return each name's place among the classes. Raises: LabelError."""
        places: dict[Any, float] = {name: number for number, name in enumerate(self.classes)}
        names = self.check(labels, "the pipeline")
        return np.array([places.get(name, np.nan) for name in names], dtype=np.float64)

    def lacking(self, labels: Numbers, rows: str) -> str | None:
        """Return that all rows are of one class, where they are, or that there are none."""
        found = len(np.unique(labels))
        if found >= LEAST_CLASSES:
            return None
        return f"{len(labels):,} {rows} rows hold {found} of {len(self.classes)} classes"

    def unlearnable(self, labels: Numbers) -> str | None:
        """Return how many classes there are, where they are fewer than two."""
        found = len(np.unique(labels))
        if found >= LEAST_CLASSES:
            return None
        return f"all are of {found} of the {len(self.classes)} classes"

    def start(self, labels: Numbers) -> Line:  # noqa: ARG002
        """Return the line that changes nothing: logits need no scale."""
        return Line(slope=1.0, intercept=0.0)

    def begin_at(self, labels: Numbers) -> Sequence[float]:
        """Return the logits of the classes' shares, each class counted once more than it is.

        No temperature makes up for shares that a short training has not learned.
        """
        counts = np.bincount(labels.astype(np.int64), minlength=len(self.classes)) + 1.0
        return tuple(float(log) for log in np.log(counts / counts.sum()))

    def targets(self, labels: Numbers, start: Line) -> NDArray[Any]:  # noqa: ARG002
        """Return the places of the classes as whole numbers."""
        return labels.astype(np.int64)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross-entropy of logits."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, targets)

    def calibrated(self, outputs: Numbers, labels: Numbers, start: Line) -> Line:
        """Return what the logits are to be multiplied by: one over the temperature."""
        return Line(slope=temperature(outputs, labels), intercept=start.intercept)

    def link(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities of logits."""
        return outputs.softmax(dim=-1)

    def rule(self, scores: Numbers, labels: Numbers, costs: Costs | None) -> Rule:  # noqa: ARG002
        """Return no number: the likeliest class is the answer."""
        return Rule()

    def simple_models(self) -> tuple[Any, Sequence[Mapping[str, float]]]:
        """Return multinomial logistic regressions, the strongest penalty first."""
        from sklearn.linear_model import LogisticRegression

        regression = LogisticRegression(tol=1e-3, max_iter=200, warm_start=True)
        return regression, [{"C": inverse} for inverse in INVERSE_PENALTIES]

    def simple_scores(self, estimator: Any, table: Any) -> Numbers:
        """Return a probability for each class; 0 for one that the estimator has never seen."""
        found = np.zeros((table.shape[0], len(self.classes)))
        found[:, estimator.classes_.astype(np.int64)] = estimator.predict_proba(table)
        return found

    def mean_loss(self, labels: Numbers, scores: Numbers) -> float:
        """Return the log loss."""
        return float(_losses(labels, scores).mean())

    def likelihood(self, labels: Numbers, scores: Numbers) -> Numbers:
        """Return the probability of each row's class."""
        return np.exp(-_losses(labels, scores))

    def measure(self, labels: Numbers, scores: Numbers) -> float:
        """Return the log loss skill. Raises: SingleClassError where all rows are of one class."""
        return self._skill(labels).point(_losses(labels, scores))

    def interval(
        self, labels: Numbers, scores: Numbers, groups: NDArray[Any], **settings: Any
    ) -> Interval:
        """Return the interval of the log loss skill. Raises: SingleClassError."""
        return self._skill(labels).interval(_losses(labels, scores), groups, **settings)

    def resampled(
        self,
        labels: Numbers,
        scores: Numbers,
        groups: NDArray[Any],
        inside: NDArray[np.bool_],
        **settings: Any,
    ) -> Numbers:
        """Return the log loss skill of the rows ``inside`` in each resample of all groups."""
        return self._skill(labels).resampled(_losses(labels, scores), groups, inside, **settings)

    def gain(
        self,
        labels: Numbers,
        candidate: Numbers,
        incumbent: Numbers,
        groups: NDArray[Any],
        **settings: Any,
    ) -> Interval:
        """Return the interval of the gain in log loss skill. Raises: SingleClassError."""
        ours, theirs = _losses(labels, candidate), _losses(labels, incumbent)
        return self._skill(labels).gain(ours, theirs, groups, **settings)

    def metrics(
        self,
        labels: Numbers,
        scores: Numbers,
        rule: Rule,  # noqa: ARG002
        costs: Costs | None,  # noqa: ARG002
    ) -> dict[str, float]:
        """Return rows, errors, accuracy, probabilities, and each class's recall and precision.

        ``balanced_accuracy`` is the mean recall of the classes that are there, ``macro_roc_auc``
        the mean ROC AUC of each against the rest.
        """
        found: dict[str, float] = {"rows": len(labels)}
        if not len(labels):
            return found
        confusion = self._confusion(labels, scores)
        right, actual, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
        present = actual > 0
        found |= {
            "errors": float(len(labels) - right.sum()),
            "accuracy": float(right.sum() / len(labels)),
            "balanced_accuracy": float(np.mean(right[present] / actual[present])),
            "largest_class": float(actual.max() / len(labels)),
            "log_loss": self.mean_loss(labels, scores),
            "brier": float(np.mean(((scores - _one_hot(labels, scores)) ** 2).sum(axis=1))),
            "calibration_error": _gap(self._calibration(labels, scores)),
        }
        for number, name in enumerate(self.classes):
            if actual[number]:
                found[f"recall_{name}"] = float(right[number] / actual[number])
            if predicted[number]:
                found[f"precision_{name}"] = float(right[number] / predicted[number])
        if self.lacking(labels, "judged") is None:
            aucs = [
                roc_auc((labels == number).astype(np.float64), scores[:, number])
                for number in np.flatnonzero(present)
            ]
            found |= {
                "macro_roc_auc": float(np.mean(aucs)),
                self.level.key: self.measure(labels, scores),
            }
        return found

    def drawings(self, labels: Numbers, scores: Numbers) -> dict[str, dict[str, Any]]:
        """Return how sure the answers are and how often right, and which classes are confused."""
        curve = self._calibration(labels, scores)
        return {
            "curves": {"calibration": {axis: points.tolist() for axis, points in curve.items()}},
            "confusion": {
                "classes": list(self.classes),
                "rows": self._confusion(labels, scores).tolist(),
            },
        }

    def served(self, scores: Numbers, rule: Rule) -> dict[str, NDArray[Any]]:  # noqa: ARG002
        """Return the likeliest class as decision, its probability as score, and all of them."""
        names = np.array([*self.classes, ""], dtype=object)
        likeliest = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
        columns = {COLUMN + name: scores[:, number] for number, name in enumerate(self.classes)}
        return {"score": scores.max(axis=1, initial=0.0), "decision": names[likeliest], **columns}

    @property
    def score_columns(self) -> tuple[str, ...]:
        """The probability of each class."""
        return tuple(COLUMN + name for name in self.classes)

    def outcomes(self, labels: pd.Series[Any]) -> pd.Series[Any]:
        """Return the names of the classes."""
        return labels

    def alarms_in(self, predictions: pd.DataFrame) -> NDArray[np.bool_] | None:  # noqa: ARG002
        """Return None: no alarm is raised."""
        return None

    def scores_in(self, predictions: pd.DataFrame) -> Numbers:
        """Return the probabilities of the declared classes; 0 for one that was not known then."""
        none = np.zeros(len(predictions))
        named = [COLUMN + name for name in self.classes]
        return np.column_stack(
            [predictions[name].to_numpy() if name in predictions else none for name in named]
        )

    def rule_in(self, predictions: pd.DataFrame) -> Rule:  # noqa: ARG002
        """Return no number: the likeliest class was the answer."""
        return Rule()

    def base_rate(self, labels: Numbers) -> float | None:  # noqa: ARG002
        """Return None: no label is 1 more than another."""
        return None

    def summary(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return the mean probability of the answers, and the share of rows of each."""
        shares = {
            f"share_{name}": float((predictions["decision"] == name).mean())
            for name in self.classes
        }
        return {"mean_score": float(predictions["score"].mean()), **shares}

    def aligned(self, scores: Numbers, classes: tuple[str, ...]) -> Numbers:
        """Return the probabilities by this task's classes; 0 where the model knows no such one."""
        none = np.zeros(len(scores))
        places = {name: number for number, name in enumerate(classes)}
        return np.column_stack(
            [scores[:, places[name]] if name in places else none for name in self.classes]
        )

    def _skill(self, labels: Numbers) -> Skill:
        """Return what the log loss of the rows' own shares of the classes is held against."""
        if self.lacking(labels, "judged") is not None:
            raise SingleClassError.of_rows(self.level.name, self.lacking(labels, "judged") or "")
        facts = (labels[:, None] == np.arange(len(self.classes))).astype(np.float64)
        return Skill(facts, _entropy)

    def _confusion(self, labels: Numbers, scores: Numbers) -> NDArray[np.int64]:
        """Return how many rows of each class, by line, were taken for which, by column."""
        size = len(self.classes)
        pairs = labels.astype(np.int64) * size + scores.argmax(axis=1)
        return np.bincount(pairs, minlength=size * size).reshape(size, size)

    def _calibration(self, labels: Numbers, scores: Numbers) -> dict[str, Numbers]:
        right = (scores.argmax(axis=1) == labels).astype(np.float64)
        return calibration_curve(right, scores.max(axis=1))


def _losses(labels: Numbers, scores: Numbers) -> Numbers:
    """Return each row's negative log likelihood in nats."""
    likely = np.take_along_axis(scores, labels.astype(np.int64)[:, None], axis=1)[:, 0]
    losses: Numbers = -np.log(np.clip(likely, LEAST_PROBABILITY, 1.0))
    return losses


def _entropy(counts: Numbers) -> Numbers:
    """Return the log loss, over all rows, of the shares of the classes; counts, shape (n, k)."""
    total = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(total > 0, total, 1.0)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    entropy: Numbers = -(counts * logs).sum(axis=1)
    return entropy


def _one_hot(labels: Numbers, scores: Numbers) -> Numbers:
    made: Numbers = (labels[:, None] == np.arange(scores.shape[1])).astype(np.float64)
    return made


def _gap(curve: Mapping[str, Numbers]) -> float:
    return float(np.average(np.abs(curve["observed"] - curve["predicted"]), weights=curve["rows"]))
