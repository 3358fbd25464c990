"""How scores become probabilities, and probabilities decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Costs

LEAST_SLOPE = 0.01


def platt(scores: NDArray[np.float64], labels: NDArray[np.float64]) -> tuple[float, float]:
    """Return slope and intercept of the line through the logits that fits the labels best.

    The slope is at least 0.01: calibration never turns a model's order around.
    Source: Platt, Probabilistic outputs for support vector machines, 1999, with his targets,
    which keep the line finite where the scores part the labels without fault.

    >>> slope, intercept = platt(np.array([-2.0, 2.0] * 500), np.array([0.0, 1.0] * 500))
    >>> slope > 2
    True
    """
    positive = float(labels.sum())
    negative = len(labels) - positive
    targets = np.where(labels > 0, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = line[0] * scores + line[1]
        errors = expit(logits) - targets
        entropy = np.logaddexp(0, logits) - targets * logits
        return float(entropy.mean()), np.array([(errors * scores).mean(), errors.mean()])

    found = minimize(
        loss, [1.0, 0.0], jac=True, method="L-BFGS-B", bounds=[(LEAST_SLOPE, None), (None, None)]
    )
    return float(found.x[0]), float(found.x[1])


def cheapest_threshold(
    probabilities: NDArray[np.float64], labels: NDArray[np.float64], costs: Costs
) -> float:
    """Return the probability from which on raising an alarm costs least on these rows.

    An alarm is raised at or above it. It lies halfway between two probabilities that occurred, so
    that no rounding decides; above 1 an alarm never pays.

    >>> from mldebt_assets.core.policies import Costs
    >>> costs = Costs(false_alarm=1.0, missed=3.0)
    >>> cheapest_threshold(np.array([0.125, 0.25, 0.5]), np.array([0.0, 0.0, 1.0]), costs)
    0.375
    """
    order = np.argsort(-probabilities, kind="stable")
    falling = probabilities[order]
    change = np.where(labels[order] > 0, costs.caught - costs.missed, costs.false_alarm)
    cost = np.concatenate([[0.0], np.cumsum(change)])
    between = np.concatenate([[True], falling[1:] < falling[:-1], [True]])
    alarms = int(np.flatnonzero(between)[np.argmin(cost[between])])
    if alarms == 0:
        return float(np.nextafter(1.0, 2.0))
    below = falling[alarms] if alarms < len(falling) else 0.0
    return float((falling[alarms - 1] + below) / 2)
