"""What every command opens first, and how it answers: as text, or as one JSON document."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from mldebt_assets.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

    from mldebt_assets.resources import Platform

PipelineName = Annotated[str, typer.Argument(help="The pipeline's name.", metavar="PIPELINE")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]

out = Console(highlight=False)
progress = Console(stderr=True, highlight=False)


@contextmanager
def opened() -> Iterator[tuple[Platform, dg.DagsterInstance]]:
    """Open the home's stores and Dagster's instance.

    Raises: HomeError if the home is missing, half made or cannot be written.
    """
    home = Home.locate().require()
    os.environ.update(home.environment())
    import dagster as dg

    from mldebt_assets.resources import Platform

    with dg.DagsterInstance.get() as instance:
        yield Platform(home), instance


def say(text: str) -> None:
    """Print a line as it is: no brackets are read as markup, and no path is broken in two."""
    out.print(text, markup=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print one JSON document on stdout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n")
