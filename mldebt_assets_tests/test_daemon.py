"""With Dagster's real daemon running, a file that is dropped does what a replay does."""

from __future__ import annotations

import subprocess
import sys
import time

import dagster as dg
import pytest

from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import BusyError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import ROOT, answers, dagster_dev, environment, sample_workspace
from mldebt_assets_tests.world import installation

BEFORE, DROPPED = BATCHES[:2], BATCHES[2]
DEADLINE_SECONDS = 240
LOG = "dagster.log"
LOG_SHOWN = 4000

# Evaluates both sensors as the daemon does, and prints what was asked for and what was imported.
TICKS = """
import sys
from pathlib import Path
from mldebt_assets.replay import Clockwork
from mldebt_assets.automation.decisions import retraining_name
from mldebt_assets.sensors import arrivals_name
from mldebt_assets_tests.world import World
world = World.make(Path(sys.argv[1]))
repository = world.definitions.get_repository_def()
clockwork = Clockwork(world.pipeline, world.platform, world.instance, repository, print)
print(clockwork.tick(retraining_name(world.pipeline)))
print(clockwork.tick(arrivals_name(world.pipeline)).partition_key)
heavy = "dagster_mlflow dvc great_expectations mlflow numba scipy sklearn torch".split()
print(sorted({*heavy} & {name.split(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation in which two batches were replayed; one more makes a first champion."""
    with installation(tmp_path_factory.mktemp("daemon")) as made:
        made.land(*BEFORE)
        assert made.replay().settled == BEFORE
        yield made


@pytest.fixture(scope="module")
def port(world):
    """The port of `dagster dev` with the sample as its code location."""
    folder = world.landing.parent
    with dagster_dev(sample_workspace(folder, pause_seconds=1), folder / LOG) as port:
        yield port


def wait_until(world, reached, what):
    """Wait until something holds; say what the daemon wrote if it never does."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            log = (world.landing.parent / LOG).read_text()[-LOG_SHOWN:]
            pytest.fail(
                f"{what} did not happen within {DEADLINE_SECONDS} s; the daemon wrote:\n{log}"
            )
        time.sleep(0.5)


def drop(world):
    """Let the batch land as a careful program does: under its name only when it is whole."""
    sample.write_batch(world.landing / ".arriving", DROPPED).rename(
        world.landing / f"{DROPPED}.csv"
    )


def test_a_tick_of_the_sensors_imports_nothing_heavy(world):
    """The daemon evaluates them every few seconds, each time perhaps in a new process."""
    drop(world)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TICKS, str(world.landing.parent)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    (world.landing / f"{DROPPED}.csv").unlink()
    assert done.stdout.splitlines() == ["None", DROPPED, "[]"]


def test_a_dropped_file_becomes_assets_and_its_drift_decides(world, port):
    """This is how it runs in production; a replay only turns the same sensors by hand."""

    def beats():
        return "SENSOR" in world.instance.get_daemon_heartbeats()

    wait_until(world, beats, "the daemon's first heartbeat")
    wait_until(world, lambda: answers(port), "the web UI's first answer")
    with pytest.raises(BusyError, match=r"daemon is running on this home.*\nFix: "):
        world.replay()

    assert world.platform.record("parcels").champion() is None
    drop(world)
    wait_until(
        world,
        lambda: newest(world.instance, key(world.pipeline, "drift_report"), DROPPED),
        "the drift report of the dropped batch",
    )
    raw = newest(world.instance, key(world.pipeline, "raw"), DROPPED)
    assert raw.snapshot.sha256 == sha256((world.landing / f"{DROPPED}.csv").read_bytes())

    wait_until(world, world.platform.record("parcels").champion, "the first promotion")
    wait_until(
        world,
        lambda: {run.status for run in world.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS},
        "the success of every run",
    )
    story = chapters(world.instance, world.platform, world.pipeline)
    assert [(c.batch, c.champion, c.problem) for c in story] == [
        (BEFORE[0], None, None),
        (BEFORE[1], None, None),
        (DROPPED, 1, None),
    ]
    assert world.platform.registry.champion("parcels") == 1

    decision = decision_on(world.platform.record("parcels").facts(), "parcels", None)
    answer = trace(world.instance, world.platform, world.pipeline, decision)
    assert [entry["batch"] for entry in answer["training_set"]["batches"]] == list(BATCHES[:3])
    assert "3 batches are there" in answer["promotion"]["asked_because"]
    sensors = {run.tags.get("dagster/sensor_name") for run in world.instance.get_runs(limit=2)}
    assert sensors == {"parcels_arrivals", "parcels_retraining_decisions"}
