"""One peer on one pair of tables, in a process and an environment of its own.

    python benchmarks/peer_drift.py PEER FOLDER ROUNDS

Reads FOLDER/reference.parquet and FOLDER/current.parquet and prints the CPU seconds of each round
as JSON. Imports and reading are not counted. Called by benchmarks/drift_engine.py.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd


def scipy_loop(reference, current):
    from scipy import stats

    for name in reference:
        if reference[name].dtype == "float64":
            stats.ks_2samp(reference[name], current[name], method="asymp")
        else:
            sides = [side[name].value_counts().sort_index() for side in (reference, current)]
            stats.chi2_contingency(pd.concat(sides, axis=1).fillna(0))


def nannyml(reference, current):
    started = time.process_time()
    _nannyml(reference).calculate(current)
    return time.process_time() - started


def nannyml_current_side(reference, current):
    calculator = _nannyml(reference)
    started = time.process_time()
    calculator.calculate(current)
    return time.process_time() - started


def _nannyml(reference):
    from nannyml import UnivariateDriftCalculator

    return UnivariateDriftCalculator(
        column_names=list(reference),
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_number=1,
    ).fit(reference)


def evidently(reference, current):
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [name for name in reference if reference[name].dtype == "float64"]
    definition = DataDefinition(
        numerical_columns=numbers,
        categorical_columns=[name for name in reference if name not in numbers],
    )
    sides = [Dataset.from_pandas(side, data_definition=definition) for side in (current, reference)]
    Report([DataDriftPreset(num_method="ks", cat_method="chisquare")]).run(*sides)


PEERS = {
    "scipy": scipy_loop,
    "nannyml": nannyml,
    "nannyml_current_side": nannyml_current_side,
    "evidently": evidently,
}

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    peer, folder, rounds = PEERS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3])
    tables = [pd.read_parquet(folder / f"{side}.parquet") for side in ("reference", "current")]
    peer(*(table.head(2_000) for table in tables))
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        own = peer(*tables)
        seconds.append(time.process_time() - begun if own is None else own)
    print(json.dumps(seconds))
