"""What a batch's rows were answered, drawn as its task asks: scores, classes or values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mldebt_assets.plots.look import COLOURS, INK, MUTED, SHADE, Entry, sheet, short
from mldebt_assets.plots.scores import score_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from mldebt_assets.core.tasks.task import Rule, Task
    from mldebt_assets.plots.look import Picture

    Numbers = NDArray[np.float64]

LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 0.52, 5.9, 0.5, 2.1, 2.5
BINS = 40
MOST_CLASSES = 24
HALF = 0.38


def answers_figure(task: Task, predictions: pd.DataFrame, labels: Numbers, rule: Rule) -> Picture:
    """Return the picture of a batch's predictions; labels are shown where they are known.

    Args: ``predictions`` as the task's ``served`` columns, ``labels`` its numbers or NaN.
    """
    if task.kind == "multiclass":
        return classes_figure(task.classes, predictions["decision"].to_numpy(), labels)
    scores = task.scores_in(predictions)
    if rule.threshold is None:
        return values_figure(scores, labels)
    return score_figure(scores, labels, rule.threshold)


def classes_figure(
    classes: tuple[str, ...], answers: NDArray[np.object_], labels: Numbers
) -> Picture:
    """Return each class's share of the answers, beside its share of the labels that are known.

    At most 24 classes are drawn, the most frequent answers; how many are left out is said.
    """
    known = labels[~np.isnan(labels)].astype(np.int64)
    answered = np.array([np.mean(answers == name) for name in classes])
    actual = np.bincount(known, minlength=len(classes)) / max(len(known), 1)
    shown = np.sort(np.argsort(-answered, kind="stable")[:MOST_CLASSES])
    with sheet(HEIGHT) as page:
        axes = page.panel(left=LEFT, top=TOP, right=RIGHT, bottom=BOTTOM)
        page.title(0.1, 0.18, "Answers")
        places = np.arange(len(shown))
        axes.bar(places - HALF / 2, answered[shown], width=HALF, color=COLOURS["candidate"])
        entries = [Entry("of the answers", COLOURS["candidate"], "-", thickness=6)]
        if len(known):
            axes.bar(places + HALF / 2, actual[shown], width=HALF, color=SHADE)
            entries.append(Entry(f"of {short(len(known))} labels", SHADE, "-", thickness=6))
        page.key(RIGHT, 0.18, entries)
        _plain(axes)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlim(-0.5, len(shown) - 0.5)
        page.name_places(axes, [classes[number] for number in shown])
        left_out = len(classes) - len(shown)
        if left_out:
            page.text(0.1, HEIGHT - 0.06, f"{left_out} rarer classes are not drawn", color=MUTED)
        said = [
            f"{classes[number]} {answered[number]:.1%}"
            + (f" (labels {actual[number]:.1%})" if len(known) else "")
            for number in shown
        ]
        return page.picture(f"Shares of {len(answers):,} answers: {', '.join(said)}.")


def values_figure(values: Numbers, labels: Numbers) -> Picture:
    """Return how values are spread, and beside them the labels that are known."""
    known = labels[~np.isnan(labels)]
    every = np.concatenate([values, known])
    edges = np.histogram_bin_edges(every, BINS) if len(every) else np.linspace(0, 1, BINS + 1)
    with sheet(HEIGHT) as page:
        axes = page.panel(left=LEFT, top=TOP, right=RIGHT, bottom=BOTTOM)
        page.title(0.1, 0.18, "Values")
        entries = [Entry(f"predicted: {short(len(values))}", COLOURS["candidate"], "-")]
        if len(known):
            counts = np.histogram(known, edges)[0] / len(known)
            axes.stairs(counts, edges, color=SHADE, fill=True)
            entries.append(Entry(f"label: {short(len(known))}", SHADE, "-", thickness=6))
        counts = np.histogram(values, edges)[0] / max(len(values), 1)
        axes.stairs(counts, edges, color=COLOURS["candidate"], linewidth=1.5)
        page.key(RIGHT, 0.18, entries)
        _plain(axes)
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlabel("value; the height is the share of the rows")
        return page.picture(
            f"Distribution of {len(values):,} predicted values, {said_of(values)}; "
            f"of {len(known):,} labels, {said_of(known)}."
        )


def said_of(values: Numbers) -> str:
    """Return where the middle half of some values lies, in words."""
    if not len(values):
        return "none"
    lower, middle, upper = np.quantile(values, [0.25, 0.5, 0.75])
    return f"half of them from {short(lower)} to {short(upper)}, in the middle {short(middle)}"


def _plain(axes: Axes) -> None:
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(labelcolor=INK)
