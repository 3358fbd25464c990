"""When a candidate is trained: after the first batches, then on drift, outside the cool-down.

Training makes a candidate and no more; the gate decides whether it becomes the champion. All
times are the data's: a replayed year decides what the live one decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.core.policies import Retraining

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known when the newest batch has been judged.

    ``reference_hash`` is that of the champion's drift reference, None before the first champion.
    ``drift`` is the report's summary. ``trained_until`` is the ``effective_at`` of the last
    training that finished, None before the first; ``failed_attempts`` are the failed or dead runs
    with this decision's key.
    """

    batch: str
    raw_hash: str
    reference_hash: str | None
    batches: int
    drifted: bool
    drift: str
    effective_at: datetime
    trained_until: datetime | None
    failed_attempts: int = 0
    running: bool = False


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a candidate is asked for, and why, in a sentence for a human.

    ``key`` names what the decision is about, whichever way it went: the batch, its bytes and the
    reference that it was held to. An attempt's number makes a run key of it.
    """

    asked: bool
    reason: str
    key: str


def decide(facts: Facts, policy: Retraining) -> Decision:
    """Return whether to train now; the first cause that forbids it is the reason given.

    >>> from datetime import UTC, datetime
    >>> from mldebt_assets.core.policies import Retraining
    >>> facts = Facts(batch="2013-01", raw_hash="ab", reference_hash=None, batches=1,
    ...               drifted=False, drift="", effective_at=datetime(2013, 2, 1, tzinfo=UTC),
    ...               trained_until=None)
    >>> decide(facts, Retraining(first_batches=3)).reason
    'There is no champion yet, and 1 of the first 3 batches is there.'
    """
    key = f"{facts.batch}:{facts.raw_hash}:{facts.reference_hash or 'none'}"
    forbidden = _forbidden(facts, policy)
    return Decision(asked=forbidden is None, reason=forbidden or _wanted(facts), key=key)


def _forbidden(facts: Facts, policy: Retraining) -> str | None:
    if facts.reference_hash is None and facts.batches < policy.first_batches:
        verb = "is" if facts.batches == 1 else "are"
        return (
            f"There is no champion yet, and {facts.batches} of the first "
            f"{policy.first_batches} batches {verb} there."
        )
    if facts.reference_hash is not None and not facts.drifted:
        return f"The inputs give no cause to train: {facts.drift}."
    days = _days_since_training(facts)
    if facts.reference_hash is not None and days is not None and days < policy.cool_down_days:
        past = (
            f"only {days:.0f} days past"
            if days >= 0
            else f"no further than {-days:.0f} days before"
        )
        return (
            f"There is {facts.drift}, but the data reach {past} those of the last training, "
            f"and the cool-down is {policy.cool_down_days:g} days."
        )
    if facts.running:
        return "A run of this pipeline has not ended yet."
    if facts.failed_attempts >= policy.attempts:
        return (
            f"All {policy.attempts} attempts to train after {facts.batch} failed; "
            "a new batch, or a training started by hand, begins anew."
        )
    return None


def _wanted(facts: Facts) -> str:
    days = _days_since_training(facts)
    cause = (
        f"There is no champion yet, and {facts.batches} batches are there"
        if facts.reference_hash is None
        else facts.drift[:1].upper() + facts.drift[1:]
    )
    ago = "nothing was trained before" if days is None else f"last training {days:.0f} days ago"
    again = f"; attempt {facts.failed_attempts + 1}" if facts.failed_attempts else ""
    return f"{cause}; {ago}{again}."


def _days_since_training(facts: Facts) -> float | None:
    """Return how far the batch's data reach past the last training's; negative for older data."""
    if facts.trained_until is None:
        return None
    return (facts.effective_at - facts.trained_until).total_seconds() / SECONDS_A_DAY
