"""How a table becomes a network's inputs: codes for its strings, scaled values for its numbers.

Everything fitted is fitted on the rows given, which must be training rows alone, and is stored
with the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mldebt_assets.core.errors import MissingInputError, UnusableInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MISSING, UNSEEN, FIRST_LEVEL = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Category:
    """A column of strings: code 0 is a missing value, 1 one not in ``levels``, 2 the first."""

    name: str
    levels: tuple[str, ...]

    @property
    def codes(self) -> int:
        """How many codes there are."""
        return FIRST_LEVEL + len(self.levels)


@dataclass(frozen=True, kw_only=True)
class Number:
    """A column of numbers: a missing value becomes ``median``, and any is held to the range seen.

    Without the range, a network extrapolates without bound. ``indicator`` says that values were
    missing when it was fitted; then a second input tells the network which ones are.
    """

    name: str
    median: float
    mean: float
    scale: float
    lowest: float
    highest: float
    indicator: bool


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """The fitted columns, in the order in which the network takes them."""

    categories: tuple[Category, ...]
    numbers: tuple[Number, ...]

    @property
    def width(self) -> int:
        """How many numbers a row has: one a column, and one for each indicator."""
        return len(self.numbers) + sum(number.indicator for number in self.numbers)


def fit_encoding(inputs: pd.DataFrame, *, rare_below: int) -> Encoding:
    """Return the encoding of ``inputs``: numbers and booleans are numbers, all else is categories.

    A level with fewer than ``rare_below`` rows counts as unseen, so that the network learns what
    to make of what it does not know.
    Raises: UnusableInputError for infinity, for a range that float64 cannot hold, for times, and
            where there is no feature at all.
    """
    if inputs.columns.empty:
        fix = "let the pipeline's features return at least one column"
        raise UnusableInputError.of(["table"], "has no column", fix)
    categories, numbers = [], []
    for name, values in inputs.items():
        if pd.api.types.is_numeric_dtype(values.dtype):
            numbers.append(_fit_number(str(name), values))
        else:
            categories.append(_fit_category(str(name), values, rare_below))
    return Encoding(categories=tuple(categories), numbers=tuple(numbers))


def encode(
    encoding: Encoding, inputs: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return codes, shape (rows, categories), and numbers, shape (rows, ``encoding.width``).

    Each row is encoded from itself alone.
    Raises: MissingInputError if a column is not there, UnusableInputError for infinity.
    """
    wanted = [category.name for category in encoding.categories]
    wanted += [number.name for number in encoding.numbers]
    missing = [name for name in wanted if name not in inputs.columns]
    if missing:
        raise MissingInputError.of(missing, [str(name) for name in inputs.columns])
    codes = [_codes(category, inputs[category.name]) for category in encoding.categories]
    scaled, indicators = [], []
    for number in encoding.numbers:
        values = _finite(number.name, inputs[number.name])
        absent = np.isnan(values)
        held = np.clip(np.where(absent, number.median, values), number.lowest, number.highest)
        scaled.append((held - number.mean) / number.scale)
        if number.indicator:
            indicators.append(absent)
    return (
        _table(codes, len(inputs)).astype(np.int64),
        _table([*scaled, *indicators], len(inputs)).astype(np.float32),
    )


def _fit_category(name: str, values: pd.Series[str], rare_below: int) -> Category:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise UnusableInputError.of(
            [name], "is a time, which never comes back", "make it an hour or a weekday"
        )
    places, names = _distinct(values)
    counts = np.bincount(places[places >= 0], minlength=len(names))
    frequent = {text for text, count in zip(names, counts, strict=True) if count >= rare_below}
    return Category(name=name, levels=tuple(sorted(frequent)))


def _fit_number(name: str, values: pd.Series[float]) -> Number:
    every = _finite(name, values)
    present = every[~np.isnan(every)]
    if not present.size:
        present = np.zeros(1)
    median = float(np.median(present))
    filled = np.where(np.isnan(every), median, every)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(filled.mean()), float(filled.std())
    if not (np.isfinite(mean) and np.isfinite(scale)):
        raise UnusableInputError.of(
            [name], "has a spread that float64 cannot hold", "give it a maximum, or its logarithm"
        )
    return Number(
        name=name,
        median=median,
        mean=mean,
        scale=scale or 1.0,
        lowest=float(present.min()),
        highest=float(present.max()),
        indicator=bool(np.isnan(every).any()),
    )


def _codes(category: Category, values: pd.Series[str]) -> NDArray[np.int64]:
    places, names = _distinct(values)
    levels = {level: code for code, level in enumerate(category.levels, FIRST_LEVEL)}
    code_at = np.array([*(levels.get(name, UNSEEN) for name in names), MISSING], dtype=np.int64)
    return code_at[places]


def _distinct(values: pd.Series[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's place in the list of distinct values, -1 where there is none."""
    places, distinct = pd.factorize(values)
    return places.astype(np.int64), [str(value) for value in distinct]


def _finite(name: str, values: pd.Series[float]) -> NDArray[np.float64]:
    numbers = np.asarray(values.to_numpy(dtype="float64", na_value=np.nan), dtype=np.float64)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise UnusableInputError.of(
            [name],
            f"is infinite in {infinite} of {len(numbers)} rows",
            "let the feature function return NaN where there is no value",
        )
    return numbers


def _table(columns: Sequence[NDArray[np.generic]], rows: int) -> NDArray[np.generic]:
    return np.column_stack(columns) if columns else np.zeros((rows, 0))
