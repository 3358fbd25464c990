"""A replay that is killed or interrupted goes on where it was, and ends as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import INTERRUPTED_TAG
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.promotions import open_intents
from mldebt_assets.replay import interrupts_kept
from mldebt_assets.snapshots import as_stored
from mldebt_assets_tests.killed_replays import MOMENTS
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300

# Runs the command line on the sample; Ctrl-C comes while the network is training.
INTERRUPTED_CLI = """
import os, signal, sys
from pathlib import Path
from mldebt_assets import definitions, pipelines
from mldebt_assets.core import network
from mldebt_assets_tests import sample
pipeline = sample.pipeline(Path(sys.argv[1]) / "landing")
pipelines.PIPELINES = (pipeline,)
definitions.defs = definitions.define([pipeline])
train = network.train_member
def train_until_interrupted(*arguments, **named):
    os.kill(os.getpid(), signal.SIGINT)
    return train(*arguments, **named)
network.train_member = train_until_interrupted
sys.argv = ["mldebt", "replay", "parcels", "--json"]
from mldebt_assets.cli import app
app()
"""


def python(*arguments):
    """Run Python in the project's root, as its own process group."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """How each process of the killed replays ended, and the folders that they left behind."""
    whole, killed = (tmp_path_factory.mktemp(name) for name in ("whole", "killed"))
    done = python("-m", "mldebt_assets_tests.killed_replays", whole, killed)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "whole": whole, "killed": killed}


@pytest.fixture
def opened(ended, monkeypatch):
    """Open an installation that the processes left behind."""
    worlds = []

    def open_one(name):
        for variable in ("DAGSTER_HOME", "MLDEBT_HOME"):
            monkeypatch.setenv(variable, "")  # so that it is put back at the end
        worlds.append(World.make(ended[name]))
        return worlds[-1]

    yield open_one
    for world in worlds:
        world.instance.dispose()


def told(world):
    return chapters(world.instance, world.platform, world.pipeline)


def mlflow_statuses(world):
    client = world.platform.registry.client
    experiment = client.get_experiment_by_name("parcels")
    return sorted(run.info.status for run in client.search_runs([experiment.experiment_id]))


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_process_was_killed_at(ended, moment):
    """A moment that never came would prove nothing."""
    assert ended["killed_by"][moment] == signal.SIGKILL


def test_after_all_kills_the_story_is_that_of_an_undisturbed_replay(ended, opened):
    """Whoever reads it must not be able to tell that the power failed."""
    assert ended["last"] == 0
    whole = told(opened("whole"))
    assert [chapter.batch for chapter in whole] == list(BATCHES)
    assert told(opened("killed")) == whole


def test_after_all_kills_the_same_bits_were_made(opened):
    """The champion, its training sets and every batch's artefacts have the same hashes."""
    hashes = []
    for name in ("whole", "killed"):
        world = opened(name)
        found = set()
        for asset in world.instance.all_asset_keys():
            if asset.path[-1] in {"raw", "validated", "features", "training_set", "model"}:
                records = world.instance.fetch_materializations(asset, limit=100).records
                found |= {(s.asset, s.batch, s.snapshot.sha256) for s in map(as_stored, records)}
        champion = world.platform.record("parcels").champion()
        hashes.append((champion.version, champion.weights_sha256, found))
    assert hashes[0] == hashes[1]


def test_after_all_kills_record_alias_and_materialization_agree(opened):
    """A kill between two of them is what the record's intents are for."""
    world = opened("killed")
    facts = world.platform.record("parcels").facts()
    assert open_intents(facts) == []
    assert [f.kind for f in facts].count("intent") == [f.kind for f in facts].count("done") == 2
    assert world.platform.registry.champion("parcels") == 2
    shown = world.instance.fetch_materializations(dg.AssetKey(["parcels", "champion"]), limit=10)
    assert [as_stored(record).metadata["version"] for record in shown.records] == [2, 1]


def test_after_all_kills_every_run_has_ended(opened):
    """A run that stays in progress would block its pipeline for ever."""
    world = opened("killed")
    ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}
    assert {run.status for run in world.instance.get_runs()} == ended
    assert mlflow_statuses(world) == ["FINISHED", "FINISHED", "KILLED"]
    assert [v.version for v in world.platform.registry.versions("parcels")] == [1, 2]


def test_every_snapshot_that_a_kill_left_is_whole(opened):
    """Bytes come before the event that names them, so that no event names what is not there."""
    world = opened("killed")
    for asset in world.instance.all_asset_keys():
        for record in world.instance.fetch_materializations(asset, limit=100).records:
            snapshot = as_stored(record).snapshot
            data = world.platform.snapshots.get(
                name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5
            )
            assert sha256(data) == snapshot.sha256


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """A command line that got Ctrl-C in its first training, and the world that it left behind."""
    for variable in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(variable, "")
    world = World.make(tmp_path)
    world.land(*BATCHES[:3])
    done = python("-c", INTERRUPTED_CLI, tmp_path)
    yield done, world
    world.instance.dispose()


def test_ctrl_c_ends_with_a_message_and_its_exit_code(interrupted):
    """Dagster swallows it and goes on; a script must see 130, and a person what to do next."""
    done, world = interrupted
    assert (done.returncode, done.stdout) == (130, ""), done.stderr
    assert done.stderr.endswith(
        "Interrupted. Run the same command again: it goes on where it was.\n"
    )
    assert "Traceback" not in done.stderr
    [failed] = world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert failed.tags[INTERRUPTED_TAG] == "true"
    assert [c.champion for c in told(world)] == [None, None, None]
    assert mlflow_statuses(world) == ["FAILED"]

    assert [c.champion for c in world.replay().chapters] == [None, None, 1]
    assert mlflow_statuses(world) == ["FAILED", "FINISHED"]


@pytest.fixture
def heard():
    """Hear Ctrl-C as a program in the foreground does: one in the background starts deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_comes_again_where_its_exception_was_lost():
    """Python drops what is raised while an object is finalised; the wish to end must survive it."""

    class Finalised:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=""), interrupts_kept():
        Finalised()
        time.sleep(5)


def test_what_else_is_lost_is_told_as_ever(monkeypatch):
    """Only Ctrl-C comes again: any other error would come for ever."""
    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(str(lost.exc_value)))

    class Finalised:
        def __del__(self):
            raise ValueError("lost")

    with interrupts_kept():
        Finalised()
    assert told == ["lost"]
