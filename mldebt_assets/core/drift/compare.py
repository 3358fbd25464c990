"""Any two tables beside each other: the drift rule on the columns that both have.

Kinds are inferred (:mod:`mldebt_assets.core.drift.kinds`). Dates move on by themselves, so how
they lie is told and not judged; whether more of them are missing is judged. Categories are counted
one by one where either side has them, so that rare ones do not look like drift.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mldebt_assets.core.drift.counts import count, reference_of
from mldebt_assets.core.drift.kinds import Side, pair_of
from mldebt_assets.core.drift.rule import judge_counts
from mldebt_assets.core.drift.sketch import (
    CategorySketch,
    ColumnSketch,
    NumberSketch,
    Sketch,
    merge,
    sketch_of,
)
from mldebt_assets.core.drift.statistics import ks, weighted_edges
from mldebt_assets.core.drift.summary import summary_of
from mldebt_assets.core.drift.transport import wasserstein
from mldebt_assets.core.errors import EmptySampleError, NothingInCommonError
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from mldebt_assets.core.drift.kinds import Kind
    from mldebt_assets.core.drift.report import ColumnDrift, DriftReport
    from mldebt_assets.core.drift.statistics import Values
    from mldebt_assets.core.policies import Drift

REFERENCE = "the reference file"
DATE = "a date"
MISSING = ("missing_reference", "missing_current")
IDENTIFIER = "cannot be compared: nearly every value occurs once, as in an identifier"
NOT_JUDGED = "not judged, since dates move on by themselves"


@dataclass(frozen=True)
class Comparison:
    """What the rule says of two tables, by column.

    ``sketches`` are of the columns that were compared, the reference's first.
    """

    report: DriftReport
    columns: Mapping[str, Mapping[str, Any]]
    drifted: bool
    summary: str
    sketches: Mapping[str, tuple[ColumnSketch, ColumnSketch]]


def compare(reference: pa.Table, current: pa.Table, limits: Drift) -> Comparison:
    """Return what the drift rule says of ``current`` against ``reference``.

    Raises: EmptySampleError if either table has no row; NothingInCommonError if no column is in
            both.
    """
    for name, table in (("reference", reference), ("current", current)):
        if not table.num_rows:
            raise EmptySampleError.of(name, dropped=0)
    names = [name for name in reference.column_names if name in current.column_names]
    if not names:
        raise NothingInCommonError.of(reference.column_names, current.column_names)
    sides = {name: (Side(reference[name]), Side(current[name])) for name in names}
    pairs = {name: pair_of(*both) for name, both in sides.items()}
    kinds = {name: pair.kind for name, pair in pairs.items() if pair.kind is not None}
    report, sketches = _judge(sides, kinds, limits)
    found = {column.name: column for column in report.columns}
    columns = {}
    for name in dict.fromkeys([*reference.column_names, *current.column_names]):
        if name in found:
            columns[name] = _told(found[name], sides[name], kinds[name])
        elif name in pairs:
            columns[name] = _untold(pairs[name].problem, drifted=pairs[name].differs)
        else:
            where = "reference" if name in reference.column_names else "current"
            columns[name] = _untold(f"cannot be compared: only the {where} file has it")
    return Comparison(
        report=report,
        columns=columns,
        drifted=report.drifted or any(column["drifted"] for column in columns.values()),
        summary=_summary(report, columns),
        sketches=sketches | {name: _dated(sides[name]) for name in kinds if kinds[name] == "date"},
    )


def _judge(
    sides: Mapping[str, tuple[Side, Side]], kinds: Mapping[str, Kind], limits: Drift
) -> tuple[DriftReport, dict[str, tuple[ColumnSketch, ColumnSketch]]]:
    declared = [
        Column(name=name, dtype="float64" if kind == "number" else "string", meaning="")
        for name, kind in kinds.items()
    ]
    rows = [side.rows for side in next(iter(sides.values()))]
    tables = [
        pd.DataFrame(
            {name: _values(sides[name][place], kind) for name, kind in kinds.items()},
            index=range(rows[place]),
        )
        for place in (0, 1)
    ]
    first, second = (sketch_of(table, declared) for table in tables)
    against = reference_of(_with_all_categories(first, second), REFERENCE)
    report = judge_counts(against, count(tables[1], against, second.moments), limits)
    together = zip(kinds, zip(first.columns, second.columns, strict=True), strict=True)
    return report, dict(together)


def _values(side: Side, kind: Kind) -> Values | pd.Series[Any]:
    """Return what the rule sees of a side: of dates only whether they are there."""
    if kind == "number":
        return side.numbers.values
    if kind == "category":
        return side.categories
    return pd.Series(DATE, range(side.rows), dtype=object).where(np.isfinite(side.dates.values))


def _with_all_categories(reference: Sketch, current: Sketch) -> Sketch:
    """Return the reference's sketch with a place for each category of the other, of no row."""
    columns: list[ColumnSketch] = []
    for own, both in zip(reference.columns, merge([reference, current]).columns, strict=True):
        if isinstance(own, CategorySketch) and isinstance(both, CategorySketch):
            counts = {category: own.counts.get(category, 0) for category in both.counts}
            others = own.others + sum(own.counts.values()) - sum(counts.values())
            columns.append(replace(own, counts=counts, others=others))
        else:
            columns.append(own)
    return replace(reference, columns=tuple(columns))


def _dated(sides: tuple[Side, Side]) -> tuple[NumberSketch, NumberSketch]:
    first, second = (
        NumberSketch(DATE, int(np.isnan(side.dates.values).sum()), summary_of(side.dates.values))
        for side in sides
    )
    return first, second


def _told(column: ColumnDrift, sides: tuple[Side, Side], kind: Kind) -> dict[str, Any]:
    """Return what was found of a column that was compared."""
    told: dict[str, Any] = {
        "kind": kind,
        "distance": column.distance,
        "statistics": {name: at for name, at in column.statistics.items() if np.isfinite(at)},
        "drifted": column.drifted,
        "reason": column.reason,
    }
    if kind == "date":
        told |= _told_of_dates(column, sides)
    elif kind == "number":
        told["reason"] += _not_numbers(sides)
    elif not column.drifted and all(side.is_identifier for side in sides):
        told["reason"] = IDENTIFIER
    return told


def _told_of_dates(column: ColumnDrift, sides: tuple[Side, Side]) -> dict[str, Any]:
    statistics = {name: column.statistics[name] for name in MISSING}
    first, second = (sketch.summary for sketch in _dated(sides))
    if not (first.rows and second.rows):
        return {"statistics": statistics, "distance": None}
    edges = weighted_edges(first.values, first.weights)
    distance = ks(first.counts(edges), second.counts(edges))
    statistics["ks"] = distance
    statistics["wasserstein"] = wasserstein(
        first.values, second.values, first.weights, second.weights
    )
    spans = [f"{_day(one.values[0])} to {_day(one.values[-1])}" for one in (first, second)]
    reason = f"{NOT_JUDGED}: {spans[0]} in the reference file, {spans[1]} in the current"
    if column.drifted:
        reason += f"; {column.reason.partition('; ')[2]}"
    return {"statistics": statistics, "distance": distance, "reason": reason}


def _day(days: float) -> str:
    """Return a date as it is written.

    >>> _day(0.5)
    '1970-01-01'
    """
    return str(np.datetime64(0, "D") + np.int64(np.floor(days)))


def _not_numbers(sides: tuple[Side, Side]) -> str:
    shares = [1 - side.numbers.share for side in sides]
    if max(shares) == 0:
        return ""
    return (
        f"; {shares[0]:.1%} of the values in the reference file and {shares[1]:.1%} in the "
        "current are no numbers, and count as missing"
    )


def _untold(reason: str, *, drifted: bool = False) -> dict[str, Any]:
    return {
        "kind": "unknown",
        "distance": None,
        "statistics": {},
        "drifted": drifted,
        "reason": reason,
    }


def _summary(report: DriftReport, columns: Mapping[str, Mapping[str, Any]]) -> str:
    """Return one sentence: the rule's own, other kinds, and what could not be compared."""
    unknown = {name: column for name, column in columns.items() if column["kind"] == "unknown"}
    differs = [name for name, column in unknown.items() if column["drifted"]]
    left = [name for name in unknown if name not in differs]
    said = [report.summary] if report.drifted or not differs else []
    if differs:
        said.append(f"drift in the kind of {', '.join(differs)}")
    if left:
        said.append(f"cannot be compared: {', '.join(left)}")
    return "; ".join(said)
