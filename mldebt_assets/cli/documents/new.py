"""What `new` prints: the pipeline that was written, and of what."""

from typing import TypedDict

from mldebt_assets.cli.documents.lineage import Origin


class NewBatch(TypedDict):
    """A batch that was landed."""

    batch: str
    rows: int


class NewTarget(TypedDict):
    """What is predicted, and why it is taken for that task.

    ``positive`` is the value that counts as 1; ``share`` how often it, or the largest class, comes;
    ``range`` is that of a number.
    """

    column: str
    task: str
    why: str
    positive: str | float | int | None
    classes: list[str]
    share: float | None
    range: list[float] | None


class NewColumn(TypedDict):
    """A column as it was declared; ``left_out`` says why it is no input, and is empty for one.

    ``suspected`` says of an input what a person should answer.
    """

    dtype: str
    nullable: bool
    left_out: str
    suspected: str


class New(TypedDict):
    """A table as a pipeline: what was inferred, what was written, and what comes next."""

    pipeline: str
    file: str
    landing: str
    made_from: list[Origin]
    rows: int
    batches: list[NewBatch]
    target: NewTarget
    time: str | None
    row_key: list[str]
    split: str | None
    columns: dict[str, NewColumn]
    warnings: list[str]
    next: str
