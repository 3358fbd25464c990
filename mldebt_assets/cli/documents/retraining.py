"""What `retraining` prints: what was decided, why, and what came of it."""

from typing import TypedDict


class Evidence(TypedDict):
    """What one report said that a decision was taken on, by the hash of its bytes."""

    what: str
    sha256: str
    raised: bool
    summary: str


class Outcome(TypedDict):
    """What the gate said of the candidate that was asked for: promoted, proposed or refused."""

    version: int
    gate: str
    reason: str


class RetrainingDecision(TypedDict):
    """Whether a candidate was asked for, and why; ``outcome`` is null where there is none."""

    batch: str | None
    about: str
    asked: bool
    reason: str
    effective_at: str
    recorded_at: str
    evidence: list[Evidence]
    outcome: Outcome | None


class Learned(TypedDict):
    """How old the champion's newest data are, in batches and in days; null of an adopted one."""

    version: int
    learned_until: str | None
    age: int | None
    age_days: float | None


class Age(TypedDict):
    """Versions of one age, in batches: their mean ``metric``, and what they have lost by it."""

    age: int
    backtests: int
    value: float
    pairs: int
    lost: float | None


class Backtest(TypedDict):
    """How well one version does on a later batch, in the ``metric``."""

    version: int
    batch: str
    age: int
    value: float


class Retraining(TypedDict):
    """Every decision on retraining, oldest first, and what waiting costs."""

    pipeline: str
    champion: Learned | None
    decisions: list[RetrainingDecision]
    metric: str
    staleness: list[Age]
    backtests: list[Backtest]
    seconds: float
