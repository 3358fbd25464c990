"""Whether a model gives away which rows it has learned from.

Whoever holds somebody's row may ask the model about it, and guess from the answer that the row was
in the training set. Two attacks are made on rows that were (members) and rows of held-out groups
that were not (outsiders):

- *loss*: a model is surer of the right answer on rows that it has learned. It says little: easy
  rows are answered well by every model, so that one that knows nothing by heart can look guilty,
  and one that does innocent.
- *RMIA*: how much surer this model is than reference models that have not learned the row, each
  trained in the same way on another half of all groups. What is easy for all cancels out.

Told are the ROC AUC (.5: nothing is given away) and the true positive rate at few false positives,
which is what an attacker who must not err would reach. Intervals resample whole groups.

Source: Zarifzadeh, Liu and Shokri, Low-Cost High-Power Membership Inference Attacks, ICML 2024
        (with one threshold for all rows their relative score orders rows as this ratio does);
        Yeom et al., Privacy Risk in Machine Learning, 2018 (the loss attack); Carlini et al.,
        Membership Inference Attacks From First Principles, 2022 (why rates at few false positives).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.errors import UnauditableError
from mldebt_assets.core.intervals import Interval, group_interval
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.float64]

REFERENCES = 4
FALSE_POSITIVES = 0.01
RARE_FALSE_POSITIVES = 0.001
ENOUGH_FOR_RARE = 10_000
"""Of so many outsiders, one in a thousand is told too."""
LEAST_OUTSIDERS = 100
MOST_BLOCKS = 400
TOLERATED_AUC = 0.6
TOLERATED_GAIN = 2.0
"""So many times the false positives may be found at :data:`FALSE_POSITIVES`: who has to be sure
gains next to nothing by that, however the average row is ranked."""
SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True)
class Attack:
    """How well members were told from outsiders.

    ``found`` has, by the share of outsiders that are taken for members, the interval of the share
    of members that are found.
    """

    roc_auc: Interval
    found: dict[float, Interval]

    def as_dict(self) -> dict[str, Any]:
        """Return the attack as plain JSON values."""
        rates = {f"{rate:g}": asdict(interval) for rate, interval in self.found.items()}
        return {"roc_auc": asdict(self.roc_auc), "true_positive_rate": rates}


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Both attacks on one model, and on how many rows."""

    members: int
    outsiders: int
    rmia: Attack
    loss: Attack

    @property
    def leaks(self) -> bool:
        """Whether RMIA provably tells members from outsiders, surely or on average."""
        sure = self.rmia.found[FALSE_POSITIVES].lower > TOLERATED_GAIN * FALSE_POSITIVES
        return sure or self.rmia.roc_auc.lower > TOLERATED_AUC

    def verdict(self, name: str) -> Verdict:
        """Return the audit as a check's verdict: it fails where the model gives its rows away."""
        auc, found = self.rmia.roc_auc, self.rmia.found[FALSE_POSITIVES]
        return Verdict(
            name=name,
            passed=not self.leaks,
            measured=found.lower,
            limit=TOLERATED_GAIN * FALSE_POSITIVES,
            unit=f"of the members found at {FALSE_POSITIVES:.0%} false positives, lower end",
            reason=f"an attacker finds {found.point:.1%} ({found.lower:.1%} to {found.upper:.1%}) "
            f"of {self.members:,} members at {FALSE_POSITIVES:.0%} false positives among "
            f"{self.outsiders:,} outsiders; ROC AUC {auc.point:.3f} ({auc.lower:.3f} to "
            f"{auc.upper:.3f})",
        )


def audit(
    likelihood_of: Callable[[Flags], Numbers],
    target: Numbers,
    *,
    member: Flags,
    outsider: Flags,
    groups: NDArray[Any],
    rounds: int,
    confidence: float,
    seed: int,
) -> Audit:
    """Return what both attacks find out.

    Args:    ``likelihood_of`` trains a reference model on the rows of a mask, in the way of the
             audited one, and returns how likely it holds the true answer of every row;
             ``target`` is the same by the audited model, shape (rows,). Rows that are neither
             member nor outsider, such as tuning rows, are in no attack.
    Raises:  UnauditableError if there are fewer than 100 members or outsiders, or four groups.
    """
    sizes = int(member.sum()), int(outsider.sum())
    names, group = np.unique(groups, return_inverse=True)
    if min(sizes) < LEAST_OUTSIDERS or len(names) < REFERENCES:
        raise UnauditableError.of(*sizes, len(names))
    blocks = group % MOST_BLOCKS
    draw = np.random.default_rng(seed)
    knows = np.array([_half(len(names), draw)[group] for _ in range(REFERENCES // 2)])
    knows = np.concatenate([knows, ~knows])  # each row is unknown to as many as know it
    likely = np.array([likelihood_of(mask) for mask in knows])
    unknowing = np.where(knows, 0.0, likely).sum(axis=0) / (~knows).sum(axis=0)
    knowing = np.where(knows, likely, 0.0).sum(axis=0) / knows.sum(axis=0)
    usual = (unknowing + knowing) / 2
    scores = {
        "rmia": np.log(np.maximum(target, SMALLEST)) - np.log(np.maximum(usual, SMALLEST)),
        "loss": target,
    }
    judged = member | outsider
    attacks = {
        name: _attack(
            member[judged], score[judged], blocks[judged], rounds=rounds, confidence=confidence
        )
        for name, score in scores.items()
    }
    return Audit(members=sizes[0], outsiders=sizes[1], **attacks)


def _half(size: int, draw: np.random.Generator) -> Flags:
    """Return which half of some groups is drawn."""
    chosen = np.zeros(size, dtype=bool)
    chosen[draw.permutation(size)[: size // 2]] = True
    return chosen


def _attack(
    member: Flags, score: Numbers, blocks: NDArray[Any], *, rounds: int, confidence: float
) -> Attack:
    auc = group_interval(
        member.astype(np.float64), score, blocks, rounds=rounds, confidence=confidence, seed=0
    )
    rates = [FALSE_POSITIVES]
    if np.count_nonzero(~member) >= ENOUGH_FOR_RARE:
        rates.append(RARE_FALSE_POSITIVES)
    found = _found(member, score, blocks, rates, rounds=rounds, confidence=confidence)
    return Attack(roc_auc=auc, found=dict(zip(rates, found, strict=True)))


def _found(
    member: Flags,
    score: Numbers,
    blocks: NDArray[Any],
    rates: list[float],
    *,
    rounds: int,
    confidence: float,
) -> list[Interval]:
    """Return the share of members above the score that ``rates`` of the outsiders exceed."""
    names, block = np.unique(blocks, return_inverse=True)
    order = np.argsort(-score, kind="stable")
    block, inside = block[order], member[order]
    # Equal scores are told apart by nobody: a threshold takes all of them or none.
    last = np.append(np.diff(score[order]) != 0, True)

    def shares(weights: Numbers) -> list[float]:
        weight = weights[block]
        of_members, of_others = np.cumsum(weight * inside), np.cumsum(weight * ~inside)
        if not of_members[-1] or not of_others[-1]:
            return [float("nan")] * len(rates)
        return [
            float(np.max(of_members, where=last & (of_others <= rate * of_others[-1]), initial=0))
            / float(of_members[-1])
            for rate in rates
        ]

    size = len(names)
    draw = np.random.default_rng(0)
    drawn = [
        shares(draw.multinomial(size, np.full(size, 1 / size)).astype(np.float64))
        for _ in range(rounds)
    ]
    points = shares(np.ones(size))
    tail = (1 - confidence) / 2
    intervals = []
    for point, of_rate in zip(points, np.array(drawn).T, strict=True):
        known = of_rate[np.isfinite(of_rate)]
        lower, median, upper = np.quantile(known, [tail, 0.5, 1 - tail])
        intervals.append(
            Interval(
                lower=float(lower),
                median=float(median),
                upper=float(upper),
                point=point,
                groups=size,
                rounds=len(known),
            )
        )
    return intervals
