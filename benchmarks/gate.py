"""How often the gate promotes a candidate that is no better, and one that is.

Two models score the same held-out groups; each group has a base rate of its own. In one scene both
follow the label equally well (a promotion is false), in the other the candidate does so better.

    python -m benchmarks.gate [--trials 400]

Judges with ``beats_incumbent``'s interval at the declared confidence, whose lower end an equal
model should exceed in 2.5 % of the trials. Writes benchmarks/results/gate.json.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.false_alarm_scenes import wilson
from benchmarks.machine import keep
from mldebt_assets.core.intervals import group_gain
from mldebt_assets.core.policies import Gate

ROWS_A_GROUP = 300
GROUPS = (8, 18, 60)
STRENGTH = 0.8
BETTER = {"equal": 0.8, "better": 0.88}
"""How far each candidate's score follows the label, in standard deviations of its noise."""


def promoted(groups: int, strength: float, seed: int) -> bool:
    """Return whether a candidate of this strength is promoted over the incumbent."""
    draw = np.random.default_rng([seed, groups])
    group = np.repeat(np.arange(groups), ROWS_A_GROUP)
    rate = np.clip(draw.normal(0.22, 0.08, groups), 0.02, 0.9)[group]
    labels = (draw.random(len(group)) < rate).astype(float)
    shared = draw.normal(size=len(group))
    incumbent = STRENGTH * labels + shared + draw.normal(0, 0.3, len(group))
    candidate = strength * labels + shared + draw.normal(0, 0.3, len(group))
    found = group_gain(
        labels,
        candidate,
        incumbent,
        group.astype(str),
        rounds=Gate().rounds,
        confidence=Gate().confidence,
        seed=seed,
    )
    return found.lower > Gate().margin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    cells = []
    for scene, strength in BETTER.items():
        for groups in GROUPS:
            times = sum(promoted(groups, strength, seed) for seed in range(trials))
            lower, upper = wilson(times, trials)
            rate = round(times / trials, 4)
            cells.append(
                {
                    "scene": scene,
                    "groups": groups,
                    "trials": trials,
                    "promoted": rate,
                    "lower": round(lower, 4),
                    "upper": round(upper, 4),
                }
            )
    keep("gate", {"confidence": Gate().confidence, "cells": cells})


if __name__ == "__main__":
    main()
