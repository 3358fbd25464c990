"""Whether what failed is tried again: that depends on why it failed, and on what has changed since.

A process that died and a remote that did not answer may do better in a few minutes; the same bytes
are refused again, and the same code fails again, however often it is asked.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from mldebt_assets.core import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Cause = Literal["refused", "cancelled", "code", "environment", "died"]

# After the first failure, the second, and any further one.
PAUSES = (timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1))
# What may be otherwise in a few minutes: disks, networks, memory, locks, files being written.
PASSING = (OSError, MemoryError, errors.SnapshotError, errors.BatchChangedError, errors.BusyError)
# The same, raised by libraries whose exceptions are no OSError.
PASSING_NAMES = frozenset({"OperationalError", "Timeout", "EndpointConnectionError"})
# Causes that no change of code and no patience mends.
FINAL: dict[Cause, str] = {
    "refused": "the same bytes would be refused again",
    "cancelled": "whoever wants it re-executes that run",
}


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One run that did not succeed.

    ``said`` is what it died of, in a phrase. ``code`` is the digest of the code that was asked to
    run, None where nobody noted it. ``watched`` says that a person waited for it at a terminal.
    """

    run_id: str
    cause: Cause
    said: str
    ended_at: datetime
    code: str | None
    watched: bool = False


@dataclass(frozen=True)
class Again:
    """Whether a run is asked for again: now, at a later time by itself, or not by itself at all."""

    answer: Literal["now", "later", "never"]
    reason: str


def cause_of(names: Iterable[str]) -> Cause:
    """Return why a step failed, by the class names of its error and of the errors that caused it.

    >>> cause_of(["DagsterExecutionStepExecutionError", "UnreachableError", "OSError"])
    'environment'
    >>> cause_of(["DagsterExecutionStepExecutionError", "TypeError"])
    'code'
    """
    return "environment" if any(map(is_passing, names)) else "code"


def is_passing(name: str) -> bool:
    """Return whether an error of this class may not come again though nobody changes anything."""
    known = getattr(errors, name, None) or getattr(builtins, name, None)
    if isinstance(known, type):
        return issubclass(known, PASSING)
    return name in PASSING_NAMES


def pause_after(failed: int) -> timedelta:
    """Return how long to wait after so many failures, of which there is at least one.

    >>> [pause_after(failed).total_seconds() / 60 for failed in (1, 2, 3, 4)]
    [2.0, 10.0, 60.0, 60.0]
    """
    return PAUSES[min(failed, len(PAUSES)) - 1]


def again(failures: Sequence[Failure], *, attempts: int, code: str, now: datetime) -> Again:
    """Return whether to try again what failed so, oldest first; there is at least one failure.

    Failures of other code than today's do not count: whoever changed it may have mended it.
    """
    last = failures[-1]
    told = f"run {last.run_id[:8]} {last.said}"
    if last.cause in FINAL:
        return Again("never", f"{told}; {FINAL[last.cause]}")
    counted = [failure for failure in failures if failure.code in {None, code}]
    number = f"attempt {len(counted) + 1} of {attempts}"
    if not counted:
        return Again("now", f"{told}, and the code has changed since; {number}")
    if last.cause == "code":
        return Again("never", f"{told}; the same code would fail again until it is changed")
    if len(counted) >= attempts:
        spent = f"all {attempts} attempts are spent" if attempts > 1 else "it is not tried again"
        return Again("never", f"{told}; {spent}, so mend the cause and re-execute that run")
    not_before = last.ended_at + pause_after(len(counted))
    if now < not_before and not last.watched:
        return Again("later", f"{told}; {number} not before {not_before:%H:%M} UTC")
    return Again("now", f"{told}; {number}")
