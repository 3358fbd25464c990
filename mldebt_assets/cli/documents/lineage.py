"""What `lineage` and `replay` print: what made a version, and how each batch was served."""

from typing import Any, NotRequired, TypedDict


class Batch(TypedDict):
    """What became of one batch; ``metrics`` is how it was served before anyone learned from it.

    ``alarm`` is what the batch is: a broken feed, a schema change, a season seen before, a real
    shift, no alarm; null where nothing could say.
    """

    batch: str
    rows: int | None
    scored_by: int | None
    metrics: dict[str, float]
    dropped: bool
    performance: str
    drifted: bool
    drift: str
    alarm: str | None
    retrained: bool
    reason: str
    promoted: bool
    verdict: str
    champion: int | None
    problem: str | None


class LeftAlone(TypedDict):
    """A file in the landing folder that is no batch, and why, with the fix."""

    file: str
    problem: str


class Replay(TypedDict):
    """What a replay did, in ``seconds``, the story of every batch, and what it left alone."""

    pipeline: str
    seconds: float
    batches: list[Batch]
    left_alone: list[LeftAlone]


class Estimator(TypedDict):
    """What a user's own model was: its class, and its package with the version.

    All is null or empty where it is our network.
    """

    name: str | None
    package: str | None
    parameters: dict[str, Any]


class OfAdoption(TypedDict):
    """What is said of a model that was trained elsewhere: nothing here has seen it made."""

    file: str
    sha256: str
    trained_on: str | None
    by: str
    reason: str
    adopted_at: str
    rule_from: str


class Model(TypedDict):
    """One registered version; where it was ``adopted``, nobody knows when it was trained."""

    version: int
    weights_sha256: str
    trained_at: str | None
    mlflow_run_id: str
    dagster_run_id: str | None
    estimator: Estimator
    adopted: OfAdoption | None


class Artefact(TypedDict):
    """What a stage made of a batch; ``rows`` is null where there are none to count."""

    sha256: str
    md5: str
    rows: int | None


class TrainedOn(TypedDict):
    """One batch of a training set, as each stage made it.

    ``released`` is there where rows were let out of quarantine, ``references`` where foreign keys
    were judged.
    """

    batch: str
    raw: Artefact
    released: NotRequired[Artefact]
    references: NotRequired[Artefact]
    validated: Artefact
    features: Artefact


class TrainingSet(TypedDict):
    """The snapshot of data that a version was trained on; null where that is not known."""

    hash: str | None
    rows: int | None
    batches: list[TrainedOn]


class Code(TypedDict):
    """The program that trained it; null outside git, and all of it where that is not known."""

    commit: str | None
    dirty: bool | None
    digest: str | None


class Configuration(TypedDict):
    """What was declared, as far as it decides the weights; old versions kept its digest alone."""

    digest: str | None
    values: dict[str, Any] | None


class Promotion(TypedDict):
    """Who decided on the version, when and why."""

    promoted: bool
    effective_at: str
    recorded_at: str
    by: str
    reason: str
    asked_because: str
    previous_version: int | None


class Deletion(TypedDict):
    """Who deleted a version's model, when and why."""

    by: str
    reason: str
    effective_at: str
    recorded_at: str


class Acceptance(TypedDict):
    """Who had rows learned that triage had refused as a broken feed, when and why."""

    batch: str
    by: str
    reason: str
    refused_because: str
    recorded_at: str


class Origin(TypedDict):
    """A table that batches were made from; ``rows_of`` names one of a database, or a query.

    ``unmatched`` is how many rows found no partner in it, where it was ``joined_on`` keys.
    """

    uri: str
    rows_of: str | None
    rows: int
    sha256: str | None
    joined_on: str | None
    unmatched: int | None


class Source(TypedDict):
    """Where a batch came from; ``made_from``, what `mldebt new` made it from, where it did."""

    batch: str
    uri: str
    licence: str
    consent: str
    made_from: list[Origin]


class Prediction(TypedDict):
    """One row's score, the bytes that it was made from, and the record's fact that decided it."""

    row: str
    batch: str
    score: float
    threshold: float | None
    decision: bool | str | None
    interval: list[float] | None
    version: int
    weights_sha256: str
    scored_at: str
    dagster_run_id: str
    promotion: int
    raw: Artefact
    validated: Artefact
    features: Artefact
    scorer: Artefact
    predictions: Artefact


class Tombstone(TypedDict):
    """A snapshot that was withdrawn for somebody: its hash stays, its bytes are gone."""

    batch: str
    stage: str
    sha256: str
    by: str
    reason: str
    recorded_at: str


class Lineage(TypedDict):
    """What made a version; before the first champion ``model`` is null and the rest is left out.

    ``environment`` has the facts on which the bits may depend, and their ``digest``;
    ``accepted`` are those of its batches that a person had learned against triage; ``forgotten``
    are its snapshots that were withdrawn for somebody; ``deleted`` is null while the model is
    there; ``prediction`` is there where one was asked for.
    """

    pipeline: str
    model: Model | None
    training_set: NotRequired[TrainingSet]
    code: NotRequired[Code]
    configuration: NotRequired[Configuration]
    environment: NotRequired[dict[str, str | int | list[str] | dict[str, str]]]
    promotion: NotRequired[Promotion]
    sources: NotRequired[list[Source]]
    accepted: NotRequired[list[Acceptance]]
    forgotten: NotRequired[list[Tombstone]]
    deleted: NotRequired[Deletion | None]
    prediction: NotRequired[Prediction]
