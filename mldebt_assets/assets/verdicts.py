"""The one adapter from a verdict to Dagster's check result, and how a check is declared."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from mldebt_assets.core.verdict import Verdict


def check_spec(
    name: str,
    asset: dg.AssetKey,
    meaning: str,
    *,
    partitions: dg.PartitionsDefinition | None = None,
    blocking: bool = False,
) -> dg.AssetCheckSpec:
    """Return a check as its asset declares it; ``meaning`` says what a pass means.

    With ``partitions`` it is evaluated, and shown, for each of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.AssetCheckSpec(
            name=name,
            asset=asset,
            description=meaning,
            blocking=blocking,
            partitions_def=partitions,
        )


def check_result(
    verdict: Verdict,
    asset: dg.AssetKey,
    *,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    details: Mapping[str, Any] | None = None,
) -> dg.AssetCheckResult:
    """Return the verdict as an asset check's result, with what was measured beside its limit.

    ``details`` is metadata that the verdict itself has no place for.
    """
    facts = {
        "measured": shown(verdict.measured),
        "limit": shown(verdict.limit),
        "unit": verdict.unit or None,
    }
    return dg.AssetCheckResult(
        passed=verdict.passed,
        check_name=verdict.name,
        asset_key=asset,
        severity=severity,
        description=verdict.reason,
        metadata={
            **{name: value for name, value in facts.items() if value is not None},
            **(details or {}),
        },
    )


def shown(value: float | int | str | None) -> float | int | str | None:
    """Return a number as a page shows it, to six digits; the artefact holds all of them.

    >>> shown(-0.008171086955834838)
    -0.00817109
    """
    return float(f"{value:.6g}") if isinstance(value, float) else value
