"""What triage finds: one fault of a feed, with its evidence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Fault = Literal[
    "nulls",
    "constant column",
    "unit change",
    "shifted columns",
    "duplicated file",
    "truncated file",
    "near spelling",
]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault: the columns that show it, the numbers behind it, and a sentence for a human.

    Nothing of it quotes a value of the data, which might be personal.
    """

    fault: Fault
    columns: tuple[str, ...]
    evidence: Mapping[str, float | str]
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as plain JSON values."""
        return {**asdict(self), "columns": list(self.columns)}
