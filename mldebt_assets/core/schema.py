"""What a table should look like: its columns, and what is expected of their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldebt_assets.core.privacy.policy import Policy

DType = Literal["string", "int64", "float64", "timestamp"]
Written = Literal["local", "with_zone", "epoch_seconds"]


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the source: its exact name and type, what it means, and its bounds.

    Bounds are numbers, and ISO 8601 texts for a ``timestamp``.

    ``minimum`` and ``maximum`` are row-wise rules: a row outside them goes to quarantine. So does
    a row without a value, unless the column is ``nullable``. ``timestamp`` is ISO 8601 local time,
    or as ``written`` says: with a zone (``Z`` or an offset, made UTC), or seconds since 1970 (UTC).
    ``noise`` is by how much a number may be off to either side, where its rounding does not say.
    ``privacy`` is what becomes of personal data in it; without it, none may be in there.
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


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """A Great Expectations expectation by its class name, with its keyword arguments.

    ``failing`` says what happens to what fails: rows of a row-wise expectation can be
    quarantined, and anything can refuse the batch as a whole.
    """

    name: str
    arguments: Mapping[str, Any]
    failing: Literal["quarantine", "refuse"] = "refuse"
