"""The key of the pseudonyms: from the environment or a secret file, and never stored anywhere."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mldebt_assets.core.errors import PseudonymKeyError
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms

KEY_VARIABLE = "MLDEBT_PSEUDONYM_KEY"
FILE_VARIABLE = "MLDEBT_PSEUDONYM_KEY_FILE"
LEAST_CHARACTERS = 32
MADE_BY = "make one with `openssl rand -hex 32`, and keep it where you keep your secrets"


def pseudonyms_of_this_machine() -> Pseudonyms:
    """Return the pseudonyms of the key that the environment names.

    Raises: PseudonymKeyError if there is none, or two, if it is too short, or if it lies in a file
            that others may read; the key itself is in no message.
    """
    secret, named = os.environ.get(KEY_VARIABLE, ""), os.environ.get(FILE_VARIABLE, "")
    if secret and named:
        raise PseudonymKeyError.of(
            f"is given twice, by {KEY_VARIABLE} and by {FILE_VARIABLE}.", "leave one of them out."
        )
    if not secret and not named:
        raise PseudonymKeyError.of(
            "is missing, and without it nothing that is to be pseudonymised can be taken in.",
            f"set {KEY_VARIABLE}, or {FILE_VARIABLE} to the path of a file with it; {MADE_BY}.",
        )
    secret = (secret or _read(Path(named))).strip()
    if len(secret) < LEAST_CHARACTERS:
        raise PseudonymKeyError.of(
            f"has {len(secret)} characters; short ones can be guessed, and values with them.",
            f"take at least {LEAST_CHARACTERS} random ones; {MADE_BY}.",
        )
    return Pseudonyms(secret.encode())


def _read(file: Path) -> str:
    try:
        mode = file.stat().st_mode
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PseudonymKeyError.of(
                f"lies in {file}, which others may read.", f"`chmod 600 {file}`."
            )
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        if isinstance(problem, PseudonymKeyError):
            raise
        raise PseudonymKeyError.of(
            f"cannot be read from {file}, which {FILE_VARIABLE} names.",
            "name a text file that this user may read.",
        ) from problem


def require_pinned(found: str, pinned: str | None, pipeline: str) -> None:
    """Raise PseudonymKeyError where a pipeline had another key; the ids tell which."""
    if pinned is not None and found != pinned:
        raise PseudonymKeyError.of(
            f"is another one (id {found}) than the one that {pipeline} was begun with (id "
            f"{pinned}): equal values would no longer have equal pseudonyms.",
            f"set {KEY_VARIABLE} or {FILE_VARIABLE} to the key with the id {pinned}.",
        )
