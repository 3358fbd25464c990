"""What a kill leaves half done is finished or ended by the next start, once."""

import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.test_utils import create_run_for_test

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import BATCH_TAG, PIPELINE_TAG, RAW_TAG, batches, key
from mldebt_assets.automation.reconcile import (
    LONGEST_START,
    fail_dead_runs,
    finish_promotions,
    is_alive,
)
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.jobs import batch_job_name, retraining_job_name
from mldebt_assets.promotions import PromotionRecord, open_intents
from mldebt_assets.registry import Registry
from mldebt_assets.replay import SILENT
from mldebt_assets.resources import BOOT, PROCESS_TAG, process_identity
from mldebt_assets.sensors import DEAD_RUNS
from mldebt_assets.snapshots import READ_PREFIX, as_stored
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World, copy_of, installation, of

FIRST = BATCHES[:3]
RUNS_SHOWN = 100


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """An installation that has taken in three batches, and has not trained yet."""
    with installation(tmp_path_factory.mktemp("prepared")) as made:
        made.land(*FIRST)
        made.instance.add_dynamic_partitions(batches(made.pipeline).name, list(FIRST))
        for batch in FIRST:
            landed = sha256((made.landing / f"{batch}.csv").read_bytes())
            tags = {PIPELINE_TAG: "parcels", BATCH_TAG: batch, RAW_TAG: landed}
            job = batch_job_name(made.pipeline)
            assert execute(made, job, partition_key=batch, tags=tags).success
        made.instance.dispose()
        yield made


@pytest.fixture
def world(prepared, tmp_path):
    """A copy of it, to be killed in."""
    copy_of(prepared.home, tmp_path)
    shutil.copytree(prepared.landing, tmp_path / "landing")
    made = World.make(tmp_path)
    yield made
    made.instance.dispose()


def execute(world, job, **arguments):
    return (
        world.definitions.get_repository_def()
        .get_job(job)
        .execute_in_process(
            instance=world.instance, run_config=SILENT, raise_on_error=False, **arguments
        )
    )


def record_of(world):
    return world.platform.record(world.pipeline.name)


def promotions_of(world):
    """Return the champion's materializations, oldest first."""
    found = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(world.pipeline, "champion")),
        limit=RUNS_SHOWN,
        ascending=True,
    )
    return [as_stored(one) for one in found.records]


def kinds(world):
    return [fact.kind for fact in record_of(world).facts()]


def die(*_, **__):
    raise ConnectionResetError("the process stops here")


def die_at_alias(patch):
    patch.setattr(Registry, "set_champion", die)


def die_at_event(patch):
    put = SnapshotStore.put

    def put_unless_champion(store, data, *, folder, name):
        return (die if folder == "parcels/champion" else put)(store, data, folder=folder, name=name)

    patch.setattr(SnapshotStore, "put", put_unless_champion)


def die_at_done(patch):
    append = PromotionRecord.append

    def append_unless_done(record, kind, *arguments, **named):
        return (die if kind == "done" else append)(record, kind, *arguments, **named)

    patch.setattr(PromotionRecord, "append", append_unless_done)


STOPS = {
    "after the intent": (die_at_alias, None, 0),
    "after the alias": (die_at_event, 1, 0),
    "after the event": (die_at_done, 1, 1),
}


def stop_promotion(world, patch_at):
    with pytest.MonkeyPatch.context() as patch:
        patch_at(patch)
        assert not execute(world, retraining_job_name(world.pipeline)).success


@pytest.mark.parametrize(("patch_at", "alias", "events"), STOPS.values(), ids=STOPS)
def test_a_promotion_stopped_anywhere_is_finished_once(world, patch_at, alias, events):
    """Record, alias and materialization must never name different champions for long."""
    stop_promotion(world, patch_at)
    assert record_of(world).champion() is None
    assert world.platform.registry.champion("parcels") == alias
    assert len(promotions_of(world)) == events

    assert finish_promotions(world.instance, world.platform, world.pipeline) == [1]
    champion = record_of(world).champion()
    assert champion.version == 1
    assert world.platform.registry.champion("parcels") == 1
    (promotion,) = promotions_of(world)
    assert promotion.metadata["version"] == 1
    assert (
        world.platform.snapshots.load(promotion.snapshot)["sequence"] == champion.promotion.sequence
    )
    assert kinds(world) == ["intent", "done"]

    assert finish_promotions(world.instance, world.platform, world.pipeline) == []
    assert len(promotions_of(world)) == 1
    assert kinds(world) == ["intent", "done"]


def test_a_promotion_finished_late_says_what_it_read_as_any_other(world):
    """Lineage goes by what was read; a kill is no excuse for a gap in it."""
    stop_promotion(world, die_at_event)
    finish_promotions(world.instance, world.platform, world.pipeline)
    (late,) = promotions_of(world)
    intent = record_of(world).champion().promotion
    for stage in ("evaluation", "model", "training_set"):
        snapshot = intent.body[stage]
        read = late.metadata[f"{READ_PREFIX}parcels/{stage}"]
        assert read == {"": [snapshot["sha256"], snapshot["storage_id"]]}


def test_a_replay_after_the_kill_finishes_the_promotion_and_goes_on(world):
    """Nobody has to know that there was a kill."""
    stop_promotion(world, die_at_alias)
    world.land(BATCHES[3])
    outcome = world.replay()
    assert outcome.failed == ()
    told = {chapter.batch: chapter for chapter in outcome.chapters}
    assert told[BATCHES[3]].scored_by == 1
    assert open_intents(record_of(world).facts()) == []
    assert world.platform.registry.champion("parcels") == record_of(world).champion().version


def test_a_promotion_that_is_still_at_work_is_left_to_its_run(world):
    """Two of them finishing it would materialize the champion twice."""
    stop_promotion(world, die_at_alias)
    (intent,) = open_intents(record_of(world).facts())
    at_work = create_run_for_test(world.instance, status=dg.DagsterRunStatus.STARTED)
    body = {**intent.body, "run_id": at_work.run_id}
    record_of(world).append("undone", {"intent": 1}, effective_at=intent.effective_at)
    record_of(world).append("intent", body, effective_at=intent.effective_at)
    assert finish_promotions(world.instance, world.platform, world.pipeline) == []
    assert kinds(world) == ["intent", "undone", "intent"]
    world.instance.report_run_failed(at_work)
    assert finish_promotions(world.instance, world.platform, world.pipeline) == [1]


def test_a_promotion_that_a_later_one_overtook_is_closed_and_changes_nothing(world):
    """Finished now, an older version would push the champion out of alias and web UI."""
    stop_promotion(world, die_at_alias)
    (stopped,) = open_intents(record_of(world).facts())
    assert execute(world, retraining_job_name(world.pipeline)).success
    assert record_of(world).champion().promotion.sequence > stopped.sequence
    before = len(promotions_of(world))
    assert finish_promotions(world.instance, world.platform, world.pipeline) == []
    assert open_intents(record_of(world).facts()) == []
    assert record_of(world).facts()[-1].body["reason"] == "a later promotion overtook it"
    assert len(promotions_of(world)) == before


KILLED_IN_TRAINING = """
import os, signal, sys
from pathlib import Path
from mldebt_assets.registry import Registry
from mldebt_assets_tests.world import World

Registry.register = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
World.make(Path(sys.argv[1])).replay()
"""


def test_a_replay_killed_in_a_training_goes_on_where_it_was(world, tmp_path):
    """A laptop that is closed in the middle leaves no run open and loses no batch."""
    root = Path(__file__).parent.parent
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_IN_TRAINING, str(tmp_path)], cwd=root, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    (left,) = world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    (tracked,) = mlflow_runs(world)
    assert tracked.info.status == "RUNNING"

    outcome = world.replay()

    assert world.instance.get_run_by_id(left.run_id).status == dg.DagsterRunStatus.FAILURE
    assert world.platform.registry.client.get_run(tracked.info.run_id).info.status == "KILLED"
    assert {run.info.status for run in mlflow_runs(world)} == {"KILLED", "FINISHED"}
    assert outcome.settled == ()
    assert outcome.chapters[-1].champion == record_of(world).champion().version == 1
    assert [chapter.problem for chapter in chapters(*of(world))] == [None, None, None]


def mlflow_runs(world):
    client = world.platform.registry.client
    experiment = client.get_experiment_by_name("parcels")
    return client.search_runs([experiment.experiment_id])


@pytest.fixture
def sleeper():
    """Another process that does nothing."""
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def identity_of(process):
    return process_identity(psutil.Process(process.pid))


def test_this_process_is_alive():
    """Else a replay would fail its own run."""
    assert is_alive(process_identity())


def test_a_living_process_is_alive_and_a_killed_one_is_not(sleeper):
    """A zombie runs nothing: in a container, whose first process waits for none, it stays one."""
    identity = identity_of(sleeper)
    assert is_alive(identity)
    sleeper.kill()
    waited = time.monotonic() + 10
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < waited
    assert not is_alive(identity)
    sleeper.wait()
    assert not is_alive(identity)


def test_a_process_id_used_again_is_not_taken_for_the_old_process(sleeper):
    """After a restart of the machine the same numbers come again within minutes."""
    pid, _, start = identity_of(sleeper).partition(":")
    assert is_alive(f"{pid}:{start}")
    assert not is_alive(f"{pid}:1{start}")
    assert not is_alive(f"{pid}:{start.replace('.', '.1')}")


def test_a_correction_of_the_clock_kills_no_living_run(sleeper, monkeypatch):
    """psutil tells a start by the time of day, which a correction moves for every process."""
    identity = identity_of(sleeper)
    moved = psutil.Process(sleeper.pid).create_time() + 3600
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: moved)
    if not BOOT.exists():
        pytest.skip("only Linux tells a start by a clock that nobody sets")
    assert is_alive(identity)


def test_nobody_tells_of_the_processes_of_another_host(sleeper):
    """A shared home is one of several machines, and each looks after its own."""
    identity = identity_of(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert is_alive(identity.partition("@")[0] + "@another")


def test_a_dead_run_is_failed_and_a_living_one_is_left_alone(world, sleeper):
    """A run that stays open for ever stops every later one of its pipeline."""
    gone = create_run_for_test(
        world.instance,
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: identity_of(sleeper)},
    )
    ours = create_run_for_test(
        world.instance,
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: process_identity()},
    )
    waiting = create_run_for_test(world.instance, status=dg.DagsterRunStatus.STARTING)
    tracked = {run.run_id: track(world, run) for run in (gone, ours)}
    sleeper.kill()
    sleeper.wait()

    assert fail_dead_runs(world.instance, world.platform, datetime.now(UTC)) == [gone.run_id]

    statuses = [world.instance.get_run_by_id(run.run_id).status for run in (gone, ours, waiting)]
    assert statuses == [
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.STARTING,
    ]
    assert status_of(world, tracked[gone.run_id]) == "KILLED"
    assert status_of(world, tracked[ours.run_id]) == "RUNNING"
    assert fail_dead_runs(world.instance, world.platform, datetime.now(UTC)) == []


LONG_AGO = 2 * LONGEST_START


@pytest.mark.parametrize(
    ("status", "ours", "dead"),
    [
        ("NOT_STARTED", True, True),
        ("STARTING", True, True),
        ("STARTED", True, True),
        ("CANCELING", True, True),
        ("STARTING", False, True),
        ("STARTED", False, False),
        ("SUCCESS", True, False),
    ],
)
def test_a_run_that_no_process_took_up_is_dead_after_a_while(world, status, ours, dead):
    """Its launcher was killed before it could start one. Other programs' runs name no process."""
    left = create_run_for_test(
        world.instance,
        status=dg.DagsterRunStatus[status],
        tags={PIPELINE_TAG: "parcels"} if ours else {},
    )
    now = datetime.now(UTC)
    assert fail_dead_runs(world.instance, world.platform, now) == []
    found = fail_dead_runs(world.instance, world.platform, now + LONG_AGO)
    assert found == ([left.run_id] if dead else [])
    ended = world.instance.get_run_by_id(left.run_id).status
    cancelled = dg.DagsterRunStatus.CANCELED
    expected = cancelled if status == "CANCELING" else dg.DagsterRunStatus.FAILURE
    assert ended == (expected if dead else left.status)


def test_a_run_that_is_executed_again_does_not_die_of_its_parents_process(world, sleeper):
    """Dagster's web UI copies every tag, that of the dead process too."""
    tags = {PIPELINE_TAG: "parcels", PROCESS_TAG: identity_of(sleeper)}
    failed = create_run_for_test(world.instance, status=dg.DagsterRunStatus.FAILURE, tags=tags)
    again = create_run_for_test(
        world.instance,
        status=dg.DagsterRunStatus.STARTING,
        tags=tags,
        parent_run_id=failed.run_id,
        root_run_id=failed.run_id,
    )
    sleeper.kill()
    sleeper.wait()
    now = datetime.now(UTC)
    assert fail_dead_runs(world.instance, world.platform, now) == []
    assert fail_dead_runs(world.instance, world.platform, now + LONG_AGO) == [again.run_id]


def test_the_sensor_of_dead_runs_clears_up_whatever_other_sensors_are_stopped(world, sleeper):
    """A user who takes in by night alone has stopped the sensor that used to do it."""
    stop_promotion(world, die_at_alias)
    tags = {PIPELINE_TAG: "parcels", PROCESS_TAG: identity_of(sleeper)}
    dead = create_run_for_test(world.instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    assert sensed(world) == "No run is dead, and no promotion stopped half-way."
    sleeper.kill()
    sleeper.wait()
    assert sensed(world) == (
        f"Failed as dead: {dead.run_id}. Finished the promotion of parcels v1. "
        "Wrote the papers of parcels v1."
    )
    assert sensed(world) == "No run is dead, and no promotion stopped half-way."


def sensed(world):
    """Evaluate the sensor of dead runs as the daemon does; return what its tick says."""
    context = dg.build_sensor_context(
        instance=world.instance, instance_ref=world.instance.get_ref(), sensor_name=DEAD_RUNS
    )
    repository = world.definitions.get_repository_def()
    return repository.get_sensor_def(DEAD_RUNS).evaluate_tick(context).skip_message


def track(world, run):
    client = world.platform.registry.client
    experiment = client.get_experiment_by_name("parcels").experiment_id
    return client.create_run(experiment, tags={"dagster_run_id": run.run_id}).info.run_id


def status_of(world, mlflow_run):
    return world.platform.registry.client.get_run(mlflow_run).info.status
