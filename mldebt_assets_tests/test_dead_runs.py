"""After everything was killed at once and started again, the real daemon clears up and goes on."""

import re
import time
from datetime import timedelta

import dagster as dg
import psutil
import pytest
from dagster._core.storage.runs.schema import RunsTable

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import REASON_TAG
from mldebt_assets.resources import PROCESS_TAG
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import WORKSPACE, running
from mldebt_assets_tests.world import World

DEADLINE_SECONDS = 240
LOG_SHOWN = 4000

# A run hangs at a moment for as long as there is a file of that name; pauses are short.
LOCATION = """
import time
from datetime import timedelta
from pathlib import Path
from mldebt_assets import resources, sensors
from mldebt_assets.core import attempts, tables
sensors.ARRIVALS_INTERVAL_SECONDS = sensors.RETRAINING_INTERVAL_SECONDS = 1
sensors.DEAD_RUNS_INTERVAL_SECONDS = 1
attempts.PAUSES = (timedelta(seconds=1),)
def hanging(function, moment):
    hang = Path(__file__).parent / moment
    def hang_first(*arguments, **named):
        while hang.exists():
            time.sleep(0.2)
        return function(*arguments, **named)
    return hang_first
resources.process_identity = hanging(resources.process_identity, "unnamed")
tables.parse = hanging(tables.parse, "at_work")
from mldebt_assets.definitions import define
from mldebt_assets_tests.sample import pipeline
defs = define([pipeline(Path(__file__).parent / "landing")])
"""
OUTAGE = timedelta(hours=1)
UNNAMED = r"^No process has taken up this run for \d+ s: its launcher was killed.$"
AT_WORK = "^The process .* of this run is gone: it was killed.$"


@pytest.fixture
def world(tmp_path, monkeypatch):
    """An installation in which a first batch has landed, with its workspace."""
    for name in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(name, "")
    made = World.make(tmp_path)
    made.land(BATCHES[0])
    (tmp_path / "workspace.yaml").write_text(WORKSPACE)
    (tmp_path / "location.py").write_text(LOCATION)
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


def daemon(root):
    """Run the daemon alone: who looks at pages has no part in this."""
    return running(["dagster-daemon", "run", "-w", root / "workspace.yaml"], root / "dagster.log")


def kill_all(root):
    """Kill, all at once and past any goodbye, every process that this one started below a folder.

    None is waited for: they stay zombies for as long as ``daemon`` does not end.
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


def named(runs):
    return [run for run in runs if PROCESS_TAG in run.tags]


def started(world):
    return world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))


def outage(world, run):
    """Let the time pass in which nobody is there: the run was last heard of so much earlier."""
    when = world.instance.get_run_record_by_id(run.run_id).update_timestamp - OUTAGE
    with world.instance.run_storage.connect() as connection:
        told = RunsTable.update().where(RunsTable.c.run_id == run.run_id)
        connection.execute(told.values(update_timestamp=when.replace(tzinfo=None)))


def test_after_each_kill_of_everything_the_daemon_fails_the_dead_run_and_tries_again(world):
    """The power fails twice while a batch is taken in; nobody is there in the morning to clear up.

    The first time the run has not named its process yet, the second time it is at work.
    """
    root = world.landing.parent
    unnamed, at_work = root / "unnamed", root / "at_work"
    unnamed.touch()
    with daemon(root):
        wait_until(world, lambda: started(world), "a run")
        assert kill_all(root)
    [first] = started(world)
    assert PROCESS_TAG not in first.tags
    outage(world, first)
    unnamed.unlink()
    at_work.touch()
    with daemon(root):
        wait_until(world, lambda: named(started(world)), "the second attempt's process")
        assert kill_all(root)
    [second] = started(world)
    at_work.unlink()
    with daemon(root):
        wait_until(world, lambda: world.instance.get_runs()[0].is_success, "the third attempt")
    third, *dead = world.instance.get_runs()
    assert [(run.run_id, run.status) for run in dead] == [
        (run.run_id, dg.DagsterRunStatus.FAILURE) for run in (second, first)
    ]
    for run, said in ((first, UNNAMED), (second, AT_WORK)):
        (ending,) = world.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert re.search(said, ending.dagster_event.message)
    for attempt, (run, again) in enumerate(((first, second), (second, third)), start=2):
        assert again.tags[REASON_TAG] == (
            f"{BATCHES[0]} run {run.run_id[:8]} died: its process is gone; attempt {attempt} of 3"
        )
    (told,) = chapters(world.instance, world.platform, world.pipeline)
    assert (told.problem, told.rows) == (None, len(sample.rows(BATCHES[0])))
