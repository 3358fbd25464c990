"""What a person does to production: go back, with who and why, through the sequence of all.

Whatever a kill left open is finished or undone first, under the pipeline's lock, so that two
people at once cannot leave a third state behind.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from mldebt_assets.assets.evidence import report
from mldebt_assets.assets.promoting import alone, data_time, finish_open, promote
from mldebt_assets.assets.rollback import (
    Move,
    body_of,
    choose,
    closed,
    connect,
    evidence,
    rehearse,
    require_whole,
)
from mldebt_assets.automation.reconcile import fail_dead_runs
from mldebt_assets.core.errors import BusyError, CallError, RefusedError
from mldebt_assets.promotions import open_intents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform

USER_VARIABLE = "MLDEBT_USER"
CLOCK_VARIABLE = "MLDEBT_TRUST_CLOCK"
MOST_BACKWARDS = timedelta(hours=1)  # the clocks of two hosts may differ, by little


def who() -> str:
    """Return who asks: ``MLDEBT_USER``, else the operating system's user and host."""
    named = os.environ.get(USER_VARIABLE, "").strip()
    if named:
        return named
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have a number and no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def require_reason(reason: str) -> str:
    """Return the reason without its outer spaces; CallError where there is none."""
    if not reason.strip():
        raise CallError("The reason is empty.\nFix: say why, for whoever reads the record later.")
    return reason.strip()


def require_clock(facts: Sequence[Fact], pipeline: Pipeline, now: datetime) -> None:
    """Raise RefusedError where this clock is far behind the one that wrote the newest fact.

    Order comes from the record's sequence, but who asks later what was known when, by the wall
    clock, would be told wrongly for ever. ``MLDEBT_TRUST_CLOCK`` says that this clock is right.
    """
    newest = max((fact.recorded_at for fact in facts), default=now)
    if newest - now <= MOST_BACKWARDS or os.environ.get(CLOCK_VARIABLE):
        return
    raise RefusedError.of(
        f"This machine's clock says {now:%Y-%m-%d %H:%M} UTC, but the promotion record of "
        f"{pipeline.name} was written at {newest:%Y-%m-%d %H:%M} UTC: one of the two clocks is "
        "wrong, and nothing was changed.",
        f"set the clock; if this one is right, say it again with {CLOCK_VARIABLE}=1.",
    )


@contextmanager
def settled(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, now: datetime
) -> Iterator[list[Fact]]:
    """Hold the pipeline's lock and give its facts, once nothing is left open by a kill.

    Raises: BusyError if somebody else is changing the champion; RefusedError if the clock went
            backwards.
    """
    record = platform.record(pipeline.name)
    known = record.facts()
    require_clock(known, pipeline, now)
    if open_intents(known):
        fail_dead_runs(instance, platform, now)
    with alone(platform, pipeline):
        finish_open(instance, platform, pipeline)
        facts = record.facts()
        left = open_intents(facts)
        if left:
            raise BusyError.of(
                f"Run {left[0].body['run_id']} is promoting {pipeline.name} "
                f"v{left[0].body['version']}; nothing was done.",
                "wait until it has ended.",
            )
        yield facts


def roll_back(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    to: int | None,
    reason: str,
    by: str,
    now: datetime,
) -> Move:
    """Make an earlier champion the champion again, with all that its promotion stood on.

    ``seconds`` counts from when MLflow's and DVC's stores are open. It is evidence that the way
    back is open, as a drill is.

    Raises: CallError, UnknownVersionError, RefusedError, BusyError, UnreachableError; nothing was
            changed then.
    """
    reason = require_reason(reason)
    connect(platform, pipeline)
    started = time.perf_counter()
    with settled(instance, platform, pipeline, now) as facts:
        champion, target = choose(facts, pipeline, to)
        require_whole(instance, platform, pipeline, target)
        when = data_time(instance, pipeline, facts)
        body = body_of(champion, target, by=by, reason=reason, when=when)
        said = f"Gone back from v{champion.version} by {by}."
        promote(instance, platform, pipeline, body, said)
    seconds = round(time.perf_counter() - started, 3)
    move = Move(left=champion.version, reached=target.version, seconds=seconds, drill=False)
    report(instance, evidence(pipeline, move), by)
    return move


def drill(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    to: int | None,
    by: str,
) -> Move:
    """Rehearse the way back without changing the champion, and keep what came of it.

    Raises: UnknownVersionError, UnreachableError; RefusedError where there is no way back, which
            is kept as evidence too.
    """
    connect(platform, pipeline)
    try:
        move = rehearse(instance, platform, pipeline, to)
    except RefusedError as problem:
        report(instance, closed(pipeline, problem), by)
        raise
    report(instance, evidence(pipeline, move), by)
    return move
