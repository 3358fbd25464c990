"""Rows in quarantine as people know, mend and release them: each by a mark of its own.

A mark is a digest of the batch and of all that is in the row, so it names the same row in a file
that was exported before others were released, and none of another batch.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from mldebt_assets.core.fingerprint import digest
from mldebt_assets.core.quality import REASON

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from mldebt_assets.core.schema import Column

MARK = "quarantined"
"""The column that says which row of quarantine it is."""
MARK_DIGITS = 16
WIDE = {"string": "object", "int64": "Int64", "float64": "float64", "timestamp": "datetime64[us]"}


def widened(table: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the declared columns in types that hold a gap, whatever is missing in these rows."""
    return table[[c.name for c in columns]].astype({c.name: WIDE[c.dtype] for c in columns})


def marked(
    table: pd.DataFrame, batch: str, columns: Sequence[Column], used: Container[str] = ()
) -> pd.DataFrame:
    """Return the rows with the mark of each before the declared columns, and reasons behind.

    Rows that equal each other are numbered; those in ``used`` were released before.
    """
    wide = widened(table, columns).reset_index(drop=True)
    texts = [
        [None if pd.isna(value) else str(value) for value in row]
        for row in wide.itertuples(index=False, name=None)
    ]
    seen: Counter[str] = Counter()
    marks = []
    for row in texts:
        whole = digest([batch, row])
        seen[whole] += 1
        while (mark := digest([whole, seen[whole]])[:MARK_DIGITS]) in used:
            seen[whole] += 1
        marks.append(mark)
    wide.insert(0, MARK, pd.Series(marks, wide.index, object))
    if REASON in table:
        wide[REASON] = table[REASON].to_numpy()
    return wide
