"""What every command opens first, and how it answers: as text, or as one JSON document."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from mldebt_assets.core.errors import CallError
from mldebt_assets.home import Home

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import dagster as dg

    from mldebt_assets.resources import Platform

EXIT_NO = 1
EXIT_WRONG_CALL = 2
EXIT_NO_ANSWER = 3
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141

HASH_DIGITS = 12


class Terminal(Console):
    """A console for people: colour on a terminal alone, or as NO_COLOR and FORCE_COLOR say."""

    def on_broken_pipe(self) -> NoReturn:
        """End as other tools do where nobody reads on, as in ``mldebt status | head -1``."""
        self.quiet = True
        end_unread()


def end_unread() -> NoReturn:
    """End quietly, with the exit code that a shell gives to a program stopped by SIGPIPE."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(EXIT_UNREAD)


out = Terminal(highlight=False)
progress = Terminal(stderr=True, highlight=False)


@contextmanager
def opened() -> Iterator[tuple[Platform, dg.DagsterInstance]]:
    """Open the home's stores and Dagster's instance.

    Raises: HomeError if the home is missing, half made or cannot be written; UnreachableError if
            MLflow does not answer.
    """
    home = Home.locate().require()
    os.environ.update(home.environment())
    import dagster as dg

    from mldebt_assets.resources import Platform

    platform = Platform(home)
    with platform.registry.reachable(), dg.DagsterInstance.get() as instance:
        yield platform, instance


def say(text: str) -> None:
    """Print a line as it is: no brackets are read as markup, and no path is broken in two."""
    out.print(text, markup=False, soft_wrap=True)


def short(digest: str) -> str:
    """Return the first digits of a hash, as every page shows it; ``--json`` has the whole."""
    return digest[:HASH_DIGITS]


def table(headings: Sequence[str], *, right: Sequence[str] = (), title: str | None = None) -> Table:
    """Return an empty table without lines; long words go on in the next line, none is cut."""
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=None,
        pad_edge=False,
    )
    for heading in headings:
        made.add_column(heading, justify="right" if heading in right else "left", overflow="fold")
    return made


def facts(rows: Sequence[tuple[str, str]]) -> Table:
    """Return a table of names and what they are, in two columns."""
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def write_whole(file: Path, page: str) -> None:
    """Write a page, whole or not at all.

    Raises: CallError if it cannot be written there.
    """
    written = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        written.write_text(page, encoding="utf-8")
        written.replace(file)
    except OSError as problem:
        with suppress(OSError):
            written.unlink()
        raise CallError(
            f"Nothing can be written to {file}: {problem.strerror}.\n"
            "Fix: name a file in a folder that is there and can be written."
        ) from problem


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    try:
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        end_unread()


def answer_with(
    answer: dict[str, Any], show: Callable[[dict[str, Any]], None], *, as_json: bool, good: bool
) -> None:
    """Print an answer for a program or a person; the process ends with 1 unless it is ``good``."""
    if as_json:
        print_json(answer)
    else:
        show(answer)
    if not good:
        raise typer.Exit(EXIT_NO)
