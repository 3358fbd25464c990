"""Connections that assets ask for: the home with its stores, and MLflow, loaded when first used."""

import functools
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import dagster as dg
import psutil

from mldebt_assets.home import TRACKING_VARIABLE, Home, require_experiment
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.registry import Registry
from mldebt_assets.snapshots import SnapshotIOManager
from mldebt_assets.store import SnapshotStore

PROCESS_TAG = "mldebt/process"
BOOT = Path("/proc/sys/kernel/random/boot_id")
TICKS_AFTER_NAME = 19  # field 22 of proc_pid_stat(5), counted from the one after the name


class Platform:
    """One home's stores, opened when first used."""

    def __init__(self, home: Home) -> None:
        self.home = home

    @functools.cached_property
    def snapshots(self) -> SnapshotStore:
        """The DVC cache and remote."""
        return SnapshotStore(self.home)

    @functools.cached_property
    def registry(self) -> Registry:
        """MLflow's runs and model versions."""
        return Registry(self.home)

    def record(self, pipeline: str) -> PromotionRecord:
        """Return the promotion record of a pipeline."""
        return PromotionRecord(self.home.records / f"{pipeline}.jsonl", pipeline)


def process_identity(process: psutil.Process | None = None) -> str:
    """Return a process, by default this one, as ``pid:start@host``, which no other repeats.

    Raises: psutil.NoSuchProcess if it is gone.
    """
    process = process or psutil.Process()
    return f"{process.pid}:{started_at(process)}@{socket.gethostname()}"


def started_at(process: psutil.Process) -> str:
    """Return when a process was started, by a clock that nobody sets.

    On Linux that is the boot and the clock ticks since. psutil adds them to the time of day of the
    boot, which moves when the system's clock is corrected: a living process would then seem dead.
    """
    stat = Path(f"/proc/{process.pid}/stat")
    if not BOOT.exists():
        return f"{process.create_time():.2f}"
    try:
        ticks = stat.read_text().rpartition(")")[2].split()[TICKS_AFTER_NAME]
    except (FileNotFoundError, ProcessLookupError) as gone:
        raise psutil.NoSuchProcess(process.pid) from gone
    return f"{BOOT.read_text().strip()}.{ticks}"


@dg.resource
def platform(context: dg.InitResourceContext) -> Platform:
    """Open the home, and note on the run which process runs it, so that a dead run is found."""
    home = Home.locate().require()
    os.environ.update(home.environment())
    if context.run and context.instance and context.instance.has_run(context.run.run_id):
        context.instance.add_run_tags(context.run.run_id, {PROCESS_TAG: process_identity()})
    return Platform(home)


@dg.io_manager(required_resource_keys={"platform"})
def snapshot_io_manager(context: dg.InitResourceContext) -> SnapshotIOManager:
    """Store what assets make in the home's DVC cache and remote."""
    return SnapshotIOManager(context.resources.platform.snapshots)


@dg.resource(required_resource_keys={"platform"})
def mlflow_run(context: dg.InitResourceContext) -> Iterator[Any]:
    """Give dagster-mlflow's resource to the step that trains, and end its run whatever happens.

    dagster-mlflow would take over a run that is still open in this process, and leaves a failed
    run as FINISHED: so whatever is active ends first, and the status is ours. It also writes the
    server's address into this process's environment, where the next home would take it for a wish.
    """
    import mlflow
    from dagster_mlflow import mlflow_tracking

    job_tags = context.run.tags if context.run else {}
    experiment = job_tags.get("mldebt/pipeline", "mldebt")
    opened: Platform = context.resources.platform
    mlflow.end_run()
    # The pipeline may have been declared after the home was made.
    require_experiment(opened.home, opened.registry.client, experiment)
    configuration = {
        "experiment_name": experiment,
        "mlflow_tracking_uri": opened.home.mlflow_uri,
        "env": {},
        "extra_tags": {},
    }
    start = cast("Callable[[dg.InitResourceContext], Iterator[Any]]", mlflow_tracking.resource_fn)
    wished = os.environ.get(TRACKING_VARIABLE)
    try:
        yield from start(context.replace_config(configuration))
    finally:
        os.environ.pop(TRACKING_VARIABLE, None)
        if wished is not None:
            os.environ[TRACKING_VARIABLE] = wished
