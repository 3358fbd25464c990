"""Several tables as one: each row finds at most one row of another table, by declared keys."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from mldebt_assets.core.errors import TableUnfitError
from mldebt_assets.core.privacy.texts import as_text

WRITTEN = re.compile(r"(?P<table>.+?)\s+on\s+(?P<keys>.+)", re.IGNORECASE | re.DOTALL)
HOW_WRITTEN = "write it as 'depots.csv on depot', or 'depots.csv on depot=id, country'."


@dataclass(frozen=True, kw_only=True)
class Join:
    """Another table, and its ``keys``: which column of the first is which of the other."""

    table: str
    keys: tuple[tuple[str, str], ...]

    @property
    def prefix(self) -> str:
        """What stands before those of its columns whose name is taken."""
        stem = re.split(r"[\\/]", self.table)[-1].partition(".")[0]
        return f"{stem}_"

    def __str__(self) -> str:
        """Return the keys as they are declared."""
        return ", ".join(one if one == other else f"{one}={other}" for one, other in self.keys)


def join_of(text: str) -> Join:
    """Return the join that somebody wrote.

    Raises: TableUnfitError if it is none.

    >>> join_of("depots.csv on depot=id, country").keys
    (('depot', 'id'), ('country', 'country'))
    """
    found = WRITTEN.fullmatch(text.strip())
    pairs = [one.partition("=") for one in found["keys"].split(",")] if found else []
    keys = tuple(
        (one.strip(), (other if is_other else one).strip()) for one, is_other, other in pairs
    )
    if found is None or not all(one and other for one, other in keys):
        raise TableUnfitError.of(f"the join {text!r} names no table and its keys.", HOW_WRITTEN)
    return Join(table=found["table"], keys=keys)


def joined(left: pa.Table, right: pa.Table, join: Join) -> tuple[pa.Table, int]:
    """Return every row of ``left`` in its order with the row of ``right`` that has its key.

    Keys are compared as text, so that 7 of a database is the 7 of a file; one without a value has
    no partner. A column of ``right`` whose name is taken gets the table's name before its own.

    Returns: the table, and how many of its rows found no partner.
    Raises:  TableUnfitError if a key is missing, or several rows of ``right`` have the same one, or
             no row found a partner.
    """
    ours = _keys(left, [one for one, _ in join.keys], f"the join with {join.table}: its left side")
    theirs = _keys(
        right, [other for _, other in join.keys], f"the join with {join.table}: {join.table}"
    )
    theirs = theirs.assign(place=range(len(theirs))).dropna()
    columns = list(ours.columns)
    if several := int(theirs.duplicated(columns).sum()):
        raise TableUnfitError.of(
            f"the join with {join.table}: {several:,} of its rows have a key "
            f"({join}) that an earlier one has, so a row would find more than one.",
            "name the columns that are unique there together, or merge its rows first.",
        )
    found = ours.merge(theirs, how="left", on=columns)["place"]
    unmatched = int(found.isna().sum())
    if unmatched == len(found):
        raise TableUnfitError.of(
            f"the join with {join.table}: no row finds a partner by {join}.",
            "name the columns that hold the same keys, written alike.",
        )
    partners = right.drop_columns([other for _, other in join.keys]).take(
        pa.array(found.astype("Int64"), pa.int64())
    )
    taken = set(left.column_names)
    table = left
    for name in partners.column_names:
        own = _free(name, join.prefix, taken)
        taken.add(own)
        table = table.append_column(own, partners.column(name))
    return table, unmatched


def _keys(table: pa.Table, names: list[str], where: str) -> pd.DataFrame:
    """Return key columns as texts, None where there is no value."""
    for name in names:
        if name not in table.column_names:
            raise TableUnfitError.lacks(name, table.column_names, where=where)
    texts = {place: as_text(table.column(name)).to_pandas() for place, name in enumerate(names)}
    return pd.DataFrame({place: text.where(text.ne("")) for place, text in texts.items()})


def _free(name: str, prefix: str, taken: set[str]) -> str:
    while name in taken:
        name = f"{prefix}{name}"
    return name
