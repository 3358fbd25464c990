"""Values as they are written, without what they say: evidence that shows nobody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SIGNS = 40
# What says how a value is written, and nothing of whose it is.
PUNCTUATION = set(" \t@.,:;+-_/()#'\"")


def masked(value: str) -> str:
    """Return a value with 9 for every digit, A and a for letters, and ? for any other sign.

    >>> masked("Ada.Lövelace7@example.org")
    'Aaa.Aaaaaaaa9@aaaaaaa.aaa'
    """
    made = "".join(_sign(sign) for sign in value[:MOST_SIGNS])
    return made + ("…" if len(value) > MOST_SIGNS else "")


def commonest(values: Iterable[str]) -> str | None:
    """Return the mask that most of these values have, the first by the alphabet among equals."""
    counts = Counter(masked(value) for value in values)
    return min(counts, key=lambda mask: (-counts[mask], mask), default=None)


def _sign(sign: str) -> str:
    if sign.isdigit():
        return "9"
    if sign.isalpha():
        return "A" if sign.isupper() else "a"
    return sign if sign in PUNCTUATION else "?"
