"""What the sensor ``alerts`` does: read which runs ended, and tell each channel what is news to it.

The cursor holds how far the event log was read, what stands, and who was told of it. What a service
did not take is news to it at the next tick, so nothing is lost; where a process is killed between
a delivery and its cursor, the message comes twice.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.core.errors import AlertAddressError
from mldebt_assets.monitoring.channels import VARIABLE, channels, wanted
from mldebt_assets.monitoring.problems import Ended, mended_by_hand, of_record, of_run, pipeline_of
from mldebt_assets.monitoring.standing import OVER, as_plain, follow, from_plain, kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dagster._core.event_api import RunStatusChangeEventType

    from mldebt_assets.monitoring.channels import Channel
    from mldebt_assets.monitoring.standing import Over, Problem, Severity, Standing, Standings
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform

ENDS: tuple[RunStatusChangeEventType, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)
INTERVAL_SECONDS = 30
RUNS_A_TICK = 50
# The daemon gives a tick 60 s; what is left waits for the next one.
BUDGET_SECONDS = 25.0
KINDS: dict[str, str] = {"error": "failure", "warn": "warning", OVER: "success"}


@dataclass(frozen=True)
class Cursor:
    """How far the runs that ended were read, by storage id, and what stands."""

    seen: int
    standings: Standings

    @classmethod
    def read(cls, text: str | None, instance: dg.DagsterInstance) -> Cursor:
        """Return what the last tick kept; the first one begins with what ends from now on."""
        if not text:
            return cls(newest_end(instance), {})
        plain = json.loads(text)
        return cls(plain["seen"], from_plain(plain["standings"]))

    def written(self) -> str:
        """Return it as the text that the daemon keeps."""
        return json.dumps({"seen": self.seen, "standings": as_plain(self.standings)})


def tell_what_is_new(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipelines: Sequence[Pipeline],
    cursor: str | None,
    now: datetime,
) -> dg.SensorResult:
    """Follow what ended since the last tick, and tell every channel what it has not been told."""
    before = Cursor.read(cursor, instance)
    seen, standings = look(instance, platform, pipelines, before, now)
    to = channels()
    keys = {channel.key for channel in to}
    turn = int(now.timestamp() // INTERVAL_SECONDS) % max(len(to), 1)
    in_turn = [*to[turn:], *to[:turn]]  # so that dead services cannot starve one behind them
    standings, said = tell(kept(standings, keys), in_turn, platform.home.dagster_ui)
    after = Cursor(seen, kept(standings, keys))
    return dg.SensorResult(skip_reason=said, cursor=after.written())


def look(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipelines: Sequence[Pipeline],
    before: Cursor,
    now: datetime,
) -> tuple[int, Standings]:
    """Return how far the event log was read, and how things stand now."""
    changes: list[Problem | Over] = []
    refused: dict[str, Fact] = {}
    for pipeline in pipelines:
        facts, found = of_record(platform, pipeline, before.standings, now)
        changes += found
        refused |= {f.body["run_id"]: f for f in facts if f.kind == "batch_refused"}
    seen, ends = ends_after(instance, before.seen)
    for run_id, at in ends:
        record = instance.get_run_record_by_id(run_id)
        whose = None if record is None else pipeline_of(record.dagster_run, pipelines)
        if record is not None and whose is not None:
            changes += of_run(instance, Ended(whose, record, at), refused, now)
    standings = follow(before.standings, changes)
    return seen, follow(standings, mended_by_hand(instance, pipelines, standings))


def newest_end(instance: dg.DagsterInstance) -> int:
    """Return the storage id of the last end of a run, 0 before the first."""
    newest = [instance.fetch_run_status_changes(kind, limit=1).records for kind in ENDS]
    return max((record.storage_id for records in newest for record in records), default=0)


def ends_after(instance: dg.DagsterInstance, seen: int) -> tuple[int, list[tuple[str, float]]]:
    """Return the runs that ended after a storage id, in order, and how far that reaches.

    At most ``RUNS_A_TICK`` of each kind; where there are more, none is passed over.
    """
    found: list[dg.EventLogRecord] = []
    complete_until: list[int] = []
    for kind in ENDS:
        page = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(kind, after_storage_id=seen),
            limit=RUNS_A_TICK,
            ascending=True,
        )
        found += page.records
        if page.has_more:
            complete_until.append(page.records[-1].storage_id)
    until = min(complete_until, default=None)
    taken = sorted(
        (record for record in found if until is None or record.storage_id <= until),
        key=lambda record: record.storage_id,
    )
    reached = taken[-1].storage_id if taken else seen
    return reached, [(record.run_id, record.timestamp) for record in taken]


def tell(standings: Standings, to: Sequence[Channel], pages: str) -> tuple[Standings, str]:
    """Tell each channel what is news to it; return who was told by now, and a sentence of it.

    A channel that does not take a message is left alone until the next tick; the others go on.
    """
    if not to:
        stand = len(standings)
        return standings, f"{stand} problems stand. {VARIABLE} names no address: nobody is told."
    try:
        severities = wanted()
    except AlertAddressError as wrong:
        return standings, str(wrong)
    told, failed, deadline = 0, list[str](), time.monotonic() + BUDGET_SECONDS
    now = dict(standings)
    for channel in to:
        for about, standing in now.items():
            if not standing.is_news_to(channel.key):
                continue
            if not is_wanted(standing, severities):
                now[about] = standing.told_to(channel.key)
                continue
            if time.monotonic() > deadline:
                failed.append("the rest comes with the next tick.")
                break
            problem = undelivered(channel, standing, pages)
            if problem is not None:
                failed.append(problem)
                break
            now[about] = standing.told_to(channel.key)
            told += 1
    stand = sum(one.ended_at is None for one in now.values())
    parts = [f"{stand} problems stand; messages sent: {told}.", *dict.fromkeys(failed)]
    return now, " ".join(parts)


def is_wanted(standing: Standing, severities: Sequence[Severity]) -> bool:
    """Return whether this severity is told at all."""
    return standing.problem.severity in severities


def undelivered(channel: Channel, standing: Standing, pages: str) -> str | None:
    """Send one message; return why it did not arrive, None if it did."""
    title, body = message(standing, pages)
    kind = KINDS[OVER if standing.ended_at is not None else standing.problem.severity]
    try:
        if channel.deliver(title, body, kind):
            return None
    except AlertAddressError as wrong:
        return str(wrong)
    return f"{channel.name} did not take it; it is tried again."


def message(standing: Standing, pages: str) -> tuple[str, str]:
    """Return title and body: what, how much, since when, and the command to run next."""
    problem = standing.problem
    over = standing.ended_at is not None
    title = f"{problem.pipeline}: {'over: ' if over else ''}{problem.what}"
    lines = [problem.how_much, f"Since: {hour(problem.since)}"]
    if standing.ended_at is not None:
        lines.append(f"Over: {hour(standing.ended_at)}")
    else:
        lines.append(f"Next: {problem.command}")
    return title, "\n".join([*lines, f"Page: {pages}{problem.page}"])


def hour(seconds: float) -> str:
    """Return a time as people write it.

    >>> hour(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
