"""How sure one can be of a ROC AUC, or of the difference of two.

Rows of one group (a day, a customer) share their luck, so every interval resamples whole groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.errors import SingleClassError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Labels = NDArray[np.float64]
    Scores = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A percentile interval over resampled groups.

    ``point`` is measured on the rows as they are; ``rounds`` are those resamples that had rows of
    both classes.
    """

    lower: float
    median: float
    upper: float
    point: float
    groups: int
    rounds: int


def group_interval(
    labels: Labels,
    scores: Scores,
    groups: NDArray[Any],
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Return the bootstrap interval of one model's ROC AUC over whole groups."""
    pairs = _Pairs.of(labels, groups)
    return pairs.interval(pairs.won(scores), rounds=rounds, confidence=confidence, seed=seed)


def group_gain(
    labels: Labels,
    candidate: Scores,
    incumbent: Scores,
    groups: NDArray[Any],
    *,
    rounds: int,
    confidence: float,
    seed: int,
) -> Interval:
    """Return the paired bootstrap interval of the candidate's gain in ROC AUC over whole groups.

    Both models meet the same resampled groups in every round. ``confidence`` is two-sided: at .95
    the lower end is the 2.5 % quantile. Equal orders of the rows give exactly 0 throughout.

    Raises: SingleClassError unless both classes are there.
    Source: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapters 8 and 13.
    """
    pairs = _Pairs.of(labels, groups)
    gain = pairs.won(candidate) - pairs.won(incumbent)
    return pairs.interval(gain, rounds=rounds, confidence=confidence, seed=seed)


def draws(size: int, *, rounds: int, seed: int) -> NDArray[np.float64]:
    """Return how often each of ``size`` groups is drawn in each round, shape (rounds, size)."""
    draw = np.random.default_rng(seed)
    return draw.multinomial(size, np.full(size, 1 / size), size=rounds).astype(np.float64)


def resampled_auc(
    labels: Labels,
    scores: Scores,
    groups: NDArray[Any],
    inside: NDArray[np.bool_],
    *,
    rounds: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return the ROC AUC of the rows ``inside`` in each resample of all groups.

    It is NaN where a resample has one class alone. Equal settings resample alike, whichever rows
    are inside, so that what two sets of rows differ by can be told with an interval.
    """
    names, group = np.unique(groups, return_inverse=True)
    pairs = _Pairs.within(labels[inside], group[inside], len(names))
    shares: NDArray[np.float64] = pairs.shares(
        pairs.won(scores[inside]), draws(len(names), rounds=rounds, seed=seed)
    )
    return shares


@dataclass(frozen=True)
class _Pairs:
    """Pairs of a positive and a negative row, counted by the groups that they come from.

    A resample is then a weight a group, and its AUC a quotient of quadratic forms in the weights:
    no round ever looks at a row again.
    """

    group: NDArray[np.int64]
    positive: NDArray[np.bool_]
    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]

    @classmethod
    def of(cls, labels: Labels, groups: NDArray[Any]) -> _Pairs:
        names, group = np.unique(groups, return_inverse=True)
        return cls.within(labels, group, len(names))

    @classmethod
    def within(cls, labels: Labels, group: NDArray[np.int64], size: int) -> _Pairs:
        positive = labels > 0
        counts = [np.bincount(group[side], minlength=size) for side in (positive, ~positive)]
        if not counts[0].any() or not counts[1].any():
            totals = {"positives": int(counts[0].sum()), "negatives": int(counts[1].sum())}
            raise SingleClassError.of("ROC AUC", **totals)
        return cls(group, positive, counts[0].astype(np.float64), counts[1].astype(np.float64))

    def won(self, scores: Scores) -> NDArray[np.float64]:
        """Return how many pairs the positive row wins, by its group and its opponent's."""
        order = np.argsort(scores[self.positive], kind="stable")
        ours = scores[self.positive][order]
        our_group = self.group[self.positive][order]
        theirs = scores[~self.positive]
        their_group = self.group[~self.positive]
        size = len(self.positives)
        won = np.empty((size, size))
        for opponent in range(size):
            rivals = np.sort(theirs[their_group == opponent])
            twice = np.searchsorted(rivals, ours, "left") + np.searchsorted(rivals, ours, "right")
            won[:, opponent] = np.bincount(our_group, weights=twice, minlength=size) / 2
        return won

    def shares(self, won: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``won`` as a share of all pairs in each round, NaN where there are no pairs."""
        pairs = (weights @ self.positives) * (weights @ self.negatives)
        both = pairs > 0
        shares = np.full(len(weights), np.nan)
        shares[both] = ((weights @ won) * weights).sum(axis=1)[both] / pairs[both]
        return shares

    def interval(
        self, won: NDArray[np.float64], *, rounds: int, confidence: float, seed: int
    ) -> Interval:
        """Return the interval of ``won`` pairs as a share of all pairs."""
        size = len(self.positives)
        shares = self.shares(won, draws(size, rounds=rounds, seed=seed))
        both = np.isfinite(shares)
        tail = (1 - confidence) / 2
        lower, median, upper = np.quantile(shares[both], [tail, 0.5, 1 - tail])
        return Interval(
            lower=float(lower),
            median=float(median),
            upper=float(upper),
            point=float(won.sum() / (self.positives.sum() * self.negatives.sum())),
            groups=size,
            rounds=int(both.sum()),
        )
