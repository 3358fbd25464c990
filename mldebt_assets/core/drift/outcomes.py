"""Drift of what a model gave and of what became true: scores and labels.

Both are sketched in blocks (days), since rows of a day share their scores as they share their
weather, and are judged by the same rule as the inputs, each alone, on the rows that have a value: a
label that is not there yet is no missing value.

The reference are the held-out groups of the batches that the champion's drift is measured against,
scored by the champion itself. Of rows that a model has learned from it is too sure, so their scores
would differ from those of new rows even if nothing had changed.

What is found here is told beside the verdict on the batch, and asks for nothing. A score is a
function of the inputs, so its drift says how much theirs matters to the model rather than that
something else has happened; and what changed labels cost is measured by the performance, which
asks for a retraining itself, also when they come late. So the false alarms that may wake someone
are all spent on the inputs, and looking at two more things makes none more likely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from safetensors.numpy import load, save

from mldebt_assets.core.drift import sketch as of_rows
from mldebt_assets.core.drift.blocks import BlockCounts, laid_beside, parted
from mldebt_assets.core.drift.counts import Reference, count_sketch, reference_of
from mldebt_assets.core.drift.histogram import histogram_of
from mldebt_assets.core.drift.rule import judge_counts
from mldebt_assets.core.drift.sketch import CategorySketch, Sketch, header_of, merge
from mldebt_assets.core.fingerprint import canonical_json, sha256
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.core.drift.sketch import ColumnSketch
    from mldebt_assets.core.policies import Drift

HEADER = "outcomes"
SCORES, LABELS, LABEL = "scores", "labels", "label"
WHAT = (SCORES, LABELS)


@dataclass(frozen=True)
class Sketched:
    """Rows that have a value, sketched apart for each block.

    ``unit`` and ``values_a_block`` are those of
    :class:`~mldebt_assets.core.drift.blocks.BlockCounts`.
    """

    unit: str
    values_a_block: int
    parts: Mapping[str, Sketch]

    @property
    def whole(self) -> Sketch | None:
        """The sketch of all rows; None where there are none."""
        return merge(list(self.parts.values())) if self.parts else None


Outcomes: TypeAlias = Mapping[str, Sketched]
"""What was sketched, by what it is: scores and labels."""


def outcomes_of(
    scores: pd.DataFrame, labels: pd.Series[Any], groups: pd.Series[Any], unit: str
) -> Outcomes:
    """Return the sketches of rows' scores and labels by their groups.

    ``scores`` has a column a score, and NaN in rows that were not scored; ``labels`` are numbers,
    or strings where they are classes, and null where they are not known.
    """
    tables = {SCORES: scores, LABELS: labels.to_frame(LABEL)}
    return {what: _sketched(table, groups, unit) for what, table in tables.items()}


def _sketched(table: pd.DataFrame, groups: pd.Series[Any], unit: str) -> Sketched:
    known = table.notna().all(axis=1).to_numpy()
    columns = [
        Column(name=str(name), dtype="string" if dtype.kind == "O" else "float64", meaning="")
        for name, dtype in table.dtypes.items()
    ]
    run, blocks = parted(table[known], groups[known])
    parts = {name: of_rows.sketch_of(rows, columns) for name, rows in blocks if len(rows)}
    return Sketched(unit, run, parts)


def judge_outcomes(
    reference: Outcomes, current: Outcomes, limits: Drift, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Return what the rule says of scores and labels, by what they are, as plain JSON values."""
    return {what: _judge(reference[what], current[what], what, limits, seed=seed) for what in WHAT}


def unjudged(reason: str) -> dict[str, Any]:
    """Return the answer where there is nothing to compare."""
    return {
        "judged": False,
        "drifted": False,
        "summary": reason,
        "calibration": None,
        "calibration_reason": None,
        "underpowered": None,
        "rows": None,
        "means": {},
        "columns": {},
    }


def _judge(
    reference: Sketched, current: Sketched, what: str, limits: Drift, *, seed: int
) -> dict[str, Any]:
    first, second = reference.whole, current.whole
    if first is None or second is None:
        side = "the reference's held-out rows" if first is None else "this batch"
        return unjudged(f"no {what} of {side} are known")
    against = reference_of(first, sha256(of_rows.to_bytes(first)))
    before, after = _counted(reference, against), _counted(current, against)
    beside = laid_beside(before, after, seed) if limits.calibrate else None
    report = judge_counts(against, after.whole, limits, beside)
    sides = {pair[0].name: pair for pair in zip(first.columns, second.columns, strict=True)}
    means = _means(first, second)
    name, mean = list(means.items())[-1]
    return {
        "judged": True,
        "drifted": report.drifted,
        "summary": (
            f"{report.summary}; mean of {name} {mean['reference']:.3f} -> {mean['current']:.3f}"
        ),
        "calibration": report.calibration,
        "calibration_reason": report.calibration_reason,
        "underpowered": report.underpowered,
        "rows": {"reference": first.rows, "current": second.rows},
        "means": means,
        "columns": {
            column.name: {
                "kind": column.kind,
                "distance": column.distance,
                "statistics": dict(column.statistics),
                "drifted": column.drifted,
                "reason": column.reason,
                "histogram": _drawn(*sides[column.name]),
            }
            for column in report.columns
        },
    }


def _drawn(reference: ColumnSketch, current: ColumnSketch) -> dict[str, Any] | None:
    histogram = histogram_of(reference, current)
    return None if histogram is None else histogram.as_dict()


def _counted(sketched: Sketched, against: Reference) -> BlockCounts:
    parts = {name: count_sketch(sketch, against) for name, sketch in sketched.parts.items()}
    return BlockCounts(sketched.unit, sketched.values_a_block, parts)


def _means(reference: Sketch, current: Sketch) -> dict[str, dict[str, float]]:
    """Return the mean of each number on both sides, and of each class its share of the rows."""
    sides = {"reference": reference, "current": current}
    found = {side: _means_of(sketch) for side, sketch in sides.items()}
    names = sorted(found["reference"].keys() | found["current"].keys())
    return {name: {side: found[side].get(name, 0.0) for side in sides} for name in names}


def _means_of(sketch: Sketch) -> dict[str, float]:
    (first, *_), moments = sketch.columns, sketch.moments
    if isinstance(first, CategorySketch):
        return {f"{LABEL} {name}": rows / sketch.rows for name, rows in first.counts.items()}
    return {
        name: float(np.ldexp(moments.mean[place, place], int(moments.exponent[place])))
        for place, name in enumerate(sketch.numbers)
    }


def to_bytes(outcomes: Outcomes) -> bytes:
    """Return the outcomes as one safetensors file; equal ones give equal bytes."""
    arrays = {
        f"{what}/{place}": np.frombuffer(of_rows.to_bytes(sketch), dtype=np.uint8)
        for what, sketched in outcomes.items()
        for place, sketch in enumerate(sketched.parts.values())
    }
    header = {
        what: {
            "unit": sketched.unit,
            "values_a_block": sketched.values_a_block,
            "names": list(sketched.parts),
        }
        for what, sketched in outcomes.items()
    }
    return save(arrays, metadata={HEADER: canonical_json(header).decode()})


def from_bytes(data: bytes) -> Outcomes:
    """Return the outcomes that :func:`to_bytes` stored."""
    arrays, header = load(data), header_of(data, HEADER)
    found = {}
    for what in WHAT:
        of = header[what]
        parts = {
            name: of_rows.from_bytes(arrays[f"{what}/{place}"].tobytes())
            for place, name in enumerate(of["names"])
        }
        found[what] = Sketched(of["unit"], of["values_a_block"], parts)
    return found
