"""What `drift` and `drift compare` print."""

from typing import TypedDict

from mldebt_assets.cli.documents.status import Refused
from mldebt_assets.cli.documents.verdicts import Verdict


class Reference(TypedDict):
    """The validated batches that a batch was held against, and whose reference they are."""

    hash: str
    version: int | None
    batches: list[str]


class ColumnDrift(TypedDict):
    """How a column moved: ``distance`` (None where it cannot be compared) and its statistics."""

    kind: str
    distance: float | None
    statistics: dict[str, float]
    drifted: bool
    reason: str


class Histogram(TypedDict):
    """The shares of either side's rows by bar: over equal parts of the ``span``, or by ``names``.

    ``span`` is null of categories, and numbers have no names.
    """

    reference: list[float]
    current: list[float]
    span: list[float] | None
    names: list[str]


class OutcomeColumn(ColumnDrift):
    """How a score or a label moved; ``histogram`` is null where there is nothing to draw."""

    histogram: Histogram | None


class ComparedRows(TypedDict):
    """How many rows either side has."""

    reference: int
    current: int


class Means(TypedDict):
    """A mean on either side, or the share of a label."""

    reference: float
    current: float


class OutcomeDrift(TypedDict):
    """How scores or labels moved, beside those of the champion's held-out rows.

    Where they were not ``judged``, ``summary`` says why and nothing else is known.
    """

    judged: bool
    drifted: bool
    summary: str
    calibration: str | None
    calibration_reason: str | None
    underpowered: bool | None
    rows: ComparedRows | None
    means: dict[str, Means]
    columns: dict[str, OutcomeColumn]


class Outcomes(TypedDict):
    """What was served and what became true: neither asks for a retraining."""

    scores: OutcomeDrift
    labels: OutcomeDrift


class BatchDrift(TypedDict):
    """One batch's drift report; before the first champion it judges nothing.

    ``refused`` says why its newest rows stand refused, null where they do not.
    """

    batch: str
    judged: bool
    drifted: bool
    reference: Reference | None
    summary: str
    rule: str | None
    calibration: str | None
    verdicts: list[Verdict]
    columns: dict[str, ColumnDrift]
    outcomes: Outcomes
    refused: Refused | None


class WindowDrift(TypedDict):
    """All rows of the batches together, against the reference of the newest that was judged.

    ``approximated`` names those that were counted from their sketches, to 1/1024.
    """

    batches: list[str]
    approximated: list[str]
    reference: str
    rows: int
    drifted: bool
    summary: str
    calibration: str
    calibration_reason: str
    underpowered: bool
    verdicts: list[Verdict]
    columns: dict[str, ColumnDrift]
    seconds: float


class Drift(TypedDict):
    """How far the last batches lay from what their champions learned from, oldest first."""

    pipeline: str
    batches: list[BatchDrift]
    window: WindowDrift | None


class Comparison(TypedDict):
    """How far one file lies from another; a ``kind`` is ``unknown`` where none is in common."""

    reference: str
    current: str
    rows: ComparedRows
    drifted: bool
    summary: str
    rule: str
    calibration: str
    underpowered: bool
    verdicts: list[Verdict]
    columns: dict[str, ColumnDrift]
    seconds: float
