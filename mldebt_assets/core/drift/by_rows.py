"""What the rule finds where every row is taken for independent: each column, each pair.

The p-values are those of two independent samples: Kolmogorov's of a number, chi-squared of
categories and of a missing share, Fisher's z of a correlation. A test that no values could make
fail takes no part in the correction for many tests.

Source: Tarone, A Modified Bonferroni Method for Discrete Data, 1990.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import special

from mldebt_assets.core.drift import statistics as st
from mldebt_assets.core.drift.bins import NumberBins
from mldebt_assets.core.drift.calibrated import worst_first
from mldebt_assets.core.drift.moments import correlations
from mldebt_assets.core.drift.rare import pooling
from mldebt_assets.core.drift.report import ColumnDrift, CorrelationDrift
from mldebt_assets.core.drift.transport import spread_over, wasserstein

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mldebt_assets.core.drift.bins import Bins
    from mldebt_assets.core.drift.counts import Reference, TableCounts
    from mldebt_assets.core.drift.lookup import Counted
    from mldebt_assets.core.drift.moments import Moments
    from mldebt_assets.core.policies import Drift


def tests_of(reference: Reference, current: TableCounts) -> int:
    """Return how many tests of the columns can be made.

    A distribution needs values on both sides; a missing share, some rows with and some without.
    """
    distributions = missing_shares = 0
    for side in _sides(reference, current):
        present, missing = (side.presence[0] + side.presence[1]).tolist()
        distributions += bool(side.presence[0][0] and side.presence[1][0])
        missing_shares += bool(present and missing)
    return distributions + missing_shares


def judge_columns(
    reference: Reference, current: TableCounts, level: float, limits: Drift
) -> tuple[ColumnDrift, ...]:
    """Return every column, each test of it at ``level``."""
    return tuple(_judge_column(side, level, limits) for side in _sides(reference, current))


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
    return _Comparison(statistics, distance, p_value, least_distance(*rows, level))


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


def judge_pairs(
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
    level = limits.level / 2 / max(first.size, 1)
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


def least_distance(reference_rows: int, current_rows: int, level: float) -> float:
    """Return the Kolmogorov distance whose p-value is ``level``; infinity without rows."""
    size = _effective_rows(reference_rows, current_rows)
    return float(special.kolmogi(level) / np.sqrt(size)) if size else float("inf")


def _chi_squared_p(reference: st.Counts | st.Values, current: st.Counts | st.Values) -> float:
    freedom = int(np.count_nonzero(reference + current)) - 1
    statistic = st.chi_squared(reference, current)
    return float(special.chdtrc(freedom, statistic)) if freedom else 1.0
