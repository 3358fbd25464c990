"""What each way of retraining serves: the ROC AUC of every month by a model that had not seen it.

    python -m benchmarks.served_auc LANDING_FOLDER

All policies learn from the same training days and the same features; the held-out days are out of
reach for each. LightGBM stops early on the same tuning days, with learning rate and leaves chosen
on January to March (train January, test February; train both, test March). Nothing is chosen on
the months that are scored. Writes benchmarks/results/served_auc.json.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import pandas as pd

from benchmarks.bare_script import features, read
from benchmarks.machine import keep
from mldebt_assets.core.baseline import fit_baseline
from mldebt_assets.core.evaluation import roc_auc
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.training import fit, predict
from mldebt_assets.pipelines.flight_delays import flight_delays as pipeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Predict = Callable[[pd.DataFrame], NDArray[np.float64]]

FIRST = pipeline.retraining.first_batches


def network(rows: pd.DataFrame, tuning: NDArray[np.bool_]) -> Predict:
    """Train what the pipeline trains."""
    model = fit(
        inputs_of(rows),
        rows[LABEL].to_numpy(),
        tuning,
        settings=pipeline.training,
        costs=pipeline.costs,
    )
    return lambda inputs: predict(model, inputs)


def simple(rows: pd.DataFrame, tuning: NDArray[np.bool_]) -> Predict:
    """Train the pipeline's simple baseline."""
    labels = rows[LABEL].to_numpy()
    return fit_baseline(inputs_of(rows), labels, tuning, settings=pipeline.training).predict


def boosted(**settings: Any) -> Callable[[pd.DataFrame, NDArray[np.bool_]], Predict]:
    """Return what trains LightGBM with these settings and early stopping."""

    def train(rows: pd.DataFrame, tuning: NDArray[np.bool_]) -> Predict:
        inputs = inputs_of(rows)
        levels = {
            name: pd.CategoricalDtype(sorted(inputs[name].dropna().unique()))
            for name in inputs.select_dtypes("object")
        }
        table, labels = inputs.astype(levels), rows[LABEL].to_numpy()
        model = lightgbm.LGBMClassifier(n_estimators=2000, verbose=-1, seed=1, **settings)
        model.fit(
            table[~tuning],
            labels[~tuning],
            eval_set=[(table[tuning], labels[tuning])],
            eval_metric="binary_logloss",
            callbacks=[lightgbm.early_stopping(50, verbose=False)],
        )
        return lambda rows: np.asarray(model.predict_proba(rows.astype(levels)))[:, 1]

    return train


def auc(model: Predict, month: pd.DataFrame) -> float:
    """Return the ROC AUC of a month whose labels are known."""
    known = month[month[LABEL].notna()]
    return roc_auc(known[LABEL].to_numpy(), model(inputs_of(known)))


def trained(train: Callable[..., Predict], months: list[pd.DataFrame]) -> Predict:
    """Train on the training days of these months."""
    table = pd.concat(months, ignore_index=True)
    place = split_of(table[GROUP], pipeline.split)
    rows = table[(place != "held_out") & table[LABEL].notna()]
    return train(rows, (place[rows.index] == "tuning").to_numpy())


def served(
    train: Callable[..., Predict], months: list[pd.DataFrame], *, again: bool
) -> list[float]:
    """Return each month's AUC from the first that is served, retrained every month or never."""
    first = trained(train, months[:FIRST])
    return [
        auc(trained(train, months[:i]) if again and i > FIRST else first, months[i])
        for i in range(FIRST, len(months))
    ]


def choose_boosted(months: list[pd.DataFrame]) -> dict[str, Any]:
    """Return the LightGBM settings that do best inside January to March."""
    grid = [
        {"learning_rate": rate, "num_leaves": leaves, "min_child_samples": least}
        for rate, leaves, least in product((0.03, 0.1), (15, 63), (20, 200))
    ]
    return max(
        grid,
        key=lambda s: fmean(auc(trained(boosted(**s), months[:i]), months[i]) for i in (1, 2)),
    )


def main(landing: Path) -> None:
    """Measure every policy and keep the figures."""
    paths = sorted(landing.glob("*.csv"))
    months = [features(read(path)) for path in paths]
    settings = choose_boosted(months[:FIRST])
    policies = {
        "network, never retrained": served(network, months, again=False),
        "network, retrained every month, no gate": served(network, months, again=True),
        "logistic regression, retrained every month": served(simple, months, again=True),
        "LightGBM, retrained every month": served(boosted(**settings), months, again=True),
    }
    names = [path.stem for path in paths[FIRST:]]
    keep(
        "served_auc",
        {
            "lightgbm": settings,
            "mean": {policy: round(fmean(found), 4) for policy, found in policies.items()},
            "months": {
                policy: dict(zip(names, (round(value, 4) for value in found), strict=True))
                for policy, found in policies.items()
            },
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
