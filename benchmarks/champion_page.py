"""How long the champion's page takes to show its training set's hash and every plot.

    python -m benchmarks.champion_page [--rounds 7]

Headless Chromium on a `dagster dev` that serves a copy of the home of `make run`, each round in a
tab that has nothing cached. Writes benchmarks/results/champion_page.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.machine import keep
from mldebt_assets.home import Home
from mldebt_assets_tests.browser import CHROMIUM, NO_CHROMIUM, chromium, new_tab
from mldebt_assets_tests.servers import serving_copy

PIPELINE = "flight_delays"


def training_set() -> str:
    """Return the hash of what the champion was trained on."""
    mldebt = Path(sys.executable).with_name("mldebt")
    answer = subprocess.run(
        [mldebt, "lineage", PIPELINE, "--json"], check=True, capture_output=True
    ).stdout
    return str(json.loads(answer)["training_set"]["hash"])


def measure(rounds: int) -> list[float]:
    """Return the seconds from each navigation until everything is there."""
    wanted, seconds = training_set(), []
    with serving_copy(Home.locate().require()) as port, chromium() as browser:
        for _ in range(rounds):
            with new_tab(browser, port) as tab:
                started = time.monotonic()
                tab.open_champion(PIPELINE, wanted)
                seconds.append(time.monotonic() - started)
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    seconds = measure(parser.parse_args().rounds)
    figures = {"best": min(seconds), "median": median(seconds), "first": seconds[0]}
    keep("champion_page", {f"{name}_seconds": round(s, 2) for name, s in figures.items()})
