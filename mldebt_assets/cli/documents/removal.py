"""What `delete` and `forget` print: what is gone, and what stays."""

from typing import NotRequired, TypedDict


class Removed(TypedDict):
    """Bytes that were removed from cache and remote: ``model`` or ``onnx``."""

    what: str
    sha256: str


class Kept(Removed):
    """Bytes that stay, because something that remains stands on them."""

    because: str


class Delete(TypedDict):
    """A version whose model is gone: who deleted it and why, and what was removed and kept."""

    pipeline: str
    version: int
    weights_sha256: str
    by: str
    reason: str
    removed: list[Removed]
    kept: list[Kept]


class Touched(TypedDict):
    """A snapshot that holds somebody's rows; ``rows`` is null for what was made of many rows."""

    stage: str
    batch: str
    rows: int | None
    sha256: str
    action: str


class TouchedVersion(TypedDict):
    """A version that learned of somebody."""

    version: int
    action: str


class WithdrawnSnapshot(TypedDict):
    """A snapshot in a receipt; ``because`` says why its bytes had to stay."""

    stage: str
    batch: str
    rows: int | None
    sha256: str
    md5: str
    because: NotRequired[str]


class Place(TypedDict):
    """A fact of the promotion record."""

    sequence: int
    hash: str


class Receipt(TypedDict):
    """What was removed for a subject, known by a keyed mark alone, and what is outstanding."""

    pipeline: str
    subject: str
    column: str
    by: str
    reason: str
    recorded_at: str
    effective_at: str
    complete: bool
    removed: list[WithdrawnSnapshot]
    kept: list[WithdrawnSnapshot]
    outstanding_snapshots: list[WithdrawnSnapshot]
    training_sets: list[str]
    versions_removed: list[int]
    versions_outstanding: list[int]
    batches_refused: list[str]
    sources: list[str]
    note: str
    fact: Place
    record_head: Place


class Forget(TypedDict):
    """What holds a subject's rows and what becomes of it; a dry run writes no receipt."""

    pipeline: str
    column: str
    dry_run: bool
    found: bool
    snapshots: list[Touched]
    training_sets: list[str]
    versions: list[TouchedVersion]
    receipts: list[Receipt]
    files: list[str]
