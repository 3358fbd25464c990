"""How well a champion serves once labels are known, in its task's level and in money.

Labels may come late and in part: a row without one (NaN) counts nowhere but in the coverage, and
nothing is made up for it. Whoever's labels come first may be unlike the rest, so every figure is
told with the share of rows that it rests on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mldebt_assets.core.evaluation import confusion, cost
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.evaluation import Labels
    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.policies import Costs, Performance
    from mldebt_assets.core.tasks.task import Rule, Task

    Alarms = NDArray[np.bool_]

NAME = "no_drop"
MOST_GROUPS = 200
"""An interval costs a square of the groups, and two hundred resample as well as two million."""

SERVED, REPLACED = "served", "replaced"
NEVER_RETRAINED, NEVER_ALARMING = "never_retrained", "never_alarming"


@dataclass(frozen=True, kw_only=True, eq=False)
class Served:
    """Rows as one version served them; all arrays have one length.

    ``labels`` are the task's numbers, NaN while unknown; ``alarms`` are the decisions that were
    taken, None for a task that raises none; rows of one group share their luck.
    """

    labels: Labels
    scores: NDArray[np.float64]
    alarms: Alarms | None
    groups: NDArray[Any]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def labelled(self) -> Served:
        """The rows whose label is known."""
        known = ~np.isnan(self.labels)
        return Served(
            labels=self.labels[known],
            scores=self.scores[known],
            alarms=None if self.alarms is None else self.alarms[known],
            groups=self.groups[known],
        )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Whether a champion has dropped, why, and the interval that this rests on.

    ``judged`` is False, and ``interval`` None, where too little is known: the verdict passes then,
    but says nothing about a drop. ``summary`` is the verdict's reason in a few words.
    """

    verdict: Verdict
    summary: str
    interval: Interval | None
    judged: bool

    @property
    def dropped(self) -> bool:
        """Whether the champion has lost more of its lift than it may."""
        return not self.verdict.passed


def together(parts: Sequence[Served]) -> Served:
    """Return the rows of several batches as one."""
    alarms = [part.alarms for part in parts if part.alarms is not None]
    return Served(
        labels=np.concatenate([part.labels for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        alarms=np.concatenate(alarms) if alarms else None,
        groups=np.concatenate([part.groups for part in parts]),
    )


def realised(
    served: Served, rule: Rule, costs: Costs | None, task: Task = BINARY
) -> dict[str, float]:
    """Return every metric that is defined on the labelled rows, at the decisions that were taken.

    No rows of the batch, no metrics; rows without any label have counts alone, which are 0.
    Args: ``rule`` repeats the decisions.
    """
    if not len(served):
        return {}
    known = served.labelled
    return task.metrics(known.labels, known.scores, rule, costs)


def money(labels: Labels, decisions: Mapping[str, Alarms], costs: Costs) -> dict[str, float]:
    """Return what each way to decide costs on the labelled rows, in ``costs.currency``.

    Args:    a label and a decision a row. No decision changes a label: what is compared is what
             each model would have cost on the rows that came.
    Returns: a sum for each name in ``decisions``, and for ``never_alarming``.

    >>> from mldebt_assets.core.policies import Costs
    >>> labels, alarms = np.array([1.0, 0.0, np.nan]), np.array([True, True, True])
    >>> money(labels, {"served": alarms}, Costs(false_alarm=1.0, missed=5.0, caught=2.0))
    {'served': 3.0, 'never_alarming': 5.0}
    """
    known = ~np.isnan(labels)
    ways = {**decisions, NEVER_ALARMING: np.zeros(len(labels), dtype=bool)}
    return {
        name: float(cost(confusion(labels[known], alarms[known].astype(np.float64), 0.5), costs))
        for name, alarms in ways.items()
    }


def saved(batches: Iterable[Mapping[str, float]], instead_of: str) -> dict[str, float] | None:
    """Return what was ``saved`` by what was served, over the ``batches`` that know the other way.

    Args: the costs of each batch, as :func:`money` returns them.

    >>> saved([{"served": 3.0, "replaced": 5.0}, {"served": 1.0}], instead_of="replaced")
    {'batches': 1, 'saved': 2.0}
    """
    known = [costs for costs in batches if instead_of in costs]
    if not known:
        return None
    return {"batches": len(known), "saved": sum(c[instead_of] - c[SERVED] for c in known)}


def level(served: Served, limits: Performance, seed: int, task: Task = BINARY) -> Interval | str:
    """Return the interval over groups of the level of the labelled rows, or why there is none."""
    known = served.labelled
    numbers, names = pd.factorize(known.groups, sort=True)
    groups = len(names)
    if len(known) < limits.least_rows or groups < limits.least_groups:
        return (
            f"underpowered: {len(known):,} of {len(served):,} rows in {groups} groups are "
            f"labelled, fewer than {limits.least_rows:,} in {limits.least_groups}"
        )
    lacking = task.lacking(known.labels, "labelled")
    if lacking is not None:
        return f"underpowered: {lacking}"
    found = task.interval(
        known.labels,
        known.scores,
        pooled(numbers, seed),
        rounds=limits.rounds,
        confidence=limits.confidence,
        seed=seed,
    )
    return replace(found, groups=groups)


def pooled(groups: NDArray[np.int64], seed: int, most: int = MOST_GROUPS) -> NDArray[np.int64]:
    """Return a number a row, equal within a group; beyond ``most`` groups, some share one.

    Args:    groups counted from 0, as many as the largest says.
    Returns: pools of whole groups, put together by chance, as independent as the groups are.

    >>> len(np.unique(pooled(np.arange(1_000), seed=1, most=20)))
    20
    """
    order = np.random.default_rng(seed).permutation(int(groups.max(initial=-1)) + 1)
    pools: NDArray[np.int64] = order[groups] % most
    return pools


def judge(
    window: Served, expected: float | None, limits: Performance, seed: int, task: Task = BINARY
) -> Judgement:
    """Return whether the rows of the window show a drop below ``expected`` that is not luck.

    ``expected`` is the champion's level on held-out groups when it was promoted, None where that
    is not known. A drop is both more than ``limits.drop`` of its lift over chance, and such that
    the whole interval lies below ``expected``.
    """
    if expected is None:
        return _unjudged("the champion's level when it was promoted is not known", task, limit=None)
    name, chance = task.level.name, task.level.chance
    least = chance + (1 - limits.drop) * (expected - chance)
    found = level(window, limits, seed, task)
    if isinstance(found, str):
        return _unjudged(found, task, limit=least)
    dropped = found.point < least and found.upper < expected
    told = f"{name} {found.point:.3f}, expected {expected:.3f}"
    if dropped:
        told = f"a drop of {name} to {found.point:.3f}, expected {expected:.3f}"
    elif found.point < least:
        told += ", which may be luck"
    rests_on = (
        f"{limits.confidence:.0%} interval {found.lower:.3f} to {found.upper:.3f}, "
        f"{found.groups} groups, {len(window.labelled) / len(window):.0%} of rows labelled; "
        f"a drop begins below {least:.3f}"
    )
    verdict = Verdict(
        name=NAME,
        passed=not dropped,
        measured=found.point,
        limit=least,
        unit=name,
        reason=f"{told} ({rests_on})",
    )
    return Judgement(verdict=verdict, summary=told, interval=found, judged=True)


def nothing_served(why: str, task: Task = BINARY) -> Judgement:
    """Return the judgement on a batch that nobody has scored."""
    return _unjudged(why, task, limit=None)


def _unjudged(why: str, task: Task, *, limit: float | None) -> Judgement:
    verdict = Verdict(
        name=NAME,
        passed=True,
        measured=None,
        limit=limit,
        unit=task.level.name,
        reason=f"nothing was judged: {why}",
    )
    return Judgement(verdict=verdict, summary=why, interval=None, judged=False)
