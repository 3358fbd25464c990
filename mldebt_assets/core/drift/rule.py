"""Which change of the inputs is too much: the drift rule.

A column has drifted where its distribution, or its share of missing values, moved both visibly
(by more than ``Drift.distance``) and significantly (Bonferroni over all tests of all columns). A
pair of numeric columns has drifted where its correlation moved by more than ``Drift.correlation``
and significantly (Bonferroni over all pairs). Each half spends ``Drift.level``, so that the whole
raises a false alarm at most twice that often, as long as rows are independent. Real rows seldom
are, which is why a report calls itself uncalibrated.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from mldebt_assets.core.drift import statistics as st
from mldebt_assets.core.drift.report import (
    ColumnDrift,
    CorrelationDrift,
    DriftReport,
    correlation_verdict,
    distribution_verdict,
    missing_verdict,
)
from mldebt_assets.core.errors import EmptySampleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from mldebt_assets.core.policies import Drift
    from mldebt_assets.core.schema import Column

LISTED_PAIRS = 10


def judge(
    reference: pd.DataFrame, current: pd.DataFrame, *, columns: Sequence[Column], limits: Drift
) -> DriftReport:
    """Return what the rule says of ``current`` against ``reference``.

    Args:   both tables with at least ``columns``, which are strings or numbers.
    Raises: EmptySampleError if either table has no rows; KeyError if it lacks a column.
    """
    for sample, table in (("reference", reference), ("current", current)):
        if not len(table):
            raise EmptySampleError.of(sample, dropped=0)
    level = limits.level / max(2 * len(columns), 1)
    judged = tuple(
        _judge_column(column, reference[column.name], current[column.name], level, limits)
        for column in columns
    )
    numbers = [column.name for column in judged if column.kind == "number"]
    pairs = _judge_pairs(reference[numbers], current[numbers], limits)
    reach = _least_distance(len(reference), len(current), level)
    verdicts = (
        distribution_verdict(judged, limits, reach),
        missing_verdict(judged, limits),
        correlation_verdict(pairs, limits),
    )
    fired = [verdict.reason for verdict in verdicts if not verdict.passed]
    return DriftReport(
        drifted=bool(fired),
        summary="; ".join(fired) or verdicts[0].reason,
        rule=_rule(len(judged), len(numbers), limits),
        calibration="uncalibrated",
        underpowered=reach > limits.distance,
        reference_rows=len(reference),
        current_rows=len(current),
        columns=judged,
        correlations=tuple(pairs[:LISTED_PAIRS]),
        verdicts=verdicts,
    )


def _rule(columns: int, numbers: int, limits: Drift) -> str:
    return (
        f"Drift is a column whose distance (KS on {st.FINE_BINS} reference-quantile bins; of "
        "categories total variation, tested by chi-squared) or change of the missing share "
        f"exceeds {limits.distance:g} with p < {limits.level:g}/{2 * columns}, or a pair of "
        f"numbers whose correlation changed by more than {limits.correlation:g} with "
        f"p < {limits.level:g}/{numbers * (numbers - 1) // 2} (Fisher z)"
    )


def _numbers(values: pd.Series[Any] | pd.DataFrame) -> st.Values:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


class _Comparison(NamedTuple):
    """How two distributions differ."""

    statistics: dict[str, float]
    distance: float
    p_value: float


def _compare_numbers(reference: st.Values, current: st.Values) -> _Comparison:
    edges = st.quantile_edges(reference)
    counts = st.bin_counts(reference, edges), st.bin_counts(current, edges)
    distance = st.ks(*counts)
    coarse = st.coarsen(*counts)
    statistics = {
        "ks": distance,
        "wasserstein": st.wasserstein(reference, current),
        **{name: statistic(*coarse) for name, statistic in st.STATISTICS.items()},
    }
    size = _effective_rows(int(counts[0].sum()), int(counts[1].sum()))
    return _Comparison(statistics, distance, float(special.kolmogorov(distance * np.sqrt(size))))


def _compare_categories(reference: pd.Series[str], current: pd.Series[str]) -> _Comparison:
    known = reference.value_counts().sort_index()
    again = current.value_counts().reindex(known.index, fill_value=0)
    unseen = int(current.count()) - int(again.sum())
    counts = np.array([[*known, 0], [*again, unseen]], dtype=np.int64)
    if not unseen:
        counts = counts[:, :-1]
    statistics = {name: statistic(*counts) for name, statistic in st.STATISTICS.items()}
    statistics["unseen_current"] = unseen / int(counts[1].sum())
    p_value = _chi_squared_p(*st.pool_rare(*counts))
    return _Comparison(statistics, statistics["total_variation"], p_value)


def _judge_column(
    column: Column, reference: pd.Series[Any], current: pd.Series[Any], level: float, limits: Drift
) -> ColumnDrift:
    compared = None
    if column.dtype == "string":
        presence = [st.presence(side.isna().to_numpy(dtype=bool)) for side in (reference, current)]
        if presence[0][0] and presence[1][0]:
            compared = _compare_categories(reference, current)
    else:
        sides = _numbers(reference), _numbers(current)
        presence = [st.presence(~np.isfinite(side)) for side in sides]
        if presence[0][0] and presence[1][0]:
            compared = _compare_numbers(*sides)
    change = st.total_variation(*presence)
    missing_p = _chi_squared_p(*presence)
    shares = {
        f"missing_{sample}": float(there[1] / there.sum())
        for sample, there in zip(("reference", "current"), presence, strict=True)
    }
    return ColumnDrift(
        name=column.name,
        kind="category" if column.dtype == "string" else "number",
        statistics=(compared.statistics if compared else {}) | shares,
        distance=compared.distance if compared else None,
        p_value=compared.p_value if compared else None,
        missing_p_value=missing_p,
        moved=compared is not None
        and compared.distance > limits.distance
        and compared.p_value < level,
        missing_moved=change > limits.distance and missing_p < level,
        underpowered=_least_distance(int(presence[0][0]), int(presence[1][0]), level)
        > limits.distance,
    )


def _judge_pairs(
    reference: pd.DataFrame, current: pd.DataFrame, limits: Drift
) -> list[CorrelationDrift]:
    """Return every pair whose correlation is defined on both sides, the worst first."""
    names = [str(name) for name in reference]
    before, before_rows = st.correlations(_numbers(reference))
    after, after_rows = st.correlations(_numbers(current))
    p_values = 2 * special.ndtr(-st.fisher_z(before, after, before_rows, after_rows))
    possible = list(combinations(range(len(names)), 2))
    pairs = []
    for pair in possible:
        change = float(abs(after[pair] - before[pair]))
        if np.isnan(change):
            continue
        pairs.append(
            CorrelationDrift(
                first=names[pair[0]],
                second=names[pair[1]],
                reference=float(before[pair]),
                current=float(after[pair]),
                change=change,
                p_value=float(p_values[pair]),
                drifted=change > limits.correlation
                and bool(p_values[pair] < limits.level / len(possible)),
            )
        )
    return sorted(pairs, key=lambda pair: (pair.drifted, pair.change), reverse=True)


def _effective_rows(reference_rows: int, current_rows: int) -> float:
    return reference_rows * current_rows / max(reference_rows + current_rows, 1)


def _least_distance(reference_rows: int, current_rows: int, level: float) -> float:
    """Return the Kolmogorov distance whose p-value is ``level``; infinity without rows."""
    size = _effective_rows(reference_rows, current_rows)
    return float(special.kolmogi(level) / np.sqrt(size)) if size else float("inf")


def _chi_squared_p(reference: st.Counts, current: st.Counts) -> float:
    freedom = int(np.count_nonzero(reference + current)) - 1
    statistic = st.chi_squared(reference, current)
    return float(special.chdtrc(freedom, statistic)) if freedom else 1.0
