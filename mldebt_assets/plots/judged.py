"""How a candidate for several classes, or for a number, was judged beside the incumbent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mldebt_assets.core.tasks.level import level_of
from mldebt_assets.plots.evaluation import named
from mldebt_assets.plots.look import (
    COLOURS,
    GRID,
    INK,
    LINES,
    MARKERS,
    MUTED,
    PAPER,
    Entry,
    sheet,
    short,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mldebt_assets.plots.look import Picture, Sheet

    Measured = dict[str, Any]

HEIGHT = 3.1
HALVES = ((0.62, 2.85), (3.75, 5.9))
TOP, BOTTOM = 0.72, 2.64
MOST_NAMED = 8
DARK = 0.5


def judged_figure(measured: Measured) -> Picture:
    """Return how well answers fit, of all models, and how the candidate errs.

    Args: what the evaluation stores of a task that raises no alarms.
    """
    level, models = level_of(measured), measured["models"]
    with sheet(HEIGHT) as page:
        entries = [
            Entry(
                f"{named(measured, name)}: {level.short} {model['metrics'][level.key]:.3f}",
                COLOURS[name],
                LINES[name],
                MARKERS[name],
            )
            for name, model in models.items()
        ]
        page.key(HALVES[1][1], 0.18, entries)
        if level.task == "multiclass":
            _draw_sureness(page, models)
            _draw_confusion(page, models["candidate"]["confusion"])
        else:
            _draw_fit(page, models)
            _draw_errors(page, models)
        return page.picture(_alt(measured))


def _draw_sureness(page: Sheet, models: dict[str, Any]) -> None:
    axes = _half(page, 0, "Calibration: share that is right")
    for name, model in models.items():
        _points(axes, name, model["curves"]["calibration"])
    axes.axline((0, 0), slope=1, color=GRID, linewidth=1, zorder=0)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="mean probability of the answer")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(PercentFormatter(1))


def _draw_confusion(page: Sheet, confusion: dict[str, Any]) -> None:
    """Draw, for each class by line, which share of its rows was taken for which."""
    rows, classes = np.array(confusion["rows"], dtype=np.float64), confusion["classes"]
    shares = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    axes = _half(page, 1, "The candidate's answers, by class")
    axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.set_xlabel("answered")
    axes.set_ylabel("is")
    if len(classes) <= MOST_NAMED:
        width = (HALVES[1][1] - HALVES[1][0]) / len(classes) - 0.06
        names = [page.fitted(name, min(width, 0.55)) for name in classes]
        axes.set_xticks(range(len(classes)), names)
        axes.set_yticks(range(len(classes)), names)
        for row, column in np.ndindex(*shares.shape):
            light = shares[row, column] > DARK
            text = short(float(rows[row, column]))
            axes.text(column, row, text, ha="center", va="center", color=PAPER if light else INK)


def _draw_fit(page: Sheet, models: dict[str, Any]) -> None:
    axes = _half(page, 0, "Fit: mean label")
    for name, model in models.items():
        _points(axes, name, model["curves"]["fit"])
    axes.axline((0, 0), slope=1, color=GRID, linewidth=1, zorder=0)
    points = [
        value
        for model in models.values()
        for side in ("predicted", "observed")
        for value in model["curves"]["fit"][side]
    ]
    margin = (max(points) - min(points)) * 0.05 or 1.0
    limits = (min(points) - margin, max(points) + margin)
    axes.set(xlim=limits, ylim=limits, xlabel="mean predicted value")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(lambda value, _: short(value))


def _draw_errors(page: Sheet, models: dict[str, Any]) -> None:
    axes = _half(page, 1, "Errors: share of rows")
    for name, model in models.items():
        counts = np.array(model["errors"]["rows"], dtype=np.float64)
        edges = np.array(model["errors"]["edges"])
        middles = (edges[:-1] + edges[1:]) / 2
        below = np.cumsum(counts) / max(counts.sum(), 1.0)
        axes.plot(middles, below, color=COLOURS[name], linestyle=LINES[name])
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set(ylim=(0, 1.02), xlabel="predicted less label; the share at or below")
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda value, _: short(value))


def _points(axes: Axes, name: str, curve: dict[str, list[float]]) -> None:
    axes.plot(
        curve["predicted"],
        curve["observed"],
        color=COLOURS[name],
        linestyle=LINES[name],
        linewidth=1,
        marker=MARKERS[name],
    )


def _half(page: Sheet, which: int, title: str) -> Axes:
    left, right = HALVES[which]
    page.title(left - 0.52, TOP - 0.14, title)
    axes = page.panel(left=left, top=TOP, right=right, bottom=BOTTOM)
    axes.grid()
    axes.set_axisbelow(True)
    return axes


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("share", [PAPER, COLOURS["candidate"]])


def _alt(measured: Measured) -> str:
    level, models = level_of(measured), measured["models"]
    levels = [f"{named(measured, n)} {m['metrics'][level.key]:.3f}" for n, m in models.items()]
    found = models["candidate"]["metrics"]
    if level.task == "multiclass":
        what = f"the candidate's accuracy {found['accuracy']:.1%}"
    else:
        what = f"the candidate errs by {short(found['mean_absolute_error'])} on average"
    return f"{level.name} on {short(found['rows'])} held-out rows of {', '.join(levels)}; {what}."
