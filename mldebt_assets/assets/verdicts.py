"""The one adapter from a verdict to Dagster's check result."""

import dagster as dg

from mldebt_assets.core.verdict import Verdict


def check_result(
    verdict: Verdict,
    asset: dg.AssetKey,
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """Return the verdict as an asset check's result, with what was measured beside its limit."""
    facts = {"measured": verdict.measured, "limit": verdict.limit, "unit": verdict.unit or None}
    return dg.AssetCheckResult(
        passed=verdict.passed,
        check_name=verdict.name,
        asset_key=asset,
        severity=severity,
        description=verdict.reason,
        metadata={name: value for name, value in facts.items() if value is not None},
    )
