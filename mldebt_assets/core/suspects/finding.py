"""What one check found: its verdict, its number in each batch, and the rows that it suspects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from mldebt_assets.core.suspects.rise import Measured


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check's answer.

    ``place`` are the suspected rows' places in the table, the worst first, and ``score`` how bad
    each is by the check's own measure, larger for worse. ``what`` says what the batches' number is.
    """

    verdict: Verdict
    what: str
    batches: Sequence[Measured]
    place: NDArray[np.int64]
    score: NDArray[np.float64]


def judged(
    name: str,
    batches: Sequence[Measured],
    *,
    unit: str,
    what: str,
    place: NDArray[Any],
    score: NDArray[Any],
    batch: NDArray[Any],
    also: Verdict | None = None,
) -> Finding:
    """Return the finding of a check that holds each batch against the others.

    Args: ``what`` says what the number is, after it; ``place``, ``score`` and ``batch``, those of
          each row that may be suspected: where batches stand out, only theirs are; ``also``, a
          verdict of another kind that counts where no batch stands out: it fails the check, or
          speaks where no batch is judged.
    """
    out = [one for one in batches if one.stands_out]
    kept = np.ones(len(place), dtype=bool)
    if out:
        names = {one.batch for one in out}
        kept = np.array([name in names for name in batch], dtype=bool)
    decides = not out and (also is None or not also.passed or not _known(batches))
    worst = np.argsort(-score[kept], kind="stable")
    return Finding(
        verdict=also if also is not None and decides else verdict_on(name, batches, unit, what),
        what=what,
        batches=batches,
        place=place[kept][worst].astype(np.int64),
        score=score[kept][worst].astype(np.float64),
    )


def verdict_on(name: str, batches: Sequence[Measured], unit: str, what: str) -> Verdict:
    """Return the verdict on the batch that lies farthest above, or least below, its limit."""
    known = _known(batches)
    if not known:
        return Verdict(
            name=name,
            passed=True,
            measured=max((one.measured for one in batches), default=None),
            limit=None,
            unit=unit,
            reason="not judged: it takes four batches with rows enough to say what is usual",
        )
    out = [one for one in known if one.stands_out]
    worst = max(known, key=lambda one: one.measured - float(one.limit or 0.0))
    told = ", ".join(one.batch for one in out)
    beside = f"{worst.measured:.2%} {what} in {worst.batch}, {worst.usual:.2%} in the other batches"
    return Verdict(
        name=name,
        passed=not out,
        measured=worst.measured,
        limit=worst.limit,
        unit=unit,
        reason=f"{told}: {beside}, limit {worst.limit:.2%}"
        if out
        else f"no batch stands out; nearest to it: {beside}, limit {worst.limit:.2%}",
    )


def _known(batches: Sequence[Measured]) -> list[Measured]:
    return [one for one in batches if one.limit is not None]
