"""The sketch of a batch: all that drift needs to know of its rows, with no reference in sight.

It is made in one pass over the rows, takes a few hundred kilobytes whatever their number, and
sketches merge to that of all rows together. What is counted (rows, missing values, minimum,
maximum, categories, the quantile summaries) merges exactly, in any order and grouping; correlations
within the bound of :mod:`mldebt_assets.core.drift.moments`. The same rows give the same bytes,
and in another order the same but for the last digits of the moments.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from safetensors.numpy import load, save

from mldebt_assets.core.drift.moments import Moments, merge_moments, moments_of
from mldebt_assets.core.drift.summary import Summary, merge_summaries, summary_of
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.fingerprint import canonical_json, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from mldebt_assets.core.drift.statistics import Values
    from mldebt_assets.core.schema import Column

MOST_CATEGORIES = 10_000
HEADER = "sketch"


@dataclass(frozen=True)
class NumberSketch:
    """A numeric column: values that are missing or not finite, and a summary of the others."""

    name: str
    missing: int
    summary: Summary


@dataclass(frozen=True)
class CategorySketch:
    """A column of categories: the rows of each, and of all ``others`` beyond the bound.

    Up to 10,000 are counted one by one; of more, those whose names' SHA-256 are the smallest.
    That choice is the same in every part, so that whatever is counted after a merge was counted
    in each part, and the counts stay exact.
    """

    name: str
    missing: int
    counts: Mapping[str, int]
    others: int


ColumnSketch: TypeAlias = NumberSketch | CategorySketch


@dataclass(frozen=True)
class Sketch:
    """A table's rows, summed up; ``moments`` are of the numeric columns, in their order."""

    rows: int
    columns: tuple[ColumnSketch, ...]
    moments: Moments

    @property
    def numbers(self) -> list[str]:
        """The names of the numeric columns."""
        return [column.name for column in self.columns if isinstance(column, NumberSketch)]


def sketch_of(table: pd.DataFrame, columns: Sequence[Column]) -> Sketch:
    """Return the sketch of a table's columns: strings and booleans are categories.

    Raises: KeyError if the table lacks a column.
    """
    sketched: list[ColumnSketch] = []
    numbers = []
    for column in columns:
        series = table[column.name]
        if column.dtype == "string":
            sketched.append(_categories(column.name, series))
        else:
            values = as_numbers(series)
            numbers.append(values)
            summary = summary_of(values)
            sketched.append(NumberSketch(column.name, values.size - summary.rows, summary))
    return Sketch(len(table), tuple(sketched), moments_of(numbers))


def as_numbers(series: pd.Series[Any]) -> Values:
    """Return a column's values as floats, NaN where there is none."""
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def counted(series: pd.Series[Any]) -> Iterator[tuple[str, int]]:
    """Yield the categories that occur, as text, and the rows of each; nulls count nowhere.

    Nulls are left out at the end: to look for them in every row takes three times as long.
    """
    found = series.value_counts(sort=False, dropna=False)
    for category, rows in found[found.index.notna()].items():
        if rows:
            yield _text(category), int(rows)


def merge(parts: Sequence[Sketch]) -> Sketch:
    """Return the sketch of all parts' rows together.

    Raises: UnlikeSketchesError if they are not of the same columns.
    """
    shapes = [[(column.name, type(column)) for column in part.columns] for part in parts]
    if any(shape != shapes[0] for shape in shapes):
        raise UnlikeSketchesError.of("columns")
    return Sketch(
        sum(part.rows for part in parts),
        tuple(map(_merge_columns, zip(*(part.columns for part in parts), strict=True))),
        merge_moments([part.moments for part in parts]),
    )


def to_bytes(sketch: Sketch) -> bytes:
    """Return the sketch as one safetensors file; equal sketches give equal bytes."""
    summaries = [c.summary for c in sketch.columns if isinstance(c, NumberSketch)]
    arrays = {
        "values": np.concatenate([np.empty(0), *(one.values for one in summaries)]),
        "weights": np.concatenate([np.empty(0, np.int64), *(one.weights for one in summaries)]),
        **{field.name: getattr(sketch.moments, field.name) for field in fields(Moments)},
    }
    header = {"rows": sketch.rows, "columns": [_described(column) for column in sketch.columns]}
    return save(arrays, metadata={HEADER: canonical_json(header).decode()})


def from_bytes(data: bytes) -> Sketch:
    """Return the sketch that :func:`to_bytes` stored."""
    arrays = load(data)
    header = header_of(data, HEADER)
    columns: list[ColumnSketch] = []
    start = 0
    for told in header["columns"]:
        if "kept" in told:
            part = slice(start, start + told["kept"])
            summary = Summary(arrays["values"][part], arrays["weights"][part])
            columns.append(NumberSketch(told["name"], told["missing"], summary))
            start += told["kept"]
        else:
            columns.append(CategorySketch(**told))
    moments = Moments(**{field.name: arrays[field.name] for field in fields(Moments)})
    return Sketch(header["rows"], tuple(columns), moments)


def header_of(data: bytes, name: str) -> dict[str, Any]:
    """Return the JSON that a safetensors file carries under ``name`` in its metadata."""
    length = int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][name])
    return header


def place(category: str) -> str:
    """Return what categories are chosen by beyond the bound: the smallest are counted."""
    return sha256(category.encode())


def _categories(name: str, series: pd.Series[Any]) -> CategorySketch:
    counts: Counter[str] = Counter()
    for category, rows in counted(series):
        counts[category] += rows
    return _bounded(name, len(series) - counts.total(), counts, others=0)


def _bounded(name: str, missing: int, counts: Mapping[str, int], others: int) -> CategorySketch:
    kept: Sequence[str] = list(counts)
    if len(counts) > MOST_CATEGORIES:
        kept = heapq.nsmallest(MOST_CATEGORIES, counts, key=place)
        others += sum(counts.values()) - sum(counts[category] for category in kept)
    return CategorySketch(name, missing, {one: counts[one] for one in sorted(kept)}, others)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


def _merge_columns(parts: Sequence[ColumnSketch]) -> ColumnSketch:
    name, missing = parts[0].name, sum(part.missing for part in parts)
    numbers = [part.summary for part in parts if isinstance(part, NumberSketch)]
    if numbers:
        return NumberSketch(name, missing, merge_summaries(numbers))
    categories = [part for part in parts if isinstance(part, CategorySketch)]
    counts: Counter[str] = Counter()
    for part in categories:
        counts.update(part.counts)
    return _bounded(name, missing, counts, sum(part.others for part in categories))


def _described(column: ColumnSketch) -> dict[str, Any]:
    told: dict[str, Any] = {"name": column.name, "missing": column.missing}
    if isinstance(column, NumberSketch):
        return told | {"kept": column.summary.values.size}
    return told | {"counts": dict(column.counts), "others": column.others}
