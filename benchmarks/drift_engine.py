"""What drift costs: our counting pass and statistics beside scipy, NannyML and Evidently.

One million rows, 20 numeric and 5 categorical columns, CPU seconds of the current side, medians
of five rounds; the peers in an environment of their own, told the same tests (KS and chi-squared;
NannyML also Jensen-Shannon and Wasserstein, with and without the fit to its reference):

    python3.11 -m venv /tmp/peers && /tmp/peers/bin/pip install -r benchmarks/peers.txt
    python -m benchmarks.drift_engine --peers /tmp/peers/bin/python

Then: the same with categories as strings, without numba, the whole sketch and what a new reference
costs once, a report over 365 batches, and 100 million rows in pieces with the memory that it took.
Writes benchmarks/results/drift_engine.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmarks.machine import RESULTS, keep
from mldebt_assets.core.drift.blocks import count_blocks, from_bytes, join, laid_beside, to_bytes
from mldebt_assets.core.drift.counts import count, merge_counts, reference_of
from mldebt_assets.core.drift.lookup import LOADING, compiled, counted_numbers
from mldebt_assets.core.drift.rule import judge_counts
from mldebt_assets.core.drift.sketch import merge, sketch_of
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    from collections.abc import Callable

    from mldebt_assets.core.drift.blocks import Blocks
    from mldebt_assets.core.drift.counts import Reference, TableCounts

ROWS, ROUNDS = 1_000_000, 5
NUMBERS = tuple(Column(name=f"x{i}", dtype="float64", meaning="") for i in range(20))
CATEGORIES = tuple(Column(name=f"c{i}", dtype="string", meaning="") for i in range(5))
LEVELS = [f"level {number}" for number in range(20)]
COLUMNS = (*NUMBERS, *CATEGORIES)
BATCHES, BATCH_ROWS = 365, 2_000
SHORT_ROUNDS = 31
"""Of what takes milliseconds: the first rounds after a million rows are twice as slow."""
PIECES = 100
PEERS = ("scipy", "nannyml", "nannyml_current_side", "evidently")


def table(seed: int, rows: int) -> pd.DataFrame:
    """Return numbers, and categories that are already coded."""
    draw = np.random.default_rng(seed)
    numbers = {column.name: draw.standard_normal(rows) for column in NUMBERS}
    coded = {
        column.name: pd.Categorical.from_codes(draw.integers(0, len(LEVELS), rows), LEVELS)
        for column in CATEGORIES
    }
    return pd.DataFrame(numbers | coded)


def as_strings(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.astype({column.name: "object" for column in CATEGORIES})


def seconds_of(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Return the median CPU seconds of a piece of work, after one round that is not counted."""
    work()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return median(found)


def our_seconds(reference: pd.DataFrame, current: pd.DataFrame) -> dict[str, float]:
    """Return what each part of our work costs."""
    sketch = sketch_of(reference, COLUMNS)
    against = reference_of(sketch, "reference")
    matrix = np.stack([current[column.name].to_numpy() for column in NUMBERS])
    strings = as_strings(current)
    LOADING.worth_loading = sys.maxsize
    sorted_seconds = seconds_of(lambda: report(current, against))
    LOADING.worth_loading = 0
    started = time.process_time()
    counted_numbers(np.zeros(1), against.bins[0].grid)
    found = {
        "numba": compiled() is not None,
        "numba_import_and_cached_code": time.process_time() - started,
        "reading_the_numeric_bytes_once": seconds_of(lambda: matrix.view(np.int64).sum()),
        "coded": seconds_of(lambda: report(current, against)),
        "strings": seconds_of(lambda: report(strings, against)),
        "whole_sketch": seconds_of(lambda: sketch_of(current, COLUMNS)),
        "reference_once": seconds_of(
            lambda: reference_of(sketch_of(reference, COLUMNS), "again").counts
        ),
        "new_reference_from_a_sketch": seconds_of(lambda: reference_of(sketch, "again").counts),
    }
    return found | {"coded_without_numba": sorted_seconds}


def report(rows: pd.DataFrame, against: Reference) -> Any:
    return judge_counts(against, count(rows, against), Drift())


def window_seconds() -> dict[str, float]:
    """Return what a report over a year of daily batches costs: summed up, and from stored bytes.

    ``calibrated`` is what dividing the year's days and the reference's in 999 ways adds to it.
    """
    before = table(1, 100_000).assign(day=lambda rows: rows.index // BATCH_ROWS)
    against = reference_of(sketch_of(before, COLUMNS), "reference")
    batches = [
        count_blocks(table(day, BATCH_ROWS).assign(day=f"day {day}"), "day", against)
        for day in range(BATCHES)
    ]
    wholes = [batch.whole for batch in batches]
    stored = [to_bytes(batch) for batch in batches]
    blocks = laid_beside(count_blocks(before, "day", against), join(batches))

    def judged(parts: list[TableCounts], beside: Blocks | None = None) -> Any:
        return judge_counts(against, merge_counts(parts), Drift(), beside)

    summed = seconds_of(lambda: judged(wholes), SHORT_ROUNDS)
    return {
        "batches": BATCHES,
        "bytes_a_batch": len(stored[0]),
        "merge_and_judge": summed,
        "from_bytes": seconds_of(
            lambda: judged([from_bytes(data).whole for data in stored]), SHORT_ROUNDS
        ),
        "calibrated": seconds_of(lambda: judged(wholes, blocks), rounds=1) - summed,
    }


def peer_seconds(python: str, name: str, folder: Path, rounds: int) -> float:
    """Return a peer's median CPU seconds, in its own process."""
    done = subprocess.run(
        [python, str(Path(__file__).parent / "peer_drift.py"), name, str(folder), str(rounds)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "NML_DISABLE_USAGE_LOGGING": "1", "PYTHONPATH": ""},
    )
    found = median(json.loads(done.stdout.strip().splitlines()[-1]))
    print(f"{name}: {found:.2f} CPU s", file=sys.stderr)
    return found


def in_pieces() -> dict[str, float]:
    """Return what sketching and counting 100 pieces of a million rows costs, and the memory."""
    against = reference_of(sketch_of(table(1, ROWS), COLUMNS), "reference")
    whole, counted = None, None
    work, early = 0.0, 0.0
    for piece in range(PIECES):
        rows = table(piece, ROWS)
        started = time.process_time()
        sketch = sketch_of(rows, COLUMNS)
        counts = count(rows, against, sketch.moments)
        whole = sketch if whole is None else merge([whole, sketch])
        counted = counts if counted is None else merge_counts([counted, counts])
        work += time.process_time() - started
        if piece == PIECES // 10:
            early = peak_gb()
    judge_counts(against, counted, Drift())
    return {
        "rows": whole.rows,
        "cpu_seconds": work,
        "peak_gb_after_a_tenth": early,
        "peak_gb": peak_gb(),
    }


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", help="the Python of the peers' environment")
    parser.add_argument("--peer-rounds", type=int, default=ROUNDS)
    parser.add_argument("--report", action="store_true", help="measure the year's report alone")
    parser.add_argument("--pieces", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.pieces:
        print(json.dumps(in_pieces()))
        return
    if given.report:
        kept = json.loads((RESULTS / "drift_engine.json").read_text())
        keep("drift_engine", {**kept, "report_over_a_year": window_seconds()})
        return
    reference, current = table(1, ROWS), table(2, ROWS)
    ours = our_seconds(reference, current)
    peers: dict[str, dict[str, float]] = {}
    if given.peers:
        for kind, change in (("coded", None), ("strings", as_strings)):
            with tempfile.TemporaryDirectory() as folder:
                for side, rows in (("reference", reference), ("current", current)):
                    (change(rows) if change else rows).to_parquet(Path(folder) / f"{side}.parquet")
                peers[kind] = {
                    name: peer_seconds(given.peers, name, Path(folder), given.peer_rounds)
                    for name in PEERS
                }
    pieces = subprocess.run(
        [sys.executable, "-m", "benchmarks.drift_engine", "--pieces"],
        capture_output=True,
        text=True,
        check=True,
    )
    keep(
        "drift_engine",
        {
            "rows": ROWS,
            "columns": {"numeric": len(NUMBERS), "categorical": len(CATEGORIES)},
            "rounds": ROUNDS,
            "peer_rounds": given.peer_rounds,
            "cpu_seconds": ours,
            "peers_cpu_seconds": peers,
            "times_less_than": {
                kind: {name: taken / ours[kind] for name, taken in of.items()}
                for kind, of in peers.items()
            },
            "times_reading_once": ours["coded"] / ours["reading_the_numeric_bytes_once"],
            "report_over_a_year": window_seconds(),
            "in_pieces": json.loads(pieces.stdout),
        },
    )


if __name__ == "__main__":
    main()
