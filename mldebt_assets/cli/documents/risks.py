"""What `audit`, `robustness`, `scan` and `suspects` print."""

from typing import TypedDict


class Spread(TypedDict):
    """A number with its interval over whole groups."""

    lower: float
    median: float
    upper: float
    point: float
    groups: int
    rounds: int


class Attack(TypedDict):
    """How well members were told from outsiders; rates by the share of outsiders taken for them."""

    roc_auc: Spread
    true_positive_rate: dict[str, Spread]


class Audit(TypedDict):
    """Whether the champion gives away which rows it has learned from."""

    pipeline: str
    version: int
    leaks: bool
    members: int
    outsiders: int
    rmia: Attack
    loss: Attack
    seconds: float


class SensitiveInput(TypedDict):
    """How exactly an input is known, and how far it alone moves a score within that."""

    name: str
    half_width: float
    source: str
    change: float
    most: float


class ShakyRow(TypedDict):
    """One row, its score (or that of its likeliest class), and how far that can be moved."""

    batch: str
    row_id: str
    score: float
    change: float
    flips: bool


class Changes(TypedDict):
    """The largest changes of the scores, over rows."""

    median: float
    percentile_99: float
    maximum: float


class Robustness(TypedDict):
    """Whether the champion's clear decisions hold within the noise of the data."""

    pipeline: str
    version: int
    passed: bool
    measured: float
    limit: float
    reason: str
    batches: list[str]
    rows: int
    clear: int
    flips: int
    change: Changes
    inputs: list[SensitiveInput]
    worst: list[ShakyRow]
    seconds: float


class PersonalFinding(TypedDict):
    """A kind of personal data in a column: the share of its distinct values, and how they look.

    ``share`` and ``chance`` are None where the column's name alone says it; ``by`` is whose
    recogniser found it.
    """

    kind: str
    share: float | None
    chance: float | None
    confidence: str
    why: str
    looks: str | None
    by: str
    batches: list[str]


class ScannedColumn(TypedDict):
    """One column; ``values`` is how many distinct ones were looked at, at most, in one batch."""

    column: str
    stage: str
    values: int
    declared: str | None
    findings: list[PersonalFinding]
    problem: str | None
    fix: str | None


class AnonymityOfRows(TypedDict):
    """How well a version's rows hide among each other; of groups only sizes are told."""

    version: int
    passed: bool
    reason: str
    rows: int
    groups: int
    k: int
    smallest: list[int]
    rows_below: int
    diversity: dict[str, int]
    groups_below: dict[str, int]
    too_fine: list[str]


class Scan(TypedDict):
    """What a scan for personal data found, ``of`` a pipeline or a file."""

    of: str
    ok: bool
    batches: int
    columns: list[ScannedColumn]
    anonymity: AnonymityOfRows | None
    seconds: float


class SuspectBatch(TypedDict):
    """One batch's number; ``usual`` and ``limit`` are those that the other batches set."""

    batch: str
    rows: int
    measured: float
    usual: float | None
    limit: float | None
    stands_out: bool


class SuspectRow(TypedDict):
    """A suspected row: its place in its batch's validated rows, from 1, and its id."""

    batch: str
    row: int
    row_id: str
    score: float


class SuspectCheck(TypedDict):
    """What one check suspects: its verdict, each batch, how many rows, and the worst of them."""

    passed: bool
    measured: float | None
    limit: float | None
    unit: str
    reason: str
    suspected: int
    batches: list[SuspectBatch]
    worst: list[SuspectRow]


class Suspects(TypedDict):
    """Which rows and batches of the champion's data seem planted, mistaken or copied."""

    pipeline: str
    version: int
    passed: bool
    looked_at: int
    rows_in_all: int
    checks: dict[str, SuspectCheck]
    file: str | None
    seconds: float
