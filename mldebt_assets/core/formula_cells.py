"""CSV for people: no cell in it is a formula to the spreadsheet that opens it.

A cell that begins like one gets an apostrophe before it, and loses it when the file comes back.
What lands for machines stays as it is, byte for byte: it is never written by this module.

Source: OWASP, CSV Injection. Numbers and times are no texts: -5 stays a number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

# With the full-width forms of the four, which some spreadsheets take for them.
BEGINNINGS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
RISKY = re.compile(rf"[\s']*[{BEGINNINGS}]|'*[\t\r\n]")
APOSTROPHE = "'"
QUOTED = re.compile(r'[",\r\n]')


def defused(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; others stay as they are.

    >>> defused("=cmd|' /C calc'!A0"), defused("'s-Gravenhage"), defused("'=1")
    ("'=cmd|' /C calc'!A0", "'s-Gravenhage", "''=1")
    """
    return f"{APOSTROPHE}{text}" if RISKY.match(text) else text


def restored(text: str) -> str:
    """Return the text that :func:`defused` was given.

    >>> [restored(defused(text)) for text in ("=1", "'=1", "plain", "'s-Gravenhage")]
    ['=1', "'=1", 'plain', "'s-Gravenhage"]
    """
    hidden = text.startswith(APOSTROPHE) and RISKY.match(text[1:])
    return text[1:] if hidden else text


def csv_for_people(table: pd.DataFrame) -> bytes:
    """Return a table as CSV in UTF-8 with a header line; texts and names are defused.

    A null is an empty field, and an empty text is one in quotes. Times are ISO 8601.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    rows = [arrow.column_names, *zip(*(c.to_pylist() for c in arrow.columns), strict=True)]
    return "".join(",".join(map(_field, row)) + "\n" for row in rows).encode()


def _field(value: object) -> str:
    """Return one value as a field of a CSV file."""
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = defused(value)
    return '"' + text.replace('"', '""') + '"' if QUOTED.search(text) or not text else text
