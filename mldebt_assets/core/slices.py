"""The level of a task in every slice that has enough rows to be judged, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldebt_assets.core.evaluation import parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.tasks.task import Task

    Numbers = NDArray[np.float64]
    Slices = Mapping[str, NDArray[Any]]


def levels_by_slice(
    task: Task, labels: Numbers, scores: Numbers, slices: Slices, *, least_rows: int
) -> dict[tuple[str, str], float]:
    """Return the level in every slice that can be judged, by dimension and value."""
    return {
        place: task.measure(labels[inside], scores[inside])
        for place, inside in judged(task, labels, slices, least_rows)
    }


def slice_intervals(
    task: Task,
    labels: Numbers,
    scores: Numbers,
    groups: NDArray[Any],
    slices: Slices,
    *,
    least_rows: int,
    **settings: Any,
) -> dict[tuple[str, str], Interval]:
    """Return each judged slice's interval of the level over whole groups; ``settings`` are its."""
    return {
        place: task.interval(labels[inside], scores[inside], groups[inside], **settings)
        for place, inside in judged(task, labels, slices, least_rows)
    }


def judged(
    task: Task, labels: Numbers, slices: Slices, least_rows: int
) -> Iterator[tuple[tuple[str, str], NDArray[np.bool_]]]:
    """Yield the slices, in the order of their names, with enough rows and labels that differ."""
    for dimension, value, inside in parts_of(slices):
        enough = int(inside.sum()) >= least_rows
        if enough and task.lacking(labels[inside], "judged") is None:
            yield (dimension, value), inside
