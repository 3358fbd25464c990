"""How much of the loss of a constant answer a model saves, and how sure one can be of it.

skill = 1 - loss of the model / loss of the best constant on the same rows

The constant is told what it could not know, the shares of the classes or the mean of the judged
rows themselves: a model is never flattered by a sample in which everything happens to be alike.
Rows of one group share their luck, so every interval resamples whole groups. All that a resample
needs are sums over each group: no round ever looks at a row again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.intervals import Interval, draws

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Constant = Callable[[NDArray[np.float64]], NDArray[np.float64]]

NOTHING = 1e-12
"""A constant that errs by less, relative to all rows, leaves nothing to be saved."""


@dataclass(frozen=True)
class Skill:
    """The skill on some rows.

    ``facts`` are what the loss of the best constant follows from, shape (rows, facts): it is
    ``constant`` of their sums, one a resample.
    """

    facts: Numbers
    constant: Constant

    def point(self, losses: Numbers) -> float:
        """Return the skill of a model with these losses, one a row."""
        return float(1 - losses.sum() / self.constant(self.facts.sum(axis=0)[None, :])[0])

    def interval(
        self,
        losses: Numbers,
        groups: NDArray[Any],
        *,
        rounds: int,
        confidence: float,
        seed: int,
    ) -> Interval:
        """Return the bootstrap interval of a model's skill over whole groups."""
        settings = {"rounds": rounds, "seed": seed}
        return self._interval(losses, groups, top=1.0, confidence=confidence, **settings)

    def resampled(
        self,
        losses: Numbers,
        groups: NDArray[Any],
        inside: NDArray[np.bool_],
        *,
        rounds: int,
        seed: int,
    ) -> Numbers:
        """Return the skill on the rows ``inside`` in each resample of all groups.

        It is NaN where a constant leaves nothing to be saved. Equal settings resample alike.
        """
        names, group = np.unique(groups, return_inverse=True)
        columns = [losses[inside], *self.facts[inside].T]
        size, place = len(names), group[inside]
        sums = np.column_stack([np.bincount(place, weights=c, minlength=size) for c in columns])
        drawn = draws(size, rounds=rounds, seed=seed) @ sums
        whole = self.constant(sums[:, 1:].sum(axis=0)[None, :])[0]
        constant = self.constant(drawn[:, 1:])
        told = constant > NOTHING * whole
        skills = np.full(rounds, np.nan)
        skills[told] = 1 - drawn[told, 0] / constant[told]
        return skills

    def gain(
        self,
        candidate: Numbers,
        incumbent: Numbers,
        groups: NDArray[Any],
        *,
        rounds: int,
        confidence: float,
        seed: int,
    ) -> Interval:
        """Return the paired interval of the candidate's gain; equal losses give exactly 0."""
        settings = {"rounds": rounds, "seed": seed}
        gain = candidate - incumbent
        return self._interval(gain, groups, top=0.0, confidence=confidence, **settings)

    def _interval(
        self,
        losses: Numbers,
        groups: NDArray[Any],
        *,
        top: float,
        rounds: int,
        confidence: float,
        seed: int,
    ) -> Interval:
        """Return the interval of ``top`` less these losses as a share of the constant's."""
        names, group = np.unique(groups, return_inverse=True)
        size = len(names)
        columns = [losses, *self.facts.T]
        sums = np.column_stack([np.bincount(group, weights=c, minlength=size) for c in columns])
        drawn = draws(size, rounds=rounds, seed=seed) @ sums
        whole = self.constant(sums[:, 1:].sum(axis=0)[None, :])[0]
        constant = self.constant(drawn[:, 1:])
        told = constant > NOTHING * whole
        skills = top - drawn[told, 0] / constant[told]
        tail = (1 - confidence) / 2
        lower, median, upper = np.quantile(skills, [tail, 0.5, 1 - tail])
        return Interval(
            lower=float(lower),
            median=float(median),
            upper=float(upper),
            point=float(top - sums[:, 0].sum() / whole),
            groups=size,
            rounds=int(told.sum()),
        )
