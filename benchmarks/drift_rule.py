"""How often the drift rule wakes someone, rightly and for nothing.

Twenty numeric columns, as many current rows as reference rows. Three scenes: fresh rows of the
same kind (every alarm is false), a shift of 0.1 sigma in two columns (every silence is a miss),
and a wobble of 0.02 sigma in every column, which harms no model (every alarm is a nuisance).

    python -m benchmarks.drift_rule [--trials 300] [--seed 1]

Samples of 100,000 rows get a fifth of the trials. Writes benchmarks/results/drift_rule.json.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.machine import keep
from mldebt_assets.core.drift.rule import judge
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

COLUMNS = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(20))
ROWS = {1_000: 1.0, 10_000: 1.0, 100_000: 0.2}
"""Rows of each sample, and the share of the trials that it gets."""

Z_95 = 1.959964


class Scene(NamedTuple):
    """What happens to the means, in sigma: a shift of two columns, and a wobble of every one."""

    shift: float
    wobble: float


SCENES = {
    "no_drift": Scene(shift=0.0, wobble=0.0),
    "shift": Scene(shift=0.1, wobble=0.0),
    "jitter": Scene(shift=0.0, wobble=0.02),
}


def wilson(alarms: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (Wilson 1927)."""
    rate = alarms / trials
    middle = rate + Z_95**2 / (2 * trials)
    spread = Z_95 * math.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2))
    scale = 1 + Z_95**2 / trials
    return max((middle - spread) / scale, 0.0), min((middle + spread) / scale, 1.0)


def table(draw: np.random.Generator, rows: int, scene: Scene) -> pd.DataFrame:
    means = draw.normal(scale=scene.wobble, size=len(COLUMNS))
    means[:2] += scene.shift
    values = draw.standard_normal((len(COLUMNS), rows)) + means[:, None]
    return pd.DataFrame(values.T, columns=[column.name for column in COLUMNS], copy=False)


def measure(name: str, rows: int, trials: int, seed: int) -> dict[str, Any]:
    """Return the rate of alarms over independent trials."""
    draw = np.random.default_rng([seed, rows, list(SCENES).index(name)])
    alarms = underpowered = 0
    started = time.process_time()
    for _ in range(trials):
        report = judge(
            table(draw, rows, SCENES["no_drift"]),
            table(draw, rows, SCENES[name]),
            columns=COLUMNS,
            limits=Drift(),
        )
        alarms += report.drifted
        underpowered += report.underpowered
    lower, upper = wilson(alarms, trials)
    return {
        "scene": name,
        "rows": rows,
        "trials": trials,
        "alarms": alarms,
        "rate": alarms / trials,
        "rate_lower": lower,
        "rate_upper": upper,
        "underpowered": underpowered / trials,
        "cpu_seconds": time.process_time() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=300, help="trials a cell (default 300)")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    cells = []
    for rows, share in ROWS.items():
        for scene in SCENES:
            cell = measure(scene, rows, max(int(given.trials * share), 1), given.seed)
            cells.append(cell)
            print(
                f"{rows:>7} rows  {scene:<9} {cell['rate']:.4f} of {cell['trials']} "
                f"(95 % {cell['rate_lower']:.4f} to {cell['rate_upper']:.4f})"
            )
    keep(
        "drift_rule",
        {
            "columns": len(COLUMNS),
            "scenes_sigma": {name: scene._asdict() for name, scene in SCENES.items()},
            "limits": {key: getattr(Drift(), key) for key in ("level", "distance", "correlation")},
            "seed": given.seed,
            "cells": cells,
        },
    )


if __name__ == "__main__":
    main()
