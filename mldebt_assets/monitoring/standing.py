"""What is wrong now, and who has been told: each thing is said once until it changes or is over.

Pure: the sensor's cursor is this as JSON, so that there is no other store to keep or to lose.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

Severity = Literal["error", "warn"]

OVER = "over"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that somebody should know.

    ``about`` names what it is about; a later problem about the same replaces it. ``state`` is what
    makes it worth saying again. ``what``, ``how_much`` and ``command`` are for humans, ``page`` is
    a path of Dagster's web UI; ``since`` is in seconds since 1970.
    """

    about: str
    pipeline: str
    severity: Severity
    state: str
    what: str
    how_much: str
    since: float
    command: str
    page: str


@dataclass(frozen=True, kw_only=True)
class Over:
    """What is about this has ended, at a time in seconds since 1970."""

    about: str
    at: float


@dataclass(frozen=True)
class Standing:
    """A problem, when it ended if it has, and the state in which each channel was told of it."""

    problem: Problem
    ended_at: float | None = None
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """What a channel should have been told by now."""
        return self.problem.state if self.ended_at is None else OVER

    def is_news_to(self, channel: str) -> bool:
        """Return whether a channel has not been told how it stands."""
        return self.told.get(channel) != self.state

    def told_to(self, channel: str) -> Standing:
        """Return it with this channel told."""
        return replace(self, told={**self.told, channel: self.state})


Standings = dict[str, Standing]


def follow(known: Mapping[str, Standing], changes: Iterable[Problem | Over]) -> Standings:
    """Return how things stand after these changes, in their order.

    A problem that goes on keeps when it began; one that comes back begins anew. The end of what
    nobody has seen is no news.
    """
    now = dict(known)
    for change in changes:
        before = now.get(change.about)
        if isinstance(change, Over):
            if before is not None and before.ended_at is None:
                now[change.about] = replace(before, ended_at=change.at)
        elif before is None:
            now[change.about] = Standing(change)
        else:
            goes_on = before.ended_at is None
            since = before.problem.since if goes_on else change.since
            now[change.about] = replace(before, problem=replace(change, since=since), ended_at=None)
    return now


def kept(standings: Mapping[str, Standing], channels: Collection[str]) -> Standings:
    """Return what is still to be kept: whatever stands, and ends that a channel has not heard of.

    Where there is no channel, an end is forgotten at once: nobody waits for it.
    """
    return {
        about: replace(
            one, told={name: said for name, said in one.told.items() if name in channels}
        )
        for about, one in standings.items()
        if one.ended_at is None or any(one.is_news_to(channel) for channel in channels)
    }


def as_plain(standings: Mapping[str, Standing]) -> list[dict[str, Any]]:
    """Return them as JSON values, from which :func:`from_plain` makes them again."""
    return [asdict(one) for one in standings.values()]


def from_plain(plain: Iterable[Mapping[str, Any]]) -> Standings:
    """Return what :func:`as_plain` was given."""
    return {
        one["problem"]["about"]: Standing(
            Problem(**one["problem"]), one["ended_at"], dict(one["told"])
        )
        for one in plain
    }
