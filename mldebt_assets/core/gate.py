"""Whether a candidate becomes the champion: a table of gates, each of which gives a verdict.

All gates look at the same held-out rows, which neither model has learned from. A gate never
raises on what a model or a batch may bring (ties, one class, scores that are no numbers): it
refuses, and says why. To add a gate, write its function and add one line to :data:`GATES`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.groups import no_group_left_behind
from mldebt_assets.core.slices import levels_by_slice
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.policies import Gate
    from mldebt_assets.core.tasks.level import Level
    from mldebt_assets.core.tasks.task import Task


@dataclass(frozen=True, kw_only=True, eq=False)
class Contest:
    """The scores of candidate, incumbent and baseline on the same held-out rows.

    ``labels`` are the task's numbers, ``groups`` name what was held out as a whole, ``slices`` and
    ``promised`` groups hold a value a row; all arrays have one length. ``forward`` is each model's
    level on batches that it scored before anyone could learn from them, as far as it has one; it
    is told, not judged.
    """

    labels: NDArray[np.float64]
    groups: NDArray[Any]
    candidate: NDArray[np.float64]
    incumbent: NDArray[np.float64] | None
    baseline: NDArray[np.float64]
    slices: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    promised: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    forward: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    task: Task = BINARY

    @property
    def unjudgeable(self) -> str | None:
        """Why no level can be compared on these rows, or None if it can."""
        broken = [name for name, count in self.not_finite.items() if count]
        if broken:
            return f"scores of the {' and the '.join(broken)} are no finite numbers"
        return self.task.lacking(self.labels, "held-out")

    @property
    def not_finite(self) -> dict[str, int]:
        """How many scores are no finite numbers, by model."""
        models = {
            "candidate": self.candidate,
            "incumbent": self.incumbent,
            "baseline": self.baseline,
        }
        return {
            name: int(np.count_nonzero(~np.isfinite(scores)))
            for name, scores in models.items()
            if scores is not None
        }


def finite_scores(contest: Contest, limits: Gate) -> Verdict:  # noqa: ARG001
    """Refuse where any score is NaN or infinite: no comparison with it means anything."""
    counts = contest.not_finite
    total = sum(counts.values())
    named = ", ".join(f"{count} of the {name}" for name, count in counts.items() if count)
    return Verdict(
        name="finite_scores",
        passed=not total,
        measured=total,
        limit=0,
        unit="scores",
        reason=f"not finite: {named}" if total else "every score is a finite number",
    )


def enough_groups(contest: Contest, limits: Gate) -> Verdict:
    """Refuse where so few groups were held out that an interval over them is a guess."""
    groups = len(np.unique(contest.groups))
    return Verdict(
        name="enough_groups",
        passed=groups >= limits.least_groups,
        measured=groups,
        limit=limits.least_groups,
        unit="held-out groups",
        reason=f"{groups} groups were held out; at least {limits.least_groups} are needed",
    )


def better_than_chance(contest: Contest, limits: Gate) -> Verdict:
    """Refuse where the lower end of the candidate's own interval does not exceed chance."""
    if contest.unjudgeable:
        return _refused("better_than_chance", contest, limit=contest.task.level.chance)
    found, level = own_interval(contest, limits), contest.task.level
    return Verdict(
        name="better_than_chance",
        passed=found.lower > level.chance,
        measured=found.lower,
        limit=level.chance,
        unit=level.name,
        reason=f"the candidate's {level.name} is {found.point:.4f} {_between(found, limits)}",
    )


def own_interval(contest: Contest, limits: Gate) -> Interval:
    """Return the interval of the candidate's level over held-out groups."""
    return contest.task.interval(
        contest.labels,
        contest.candidate,
        contest.groups,
        rounds=limits.rounds,
        confidence=limits.confidence,
        seed=contest.seed,
    )


def holds_against_baseline(contest: Contest, limits: Gate) -> Verdict:
    """Refuse a candidate that a simple model provably beats on these rows.

    The upper end of the paired interval is judged: the baseline is trained as carefully, and a
    few weeks of held-out groups cannot order two models that are about equally good. What is
    measured and told is the gain itself.
    """
    if contest.unjudgeable:
        return _refused("holds_against_baseline", contest, limit=0.0)
    level = contest.task.level
    gain = contest.task.gain(
        contest.labels,
        contest.candidate,
        contest.baseline,
        contest.groups,
        rounds=limits.rounds,
        confidence=limits.confidence,
        seed=contest.seed,
    )
    candidate = contest.task.measure(contest.labels, contest.candidate)
    baseline = contest.task.measure(contest.labels, contest.baseline)
    return Verdict(
        name="holds_against_baseline",
        passed=gain.upper > 0,
        measured=gain.upper,
        limit=0.0,
        unit=f"gain in {level.name}, upper end",
        reason=f"the candidate's {level.name} is {candidate:.4f}, the simple baseline's "
        f"{baseline:.4f} {_between(gain, limits)}",
    )


def beats_incumbent(contest: Contest, limits: Gate) -> Verdict:
    """Refuse unless the gain exceeds the margin at the rate at which an equal model may pass."""
    if contest.incumbent is None:
        return _no_incumbent("beats_incumbent", contest.task.level, limit=limits.margin)
    if contest.unjudgeable:
        return _refused("beats_incumbent", contest, limit=limits.margin)
    judged, gain = (
        contest.task.gain(
            contest.labels,
            contest.candidate,
            contest.incumbent,
            contest.groups,
            rounds=limits.rounds,
            confidence=confidence,
            seed=contest.seed,
        )
        for confidence in (1 - 2 * limits.equal_passes, limits.confidence)
    )
    level = contest.task.level
    forward = "".join(
        f"; forward {level.name} of the {name} {found:.4f}"
        for name, found in sorted(contest.forward.items())
    )
    return Verdict(
        name="beats_incumbent",
        passed=judged.lower > limits.margin,
        measured=judged.lower,
        limit=limits.margin,
        unit=f"gain in {level.name}, its quantile {limits.equal_passes:g}",
        reason=f"the candidate gains {gain.point:+.4f} {_between(gain, limits)}{forward}",
    )


def no_slice_worse(contest: Contest, limits: Gate) -> Verdict:
    """Refuse where a slice with enough rows loses more than its limit; the worst is named."""
    if contest.incumbent is None:
        return _no_incumbent("no_slice_worse", contest.task.level, limit=-limits.slice_loss)
    if contest.unjudgeable:
        return _refused("no_slice_worse", contest, limit=-limits.slice_loss)
    unit = f"gain in {contest.task.level.name}"
    gains = _slice_gains(contest, contest.incumbent, limits.slice_rows)
    if not gains:
        return Verdict(
            name="no_slice_worse",
            passed=True,
            measured=None,
            limit=-limits.slice_loss,
            unit=unit,
            reason=f"no slice has {limits.slice_rows} rows with labels that differ, so none is "
            "judged",
        )
    worst, gain = min(gains.items(), key=lambda item: (item[1], item[0]))
    return Verdict(
        name="no_slice_worse",
        passed=gain >= -limits.slice_loss,
        measured=gain,
        limit=-limits.slice_loss,
        unit=unit,
        reason=f"of {len(gains)} slices, {worst} changes worst, by {gain:+.4f}",
    )


GATES: dict[str, Callable[[Contest, Gate], Verdict]] = {
    "finite_scores": finite_scores,
    "enough_groups": enough_groups,
    "better_than_chance": better_than_chance,
    "holds_against_baseline": holds_against_baseline,
    "beats_incumbent": beats_incumbent,
    "no_slice_worse": no_slice_worse,
    "no_group_left_behind": no_group_left_behind,
}


GATE_MEANINGS = {name: str(gate.__doc__).partition("\n")[0] for name, gate in GATES.items()}


def judge(contest: Contest, limits: Gate) -> tuple[Verdict, ...]:
    """Return every gate's verdict; the candidate is promoted only if all passed."""
    return tuple(gate(contest, limits) for gate in GATES.values())


def _slice_gains(
    contest: Contest, incumbent: NDArray[np.float64], least_rows: int
) -> dict[str, float]:
    """Return the gain of each slice that has enough rows, with labels that differ."""
    ours, theirs = (
        levels_by_slice(contest.task, contest.labels, scores, contest.slices, least_rows=least_rows)
        for scores in (contest.candidate, incumbent)
    )
    return {
        f"{dimension} {value}": ours[dimension, value] - level
        for (dimension, value), level in theirs.items()
    }


def _between(interval: Interval, limits: Gate) -> str:
    return (
        f"({limits.confidence:.0%} interval {interval.lower:.4f} to {interval.upper:.4f}, "
        f"{interval.groups} groups)"
    )


def _no_incumbent(name: str, level: Level, *, limit: float) -> Verdict:
    return Verdict(
        name=name,
        passed=True,
        measured=None,
        limit=limit,
        unit=f"gain in {level.name}",
        reason="there is no champion yet to compare with",
    )


def _refused(name: str, contest: Contest, *, limit: float) -> Verdict:
    return Verdict(
        name=name,
        passed=False,
        measured=None,
        limit=limit,
        unit=contest.task.level.name,
        reason=f"nothing could be measured: {contest.unjudgeable}",
    )
