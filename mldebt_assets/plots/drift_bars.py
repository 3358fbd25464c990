"""Small drawings of one column as inline SVG: both sides' shares, and its distance over batches."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.histogram import OTHERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.drift.histogram import Histogram

WIDTH, HEIGHT, ROW, LABEL = 320, 96, 19, 104
TREND_HEIGHT = 34
LONGEST_NAME = 16


def bars_svg(histogram: Histogram, name: str, *, dates: bool = False) -> str:
    """Return both sides of a column: the reference filled, the current side as a line."""
    if histogram.span is None:
        return _categories(histogram, name)
    low, high = (_date(end) if dates else f"{end:.4g}" for end in histogram.span)
    top = max(*histogram.reference, *histogram.current)
    size = len(histogram.reference)
    filled = _steps(histogram.reference, top, size)
    line = _steps(histogram.current, top, size)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 16}" role="img" aria-label="'
        f'{escape(name)} on both sides, from {low} to {high}">'
        f'<path class="fill" d="M0 {HEIGHT}{filled}V{HEIGHT}Z"/>'
        f'<path class="line" d="M1 {HEIGHT}{line}V{HEIGHT}"/>'
        f'<path class="axis" d="M0 {HEIGHT}H{WIDTH}"/>'
        f'<text x="0" y="{HEIGHT + 13}">{low}</text>'
        f'<text x="{WIDTH}" y="{HEIGHT + 13}" text-anchor="end">{high}</text></svg>'
    )


def trend_svg(trend: Sequence[tuple[str, float | None, bool]], name: str, limit: float) -> str:
    """Return a column's distance over the batches, each (batch, distance, drifted).

    A filled bar drifted, an open one did not; the dashed line is the limit.
    """
    top = max([limit * 1.5, *(distance or 0.0 for _, distance, _ in trend)])
    step = WIDTH / len(trend)
    at_limit = TREND_HEIGHT * (1 - limit / top)
    bars = ""
    for place, (batch, distance, drifted) in enumerate(trend):
        if distance is None:
            continue
        height = max(TREND_HEIGHT * distance / top, 1.5)
        bars += (
            f'<rect class="{"over" if drifted else "under"}" x="{place * step + 1.5:.1f}" '
            f'y="{TREND_HEIGHT - height:.1f}" width="{max(min(step - 3, 26), 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(batch)}: {distance:.3f}</title></rect>'
        )
    first, last = escape(trend[0][0]), escape(trend[-1][0])
    return (
        f'<svg class="trend" viewBox="0 0 {WIDTH} {TREND_HEIGHT + 15}" role="img" aria-label="'
        f'the distance of {escape(name)} from {first} to {last}">{bars}'
        f'<path class="limit" d="M0 {at_limit:.1f}H{WIDTH}"/>'
        f'<text x="0" y="{TREND_HEIGHT + 12}">{first}</text>'
        f'<text x="{WIDTH}" y="{TREND_HEIGHT + 12}" text-anchor="end">{last}</text></svg>'
    )


def _categories(histogram: Histogram, name: str) -> str:
    named = len(histogram.names) - (histogram.names[-1] == OTHERS)
    top = max(*histogram.reference[:named], *histogram.current[:named])
    room = WIDTH - LABEL - 42
    drawn = ""
    pairs = zip(histogram.names, histogram.reference, histogram.current, strict=True)
    for place, (category, before, after) in enumerate(pairs):
        y = place * ROW
        wide = [room * min(share / top, 1) for share in (before, after)]
        short = category if len(category) <= LONGEST_NAME else category[: LONGEST_NAME - 1] + "…"
        drawn += (
            f'<text x="{LABEL - 6}" y="{y + 13}" text-anchor="end">{escape(short)}'
            f"<title>{escape(category)}: {before:.1%} → {after:.1%}</title></text>"
            f'<rect class="fill" x="{LABEL}" y="{y + 2}" width="{wide[0]:.1f}" '
            f'height="{ROW - 4}"/>'
            f'<path class="line" d="M{LABEL} {y + 5}h{wide[1]:.1f}v{ROW - 10}H{LABEL}"/>'
            f'<text x="{WIDTH}" y="{y + 13}" text-anchor="end">{after:.0%}</text>'
        )
    height = ROW * len(histogram.names)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(name)}: the share of '
        f'each category on both sides">{drawn}<path class="axis" d="M{LABEL} 0V{height}"/></svg>'
    )


def _steps(shares: Sequence[float], top: float, size: int) -> str:
    width = WIDTH / size
    return "".join(
        f"V{HEIGHT - (HEIGHT - 4) * share / top:.1f}H{(place + 1) * width:.1f}"
        for place, share in enumerate(shares)
    )


def _date(days: float) -> str:
    return str(np.datetime64(0, "D") + np.int64(np.floor(days)))
