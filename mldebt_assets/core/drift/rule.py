"""Which change of the inputs is too much: the drift rule.

A column has drifted where its distribution, or its share of missing values, moved both visibly
(by more than ``Drift.distance``) and significantly (Bonferroni over all tests of all columns). A
pair of numeric columns has drifted where its correlation moved by more than ``Drift.correlation``
and significantly (Bonferroni over all pairs). Each half spends ``Drift.level``, so that the whole
raises a false alarm at most twice that often, as long as rows are independent. Real rows seldom
are: with their blocks (days) at hand the p-values are those of
:mod:`mldebt_assets.core.drift.calibration`, and without, a report calls itself uncalibrated.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from mldebt_assets.core.drift import statistics as st
from mldebt_assets.core.drift.bins import Bins, NumberBins
from mldebt_assets.core.drift.calibrated import (
    calibrated_columns,
    calibrated_pairs,
    calibration_reason,
    worst_first,
)
from mldebt_assets.core.drift.calibration import Blocks, Calibration, blocks_of, calibrate
from mldebt_assets.core.drift.counts import Reference, TableCounts, count, reference_of
from mldebt_assets.core.drift.moments import Moments, correlations, moments_of
from mldebt_assets.core.drift.rare import pooling
from mldebt_assets.core.drift.report import (
    ColumnDrift,
    CorrelationDrift,
    DriftReport,
    correlation_verdict,
    distribution_verdict,
    missing_verdict,
)
from mldebt_assets.core.drift.sketch import as_numbers, sketch_of
from mldebt_assets.core.drift.transport import spread_over, wasserstein
from mldebt_assets.core.errors import EmptySampleError, UnlikeSketchesError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from mldebt_assets.core.drift.lookup import Counted
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
    moments = moments_of([as_numbers(current[name]) for name in against.sketch.numbers])
    blocks = blocks_of(reference, current, unit, against) if unit else None
    return judge_counts(against, count(current, against, moments), limits, blocks)


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
    level = limits.level / max(2 * len(reference.bins), 1)
    judged = tuple(_judge_column(side, level, limits) for side in _sides(reference, current))
    numbers = [column.name for column in judged if column.kind == "number"]
    pairs = _judge_pairs(numbers, reference.sketch.moments, current.moments, limits)
    reach = _least_distance(reference.sketch.rows, current.rows, level)
    calibration = calibrate(blocks, reference, level=limits.false_alarms) if blocks else None
    if calibration:
        judged = calibrated_columns(judged, calibration, limits)
        pairs = calibrated_pairs(pairs, numbers, calibration, limits)
        reach = _reach_of_furthest(judged, calibration)
    verdicts = (
        distribution_verdict(judged, limits, reach, parts="blocks" if calibration else "rows"),
        missing_verdict(judged, limits),
        correlation_verdict(pairs, limits),
    )
    fired = [verdict.reason for verdict in verdicts if not verdict.passed]
    return DriftReport(
        drifted=bool(fired),
        summary="; ".join(fired) or verdicts[0].reason,
        rule=_rule(len(judged), len(numbers), limits, calibrated=calibration is not None),
        calibration="calibrated" if calibration else "uncalibrated",
        calibration_reason=calibration_reason(calibration, blocks, limits),
        underpowered=reach > limits.distance,
        reference_rows=reference.sketch.rows,
        current_rows=current.rows,
        columns=judged,
        correlations=tuple(pairs[:LISTED_PAIRS]),
        verdicts=verdicts,
    )


def _rule(columns: int, numbers: int, limits: Drift, *, calibrated: bool) -> str:
    level = f"p < {limits.level:g}"
    promised = f"p <= {limits.false_alarms:g} (against the furthest of all in divided blocks)"
    by_column = promised if calibrated else f"{level}/{2 * columns}"
    by_pair = promised if calibrated else f"{level}/{numbers * (numbers - 1) // 2} (Fisher z)"
    return (
        f"Drift is a column whose distance (KS on {st.FINE_BINS} reference-quantile bins; of "
        "categories total variation, tested by chi-squared) or change of the missing share "
        f"exceeds {limits.distance:g} with {by_column}, or a pair of numbers whose correlation "
        f"changed by more than {limits.correlation:g} with {by_pair}"
    )


def _reach_of_furthest(columns: Sequence[ColumnDrift], calibration: Calibration) -> float:
    """Return the distance that could be told from chance in the column that is furthest away."""
    known = [
        (column.distance, reach)
        for column, reach in zip(columns, calibration.reach.tolist(), strict=True)
        if column.distance is not None
    ]
    return max(known, default=(0.0, float("inf")))[1]


class _Sides(NamedTuple):
    """One column on both sides: its counts, its rows that have a value and that have none."""

    bins: Bins
    counts: tuple[st.Counts, st.Counts]
    presence: tuple[st.Counts, st.Counts]
    current: Counted


def _sides(reference: Reference, current: TableCounts) -> Iterator[_Sides]:
    tables = reference.counts, current
    for place, (bins, part) in enumerate(zip(reference.bins, reference.parts, strict=True)):
        missing = [int(table.missing[place]) for table in tables]
        first, second = (
            np.array([table.rows - gone, gone]) for table, gone in zip(tables, missing, strict=True)
        )
        yield _Sides(
            bins,
            (tables[0].counts[part], tables[1].counts[part]),
            (first, second),
            current.column(place, part),
        )


class _Comparison(NamedTuple):
    """How two distributions differ; a distance above ``reach`` is always told from chance."""

    statistics: dict[str, float]
    distance: float
    p_value: float
    reach: float


def _compare_numbers(bins: NumberBins, sides: _Sides, level: float) -> _Comparison:
    distance = st.ks(*sides.counts)
    coarse = st.coarsen(*sides.counts)
    known = bins.sketch.summary
    lie = spread_over(sides.current, bins.edges, known.values, known.weights)
    statistics = {
        "ks": distance,
        "wasserstein": wasserstein(known.values, lie[0], known.weights, lie[1]),
        **{name: statistic(*coarse) for name, statistic in st.STATISTICS.items()},
    }
    rows = int(sides.presence[0][0]), int(sides.presence[1][0])
    p_value = float(special.kolmogorov(distance * np.sqrt(_effective_rows(*rows))))
    return _Comparison(statistics, distance, p_value, _least_distance(*rows, level))


def _compare_categories(sides: _Sides, level: float) -> _Comparison:
    """Compare categories by total variation d; with n effective rows chi-squared is >= 4 n d^2."""
    before, after = sides.counts
    used = (before > 0) | (after > 0)
    counts = before[used], after[used]
    statistics = {name: statistic(*counts) for name, statistic in st.STATISTICS.items()}
    statistics["unseen_current"] = float(after[before == 0].sum() / after.sum())
    statistics["vanished_reference"] = float(before[after == 0].sum() / before.sum())
    pooled = pooling(before, after)
    tested = pooled.of(before), pooled.of(after)
    freedom = max(int(np.count_nonzero(tested[0] + tested[1])) - 1, 1)
    size = _effective_rows(int(before.sum()), int(after.sum()))
    reach = float(np.sqrt(special.chdtri(freedom, level) / (4 * size)))
    distance = statistics["total_variation"]
    return _Comparison(statistics, distance, _chi_squared_p(*tested), reach)


def _judge_column(sides: _Sides, level: float, limits: Drift) -> ColumnDrift:
    bins, presence = sides.bins, sides.presence
    compared = None
    if presence[0][0] and presence[1][0]:
        compared = (
            _compare_numbers(bins, sides, level)
            if isinstance(bins, NumberBins)
            else _compare_categories(sides, level)
        )
    change = st.total_variation(*presence)
    missing_p = _chi_squared_p(*presence)
    shares = {
        f"missing_{sample}": float(there[1] / there.sum())
        for sample, there in zip(("reference", "current"), presence, strict=True)
    }
    return ColumnDrift(
        name=bins.sketch.name,
        kind="number" if isinstance(bins, NumberBins) else "category",
        statistics=(compared.statistics if compared else {}) | shares,
        distance=compared.distance if compared else None,
        p_value=compared.p_value if compared else None,
        missing_p_value=missing_p,
        moved=compared is not None
        and compared.distance > limits.distance
        and compared.p_value < level,
        missing_moved=change > limits.distance and missing_p < level,
        underpowered=compared is None
        or compared.reach > limits.distance
        or (compared.distance > limits.distance and compared.p_value >= level),
    )


def _judge_pairs(
    names: Sequence[str], reference: Moments, current: Moments | None, limits: Drift
) -> list[CorrelationDrift]:
    """Return every pair whose correlation is defined on both sides, the worst first."""
    if current is None:
        return []
    before, before_rows = correlations(reference)
    after, after_rows = correlations(current)
    p_values = 2 * special.ndtr(-st.fisher_z(before, after, before_rows, after_rows))
    first, second = np.triu_indices(len(names), 1)
    found = (table[first, second] for table in (before, after, p_values))
    level = limits.level / max(first.size, 1)
    pairs = []
    for a, b, r_before, r_after, p in zip(first, second, *(x.tolist() for x in found), strict=True):
        change = abs(r_after - r_before)
        if math.isnan(change):
            continue
        pairs.append(
            CorrelationDrift(
                first=names[a],
                second=names[b],
                reference=r_before,
                current=r_after,
                change=change,
                p_value=p,
                drifted=change > limits.correlation and p < level,
            )
        )
    return worst_first(pairs)


def _effective_rows(reference_rows: int, current_rows: int) -> float:
    return reference_rows * current_rows / max(reference_rows + current_rows, 1)


def _least_distance(reference_rows: int, current_rows: int, level: float) -> float:
    """Return the Kolmogorov distance whose p-value is ``level``; infinity without rows."""
    size = _effective_rows(reference_rows, current_rows)
    return float(special.kolmogi(level) / np.sqrt(size)) if size else float("inf")


def _chi_squared_p(reference: st.Counts | st.Values, current: st.Counts | st.Values) -> float:
    freedom = int(np.count_nonzero(reference + current)) - 1
    statistic = st.chi_squared(reference, current)
    return float(special.chdtrc(freedom, statistic)) if freedom else 1.0
