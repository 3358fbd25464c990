"""Window, features, network, averaging and gate, chosen on January to March alone.

    python -m benchmarks.policy_choice LANDING_FOLDER

The quarter is read as weeks. A setting is trained after five and after nine of them, and each model
is scored on the four weeks that follow, as a monthly champion serves. The gain over what the
pipeline had before is told with an interval over days, and for each of four splits into training,
tuning and held-out days, each with a seed of its own. Of the settings that cost at most half as
much again, the best is chosen.

A rule of the gate is then played on the platform's own loop: each week is scored by the champion of
that time, a candidate is trained, and judged on all held-out days so far. Chosen is the strictest
rate at which an equal model may pass that serves within a thousandth of the best rate.

``benchmarks.policies`` scores what was chosen, on April to December. Writes
benchmarks/results/policy_choice.json.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.bare_script import features, read
from benchmarks.machine import keep
from mldebt_assets.core.evaluation import roc_auc
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.intervals import group_gain
from mldebt_assets.core.training import fit, predict
from mldebt_assets.pipelines.flight_delays import flight_delays as pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Training

    Scores = NDArray[np.float64]

BEFORE = replace(pipeline.training, members=4, linear_members=0)
FIRST, SERVED_WEEKS, LAST = 5, 4, 13
SPLITS, LEAST_TUNING_DAYS = 4, 3
RATES = (0.025, 0.1, 0.25, 0.5)
MOST_COST, TOLERANCE = 1.5, 0.001


def nothing(_: pd.DataFrame) -> dict[str, Any]:
    """Add no feature."""
    return {}


def hour(rows: pd.DataFrame) -> pd.Series[str]:
    """Return the scheduled hour as text."""
    return (rows["scheduled_departure_minute"] // 60).astype(str)


def cyclic_hour(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the time of day as a point on a circle."""
    angle = 2 * np.pi * rows["scheduled_departure_minute"] / 1440
    return {"hour_sine": np.sin(angle), "hour_cosine": np.cos(angle)}


def scheduled_minutes(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the minutes from departure to arrival, each by its own clock."""
    minutes = rows["scheduled_arrival_minute"] - rows["scheduled_departure_minute"]
    return {"scheduled_minutes": (minutes % 1440).astype("float64")}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is trained: the network, features beside the pipeline's, and how many weeks back."""

    training: Training = BEFORE
    added: Callable[[pd.DataFrame], dict[str, Any]] = field(default=nothing)
    weeks: int | None = None


def with_training(**changes: Any) -> Setting:
    """Return the setting from before with another network."""
    return Setting(training=replace(BEFORE, **changes))


SETTINGS = {
    "before": Setting(),
    "window: the last 4 weeks": Setting(weeks=4),
    "features: hour on a circle": Setting(added=cyclic_hour),
    "features: hour at each origin": Setting(
        added=lambda rows: {"origin_hour": rows["origin"] + " " + hour(rows)}
    ),
    "features: flight number": Setting(
        added=lambda rows: {"flight": rows["carrier"] + " " + rows["flight_number"].astype(str)}
    ),
    "features: scheduled minutes": Setting(added=scheduled_minutes),
    "network: one layer of 32": with_training(hidden=(32,)),
    "network: 2 epochs": with_training(epochs=2),
    "network: learning rate .002": with_training(learning_rate=2e-3),
    "network: weight decay .1": with_training(weight_decay=0.1),
    "averaging: 8 deep": with_training(members=8),
    "averaging: 4 linear": with_training(linear_members=4),
    "averaging: 2 deep, 2 linear": with_training(linear_members=2),
    "averaging: 4 deep, 4 linear": with_training(members=8, linear_members=4),
}


def main(landing: Path) -> None:
    """Measure every setting and every rule of the gate on January to March."""
    paths = sorted(landing.glob("*.csv"))[: pipeline.retraining.first_batches]
    rows = pd.concat([read(path) for path in paths], ignore_index=True)
    quarter = Quarter(rows)
    measured = {name: quarter.measure(setting) for name, setting in SETTINGS.items()}
    before = measured["before"]
    told = {name: quarter.told(found, before) for name, found in measured.items()}
    affordable = [name for name in told if told[name]["cost"] <= MOST_COST]
    setting = max(affordable, key=lambda name: float(told[name]["gain"]))
    gates = quarter.gates(SETTINGS[setting])
    least = max(gates[rate_named(rate)]["served_auc"] for rate in RATES) - TOLERANCE
    rate = min(rate for rate in RATES if gates[rate_named(rate)]["served_auc"] >= least)
    chosen = {"setting": setting, "equal_passes": rate}
    keep("policy_choice", {"chosen": chosen, "settings": told, "gates": gates})


def rate_named(rate: float) -> str:
    """Return what a rule of the gate is called."""
    return f"an equal model passes at {rate:g}"


class Quarter:
    """January to March, by weeks, with the splits that give the first model days to tune on."""

    def __init__(self, rows: pd.DataFrame) -> None:
        table = features(rows)
        known = table[LABEL].notna()
        self.rows = rows[known].reset_index(drop=True)
        self.table = table[known].reset_index(drop=True)
        day = pd.to_datetime(self.table[GROUP])
        self.week = ((day - day.min()).dt.days // 7).to_numpy()
        self.labels, self.days = self.table[LABEL].to_numpy(), self.table[GROUP].to_numpy()
        self.splits: list[NDArray[Any]] = []
        salt = 0
        while len(self.splits) < SPLITS:
            split = replace(pipeline.split, salt=f"policies {salt}")
            place = np.asarray(split_of(self.table[GROUP], split))
            tuned_on = self.days[(place == "tuning") & (self.week < FIRST)]
            if len(set(tuned_on)) >= LEAST_TUNING_DAYS:
                self.splits.append(place)
            salt += 1

    def trained(self, setting: Setting, place: NDArray[Any], until: int, seed: int) -> Scores:
        """Return every row's score by a model that learned from the weeks before ``until``."""
        since = 0 if setting.weeks is None else until - setting.weeks
        learn = (self.week < until) & (self.week >= since) & (place != "held_out")
        table = inputs_of(self.table).assign(**setting.added(self.rows))
        model = fit(
            table[learn],
            self.labels[learn],
            place[learn] == "tuning",
            settings=replace(setting.training, seed=seed),
            costs=pipeline.costs,
        )
        return predict(model, table)

    def measure(self, setting: Setting) -> tuple[dict[tuple[int, int], Scores], float]:
        """Return the scores by split and start, and the CPU seconds of one training."""
        started = time.process_time()
        starts = (FIRST, FIRST + SERVED_WEEKS)
        found = {
            (number, start): self.trained(setting, place, start, seed=1000 * number)
            for number, place in enumerate(self.splits)
            for start in starts
        }
        return found, (time.process_time() - started) / len(found)

    def told(self, found: Any, before: Any) -> dict[str, Any]:
        """Return the mean AUC of the weeks served, and the gain over what was before."""
        aucs, gains = {}, {}
        for (number, start), scores in found[0].items():
            served = (self.week >= start) & (self.week < start + SERVED_WEEKS)
            labels = self.labels[served]
            aucs[number, start] = roc_auc(labels, scores[served])
            gains[number, start] = group_gain(
                labels,
                scores[served],
                before[0][number, start][served],
                self.days[served],
                rounds=500,
                confidence=0.95,
                seed=0,
            )
        # Splits share their days, so their widths are averaged; the two spans do not.
        width = fmean(gain.upper - gain.lower for gain in gains.values()) / 2 / np.sqrt(2)
        gain = fmean(one.point for one in gains.values())
        by_split = [
            fmean(one.point for (number, _), one in gains.items() if number == split)
            for split in range(len(self.splits))
        ]
        return {
            "served_auc": round(fmean(aucs.values()), 4),
            "gain": round(gain, 4),
            "interval": [round(gain - width, 4), round(gain + width, 4)],
            "gain_by_split": [round(one, 4) for one in by_split],
            "cpu_seconds": round(found[1], 2),
            "cost": round(found[1] / before[1], 2),
        }

    def gates(self, setting: Setting) -> dict[str, Any]:
        """Return what each rule of the gate serves, week by week, with these candidates."""
        rules: dict[str, float | None] = {"never": None, "every candidate": 1.0}
        rules |= {rate_named(rate): rate for rate in RATES}
        served: dict[str, list[float]] = {rule: [] for rule in rules}
        promoted: dict[str, list[int]] = {rule: [] for rule in rules}
        for number, place in enumerate(self.splits):
            candidates = {
                until: self.trained(setting, place, until, seed=1000 * number)
                for until in range(FIRST, LAST)
            }
            for rule, rate in rules.items():
                aucs, promotions = self.played(candidates, place, rate)
                served[rule].append(fmean(aucs))
                promoted[rule].append(promotions)
        return {
            rule: {
                "served_auc": round(fmean(served[rule]), 4),
                "by_split": [round(one, 4) for one in served[rule]],
                "promotions": fmean(promoted[rule]),
            }
            for rule in rules
        }

    def played(
        self, candidates: dict[int, Scores], place: NDArray[Any], rate: float | None
    ) -> tuple[list[float], int]:
        """Return each week's AUC by the champion of that time, and how often it changed."""
        champion, aucs, promotions = candidates[FIRST], [], 0
        for week in range(FIRST, LAST):
            here = self.week == week
            aucs.append(roc_auc(self.labels[here], champion[here]))
            candidate = candidates.get(week + 1)
            if candidate is None or rate is None:
                continue
            judged = (self.week <= week) & (place == "held_out")
            passed = rate == 1.0 or (
                group_gain(
                    self.labels[judged],
                    candidate[judged],
                    champion[judged],
                    self.days[judged],
                    rounds=pipeline.gate.rounds,
                    confidence=1 - 2 * rate,
                    seed=0,
                ).lower
                > pipeline.gate.margin
            )
            if passed:
                champion, promotions = candidate, promotions + 1
        return aucs, promotions


if __name__ == "__main__":
    main(Path(sys.argv[1]))
