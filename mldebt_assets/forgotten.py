"""What the promotion record says of subjects that asked to be forgotten: the tombstones.

A ``forgotten`` fact comes before anything is removed. It knows its subject by a keyed mark alone,
and names every snapshot that is withdrawn by its hashes: from it on these are gone for everybody.
Its ``done`` says what was removed and what had to stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.promotions import ACT, champions_of, deletions, open_proposals, refused_feeds
from mldebt_assets.store import Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.promotions import Fact

FORGET = "forget"


@dataclass(frozen=True)
class Withdrawn:
    """One snapshot that was withdrawn, and the fact that says so."""

    fact: Fact
    stage: str
    batch: str
    rows: int | None
    snapshot: Snapshot

    @property
    def has_rows(self) -> bool:
        """Whether its bytes hold the rows; what was only made of them may come to be again."""
        return self.stage == "raw" or self.rows is not None

    @property
    def told(self) -> str:
        """Who withdrew it, when and why, as a sentence goes on."""
        body = self.fact.body
        return f"forgotten on {self.fact.recorded_at:%Y-%m-%d} by {body['by']} ({body['reason']})"


def forgettings(facts: Sequence[Fact]) -> list[Fact]:
    """Return the facts that somebody is forgotten, oldest first."""
    return [fact for fact in facts if fact.kind == "forgotten"]


def marks(facts: Sequence[Fact]) -> set[str]:
    """Return the keyed marks of everybody who is forgotten."""
    return {fact.body["subject"] for fact in forgettings(facts)}


def done_of(facts: Sequence[Fact], forgetting: Fact) -> Fact | None:
    """Return the fact that says what was removed for somebody; None while it is under way."""
    ended = (fact for fact in facts if fact.kind == "done")
    return next((fact for fact in ended if fact.body["intent"] == forgetting.sequence), None)


def open_forgettings(facts: Sequence[Fact]) -> list[Fact]:
    """Return the forgettings of which not everything is removed yet."""
    return [fact for fact in forgettings(facts) if done_of(facts, fact) is None]


def withdrawn(facts: Sequence[Fact]) -> dict[str, Withdrawn]:
    """Return every snapshot that was withdrawn for somebody, by its SHA-256.

    Bytes that turned out to be those of somebody's absence too are not among them.
    """
    found: dict[str, Withdrawn] = {}
    for fact in forgettings(facts):
        done = done_of(facts, fact)
        kept = {one["sha256"] for one in done.body["kept"]} if done else set()
        for one in fact.body["withdrawn"]:
            if one["sha256"] not in kept:
                snapshot = Snapshot(one["snapshot"], one["sha256"], one["md5"], one["bytes"])
                named = Withdrawn(fact, one["stage"], one["batch"], one["rows"], snapshot)
                found.setdefault(one["sha256"], named)
    return found


def never_again(facts: Sequence[Fact]) -> list[Withdrawn]:
    """Return what holds somebody's rows and was removed: it is to be nowhere any more."""
    return [
        one
        for one in withdrawn(facts).values()
        if one.has_rows and done_of(facts, one.fact) is not None
    ]


def unlearnable(facts: Sequence[Fact]) -> set[str]:
    """Return the validated rows, by SHA-256, that nothing learns from: broken feeds, or withdrawn.

    Withdrawn rows are the newest of a batch that was refused as it was made again without somebody.
    """
    return {*refused_feeds(facts), *withdrawn(facts)}


def gone_weights(facts: Sequence[Fact]) -> set[str]:
    """Return the weights, by SHA-256, that were removed since they had learned of somebody."""
    gone = [fact for fact in deletions(facts).values() if fact.body.get(ACT) == FORGET]
    ended = {fact.body["intent"]: fact.body for fact in facts if fact.kind == "done"}
    kept = {one["sha256"] for fact in gone for one in ended.get(fact.sequence, {}).get("kept", ())}
    return {fact.body["weights_sha256"] for fact in gone} - kept


def outstanding(facts: Sequence[Fact]) -> list[int]:
    """Return the versions that learned of somebody who is forgotten, and are still there."""
    gone = deletions(facts)
    learned = {version for fact in forgettings(facts) for version in fact.body["versions"]}
    return sorted(learned - gone.keys())


def dispensable(facts: Sequence[Fact]) -> list[int]:
    """Return those of the outstanding versions that production does not stand on."""
    champions = champions_of(list(facts))
    serving = {champions[-1].version} if champions else set()
    return [version for version in outstanding(facts) if version not in serving]


def awaiting(facts: Sequence[Fact]) -> list[Fact]:
    """Return the proposals of versions that learned of somebody who is forgotten."""
    left = set(outstanding(facts))
    return [fact for fact in open_proposals(facts) if fact.body["version"] in left]


def told_of_batches(
    facts: Sequence[Fact], entries: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return which of a training set's snapshots are withdrawn, by whom, when and why."""
    gone = withdrawn(facts)
    return [
        {
            "batch": entry["batch"],
            "stage": stage,
            "sha256": entry[stage]["sha256"],
            "by": one.fact.body["by"],
            "reason": one.fact.body["reason"],
            "recorded_at": one.fact.recorded_at.isoformat(),
        }
        for entry in entries
        for stage in ("raw", "labels", "validated", "features")
        if stage in entry and (one := gone.get(entry[stage]["sha256"])) is not None
    ]
