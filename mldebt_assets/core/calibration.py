"""How scores become probabilities, and probabilities decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, softmax

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Costs

    Values = NDArray[np.float64]

LEAST_SLOPE = 0.01
MOST_SLOPE = 100.0
LEAST_STEP = 1e-12
MOST_STEPS = 100


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
    centre, scale = float(np.mean(scores)), float(np.std(scores))
    if scale > 0:
        slope, intercept = _fit_line((scores - centre) / scale, targets)
        if slope / scale >= LEAST_SLOPE:
            return slope / scale, intercept - slope * centre / scale
    offset = LEAST_SLOPE * (scores - centre)
    _, intercept = _fit_line(np.zeros_like(scores), targets, offset=offset)
    return LEAST_SLOPE, intercept - LEAST_SLOPE * centre


def temperature(logits: NDArray[np.float64], labels: NDArray[np.float64]) -> float:
    """Return what logits, shape (rows, classes), are to be multiplied by to fit the labels best.

    It is one over the temperature, between 0.01 and 100. The loss is convex in it, so the zero of
    its slope is found by halving.
    Source: Guo et al., On calibration of modern neural networks, 2017, with Platt's targets for
    right and wrong, which keep it finite where every row is right. All classes share the one
    number, so all rows count: by class, ten rows each would say that nothing is surer than .92.

    >>> sure = np.array([[4.0, 0.0], [0.0, 4.0]] * 100)
    >>> half_right = np.array([0.0, 1.0, 1.0, 0.0] * 50)
    >>> temperature(sure, half_right) < 0.02
    True
    """
    classes = logits.shape[1]
    hit = labels[:, None] == np.arange(classes)
    rows = len(labels)
    targets = np.where(hit, (rows + 1) / (rows + 2), 1 / ((rows + 2) * (classes - 1)))
    wanted = float((targets * logits).sum(axis=1).mean())
    low, high = LEAST_SLOPE, MOST_SLOPE
    for _ in range(MOST_STEPS):
        middle = (low + high) / 2
        found = float((softmax(middle * logits, axis=1) * logits).sum(axis=1).mean())
        low, high = (low, middle) if found > wanted else (middle, high)
    return (low + high) / 2


def _fit_line(
    scores: Values, targets: Values, *, offset: Values | float = 0.0
) -> tuple[float, float]:
    """Return slope and intercept that minimise the cross-entropy, by damped Newton steps.

    The optimisers of scipy would do it too, but through the kernels of linear algebra that a
    machine happens to have, and the last bit of the weights' hash would depend on them.
    """

    def logits(line: tuple[float, float]) -> Values:
        found: Values = line[0] * scores + line[1] + offset
        return found

    def loss(line: tuple[float, float]) -> float:
        found = logits(line)
        return float(np.mean(np.logaddexp(0, found) - targets * found))

    line = (0.0, 0.0)
    for _ in range(MOST_STEPS):
        probabilities = expit(logits(line))
        step = _newton_step(scores, probabilities - targets, probabilities * (1 - probabilities))
        lowest = loss(line)
        while loss((line[0] - step[0], line[1] - step[1])) > lowest and _size(step) > LEAST_STEP:
            step = (step[0] / 2, step[1] / 2)
        line = (line[0] - step[0], line[1] - step[1])
        if _size(step) <= LEAST_STEP:
            break
    return line


def _size(step: tuple[float, float]) -> float:
    return max(map(abs, step))


def _newton_step(scores: Values, errors: Values, curvature: Values) -> tuple[float, float]:
    """Return what Newton's method takes off slope and intercept; 0 off what does not matter."""
    by_slope, by_intercept = float(np.mean(errors * scores)), float(np.mean(errors))
    both = float(np.mean(curvature * scores))
    of_slope = float(np.mean(curvature * scores**2))
    of_intercept = float(np.mean(curvature))
    determinant = of_slope * of_intercept - both**2
    if determinant <= 0:
        return 0.0, by_intercept / of_intercept if of_intercept else 0.0
    return (
        (of_intercept * by_slope - both * by_intercept) / determinant,
        (of_slope * by_intercept - both * by_slope) / determinant,
    )


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
