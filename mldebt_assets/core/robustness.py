"""How far a prediction can be moved within the noise of the data, and whether decisions hold.

A value that was written down to a tenth may have been anything within half a tenth of it. Each
row's inputs span a box of such values; looked for is the place in it where the model says most, and
least. No search proves that there is no worse place: what is found is a lower bound. It knows
nothing of the model but its scores, so that it serves any; where there is a gradient, steps along
it are more places to start from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Robustness
    from mldebt_assets.core.tasks.task import Rule

    Numbers = NDArray[np.float64]

Scorer = Callable[["NDArray[np.int64]", "NDArray[np.float32]"], "NDArray[np.float64]"]
Gradient = Callable[["NDArray[np.int64]", "NDArray[np.float32]", bool], "NDArray[np.float64]"]

CORNERS = 24
PASSES = 2
STEPS = 12
FLAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Boxes:
    """What rows may have been: ``codes`` as they are, numbers from ``lowest`` to ``highest``.

    All numbers are encoded ones, shape (rows, width). Where both ends are equal, nothing moves.
    """

    codes: NDArray[np.int64]
    numbers: NDArray[np.float32]
    lowest: NDArray[np.float32]
    highest: NDArray[np.float32]

    def movable(self) -> NDArray[np.int64]:
        """Return the inputs that may be anything else in some row."""
        return np.flatnonzero((self.lowest < self.highest).any(axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Worst:
    """What was found of each row.

    ``change`` is the largest absolute change of the score (of probabilities of classes, half the
    sum over classes), ``flips`` whether a decision within the box is another, and ``nearness`` how
    far the row is from that border as it stands. ``by_input`` is the largest change by one input
    alone, shape (rows, movable).
    """

    change: Numbers
    flips: NDArray[np.bool_]
    nearness: Numbers
    by_input: Numbers


@dataclass(frozen=True, kw_only=True)
class Search:
    """One model and its boxes: every place that is looked at counts, whatever it was tried for."""

    boxes: Boxes
    score: Scorer
    rule: Rule
    seed: int
    gradient: Gradient | None = None

    def run(self) -> Worst:
        """Return the worst that was found in every row's box."""
        told = _Told.of(self.score(self.boxes.codes, self.boxes.numbers), self.rule)
        by_input, sides = self._one_by_one(told)
        for upwards in (True, False):
            best = self._start(told, sides, upwards=upwards)
            self._walk(told, best, upwards=upwards)
            if self.gradient is not None:
                self._climb(told, upwards=upwards)
        return Worst(
            change=told.change, flips=told.flips, nearness=told.nearness, by_input=by_input
        )

    def _one_by_one(self, told: _Told) -> tuple[Numbers, NDArray[np.int8]]:
        """Return the change that each input makes alone, and towards which end a score grows."""
        movable, rows = self.boxes.movable(), len(self.boxes.numbers)
        by_input, sides = np.zeros((rows, len(movable))), np.zeros((rows, len(movable)), np.int8)
        for place, column in enumerate(movable):
            ends = []
            for end in (self.boxes.lowest, self.boxes.highest):
                moved = self.boxes.numbers.copy()
                moved[:, column] = end[:, column]
                scores = self._look(told, moved)
                by_input[:, place] = np.maximum(by_input[:, place], told.moved_by(scores))
                ends.append(told.signal(scores))
            sides[:, place] = np.sign(ends[1] - ends[0])
        return by_input, sides

    def _start(self, told: _Told, sides: NDArray[np.int8], *, upwards: bool) -> _Best:
        """Return the best of the corners: the one that each input votes for, and random ones."""
        draw = np.random.default_rng(self.seed)
        movable = self.boxes.movable()
        best = _Best.of(self.boxes.numbers, told.signal(told.scores))
        votes = sides if upwards else -sides
        corners = [votes, *(draw.choice([-1, 1], sides.shape) for _ in range(CORNERS))]
        for corner in corners:
            moved = self.boxes.numbers.copy()
            low, high = self.boxes.lowest[:, movable], self.boxes.highest[:, movable]
            kept = moved[:, movable]
            moved[:, movable] = np.where(corner > 0, high, np.where(corner < 0, low, kept))
            best.take(moved, told.signal(self._look(told, moved)), upwards=upwards)
        return best

    def _walk(self, told: _Told, best: _Best, *, upwards: bool) -> None:
        """Move one input after another to where the score is best: an end, or the middle."""
        draw = np.random.default_rng(self.seed)
        for _ in range(PASSES):
            before = best.signal.copy()
            for column in draw.permutation(self.boxes.movable()):
                low, high = self.boxes.lowest[:, column], self.boxes.highest[:, column]
                for value in (low, (low + high) / 2, high):
                    moved = best.numbers.copy()
                    moved[:, column] = value
                    best.take(moved, told.signal(self._look(told, moved)), upwards=upwards)
            if np.array_equal(before, best.signal):
                return

    def _climb(self, told: _Told, *, upwards: bool) -> None:
        """Follow the gradient's sign from a random place, and stay in the box (Madry et al. 2018).

        Source: Towards deep learning models resistant to adversarial attacks, ICLR 2018.
        """
        if self.gradient is None:
            return
        low, high = self.boxes.lowest, self.boxes.highest
        draw = np.random.default_rng(self.seed)
        moved = (low + draw.random(low.shape, dtype=np.float32) * (high - low)).astype(np.float32)
        for step in range(STEPS):
            slope = np.sign(self.gradient(self.boxes.codes, moved, upwards))
            length = (high - low) * (1 - step / STEPS) / 2
            moved = np.clip(moved + slope * length, low, high).astype(np.float32)
            self._look(told, moved)

    def _look(self, told: _Told, numbers: NDArray[np.float32]) -> Numbers:
        scores = self.score(self.boxes.codes, numbers)
        told.note(scores)
        return scores


@dataclass
class _Best:
    numbers: NDArray[np.float32]
    signal: Numbers

    @classmethod
    def of(cls, numbers: NDArray[np.float32], signal: Numbers) -> _Best:
        return cls(numbers.copy(), signal.copy())

    def take(self, numbers: NDArray[np.float32], signal: Numbers, *, upwards: bool) -> None:
        better = signal > self.signal if upwards else signal < self.signal
        self.numbers[better], self.signal[better] = numbers[better], signal[better]


@dataclass
class _Told:
    """What scores mean for a decision: a row's ``signal`` grows towards one, falls to another."""

    scores: Numbers
    rule: Rule
    change: Numbers
    flips: NDArray[np.bool_]

    @classmethod
    def of(cls, scores: Numbers, rule: Rule) -> _Told:
        return cls(scores, rule, np.zeros(len(scores)), np.zeros(len(scores), dtype=bool))

    def signal(self, scores: Numbers) -> Numbers:
        """Return the score; of classes, by how much the one that is decided for is ahead."""
        if scores.ndim == FLAT:
            return scores
        rows, first = np.arange(len(scores)), self.scores.argmax(axis=1)
        others = scores.copy()
        others[rows, first] = -np.inf
        ahead: Numbers = scores[rows, first] - others.max(axis=1)
        return ahead

    @property
    def nearness(self) -> Numbers:
        """How far each row is from another decision; of values, all are equally far."""
        if self.rule.threshold is not None:
            return np.abs(self.scores - self.rule.threshold)
        if self.scores.ndim == FLAT:
            return np.full(len(self.scores), np.inf)
        return self.signal(self.scores)

    def moved_by(self, scores: Numbers) -> Numbers:
        """Return how far scores are from those of the rows as they are."""
        apart = np.abs(scores - self.scores)
        return apart if scores.ndim == FLAT else apart.sum(axis=1) / 2

    def note(self, scores: Numbers) -> None:
        """Remember the largest change, and whether a decision was another."""
        moved = self.moved_by(scores)
        self.change = np.maximum(self.change, moved)
        if self.rule.threshold is not None:
            other = (scores >= self.rule.threshold) != (self.scores >= self.rule.threshold)
        elif scores.ndim == FLAT:
            other = moved > (np.inf if self.rule.half_width is None else self.rule.half_width)
        else:
            other = scores.argmax(axis=1) != self.scores.argmax(axis=1)
        self.flips |= other


def clear_rows(nearness: Numbers, undecided: float) -> NDArray[np.bool_]:
    """Return the rows but for that share whose score is nearest to another decision.

    These are undecided by themselves: the best model's would flip too. By their order, so that no
    model is excused by its own shakiness. Of values, all are clear.

    >>> clear_rows(np.array([0.3, 0.01, 0.2, 0.4]), 0.25).tolist()
    [True, False, True, True]
    """
    clear = np.ones(len(nearness), dtype=bool)
    if np.isfinite(nearness).all():
        clear[np.argsort(nearness, kind="stable")[: round(undecided * len(nearness))]] = False
    return clear


def verdict_on(name: str, found: Worst, policy: Robustness) -> Verdict:
    """Return whether few enough clear decisions flip within the noise."""
    clear = clear_rows(found.nearness, policy.undecided)
    share = float(found.flips[clear].mean()) if clear.any() else 0.0
    half, most = np.quantile(found.change, [0.5, 0.99])
    return Verdict(
        name=name,
        passed=share <= policy.flips,
        measured=share,
        limit=policy.flips,
        unit="share of clear decisions",
        reason=f"{share:.1%} of {int(clear.sum()):,} clear decisions flip within the noise of the "
        f"data; its worst case moves the score by {half:.2g} in the median row, {most:.2g} in one "
        "of a hundred",
    )
