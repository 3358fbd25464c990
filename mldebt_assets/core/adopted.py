"""A model that was adopted: somebody's ONNX file, run as it came, and what its answer means.

Nothing is fitted to it and nothing of it is known but the file: it is given the pipeline's features
as they are, and answers in the task's scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.errors import MissingInputError, UnusableInputError
from mldebt_assets.core.graphs import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.tasks.task import Task

FLAT, TABLE = 1, 2
YES_OF_TWO = 1
TYPES: dict[str, Any] = {
    "float": np.float32,
    "double": np.float64,
    "int64": np.int64,
    "int32": np.int32,
    "bool": np.bool_,
    "string": np.object_,
}
"""What a tensor of the file may hold, by ONNX's names in lower case."""


def answers(
    graph: bytes, adopted: Mapping[str, Any], task: Task, inputs: pd.DataFrame
) -> NDArray[np.float64]:
    """Return the task's scores of each row, by the file as it is.

    Args:   ``adopted`` has ``inputs``, each {``name``, ``columns``, ``type``, ``rank``}, the name
            of the ``output``, and the ``classes`` in the file's order.
    Raises: MissingInputError; UnusableInputError for values that the file cannot take or of which
            it makes no number.
    """
    given = feeds(adopted["inputs"], inputs)
    (said,) = run(graph, given, [adopted["output"]])
    scores = read(np.asarray(said, dtype=np.float64), task, adopted["classes"])
    unsound = ~np.isfinite(scores.reshape(len(scores), -1)).all(axis=1)
    if unsound.any():
        columns = [name for one in adopted["inputs"] for name in one["columns"]]
        missing = [name for name in columns if inputs[name].isna().any()]
        raise UnusableInputError.of(
            missing or columns,
            f"hold values of which the adopted model makes no number, in {int(unsound.sum())} of "
            f"{len(inputs)} rows",
            "adopt a model that takes missing values, or fill them in the pipeline's features",
        )
    return scores


def feeds(specified: Sequence[Mapping[str, Any]], inputs: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """Return what the graph is given: each input with its columns, in its own type.

    A missing text is an empty one; a missing number is NaN.
    Raises: MissingInputError, UnusableInputError.
    """
    wanted = [name for one in specified for name in one["columns"]]
    missing = [name for name in wanted if name not in inputs]
    if missing:
        raise MissingInputError.of(
            missing, map(str, inputs), fix="let the pipeline's features return them again"
        )
    return {one["name"]: tensor(one, inputs) for one in specified}


def tensor(one: Mapping[str, Any], inputs: pd.DataFrame) -> NDArray[Any]:
    """Return one input's values, shape (rows, columns), or (rows,) where that is its rank."""
    dtype, table = TYPES[one["type"]], inputs[list(one["columns"])]
    if one["type"] == "string":
        values = table.astype(object).where(table.notna(), "").astype(str).to_numpy(dtype=object)
    else:
        try:
            numbers = table.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError) as problem:
            raise UnusableInputError.of(
                one["columns"], "hold text", "give the adopted model numbers"
            ) from problem
        whole = not np.issubdtype(dtype, np.floating)
        if whole and not np.isfinite(numbers).all():
            raise UnusableInputError.of(
                one["columns"],
                f"have missing values, and the adopted model takes them as {one['type']}",
                "fill them in the pipeline's features",
            )
        values = numbers.astype(dtype)
    flat: NDArray[Any] = values.reshape(-1) if one["rank"] == FLAT else values
    return flat


def read(said: NDArray[np.float64], task: Task, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return an answer as the task's scores: of two probabilities the second, else one a row."""
    if task.kind == "multiclass":
        return said[:, [list(classes).index(name) for name in task.classes]]
    if task.kind == "binary" and said.ndim == TABLE and said.shape[1] == TABLE:
        return said[:, YES_OF_TWO]
    return said.reshape(-1)
