"""What a batch's own checks cost beside pandas, on the flights' CSV.

    python -m benchmarks.intake FOLDER [--rounds 5]    (data/landing/flight_delays)

One round reads the year three ways: by pandas, which believes what it is given; by the platform,
which tells a file's format, looks for what is damaged and types every value; and with the
expectations that the pipeline declares, by Great Expectations. Imports are done before. CPU
seconds, medians; written to benchmarks/results/intake.json.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pandas as pd

from benchmarks.machine import keep
from mldebt_assets.assets.validated import examine
from mldebt_assets.core.tables import parse
from mldebt_assets.pipelines.flight_delays import flight_delays
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the flights' CSV files")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    files = {file.stem: file.read_bytes() for file in sorted(given.folder.glob("*.csv"))}
    columns = flight_delays.batch_columns
    ways: dict[str, Callable[[str, bytes], object]] = {
        "pandas": lambda _, data: pd.read_csv(io.BytesIO(data)),
        "own_checks": lambda batch, data: parse(data, batch=batch, columns=columns),
        "with_expectations": lambda batch, data: examine(flight_delays, batch, Blob(data, ".csv")),
    }
    for way in ways.values():
        way(*next(iter(files.items())))
    rounds = [
        {name: seconds(files, way) for name, way in ways.items()} for _ in range(given.rounds)
    ]
    found = {name: median(one[name] for one in rounds) for name in ways}
    ratio = median(one["own_checks"] / one["pandas"] for one in rounds)
    size = sum(map(len, files.values()))
    keep("intake", {"files": len(files), "bytes": size, "cpu_seconds": found, "ratio": ratio})


def seconds(files: dict[str, bytes], way: Callable[[str, bytes], object]) -> float:
    started = time.process_time()
    for batch, data in files.items():
        way(batch, data)
    return time.process_time() - started


if __name__ == "__main__":
    main()
