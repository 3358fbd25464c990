"""CSV for people: no cell in it is a formula to the spreadsheet that opens it.

A cell that begins like one gets an apostrophe before it, and loses it when the file comes back.
What lands for machines stays as it is, byte for byte: it is never written by this module.

Source: OWASP, CSV Injection. Numbers and times are no texts: -5 stays a number.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pa_csv

if TYPE_CHECKING:
    import pandas as pd

# With the full-width forms of the four, which some spreadsheets take for them.
BEGINNINGS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
RISKY = re.compile(rf"[\s']*[{BEGINNINGS}]|'*[\t\r\n]")
APOSTROPHE = "'"


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

    A null is an empty field, and an empty text is one in quotes.
    """
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    columns = [
        pa.array([None if one is None else defused(one) for one in column.to_pylist()], pa.string())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        else column
        for column in arrow.columns
    ]
    sink = io.BytesIO()
    names = [defused(str(name)) for name in arrow.column_names]
    pa_csv.write_csv(pa.table(columns, names=names), sink)
    return sink.getvalue()
