"""The main job: batches arrive one after another, and what the sensors ask for is done.

A replay evaluates the very sensors that the daemon evaluates, and runs in this process what they
ask for. What is done is derived from the event log and the promotion record, so that a replay
interrupted anywhere goes on where it was. Only the pauses after failures are left out: a person
waits at the terminal.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.events import RunFailureReason
from filelock import FileLock, Timeout

from mldebt_assets.answers.story import Chapter, chapter, chapters
from mldebt_assets.assets.collecting import pinned_pseudonyms
from mldebt_assets.assets.keys import (
    ASKED_AGAIN_TAG,
    BATCH_TAG,
    INTERRUPTED_TAG,
    PIPELINE_TAG,
    REASON_TAG,
    batches,
    key,
)
from mldebt_assets.automation.decisions import retraining_name
from mldebt_assets.automation.failures import FAILED, WATCHED_TAG
from mldebt_assets.automation.reconcile import fail_dead_runs, finish_promotions
from mldebt_assets.core.errors import BusyError, UnknownBatchError
from mldebt_assets.core.privacy.declared import pseudonymised
from mldebt_assets.home import project_root
from mldebt_assets.jobs import (
    batch_job_name,
    labels_job_name,
    performance_job_name,
    retraining_job_name,
)
from mldebt_assets.open_databases import events_held_open, held_open
from mldebt_assets.resources import PROCESS_TAG, process_identity
from mldebt_assets.sensors import arrivals_name, labels_name, late_labels_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

DAEMON_SILENCE_SECONDS = 60
AGAIN_SECONDS = 0.05
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class Progress:
    """What a replay is doing now, for whoever shows it."""

    kind: Literal["batch", "retraining", "settled"]
    batch: str
    reason: str = ""
    chapter: Chapter | None = None


@dataclass(frozen=True)
class Outcome:
    """What a replay did: the batches that it settled, and the wall seconds that it took."""

    chapters: tuple[Chapter, ...]
    settled: tuple[str, ...]
    seconds: float

    @property
    def failed(self) -> tuple[Chapter, ...]:
        """The batches settled now that were refused or failed."""
        return tuple(c for c in self.chapters if c.batch in self.settled and c.problem)


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Let Ctrl-C come again, a moment later, where its exception was lost.

    Python drops what is raised while an object is finalised, says so, and goes on.
    """
    before = sys.unraisablehook

    def again(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, (KeyboardInterrupt, DagsterExecutionInterruptedError)):
            main = threading.main_thread().ident
            threading.Timer(AGAIN_SECONDS, signal.pthread_kill, (main, signal.SIGINT)).start()
        else:
            before(lost)

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


@interrupts_kept()
def replay(
    pipeline: Pipeline,
    platform: Platform,
    instance: dg.DagsterInstance,
    repository: dg.RepositoryDefinition,
    *,
    until: str | None = None,
    report: Callable[[Progress], None],
) -> Outcome:
    """Let every batch up to ``until`` arrive, and retrain where the sensors ask for it.

    Raises: BusyError if the daemon or another replay does this already; UnknownBatchError if
            there is no batch ``until``; PseudonymKeyError where values are to be pseudonymised, and
            their key is missing, unsafe or another one.
    """
    started = time.monotonic()
    check_until(pipeline, until)
    if pseudonymised(pipeline.columns):
        pinned_pseudonyms(pipeline, platform)
    lock = FileLock(platform.home.root / f"{pipeline.name}.replay.lock")
    try:
        with lock.acquire(timeout=0):
            refuse_beside_daemon(instance)
            fail_dead_runs(instance, platform, datetime.now(UTC))
            finish_promotions(instance, platform, pipeline)
            ask_again(instance, pipeline)
            clockwork = Clockwork(pipeline, platform, instance, repository, report)
            with held_open(platform.home):
                settled = clockwork.run_until_quiet(until)
    except Timeout as taken:
        raise BusyError.of(
            f"Another replay of {pipeline.name} is running.", "wait until it has ended."
        ) from taken
    story = chapters(instance, platform, pipeline)
    return Outcome(tuple(story), tuple(settled), time.monotonic() - started)


def check_until(pipeline: Pipeline, until: str | None) -> None:
    """Raise UnknownBatchError if the landing folder has no batch ``until``."""
    from mldebt_assets.sources import landing

    if until is None:
        return
    names = [a.batch for a in landing.survey(pipeline.source, project_root()).arrivals]
    if until not in names:
        raise UnknownBatchError.of(pipeline.name, until, names)


def refuse_beside_daemon(instance: dg.DagsterInstance) -> None:
    """Raise BusyError if a daemon evaluates the sensors of this home already."""
    heartbeat = instance.get_daemon_heartbeats().get("SENSOR")
    if heartbeat and time.time() - heartbeat.timestamp < DAEMON_SILENCE_SECONDS:
        raise BusyError.of(
            "Dagster's daemon is running on this home, and takes in what lands by itself.",
            "watch it in the web UI, or stop it and wait a minute before you replay.",
        )


def ask_again(instance: dg.DagsterInstance, pipeline: Pipeline) -> None:
    """Let what failed before be attempted afresh: whoever starts a replay may have mended it."""
    failed = dg.RunsFilter(tags={PIPELINE_TAG: pipeline.name}, statuses=list(FAILED))
    for run in instance.get_runs(failed):
        if ASKED_AGAIN_TAG not in run.tags:
            instance.add_run_tags(run.run_id, {ASKED_AGAIN_TAG: "true"})


@dataclass
class Clockwork:
    """Turns one pipeline's sensors by hand, and runs in this process what they ask for."""

    pipeline: Pipeline
    platform: Platform
    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    report: Callable[[Progress], None]
    cursors: dict[str, str | None] = field(default_factory=dict)

    def run_until_quiet(self, until: str | None) -> list[str]:
        """Evaluate the sensors in turn until none asks for anything; return what was settled."""
        settled: list[str] = []
        while True:
            self.retrain_as_asked()
            if self.take_in_labels() or self.measure_late_labels():
                continue
            request = self.tick(arrivals_name(self.pipeline))
            batch = (request and request.partition_key) or ""
            if request is None or (until is not None and batch > until):
                return settled
            self.report(Progress("batch", batch))
            self.instance.add_dynamic_partitions(batches(self.pipeline).name or "", [batch])
            self.execute(batch_job_name(self.pipeline), request)
            self.retrain_as_asked()
            told = chapter(self.instance, self.platform, self.pipeline, batch)
            self.report(Progress("settled", batch, chapter=told))
            settled.append(batch)

    def retrain_as_asked(self) -> None:
        """Run every retraining that the sensor asks for now, failed attempts again."""
        while (request := self.tick(retraining_name(self.pipeline))) is not None:
            batch, reason = request.tags[BATCH_TAG], request.tags[REASON_TAG]
            self.report(Progress("retraining", batch, reason))
            self.execute(retraining_job_name(self.pipeline), request)

    def take_in_labels(self) -> bool:
        """Take in the next labels that came after their batch; return whether there were any."""
        if self.pipeline.labels is None:
            return False
        request = self.tick(labels_name(self.pipeline))
        return request is not None and self.execute(labels_job_name(self.pipeline), request)

    def measure_late_labels(self) -> bool:
        """Measure again what was measured before its labels came; return whether anything was."""
        measured = False
        while (request := self.tick(late_labels_name(self.pipeline))) is not None:
            measured = self.execute(performance_job_name(self.pipeline), request) or measured
        return measured

    def tick(self, sensor_name: str) -> dg.RunRequest | None:
        """Evaluate a sensor as the daemon would; return the run that it asks for, if any."""
        context = dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            cursor=self.cursors.get(sensor_name),
            repository_def=self.repository,
            sensor_name=sensor_name,
        )
        result = self.repository.get_sensor_def(sensor_name).evaluate_tick(context)
        self.cursors[sensor_name] = result.cursor
        return result.run_requests[0] if result.run_requests else None

    def execute(self, job_name: str, request: dg.RunRequest) -> bool:
        """Run what a sensor asked for in this process; return whether it succeeded.

        Raises: KeyboardInterrupt if Ctrl-C came in the run, which Dagster records and swallows.
        """
        configuration: dict[str, Any] = {**SILENT, **(request.run_config or {})}
        tags = {**request.tags, "dagster/run_key": request.run_key or "", WATCHED_TAG: "true"}
        run_id = str(uuid4())
        with events_held_open(self.platform.home, run_id):
            result = self.repository.get_job(job_name).execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                run_config=configuration,
                # From the first moment, so that a kill at any later one leaves a run known as dead.
                tags={**tags, PROCESS_TAG: process_identity()},
                raise_on_error=False,
                run_id=run_id,
            )
        if was_interrupted(result):
            self.instance.add_run_tags(result.run_id, {INTERRUPTED_TAG: "true"})
            raise KeyboardInterrupt
        return result.success


def make_again(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    job: dg.JobDefinition,
    batch: str,
    *,
    stages: Sequence[str] | None,
    tags: Mapping[str, str],
) -> dg.ExecuteInProcessResult:
    """Run a job on a batch in this process because a person asked; ``stages`` None for all of it.

    Its failure is for whoever asked to tell: nobody else watches it.

    Raises: KeyboardInterrupt if Ctrl-C came in the run, which Dagster records and swallows.
    """
    run_id = str(uuid4())
    with events_held_open(platform.home, run_id):
        result = job.execute_in_process(
            instance=instance,
            partition_key=batch,
            asset_selection=None if stages is None else [key(pipeline, one) for one in stages],
            run_config=SILENT,
            tags={
                PIPELINE_TAG: pipeline.name,
                WATCHED_TAG: "true",
                PROCESS_TAG: process_identity(),
                **tags,
            },
            raise_on_error=False,
            run_id=run_id,
        )
    if was_interrupted(result):
        raise KeyboardInterrupt
    return result


def was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Return whether Ctrl-C ended the run."""
    return any(
        event.job_failure_data.failure_reason == RunFailureReason.UNEXPECTED_TERMINATION
        for event in result.filter_events(lambda event: event.is_run_failure)
    )
