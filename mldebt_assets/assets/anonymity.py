"""The check on ``p/champion`` that the rows it has learned from hide among each other."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evidence import failed, report
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.training_set import each_made_from, training_features
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError, RefusedError
from mldebt_assets.core.features import GROUP, LABEL
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.privacy.anonymity import CHECK, MEANING
from mldebt_assets.pipeline import Pipeline, Privacy
from mldebt_assets.promotions import adopted_by, told_of_adoption
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, at_storage_id

if TYPE_CHECKING:
    from mldebt_assets.core.privacy.anonymity import Anonymity

HELD_OUT = "held_out"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check, where the pipeline declares quasi-identifiers."""
    declared = pipeline.privacy
    if declared is None:
        return []

    @dg.asset_check(asset=key(pipeline, "champion"), name=CHECK, description=MEANING)
    def k_anonymous(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            version, found = of_champion(context.instance, platform, pipeline, declared)
        except MLDebtError as problem:
            return failed(pipeline, CHECK, f"Not shown: {problem}")
        return result(pipeline, declared, version, found)

    return [k_anonymous]


def shown(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, by: str
) -> dict[str, Any] | None:
    """Measure because a person asks, and keep what was found as the check.

    None where no quasi-identifier is declared, before there is a champion, or where it was adopted.
    """
    from mldebt_assets.core.privacy.anonymity import judge

    declared = pipeline.privacy
    champion = platform.record(pipeline.name).champion()
    if declared is None or champion is None or adopted_by(champion.promotion.body) is not None:
        return None
    version, found = of_champion(instance, platform, pipeline, declared)
    report(instance, result(pipeline, declared, version, found), by)
    verdict = judge(found, declared)
    return {
        "version": version,
        "passed": verdict.passed,
        "reason": verdict.reason,
        **found.as_dict(),
    }


def of_champion(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, declared: Privacy
) -> "tuple[int, Anonymity]":
    """Return the champion's version, and what is measured of its rows.

    Raises: RefusedError before there is a champion; SnapshotError if a batch is gone or damaged.
    """
    champion = platform.record(pipeline.name).champion()
    if champion is None:
        said = f"{pipeline.name} has no champion yet, so there are no rows to measure."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}`.")
    adopted = adopted_by(champion.promotion.body)
    if adopted is not None:
        raise RefusedError.of(
            f"{pipeline.name} v{champion.version} was {told_of_adoption(adopted)}: which rows it "
            "has learned from is not known.",
            "ask again once a version that was trained here is champion.",
        )
    stored = champion.promotion.body["training_set"]["storage_id"]
    manifest = at_storage_id(instance, key(pipeline, "training_set"), stored)
    return champion.version, measured(instance, platform, pipeline, declared, manifest)


def measured(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    declared: Privacy,
    manifest: Stored,
) -> "Anonymity":
    """Return what is measured of the validated rows of a training set that were learned from.

    These have a label, and are of no held-out group.
    """
    import pandas as pd

    from mldebt_assets.core.privacy.anonymity import measure

    features = training_features(instance, pipeline, manifest)
    validated = each_made_from(instance, features, key(pipeline, "validated"))
    names, parts = [*declared.quasi_identifiers, *declared.sensitive], []
    for made, of in zip(features, validated, strict=True):
        table, rows = (platform.snapshots.load(one.snapshot) for one in (made, of))
        learned = table[LABEL].notna() & (split_of(table[GROUP], pipeline.split) != HELD_OUT)
        parts.append(rows.loc[learned.to_numpy(), names])
    return measure(pd.concat(parts, ignore_index=True), declared)


def result(
    pipeline: Pipeline, declared: Privacy, version: int, found: "Anonymity"
) -> dg.AssetCheckResult:
    """Return what was measured as the check's result."""
    from mldebt_assets.core.privacy.anonymity import judge

    return check_result(
        judge(found, declared),
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details={"version": version, "measured of it": dg.MetadataValue.json(found.as_dict())},
    )
