"""What a kill left half done is finished or ended, before anything new starts.

A run whose process is gone is failed (Dagster's run monitoring cannot tell under the default
launcher); its MLflow run is ended; a promotion that stopped between intent and done is finished,
since every artefact that it names was stored and checked before the intent was written.
"""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg
import psutil
from dagster._core.storage.dagster_run import ACTIVE_RUN_STATUSES, IN_PROGRESS_RUN_STATUSES

from mldebt_assets.assets.deleting import finish_deletions
from mldebt_assets.assets.keys import PIPELINE_TAG
from mldebt_assets.assets.promoting import alone, data_time, finish_open, promote
from mldebt_assets.assets.rollback import body_of, choose, require_whole
from mldebt_assets.assets.withdrawing import finish_forgetting
from mldebt_assets.core.errors import BusyError, RefusedError, UnreachableError
from mldebt_assets.forgotten import dispensable, open_forgettings
from mldebt_assets.papers.stage import write_missing
from mldebt_assets.promotions import open_deletions, open_intents, way_back
from mldebt_assets.resources import PROCESS_TAG, process_identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

UNFINISHED = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.QUEUED]
NEEDING_A_PROCESS = [*ACTIVE_RUN_STATUSES, dg.DagsterRunStatus.NOT_STARTED]
LONGEST_START = timedelta(minutes=5)


def clear_up(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipelines: Sequence[Pipeline],
    now: datetime,
) -> str:
    """End what a kill left open in any of these pipelines; return what was done, as a sentence."""
    dead = fail_dead_runs(instance, platform, now)
    done = [f"Failed as dead: {', '.join(dead)}."] if dead else []
    for pipeline in pipelines:
        if unfinished_run(instance, pipeline) is None:
            finished = finish_promotions(instance, platform, pipeline)
            done += [f"Finished the promotion of {pipeline.name} v{v}." for v in finished]
            done += end_override(instance, platform, pipeline)
            deleted = end_deletions(instance, platform, pipeline)
            done += [f"Finished the deletion of {pipeline.name} v{v}." for v in deleted]
            forgotten = end_forgettings(instance, platform, pipeline)
            done += [
                f"Removed {pipeline.name} v{v}: it had learned of somebody who is forgotten."
                for v in forgotten
            ]
            done += write_missing(instance, platform, pipeline)
    return " ".join(done) or "No run is dead, and no promotion stopped half-way."


def reconciled(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, now: datetime
) -> str | None:
    """End what a kill left half done; return the id of a run that has not ended, if any."""
    fail_dead_runs(instance, platform, now)
    busy = unfinished_run(instance, pipeline)
    if busy is None:
        finish_promotions(instance, platform, pipeline)
        end_override(instance, platform, pipeline)
        end_deletions(instance, platform, pipeline)
        end_forgettings(instance, platform, pipeline)
    return busy


def unfinished_run(instance: dg.DagsterInstance, pipeline: Pipeline) -> str | None:
    """Return the id of a run of this pipeline that has not ended, if there is one."""
    runs = instance.get_runs(
        dg.RunsFilter(tags={PIPELINE_TAG: pipeline.name}, statuses=UNFINISHED), limit=1
    )
    return runs[0].run_id if runs else None


def fail_dead_runs(instance: dg.DagsterInstance, platform: Platform, now: datetime) -> list[str]:
    """Fail every run whose process is gone, or never came; return the ids of those runs.

    One that waits in the queue needs no process. One that a person was cancelling is cancelled.
    """
    dead = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=NEEDING_A_PROCESS)):
        why = death_of(instance, record, now)
        run = instance.get_run_by_id(record.dagster_run.run_id)
        if why is None or run is None or run.is_finished:
            continue
        if run.status == dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, why)
        else:
            instance.report_run_failed(run, why)
        dead.append(run.run_id)
    if dead:
        platform.registry.end_dead_runs(set(dead))
    return sorted(dead)


def death_of(instance: dg.DagsterInstance, record: dg.RunRecord, now: datetime) -> str | None:
    """Return why a run counts as dead, or None while its process lives or may yet come.

    A run names its process before its first step. A process that comes after its run was failed
    does nothing: Dagster starts no run that has ended. Other programs' runs never name theirs, so
    once they have started they are left alone.
    """
    run = record.dagster_run
    identity = run.tags.get(PROCESS_TAG)
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    inherited = parent is not None and parent.tags.get(PROCESS_TAG) == identity
    if identity is not None and not inherited:
        gone = f"The process {identity} of this run is gone: it was killed."
        return None if is_alive(identity) else gone
    started = run.status not in {dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING}
    silent = now - record.update_timestamp
    if silent < LONGEST_START or (started and PIPELINE_TAG not in run.tags):
        return None
    seconds = silent.total_seconds()
    return f"No process has taken up this run for {seconds:.0f} s: its launcher was killed."


def is_alive(identity: str) -> bool:
    """Return whether the process ``pid:start@host`` still runs; a later one with its id is another.

    Nobody here can tell of another host's processes, so they are taken to run.
    """
    host = identity.partition("@")[2]
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(identity.partition(":")[0]))
        # A killed process stays a zombie for as long as its parent does not ask for its end.
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return not zombie and process_identity(process) == identity
    except psutil.NoSuchProcess:
        return False


def end_override(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> list[str]:
    """Go back to the champion before where the data have reached an override's expiry date.

    Returns a sentence that says so, or why it cannot be: the override stays in force then.
    """
    record = platform.record(pipeline.name)
    facts = record.facts()
    stack = way_back(facts)
    body = stack[-1].promotion.body if stack else {}
    if not body.get("expires"):
        return []
    when = data_time(instance, pipeline, facts)
    if when < datetime.fromisoformat(body["expires"]):
        return []
    name = f"{pipeline.name} v{stack[-1].version}"
    try:
        with alone(platform, pipeline):
            if record.facts() != facts:
                return []
            champion, target = choose(facts, pipeline, None)
            require_whole(instance, platform, pipeline, target)
            by, reason = "its expiry date", f"the override by {body['by']} has expired"
            going = body_of(champion, target, by=by, reason=reason, when=when)
            promote(instance, platform, pipeline, going, f"Gone back from {name}: it has expired.")
    except BusyError:
        return []
    except RefusedError as problem:
        return [f"The override of {name} has expired and stays: {problem}"]
    return [f"The override of {name} has expired: back to v{target.version}."]


def finish_promotions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Finish or undo what stopped between intent and done; return the versions that were finished.

    While somebody else changes the champion, nothing was left behind: it is theirs to finish.
    """
    if not open_intents(platform.record(pipeline.name).facts()):
        return []
    try:
        with alone(platform, pipeline):
            return finish_open(instance, platform, pipeline)
    except BusyError:
        return []


def end_deletions(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Remove what a killed deletion left; return the versions that are gone now.

    Where the remote does not answer it stays open, and `mldebt verify` tells.
    """
    left = {f.sequence: f for f in open_deletions(platform.record(pipeline.name).facts())}
    if not left:
        return []
    try:
        with alone(platform, pipeline):
            done = finish_deletions(instance, platform, pipeline)
    except (BusyError, UnreachableError):
        return []
    return [left[one.body["intent"]].body["version"] for one in done]


def end_forgettings(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> list[int]:
    """Remove what is left of those who are forgotten; return the versions that are gone now.

    A champion that had learned of them goes so once another has taken its place.
    """
    facts = platform.record(pipeline.name).facts()
    if not open_forgettings(facts) and not dispensable(facts):
        return []
    try:
        with alone(platform, pipeline):
            return finish_forgetting(instance, platform, pipeline)
    except (BusyError, UnreachableError):
        return []
