"""What `status`, `doctor` and `alert-test` print: how it stands."""

from typing import Any, TypedDict

from mldebt_assets.cli.documents.verdicts import Check


class Champion(TypedDict):
    """The version in production."""

    version: int
    weights_sha256: str
    effective_at: str
    reason: str


class Question(TypedDict):
    """An answer, what proves it, and where Dagster shows that; null where nothing does.

    ``standing`` is ``ok``, ``warning`` (the evidence is bad, old, or about another version) or
    ``unknown``; ``due`` says whether something could have answered by now.
    """

    question: str
    answer: str
    standing: str
    due: bool
    evidence: dict[str, Any] | None
    link: str | None
    shown_at: str | None
    age_seconds: float | None


class Questions(TypedDict):
    """The four questions that a model's owner must be able to answer."""

    reproducible: Question
    input_change: Question
    rollback: Question
    personal_data: Question


class Refused(TypedDict):
    """A batch whose newest bytes are refused: ``alarm`` is the class, ``fix`` what mends it.

    ``scored`` says whether the champion scored it all the same; nothing learns from it.
    """

    batch: str
    alarm: str
    reason: str
    fix: str
    scored: bool
    since: str


class Status(TypedDict):
    """The champion and the four questions; without a pipeline's name, a list of these.

    ``quarantined`` counts the rows that wait in quarantine, by batch.
    """

    pipeline: str
    champion: Champion | None
    refused: list[Refused]
    quarantined: dict[str, int]
    questions: Questions


class Doctor(TypedDict):
    """What was looked at on this machine."""

    ok: bool
    checks: list[Check]


class AlertChannel(TypedDict):
    """One address that alerts go to, by its number, and whether it took the test message."""

    number: int
    service: str
    delivered: bool
    seconds: float


class AlertTest(TypedDict):
    """What became of the test messages; ``ok`` where every service took its own."""

    ok: bool
    channels: list[AlertChannel]
