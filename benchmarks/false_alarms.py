"""How often the drift rule wakes someone, rightly and for nothing, beside what people use instead.

Twenty numeric columns, as many current rows as reference rows, in the scenes of
benchmarks/false_alarm_scenes.py. Then days: 120 days of rows that share what their day adds to
them, 90 of them the reference, judged by rows, by days, and as one block among single days.

    python -m benchmarks.false_alarms [--trials 2000] [--large 2000] [--days 400] [--seed 1]
        [--rows ROWS ...] [--peers PEERS/bin/python]    (made with benchmarks/peers.txt)

``--large`` are the trials at 100,000 rows. Each part is written to
benchmarks/results/false_alarms.json as it ends, in the place of what was there of it. Peers are
slow, so they get fewer trials (PEER_TRIALS); the intervals say what these are worth.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.false_alarm_scenes import COLUMNS, ROWS, SCENES, Values, drawn, rated, scene
from benchmarks.machine import RESULTS, keep
from mldebt_assets.core.drift.blocks import Blocks, count_blocks, laid_beside
from mldebt_assets.core.drift.counts import count, reference_of
from mldebt_assets.core.drift.moments import moments_of
from mldebt_assets.core.drift.rule import judge_counts
from mldebt_assets.core.drift.sketch import sketch_of
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

NAME = "false_alarms"
WATCHED = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(COLUMNS))
PEER_TRIALS = {
    "folk": (200, 100, 20),
    "nannyml": (60, 30, 5),
    "evidently": (10, 10, 2),
}
"""Of each peer, at each number of rows."""

DAYS = (90, 30)
ROWS_A_DAY = 300
DAY_EFFECT = 0.5
DAY_SHIFTS = (0.0, 0.5)


def table(values: Values) -> pd.DataFrame:
    return pd.DataFrame(values.T, columns=[column.name for column in WATCHED], copy=False)


def ours(rows: int, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return the platform's cells: the rows are sketched and counted as a batch's are."""
    alarms = dict.fromkeys(SCENES, 0)
    underpowered = dict.fromkeys(SCENES, 0)
    started = time.process_time()
    for trial in range(trials):
        pair = drawn(seed, rows, trial)
        plain = reference_of(sketch_of(table(pair.reference), WATCHED), "plain")
        for name in SCENES:
            reference, current = scene(name, pair, seed, trial)
            against = (
                plain
                if reference is pair.reference
                else reference_of(sketch_of(table(reference), WATCHED), name)
            )
            counts = count(table(current), against, moments_of(list(current)))
            report = judge_counts(against, counts, Drift())
            alarms[name] += report.drifted
            underpowered[name] += report.underpowered
    seconds = (time.process_time() - started) / trials / len(SCENES)
    return [
        {
            "rule": "mldebt",
            "scene": name,
            "rows": rows,
            **rated(alarms[name], trials),
            "underpowered": underpowered[name] / trials,
            "cpu_seconds": seconds,
        }
        for name in SCENES
    ]


def of_days(draw: np.random.Generator, days: int, shift: float) -> pd.DataFrame:
    day = np.repeat(np.arange(days), ROWS_A_DAY)
    effects = draw.normal(scale=DAY_EFFECT, size=(COLUMNS, days))
    values = effects[:, day] + draw.standard_normal((COLUMNS, day.size))
    values[: COLUMNS // 10] += shift
    return table(values).assign(day=day)


def by_days(trials: int, seed: int) -> list[dict[str, Any]]:
    """Return the cells of rows that come in days; the single days promise 1 in 91."""
    cells = []
    one_in_91 = Drift(false_alarms=1 / (DAYS[0] + 1))
    for shift in DAY_SHIFTS:
        alarms = dict.fromkeys(("by_rows", "by_days", "among_single_days"), 0)
        for trial in range(trials):
            draw = np.random.default_rng([seed, trial, round(shift * 10)])
            reference, current = of_days(draw, DAYS[0], 0), of_days(draw, DAYS[1], shift)
            against = reference_of(sketch_of(reference, WATCHED), "days")
            before, after = (count_blocks(rows, "day", against) for rows in (reference, current))
            blocks, whole = laid_beside(before, after), after.whole
            single = Blocks("day", blocks.reference, [whole])
            alarms["by_rows"] += judge_counts(against, whole, Drift()).drifted
            alarms["by_days"] += judge_counts(against, whole, Drift(), blocks).drifted
            alarms["among_single_days"] += judge_counts(against, whole, one_in_91, single).drifted
        name = f"days_shift_{shift:g}" if shift else "days_no_drift"
        rows = DAYS[1] * ROWS_A_DAY
        cells += [
            {"rule": rule, "scene": name, "rows": rows, **rated(found, trials)}
            for rule, found in alarms.items()
        ]
    return cells


def of_peer(python: Path, rule: str, rows: int, trials: int, seed: int) -> list[dict[str, Any]]:
    """Return a peer's cells, measured in its own environment."""
    script = Path(__file__).with_name("false_alarm_peers.py")
    done = subprocess.run(
        [str(python), str(script), rule, str(rows), str(trials), str(seed)],
        env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    cells: list[dict[str, Any]] = json.loads(done.stdout)
    return cells


def kept(cells: list[dict[str, Any]], seed: int) -> None:
    """Write these cells in the place of earlier ones of the same rule, scene and rows."""
    path = RESULTS / f"{NAME}.json"
    before = json.loads(path.read_text())["cells"] if path.exists() else []
    together = {(cell["rule"], cell["scene"], cell["rows"]): cell for cell in [*before, *cells]}
    limits = {
        key: getattr(Drift(), key) for key in ("level", "false_alarms", "distance", "correlation")
    }
    days = {"days": DAYS, "rows_a_day": ROWS_A_DAY, "day_effect_sigma": DAY_EFFECT}
    figures = {"columns": COLUMNS, "limits": limits, **days, "seed": seed}
    keep(NAME, {**figures, "cells": list(together.values())})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=2000, help="a scene (default 2000)")
    parser.add_argument("--large", type=int, default=2000, help="at 100,000 rows (default 2000)")
    parser.add_argument("--days", type=int, default=400, help="with days (default 400)")
    parser.add_argument("--rows", type=int, nargs="*", choices=ROWS, default=ROWS)
    parser.add_argument("--peers", type=Path, help="the peers' interpreter; without it, none")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for rows in given.rows:
        trials = given.large if rows == ROWS[-1] else given.trials
        if trials:
            kept(ours(rows, trials, given.seed), given.seed)
    if given.days:
        kept(by_days(given.days, given.seed), given.seed)
    if given.peers:
        for rule, each in PEER_TRIALS.items():
            for rows, trials in zip(ROWS, each, strict=True):
                if rows in given.rows:
                    kept(of_peer(given.peers, rule, rows, trials, given.seed), given.seed)


if __name__ == "__main__":
    main()
