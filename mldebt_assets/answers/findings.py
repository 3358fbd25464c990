"""What a verification compared, and where it found something else."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Where = Literal["cache", "remote", "dagster", "mlflow", "record", "pointer"]

WHERES: tuple[Where, ...] = ("record", "cache", "remote", "pointer", "dagster", "mlflow")


@dataclass(frozen=True)
class Problem:
    """One disagreement: of what, where, and what stands there instead; None where nothing does."""

    what: str
    where: Where
    expected: str | None
    found: str | None


@dataclass
class Findings:
    """Every comparison that was made, counted by kind and place, and those that failed.

    >>> findings = Findings()
    >>> findings.compare("raw 2013-01", "cache", "ab", "ab")
    True
    >>> findings.compare("raw 2013-02", "cache", "cd", None)
    False
    >>> findings.checked()
    [{'what': 'raw', 'where': 'cache', 'count': 2, 'bytes': None}]
    >>> findings.problems
    [Problem(what='raw 2013-02', where='cache', expected='cd', found=None)]
    """

    problems: list[Problem] = field(default_factory=list)
    _counts: dict[tuple[Where, str], int] = field(default_factory=dict)
    _bytes: dict[tuple[Where, str], int] = field(default_factory=dict)

    def compare(
        self, what: str, where: Where, expected: object, found: object, *, read: int | None = None
    ) -> bool:
        """Note a comparison and return whether both are equal.

        ``what`` begins with the kind that it is counted under; ``read`` is how many bytes were
        read for it.
        """
        kind = (where, what.partition(" ")[0])
        self._counts[kind] = self._counts.get(kind, 0) + 1
        if read is not None:
            self._bytes[kind] = self._bytes.get(kind, 0) + read
        if expected == found:
            return True
        self.problems.append(Problem(what, where, _shown(expected), _shown(found)))
        return False

    def checked(self) -> list[dict[str, Any]]:
        """Return how much was compared: ``what``, ``where``, ``count`` and ``bytes``.

        ``bytes`` is None where no file was read, but what a database says.
        """
        return [
            {
                "what": what,
                "where": where,
                "count": self._counts[where, what],
                "bytes": self._bytes.get((where, what)),
            }
            for where, what in sorted(self._counts, key=lambda kind: WHERES.index(kind[0]))
        ]

    def told(self) -> list[dict[str, Any]]:
        """Return the problems as plain JSON values."""
        return [asdict(problem) for problem in self.problems]


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
