"""What a pipeline declares of personal data: of each column, and of the rows together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Allow:
    """The column may be stored as it is, and ``reason`` says why: it goes into the papers."""

    reason: str
    policy: str = field(default="allowed", init=False)


@dataclass(frozen=True)
class Pseudonymise:
    """Each value is replaced by a keyed pseudonym as the batch is collected, and never stored.

    A pseudonym is text, so the column is declared as ``string``. Equal values have equal
    pseudonyms, in every column, batch and file of whoever holds the same key.
    """

    policy: str = field(default="pseudonymised", init=False)


@dataclass(frozen=True)
class Deny:
    """The column is never to come: a batch with a value in it is refused, and not stored.

    Where it is missing or empty, the batch is taken in without it.
    """

    policy: str = field(default="denied", init=False)


Policy = Allow | Pseudonymise | Deny


def in_words(policy: Policy) -> str:
    """Return a policy as the papers tell it.

    >>> in_words(Allow(reason="public register"))
    'allowed: public register'
    """
    return f"{policy.policy}: {policy.reason}" if isinstance(policy, Allow) else policy.policy


@dataclass(frozen=True, kw_only=True)
class Privacy:
    """What must hold of the rows that are learned from, beside what each column says of itself.

    ``quasi_identifiers`` are the columns that together may tell who a row is of, to somebody who
    knows them. ``k`` rows at least share every combination of theirs (k-anonymity), and have ``l``
    different values of each ``sensitive`` column (distinct l-diversity), so that nobody's is given
    away by theirs. ``bins`` says how exactly they are known: the width of the intervals of a
    number, or of a timestamp in days.
    """

    quasi_identifiers: tuple[str, ...]
    sensitive: tuple[str, ...] = ()
    k: int = 5
    l: int = 2  # noqa: E741 - as everybody calls it
    bins: Mapping[str, float] = field(default_factory=dict)

    def contradiction(self, dtypes: Mapping[str, str]) -> tuple[str, str] | None:
        """Return what is wrong with it and the fix, given the columns of a batch by their types."""
        used = (*self.quasi_identifiers, *self.sensitive)
        unknown = sorted({*used} - {*dtypes})
        if unknown:
            return (
                f"its Privacy uses {', '.join(unknown)}, which no stored batch has.",
                "name columns that come with each batch and are not denied.",
            )
        if not self.quasi_identifiers or len({*used}) < len(used) or self.k < 1 or self.l < 1:
            return (
                "its Privacy has no quasi-identifier, names a column twice, or asks for less than "
                "one row.",
                "Privacy(quasi_identifiers=('zip', 'birth_year'), sensitive=('diagnosis',), k=5).",
            )
        unfit = sorted(
            name
            for name, width in self.bins.items()
            if name not in self.quasi_identifiers or dtypes[name] == "string" or not width > 0
        )
        if unfit:
            return (
                f"its Privacy has bins of {', '.join(unfit)}.",
                "give bins a width above 0, and only to quasi-identifiers that are numbers or "
                "timestamps.",
            )
        return None
