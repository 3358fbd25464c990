"""Keeps what a command shows apart from what runs print in the same process."""

from __future__ import annotations

import io
import os
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

STANDARD = (1, 2)


@contextmanager
def stderr_of_our_own() -> Iterator[TextIO]:
    """Give a stderr for ourselves; whatever else is printed meanwhile does not reach the terminal.

    Dagster keeps what a run prints in the run's own log. On the way it would take our progress
    for the run's output; and the processes that mirror the log to the terminal print tracebacks
    on Ctrl-C, which reaches them too.
    """
    with ExitStack() as stack:
        try:
            copy = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding)
        except (OSError, io.UnsupportedOperation):
            ours = sys.stderr  # no file of the system: nobody else writes there
        else:
            ours = stack.enter_context(copy)
        for number in STANDARD:
            stack.enter_context(_silent(number))
        yield ours


@contextmanager
def _silent(number: int) -> Iterator[None]:
    """Send a file descriptor's output nowhere, if it is open."""
    try:
        kept = os.dup(number)
    except OSError:
        yield
        return
    try:
        _flush()
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, no path
            os.dup2(nowhere.fileno(), number)
        yield
    finally:
        _flush()
        os.dup2(kept, number)
        os.close(kept)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
