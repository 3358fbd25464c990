"""The year's replay beside the bare script, in one run, and what the replay leaves behind.

    python -m benchmarks.replay

Both run in a fresh process with imports counted, the replay in a fresh home. Writes
benchmarks/results/replay.json. Ends with 1 where something was left in disorder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.machine import keep

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LANDING = ROOT / "data" / "landing" / "flight_delays"


def run(*command: str | Path, home: Path) -> tuple[float, str]:
    """Run a command of this environment; return its wall seconds and its stdout."""
    environment = {
        **os.environ,
        "MLDEBT_HOME": str(home),
        "MLDEBT_REMOTE": str(home.parent / "remote"),
        "DAGSTER_HOME": str(home / "dagster"),
    }
    started = time.monotonic()
    done = subprocess.run(
        list(map(str, command)),
        env=environment,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return time.monotonic() - started, done.stdout


def left_behind(home: Path) -> dict[str, Any]:
    """Return what is in disorder after the replay; every list is empty where nothing is."""
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    os.environ["MLDEBT_REMOTE"] = str(home.parent / "remote")
    import dagster as dg
    from mlflow import MlflowClient

    from mldebt_assets.home import Home
    from mldebt_assets.snapshots import as_stored, at_storage_id
    from mldebt_assets.store import SnapshotStore

    store = SnapshotStore(Home(home))
    client = MlflowClient(Home(home).mlflow_uri)
    checked, wrong = 0, []
    with dg.DagsterInstance.get() as instance:
        failed = [run.run_id for run in instance.get_runs() if not run.is_success]
        for asset in instance.get_asset_keys():
            records = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=asset), limit=1000
            ).records
            for stored in map(as_stored, records):
                store.load(stored.snapshot)
                for name, read in stored.reads.items():
                    for sha256, storage_id in read.values():
                        key = dg.AssetKey.from_user_string(name.split(":")[-1])
                        found = at_storage_id(instance, key, storage_id)
                        checked += 1
                        if found.snapshot.sha256 != sha256:
                            wrong.append([stored.asset.to_user_string(), name, sha256])
    running = [
        found.info.run_id
        for experiment in client.search_experiments()
        for found in client.search_runs([experiment.experiment_id])
        if found.info.status not in {"FINISHED"}
    ]
    return {
        "dagster_runs_not_successful": failed,
        "mlflow_runs_not_finished": running,
        "records_of_reads_checked": checked,
        "records_of_reads_wrong": wrong,
    }


def main() -> int:
    """Measure, keep the figures, and return 1 where something was left in disorder."""
    with tempfile.TemporaryDirectory() as folder:
        home, out = Path(folder) / "home", Path(folder) / "bare"
        mldebt = BIN / "mldebt"
        init_seconds, _ = run(mldebt, "init", home=home)
        run(mldebt, "fetch", "flight_delays", home=home)
        before = git_status()
        seconds, told = run(mldebt, "replay", "flight_delays", "--json", home=home)
        again_seconds, _ = run(mldebt, "replay", "flight_delays", home=home)
        script = ROOT / "benchmarks" / "bare_script.py"
        bare_seconds, bare = run(sys.executable, script, LANDING, out, home=home)
        served = {
            batch["batch"]: batch["metrics"]["roc_auc"]
            for batch in json.loads(told)["batches"]
            if "roc_auc" in batch["metrics"]
        }
        run(BIN / "dagster", "asset", "list", "-m", "mldebt_assets.definitions", "--select", "*",
            home=home)  # fmt: skip
        disorder = left_behind(home)
        disorder["git_status_changed"] = [] if git_status() == before else [git_status()]
    keep(
        "replay",
        {
            "init_seconds": round(init_seconds, 1),
            "replay_seconds": round(seconds, 1),
            "replay_again_seconds": round(again_seconds, 1),
            "bare_script_seconds": round(bare_seconds, 1),
            "ratio": round(seconds / bare_seconds, 2),
            "served_auc": {batch: round(auc, 4) for batch, auc in served.items()},
            "served_auc_mean": round(fmean(served.values()), 4),
            "bare_script_served_the_same": served == json.loads(bare)["served"],
            "after": disorder,
        },
    )
    return int(any(isinstance(found, list) and found for found in disorder.values()))


def git_status() -> str:
    """Return what git says has changed; nothing outside a git repository."""
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
