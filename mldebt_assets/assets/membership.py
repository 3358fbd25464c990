"""The check on ``p/champion`` that it does not give away which rows it has learned from."""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evidence import failed, report
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.predictions import load_model
from mldebt_assets.assets.training_set import training_features
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError, RefusedError
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.forgotten import outstanding
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import adopted_by, champion_of, told_of_adoption
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, at_storage_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mldebt_assets.core.membership import Audit

CHECK = "no_membership_leak"
MEANING = "Whoever asks the champion about a row does not learn whether it was trained on it."
ROUNDS = 500
ATTACKS = ("rmia", "loss")


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check on the champion that attacks it."""

    @dg.asset_check(asset=key(pipeline, "champion"), name=CHECK, description=MEANING)
    def no_membership_leak(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            version, found = attacked(context.instance, platform, pipeline)
        except MLDebtError as problem:
            return failed(pipeline, CHECK, f"Not shown: {problem}")
        return result(pipeline, version, found)

    return [no_membership_leak]


def audited(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, by: str
) -> dict[str, Any]:
    """Attack the champion because a person asks, and keep what was found as its check.

    Raises: RefusedError before there is a champion; UnauditableError where it has too few rows;
            SnapshotError if what it stands on is gone or damaged.
    """
    started = time.monotonic()
    version, found = attacked(instance, platform, pipeline)
    report(instance, result(pipeline, version, found), by)
    return {
        "pipeline": pipeline.name,
        "version": version,
        "leaks": found.leaks,
        "members": found.members,
        "outsiders": found.outsiders,
        "rmia": found.rmia.as_dict(),
        "loss": found.loss.as_dict(),
        "seconds": time.monotonic() - started,
    }


def attacked(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> tuple[int, "Audit"]:
    """Return the champion's version, and what both attacks find out about its rows.

    Members are the rows that it has learned from, outsiders those of its held-out groups; the
    reference models are trained as it was, on halves of all these groups.
    """
    from mldebt_assets.core.membership import audit
    from mldebt_assets.core.training import fit, predict

    facts = platform.record(pipeline.name).facts()
    champion = champion_of(facts)
    if champion is None:
        said = f"{pipeline.name} has no champion yet, so there is nothing to attack."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}`.")
    if champion.version in outstanding(facts):
        raise RefusedError.of(
            f"{pipeline.name} v{champion.version} has learned of somebody who is forgotten, and "
            "the rows that it learned from are gone, so no attack can be judged.",
            "ask again once the retraining that this asks for has replaced it.",
        )
    body, reading = champion.promotion.body, Reading(instance, platform.snapshots)
    adopted = adopted_by(body)
    if adopted is not None:
        raise RefusedError.of(
            f"{pipeline.name} v{champion.version} was {told_of_adoption(adopted)}: which rows it "
            "has learned from is not known, so no attack can be judged.",
            "ask again once a version that was trained here is champion.",
        )
    manifest = at_storage_id(
        instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    table = reading.load_together(training_features(instance, pipeline, manifest))
    table = table[table[LABEL].notna()]
    task = pipeline.task
    inputs, labels = inputs_of(table), task.numbers(table[LABEL])
    place = split_of(table[GROUP], pipeline.split).to_numpy()

    def likelihood_of(mask: "NDArray[np.bool_]") -> "NDArray[np.float64]":
        model = fit(
            inputs[mask],
            labels[mask],
            place[mask] == "tuning",
            settings=pipeline.training,
            costs=pipeline.costs,
            task=task,
        )
        return task.likelihood(labels, predict(model, inputs))

    served = load_model(pipeline, platform, body)
    return champion.version, audit(
        likelihood_of,
        task.likelihood(labels, task.aligned(predict(served, inputs), served.classes)),
        member=place == "training",
        outsider=place == "held_out",
        groups=table[GROUP].to_numpy(),
        rounds=ROUNDS,
        confidence=pipeline.gate.confidence,
        seed=pipeline.training.seed,
    )


def result(pipeline: Pipeline, version: int, found: "Audit") -> dg.AssetCheckResult:
    """Return an audit as the check's result."""
    attacks = {name: dg.MetadataValue.json(getattr(found, name).as_dict()) for name in ATTACKS}
    return check_result(
        found.verdict(CHECK),
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details={"version": version, **attacks},
    )
