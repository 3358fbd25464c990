"""What `verify`, `reproduce` and `papers` print."""

from typing import Any, TypedDict


class Checked(TypedDict):
    """How much of a kind was compared in a place; ``bytes`` is null where no file was read."""

    what: str
    where: str
    count: int
    bytes: int | None


class Problem(TypedDict):
    """Something that is not as it should be; ``found`` is null where there is nothing at all."""

    what: str
    where: str
    expected: str | None
    found: str | None


class Verify(TypedDict):
    """Whether what the champion stands on is what it was; before the first it is not ``ok``.

    ``forgotten`` counts the snapshots that were withdrawn for somebody: their bytes are gone.
    """

    pipeline: str
    version: int | None
    ok: bool
    forgotten: int
    checked: list[Checked]
    problems: list[Problem]
    seconds: float


class PaperFile(TypedDict):
    """One file of the zip."""

    name: str
    sha256: str
    bytes: int


class Papers(TypedDict):
    """The papers of a champion in ``file``; before the first champion nothing is written.

    ``verified`` is null for a former champion, ``promotion`` the hash of the record's fact;
    ``written_now`` is true where no run had written the papers yet.
    """

    pipeline: str
    version: int | None
    promotion: str | None
    verified: bool | None
    written_now: bool
    file: str | None
    files: list[PaperFile]
    seconds: float


class Difference(TypedDict):
    """A recorded fact or artefact that came out otherwise; null where one side has none."""

    kind: str
    name: str
    recorded: Any
    found: Any


class ProvedCode(TypedDict):
    """The code that trained it and was run again; ``commit`` is null outside of git."""

    commit: str | None
    dirty: bool | None
    digest: str | None


class Closeness(TypedDict):
    """The largest differences of a prediction: of the two models, and of three other seeds."""

    difference: float
    spread: float
    rows: int


class Reproduce(TypedDict):
    """What came of training a version again; ``closeness`` is null where every hash is equal."""

    pipeline: str
    version: int
    verdict: str
    outcome: str
    reproduced: bool
    first_difference: str | None
    differs: list[Difference]
    compared: int
    weights_sha256: str
    training_set: str | None
    code: ProvedCode
    stopped: str | None
    closeness: Closeness | None
    seconds: float
