"""Which data, code and environment made a version, from what each step says that it read.

The walk goes by storage ids, never by "newest": promotion → model → training set → features →
validated → raw → source. Every manifest it passes is loaded by its hash and compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.walk import STAGES, found_from
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import RecordError, UnknownVersionError
from mldebt_assets.forgotten import told_of_batches
from mldebt_assets.promotions import ADOPTED, Fact, adopted_by, champion_of, deletions
from mldebt_assets.snapshots import at_storage_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

OUR_NETWORK: dict[str, Any] = {"name": None, "package": None, "parameters": {}}


BESIDE = ("labels", "released", "references")


def decision_on(facts: list[Fact], pipeline: str, version: int | None) -> Fact | None:
    """Return the promotion of the champion, or the decision on a version.

    A version's promotion says more than later refusals to promote it again. Returns None where no
    version is asked for and there is no champion yet.

    Raises: UnknownVersionError for a version on which nothing was decided.
    """
    if version is None:
        champion = champion_of(facts)
        return None if champion is None else champion.promotion
    decided = {
        fact.body["version"]: fact
        for kind in ("proposed", "refused", "intent")
        for fact in facts
        if fact.kind == kind
    }
    if version not in decided:
        raise UnknownVersionError.of(pipeline, version, decided)
    return decided[version]


def held_at(facts: list[Fact], moment: datetime, *, recorded: bool = False) -> list[Fact]:
    """Return the facts that held at a moment of the data's time, or of the wall clock."""
    return [
        fact for fact in facts if (fact.recorded_at if recorded else fact.effective_at) <= moment
    ]


def trace(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, decision: Fact
) -> dict[str, Any]:
    """Return the whole lineage of the version that a fact decided on, as plain JSON values.

    Raises: RecordError if the manifest and the steps that it names disagree.
    """
    body = decision.body
    model = at_storage_id(instance, key(pipeline, "model"), body["model"]["storage_id"])
    if adopted_by(body) is not None:
        return traced_to_adoption(pipeline, decision, model)
    training_set = at_storage_id(
        instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    manifest = platform.snapshots.load(training_set.snapshot)
    found = found_from(instance, platform, pipeline, training_set)
    beside = {name: found[name] for name in BESIDE}
    compare(platform, pipeline, manifest, found["hashes"])
    facts, entries = platform.record(pipeline.name).facts(), manifest["batches"]
    shown = [
        {name: entry[name] for name in ("batch", *reversed(STAGES))}
        | {name: of[entry["batch"]] for name, of in beside.items() if entry["batch"] in of}
        for entry in entries
    ]
    return {
        "pipeline": pipeline.name,
        "model": {
            "version": body["version"],
            "weights_sha256": body["weights_sha256"],
            "trained_at": datetime.fromtimestamp(model.timestamp, UTC).isoformat(),
            "mlflow_run_id": model.metadata["mlflow_run_id"],
            "dagster_run_id": model.run_id,
            "estimator": model.metadata.get("estimator") or OUR_NETWORK,
            "adopted": None,
        },
        "training_set": {
            "hash": training_set.snapshot.sha256,
            "rows": manifest["rows"],
            "batches": shown,
        },
        "code": {
            "commit": None if (c := model.metadata["code_commit"]) == "unknown" else c,
            "dirty": {"true": True, "false": False}.get(str(model.metadata["code_dirty"])),
            "digest": model.metadata["code_digest"],
        },
        "configuration": {
            "digest": model.metadata["configuration"],
            "values": model.metadata.get("configuration_facts"),
        },
        "environment": model.metadata["environment_facts"],
        "promotion": promotion_of(decision),
        "sources": found["sources"],
        "accepted": acceptances(facts, entries),
        "forgotten": told_of_batches(facts, shown),
    }


def traced_to_adoption(pipeline: Pipeline, decision: Fact, model: Stored) -> dict[str, Any]:
    """Return the lineage of an adopted version: it begins there, and what is not known is None."""
    body = decision.body
    told = ("file", "sha256", "trained_on", "by", "reason", "adopted_at", "rule_from")
    return {
        "pipeline": pipeline.name,
        "model": {
            "version": body["version"],
            "weights_sha256": body["weights_sha256"],
            "trained_at": None,
            "mlflow_run_id": model.metadata["mlflow_run_id"],
            "dagster_run_id": None,
            "estimator": OUR_NETWORK,
            "adopted": {name: body[ADOPTED][name] for name in told},
        },
        "training_set": {"hash": None, "rows": None, "batches": []},
        "code": dict.fromkeys(("commit", "dirty", "digest")),
        "configuration": dict.fromkeys(("digest", "values")),
        "environment": {},
        "promotion": promotion_of(decision),
        "sources": [],
        "accepted": [],
        "forgotten": [],
    }


def acceptances(facts: Iterable[Fact], batches: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return who had which of these batches' rows learned, when and why, though refused before."""
    learned = {entry["validated"]["sha256"] for entry in batches}
    return [
        {
            **{name: fact.body[name] for name in ("batch", "by", "reason", "refused_because")},
            "recorded_at": fact.recorded_at.isoformat(),
        }
        for fact in facts
        if fact.kind == "feed_accepted" and fact.body["validated"]["sha256"] in learned
    ]


def deletion_of(facts: list[Fact], version: int) -> dict[str, Any] | None:
    """Return who deleted a version, when and why; None while its model is there."""
    deletion = deletions(facts).get(version)
    if deletion is None:
        return None
    return {
        "by": deletion.body["by"],
        "reason": deletion.body["reason"],
        "effective_at": deletion.effective_at.isoformat(),
        "recorded_at": deletion.recorded_at.isoformat(),
    }


def promotion_of(decision: Fact) -> dict[str, Any]:
    """Return who decided what, when and why."""
    body = decision.body
    return {
        "promoted": decision.kind == "intent",
        "effective_at": decision.effective_at.isoformat(),
        "recorded_at": decision.recorded_at.isoformat(),
        "by": body["by"],
        "reason": body["reason"],
        "asked_because": body["asked_because"],
        "previous_version": body["previous_version"],
    }


def compare(
    platform: Platform,
    pipeline: Pipeline,
    manifest: dict[str, Any],
    hashes: dict[str, dict[str, str]],
) -> None:
    """Raise RecordError where the manifest names other bytes than the steps say they read."""
    for entry in manifest["batches"]:
        for stage in STAGES:
            stated = entry[stage]["sha256"]
            found = hashes[stage][entry["batch"]]
            if stated != found:
                raise RecordError.of(
                    str(platform.record(pipeline.name).path),
                    0,
                    f"the training set names {stage} {stated} for {entry['batch']}, "
                    f"but the event log says {found}",
                )
