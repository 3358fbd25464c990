"""How long the code location takes to load, beside importing Dagster alone.

    python -m benchmarks.load_time [--rounds 7]

Each import runs in a fresh process; medians. Writes benchmarks/results/load_time.json.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

from benchmarks.machine import keep

IMPORTS = {
    "python_seconds": "pass",
    "dagster_seconds": "import dagster",
    "dagster_and_pandas_seconds": "import dagster, pandas",
    "code_location_seconds": "import mldebt_assets.definitions as d; d.defs.get_repository_def()",
}


def measure(statement: str) -> float:
    """Return the wall seconds of a fresh process that runs one statement."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.monotonic() - started


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = [
        {name: measure(statement) for name, statement in IMPORTS.items()}
        for _ in range(parser.parse_args().rounds)
    ]
    keep(
        "load_time",
        {name: round(median(one[name] for one in rounds), 2) for name in IMPORTS},
    )
