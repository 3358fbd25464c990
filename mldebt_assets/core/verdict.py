"""The one type in which data checks, drift and gates all say whether a number is too much."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One judged number.

    ``measured`` and ``limit`` are in ``unit``; ``measured`` is None only where nothing could be
    measured, and then ``reason`` says why.
    """

    name: str
    passed: bool
    measured: float | int | str | None
    limit: float | int | str | None
    unit: str
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain JSON values."""
        return asdict(self)


def all_passed(verdicts: Iterable[Verdict]) -> bool:
    """Return whether every verdict passed; a gate with no verdict at all has not been passed.

    >>> all_passed([])
    False
    """
    judged = list(verdicts)
    return bool(judged) and all(verdict.passed for verdict in judged)
