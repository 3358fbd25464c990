"""What a person's acts print: `promote`, `approve`, `reject`, `rollback`, `accept` and `adopt`."""

from typing import TypedDict

Rollback = TypedDict(
    "Rollback",
    {
        "pipeline": str,
        "from": int,
        "to": int,
        "reason": str,
        "by": str,
        "drill": bool,
        "seconds": float,
    },
)


class Decided(TypedDict):
    """What a person decided on a candidate; ``gate`` is what the gate had said of it.

    ``previous_version`` is the champion beside which it stands; ``expires`` is null where the
    decision holds until the next.
    """

    pipeline: str
    version: int
    weights_sha256: str
    promoted: bool
    previous_version: int | None
    reason: str
    by: str
    gate: str
    expires: str | None
    effective_at: str
    recorded_at: str


class Accepted(TypedDict):
    """A batch that is learned though triage refused it; ``validated`` is the hash of its rows."""

    pipeline: str
    batch: str
    validated: str
    refused_because: str
    reason: str
    by: str
    recorded_at: str


class FedInput(TypedDict):
    """One input of an adopted model: its name, the features that it is given, and as what."""

    name: str
    columns: list[str]
    type: str
    rank: int


class Adopt(TypedDict):
    """A model that was adopted: the file, what is said of it, and how it is used.

    ``measured`` is how it does on the held-out rows there are, null where none has a label.
    """

    pipeline: str
    version: int
    weights_sha256: str
    file: str
    sha256: str
    trained_on: str | None
    by: str
    reason: str
    adopted_at: str
    rule_from: str
    inputs: list[FedInput]
    output: str
    threshold: float | None
    half_width: float | None
    tried_on: str
    reference: list[str]
    measured: dict[str, float] | None
    effective_at: str
    recorded_at: str
