"""Why a run failed, read from its events, and so whether the sensors ask for it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.events import JobFailureData, RunFailureReason

from mldebt_assets.assets.keys import ASKED_AGAIN_TAG, INTERRUPTED_TAG
from mldebt_assets.core import errors
from mldebt_assets.core.attempts import Again, Cause, Failure, again, cause_of
from mldebt_assets.provenance import code_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dagster_shared.error import SerializableErrorInfo

    from mldebt_assets.pipeline import Pipeline

CODE_TAG = "mldebt/code"
WATCHED_TAG = "mldebt/watched"
ENDINGS = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}
FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def after_failures(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    records: Sequence[dg.RunRecord],
    now: datetime,
    refused: Collection[str] = (),
) -> Again | None:
    """Return whether runs for one and the same thing are tried again; None if none has failed.

    ``refused`` are the ids of runs that refused their batch. Not counted are runs that Ctrl-C
    ended, and those after which a person asked for the same again.
    """
    failures = [
        failure_of(instance, record, refused)
        for record in sorted(records, key=lambda record: record.create_timestamp)
        if record.dagster_run.run_id in refused or counts(record.dagster_run)
    ]
    if not failures:
        return None
    attempts = pipeline.retraining.attempts
    return again(failures, attempts=attempts, code=code_digest(), now=now)


def counts(run: dg.DagsterRun) -> bool:
    """Return whether a run is a failed attempt."""
    return run.status in FAILED and not run.tags.keys() & {INTERRUPTED_TAG, ASKED_AGAIN_TAG}


def failure_of(
    instance: dg.DagsterInstance, record: dg.RunRecord, refused: Collection[str] = ()
) -> Failure:
    """Return how one run failed."""
    run = record.dagster_run
    cause, said = told_by_events(instance, run.run_id)
    if run.run_id in refused:
        cause, said = "refused", "refused the batch"
    elif run.status == dg.DagsterRunStatus.CANCELED:
        cause, said = "cancelled", "was cancelled"
    ended = record.end_time or record.update_timestamp.timestamp()
    return Failure(
        run_id=run.run_id,
        cause=cause,
        said=said,
        ended_at=datetime.fromtimestamp(ended, UTC),
        code=run.tags.get(CODE_TAG),
        watched=WATCHED_TAG in run.tags,
    )


def told_by_events(instance: dg.DagsterInstance, run_id: str) -> tuple[Cause, str]:
    """Return what a run's own events say of its end: an error, or that its process went away."""
    error = None
    for entry in instance.all_logs(run_id, of_type=ENDINGS):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_failure:
            error = error or event.step_failure_data.error
            continue
        ending = event.event_specific_data
        if not isinstance(ending, JobFailureData):
            continue  # whoever failed the run from outside gave no cause
        if ending.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION:
            return "died", "was interrupted"
        error = error or ending.error
    if error is None:
        return "died", "died: its process is gone"
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    return cause_of(one.cls_name or "" for one in chain), f"failed ({phrase(chain)})"


def phrase(chain: Sequence[SerializableErrorInfo]) -> str:
    """Return the error in a phrase: our own by its words, any other by its class alone.

    What a library says may hold values of rows, and a sensor's tick is read by more people.
    """
    for error in chain:
        if hasattr(errors, error.cls_name or ""):
            said = error.message.partition("\nFix: ")[0].strip()
            return said.rpartition(f"{error.cls_name}: ")[2].rstrip(".")
    return chain[-1].cls_name or "an error without a name"
