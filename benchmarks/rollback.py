"""How long it takes to go back to the version before, on a copy of the home of a replayed year.

    python -m benchmarks.rollback [--rounds 5]

Each round is three processes of the command line: a drill, back, and forward again. `seconds` is
what the command says of itself, once its stores are open; `process_seconds` is the whole process,
from its start to its end; medians. Writes benchmarks/results/rollback.json. Ends with 1 where going
back takes over a second, or the copy does not end where it began.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import keep
from mldebt_assets.home import Home

PIPELINE = "flight_delays"
LIMIT_SECONDS = 1.0
REASON = ("--reason", "a benchmark goes back")


def copied(root: Path) -> Home:
    """Return a copy of the home below ``root``, with its remote."""
    home, copy = Home.locate().require(), Home(root / ".mldebt")
    shutil.copytree(home.root, copy.root)
    shutil.copytree(home.remote_url, copy.remote_url)
    settings = copy.root / ".dvc" / "config"
    settings.write_text(settings.read_text().replace(home.remote_url, copy.remote_url))
    return copy


def rollback(home: Home, *arguments: str) -> tuple[dict[str, float], float]:
    """Run the command in a process of its own; return its answer and the process's seconds."""
    mldebt = Path(sys.executable).with_name("mldebt")
    environment = {**os.environ, **home.environment()}
    started = time.monotonic()
    done = subprocess.run(
        [mldebt, "rollback", PIPELINE, *arguments, "--json"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, float] = json.loads(done.stdout)
    return answer, time.monotonic() - started


def measure(home: Home, rounds: int) -> tuple[dict[str, float], bool]:
    """Return the medians of all rounds, and whether each came back to where it began."""
    seconds: dict[str, list[float]] = {}
    returned = True
    for _ in range(rounds):
        drill, drill_process = rollback(home, "--drill")
        back, back_process = rollback(home, *REASON)
        forward, _ = rollback(home, "--to", str(back["from"]), *REASON)
        returned &= (drill["from"], drill["to"]) == (back["from"], back["to"])
        returned &= (forward["to"], forward["from"]) == (back["from"], back["to"])
        for name, value in {
            "back_seconds": back["seconds"],
            "back_process_seconds": back_process,
            "drill_seconds": drill["seconds"],
            "drill_process_seconds": drill_process,
        }.items():
            seconds.setdefault(name, []).append(value)
    return {name: round(median(values), 3) for name, values in seconds.items()}, returned


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    with tempfile.TemporaryDirectory() as folder:
        figures, returned = measure(copied(Path(folder)), parser.parse_args().rounds)
    keep("rollback", {**figures, "limit_seconds": LIMIT_SECONDS, "came_back": returned})
    sys.exit(0 if returned and figures["back_seconds"] <= LIMIT_SECONDS else 1)
