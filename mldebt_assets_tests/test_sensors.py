"""What failed is asked for again as its cause allows, and every tick says what was decided."""

import shutil
import socket
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import PIPELINE_TAG, REASON_TAG, RETRAINING_TAG, batches, key
from mldebt_assets.automation import decisions, failures, pending
from mldebt_assets.automation.arrivals import next_arrival
from mldebt_assets.automation.decisions import next_retraining
from mldebt_assets.automation.pending import ATTEMPT_TAG
from mldebt_assets.core import network, tables
from mldebt_assets.core.errors import UnreachableError
from mldebt_assets.jobs import batch_job_name, retraining_job_name
from mldebt_assets.replay import SILENT
from mldebt_assets.resources import PROCESS_TAG
from mldebt_assets.snapshots import newest, snapshot_metadata
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World, copy_of

FIRST, NEXT = BATCHES[:3], BATCHES[3]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(begun, tmp_path, monkeypatch):
    """An installation with a champion of three batches, in which one more has landed."""
    for name in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(name, "")
    copy_of(begun.home, tmp_path)
    shutil.copytree(begun.landing, tmp_path / "landing")
    made = World.make(tmp_path)
    made.land(NEXT)
    yield made
    made.instance.dispose()


def context(world, cursor=None):
    reference = world.instance.get_ref()
    return dg.build_sensor_context(instance=world.instance, instance_ref=reference, cursor=cursor)


def arrivals(world, *, after=timedelta(0)):
    """Evaluate the sensor of arrivals, as if so much time had passed."""
    now = datetime.now(UTC) + after
    return next_arrival(context(world), world.pipeline, world.platform, now)


def retraining(world, *, after=timedelta(0)):
    """Evaluate the sensor that decides, as if so much time had passed."""
    now = datetime.now(UTC) + after
    return next_retraining(context(world), world.pipeline, world.platform, now)


def said(result):
    return result.skip_reason.skip_message if result.skip_reason else None


def run(world, job, request):
    """Run what a sensor asked for, as the daemon would; return the run."""
    if request.partition_key:
        world.instance.add_dynamic_partitions(batches(world.pipeline).name, [request.partition_key])
    repository = world.definitions.get_repository_def()
    done = repository.get_job(job).execute_in_process(
        instance=world.instance,
        partition_key=request.partition_key,
        run_config={**SILENT, **(request.run_config or {})},
        tags=request.tags,
        raise_on_error=False,
    )
    return world.instance.get_run_by_id(done.run_id)


def take_in(world, *, after=timedelta(0)):
    (request,) = arrivals(world, after=after).run_requests
    return run(world, batch_job_name(world.pipeline), request)


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def test_a_batch_whose_remote_did_not_answer_is_tried_again_later(world, monkeypatch):
    """And until then no later batch overtakes it."""
    away = UnreachableError.of("The remote", "Name or service not known.")
    with monkeypatch.context() as patch:
        patch.setattr(tables, "parse", raising(away))
        failed = take_in(world)
    told = (
        f"run {failed.run_id[:8]} failed (The remote cannot be reached: Name or service not known)"
    )
    waits = arrivals(world)
    assert waits.run_requests == []
    assert said(waits).startswith(
        f"Nothing new among 4 batches. Waiting: {NEXT}: {told}; attempt 2 of 3 not before "
    )
    assert said(waits).endswith(" UTC.")
    (request,) = arrivals(world, after=2 * MINUTE).run_requests
    assert request.tags[REASON_TAG] == f"{NEXT} {told}; attempt 2 of 3"
    assert run(world, batch_job_name(world.pipeline), request).is_success
    assert said(arrivals(world)) == "The newest batch waits for the decision on retraining."


def test_an_error_in_code_is_not_tried_again_until_the_code_changes(world, monkeypatch):
    """The same lines raise the same error; the other batches go on meanwhile."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "parse", raising(TypeError("weight_kg 13.7 of row 5")))
        failed = take_in(world)
    world.land(BATCHES[4])
    (other,) = arrivals(world, after=timedelta(days=1)).run_requests
    assert other.partition_key == BATCHES[4]
    (world.landing / f"{BATCHES[4]}.csv").unlink()
    told = f"run {failed.run_id[:8]} failed (TypeError)"
    left = said(arrivals(world, after=timedelta(days=1)))
    assert left == (
        f"Nothing new among 4 batches. Left alone: {NEXT}: {told}; the same code would fail again "
        "until it is changed."
    )
    assert "13.7" not in left
    monkeypatch.setattr(failures, "code_digest", lambda: "repaired")
    (request,) = arrivals(world).run_requests
    assert request.tags[REASON_TAG] == (
        f"{NEXT} {told}, and the code has changed since; attempt 1 of 3"
    )


def test_a_run_that_a_person_cancelled_is_left_to_that_person(world):
    """Started again ten seconds later, it could not be cancelled at all."""
    (request,) = arrivals(world).run_requests
    job = batch_job_name(world.pipeline)
    cancelled = create_run_for_test(
        world.instance, job, status=dg.DagsterRunStatus.CANCELED, tags=request.tags
    )
    assert said(arrivals(world, after=timedelta(days=1))) == (
        f"Nothing new among 4 batches. Left alone: {NEXT}: run {cancelled.run_id[:8]} was "
        "cancelled; whoever wants it re-executes that run."
    )


def test_after_all_attempts_a_batch_is_left_alone_and_a_replay_begins_anew(world, monkeypatch):
    """Whoever starts a replay may have mended the cause."""
    with monkeypatch.context() as patch:
        patch.setattr(tables, "parse", raising(MemoryError()))
        for attempt in range(world.pipeline.retraining.attempts):
            take_in(world, after=attempt * timedelta(hours=1))
    assert said(arrivals(world, after=timedelta(days=1))).endswith(
        "failed (MemoryError); all 3 attempts are spent, so mend the cause and re-execute that run."
    )
    outcome = world.replay()
    assert (outcome.settled, outcome.failed) == ((NEXT,), ())


def performance(world, batch, *, dropped, summary, digest="ab" * 32):
    """Let the labels of a batch come late: its performance is judged by a run of its own."""
    report = newest(world.instance, key(world.pipeline, "drift_report"), batch).snapshot
    metadata = {**snapshot_metadata(report), "sha256": digest, "dropped": dropped}
    world.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key(world.pipeline, "performance"),
            partition=batch,
            metadata={**metadata, "summary": summary},
        )
    )


def test_a_drop_that_late_labels_show_trains_once_and_says_why(world):
    """The inputs may look as ever; what they mean has changed."""
    assert take_in(world).is_success
    assert said(retraining(world)).startswith(f"{NEXT}: The inputs give no cause to train: ")
    assert said(retraining(world)) == "Nothing was judged since the last decision."

    performance(world, NEXT, dropped=True, summary="the lift over the base fell by 31 %")
    assert said(arrivals(world)) == "The newest batch waits for the decision on retraining."
    (request,) = retraining(world).run_requests
    assert request.tags[REASON_TAG] == (
        "The lift over the base fell by 31 %; last training 30 days ago."
    )
    assert request.tags[RETRAINING_TAG].endswith(f":{'ab' * 32}")
    (again,) = retraining(world).run_requests
    assert again.run_key == request.run_key
    assert run(world, retraining_job_name(world.pipeline), request).is_success
    assert said(retraining(world)) == "Nothing was judged since the last decision."
    assert said(arrivals(world)) == "Nothing new among 4 batches."


def test_late_labels_that_show_no_drop_are_decided_too_and_do_not_rewrite_the_batchs_story(world):
    """A training that the batch's drift asked for stays its training."""
    last = FIRST[-1]
    before = {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}[last]
    assert (before.retrained, before.champion) == (True, 1)
    performance(world, last, dropped=False, summary="the lift over the base rose by 2 %")
    assert said(retraining(world)) == (
        f"{last}: The performance gives no cause to train: the lift over the base rose by 2 %."
    )
    after = {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}[last]
    assert (after.retrained, after.reason) == (before.retrained, before.reason)


def test_a_decision_interrupted_between_two_batches_goes_on_with_the_second(world, monkeypatch):
    """Both were judged in one night; the first decision must not hide the second."""
    for digest, batch in (("ab" * 32, FIRST[0]), ("cd" * 32, FIRST[1])):
        performance(world, batch, dropped=False, summary="as before", digest=digest)
    record = world.platform.record("parcels")
    before = len(record.facts())
    append, appended = type(record).append, []

    def append_once(record, kind, *arguments, **named):
        if appended:
            raise ConnectionResetError("the process stops here")
        appended.append(kind)
        return append(record, kind, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(type(record), "append", append_once)
        with pytest.raises(ConnectionResetError, match="the process stops here"):
            retraining(world)
    assert said(retraining(world)).startswith(f"{FIRST[1]}: ")
    new = [fact.body["batch"] for fact in record.facts()[before:]]
    assert new == [FIRST[0], FIRST[1]]


def test_each_decision_stands_once_on_the_training_sets_page_also_after_an_interruption(
    world, monkeypatch
):
    """Also the one not to train: the page says why there is no newer model."""
    assert take_in(world).is_success
    with monkeypatch.context() as patch:
        patch.setattr(decisions, "show_decisions", raising(ConnectionResetError("it stops here")))
        with pytest.raises(ConnectionResetError, match="it stops here"):
            retraining(world)
    retraining(world)
    retraining(world)

    shown = world.instance.fetch_observations(
        key(world.pipeline, "training_set"), limit=100, ascending=True
    ).records
    observed = [record.asset_observation for record in shown]
    taken = [fact for fact in world.platform.record("parcels").facts() if fact.kind == "decision"]
    assert [one.metadata["hash of the fact"].value for one in observed] == [f.hash for f in taken]
    assert [one.metadata["batch"].value for one in observed] == list(BATCHES[:4])
    decided = [one.metadata["decided"].value for one in observed]
    assert decided == ["no retraining", "no retraining", "retraining", "no retraining"]
    assert observed[-1].description.startswith(f"{NEXT}: no retraining. The inputs give no cause")


@pytest.fixture
def asked(world):
    """A training that late labels have asked for."""
    assert take_in(world).is_success
    retraining(world)
    performance(world, NEXT, dropped=True, summary="the lift over the base fell by 31 %")
    (request,) = retraining(world).run_requests
    return request


def test_a_training_that_died_is_tried_again_after_a_pause_and_keeps_its_reason(world, asked):
    """The record asks why the model was trained, not how often its run was started."""
    gone = create_run_for_test(
        world.instance,
        retraining_job_name(world.pipeline),
        status=dg.DagsterRunStatus.STARTED,
        tags={**asked.tags, PIPELINE_TAG: "parcels", PROCESS_TAG: f"1:0@{socket.gethostname()}"},
    )
    waits = retraining(world)
    told = f"run {gone.run_id[:8]} died: its process is gone; attempt 2 of 3"
    assert said(waits).startswith(f"The training asked for by {NEXT}: {told} not before ")
    assert said(arrivals(world)) == "The newest batch waits for the decision on retraining."
    (request,) = retraining(world, after=2 * MINUTE).run_requests
    assert request.tags[REASON_TAG] == asked.tags[REASON_TAG]
    assert request.tags[ATTEMPT_TAG] == told
    assert request.run_key != asked.run_key


def test_a_training_that_fails_by_its_code_stops_no_batch(world, asked, monkeypatch):
    """The champion serves on; who mends the code gets the training without asking."""
    with monkeypatch.context() as patch:
        patch.setattr(network, "train_member", raising(TypeError("no such thing")))
        failed = run(world, retraining_job_name(world.pipeline), asked)
    assert said(retraining(world, after=timedelta(days=1))) == (
        "Nothing was judged since the last decision. The training asked for by "
        f"{NEXT}: run {failed.run_id[:8]} failed (TypeError); the same code would fail again until "
        "it is changed."
    )
    assert said(arrivals(world)) == "Nothing new among 4 batches."
    monkeypatch.setattr(failures, "code_digest", lambda: "repaired")
    monkeypatch.setattr(pending, "code_digest", lambda: "repaired")
    (request,) = retraining(world).run_requests
    assert request.tags["mldebt/code"] == "repaired"
    assert request.tags[REASON_TAG] == asked.tags[REASON_TAG]
