"""After everything was killed at once and started again, the real daemon clears up and goes on."""

import re
import time

import dagster as dg
import psutil
import pytest

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import REASON_TAG
from mldebt_assets.resources import PROCESS_TAG
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import WORKSPACE, dagster_dev
from mldebt_assets_tests.world import World

DEADLINE_SECONDS = 240
LOG_SHOWN = 4000

# The first run hangs at a moment for as long as there is a file ``hang``; pauses are short.
LOCATION = """
import time
from datetime import timedelta
from pathlib import Path
from mldebt_assets import resources, sensors
from mldebt_assets.automation import reconcile
from mldebt_assets.core import attempts, tables
sensors.ARRIVALS_INTERVAL_SECONDS = sensors.RETRAINING_INTERVAL_SECONDS = 1
sensors.DEAD_RUNS_INTERVAL_SECONDS = 1
attempts.PAUSES = (timedelta(seconds=1),)
reconcile.LONGEST_START = timedelta(seconds=30)
hang = Path(__file__).parent / "hang"
def hanging(function):
    def hang_first(*arguments, **named):
        while hang.exists():
            time.sleep(0.2)
        return function(*arguments, **named)
    return hang_first
{module}.{function} = hanging({module}.{function})
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


def started(world):
    return world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))


# Where the first run hangs when it is killed, and what its failure says of it.
MOMENTS = {
    "at work": (("tables", "parse"), "^The process .* of this run is gone: it was killed.$"),
    "before it named its process": (
        ("resources", "process_identity"),
        r"^No process has taken up this run for \d+ s: its launcher was killed.$",
    ),
}


@pytest.mark.parametrize(("place", "said"), MOMENTS.values(), ids=MOMENTS)
def test_after_a_kill_of_everything_the_daemon_fails_the_dead_run_and_tries_again(
    world, place, said
):
    """The power fails while a batch is taken in; nobody is there in the morning to clear up."""
    root = world.landing.parent
    workspace, log, hang = root / "workspace.yaml", root / "dagster.log", root / "hang"
    (root / "location.py").write_text(LOCATION.format(module=place[0], function=place[1]))
    hang.touch()
    with dagster_dev(workspace, log):
        (left,) = wait_until(world, lambda: started(world), "a run")
        if place[0] == "tables":
            wait_until(world, lambda: PROCESS_TAG in started(world)[0].tags, "its process")
        assert kill_all(root)
    (left,) = started(world)
    assert (PROCESS_TAG in left.tags) == (place[0] == "tables")
    hang.unlink()
    with dagster_dev(workspace, log):
        wait_until(world, lambda: world.instance.get_runs()[0].is_success, "the second attempt")
    again, dead = world.instance.get_runs()
    assert (dead.run_id, dead.status) == (left.run_id, dg.DagsterRunStatus.FAILURE)
    (ending,) = world.instance.all_logs(left.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert re.search(said, ending.dagster_event.message)
    assert again.tags[REASON_TAG] == (
        f"{BATCHES[0]} run {left.run_id[:8]} died: its process is gone; attempt 2 of 3"
    )
    (told,) = chapters(world.instance, world.platform, world.pipeline)
    assert (told.problem, told.rows) == (None, len(sample.rows(BATCHES[0])))
