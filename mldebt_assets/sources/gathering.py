"""The table that a user names: a file, a URL or a database, joined with others as declared."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import fsspec

from mldebt_assets.core.errors import NoSuchFileError, TableUnfitError
from mldebt_assets.core.profile.joins import join_of, joined
from mldebt_assets.sources.database import HOW_TO_NAME, is_database, read_rows
from mldebt_assets.sources.table_file import read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from mldebt_assets.core.profile.joins import Join
    from mldebt_assets.sources.origins import Origin


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A table, when it was written (now, where nothing says so), and what it was made from."""

    table: pa.Table
    written: datetime
    origins: tuple[Origin, ...]


def gather(data: str, *, table: str | None, query: str | None, joins: Sequence[str]) -> Gathered:
    """Return the rows that ``data`` names, each with its partners of the tables it is joined with.

    ``data`` is a file or URL, or the URL of a database where a ``table`` or a ``query`` says what
    of it; the others are tables of the same database, or files.

    Raises: NoSuchFileError, UnreachableError, TableFileError where one cannot be read;
            TableUnfitError where they cannot be joined so.
    """
    declared = [join_of(one) for one in joins]
    database = data if table is not None or query is not None else None
    if database is None:
        first = read_anywhere(data)
    else:
        first = read_database(database, table=table, query=query)
    whole, origins = first.table, list(first.origins)
    for join in declared:
        other = _other(join, database)
        whole, unmatched = joined(whole, other.table, join)
        [origin] = other.origins
        origins.append({**origin, "joined_on": str(join), "unmatched": unmatched})
    return Gathered(table=whole, written=first.written, origins=tuple(origins))


def _other(join: Join, database: str | None) -> Gathered:
    """Return a table to join with: of the same database where that has it, else of a file."""
    if database is not None and not Path(join.table).is_file() and "://" not in join.table:
        return read_database(database, table=join.table, query=None)
    return read_anywhere(join.table)


def read_anywhere(data: str) -> Gathered:
    """Return the table of a file or URL.

    Raises: NoSuchFileError if it cannot be read; TableFileError if it is no table; TableUnfitError
            if it is a database.
    """
    if is_database(data):
        raise TableUnfitError.of("a database is named, and no table of it.", HOW_TO_NAME)
    if "://" not in data:
        path = Path(data).expanduser()
        return _of_file(path, path.resolve().as_uri())
    with tempfile.TemporaryDirectory() as folder:
        copied = Path(folder, Path(data).name or "table")
        try:
            with fsspec.open(data, "rb") as remote, copied.open("wb") as local:
                shutil.copyfileobj(remote, local)
        except (OSError, ValueError, ImportError) as problem:
            raise NoSuchFileError.of(data, f"{type(problem).__name__}: {problem}") from problem
        return _of_file(copied, without_secrets(data))


def _of_file(path: Path, uri: str) -> Gathered:
    table = read_table(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return Gathered(table=table, written=written, origins=(_origin(uri, table, digest=digest),))


def without_secrets(url: str) -> str:
    """Return a URL without user, password and query, any of which may be a secret.

    >>> without_secrets("https://me:secret@example.org/a.csv?token=b")
    'https://example.org/a.csv'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_database(url: str, *, table: str | None, query: str | None) -> Gathered:
    """Return a table of a database, or what a query of it gives.

    Raises: UnreachableError, TableUnfitError, TableFileError, as :func:`read_rows` does.
    """
    read = read_rows(url, table=table, query=query)
    origin = _origin(without_secrets(url), read, rows_of=table or query)
    return Gathered(table=read, written=datetime.now(UTC), origins=(origin,))


def _origin(
    uri: str, table: pa.Table, *, digest: str | None = None, rows_of: str | None = None
) -> Origin:
    return {
        "uri": uri,
        "rows_of": rows_of,
        "rows": table.num_rows,
        "sha256": digest,
        "joined_on": None,
        "unmatched": None,
    }
