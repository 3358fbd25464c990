"""A user's own pipeline files, read once a process: what runs is what is recorded, edited or not.

They lie outside the package, so neither its commit nor its diff has them: a version records them
itself, and `mldebt reproduce` runs those, and never today's.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING

from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.home import pipelines_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def pipeline_files() -> Mapping[str, bytes]:
    """Return the files of the user's own pipelines, by name; none where there is no folder.

    Raises: DeclarationError if one of them cannot be read.
    """
    folder = pipelines_folder()
    return {} if folder is None else _read(folder)


@functools.cache
def _read(folder: Path) -> Mapping[str, bytes]:
    if folder.exists() and not folder.is_dir():
        fix = "let MLDEBT_PIPELINES name a folder of pipeline files."
        raise DeclarationError.of(folder.stem, f"{folder} is no folder.", fix)
    files = {}
    for file in sorted(folder.glob("[a-z]*.py")):
        try:
            files[file.name] = file.read_bytes()
        except OSError as problem:
            said = f"{file} cannot be read: {problem.strerror}."
            fix = "mend the file, or move it out of its folder."
            raise DeclarationError.of(file.stem, said, fix) from problem
    return files


def bundled() -> bytes | None:
    """Return all of them as one document, {name: text}; None where there are none."""
    files = pipeline_files()
    if not files:
        return None
    return canonical_json({name: text.decode() for name, text in files.items()})


def unbundle(bundle: bytes, folder: Path) -> None:
    """Write the files of a document that :func:`bundled` made into a new folder."""
    folder.mkdir(parents=True)
    for name, text in json.loads(bundle).items():
        (folder / name).write_bytes(text.encode())
