"""What `quarantine` prints."""

from typing import TypedDict

from mldebt_assets.cli.documents.status import Refused


class QuarantinedRow(TypedDict):
    """One row in quarantine: its mark, and every rule that it broke. No value is told."""

    row: str
    reason: str


class QuarantinedBatch(TypedDict):
    """The rows of a batch in quarantine: ``reasons`` counts them, ``sha256`` is their snapshot."""

    batch: str
    rows: int
    sha256: str
    reasons: dict[str, int]
    listed: list[QuarantinedRow]


class Release(TypedDict):
    """Rows let in now, how many of them mended, and those that stay; who and why say the record.

    ``sha256`` is the snapshot of all that was released of the batch, null where nothing ever was.
    """

    batch: str
    rows: int
    mended: int
    stays: list[QuarantinedRow]
    sha256: str | None
    by: str | None
    reason: str | None
    fact: int | None


class Quarantine(TypedDict):
    """What lies in quarantine and what is refused; ``exported`` is the file that was written.

    ``released`` is null where nothing was to be.
    """

    pipeline: str
    rows: int
    batches: list[QuarantinedBatch]
    refused: list[Refused]
    exported: str | None
    released: Release | None
