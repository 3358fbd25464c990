"""How scores are spread, beside the threshold that makes them decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mldebt_assets.core.evaluation import score_histogram
from mldebt_assets.plots.look import COLOURS, DOTS, INK, MUTED, SHADE, Entry, sheet, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from mldebt_assets.plots.look import Picture, Sheet

    Histogram = dict[str, list[float]]

KINDS = (
    ("negative", "label 0", SHADE),
    ("unlabelled", "no label", MUTED),
    ("positive", "label 1", None),
)
FILLED = "negative"
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 0.52, 5.9, 0.5, 2.1, 2.5


def score_figure(
    scores: NDArray[np.float64], labels: NDArray[np.float64], threshold: float
) -> Picture:
    """Return the picture of a batch's scores: rows with label 1, with 0, and without one.

    Args: scores in [0, 1] and labels 1.0, 0.0, or NaN where not known, of one shape; a score at
          or above ``threshold`` is an alarm.
    """
    histogram = {name: counts.tolist() for name, counts in score_histogram(scores, labels).items()}
    with sheet(HEIGHT) as page:
        axes = page.panel(left=LEFT, top=TOP, right=RIGHT, bottom=BOTTOM)
        page.title(0.1, 0.18, "Scores")
        draw_scores(page, axes, histogram, threshold)
        axes.set_xlabel("score; the height is the share of the rows with that label")
        entries = score_key(histogram, counted=True)
        page.key(RIGHT, 0.18, [*entries, Entry("threshold", INK, DOTS, thickness=0.8)])
        alarms = float(np.mean(scores >= threshold)) if len(scores) else 0.0
        return page.picture(
            f"Distribution of {len(scores):,} scores: {said_of(histogram)}. "
            f"{alarms:.1%} lie at or above the threshold of {threshold:.3f}."
        )


def draw_scores(
    page: Sheet,
    axes: Axes,
    histogram: Histogram,
    threshold: float,
    *,
    colour: str = COLOURS["candidate"],
) -> None:
    """Draw each kind of rows as shares of its own rows; ``colour`` is that of label 1."""
    edges = np.array(histogram["edges"])
    for name, _, fixed in KINDS:
        counts = np.array(histogram[name], dtype=np.float64)
        if counts.sum():
            filled = name == FILLED
            width = 0 if filled else 1.5
            shares = counts / counts.sum()
            axes.stairs(shares, edges, color=fixed or colour, fill=filled, linewidth=width)
    page.mark(axes, [threshold])
    used = np.flatnonzero(np.sum([histogram[name] for name, *_ in KINDS], axis=0))
    last = float(edges[used[-1] + 1]) if len(used) else 1.0
    axes.set_xlim(0, max(last, min(threshold * 1.1, 1.0)))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel("score")


def score_key(
    histogram: Histogram, *, colour: str = COLOURS["candidate"], counted: bool
) -> list[Entry]:
    """Return what stands for each kind of rows that is there, with how many there are."""
    entries = []
    for name, words, fixed in KINDS:
        count = sum(histogram[name])
        if count:
            text = f"{words}: {short(count)}" if counted else words
            thickness = 6.0 if name == FILLED else 1.5
            entries.append(Entry(text, fixed or colour, "-", thickness=thickness))
    return entries


def said_of(histogram: Histogram) -> str:
    """Return in words how many rows of each kind there are, and their middle score."""
    edges = np.array(histogram["edges"])
    found = []
    for name, words, *_ in KINDS:
        counts = np.array(histogram[name], dtype=np.float64)
        if counts.sum():
            half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
            found.append(
                f"{counts.sum():,.0f} rows with {words}, half of them below {edges[half + 1]:.2f}"
            )
    return "; ".join(found) or "no rows"
