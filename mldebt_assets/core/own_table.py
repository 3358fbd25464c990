"""The one table of numbers that a user's own model is given, and what is learned from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.encoding import Encoding
    from mldebt_assets.core.tasks.task import Line, Task

    Table = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What is learned from, and how outputs are read: before calibration, along ``start``."""

    table: Table
    labels: NDArray[np.float64]
    tuning: NDArray[np.bool_]
    encoding: Encoding
    task: Task
    start: Line

    def scores(self, outputs: NDArray[Any]) -> NDArray[np.float64]:
        """Return the task's scores of a network's outputs."""
        given = torch.from_numpy(outputs.astype(np.float64))
        found: NDArray[np.float64] = self.task.link(
            given * self.start.slope + self.start.intercept
        ).numpy()
        return found


def spread(
    encoding: Encoding, codes: NDArray[np.int64], numbers: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the table that the user's model is given, shape (rows, columns)."""
    column, code = places(encoding)
    known = (codes[:, column] == code).astype(np.float32)
    return np.ascontiguousarray(np.concatenate([known, numbers], axis=1))


def places(encoding: Encoding) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, of each column for a category's value, which category it is of, and which code."""
    pairs = [(at, c) for at, one in enumerate(encoding.categories) for c in range(one.codes)]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def columns_of(encoding: Encoding) -> tuple[str, ...]:
    """Return the names of the table's columns."""
    categories = [
        f"{one.name}={level}"
        for one in encoding.categories
        for level in ("(missing)", "(unseen)", *one.levels)
    ]
    numbers = [one.name for one in encoding.numbers]
    missing = [f"{one.name} is missing" for one in encoding.numbers if one.indicator]
    return (*categories, *numbers, *missing)
