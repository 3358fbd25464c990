"""What `diff` prints: two versions side by side."""

from typing import Any, TypedDict

from mldebt_assets.cli.documents.lineage import Code, Deletion


class Compared(TypedDict):
    """One of two versions."""

    version: int
    weights_sha256: str
    trained_at: str | None
    promoted: bool
    deleted: Deletion | None


class ChangedBatch(TypedDict):
    """A batch ``added``, ``removed`` or ``changed``: then since which stage its bytes differ."""

    batch: str
    change: str
    stage: str | None


class TrainingSets(TypedDict):
    """What the two versions learned from."""

    before: str | None
    after: str | None
    rows_before: int | None
    rows_after: int | None
    batches: list[ChangedBatch]
    unchanged: int


class Programs(TypedDict):
    """What trained them; ``files`` as git lists them, null where it does not have both commits."""

    before: Code
    after: Code
    files: list[str] | None


class Change(TypedDict):
    """A value that differs; null where one side has none of this name."""

    name: str
    before: Any
    after: Any


class Configurations(TypedDict):
    """Digests of what was declared; ``changes`` is null where a version kept only its digest."""

    before: str | None
    after: str | None
    changes: list[Change] | None


class Rows(TypedDict):
    """What an evaluation judged on."""

    batches: list[str]
    rows: int
    groups: int


class JudgedOn(TypedDict):
    """Whether both were judged on the same rows, or each on those of its own time."""

    same_rows: bool
    before: Rows
    after: Rows


class SliceChange(TypedDict):
    """The ``metric`` in a slice; null where it had too few rows."""

    dimension: str
    value: str
    before: float | None
    after: float | None


class Diff(TypedDict):
    """What two versions differ in; what is equal is left out, but for metrics and slices."""

    pipeline: str
    before: Compared
    after: Compared
    training_set: TrainingSets
    code: Programs
    configuration: Configurations
    parameters: list[Change]
    environment: list[Change]
    judged_on: JudgedOn
    metric: str
    metrics: list[Change]
    slices: list[SliceChange]
