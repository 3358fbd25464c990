"""What happens to twenty columns between a reference and what came after it; NumPy alone.

The platform and its peers, which live in an environment of their own, see the very same rows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS = 20
ROWS = (1_000, 10_000, 100_000)
SCENES = ("no_drift", "shift", "correlation", "jitter", "outlier")
SHIFT = 0.1
JITTER = 0.02
CORRELATION = 0.3
OUTLIER = 1e6
OUTLIER_SHIFT = 0.5
Z_95 = 1.959964

Values = NDArray[np.float64]


class Pair(NamedTuple):
    """Both samples, each of shape (columns, rows)."""

    reference: Values
    current: Values


def drawn(seed: int, rows: int, trial: int) -> Pair:
    """Return two samples of independent standard normal columns, of as many rows."""
    draw = np.random.default_rng([seed, rows, trial])
    return Pair(draw.standard_normal((COLUMNS, rows)), draw.standard_normal((COLUMNS, rows)))


def scene(name: str, pair: Pair, seed: int, trial: int) -> Pair:
    """Return what becomes of two samples.

    no_drift: nothing. shift: 0.1 sigma in 10 % of the columns. correlation: two columns come to
    correlate by .3, and each alone stays as it was. jitter: every mean wobbles by 0.02 sigma,
    which harms no model. outlier: the reference has one value of a million in a column that then
    shifts by half a sigma.
    """
    if name == "no_drift":
        return pair
    reference, current = pair.reference, pair.current.copy()
    if name == "shift":
        current[: COLUMNS // 10] += SHIFT
    elif name == "correlation":
        current[1] = CORRELATION * current[0] + math.sqrt(1 - CORRELATION**2) * current[1]
    elif name == "jitter":
        draw = np.random.default_rng([seed, trial])
        current += draw.normal(scale=JITTER, size=(COLUMNS, 1))
    else:
        reference = reference.copy()
        reference[0, 0] = OUTLIER
        current[0] += OUTLIER_SHIFT
    return Pair(reference, current)


def wilson(alarms: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927)."""
    rate = alarms / trials
    middle = rate + Z_95**2 / (2 * trials)
    spread = Z_95 * math.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2))
    scale = 1 + Z_95**2 / trials
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


def rated(alarms: int, trials: int) -> dict[str, float]:
    """Return how often a rule raised an alarm, with the interval."""
    lower, upper = wilson(alarms, trials)
    return {
        "trials": trials,
        "alarms": alarms,
        "rate": alarms / trials,
        "rate_lower": lower,
        "rate_upper": upper,
    }
