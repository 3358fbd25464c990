"""What a table should look like: its columns, and what is expected of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from mldebt_assets.core.privacy.policy import Policy

DType = Literal["string", "int64", "float64", "timestamp"]
Written = Literal["local", "with_zone", "epoch_seconds"]
KEY_DTYPES: tuple[DType, ...] = ("string", "int64")
"""Those of columns that can be a foreign key: equal values of these are written alike."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the source: its exact name and type, what it means, and its bounds.

    Bounds are numbers, and ISO 8601 texts for a ``timestamp``.

    ``minimum`` and ``maximum`` are row-wise rules: a row outside them goes to quarantine. So does
    a row without a value, unless the column is ``nullable``. ``timestamp`` is ISO 8601 local time,
    or as ``written`` says: with a zone (``Z`` or an offset, made UTC), or seconds since 1970 (UTC).
    ``noise`` is by how much a number may be off to either side, where its rounding does not say.
    ``privacy`` is what becomes of personal data in it; without it, none may be in there.
    ``since`` is the first batch that has it, by name: earlier ones may lack it, and are null there.
    """

    name: str
    dtype: DType
    meaning: str
    nullable: bool = False
    minimum: float | str | None = None
    maximum: float | str | None = None
    noise: float | None = None
    privacy: Policy | None = None
    written: Written = "local"
    since: str | None = None

    def came_after(self, batch: str) -> bool:
        """Return whether a batch is from before there was this column, so that it may lack it."""
        return self.since is not None and batch < self.since


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """Columns whose values must be those of a row of another table; where one is null, none need.

    ``url`` is a CSV or Parquet file (any fsspec URL; a relative one lies below the project's root),
    or with ``table`` a database (any SQLAlchemy URL). It is read whenever a batch is taken in.
    ``references`` names its columns where they are called otherwise than the batch's ``columns``.
    """

    columns: tuple[str, ...]
    url: str
    table: str | None = None
    references: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The columns, as they are said in a sentence."""
        return ", ".join(self.columns)

    @property
    def referenced(self) -> tuple[str, ...]:
        """The columns of the other table, in the order of ``columns``."""
        return self.references or self.columns

    def contradiction(
        self, dtypes: Mapping[str, DType], who: Container[str | None]
    ) -> tuple[str, str] | None:
        """Return what is wrong with it and the fix; None where its columns can be compared.

        Args: ``who`` are the columns that say whose a row is.
        """
        if not self.columns or len(self.referenced) != len(self.columns):
            return (
                f"its foreign key {self.name or 'without columns'} references "
                f"{len(self.referenced)} columns.",
                "name as many in `references` as in `columns`, and one at least.",
            )
        other = [f"{n} is {dtypes[n]}" for n in self.columns if dtypes[n] not in KEY_DTYPES]
        if other:
            return (
                f"its foreign key {self.name} is not only of text and whole numbers: "
                f"{', '.join(other)}.",
                f"name columns that are {' or '.join(KEY_DTYPES)}.",
            )
        if any(name in who for name in self.columns):
            return (
                f"its foreign key {self.name} says whose a row is, and everybody whom the other "
                "table names would be stored with each batch.",
                "leave it out, and compare the two tables where they come from.",
            )
        return None


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A Great Expectations expectation by its class name, with its keyword arguments.

    ``failing`` says what happens to what fails: rows of a row-wise expectation can be
    quarantined, and anything can refuse the batch as a whole.
    """

    name: str
    arguments: Mapping[str, Any]
    failing: Literal["quarantine", "refuse"] = "refuse"
