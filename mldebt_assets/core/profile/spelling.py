"""Numbers and dates that a table spells as no program reads them: 1.234,50, $12 or 31/05/2024.

They are not guessed at: 1,234 is a thousand here and a little more than one there, and 05/06 is two
days. So such a column is no input, and a person is told how to write it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SAMPLED = 1_000
MOSTLY = 0.9
"""So many of a column's values must be spelled so: a few are slips among texts."""

SIGNS = r"(?:[€$£¥%]|USD|EUR|GBP|CHF)"
DIGITS = r"(?:[0-9]{1,3}(?:[.,'\u00a0 ][0-9]{3})+|[0-9]+)(?:[.,][0-9]+)?"
NUMBER = re.compile(rf"[+-]?{SIGNS}?\s?[+-]?{DIGITS}\s?{SIGNS}?")
READ_SO = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
DATE = re.compile(r"[0-9]{1,2}([./-])[0-9]{1,2}\1(?:[0-9]{4}|[0-9]{2})(?:[ T].*)?")


def spelled(texts: pd.Series[Any]) -> str:
    """Return how the values of a text column are spelled that no program reads; else nothing.

    >>> import pandas as pd
    >>> spelled(pd.Series(["1,5", "2,25"]))[:27]
    'its numbers are written wit'
    """
    sample = [str(one).strip() for one in texts.dropna().unique()[:SAMPLED]]
    if not sample:
        return ""
    if _share(sample, DATE) >= MOSTLY:
        return "its dates are not written as 2024-05-31; write them so to use them"
    as_read = _share(sample, READ_SO)
    if as_read >= MOSTLY:
        return (
            "most of its values are numbers, and a few are not; leave those empty to use the others"
            if as_read < 1
            else ""
        )
    if _share(sample, NUMBER) >= MOSTLY:
        return (
            "its numbers are written with commas, signs or units; write them as 1234.5 to use them"
        )
    return ""


def _share(values: list[str], pattern: re.Pattern[str]) -> float:
    return sum(pattern.fullmatch(one) is not None for one in values) / len(values)
