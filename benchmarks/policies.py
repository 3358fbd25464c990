"""What each policy of retraining serves from April to December, costs, and trains.

    python -m benchmarks.policies LANDING_FOLDER

Plays the platform's loop on the months, with the network, the features and the gate that the
pipeline declares: each month is scored by the champion of that time, then compared with what this
champion learned from, and a candidate may be trained on all history and judged. Nothing is chosen
here: what is declared was chosen on January to March (``benchmarks.policy_choice``), before these
months were scored with it. Writes benchmarks/results/policies.json.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.bare_script import features, read
from benchmarks.machine import keep
from mldebt_assets.core.baseline import fit_baseline
from mldebt_assets.core.drift.rule import judge as judge_drift
from mldebt_assets.core.evaluation import metrics
from mldebt_assets.core.features import GROUP, LABEL, inputs_of, slices_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.gate import Contest, judge
from mldebt_assets.core.policies import Gate
from mldebt_assets.core.training import FittedModel, fit, predict
from mldebt_assets.core.verdict import all_passed
from mldebt_assets.pipelines.flight_delays import flight_delays as pipeline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FIRST = pipeline.retraining.first_batches


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When a candidate is trained, and what must be shown before it serves; None shows nothing."""

    asks: str
    gate: Gate | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A model, and its contest: the held-out rows of the gate's months, as its baseline ranks."""

    model: FittedModel
    judged: pd.DataFrame
    baseline: NDArray[np.float64]


STRICT = replace(pipeline.gate, equal_passes=Gate().equal_passes)
POLICIES = {
    "never retrained": Policy(asks="never"),
    "on drift, the pipeline's gate": Policy(asks="on drift", gate=pipeline.gate),
    "on drift, an equal model passes at .025": Policy(asks="on drift", gate=STRICT),
    "on drift, no gate": Policy(asks="on drift"),
    "every month, the pipeline's gate": Policy(asks="always", gate=pipeline.gate),
    "every month, no gate": Policy(asks="always"),
}


class Year:
    """The months, and what was trained and scored on them, each once."""

    def __init__(self, landing: Path) -> None:
        paths = sorted(landing.glob("*.csv"))
        self.names = [path.stem for path in paths]
        self.rows = [read(path) for path in paths]
        tables = [features(rows) for rows in self.rows]
        self.months = [table[table[LABEL].notna()].reset_index(drop=True) for table in tables]
        self.seconds: dict[int, float] = {}

    @cache  # noqa: B019
    def trained(self, until: int) -> Trained:
        """Return what learned from the months before ``until``. A year lives as long as the run."""
        started = time.process_time()
        table = pd.concat(self.months[:until], ignore_index=True)
        place = split_of(table[GROUP], pipeline.split)
        rows, tuning = table[place != "held_out"], place[place != "held_out"] == "tuning"
        data = inputs_of(rows), rows[LABEL].to_numpy(), tuning.to_numpy()
        model = fit(*data, settings=pipeline.training, costs=pipeline.costs)
        self.seconds[until] = time.process_time() - started
        baseline = fit_baseline(*data, settings=pipeline.training)
        recent = pd.concat(self.months[:until][-pipeline.gate.recent_batches :], ignore_index=True)
        judged = recent[split_of(recent[GROUP], pipeline.split) == "held_out"]
        return Trained(model=model, judged=judged, baseline=baseline.predict(inputs_of(judged)))

    @cache  # noqa: B019
    def served(self, version: int, month: int) -> dict[str, float]:
        """Return the metrics of a month by the model that learned from those before ``version``."""
        model, rows = self.trained(version).model, self.months[month]
        return metrics(
            rows[LABEL].to_numpy(),
            predict(model, inputs_of(rows)),
            threshold=model.threshold,
            costs=pipeline.costs,
        )

    @cache  # noqa: B019
    def drifted(self, version: int, month: int) -> bool:
        """Return whether a month lies too far from the last months that a version learned from."""
        reference = self.rows[:version][-pipeline.drift.reference_batches :]
        return judge_drift(
            pd.concat(reference),
            self.rows[month],
            columns=pipeline.watched,
            limits=pipeline.drift,
        ).drifted

    def passes(self, candidate: int, champion: int, gate: Gate) -> bool:
        """Return whether every gate lets the candidate replace the champion."""
        found = self.trained(candidate)
        judged = found.judged
        inputs = inputs_of(judged)
        contest = Contest(
            labels=judged[LABEL].to_numpy(),
            groups=judged[GROUP].to_numpy(),
            candidate=predict(found.model, inputs),
            incumbent=predict(self.trained(champion).model, inputs),
            baseline=found.baseline,
            slices={name: values.to_numpy() for name, values in slices_of(judged).items()},
            seed=pipeline.training.seed,
        )
        return all_passed(judge(contest, gate))


def played(year: Year, policy: Policy) -> dict[str, Any]:
    """Return what a policy serves, month by month, what it costs, and how often it trains."""
    champion, trainings, promotions = FIRST, 1, 1
    aucs, money = {}, 0.0
    for month in range(FIRST, len(year.months)):
        found = year.served(champion, month)
        aucs[year.names[month]] = found["roc_auc"]
        money += found["cost_total"]
        asked = policy.asks == "always" or (
            policy.asks == "on drift" and year.drifted(champion, month)
        )
        if not asked:
            continue
        trainings += 1
        if policy.gate is None or year.passes(month + 1, champion, policy.gate):
            champion, promotions = month + 1, promotions + 1
    return {
        "mean": round(fmean(aucs.values()), 4),
        "months": {name: round(auc, 4) for name, auc in aucs.items()},
        "cost": round(money),
        "trainings": trainings,
        "promotions": promotions,
    }


def main(landing: Path) -> None:
    """Play every policy and keep the figures."""
    year = Year(landing)
    found = {name: played(year, policy) for name, policy in POLICIES.items()}
    keep(
        "policies",
        {
            "equal_passes": pipeline.gate.equal_passes,
            "currency": pipeline.costs.currency,
            "policies": found,
            "training_cpu_seconds": round(sum(year.seconds.values()), 1),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
