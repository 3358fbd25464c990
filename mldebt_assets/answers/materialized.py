"""What Dagster's materializations say of a champion, held against the record and the manifest.

The walk goes by the storage ids that each step says it read, and goes on where an event is gone
or says something else. Of Dagster's own data versions those of outputs are sound; that of an
input only where it has no batches, and Dagster went by the very event that the step read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.answers.standing import Artefact
from mldebt_assets.answers.walk import STAGES
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.model import (
    BROUGHT,
    BROUGHT_MD5,
    DIFF,
    OWN_FILES,
    UNCOMMITTED,
    UNCOMMITTED_MD5,
)
from mldebt_assets.assets.promoting import STANDS_ON
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.snapshots import IDS_A_QUERY, READ_PREFIX
from mldebt_assets.store import HASH_DIGITS_IN_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mldebt_assets.answers.findings import Findings
    from mldebt_assets.pipeline import Pipeline

DATA_VERSION = "dagster/data_version"
INPUT_VERSION = "dagster/input_data_version/"
INPUT_EVENT = "dagster/input_event_pointer/"

READ_BESIDE = {"features": ("labels",), "validated": ("released", "references")}
FACTS = ("environment", "configuration")

Hashes = dict[str, str]
Reads = dict[str, Hashes]


class Events:
    """The materializations of one pipeline, as they stand in Dagster's event log."""

    def __init__(self, instance: dg.DagsterInstance, pipeline: Pipeline) -> None:
        self._instance = instance
        self._pipeline = pipeline

    def at(self, stage: str, storage_ids: Iterable[int]) -> dict[int, dg.AssetMaterialization]:
        """Return those of these events that are there, by their storage ids."""
        asked, found = sorted(set(storage_ids)), {}
        for start in range(0, len(asked), IDS_A_QUERY):
            ids = asked[start : start + IDS_A_QUERY]
            records = self._instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key(self._pipeline, stage), storage_ids=ids),
                limit=len(ids),
            ).records
            for record in records:
                if record.asset_materialization is not None:
                    found[record.storage_id] = record.asset_materialization
        return found

    def newest(self, stage: str) -> dg.AssetMaterialization | None:
        """Return the newest materialization of an asset without batches, if there is one."""
        records = self._instance.fetch_materializations(key(self._pipeline, stage), limit=1).records
        return records[0].asset_materialization if records else None


class Materialized:
    """The events behind one champion, each compared once."""

    def __init__(self, events: Events, pipeline: Pipeline, findings: Findings) -> None:
        self._events = events
        self._pipeline = pipeline.name
        self._findings = findings

    def check_promotion(
        self, named: Mapping[str, Artefact], told: Mapping[str, object], reads: dict[str, Reads]
    ) -> dict[str, dg.AssetMaterialization]:
        """Compare the events that the promotion names, and the newest one of the champion.

        ``told`` is what the champion's event must say beside its identity, and ``reads`` what
        each of them must have read.
        """
        events = {}
        for stage in (one for one in STANDS_ON if one in named):
            storage_id = named[stage].storage_id
            found = self._events.at(stage, [] if storage_id is None else [storage_id])
            event = found.get(storage_id or 0)
            if self.is_there(named[stage], event) and event is not None:
                events[stage] = event
                self._compare(named[stage], event, reads[stage])
        event = self._events.newest("champion")
        if self.is_there(named["champion"], event) and event is not None:
            events["champion"] = event
            self._compare(named["champion"], event, reads["champion"])
            for name, expected in told.items():
                self._said("champion", name, expected, event)
        return events

    def check_batches(
        self,
        named: Mapping[str, Mapping[str, Artefact]],
        training_set: dg.AssetMaterialization,
    ) -> list[Artefact]:
        """Compare every batch's events, going by what each one read; return what they read beside.

        The manifest names none of these: what was read is all that is known.
        """
        beside: list[Artefact] = []
        readers: dict[str, dg.AssetMaterialization] = dict.fromkeys(named["features"], training_set)
        for place, stage in enumerate(STAGES):
            of_stage = named[stage]
            ids = {batch: self._read_at(readers.get(batch), stage, batch) for batch in of_stage}
            found = self._events.at(stage, [i for i in ids.values() if i is not None])
            readers = {}
            for batch, artefact in of_stage.items():
                event = found.get(ids[batch] or 0)
                if not self.is_there(artefact, event) or event is None:
                    continue
                readers[batch] = event
                below = STAGES[place + 1 : place + 2]
                reads = {one: {batch: named[one][batch].sha256} for one in below}
                self._compare(artefact, event, reads)
                for other in READ_BESIDE.get(stage, ()):
                    beside += self._read_beside(other, event, batch)
        return beside

    def check_one(self, artefact: Artefact, stage: str) -> None:
        """Compare the one event of ``stage`` that something else names by its storage id."""
        if artefact.storage_id is None:
            return
        event = self._events.at(stage, [artefact.storage_id]).get(artefact.storage_id)
        if self.is_there(artefact, event) and event is not None:
            self._compare(artefact, event, {})

    def is_there(self, artefact: Artefact, event: dg.AssetMaterialization | None) -> bool:
        """Note whether the event that made an artefact is still in the log."""
        return self._findings.compare(
            f"{artefact.what} (event)",
            "dagster",
            "a materialization",
            None if event is None else "a materialization",
        )

    def _compare(self, artefact: Artefact, event: dg.AssetMaterialization, reads: Reads) -> None:
        """Compare an event's own words on one artefact: identity, place, data version, reads."""
        what, tags = artefact.what, event.tags or {}
        path = str(said(event, "snapshot"))
        place, _, name = path.rpartition("/")
        digits = artefact.sha256[:HASH_DIGITS_IN_PATHS]
        self._said(what, "sha256", artefact.sha256, event)
        self._said(what, "md5", artefact.md5, event)
        self._said(what, "pointer", f"snapshots/{path}.dvc", event)
        folder = f"{artefact.folder}/{digits}"
        compare = self._findings.compare
        compare(f"{what} (snapshot)", "dagster", folder, place if name else None)
        if artefact.path is not None:
            self._said(what, "snapshot", artefact.path, event)
        if artefact.rows is not None:
            self._said(what, "dagster/row_count", artefact.rows, event)
        compare(f"{what} (batch)", "dagster", artefact.batch, event.partition)
        compare(f"{what} (data version)", "dagster", artefact.sha256, tags.get(DATA_VERSION))
        for asset, hashes in reads.items():
            found = read_by(event, f"{self._pipeline}/{asset}")
            shown = {batch: entry[0] for batch, entry in found.items()}
            for batch in sorted({*hashes, *shown}):
                of = f"{what} (read {asset} {batch})" if batch else f"{what} (read {asset})"
                compare(of, "dagster", hashes.get(batch), shown.get(batch))
            self._compare_input(what, f"{self._pipeline}/{asset}", found, tags)

    def _compare_input(
        self, what: str, asset: str, read: dict[str, tuple[str, int]], tags: Mapping[str, str]
    ) -> None:
        """Compare Dagster's own word on an input, where it speaks of the event that was read."""
        if set(read) != {""} or tags.get(f"{INPUT_EVENT}{asset}") != str(read[""][1]):
            return
        version = tags.get(f"{INPUT_VERSION}{asset}")
        self._findings.compare(f"{what} (input {asset})", "dagster", read[""][0], version)

    def _said(self, what: str, name: str, expected: object, event: dg.AssetMaterialization) -> None:
        self._findings.compare(f"{what} ({name})", "dagster", expected, said(event, name))

    def _read_at(
        self, reader: dg.AssetMaterialization | None, stage: str, batch: str
    ) -> int | None:
        """Return the storage id under which a step read a batch of ``stage``, if it says one."""
        read = {} if reader is None else read_by(reader, f"{self._pipeline}/{stage}")
        return read[batch][1] if batch in read else None

    def _read_beside(
        self, stage: str, reader: dg.AssetMaterialization, batch: str
    ) -> list[Artefact]:
        """Compare the events of what a step read of a stage that not every batch has."""
        found = []
        for of, (sha256, storage_id) in read_by(reader, f"{self._pipeline}/{stage}").items():
            event = self._events.at(stage, [storage_id]).get(storage_id)
            artefact = Artefact(
                stage=stage,
                batch=batch,
                sha256=sha256,
                md5=str(said(event, "md5")) if event is not None else "",
                folder=f"{self._pipeline}/{stage}/{of}",
                storage_id=storage_id,
            )
            if self.is_there(artefact, event) and event is not None:
                self._compare(artefact, event, {})
                found.append(artefact)
        return found


def said(event: dg.AssetMaterialization, name: str) -> Any:
    """Return what an event says under a name, or None where it says nothing."""
    entry = event.metadata.get(name)
    return None if entry is None else entry.value


def read_by(event: dg.AssetMaterialization, asset: str) -> dict[str, tuple[str, int]]:
    """Return what a step says it read of an asset: ``{batch: (sha256, storage id)}``.

    An entry that is not of this form says nothing, and is missed where it is looked for.
    """
    stated = said(event, READ_PREFIX + asset)
    return {
        str(batch): (str(entry[0]), int(entry[1]))
        for batch, entry in (stated.items() if isinstance(stated, dict) else ())
        if isinstance(entry, list) and len(entry) == 2 and str(entry[1]).isdigit()  # noqa: PLR2004
    }


def facts_agree(event: dg.AssetMaterialization, findings: Findings) -> None:
    """Compare the digests of a model's event with the facts that it holds beside them.

    Versions that were trained before the configuration itself was kept have its digest alone.
    """
    for name in FACTS:
        facts = said(event, f"{name}_facts")
        if facts is None and name == "configuration":
            continue
        stated = digest(without_digest(facts)) if isinstance(facts, dict) else None
        findings.compare(f"model ({name}_facts)", "dagster", said(event, name), stated)


def uncommitted_code(pipeline: str, event: dg.AssetMaterialization) -> list[Artefact]:
    """Return what no commit had when a model was trained: the diff, the user's own pipeline files.

    Models that were trained before this was recorded say nothing of it.
    """
    folder = f"{pipeline}/code"
    kept = ((UNCOMMITTED, UNCOMMITTED_MD5, DIFF), (BROUGHT, BROUGHT_MD5, OWN_FILES))
    return [
        Artefact(
            stage="code",
            batch=None,
            sha256=str(said(event, stated)),
            md5=str(said(event, md5)),
            folder=folder,
            path=f"{folder}/{str(said(event, stated))[:HASH_DIGITS_IN_PATHS]}/{file}",
        )
        for stated, md5, file in kept
        if said(event, stated) not in {None, "none"}
    ]


def without_digest(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of an environment that its digest is taken of."""
    return {name: value for name, value in facts.items() if name != "digest"}
