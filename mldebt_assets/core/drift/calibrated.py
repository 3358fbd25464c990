"""What the rule finds where it is calibrated: p-values of divided blocks, not those of rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.drift.blocks import Blocks
    from mldebt_assets.core.drift.calibration import Calibration
    from mldebt_assets.core.drift.report import ColumnDrift, CorrelationDrift
    from mldebt_assets.core.policies import Drift


def calibration_reason(
    calibration: Calibration | None, blocks: Blocks | None, limits: Drift
) -> str:
    """Return what the p-values rest on, and why not on blocks where they do not."""
    if blocks is None:
        return "no blocks of rows to calibrate on, so every row was taken for independent"
    if calibration is None:
        return (
            f"{blocks.sizes}, can be divided in {blocks.ways} ways, of {1 / limits.false_alarms:g} "
            "that are needed, so every row was taken for independent"
        )
    return f"{blocks.sizes}: {calibration.ways} ways to divide them, p {calibration.p_value:.2g}"


def calibrated_columns(
    columns: Sequence[ColumnDrift], calibration: Calibration, limits: Drift
) -> tuple[ColumnDrift, ...]:
    """Return the columns as the divided blocks tell them."""
    return tuple(
        replace(
            column,
            p_value=None if column.p_value is None else float(p_value),
            missing_p_value=float(missing_p),
            moved=column.distance is not None
            and column.distance > limits.distance
            and bool(p_value <= limits.false_alarms),
            missing_moved=column.missing_change > limits.distance
            and bool(missing_p <= limits.false_alarms),
            # Of pooled categories less was tested than the distance tells.
            underpowered=bool(reach > limits.distance)
            or column.distance is None
            or (column.distance > limits.distance and bool(p_value > limits.false_alarms)),
        )
        for column, p_value, missing_p, reach in zip(
            columns, calibration.columns, calibration.missing, calibration.reach, strict=True
        )
    )


def calibrated_pairs(
    pairs: Sequence[CorrelationDrift],
    names: Sequence[str],
    calibration: Calibration,
    limits: Drift,
) -> list[CorrelationDrift]:
    """Return the pairs as the divided blocks tell them; ``names`` are of all numeric columns."""
    place = {name: index for index, name in enumerate(names)}
    judged = []
    for pair in pairs:
        p_value = float(calibration.correlations[place[pair.first], place[pair.second]])
        drifted = pair.change > limits.correlation and p_value <= limits.false_alarms
        judged.append(replace(pair, p_value=p_value, drifted=drifted))
    return worst_first(judged)


def worst_first(pairs: Sequence[CorrelationDrift]) -> list[CorrelationDrift]:
    """Return the pairs by their change, those that drifted first."""
    return sorted(pairs, key=lambda pair: (pair.drifted, pair.change), reverse=True)
