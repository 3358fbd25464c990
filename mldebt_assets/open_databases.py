"""Dagster's SQLite databases held open while one process stores many events in them.

Dagster opens and closes a connection for each event. Where the last connection to a database
closes, SQLite writes its log back into the database and deletes it: that cost more than the event.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldebt_assets.home import Home


@contextmanager
def held_open(home: Home) -> Iterator[None]:
    """Hold the databases of runs, schedules and all events open; none where they are elsewhere."""
    found = [
        file for folder in ("history", "schedules") for file in (home.dagster / folder).glob("*.db")
    ]
    with ExitStack() as held:
        for file in (*found, *_index(home)):
            held.enter_context(closing(_opened(file)))
        yield


@contextmanager
def events_held_open(home: Home, run_id: str) -> Iterator[None]:
    """Hold the database of one run's events open, which this makes if Dagster has not yet."""
    with ExitStack() as held:
        for index in _index(home):
            held.enter_context(closing(_opened(index.with_name(f"{run_id}.db"))))
        yield


def _index(home: Home) -> list[Path]:
    """Return the database of all runs' events, if events are stored in SQLite."""
    return list((home.dagster / "history" / "runs").glob("index.db"))


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection that holds no lock, but has the database's log open."""
    connection = sqlite3.connect(file, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL").fetchall()
    connection.execute("SELECT name FROM sqlite_master").fetchall()
    return connection
