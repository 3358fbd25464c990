"""Which change of the inputs is too much: the drift rule.

A column has drifted where its distribution, or its share of missing values, moved both visibly
(by more than ``Drift.distance``) and significantly (Bonferroni over all tests of all columns that
can be made: where nothing is missing on either side, its share is no test). A pair of numeric
columns has drifted where its correlation moved by more than ``Drift.correlation`` and significantly
(Bonferroni over all pairs). Columns spend ``Drift.level`` and pairs half of it, so that a false
alarm is at most 1.5 times as frequent, .0075, as long as rows are independent. With twenty columns
and 10,000 rows on either side it is then the limit on the distance that decides, not the p-value: a
shift that the one lets through is not lost to the other. Real rows seldom
are: with their blocks (days) at hand the p-values are those of
:mod:`mldebt_assets.core.drift.calibration`, and without, a report calls itself uncalibrated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldebt_assets.core.drift.blocks import Blocks, count_blocks, in_one_block, laid_beside
from mldebt_assets.core.drift.by_rows import judge_columns, judge_pairs, least_distance, tests_of
from mldebt_assets.core.drift.calibrated import (
    calibrated_columns,
    calibrated_pairs,
    calibration_reason,
)
from mldebt_assets.core.drift.calibration import calibrate
from mldebt_assets.core.drift.counts import Reference, TableCounts, reference_of
from mldebt_assets.core.drift.report import (
    DriftReport,
    correlation_verdict,
    distribution_verdict,
    furthest,
    missing_verdict,
)
from mldebt_assets.core.drift.sketch import sketch_of
from mldebt_assets.core.drift.statistics import FINE_BINS
from mldebt_assets.core.errors import EmptySampleError, UnlikeSketchesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mldebt_assets.core.policies import Drift
    from mldebt_assets.core.schema import Column

LISTED_PAIRS = 10


def judge(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    *,
    columns: Sequence[Column],
    limits: Drift,
    unit: str | None = None,
) -> DriftReport:
    """Return what the rule says of ``current`` against ``reference``.

    Args:   both tables with at least ``columns``, which are strings or numbers; ``unit`` names
            the column whose values part their rows into the blocks to calibrate on.
    Raises: EmptySampleError if either table has no rows; KeyError if it lacks a column.
    """
    against = reference_of(sketch_of(reference, columns), "these rows")
    if unit is None:
        return judge_counts(against, in_one_block(current, against).whole, limits)
    before, after = (count_blocks(table, unit, against) for table in (reference, current))
    return judge_counts(against, after.whole, limits, laid_beside(before, after))


def judge_counts(
    reference: Reference, current: TableCounts, limits: Drift, blocks: Blocks | None = None
) -> DriftReport:
    """Return what the rule says of a table that was counted on the reference's bins.

    With the same rows in enough ``blocks``, it is calibrated on these.

    The reference is known by its sketch: where that is of more than 1,025 rows in several parts,
    a distance is off by up to 1/1024, on top of the 1/256 of the bins.

    Raises: EmptySampleError if either side has no rows; UnlikeSketchesError if the counts are on
            another reference's bins.
    """
    if current.reference != reference.hash:
        raise UnlikeSketchesError.of("reference")
    for sample, rows in (("reference", reference.sketch.rows), ("current", current.rows)):
        if not rows:
            raise EmptySampleError.of(sample, dropped=0)
    tests = tests_of(reference, current)
    level = limits.level / max(tests, 1)
    judged = judge_columns(reference, current, level, limits)
    numbers = [column.name for column in judged if column.kind == "number"]
    pairs = judge_pairs(numbers, reference.sketch.moments, current.moments, limits)
    reaches = [least_distance(reference.sketch.rows, current.rows, level)] * len(judged)
    calibration = calibrate(blocks, reference, level=limits.false_alarms) if blocks else None
    if calibration:
        judged = calibrated_columns(judged, calibration, limits)
        pairs = calibrated_pairs(pairs, numbers, calibration, limits)
        reaches = calibration.reach.tolist()
    worst = furthest(judged, reaches)
    verdicts = (
        distribution_verdict(judged, limits, worst, parts="blocks" if calibration else "rows"),
        missing_verdict(judged, limits),
        correlation_verdict(pairs, limits),
    )
    fired = [verdict.reason for verdict in verdicts if not verdict.passed]
    return DriftReport(
        drifted=bool(fired),
        summary="; ".join(fired) or verdicts[0].reason,
        rule=_rule(tests, len(numbers), limits, calibrated=calibration is not None),
        calibration="calibrated" if calibration else "uncalibrated",
        calibration_reason=calibration_reason(calibration, blocks, limits),
        underpowered=worst is None or worst.untold or worst.reach > limits.distance,
        reference_rows=reference.sketch.rows,
        current_rows=current.rows,
        columns=judged,
        correlations=tuple(pairs[:LISTED_PAIRS]),
        verdicts=verdicts,
    )


def _rule(tests: int, numbers: int, limits: Drift, *, calibrated: bool) -> str:
    promised = f"p <= {limits.false_alarms:g} (against the furthest of all in divided blocks)"
    pairs = numbers * (numbers - 1) // 2
    by_column = promised if calibrated else f"p < {limits.level:g}/{tests}"
    by_pair = promised if calibrated else f"p < {limits.level / 2:g}/{pairs} (Fisher z)"
    return (
        f"Drift is a column whose distance (KS on {FINE_BINS} reference-quantile bins; of "
        "categories total variation, tested by chi-squared) or change of the missing share "
        f"exceeds {limits.distance:g} with {by_column}, or a pair of numbers whose correlation "
        f"changed by more than {limits.correlation:g} with {by_pair}"
    )
