"""By night everything new is taken in, once a week a candidate is trained, and both say why not."""

import os
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mldebt_assets import schedules
from mldebt_assets.assets.keys import PIPELINE_TAG, REASON_TAG, RETRAINING_TAG, batches
from mldebt_assets.automation import arrivals
from mldebt_assets.automation.decisions import next_retraining
from mldebt_assets.automation.weekly import weekly_training
from mldebt_assets.core.errors import BatchChangedError, DeclarationError
from mldebt_assets.jobs import batch_job_name, retraining_job_name
from mldebt_assets.replay import SILENT, Clockwork
from mldebt_assets.schedules import nightly_name, weekly_name
from mldebt_assets.sources import landing
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import installation, ticked

SUNDAY = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation that goes through one night; the tests follow it in their order."""
    with installation(tmp_path_factory.mktemp("night")) as made:
        yield made


def repository(world):
    return world.definitions.get_repository_def()


def tick(world, name, when=SUNDAY):
    """Evaluate a schedule as the daemon does; return its requests, and what it says instead."""
    result = ticked(world, name, when)
    return result.run_requests, result.skip_message


def nightly(world):
    return tick(world, nightly_name(world.pipeline))


def weekly(world, when=SUNDAY):
    return tick(world, weekly_name(world.pipeline), when)


def execute(world, job, request):
    done = (
        repository(world)
        .get_job(job)
        .execute_in_process(
            instance=world.instance,
            partition_key=request.partition_key,
            run_config={**SILENT, **(request.run_config or {})},
            tags=request.tags,
        )
    )
    assert done.success


def decided(world):
    facts = world.platform.record("parcels").facts()
    return [fact.body for fact in facts if fact.kind == "decision"]


def sensor(world, now=None):
    """Evaluate the sensor that decides, at a moment."""
    context = dg.build_sensor_context(
        instance=world.instance, instance_ref=world.instance.get_ref(), cursor=None
    )
    now = now or datetime.now(UTC)
    return next_retraining(context, world.pipeline, world.platform, now)


@pytest.fixture(scope="module")
def empty(world):
    """What both schedules say before anything has landed."""
    return nightly(world), weekly(world)


@pytest.fixture(scope="module")
def asked(world, empty):
    """What the nightly schedule asks for when five batches have landed in one day."""
    world.land(*BATCHES)
    return nightly(world)


@pytest.fixture(scope="module")
def queued(world, asked):
    """What it says while its first run has not ended."""
    requests, _ = asked
    job, tags = batch_job_name(world.pipeline), requests[0].tags
    waiting = create_run_for_test(
        world.instance, job, status=dg.DagsterRunStatus.STARTING, tags=tags
    )
    said = nightly(world)
    world.instance.delete_run(waiting.run_id)
    return waiting, said


@pytest.fixture(scope="module")
def taken_in(world, queued, asked):
    """What it says when all five runs have ended."""
    for request in asked[0]:
        execute(world, batch_job_name(world.pipeline), request)
    return nightly(world)


@pytest.fixture(scope="module")
def trained(world, taken_in):
    """The night's one training, and what the sensor says after it."""
    clockwork = Clockwork(
        world.pipeline, world.platform, world.instance, repository(world), lambda _: None
    )
    clockwork.retrain_as_asked()
    return world.platform.record("parcels").champion()


def test_both_are_off_until_somebody_switches_them_on_and_tell_their_time_zone(world):
    """The sensors do the same as files arrive; both at once would only be twice the ticks."""
    for name, cron in ((nightly_name, "0 2 * * *"), (weekly_name, "0 3 * * 0")):
        schedule = repository(world).get_schedule_def(name(world.pipeline))
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert (schedule.cron_schedule, schedule.execution_timezone) == (cron, "UTC")


def test_the_time_zone_is_the_users_and_a_wrong_one_is_told_when_the_code_is_loaded(
    world, monkeypatch
):
    """Two in the morning is an hour of somewhere."""
    monkeypatch.setenv("MLDEBT_TIMEZONE", "Europe/Vienna")
    zones = {schedule.execution_timezone for schedule in schedules.build(world.pipeline)}
    assert zones == {"Europe/Vienna"}
    for wrong in ("Europe/Wien", "../etc/passwd"):
        monkeypatch.setenv("MLDEBT_TIMEZONE", wrong)
        with pytest.raises(DeclarationError, match=r"no time zone\.\nFix: use a name of the IANA"):
            schedules.build(world.pipeline)


def test_before_anything_has_landed_both_say_so(world, empty):
    nothing, no_week = empty
    assert nothing == ([], "Nothing new among 0 batches.")
    assert no_week == ([], "The weekly retraining waits: no batch has arrived yet.")
    assert decided(world) == []


def test_the_night_asks_for_every_batch_in_order_one_run_each(world, asked):
    """The queue lets one run of a pipeline go at a time, in the order in which they came."""
    requests, said = asked
    assert said is None
    assert [request.partition_key for request in requests] == list(BATCHES)
    assert [request.tags[REASON_TAG] for request in requests] == [f"{b} is new" for b in BATCHES]
    assert len({request.run_key for request in requests}) == len(BATCHES)
    known = world.instance.get_dynamic_partitions(batches(world.pipeline).name)
    assert known == list(BATCHES)


def test_what_is_under_way_is_not_asked_for_twice(asked, queued):
    """A long queue may reach into the next night."""
    waiting, (requests, _) = queued
    assert [request.partition_key for request in requests] == list(BATCHES[1:])
    assert waiting.tags[PIPELINE_TAG] == "parcels"


def test_when_all_is_taken_in_the_night_says_so(taken_in):
    assert taken_in == ([], "Nothing new among 5 batches.")


def test_a_file_that_lies_there_unchanged_is_not_read_again(world, taken_in, monkeypatch):
    """A year of files on a remote would be read every night, to find that nothing is new."""

    def read(arrival):
        raise AssertionError(f"{arrival.batch} was read again")

    monkeypatch.setattr(landing, "read", read)
    assert nightly(world)[1] == "Nothing new among 5 batches."


def test_a_file_without_a_mark_of_its_file_system_is_read_every_time(world, taken_in, monkeypatch):
    """Its size alone does not tell whether it is another."""
    read = []
    monkeypatch.setattr(landing.Arrival, "marked", property(lambda _: False))
    monkeypatch.setattr(arrivals, "sha256", lambda data: read.append(data) or "of other bytes")
    requests, _ = nightly(world)
    assert len(read) == len(BATCHES)
    assert [request.tags[REASON_TAG] for request in requests] == [
        f"{batch} has changed" for batch in BATCHES
    ]


def test_one_file_that_is_still_being_written_does_not_cost_the_others_their_night(
    world, taken_in, monkeypatch
):
    def read(arrival):
        raise BatchChangedError.of(arrival.uri, "was written again after it was listed.")

    monkeypatch.setattr(landing, "read", read)
    path = world.landing / f"{BATCHES[0]}.csv"
    before = path.stat()
    os.utime(path, (before.st_atime, before.st_mtime + 60))
    requests, said = nightly(world)
    os.utime(path, (before.st_atime, before.st_mtime))
    assert requests == []
    assert said.startswith(f"Nothing new among 5 batches. Waiting: {BATCHES[0]}: ")
    assert "was written again after it was listed." in said


def test_a_night_of_five_batches_trains_once(world, trained):
    """Nobody had scored them; once there is a champion, they are no cause to train it again."""
    reasons = [body["reason"] for body in decided(world)]
    assert [body["batch"] for body in decided(world)] == list(BATCHES)
    assert [body["asked"] for body in decided(world)] == [False, False, True, False, False]
    assert (
        reasons[3]
        == reasons[4]
        == (
            "No champion scored this batch, so it was not judged, and gives no cause to train; "
            "version 1 has become champion since."
        )
    )
    assert trained.version == 1


@pytest.fixture(scope="module")
def week(world, trained):
    """What the weekly schedule asks for after that night, asked twice as after a crash."""
    first = weekly(world)
    return first, weekly(world), len(decided(world))


def test_the_week_learns_from_what_nobody_has_learned_from(week, world):
    """Two batches came after those of the first training; nothing else would train on them."""
    (requests, said), *_ = week
    assert said is None
    assert requests[0].tags[REASON_TAG] == (
        "The weekly retraining: of 5 batches 2 are new or changed; last training 61 days ago."
    )
    assert requests[0].tags[RETRAINING_TAG] == "weekly:2026-11-22"
    assert requests[0].run_config == {
        "ops": {"parcels__training_set": {"config": {"until": BATCHES[-1]}}}
    }


def test_a_week_is_decided_once_though_its_tick_comes_twice(week):
    """The daemon evaluates a tick again where it was killed in the middle of it."""
    (first, _), (second, _), count = week
    assert [request.run_key for request in second] == [request.run_key for request in first]
    assert count == len(BATCHES) + 1


def test_the_sensor_leaves_the_weekly_run_to_its_schedule_and_takes_over_after_a_minute(
    week, world
):
    """Both would start it otherwise; and if the scheduler dies, the week is not lost."""
    early = sensor(world)
    assert early.run_requests == []
    assert early.skip_reason.skip_message.endswith(
        "The weekly schedule is about to start its training."
    )
    late = sensor(world, datetime.now(UTC) + timedelta(minutes=2))
    assert late.run_requests[0].tags[RETRAINING_TAG] == "weekly:2026-11-22"


@pytest.fixture(scope="module")
def week_after(world, week):
    """What it says a week later, when its training has been judged and nothing has come."""
    execute(world, retraining_job_name(world.pipeline), week[0][0][0])
    return weekly(world), weekly(world, SUNDAY + timedelta(days=7))


def test_a_week_without_anything_new_trains_nothing_and_the_record_says_so(week_after, world):
    """The same batches make the same model."""
    same, (requests, said) = week_after
    assert same == ([], "The training of this week has been judged already.")
    assert requests == []
    assert said == (
        "The weekly retraining finds nothing new: last training 0 days ago, on these very "
        "5 batches."
    )
    assert (decided(world)[-1]["asked"], decided(world)[-1]["batch"]) == (False, None)
    assert sensor(world).skip_reason.skip_message == "Nothing was judged since the last decision."


def test_a_batch_that_landed_again_is_new_to_the_week(week_after, world):
    """Corrected data are what a weekly training is for."""
    corrected = sample.rows(BATCHES[0])
    corrected.loc[0, "weight_kg"] = 19.5
    sample.write_batch(world.landing, BATCHES[0], corrected)
    (request,), _ = nightly(world)
    assert request.tags[REASON_TAG] == f"{BATCHES[0]} has changed"
    execute(world, batch_job_name(world.pipeline), request)
    found = weekly_training(
        world.instance,
        world.pipeline,
        world.platform,
        scheduled=SUNDAY + timedelta(days=14),
        now=datetime.now(UTC),
    )
    assert found.tags[REASON_TAG] == (
        "The weekly retraining: of 5 batches 1 is new or changed; last training 0 days ago."
    )
