"""What a task must know, in the order in which a model's life asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import NDArray

    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.policies import Costs
    from mldebt_assets.core.tasks.level import Level

    Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Line:
    """What a network's scores are multiplied by, and what is added then."""

    slope: float
    intercept: float


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How a score becomes a decision, as far as a task has such a number.

    At or above ``threshold`` an alarm is raised; ``half_width`` is how far an interval reaches to
    either side of a value.
    """

    threshold: float | None = None
    half_width: float | None = None


class Task(Protocol):
    """One kind of answer. Labels are ``numbers`` throughout, without NaN; see the package."""

    @property
    def kind(self) -> str:
        """How a target declares it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers; none where it has none."""

    @property
    def level(self) -> Level:
        """What models are compared by."""

    @property
    def outputs(self) -> int:
        """How many numbers the network gives a row."""

    @property
    def loss_name(self) -> str:
        """What the network minimises, as its metrics are called."""

    @property
    def answer(self) -> str:
        """What the ONNX export calls its output."""

    @property
    def precise(self) -> bool:
        """Whether scores need float64, since they may be large beside what they differ by."""

    def unit(self, slope: float) -> float:
        """Return by how much two scores differ that are far apart; ``slope`` is the line's."""

    def check(self, labels: pd.Series[Any], pipeline: str) -> pd.Series[Any]:
        """Return labels as they are stored. Raises: LabelError where one is none of the task's."""

    def numbers(self, labels: pd.Series[Any]) -> Numbers:
        """Return stored labels as numbers, NaN for no label. Raises: LabelError."""

    def lacking(self, labels: Numbers, rows: str) -> str | None:
        """Return why no level is defined on these ``rows`` ("held-out"), None where one is."""

    def unlearnable(self, labels: Numbers) -> str | None:
        """Return why no model can learn from rows with these labels, None where one can."""

    def start(self, labels: Numbers) -> Line:
        """Return the line before calibration; the network learns what it turns into labels."""

    def begin_at(self, labels: Numbers) -> Sequence[float]:
        """Return what is added to the network's first outputs; nothing where 0 is as good."""

    def targets(self, labels: Numbers, start: Line) -> NDArray[Any]:
        """Return what the network is to give, in the type that its loss takes."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the mean loss of a batch of rows, to be minimised."""

    def calibrated(self, outputs: Numbers, labels: Numbers, start: Line) -> Line:
        """Return the line that fits tuning rows best; no line turns the order of scores around."""

    def link(self, outputs: torch.Tensor) -> torch.Tensor:
        """Return scores of outputs that have gone through the line."""

    def rule(self, scores: Numbers, labels: Numbers, costs: Costs | None) -> Rule:
        """Return how decisions are best made on tuning rows."""

    def simple_models(self) -> tuple[Any, Sequence[Mapping[str, float]]]:
        """Return the baseline's estimator, and the penalties that it is to choose from."""

    def simple_scores(self, estimator: Any, table: Any) -> Numbers:
        """Return the scores of a fitted baseline."""

    def mean_loss(self, labels: Numbers, scores: Numbers) -> float:
        """Return the loss of scores, by which the baseline's penalty is chosen."""

    def likelihood(self, labels: Numbers, scores: Numbers) -> Numbers:
        """Return how likely each row's label is by its scores, up to one factor for all rows."""

    def measure(self, labels: Numbers, scores: Numbers) -> float:
        """Return the level of these scores. Raises: SingleClassError where ``lacking``."""

    def interval(
        self, labels: Numbers, scores: Numbers, groups: NDArray[Any], **settings: Any
    ) -> Interval:
        """Return the bootstrap interval of the level over whole groups."""

    def resampled(
        self,
        labels: Numbers,
        scores: Numbers,
        groups: NDArray[Any],
        inside: NDArray[np.bool_],
        **settings: Any,
    ) -> Numbers:
        """Return the level of the rows ``inside`` in each resample of all groups.

        It is NaN where none is defined. Equal settings (``rounds``, ``seed``) resample alike,
        whichever rows are inside.
        """

    def gain(
        self,
        labels: Numbers,
        candidate: Numbers,
        incumbent: Numbers,
        groups: NDArray[Any],
        **settings: Any,
    ) -> Interval:
        """Return the paired bootstrap interval of the candidate's gain over whole groups."""

    def metrics(
        self, labels: Numbers, scores: Numbers, rule: Rule, costs: Costs | None
    ) -> dict[str, float]:
        """Return every metric that is defined on these rows, by name; the level under its key."""

    def drawings(self, labels: Numbers, scores: Numbers) -> dict[str, dict[str, Any]]:
        """Return the points of what is drawn of a model, as plain lists, by the picture's part."""

    def served(self, scores: Numbers, rule: Rule) -> dict[str, NDArray[Any]]:
        """Return the columns of predictions; ``score`` is among them."""

    @property
    def score_columns(self) -> tuple[str, ...]:
        """The columns of ``served`` whose drift is told."""

    def outcomes(self, labels: pd.Series[Any]) -> pd.Series[Any]:
        """Return stored labels as their drift is told: text for classes, numbers for values."""

    def alarms_in(self, predictions: pd.DataFrame) -> NDArray[np.bool_] | None:
        """Return which rows raised an alarm, as the columns of ``served`` hold it."""

    def scores_in(self, predictions: pd.DataFrame) -> Numbers:
        """Return the scores that the columns of ``served`` hold."""

    def rule_in(self, predictions: pd.DataFrame) -> Rule:
        """Return a rule that repeats the decisions that the columns of ``served`` hold."""

    def base_rate(self, labels: Numbers) -> float | None:
        """Return the share of rows with the label 1; None where no label is, or there are none."""

    def summary(self, predictions: pd.DataFrame) -> dict[str, float]:
        """Return a few numbers of the columns of ``served`` of which a trend is worth drawing."""

    def aligned(self, scores: Numbers, classes: tuple[str, ...]) -> Numbers:
        """Return the scores of a model of other ``classes`` as scores of this task's."""
