"""A table of a database, or what a query of it gives: it is read, and nothing there is changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa

from mldebt_assets.core.errors import MLDebtError, TableFileError, TableUnfitError, UnreachableError

if TYPE_CHECKING:
    import sqlalchemy

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb", "oracle", "mssql")
ASKING = re.compile(r"(\s|--[^\n]*\n|/\*.*?\*/|\()*(select|with|values|table)\b", re.I | re.S)
# What makes a session refuse every change. Elsewhere that a query asks is all that is looked at,
# and that nothing is committed.
READ_ONLY = {"sqlite": "PRAGMA query_only = ON", "postgresql": "SET TRANSACTION READ ONLY"}
NAMES_SHOWN = 8
HOW_TO_NAME = "say which with --table TABLE or --query SQL."


def is_database(url: str) -> bool:
    """Return whether a URL is one of SQLAlchemy's, so that a table or a query must be named.

    >>> is_database("postgresql+psycopg2://host/db"), is_database("s3://bucket/a.csv")
    (True, False)
    """
    return urlsplit(url).scheme.partition("+")[0] in DIALECTS


def read_rows(url: str, *, table: str | None, query: str | None) -> pa.Table:
    """Return a table of a database (any SQLAlchemy URL), or what a query of it gives.

    Raises: UnreachableError if it does not answer so; TableUnfitError if the query does not ask;
            TableFileError if there is no such table, no driver, or what it gives is no table or has
            no row. None of them repeats the URL, which may hold a password.
    """
    import pandas as pd
    import sqlalchemy

    asked = "the query" if table is None else f"the table {table!r}"
    if query is not None and ASKING.match(query) is None:
        problem = "the query does not begin with SELECT or WITH, so it may change the database."
        raise TableUnfitError.of(problem, "ask with one that only reads.")
    try:
        address = sqlalchemy.engine.make_url(url)
        _require_file(address)
        with sqlalchemy.create_engine(address).connect() as connection:
            if connection.dialect.name in READ_ONLY:
                connection.execute(sqlalchemy.text(READ_ONLY[connection.dialect.name]))
            if table is not None:
                _require_table(connection, table)
                rows = pd.read_sql_table(table, connection)
            else:
                rows = pd.read_sql_query(sqlalchemy.text(query or ""), connection)
        read = pa.Table.from_pandas(rows, preserve_index=False)
    except MLDebtError:
        raise
    except ModuleNotFoundError as problem:
        fix = f"`pip install {problem.name}`, or write the URL for a driver that you have."
        said = f"the database's driver {problem.name} is not installed."
        raise TableFileError.of(asked, said, fix) from None
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, OSError) as problem:
        said = f"{asked} cannot be read ({type(problem).__name__})."
        raise UnreachableError.of("The database", said) from None
    except (pa.ArrowException, ValueError):
        fix = "ask with --query for columns of numbers, text and times."
        raise TableFileError.of(asked, "a column has values of several types.", fix) from None
    if not read.num_rows:
        raise TableFileError.of(asked, "it has no rows.", "name one with rows.")
    return read


def _require_file(address: sqlalchemy.URL) -> None:
    """Raise UnreachableError where an SQLite file is not there: it would be made, and be empty."""
    file = address.database
    if address.get_backend_name() != "sqlite" or not file or file.startswith((":", "file:")):
        return
    if not Path(file).is_file():
        raise UnreachableError.of("The database", "there is no such file.")


def _require_table(connection: sqlalchemy.Connection, table: str) -> None:
    """Raise TableFileError where the database has no table or view of this name."""
    import sqlalchemy

    inspected = sqlalchemy.inspect(connection)
    names = sorted([*inspected.get_table_names(), *inspected.get_view_names()])
    if table not in names:
        shown = f"{', '.join(names[:NAMES_SHOWN])}{', …' if len(names) > NAMES_SHOWN else ''}"
        said = f"the database has none of this name; it has {shown or 'no table'}."
        raise TableFileError.of(f"the table {table!r}", said, "name one that is there.")
