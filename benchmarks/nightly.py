"""How long a nightly tick takes where nothing is new, on the home of a replayed year.

    python -m benchmarks.nightly [--rounds 5]

Each round is a fresh process that loads the code location and evaluates the schedule as the daemon
does; medians. Writes benchmarks/results/nightly.json. Ends with 1 where a tick takes over 2 s, or
something was new, so that another thing was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from statistics import median

from benchmarks.machine import keep
from mldebt_assets.home import Home

LIMIT_SECONDS = 2.0
TICK = """
import json, sys, time
started = time.monotonic()
import dagster as dg
from mldebt_assets.definitions import defs
from mldebt_assets.pipelines.flight_delays import flight_delays
from mldebt_assets.schedules import nightly_name
repository = defs.get_repository_def()
loaded = time.monotonic()
with dg.DagsterInstance.get() as instance:
    context = dg.build_schedule_context(instance=instance, repository_def=repository)
    tick = repository.get_schedule_def(nightly_name(flight_delays)).evaluate_tick(context)
ended = time.monotonic()
figures = {"load_seconds": loaded - started, "tick_seconds": ended - loaded}
print(json.dumps({"says": tick.skip_message, **figures}))
"""


def measure() -> dict[str, float | str]:
    """Return what a fresh process took to load and to tick, in seconds, and what the tick said."""
    environment = {**os.environ, **Home.locate().require().environment()}
    command = [sys.executable, "-W", "ignore", "-c", TICK]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    figures: dict[str, float | str] = json.loads(done.stdout)
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    rounds = [measure() for _ in range(parser.parse_args().rounds)]
    said = {str(one["says"]) for one in rounds}
    seconds = {
        name: round(median(float(one[name]) for one in rounds), 3)
        for name in ("tick_seconds", "load_seconds")
    }
    calm = all(told.startswith("Nothing new among") for told in said)
    keep("nightly", {**seconds, "limit_seconds": LIMIT_SECONDS, "says": sorted(said)})
    sys.exit(0 if calm and seconds["tick_seconds"] <= LIMIT_SECONDS else 1)
