"""What a check showed: the evidence of an answer, kept and read back with its age.

A run's checks are kept by Dagster; what a person shows by hand is kept here, as the same check.
"""

from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from mldebt_assets.assets.keys import key
from mldebt_assets.pipeline import Pipeline

EVALUATED = {
    AssetCheckExecutionRecordStatus.SUCCEEDED,
    AssetCheckExecutionRecordStatus.FAILED,
}


def newest_evidence(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    check: str,
    kept: tuple[str, ...],
    *,
    stage: str = "champion",
) -> dict[str, Any] | None:
    """Return what a check said last, when, and where it is kept; None before that.

    ``timestamp`` is when it was said, not when its run was planned; ``kept`` names the metadata
    that stands beside it, where the check has it. A check that is under way, or whose run was
    killed, says nothing.
    """
    asset = key(pipeline, stage)
    found = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(asset, check), limit=1, status=EVALUATED
    )
    evaluation, event = (found[0].evaluation, found[0].event) if found else (None, None)
    if evaluation is None or event is None:
        return None
    metadata = {name: entry.value for name, entry in evaluation.metadata.items()}
    return {
        "asset": asset.to_user_string(),
        "check": check,
        "passed": evaluation.passed,
        "run_id": found[0].run_id or None,
        "said": str(evaluation.description),
        "timestamp": event.timestamp,
        **{name: metadata[name] for name in kept if name in metadata},
    }


def failed(
    pipeline: Pipeline, check: str, said: str, *, stage: str = "champion"
) -> dg.AssetCheckResult:
    """Return the result of a check that could show nothing, and why."""
    return dg.AssetCheckResult(
        passed=False,
        check_name=check,
        asset_key=key(pipeline, stage),
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
    )


def report(instance: dg.DagsterInstance, result: dg.AssetCheckResult, by: str) -> None:
    """Keep a check's result in the event log as one of a person, outside any run."""
    if result.asset_key is None or result.check_name is None:
        raise TypeError("a result without its check belongs nowhere")
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=result.check_name,
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata={**result.metadata, "by": by},
        )
    )
