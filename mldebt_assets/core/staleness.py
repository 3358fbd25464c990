"""What it costs to serve an old version: every version, backtested on the batches after it.

A later batch may be harder for everybody, so that ages cannot be compared by their mean level
alone. What a version has lost is measured within a batch, against the youngest version that could
have served it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """How well one version does on a batch that it has not learned from.

    ``value`` is in the level of its task. ``age`` counts batches: 1 is the first after the newest
    that the version learned from.
    """

    version: int
    batch: str
    age: int
    value: float


@dataclass(frozen=True, kw_only=True)
class Age:
    """The versions of one age: their mean level over ``backtests``, and what they have lost.

    ``lost`` is the mean by which the youngest version on the same batch was better, over
    the ``pairs`` of backtests that can be compared so; None where there is no pair.
    """

    age: int
    backtests: int
    value: float
    pairs: int
    lost: float | None


def staleness_curve(backtests: Iterable[Backtest]) -> tuple[Age, ...]:
    """Return what each age brings and costs, the youngest first.

    Versions of one age on one batch count as their mean.

    >>> early = Backtest(version=1, batch="05", age=2, value=0.70)
    >>> late = Backtest(version=2, batch="05", age=1, value=0.75)
    >>> [(one.age, one.value, one.lost) for one in staleness_curve([early, late])]
    [(1, 0.75, 0.0), (2, 0.7, 0.05)]
    """
    tested: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in backtests:
        tested[one.batch][one.age].append(one.value)
    values: dict[int, list[float]] = defaultdict(list)
    losses: dict[int, list[float]] = defaultdict(list)
    for of_batch in tested.values():
        youngest = min(of_batch)
        for age, found in of_batch.items():
            values[age] += found
            if len(of_batch) > 1:
                losses[age].append(fmean(of_batch[youngest]) - fmean(found))
    return tuple(
        Age(
            age=age,
            backtests=len(values[age]),
            value=round(fmean(values[age]), 6),
            pairs=len(losses[age]),
            lost=round(fmean(losses[age]), 6) if losses[age] else None,
        )
        for age in sorted(values)
    )
