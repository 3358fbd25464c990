"""What failed is tried again where that may help, and a person is told where it will not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mldebt_assets.core.attempts import FINAL, Failure, again, cause_of, pause_after

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DIED = Failure(
    run_id="0123456789ab",
    cause="died",
    said="died: its process is gone",
    ended_at=NOON,
    code="c0de",
)
MINUTE = timedelta(minutes=1)


def asked(failures, *, after=timedelta(0), code="c0de", attempts=3):
    return again(failures, attempts=attempts, code=code, now=failures[-1].ended_at + after)


@pytest.mark.parametrize("cause", ["died", "environment"])
@pytest.mark.parametrize(("failed", "pause"), [(1, 2 * MINUTE), (2, 10 * MINUTE)])
def test_what_may_pass_is_tried_again_after_a_pause_that_grows(cause, failed, pause):
    """Three attempts within a minute all meet the same locked database."""
    failures = [replace(DIED, cause=cause)] * failed
    early = asked(failures, after=pause - timedelta(seconds=1))
    assert early.answer == "later"
    assert early.reason == (
        f"run 01234567 died: its process is gone; attempt {failed + 1} of 3 "
        f"not before {NOON + pause:%H:%M} UTC"
    )
    due = asked(failures, after=pause)
    assert due.answer == "now"
    assert due.reason == f"run 01234567 died: its process is gone; attempt {failed + 1} of 3"


def test_after_the_last_attempt_a_person_is_needed():
    """Trying for ever would fill the event log and hide the cause."""
    spent = asked([DIED] * 3, after=timedelta(days=1))
    assert spent.answer == "never"
    assert spent.reason == (
        "run 01234567 died: its process is gone; all 3 attempts are spent, so mend the cause and "
        "re-execute that run"
    )


@pytest.mark.parametrize("attempts", [1, 2, 3, 7])
def test_there_are_never_more_attempts_than_declared(attempts):
    failed = 1
    while asked([DIED] * failed, after=timedelta(days=1), attempts=attempts).answer == "now":
        failed += 1
    assert failed == attempts


@pytest.mark.parametrize("cause", FINAL)
def test_refused_bytes_and_cancelled_runs_are_left_to_a_person(cause):
    """Neither patience nor new code is an answer to bad bytes, or to somebody's "no"."""
    for code in ("c0de", "new"):
        left = asked([replace(DIED, cause=cause)], after=timedelta(days=1), code=code)
        assert (left.answer, left.reason.endswith(FINAL[cause])) == ("never", True)


def test_an_error_in_code_waits_for_other_code():
    """A TypeError comes again as often as the same lines run."""
    failures = [replace(DIED, cause="code", said="failed (TypeError)")]
    left = asked(failures, after=timedelta(days=1))
    assert left.answer == "never"
    assert left.reason == (
        "run 01234567 failed (TypeError); the same code would fail again until it is changed"
    )
    changed = asked(failures, code="new")
    assert changed.answer == "now"
    assert changed.reason == (
        "run 01234567 failed (TypeError), and the code has changed since; attempt 1 of 3"
    )


def test_failures_of_other_code_do_not_count():
    """Who deploys a repair must not find the attempts spent by what he repaired."""
    assert asked([replace(DIED, code="old")] * 3).answer == "now"
    assert asked([*[replace(DIED, code="old")] * 3, DIED], after=2 * MINUTE).reason.endswith(
        "attempt 2 of 3"
    )


def test_a_failure_that_nobody_noted_the_code_of_counts_as_todays():
    """Runs of earlier versions, and those started by hand, have no note."""
    unknown = replace(DIED, cause="code", said="failed (TypeError)", code=None)
    assert asked([unknown], after=timedelta(days=1)).answer == "never"


def test_where_a_person_watches_there_is_no_pause():
    """A replay would only sit there; it ends, and the same command begins anew."""
    assert asked([replace(DIED, watched=True)]).answer == "now"
    assert asked([replace(DIED, watched=True)] * 3).answer == "never"


def test_no_pause_is_longer_than_an_hour():
    pauses = [pause_after(failed) for failed in range(1, 50)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == timedelta(hours=1)


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["UnreachableError", "OSError"], "environment"),
        (["SnapshotMissingError"], "environment"),
        (["DigestMismatchError"], "environment"),
        (["BatchChangedError", "FileNotFoundError"], "environment"),
        (["ConnectionResetError"], "environment"),
        (["BrokenPipeError"], "environment"),
        (["MemoryError"], "environment"),
        (["MlflowException", "OperationalError", "OperationalError"], "environment"),
        (["Timeout"], "environment"),
        (["DagsterExecutionStepExecutionError", "TypeError"], "code"),
        (["KeyError"], "code"),
        (["UntrainableError"], "code"),
        (["DivergedError"], "code"),
        (["DeviceError"], "code"),
        (["Failure"], "code"),
        (["SomethingOfALibrary"], "code"),
    ],
)
def test_the_cause_is_told_by_the_class_of_the_error_and_of_those_behind_it(names, cause):
    """Libraries wrap what they meet; the disk that is full is behind three other errors."""
    assert cause_of(names) == cause
