"""What a pipeline declares of a column that holds personal data."""

from __future__ import annotations

from dataclasses import dataclass, field


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
