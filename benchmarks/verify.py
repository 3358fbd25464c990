"""How long it takes to verify the champion of a replayed year, and how many bytes are read.

    python -m benchmarks.verify [--rounds 5]

Each round is the command as a person runs it, a fresh process; medians. Writes
benchmarks/results/verify.json. Ends with 1 where the champion is not verified.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import keep

MLDEBT = Path(sys.executable).with_name("mldebt")


def measure() -> dict[str, Any]:
    """Return what a fresh process answered, and the seconds from its start to its end."""
    command = [MLDEBT, "verify", "flight_delays", "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return {**answer, "process_seconds": time.perf_counter() - started}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = [measure() for _ in range(parser.parse_args().rounds)]
    checked = rounds[0]["checked"]
    seconds = {
        name: round(median(float(one[name]) for one in rounds), 2)
        for name in ("seconds", "process_seconds")
    }
    verified = all(one["ok"] for one in rounds)
    keep(
        "verify",
        {
            **seconds,
            "bytes_read": sum(one["bytes"] or 0 for one in checked),
            "comparisons": sum(one["count"] for one in checked),
            "verified": verified,
        },
    )
    sys.exit(0 if verified else 1)
