"""What ``--json`` prints: one type a command that answers. Other programs are written to these."""

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


class Replay(TypedDict):
    """What a replay did, in ``seconds``, and the story of every batch."""

    pipeline: str
    seconds: float
    batches: list[Batch]


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


class Verdict(TypedDict):
    """One judged number beside its limit."""

    name: str
    passed: bool
    measured: float | str | None
    limit: float | str | None
    unit: str
    reason: str


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
    columns: dict[str, ColumnDrift]


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


class Evidence(TypedDict):
    """What one report said that a decision was taken on, by the hash of its bytes."""

    what: str
    sha256: str
    raised: bool
    summary: str


class Outcome(TypedDict):
    """What the gate said of the candidate that was asked for: promoted, proposed or refused."""

    version: int
    gate: str
    reason: str


class RetrainingDecision(TypedDict):
    """Whether a candidate was asked for, and why; ``outcome`` is null where there is none."""

    batch: str | None
    about: str
    asked: bool
    reason: str
    effective_at: str
    recorded_at: str
    evidence: list[Evidence]
    outcome: Outcome | None


class Learned(TypedDict):
    """How old the champion's newest data are, in batches and in days; null of an adopted one."""

    version: int
    learned_until: str | None
    age: int | None
    age_days: float | None


class Age(TypedDict):
    """Versions of one age, in batches: their mean ``metric``, and what they have lost by it."""

    age: int
    backtests: int
    value: float
    pairs: int
    lost: float | None


class Backtest(TypedDict):
    """How well one version does on a later batch, in the ``metric``."""

    version: int
    batch: str
    age: int
    value: float


class Retraining(TypedDict):
    """Every decision on retraining, oldest first, and what waiting costs."""

    pipeline: str
    champion: Learned | None
    decisions: list[RetrainingDecision]
    metric: str
    staleness: list[Age]
    backtests: list[Backtest]
    seconds: float


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


class Check(Verdict):
    """One finding, and what it belongs to."""

    group: str


# ``from`` is a word of Python's, so this type is written as a call.
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


class Doctor(TypedDict):
    """What was looked at on this machine."""

    ok: bool
    checks: list[Check]


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


DOCUMENTS: dict[str, Any] = {
    "new": New,
    "replay": Replay,
    "rollback": Rollback,
    "promote": Decided,
    "approve": Decided,
    "reject": Decided,
    "accept": Accepted,
    "quarantine": Quarantine,
    "adopt": Adopt,
    "delete": Delete,
    "forget": Forget,
    "status": Status,
    "lineage": Lineage,
    "diff": Diff,
    "drift": Drift,
    "retraining": Retraining,
    "drift compare": Comparison,
    "verify": Verify,
    "papers": Papers,
    "reproduce": Reproduce,
    "audit": Audit,
    "robustness": Robustness,
    "suspects": Suspects,
    "scan": Scan,
    "doctor": Doctor,
    "alert-test": AlertTest,
}
