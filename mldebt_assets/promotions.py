"""The promotion record: append-only, hash-chained, and the one truth of who is champion.

Each line is one fact. A promotion is an ``intent``, then MLflow's alias, then Dagster's champion
materialization, then ``done``; a kill between two of them leaves the old champion, and the next
start finishes the promotion (see :mod:`mldebt_assets.automation.reconcile`). The champion is
derived: the newest intent that is done.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from filelock import FileLock

from mldebt_assets.core.errors import RecordError
from mldebt_assets.core.fingerprint import canonical_json, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Kind = Literal[
    "proposed",
    "intent",
    "done",
    "undone",
    "refused",
    "batch_refused",
    "feed_refused",
    "feed_accepted",
    "decision",
    "deleted",
    "forgotten",
    "released",
    "key_pinned",
]

GENESIS = "0" * 64

ACT = "act"  # what a person did, in the body of its fact; the gate's decisions have none
ROLLBACK = "rollback"
ADOPT = "adopt"
ADOPTED = "adopted"  # what is said of a model that nobody trained here, in its promotion's body
JUDGED = {"proposed", "intent", "refused"}


@dataclass(frozen=True)
class Fact:
    """One line of the record."""

    sequence: int
    kind: Kind
    recorded_at: datetime
    effective_at: datetime
    body: dict[str, Any]
    hash: str


@dataclass(frozen=True)
class Champion:
    """The version in production, and the promotion that made it so."""

    version: int
    weights_sha256: str
    promotion: Fact

    @property
    def reference(self) -> dict[str, Any]:
        """The drift reference: its ``hash`` and the validated snapshots that it names."""
        reference: dict[str, Any] = self.promotion.body["reference"]
        return reference


class PromotionRecord:
    """The record of one pipeline, in one file of JSON lines."""

    def __init__(self, path: Path, pipeline: str) -> None:
        self.path = path
        self.pipeline = pipeline

    def facts(self) -> list[Fact]:
        """Return every fact in its order, after checking the chain of hashes.

        A last line that was torn by a kill in the middle of writing is no fact yet.

        Raises: RecordError naming the line where the chain breaks.
        """
        if not self.path.exists():
            return []
        facts: list[Fact] = []
        *lines, rest = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            previous = facts[-1].hash if facts else GENESIS
            facts.append(self._checked(number, line, previous))
        if not _may_be_torn(rest):
            raise RecordError.of(str(self.path), len(lines) + 1, "more follows it than a line end")
        return facts

    def _checked(self, number: int, line: bytes, previous: str) -> Fact:
        try:
            entry = json.loads(line)
            canonical_json(entry)
        except ValueError as problem:
            raise RecordError.of(str(self.path), number, "it is no JSON") from problem
        if not isinstance(entry, dict):
            raise RecordError.of(str(self.path), number, "it is no fact")
        stated = entry.pop("hash", None)
        if entry.get("previous") != previous or entry.get("sequence") != number:
            raise RecordError.of(str(self.path), number, "a line before it was changed or removed")
        if _signed(entry) != line:
            raise RecordError.of(str(self.path), number, "its hash is not that of its content")
        if entry["pipeline"] != self.pipeline:
            told = f"it is a fact about {entry['pipeline']!r}, not {self.pipeline!r}"
            raise RecordError.of(str(self.path), number, told)
        return Fact(
            sequence=number,
            kind=entry["kind"],
            recorded_at=datetime.fromisoformat(entry["recorded_at"]),
            effective_at=datetime.fromisoformat(entry["effective_at"]),
            body=entry["body"],
            hash=stated,
        )

    def append(
        self,
        kind: Kind,
        body: dict[str, Any],
        *,
        effective_at: datetime,
        recorded_at: datetime | None = None,
    ) -> Fact:
        """Append one fact and return it; it is on the disk when this returns.

        ``effective_at`` is the data's time, ``recorded_at`` the wall clock (now by default).
        """
        with self._lock():
            facts = self.facts()
            entry = {
                "sequence": len(facts) + 1,
                "previous": facts[-1].hash if facts else GENESIS,
                "pipeline": self.pipeline,
                "kind": kind,
                "recorded_at": (recorded_at or datetime.now(UTC)).isoformat(),
                "effective_at": effective_at.isoformat(),
                "body": body,
            }
            self._write(_signed(entry) + b"\n")
            return self.facts()[-1]

    def _write(self, line: bytes) -> None:
        whole = b"\n".join(_whole_lines(self.path.read_bytes())) if self.path.exists() else b""
        with self.path.open("r+b" if self.path.exists() else "xb") as file:
            file.truncate(len(whole) + 1 if whole else 0)
            file.seek(0, os.SEEK_END)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _lock(self) -> FileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.path}.lock")

    def champion(self) -> Champion | None:
        """Return the champion, or None before the first promotion is done."""
        return champion_of(self.facts())


def _whole_lines(data: bytes) -> list[bytes]:
    """Return the lines that were written to their end; bytes after the last newline are torn."""
    return data.split(b"\n")[:-1]


def _may_be_torn(rest: bytes) -> bool:
    """Return whether this is the beginning of a line: a whole one is followed by nothing."""
    text = rest.decode("utf-8", errors="replace")
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return True
    return end == len(text)


def _signed(entry: dict[str, Any]) -> bytes:
    """Return the one line that says this, with its hash."""
    return canonical_json({**entry, "hash": sha256(canonical_json(entry))})


def champion_of(facts: list[Fact]) -> Champion | None:
    """Return the champion that these facts make: the newest intent that is done."""
    champions = champions_of(facts)
    return champions[-1] if champions else None


def champions_of(facts: list[Fact]) -> list[Champion]:
    """Return every champion that there was, in the order in which they were promoted."""
    done = {fact.body["intent"] for fact in facts if fact.kind == "done"}
    return [
        Champion(
            version=fact.body["version"],
            weights_sha256=fact.body["weights_sha256"],
            promotion=fact,
        )
        for fact in facts
        if fact.kind == "intent" and fact.sequence in done
    ]


def way_back(facts: list[Fact]) -> list[Champion]:
    """Return the champions that can be gone back to, one after another; the last is in production.

    A promotion comes on top, and going back takes off what stood above: whoever goes back twice
    comes two versions back, and not to the one that was just left. What was deleted since is no
    way back.
    """
    stack: list[Champion] = []
    for champion in champions_of(facts):
        versions = [one.version for one in stack]
        if champion.promotion.body.get(ACT) == ROLLBACK and champion.version in versions:
            del stack[versions.index(champion.version) :]
        stack.append(champion)
    deleted = deletions(facts)
    return [one for one in stack if one.version not in deleted]


def deletions(facts: Sequence[Fact]) -> dict[int, Fact]:
    """Return the versions that somebody deleted, each with the fact that says who and why.

    The fact comes before anything is removed: from it on the version is gone for everybody.
    """
    return {fact.body["version"]: fact for fact in facts if fact.kind == "deleted"}


def open_deletions(facts: Sequence[Fact]) -> list[Fact]:
    """Return the deletions of which not everything is removed: a kill came between."""
    done = {fact.body["intent"] for fact in facts if fact.kind == "done"}
    return [fact for fact in facts if fact.kind == "deleted" and fact.sequence not in done]


def told_of_deletion(deletion: Fact) -> str:
    """Return who deleted a version, when and why, as a sentence goes on."""
    body = deletion.body
    return f"was deleted on {deletion.recorded_at:%Y-%m-%d} by {body['by']} ({body['reason']})"


def adopted_by(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a promotion's body says of an adopted model; None of one trained here."""
    found: dict[str, Any] | None = body.get(ADOPTED)
    return found


def adopted_versions(facts: Sequence[Fact]) -> list[int]:
    """Return the versions that were adopted and that nobody deleted."""
    gone = deletions(facts)
    found = {one.version for one in champions_of(list(facts)) if adopted_by(one.promotion.body)}
    return sorted(found - gone.keys())


def told_of_adoption(adopted: Mapping[str, Any]) -> str:
    """Return when a model was adopted, by whom and of what they say it was trained.

    >>> told_of_adoption({"adopted_at": "2026-11-22T10:00:00+00:00", "by": "ada", "trained_on": ""})
    'adopted on 2026-11-22 by ada; nobody has said what it was trained on'
    """
    told = f"adopted on {adopted['adopted_at'][:10]} by {adopted['by']}"
    if not adopted["trained_on"]:
        return f"{told}; nobody has said what it was trained on"
    return f"{told}, trained on: {adopted['trained_on']} (as they say)"


def judged_by_gate(facts: Sequence[Fact]) -> list[Fact]:
    """Return the gate's decisions, one a training: what a person did later trained nothing."""
    return [fact for fact in facts if fact.kind in JUDGED and ACT not in fact.body]


def open_proposals(facts: Sequence[Fact]) -> list[Fact]:
    """Return the candidates that the gate let through and on which no person has decided yet."""
    undone = {fact.body["intent"] for fact in facts if fact.kind == "undone"}
    answered = {
        fact.body["version"]: fact.sequence
        for fact in facts
        if fact.kind in {"intent", "refused"} and fact.sequence not in undone
    }
    return [
        fact
        for fact in facts
        if fact.kind == "proposed" and answered.get(fact.body["version"], 0) < fact.sequence
    ]


def decider(by: str) -> str:
    """Return who decided, as a sentence names them.

    >>> decider("gate, in Dagster run 1f"), decider("ada@depot")
    ('the gate, in Dagster run 1f', 'ada@depot')
    """
    return f"the {by}" if by.startswith("gate, ") else by


def open_intents(facts: list[Fact]) -> list[Fact]:
    """Return the intents that are neither done nor undone: a kill came between."""
    closed = {fact.body["intent"] for fact in facts if fact.kind in {"done", "undone"}}
    return [fact for fact in facts if fact.kind == "intent" and fact.sequence not in closed]


def newest_release(facts: Sequence[Fact], batch: str) -> Fact | None:
    """Return the newest fact that rows of a batch were released from quarantine, if there is one.

    What it names holds all that was released of the batch before, too.
    """
    of_batch = [f for f in facts if f.kind == "released" and f.body["batch"] == batch]
    return of_batch[-1] if of_batch else None


def refused_feeds(facts: Sequence[Fact]) -> dict[str, Fact]:
    """Return what triage called a broken feed and nobody accepted, by its validated rows' SHA-256.

    Nothing learns from them, and nothing is held to them. Other bytes are judged anew.
    """
    judged = judged_feeds(facts)
    return {sha256: fact for sha256, fact in judged.items() if fact.kind == "feed_refused"}


def judged_feeds(facts: Sequence[Fact]) -> dict[str, Fact]:
    """Return the newest word on each feed that triage called broken, by its rows' SHA-256.

    A person's acceptance is the last word on these very rows.
    """
    kinds = {"feed_refused", "feed_accepted"}
    return {fact.body["validated"]["sha256"]: fact for fact in facts if fact.kind in kinds}
