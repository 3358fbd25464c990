"""A small table with something to learn, the same in every process."""

import numpy as np
import pandas as pd

from mldebt_assets.core.policies import Costs, Training

COSTS = Costs(false_alarm=1.0, missed=3.0)
SETTINGS = Training(members=2, epochs=6, batch_rows=64, hidden=(8,), embedding=2)


def small_table(rows=1200, seed=7):
    """Return inputs, labels and which rows tune: colour and x matter, y says nothing."""
    draws = np.random.default_rng(seed)
    colour = draws.choice(["red", "green", "blue"], rows)
    inputs = pd.DataFrame(
        {
            "colour": pd.Series(colour, dtype="object"),
            "x": draws.normal(5.0, 2.0, rows),
            "y": np.where(draws.random(rows) < 0.2, np.nan, draws.random(rows)),
            "flag": draws.random(rows) < 0.5,
        }
    )
    inputs.loc[:40, "colour"] = None
    logit = 1.5 * (colour == "red") - 0.8 * (inputs["x"] - 5.0)
    labels = (draws.random(rows) < 1 / (1 + np.exp(-logit))).to_numpy().astype("float64")
    return inputs, labels, draws.random(rows) < 0.3
