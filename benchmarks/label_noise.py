"""Poison planted in real data: what the four checks find of it, and what they say where none is.

Flipped labels: 1, 5 and 10 % of the rows of three tables that ship with scikit-learn, and of one
month of the flights; of a number, the labels of these rows change places. Told are cleanlab's
recall and precision at its own cut, the share of planted rows among the worst k where k were
planted, and whether the check fails. Into the same month: near duplicates of one row, rows of
values that never occur together, and labels turned round after noon. Nothing is fitted to what is
planted.

    python -m benchmarks.label_noise

Writes benchmarks/results/label_noise.json, what is measured so far after each step.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn import datasets

from benchmarks.bare_script import features, read
from benchmarks.machine import keep
from benchmarks.replay import LANDING
from mldebt_assets.assets.suspects import MOST_ROWS
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.suspects.dependence import new_dependence
from mldebt_assets.core.suspects.duplicates import duplicate_flood
from mldebt_assets.core.suspects.labels import label_noise
from mldebt_assets.core.suspects.outliers import outlier_rows
from mldebt_assets.core.suspects.rows import Rows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from mldebt_assets.core.suspects.finding import Finding

    Steps = Iterator[tuple[str, dict[str, Any]]]

RATES = (0.0, 0.01, 0.05, 0.1)
TABLES = {"breast_cancer": 2, "digits": 10, "diabetes": 0}
MONTH = "2013-06"
SHARES = (0.005, 0.02)
BLIZZARD = ("2013-02-08", "2013-02-09", "2013-02-10")
SEED = 20130101


def as_rows(
    inputs: pd.DataFrame, labels: NDArray[Any], classes: int, groups: Any, batches: Any
) -> Rows:
    return rows_of(
        inputs,
        np.asarray(labels, dtype=np.float64),
        classes=classes,
        groups=np.asarray(groups),
        batches=np.asarray(batches),
        order=tuple(sorted(set(batches))),
        rare_below=10,
        most=MOST_ROWS,
        seed=SEED,
    )


def flipped(labels: NDArray[Any], chosen: NDArray[np.int64], classes: int) -> NDArray[Any]:
    """Return the labels with those of the chosen rows made another's."""
    draw, made = np.random.default_rng(SEED), labels.copy()
    if classes:
        made[chosen] = (made[chosen] + draw.integers(1, classes, len(chosen))) % classes
    else:
        made[chosen] = np.roll(made[chosen], 1)
    return made


def told(found: Finding, planted: NDArray[np.int64]) -> dict[str, Any]:
    """Return how the check judged, and how many of the rows that it names were planted."""
    hits = np.isin(found.place, planted)
    return {
        "planted": len(planted),
        "named": len(hits),
        "recall": round(float(hits.sum()) / len(planted), 3) if len(planted) else None,
        "precision": round(float(hits.mean()), 3) if len(hits) and len(planted) else None,
        "planted_in_top_k": round(float(hits[: len(planted)].mean()), 3)
        if len(hits) and len(planted)
        else None,
        "fails": not found.verdict.passed,
        "stand_out": [one.batch for one in found.batches if one.stands_out],
        "reason": found.verdict.reason,
    }


def drawn(places: NDArray[np.int64], rate: float) -> NDArray[np.int64]:
    return np.random.default_rng(SEED).permutation(places)[: round(rate * len(places))]


def small_tables() -> Steps:
    for name, classes in TABLES.items():
        table = getattr(datasets, f"load_{name}")()
        inputs = pd.DataFrame(table.data).add_prefix("x")
        every = np.arange(len(inputs))
        for rate in RATES:
            planted = drawn(every, rate)
            labels = flipped(table.target, planted, classes)
            rows = as_rows(inputs, labels, classes, every, ["all"] * len(every))
            yield f"{name} {rate:.0%}", told(label_noise(rows, seed=SEED), planted)


def flights(landing: Path) -> Steps:
    months = [
        features(read(path)).assign(_batch=path.stem) for path in sorted(landing.glob("*.csv"))
    ]
    table = pd.concat(months, ignore_index=True)
    inputs, labels = inputs_of(table), table[LABEL].to_numpy(dtype=np.float64)
    batches, groups = table["_batch"].to_numpy(), table[GROUP].to_numpy()
    clean = as_rows(inputs, labels, 2, groups, batches)
    kept = clean.place[batches[clean.place] == MONTH]
    known = kept[np.isfinite(labels[kept])]
    for rate in RATES:
        planted = drawn(known, rate)
        rows = as_rows(inputs, flipped(labels, planted, 2), 2, groups, batches)
        yield f"labels of {MONTH} flipped {rate:.0%}", told(label_noise(rows, seed=SEED), planted)
    nothing = np.zeros(0, dtype=np.int64)
    yield "near duplicates 0%", told(duplicate_flood(clean, seed=SEED), nothing)
    yield "outliers 0%", told(outlier_rows(clean, seed=SEED), nothing)
    yield "dependence 0%", told(new_dependence(clean, seed=SEED), nothing)
    draw = np.random.default_rng(SEED)
    numbers = list(inputs.select_dtypes("number"))
    for share in SHARES:
        planted = drawn(kept, share)
        copies = inputs.copy()
        copies.loc[planted] = copies.loc[planted[0]].to_numpy()
        copies = copies.astype(inputs.dtypes.to_dict())
        noise = draw.normal(0, 0.005, (len(planted), len(numbers)))
        moved = copies.loc[planted, numbers] + noise * inputs[numbers].std().to_numpy()
        copies = copies.astype(dict.fromkeys(numbers, "float64"))
        copies.loc[planted, numbers] = moved
        rows = as_rows(copies, labels, 2, groups, batches)
        yield f"near duplicates {share:.1%}", told(duplicate_flood(rows, seed=SEED), planted)
        of_others, at_an_end = inputs.copy(), inputs.copy()
        for name in numbers:
            real = inputs[name].dropna().to_numpy(dtype="float64")
            at_an_end[name] = of_others[name] = inputs[name].astype("float64")
            of_others.loc[planted, name] = draw.choice(real, len(planted))
            at_an_end.loc[planted, name] = draw.choice([real.min(), real.max()], len(planted))
        for what, mixed in (("others' values", of_others), ("instruments at an end", at_an_end)):
            rows = as_rows(mixed, labels, 2, groups, batches)
            yield f"outliers {share:.1%}, {what}", told(outlier_rows(rows, seed=SEED), planted)
    turned = known[inputs["departure_hour"].to_numpy()[known] >= 12]
    rows = as_rows(inputs, flipped(labels, turned, 2), 2, groups, batches)
    yield "labels turned after noon", told(new_dependence(rows, seed=SEED), turned)
    days = np.isin(groups, BLIZZARD)
    rows = as_rows(inputs[~days], labels[~days], 2, groups[~days], batches[~days])
    yield (
        "dependence 0%, three days of blizzard apart",
        told(new_dependence(rows, seed=SEED), nothing),
    )


def main() -> None:
    found: dict[str, Any] = {}
    for step, measured in chain(small_tables(), flights(LANDING)):
        found[step] = measured
        keep("label_noise", found)


if __name__ == "__main__":
    main()
