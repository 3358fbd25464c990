"""The rows that are looked at, as numbers: inputs, labels, and their batches and groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.encoding import encode, fit_encoding
from mldebt_assets.core.errors import NothingSuspectedError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.float64]
    Places = NDArray[np.int64]

FEWEST_ROWS = 100
FEWEST_GROUPS = 3
MOST_CODES = 255
"""A category with more levels is taken by trees as a number: scikit-learn's own limit."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows in the order of their table, of which ``place`` says where each of them stands.

    ``values``, shape (rows, columns), are codes where ``categorical``, else scaled to a standard
    deviation of 1. ``labels`` are a class's number where there are ``classes``, else the number
    itself. ``batch`` and ``group`` count from 0; ``batches`` are named in the order of their time.
    """

    values: NDArray[np.float32]
    categorical: Flags
    labels: Numbers
    classes: int
    batch: Places
    batches: tuple[str, ...]
    group: Places
    place: Places

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.labels)

    def of(self, chosen: Flags | Places) -> Rows:
        """Return the chosen rows alone."""
        return replace(
            self,
            values=self.values[chosen],
            labels=self.labels[chosen],
            batch=self.batch[chosen],
            group=self.group[chosen],
            place=self.place[chosen],
        )

    @property
    def labelled(self) -> Rows:
        """The rows whose label is there."""
        return self.of(np.isfinite(self.labels))


def rows_of(
    inputs: pd.DataFrame,
    labels: Numbers,
    *,
    classes: int,
    groups: NDArray[Any],
    batches: NDArray[Any],
    order: tuple[str, ...],
    rare_below: int,
    most: int,
    seed: int,
) -> Rows:
    """Return a table's rows as numbers; of a batch with too many, some drawn at random.

    Args:    ``labels``, NaN for none; ``order``, the batches in the order of their time; ``most``,
             how many rows are looked at, of each batch at most the same number.
    Raises:  NothingSuspectedError for less than a hundred rows or three groups;
             UnusableInputError for inputs that no model can take.
    """
    group = np.unique(groups, return_inverse=True)[1]
    sizes = len(inputs), int(group.max(initial=-1)) + 1
    if sizes[0] < FEWEST_ROWS or sizes[1] < FEWEST_GROUPS:
        raise NothingSuspectedError.of(*sizes)
    numbered = {name: number for number, name in enumerate(order)}
    batch = np.array([numbered[name] for name in batches], dtype=np.int64)
    kept = _drawn(batch, most // len(order), seed)
    encoding = fit_encoding(inputs, rare_below=rare_below)
    codes, numbers = encode(encoding, inputs.iloc[kept])
    few = [category.codes <= MOST_CODES for category in encoding.categories]
    return Rows(
        values=np.column_stack([codes, numbers]).astype(np.float32),
        categorical=np.array([*few, *[False] * numbers.shape[1]], dtype=bool),
        labels=labels[kept],
        classes=classes,
        batch=batch[kept],
        batches=order,
        group=group[kept].astype(np.int64),
        place=kept,
    )


def _drawn(batch: Places, most: int, seed: int) -> Places:
    """Return the places of the rows that are drawn, at most so many of a batch, in their order.

    Rows of every group are drawn: what rows of one group share is known to the errors, which are
    taken over groups, and twelve whole days would say less of a month than a third of each day.
    """
    rank = np.random.default_rng(seed).permutation(len(batch))
    order = np.lexsort((rank, batch))
    starts = np.searchsorted(batch[order], np.arange(int(batch.max()) + 2))
    kept = [order[start : min(end, start + most)] for start, end in pairwise(starts)]
    return np.sort(np.concatenate(kept)).astype(np.int64)
