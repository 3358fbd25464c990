"""How long it takes to train the champion of a replayed year again, and what comes of it.

    python -m benchmarks.reproduce [--rounds 3]

Each round is the command as a person runs it. Writes benchmarks/results/reproduce.json. Ends with
1 where the champion is not bit-identical.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import keep

MLDEBT = Path(sys.executable).with_name("mldebt")


def measure() -> dict[str, Any]:
    """Return what the command answered."""
    command = [MLDEBT, "reproduce", "flight_delays", "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = [measure() for _ in range(parser.parse_args().rounds)]
    verdicts = sorted({one["verdict"] for one in rounds})
    keep(
        "reproduce",
        {
            "seconds": median(one["seconds"] for one in rounds),
            "hashes_compared": rounds[0]["compared"],
            "verdicts": verdicts,
        },
    )
    sys.exit(0 if verdicts == ["bit-identical"] else 1)
