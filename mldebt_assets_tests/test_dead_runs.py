"""After everything was killed at once and started again, the real daemon clears up and goes on."""

import time

import dagster as dg
import psutil
import pytest
from dagster._core.definitions.run_request import InstigatorType

from mldebt_assets.failures import WATCHED_TAG
from mldebt_assets.reconcile import is_alive
from mldebt_assets.resources import PROCESS_TAG
from mldebt_assets.story import chapters
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import WORKSPACE, dagster_dev
from mldebt_assets_tests.world import World

DEADLINE_SECONDS = 240
LOG_SHOWN = 4000

# A step of the first run hangs for as long as there is a file ``hang``; pauses are short.
LOCATION = """
import time
from datetime import timedelta
from pathlib import Path
from mldebt_assets import sensors
from mldebt_assets.core import attempts, tables
sensors.ARRIVALS_INTERVAL_SECONDS = sensors.RETRAINING_INTERVAL_SECONDS = 1
sensors.DEAD_RUNS_INTERVAL_SECONDS = 1
attempts.PAUSES = (timedelta(seconds=1),)
hang, parse = Path(__file__).parent / "hang", tables.parse
def parse_or_hang(*arguments, **named):
    while hang.exists():
        time.sleep(0.2)
    return parse(*arguments, **named)
tables.parse = parse_or_hang
from mldebt_assets.definitions import define
from mldebt_assets_tests.sample import pipeline
defs = define([pipeline(Path(__file__).parent / "landing")])
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An installation in which a first batch has landed, with its workspace."""
    for name in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(name, "")
    made = World.make(tmp_path)
    made.land(BATCHES[0])
    (tmp_path / "location.py").write_text(LOCATION)
    (tmp_path / "workspace.yaml").write_text(WORKSPACE)
    yield made
    made.instance.dispose()


def wait_until(world, condition, what):
    """Return what the condition gives once it gives something true; else fail with the log."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (found := condition()):
        if time.monotonic() > deadline:
            log = (world.landing.parent / "dagster.log").read_text()[-LOG_SHOWN:]
            pytest.fail(f"{what} did not come within {DEADLINE_SECONDS} s; the log ends:\n{log}")
        time.sleep(0.2)
    return found


def kill_all(root):
    """Kill, all at once and past any goodbye, every process that this one started below a folder.

    None is waited for: they stay zombies for as long as ``dagster_dev`` does not end.
    """
    ours = [
        process
        for process in psutil.Process().children(recursive=True)
        if str(root) in " ".join([*process.cmdline(), process.cwd()])
    ]
    for process in ours:
        process.suspend()  # so that none sees another die
    for process in ours:
        process.kill()
    while any(map(runs, ours)):
        time.sleep(0.1)
    return ours


def runs(process):
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def working(world):
    """Return the run that has told its process, if there is one."""
    runs = world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return next((run for run in runs if PROCESS_TAG in run.tags), None)


def ticks_of(world, name):
    states = world.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    (state,) = [state for state in states if state.name == name]
    return world.instance.get_ticks(state.instigator_origin_id, state.selector_id)


def test_after_a_kill_of_everything_the_daemon_fails_the_dead_run_and_tries_again(world):
    """The power fails while a batch is taken in; nobody is there in the morning to clear up."""
    root = world.landing.parent
    workspace, log, hang = root / "workspace.yaml", root / "dagster.log", root / "hang"
    hang.touch()
    with dagster_dev(workspace, log):
        left = wait_until(world, lambda: working(world), "a run")
        assert is_alive(left.tags[PROCESS_TAG])
        assert kill_all(root)
    assert world.instance.get_run_by_id(left.run_id).status == dg.DagsterRunStatus.STARTED
    assert not is_alive(left.tags[PROCESS_TAG])
    hang.unlink()
    with dagster_dev(workspace, log):
        wait_until(
            world,
            lambda: [c.drift for c in chapters(world.instance, world.platform, world.pipeline)],
            "the batch",
        )
        wait_until(world, lambda: world.instance.get_runs()[0].is_success, "the second attempt")
    again, dead = world.instance.get_runs()
    assert (dead.run_id, dead.status) == (left.run_id, dg.DagsterRunStatus.FAILURE)
    assert again.tags["mldebt/reason"] == (
        f"{BATCHES[0]} run {left.run_id[:8]} died: its process is gone; attempt 2 of 3"
    )
    assert WATCHED_TAG not in again.tags
