"""A user's table brought in: cut into batches that say whence they are, and its pipeline file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from mldebt_assets.core.errors import NewPipelineError
from mldebt_assets.sources import origins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.profile.table import Profile

REGISTRY_LINE = "PIPELINES: tuple[Pipeline, ...] = ("


def land(profile: Profile, folder: Path, made_from: Sequence[origins.Origin]) -> list[str]:
    """Write each batch as a CSV file, all of them or none; return their names.

    Beside them lies what they were made from.

    Raises: NewPipelineError if something lies there already, or it cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        fix = "choose another name, or another folder with --landing."
        raise NewPipelineError.of(f"The landing folder {folder} is not empty.", fix)
    apart = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    named = profile.batches.to_numpy()
    try:
        apart.mkdir(parents=True)
        for batch in profile.names:
            rows = profile.table.take(pa.array(np.flatnonzero(named == batch)))
            pa_csv.write_csv(rows, apart / f"{batch}.csv")
        origins.write(apart, made_from)
        with suppress(FileNotFoundError):
            folder.rmdir()
        apart.rename(folder)
    except OSError as problem:
        said = f"The batches cannot be written to {folder}: {problem.strerror}."
        raise NewPipelineError.of(said, "name a folder that can be written.") from problem
    finally:
        shutil.rmtree(apart, ignore_errors=True)
    return profile.names


def take_back(folder: Path) -> None:
    """Remove the batches that were just landed, since their pipeline could not be written."""
    shutil.rmtree(folder)


def write_pipeline(file: Path, text: str) -> None:
    """Write a new pipeline file.

    Raises: NewPipelineError if the file is there already, or cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        fix = "choose another name; nothing is ever written over."
        raise NewPipelineError.of(f"{file} is there already.", fix) from None
    except OSError as problem:
        said = f"{file} cannot be written: {problem.strerror}."
        raise NewPipelineError.of(said, "point MLDEBT_PIPELINES to a folder of yours.") from problem


def format_pipeline(file: Path) -> None:
    """Format a pipeline file, where ruff is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    if ruff.is_file():
        command = [str(ruff), "format", "--quiet", "--no-cache", "--line-length", "100", str(file)]
        subprocess.run(command, check=False, capture_output=True)


def register(init: Path, name: str) -> None:
    """Add a pipeline to the package's list, once."""
    text = init.read_text(encoding="utf-8")
    imported = f"from mldebt_assets.pipelines.{name} import {name}\n"
    if imported in text:
        return
    head, line, rest = text.partition(REGISTRY_LINE)
    listed, end, after = rest.partition(")")
    names = [*filter(None, (one.strip() for one in listed.split(","))), name]
    lines = head.splitlines(keepends=True)
    last = max(i for i, one in enumerate(lines) if one.startswith("from "))
    imports = sorted([one for one in lines[: last + 1] if one.startswith("from ")] + [imported])
    before = [one for one in lines[: last + 1] if not one.startswith("from ")]
    of_all = "".join([*before, *imports, *lines[last + 1 :]])
    ending = "," if len(names) == 1 else ""
    whole = f"{of_all}{line}{', '.join(names)}{ending}{end}{after}"
    part = init.with_name(f".{init.name}.{os.getpid()}")
    part.write_text(whole, encoding="utf-8")
    part.replace(init)
