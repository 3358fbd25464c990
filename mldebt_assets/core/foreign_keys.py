"""Foreign keys: rows of a batch whose values are those of no row of the table that they reference.

As in SQL, a row in which one of the columns is null references nothing, and is not at fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from mldebt_assets.core.column_types import typed
from mldebt_assets.core.errors import TableFileError
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from mldebt_assets.core.schema import ForeignKey

References = Mapping[str, list[list[Any]]]
"""The values that each foreign key may have, by its name: each a value for each of its columns."""


def referenced_values(
    table: pa.Table, key: ForeignKey, columns: Sequence[Column], where: str
) -> list[list[Any]]:
    """Return the distinct values of the columns that a foreign key references, in their order.

    Args:   ``columns`` are those of the batch; ``where`` says in an error which table it is.
    Raises: TableFileError if the table lacks one of them, or has it of another type.
    """
    lacking = [name for name in key.referenced if name not in table.column_names]
    if lacking:
        problem = f"it has no column {', '.join(map(repr, lacking))}."
        raise TableFileError.of(where, problem, "name the columns that it has as `references`.")
    dtypes = {column.name: column.dtype for column in columns}
    wanted = [
        Column(name=named, dtype=dtypes[name], meaning="referenced", nullable=True)
        for name, named in zip(key.columns, key.referenced, strict=True)
    ]
    series, changes, faulty = typed(table, wanted)
    if changes or faulty:
        told = " ".join([*(f"{change.sentence}." for change in changes), *faulty])
        fix = f"reference columns of the types that {key.name} has in the batch."
        raise TableFileError.of(where, told, fix)
    known = pd.DataFrame({name: series[name] for name in key.referenced}).dropna()
    return [list(values) for values in sorted(set(known.itertuples(index=False, name=None)))]


def without_match(
    frame: pd.DataFrame, keys: Sequence[ForeignKey], references: References
) -> dict[str, list[int]]:
    """Return, by the fault in words, the places of the rows that reference no row.

    >>> from mldebt_assets.core.schema import ForeignKey
    >>> key = ForeignKey(columns=("carrier",), url="data/airlines.csv")
    >>> flights = pd.DataFrame({"carrier": ["UA", "ZZ", None]})
    >>> without_match(flights, [key], {"carrier": [["AA"], ["UA"]]})
    {'carrier has no match in airlines.csv': [1]}
    """
    found = {}
    for key in keys:
        values = frame[list(key.columns)].astype(object)
        known = [tuple(one) for one in references[key.name]]
        alone = values.notna().all(axis=1) & ~pd.MultiIndex.from_frame(values).isin(known)
        if alone.any():
            fault = f"{key.name} {'has' if len(key.columns) == 1 else 'have'} no match in "
            found[fault + table_name(key)] = [int(place) for place in alone.to_numpy().nonzero()[0]]
    return found


def table_name(key: ForeignKey) -> str:
    """Return what the referenced table is called: its file's name, without what may be secret.

    >>> from mldebt_assets.core.schema import ForeignKey
    >>> table_name(ForeignKey(columns=("a",), url="s3://me:secret@bucket/parts.csv?token=b"))
    'parts.csv'
    """
    return key.table or key.url.partition("?")[0].rpartition("/")[2]
