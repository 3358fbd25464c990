"""``p/champion``: the promotion. A refusal is recorded, and materializes nothing.

The order is that of :mod:`mldebt_assets.assets.promoting`; a kill in between leaves the old
champion until the next start finishes the promotion.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import dagster as dg

from mldebt_assets.assets.champion_page import headline
from mldebt_assets.assets.keys import REASON_TAG, RETRAINING_TAG, common, key
from mldebt_assets.assets.promoting import (
    LONGEST_PROMOTION_SECONDS,
    alone,
    finish,
    intend,
    promotion_value,
)
from mldebt_assets.assets.training_set import made_from
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import (
    ACT,
    JUDGED,
    ROLLBACK,
    Champion,
    Fact,
    champions_of,
    deletions,
    judged_by_gate,
)
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, at_storage_id, snapshot_metadata
from mldebt_assets.store import Snapshot

LARGEST_ONNX_DISAGREEMENT = 1e-5


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that promotes what the gate let through."""

    @dg.asset(
        **common(pipeline, "champion", kinds={"onnx", "mlflow"}, partitioned=False),
        deps=[
            key(pipeline, "evaluation"),
            key(pipeline, "model"),
            key(pipeline, "training_set"),
            dg.AssetDep(key(pipeline, "features"), partition_mapping=dg.AllPartitionMapping()),
        ],
        output_required=False,
        description="The model in production: who decided it, why, and what it replaced.",
    )
    def champion(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[dg.Output[dict[str, Any]]]:
        reading = Reading(context.instance, platform.snapshots)
        decision = decide(context, pipeline, reading)
        record = platform.record(pipeline.name)
        before = decided_before(record.facts(), decision)
        if before is not None:
            context.log.info("Fact %d of the record decided on this already.", before.sequence)
            return
        when = time_of(record.facts(), decision)
        decision["effective_at"] = when.isoformat()
        if not decision["evaluation"]["promote"]:
            record.append("refused", decision, effective_at=when)
            context.log.info("Refused: %s", decision["reason"])
            return
        model = at_storage_id(
            context.instance, key(pipeline, "model"), decision["model"]["storage_id"]
        )
        newest_batch = list(decision["reference"]["batches"])[-1]
        onnx = export(pipeline, platform, reading, model, newest_batch)
        decision["onnx"] = snapshot_metadata(onnx)
        if pipeline.gate.approval:
            record.append("proposed", decision, effective_at=when)
            context.log.info("Proposed: `mldebt approve %s` promotes it.", pipeline.name)
            return
        with alone(platform, pipeline, wait_seconds=LONGEST_PROMOTION_SECONDS):
            overtaken = no_longer_champion(record.champion(), decision) or left_by_a_person(
                record.facts(), decision["version"], decision["weights_sha256"]
            )
            if overtaken is not None:
                record.append("refused", {**decision, "reason": overtaken}, effective_at=when)
                context.log.info("Refused: %s", overtaken)
                return
            intent = intend(platform, pipeline, decision)
            facts = headline(context.instance, platform, pipeline, intent)
            yield dg.Output(promotion_value(intent), metadata={**facts, **reading.metadata()})
            finish(record, intent)

    return [champion]


def decide(context: dg.AssetExecutionContext, pipeline: Pipeline, reading: Reading) -> Any:
    """Return everything that the record keeps of a decision, whichever way it went."""
    evaluated = reading.newest(key(pipeline, "evaluation"))
    evaluation = reading.load(evaluated)
    model = made_from(context.instance, evaluated, key(pipeline, "model"))
    manifest_stored = made_from(context.instance, model, key(pipeline, "training_set"))
    manifest = reading.load(manifest_stored)
    tags = context.run.tags
    return {
        "version": model.metadata["version"],
        "weights_sha256": model.snapshot.sha256,
        "model": located(model),
        "training_set": located(manifest_stored),
        "evaluation": {**located(evaluated), "promote": evaluation["promote"]},
        "expected": evaluation["models"].get("candidate", {}).get("metrics"),
        "previous_version": (evaluation["incumbent"] or {}).get("version"),
        "reference": drift_reference(context.instance, pipeline, manifest_stored, manifest),
        "effective_at": manifest["batches"][-1]["effective_at"],
        "by": f"gate, in Dagster run {context.run.run_id}",
        "reason": evaluation["reason"],
        "asked_because": tags.get(REASON_TAG, "materialized by hand"),
        "retraining": tags.get(RETRAINING_TAG),
        "run_id": context.run.run_id,
    }


def time_of(facts: list[Fact], decision: dict[str, Any]) -> datetime:
    """Return the data's time of a decision: never before that of what was decided earlier.

    A training on an earlier training set would else have been in force back then. What was only
    proposed was decided too: its approval holds from no earlier.
    """
    decided = [fact.effective_at for fact in facts if fact.kind in JUDGED]
    return max([*decided, datetime.fromisoformat(decision["effective_at"])])


def decided_before(facts: list[Fact], decision: dict[str, Any]) -> Fact | None:
    """Return the fact that decided on this very evaluation, if one did: it is not decided twice."""
    for fact in judged_by_gate(facts):
        if all(
            fact.body[name]["storage_id"] == decision[name]["storage_id"]
            for name in ("evaluation", "model", "training_set")
        ):
            return fact
    return None


def no_longer_champion(champion: Champion | None, decision: dict[str, Any]) -> str | None:
    """Return why a candidate's victory says nothing any more, or None while it does.

    Somebody may have gone back to another version while it was trained.
    """
    judged_beside, now = decision["previous_version"], champion and champion.version
    if judged_beside == now:
        return None
    names = [f"v{v}" if v else "no champion" for v in (judged_beside, now)]
    return f"it was judged beside {names[0]}, but by now {names[1]} is in production"


def left_by_a_person(facts: list[Fact], version: int, weights_sha256: str) -> str | None:
    """Return why the gate may not promote these very weights again, or None where it may.

    Equal data, code and configuration give the version that somebody went back from, or the
    weights that somebody deleted: what they saw, the held-out rows do not show.
    """
    last = [
        fact.sequence
        for fact in facts
        if fact.kind == "intent" and fact.body["weights_sha256"] == weights_sha256
    ]
    weights = {one.version: one.weights_sha256 for one in champions_of(facts)}
    gone = [
        (fact, "went back from", fact.body["previous_version"])
        for fact in facts
        if fact.body.get(ACT) == ROLLBACK
        and weights.get(fact.body["previous_version"]) == weights_sha256
    ]
    gone += [
        (fact, "deleted", number)
        for number, fact in deletions(facts).items()
        if fact.body["weights_sha256"] == weights_sha256
    ]
    if not gone:
        return None
    fact, did, number = max(gone, key=lambda one: one[0].sequence)
    if last and last[-1] > fact.sequence:
        return None
    same = "" if number == version else f", which had the very weights of v{version}"
    body = fact.body
    return f"{body['by']} {did} v{number}{same} ({body['reason']}); only a person brings it back"


def located(stored: Stored) -> dict[str, Any]:
    """Return where and what an artefact is, for the record."""
    return {**snapshot_metadata(stored.snapshot), "storage_id": stored.storage_id}


def drift_reference(
    instance: dg.DagsterInstance, pipeline: Pipeline, stored: Stored, manifest: dict[str, Any]
) -> dict[str, Any]:
    """Return what the champion's drift is measured against: the last batches it trained on."""
    batches = {}
    for entry in manifest["batches"][-pipeline.drift.reference_batches :]:
        _, storage_id = stored.reads[f"{pipeline.name}/features"][entry["batch"]]
        features = at_storage_id(instance, key(pipeline, "features"), int(storage_id))
        validated = made_from(instance, features, key(pipeline, "validated"))
        batches[entry["batch"]] = {**validated.identity, "storage_id": validated.storage_id}
    hashes = {batch: snapshot["sha256"] for batch, snapshot in batches.items()}
    return {"hash": digest(hashes), "batches": batches}


def export(
    pipeline: Pipeline, platform: Platform, reading: Reading, model: Stored, batch: str
) -> Snapshot:
    """Store the model as ONNX, after checking that it agrees with it on a batch's rows.

    Raises: dagster.Failure if the two disagree; nothing is promoted then.
    """
    from mldebt_assets.core.features import inputs_of
    from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
    from mldebt_assets.core.training import from_bytes

    fitted = from_bytes(reading.load(model).data)
    exported = to_onnx(fitted)
    rows = inputs_of(reading.load(reading.newest(key(pipeline, "features"), batch)))
    disagreement = onnx_disagreement(fitted, exported, rows)
    if disagreement > LARGEST_ONNX_DISAGREEMENT:
        raise dg.Failure(
            f"The ONNX export differs from the model by {disagreement:.2g} on {len(rows)} rows, "
            f"more than {LARGEST_ONNX_DISAGREEMENT:g}; nothing was promoted.\n"
            "Fix: check the versions of onnx and torch with `mldebt doctor`."
        )
    version = model.metadata["version"]
    return platform.snapshots.put(
        exported, folder=f"{pipeline.name}/onnx", name=f"version-{version}.onnx"
    )
