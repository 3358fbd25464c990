"""How far each promised group lies behind all rows, how sure one can be of it, and the gate on it.

A group's level is held against that of all judged rows in the same resamples of what was held out,
so that the luck of a day counts on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.evaluation import parts_of
from mldebt_assets.core.intervals import Interval
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.gate import Contest
    from mldebt_assets.core.policies import Gate
    from mldebt_assets.core.tasks.task import Task

    Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One group: its ``level``, and its ``gap``, by how much that lies below the level of all.

    Both are None, with the ``reason``, where the group has too few rows to be judged.
    """

    dimension: str
    value: str
    rows: int
    inside: NDArray[np.bool_]
    level: Interval | None
    gap: Interval | None
    reason: str | None

    @property
    def name(self) -> str:
        """How a reason names the group."""
        return f"{self.dimension} {self.value}"


def no_group_left_behind(contest: Contest, limits: Gate) -> Verdict:
    """Refuse where a promised group provably lies too far behind all rows; the worst is named.

    Judged is the lower end of the gap, at a confidence that all groups share, so that chance alone
    refuses as rarely however many are promised. A group that the candidate serves no worse than the
    champion does refuses nothing: the champion would stay, and the group be no better off.
    """
    name, unit = "no_group_left_behind", f"gap in {contest.task.level.name}, lower end"

    def verdict(reason: str, measured: float | None = None) -> Verdict:
        return Verdict(
            name=name,
            passed=measured is None or measured <= limits.group_gap,
            measured=measured,
            limit=limits.group_gap,
            unit=unit,
            reason=reason,
        )

    if not contest.promised:
        return verdict("no groups are promised")
    if contest.unjudgeable:
        nothing = verdict(f"nothing could be measured: {contest.unjudgeable}")
        return replace(nothing, passed=False)
    judged = [one for one in group_standings(contest, limits, shared=True) if one.gap is not None]
    if not judged:
        return verdict("every promised group is too small to be judged")
    kept = {one.name: one for one in judged if counts(contest, one, limits)}
    spared = [one.name for one in judged if one.name not in kept]
    besides = f"; {', '.join(spared)} no worse than under the champion" if spared else ""
    if not kept:
        return verdict(f"of {len(judged)} groups, none is served worse{besides}")
    worst = max(kept.values(), key=lambda one: (one.gap.lower if one.gap else 0.0, one.name))
    if worst.gap is None or worst.level is None:
        raise TypeError("a judged group without a gap")
    return verdict(
        f"of {len(judged)} groups, {worst.name} stands worst: {contest.task.level.name} "
        f"{worst.level.point:.4f}, {worst.gap.point:+.4f} below all rows "
        f"(at least {worst.gap.lower:+.4f}){besides}",
        worst.gap.lower,
    )


def group_standings(contest: Contest, limits: Gate, *, shared: bool = False) -> list[Standing]:
    """Return where each promised group stands; ``shared`` parts the confidence among them all."""
    values = sum(len(np.unique(one.astype(str))) for one in contest.promised.values())
    tail = (1 - limits.confidence) / (values if shared else 1)
    return standings(
        contest.task,
        contest.labels,
        contest.candidate,
        contest.groups,
        contest.promised,
        limits=limits,
        seed=contest.seed,
        confidence=1 - tail,
    )


def counts(contest: Contest, one: Standing, limits: Gate) -> bool:
    """Return whether a group may refuse: not if it is behind, but no worse off than before."""
    if contest.incumbent is None or one.gap is None or one.gap.lower <= limits.group_gap:
        return True
    labels = contest.labels[one.inside]
    ours = contest.task.measure(labels, contest.candidate[one.inside])
    return ours < contest.task.measure(labels, contest.incumbent[one.inside])


def standings(
    task: Task,
    labels: Numbers,
    scores: Numbers,
    groups: NDArray[Any],
    promised: Mapping[str, NDArray[Any]],
    *,
    limits: Gate,
    seed: int,
    confidence: float,
) -> list[Standing]:
    """Return where every promised group stands, in the order of their names.

    Args:   rows as in a contest: ``groups`` name what was held out as a whole, ``promised`` what
            each row belongs to. Labels and scores must be such that a level is defined.
    """
    settings = {"rounds": limits.rounds, "seed": seed}
    everyone = np.ones(len(labels), dtype=bool)
    of_all = task.resampled(labels, scores, groups, everyone, **settings)
    point = task.measure(labels, scores)
    found = []
    for dimension, value, inside in parts_of(promised):
        reason = too_small(task, labels[inside], groups[inside], limits)
        level = gap = None
        if reason is None:
            shares = task.resampled(labels, scores, groups, inside, **settings)
            own, size = task.measure(labels[inside], scores[inside]), len(np.unique(groups[inside]))
            level = _interval(shares, own, size, confidence)
            gap = _interval(of_all - shares, point - own, size, confidence)
        found.append(
            Standing(
                dimension=dimension,
                value=value,
                rows=int(inside.sum()),
                inside=inside,
                level=level,
                gap=gap,
                reason=reason,
            )
        )
    return found


def too_small(task: Task, labels: Numbers, groups: NDArray[Any], limits: Gate) -> str | None:
    """Return why a group is not judged, or None where it is."""
    held_out = len(np.unique(groups))
    if len(labels) < limits.group_rows:
        return f"{len(labels)} rows, fewer than {limits.group_rows}"
    if held_out < limits.least_groups:
        return f"in {held_out} held-out groups, fewer than {limits.least_groups}"
    return task.lacking(labels, "its")


def _interval(shares: Numbers, point: float, groups: int, confidence: float) -> Interval:
    told = shares[np.isfinite(shares)]
    tail = (1 - confidence) / 2
    lower, median, upper = np.quantile(told, [tail, 0.5, 1 - tail])
    return Interval(
        lower=float(lower),
        median=float(median),
        upper=float(upper),
        point=float(point),
        groups=groups,
        rounds=len(told),
    )
