"""When a candidate is trained: after the first batches, then for a cause, within the policy.

Training makes a candidate and no more; the gate decides whether it becomes the champion. All
times are the data's: a replayed year decides what the live one decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mldebt_assets.core.periods import how_many

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.core.policies import Retraining

SECONDS_A_DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What a batch's drift report or performance says: whether it raises an alarm, and a phrase."""

    raised: bool
    summary: str


@dataclass(frozen=True, kw_only=True)
class History:
    """What was trained before the data's time ``effective_at``, and who is champion by now.

    ``trained_until`` is the ``effective_at`` of the last training that the gate has judged, None
    before the first; ``trained_this_week`` counts those of the seven days before, and any later.
    ``waiting`` is the newest candidate that awaits a person's approval, since the data's time
    ``waiting_since``.
    """

    champion: int | None
    effective_at: datetime
    trained_until: datetime | None
    trained_this_week: int = 0
    waiting: int | None = None
    waiting_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known when a batch has been judged.

    ``reference_hash`` is that of the drift reference that it was held to, None where no champion
    scored it. ``batches`` counts those that a first candidate would learn from. ``drift`` is None
    where labels that came late are judged alone; ``labels_hash`` then tells one such judgement
    from another. ``refused`` says why the batch is a broken feed, where triage found that it is.
    """

    batch: str
    raw_hash: str
    reference_hash: str | None
    batches: int
    drift: Signal | None
    performance: Signal | None = None
    labels_hash: str | None = None
    refused: str | None = None
    history: History


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
    """Return whether to train now; the first rule that forbids it is the reason given.

    >>> from datetime import UTC, datetime
    >>> from mldebt_assets.core.policies import Retraining
    >>> february = datetime(2013, 2, 1, tzinfo=UTC)
    >>> none = History(champion=None, effective_at=february, trained_until=None)
    >>> facts = Facts(batch="2013-01", raw_hash="ab", reference_hash=None, batches=1,
    ...               drift=Signal(raised=False, summary=""), history=none)
    >>> decide(facts, Retraining(first_batches=3)).reason
    'There is no champion yet, and 1 of the first 3 batches is there.'
    """
    about = [facts.batch, facts.raw_hash, facts.reference_hash or "none", facts.labels_hash]
    forbidden = facts.refused or _forbidden(facts, policy)
    return Decision(
        asked=forbidden is None,
        reason=forbidden or f"{_cause(facts, policy)}; {_ago(facts.history)}.",
        key=":".join(part for part in about if part is not None),
    )


def decide_weekly(
    *,
    fresh: int,
    batches: int,
    training: str | None,
    history: History,
    policy: Retraining,
    key: str,
) -> Decision:
    """Return whether the weekly retraining is to train now.

    ``fresh`` counts the batches that are not those of the last training, ``batches`` all that
    would be learned from; ``training`` is the id of a training that has not ended. It needs no
    cause and no cool-down: only something new, and the budget.
    """
    asked = "The weekly retraining"
    forbidden = _too_early(batches, policy) if history.champion is None else None
    if forbidden is None and training is not None:
        forbidden = f"{asked} is not needed: run {training} is training already."
    if forbidden is None:
        forbidden = _candidate_waits(history, policy)
    if forbidden is None and not fresh:
        forbidden = f"{asked} finds nothing new: {_ago(history)}, on these very {batches} batches."
    if forbidden is None and _budget_is_spent(history, policy):
        forbidden = f"{asked} waits: {_budget(history, policy)}."
    verb = "is" if fresh == 1 else "are"
    wanted = f"{asked}: of {batches} batches {fresh} {verb} new or changed; {_ago(history)}."
    return Decision(asked=forbidden is None, reason=forbidden or wanted, key=key)


def _forbidden(facts: Facts, policy: Retraining) -> str | None:
    first, cause = facts.history.champion is None, _cause(facts, policy)
    if first:
        early = _too_early(facts.batches, policy)
        if early is not None:
            return early
    if not cause:
        return _no_cause(facts)
    waits = _candidate_waits(facts.history, policy)
    if waits is not None:
        return f"{cause}, but {waits}"
    days = _days_since_training(facts.history)
    if not first and days is not None and days < policy.cool_down_days:
        past = (
            f"only {days:.0f} days past"
            if days >= 0
            else f"no further than {-days:.0f} days before"
        )
        return (
            f"{cause}, but the data reach {past} those of the last training, "
            f"and the cool-down is {policy.cool_down_days:g} days."
        )
    if _budget_is_spent(facts.history, policy):
        return f"{cause}, but {_budget(facts.history, policy)}."
    return None


def _candidate_waits(history: History, policy: Retraining) -> str | None:
    """Return why no other candidate is trained beside one that awaits approval.

    It is too old to wait for once the cool-down has passed: a candidate of newer data is due then.
    """
    days = _days_since_training(history)
    if history.waiting_since is None or days is None or days >= policy.cool_down_days:
        return None
    return (
        f"v{history.waiting} awaits a person's approval since {history.waiting_since:%Y-%m-%d}, "
        f"and another is trained when the data reach {policy.cool_down_days:g} days further: "
        "`mldebt approve` or `mldebt reject` decides on it."
    )


def _too_early(batches: int, policy: Retraining) -> str | None:
    if batches >= policy.first_batches:
        return None
    verb = "is" if batches == 1 else "are"
    return (
        f"There is no champion yet, and {batches} of the first "
        f"{policy.first_batches} batches {verb} there."
    )


def _cause(facts: Facts, policy: Retraining) -> str:
    """Return what asks for a training, as the beginning of a sentence; empty if nothing does."""
    if facts.history.champion is None:
        are = "is" if facts.batches == 1 else "are"
        return f"There is no champion yet, and {how_many(facts.batches)} {are} there"
    causes = [
        signal.summary
        for signal, wanted in (
            (facts.drift, policy.on_drift),
            (facts.performance, policy.on_performance),
        )
        if wanted and signal is not None and signal.raised
    ]
    if policy.always and facts.drift is not None:
        causes.append("every batch is trained on")
    whole = "; ".join(causes)
    return whole[:1].upper() + whole[1:]


def _no_cause(facts: Facts) -> str:
    """Say what each signal found, and where it found something, that the policy passes over it."""
    if facts.drift is not None and facts.reference_hash is None:
        return (
            "No champion scored this batch, so it was not judged, and gives no cause to train; "
            f"version {facts.history.champion} has become champion since."
        )
    said = []
    if facts.drift is not None:
        kind = "There is drift, but the policy does not train on it"
        said.append(
            f"{kind if facts.drift.raised else 'The inputs give no cause to train'}: "
            f"{facts.drift.summary}."
        )
    if facts.performance is not None:
        kind = "The performance has dropped, but the policy does not train on it"
        calm = "The performance gives no cause to train"
        said.append(f"{kind if facts.performance.raised else calm}: {facts.performance.summary}.")
    return " ".join(said)


def _budget_is_spent(history: History, policy: Retraining) -> bool:
    budget = policy.trainings_a_week
    return budget is not None and history.trained_this_week >= budget


def _budget(history: History, policy: Retraining) -> str:
    return (
        f"{history.trained_this_week} trainings fall into the last seven days of data, "
        f"and the budget is {policy.trainings_a_week} a week"
    )


def _ago(history: History) -> str:
    days = _days_since_training(history)
    return "nothing was trained before" if days is None else f"last training {days:.0f} days ago"


def _days_since_training(history: History) -> float | None:
    """Return how far the batch's data reach past the last training's; negative for older data."""
    if history.trained_until is None:
        return None
    return (history.effective_at - history.trained_until).total_seconds() / SECONDS_A_DAY
