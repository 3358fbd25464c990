"""What the batches of a landing folder were made from, where `mldebt new` made them.

A file of the folder states it for each batch's very bytes, so that a batch that is landed anew, or
later, is not said to come from there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict

import fsspec

from mldebt_assets.core.fingerprint import sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mldebt_assets.sources.landing import Arrival

ORIGINS = "origins.json"


class Origin(TypedDict):
    """A table that batches were made from.

    ``sha256`` is that of a file; ``rows_of`` says which table or query of a database; ``joined_on``
    the keys by which it was joined to those before it, where ``unmatched`` rows found no partner.
    """

    uri: str
    rows_of: str | None
    rows: int
    sha256: str | None
    joined_on: str | None
    unmatched: int | None


def write(folder: Path, made_from: Sequence[Origin]) -> None:
    """Write down what the batches that lie in a folder were made from."""
    files = {file.name: sha256(file.read_bytes()) for file in sorted(folder.glob("*.csv"))}
    told = {"made_from": list(made_from), "files": files}
    (folder / ORIGINS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def origins_of(arrival: Arrival, data: bytes) -> list[dict[str, Any]]:
    """Return what these bytes were made from; nothing where the folder does not say so."""
    fs, path = fsspec.core.url_to_fs(arrival.uri)
    folder, _, name = path.rpartition("/")
    try:
        told = json.loads(fs.cat_file(f"{folder}/{ORIGINS}"))
        stated, made_from = told["files"].get(name), list(told["made_from"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return made_from if stated == sha256(data) else []
