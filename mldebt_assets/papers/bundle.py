"""Files in one zip that is the same wherever it is made: fixed dates and order, no compression.

How well bytes are packed depends on the version of zlib; what is stored by its hash must not.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.fingerprint import canonical_json, sha256
from mldebt_assets.papers.bill_of_materials import bill_of_materials
from mldebt_assets.papers.data_sheet import data_sheet
from mldebt_assets.papers.model_card import model_card
from mldebt_assets.papers.page import to_html, to_markdown

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.papers.page import Page

READABLE = 0o644 << 16
SUMS = "SHA256SUMS"
BILL = "bill_of_materials.cdx.json"
MODEL_CARD = "model_card.md"
DATA_SHEET = "data_sheet.md"
DOSSIER = "dossier.json"


def papers_of(dossier: dict[str, Any]) -> dict[str, bytes]:
    """Return the papers of a promotion by their file names, and the facts they were written from.

    Raises: InvalidPaperError if the bill of materials is not valid.
    """
    return {
        **both("model_card", model_card(dossier)),
        **both("data_sheet", data_sheet(dossier)),
        BILL: bill_of_materials(dossier),
        DOSSIER: canonical_json(dossier),
    }


def both(name: str, page: Page) -> dict[str, bytes]:
    """Return a page as Markdown and as HTML."""
    return {f"{name}.md": to_markdown(page).encode(), f"{name}.html": to_html(page).encode()}


def zipped(files: dict[str, bytes], when: datetime) -> bytes:
    """Return one zip of these files, all of them dated ``when``."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=when.timetuple()[:6])
            entry.external_attr = READABLE
            archive.writestr(entry, data)
    return made.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip by their names, in their order."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def checksums(files: dict[str, bytes]) -> bytes:
    """Return the SHA-256 of each file, as ``sha256sum --check`` reads it."""
    return "".join(f"{sha256(data)}  {name}\n" for name, data in files.items()).encode()
