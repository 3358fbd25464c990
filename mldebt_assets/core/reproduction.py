"""Whether a model that was trained again is the one that was recorded, and what differs if not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

Outcome = Literal["bit-identical", "equivalent", "not reproduced"]
Verdict = Outcome | Literal["environment differs", "cannot be reproduced"]

EQUIVALENT_SHARE = 0.1
"""Models are equivalent that differ by no more than this share of what another seed changes."""


@dataclass(frozen=True, kw_only=True)
class Closeness:
    """How far two models' predictions lie apart, beside what other seeds would have changed.

    ``difference`` and ``spread`` are the largest distances between two probabilities of one row,
    over ``rows`` rows that none of the models was trained on.
    """

    difference: float
    spread: float
    rows: int

    @property
    def equivalent(self) -> bool:
        """Whether the two are as good as one."""
        return self.difference <= EQUIVALENT_SHARE * self.spread


@dataclass(frozen=True)
class Difference:
    """One recorded fact or artefact that came out otherwise; None where one side has none."""

    kind: Literal["environment", "code", "configuration", "artefact"]
    name: str
    recorded: Any
    found: Any


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict; where the environment differs, ``outcome`` is what came of it all the same."""

    verdict: Verdict
    outcome: Outcome
    differs: tuple[Difference, ...]

    @property
    def first(self) -> str | None:
        """The first artefact, in the order in which data flows, that is another; None if none."""
        names = (one.name for one in self.differs if one.kind == "artefact")
        return next(names, None)

    @property
    def reproduced(self) -> bool:
        """Whether an exact copy, or one as good, was made."""
        return self.outcome != "not reproduced"


def judge(differs: Sequence[Difference], closeness: Closeness | None) -> Judgement:
    """Return the verdict on what differs, and on how close the predictions are where known.

    What the code or the configuration changed shows in the artefacts, so only the environment has
    a verdict of its own.
    """
    if not any(one.kind == "artefact" for one in differs):
        outcome: Outcome = "bit-identical"
    elif closeness is not None and closeness.equivalent:
        outcome = "equivalent"
    else:
        outcome = "not reproduced"
    elsewhere = any(one.kind == "environment" for one in differs)
    return Judgement(
        verdict="environment differs" if elsewhere else outcome,
        outcome=outcome,
        differs=tuple(differs),
    )


def differing_facts(
    kind: Literal["environment", "configuration"],
    recorded: Mapping[str, Any],
    found: Mapping[str, Any],
) -> Iterator[Difference]:
    """Yield the facts that differ, those of nested values by their dotted names.

    >>> [one.name for one in differing_facts("environment", {"a": {"b": 1}}, {"a": {"b": 2}})]
    ['a.b']
    """
    for name in dict.fromkeys([*recorded, *found]):
        one, other = recorded.get(name), found.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            for below in differing_facts(kind, one, other):
                yield Difference(kind, f"{name}.{below.name}", below.recorded, below.found)
        elif one != other:
            yield Difference(kind, name, one, other)


def differing_artefacts(
    recorded: Mapping[str, str], found: Mapping[str, str | None]
) -> Iterator[Difference]:
    """Yield the artefacts whose hash is another, in the order of ``recorded``: the data's flow."""
    for name, digest in recorded.items():
        if found.get(name) != digest:
            yield Difference("artefact", name, digest, found.get(name))


def largest_distance(predictions: Sequence[NDArray[np.float64]]) -> float:
    """Return the largest distance between any two models' probabilities of the same row.

    Args: one array of shape (rows,) a model, at least one row.

    >>> largest_distance([np.array([0.1, 0.5]), np.array([0.2, 0.9]), np.array([0.1, 0.7])])
    0.4
    """
    together = np.stack(predictions)
    return float(np.max(np.ptp(together, axis=0)))
