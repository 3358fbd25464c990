"""How scores are spread, beside the threshold that makes them decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.evaluation import score_histogram
from mldebt_assets.plots.look import COLOURS, INK, MUTED, SHADE, Entry, sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from mldebt_assets.plots.look import Picture, Sheet

SIDES = (
    ("negative", "label 0", SHADE, True),
    ("unlabelled", "no label", MUTED, False),
    ("positive", "label 1", COLOURS["candidate"], False),
)
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
        draw_scores(page, axes, histogram, threshold, right=RIGHT, top=0.18)
        alarms = float(np.mean(scores >= threshold)) if len(scores) else 0.0
        return page.picture(
            f"Distribution of {len(scores):,} scores: {said_of(histogram)}. "
            f"{alarms:.1%} lie at or above the threshold of {threshold:.3f}."
        )


def draw_scores(
    page: Sheet,
    axes: Axes,
    histogram: dict[str, list[float]],
    threshold: float,
    *,
    right: float,
    top: float,
) -> None:
    """Draw each side's scores as shares of its own rows, with a key that ends at ``right``."""
    edges = np.array(histogram["edges"])
    entries = []
    for name, words, colour, filled in SIDES:
        counts = np.array(histogram[name], dtype=np.float64)
        if not counts.sum():
            continue
        axes.stairs(
            counts / counts.sum(), edges, color=colour, fill=filled, linewidth=0 if filled else 1.5
        )
        thickness = 6.0 if filled else 1.5
        entries.append(Entry(f"{words}: {counts.sum():,.0f}", colour, "-", thickness=thickness))
    axes.axvline(threshold, color=INK, linewidth=0.8, linestyle=(0, (2, 2)))
    page.key(right, top, [*entries, Entry("threshold", INK, (0, (2, 2)), thickness=0.8)])
    filled_bins = np.flatnonzero(sum(np.array(histogram[name]) for name, *_ in SIDES))
    last = float(edges[filled_bins[-1] + 1]) if len(filled_bins) else 1.0
    axes.set_xlim(0, max(last, min(threshold * 1.1, 1.0)))
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.set_xlabel("score")
    axes.set_ylabel("share of these rows")


def said_of(histogram: dict[str, list[float]]) -> str:
    """Return in words how many rows of each kind there are, and their middle score."""
    edges = np.array(histogram["edges"])
    found = []
    for name, words, *_ in SIDES:
        counts = np.array(histogram[name], dtype=np.float64)
        if counts.sum():
            half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
            found.append(
                f"{counts.sum():,.0f} rows with {words}, half of them below {edges[half + 1]:.2f}"
            )
    return "; ".join(found) or "no rows"
