"""Where somebody's rows are: from the raw batches on, what holds them and what learned of them.

Rows are looked for in what was stored and is not withdrawn yet. From there on it goes by what each
step says that it read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.collecting import opened_or_not, pseudonyms_of
from mldebt_assets.assets.forgetting import parsed_rows, row_texts
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.labels import label_rows
from mldebt_assets.core.errors import BatchRefusedError, DeclarationError
from mldebt_assets.core.privacy.forgetting import theirs
from mldebt_assets.core.privacy.policy import Pseudonymise
from mldebt_assets.forgotten import withdrawn
from mldebt_assets.promotions import champion_of, deletions
from mldebt_assets.snapshots import newest_first

if TYPE_CHECKING:
    import dagster as dg
    import pandas as pd

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

# What is made of a batch, and of what of the same batch: in the order in which data flows.
MADE_OF = {
    "sketch": ("validated",),
    "features": ("validated",),
    "predictions": ("features",),
    "performance": ("features", "predictions"),
    "triage": ("validated",),
    "drift_counts": ("validated", "predictions"),
    "drift_report": ("validated", "predictions"),
}
OF_TABLES = ("raw", "released")
WITH_ROWS = {"features", "predictions"}


@dataclass(frozen=True)
class Subject:
    """Somebody as snapshots have them (``stored``), and the keyed mark that may be told."""

    column: str
    stored: str
    mark: str


@dataclass(frozen=True)
class Held:
    """A snapshot that holds somebody's rows, or was made of them; then ``rows`` is None.

    Another takes the place of the newest of a batch, and of no other.
    """

    stage: str
    rows: int | None
    stored: Stored
    is_newest: bool

    @property
    def batch(self) -> str:
        """The batch that it is of."""
        return str(self.stored.batch)


@dataclass(frozen=True)
class Holdings:
    """Everything that somebody is in: snapshots, manifests of training sets, model versions."""

    snapshots: tuple[Held, ...]
    training_sets: tuple[Stored, ...]
    versions: tuple[int, ...]
    champion: int | None

    @property
    def batches(self) -> list[str]:
        """The batches with somebody's rows, in the order of their names."""
        return sorted({one.batch for one in self.snapshots})


def subject_of(platform: Platform, pipeline: Pipeline, value: str) -> Subject:
    """Return whom a clear value of the declared column means.

    Raises: DeclarationError where nothing says whose row it is; PseudonymKeyError where the key is
            missing, unsafe, or not the one there was.
    """
    column = pipeline.subject_column
    if column is None:
        raise DeclarationError.of(
            pipeline.name,
            "nothing says whose row it is, so nobody can be forgotten.",
            "name the column that does: Pipeline(subject='…').",
        )
    pseudonyms = pseudonyms_of(pipeline, platform)
    hidden = isinstance(pipeline.column(column).privacy, Pseudonymise)
    stored = pseudonyms.of(value.encode("utf-8")) if hidden else value
    return Subject(column, stored, pseudonyms.mark(stored))


def holdings(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, subject: Subject
) -> Holdings:
    """Return what holds somebody's rows, or was made of them.

    Raises: SnapshotMissingError, DigestMismatchError, UnreachableError where a batch cannot be
            looked into: nobody can say then that somebody is not in it.
    """
    facts = platform.record(pipeline.name).facts()
    search = Search(instance, platform, pipeline, subject, withdrawn(facts))
    search.raw()
    search.tables()
    search.labels()
    search.derived()
    features = {(one.batch, one.stored.snapshot.sha256) for one in search.of("features")}
    manifests = tuple(
        stored
        for stored in newest_first(instance, key(pipeline, "training_set"))
        if features
        & {(b, sha) for b, (sha, _) in stored.reads[f"{pipeline.name}/features"].items()}
    )
    return Holdings(
        snapshots=tuple(search.found),
        training_sets=manifests,
        versions=learned(platform, pipeline, facts, {one.snapshot.sha256 for one in manifests}),
        champion=None if (now := champion_of(facts)) is None else now.version,
    )


def learned(
    platform: Platform, pipeline: Pipeline, facts: list[Fact], manifests: set[str]
) -> tuple[int, ...]:
    """Return the versions that were trained on one of these training sets and are still there."""
    gone = deletions(facts)
    with platform.registry.reachable():
        versions = platform.registry.versions(pipeline.name)
    return tuple(
        one.version
        for one in versions
        if one.tags.get("training_set") in manifests and one.version not in gone
    )


class Search:
    """The search for one subject, and what it has found so far."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        platform: Platform,
        pipeline: Pipeline,
        subject: Subject,
        gone: dict[str, Any],
    ) -> None:
        self._instance = instance
        self._platform = platform
        self._pipeline = pipeline
        self._subject = subject
        self._gone = gone
        self._row_ids: dict[str, set[str]] = {}
        self._newest: dict[tuple[str, str], int] = {}
        self.found: list[Held] = []

    def of(self, stage: str) -> list[Held]:
        """Return what was found of one stage."""
        return [one for one in self.found if one.stage == stage]

    def raw(self) -> None:
        """Look into every raw batch that was ever taken in."""
        limits, subject = self._pipeline.source.limits, self._subject
        for stored in self._there("raw"):
            blob = self._platform.snapshots.blob(stored.snapshot)
            data, found = opened_or_not(blob.data, str(stored.batch), limits)
            if found is None:
                if subject.stored.encode("utf-8") in data:
                    self._note("raw", None, stored)
                continue
            places = theirs(data, found, subject.column, subject.stored.__eq__)
            if any(places):
                self._note("raw", sum(places), stored)
                self._note_rows(stored)

    def tables(self) -> None:
        """Count the rows in what was released, validated, and quarantined.

        A mended row may name another subject than the raw bytes do.
        """
        for stage in ("released", "validated", "quarantine"):
            released = stage == "released"
            for stored in self._there(stage) if released else self._made_of(stage, OF_TABLES):
                table = self._platform.snapshots.load(stored.snapshot)
                rows = len(self._their_rows(table))
                if rows:
                    self._note(stage, rows, stored)

    def labels(self) -> None:
        """Count the late labels of somebody's rows."""
        if self._pipeline.labels is None:
            return
        for stored in self._there("labels"):
            ids = self._row_ids.get(str(stored.batch))
            if not ids:
                continue
            try:
                blob = self._platform.snapshots.blob(stored.snapshot)
                labels = label_rows(self._pipeline, stored, blob)
            except BatchRefusedError:
                continue
            rows = sum(one in ids for one in row_texts(self._pipeline, labels))
            if rows:
                self._note("labels", rows, stored)

    def derived(self) -> None:
        """Follow what was made of the validated rows, each batch by itself."""
        for stage, sources in MADE_OF.items():
            for stored in self._made_of(stage, sources):
                rows = None
                if stage in WITH_ROWS:
                    if not stored.metadata.get("dagster/row_count"):
                        continue  # nobody was scored
                    rows = self._rows_of(stored, sources[0])
                self._note(stage, rows, stored)

    def _note(self, stage: str, rows: int | None, stored: Stored) -> None:
        is_newest = self._newest[stage, str(stored.batch)] == stored.storage_id
        self.found.append(Held(stage, rows, stored, is_newest))

    def _there(self, stage: str) -> list[Stored]:
        """Return all that was stored of a stage, each once, but for what was withdrawn."""
        every = list(newest_first(self._instance, key(self._pipeline, stage)))
        for stored in every:
            self._newest.setdefault((stage, str(stored.batch)), stored.storage_id)
        return [one for one in every if one.snapshot.sha256 not in self._gone]

    def _made_of(self, stage: str, sources: tuple[str, ...]) -> list[Stored]:
        """Return what says that it read something of its own batch that was found."""
        known = {(o.stage, o.batch, o.stored.snapshot.sha256) for o in self.found}
        return [
            stored
            for stored in self._there(stage)
            if any(
                (source, str(stored.batch), self._read(stored, source)) in known
                for source in sources
            )
        ]

    def _read(self, stored: Stored, source: str) -> str | None:
        """Return the hash of what a step read of its own batch."""
        read = stored.reads.get(f"{self._pipeline.name}/{source}", {})
        return read[str(stored.batch)][0] if str(stored.batch) in read else None

    def _rows_of(self, stored: Stored, source: str) -> int | None:
        """Return how many of somebody's rows that has of which this was made."""
        sha256 = self._read(stored, source)
        rows = (o.rows for o in self.of(source) if o.stored.snapshot.sha256 == sha256)
        return next(rows, None)

    def _their_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return somebody's rows of a typed table."""
        wanted = {self._subject.stored}
        values = table[self._subject.column]
        if self._pipeline.column(self._subject.column).dtype == "int64":
            wanted = {str(int(one)) for one in wanted if one.lstrip("-").isdigit()}
            values = values.astype("Int64")  # stored with a gap, it would be read as 5.0
        return table[values.astype(str).isin(wanted)]

    def _note_rows(self, raw: Stored) -> None:
        """Remember which rows are somebody's: late labels name them by the row key alone."""
        if self._pipeline.labels is None:
            return
        rows = parsed_rows(self._pipeline, self._platform, raw)
        if rows is not None:
            ids = row_texts(self._pipeline, self._their_rows(rows))
            self._row_ids.setdefault(str(raw.batch), set()).update(ids)
