"""What became of every batch: level, base rate and money, with the promotions marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mldebt_assets.core.tasks.level import LEVELS
from mldebt_assets.plots.look import (
    COLOURS,
    DOTS,
    INK,
    LINES,
    MARKERS,
    MUTED,
    PALE,
    SHADE,
    Entry,
    sheet,
    spaced,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from mldebt_assets.core.tasks.level import Level
    from mldebt_assets.plots.look import Picture, Sheet

    History = Sequence[dict[str, Any]]

SHOWN_BATCHES = 36
PERFECT = 1.0
LEFT, RIGHT = 0.52, 5.9
HEADER, BETWEEN, FOOTER, NOTE = 0.5, 0.42, 0.26, 0.2
LEVEL_INCHES, BASE_INCHES, MONEY_INCHES = 1.5, 0.62, 0.95


def performance_figure(
    history: History, level: Level = LEVELS["binary"], currency: str | None = None
) -> Picture:
    """Return the picture of all batches so far, in their order.

    Only the newest 36 are drawn, so that they can be told apart; the title says so.

    Args: one dict a batch with ``batch``, ``version`` (who scored it, or None), ``level``,
          ``lower``, ``upper``, ``base_rate``, ``rows``, ``labelled``, ``money`` (a row, by the
          champion's decisions) and ``money_replaced`` (a row, by those of the version that it
          replaced). Any number may be None. A promotion is where the version changes. A base
          rate is drawn only where there is one.
    """
    left_out = max(len(history) - SHOWN_BATCHES, 0)
    history = history[left_out:]
    money = np.isfinite(column(history, "money")).any()
    rates = level.task == "binary"
    height = HEADER + LEVEL_INCHES + rates * (BETWEEN + BASE_INCHES) + FOOTER
    height += money * (BETWEEN + MONEY_INCHES) + bool(left_out) * NOTE
    with sheet(height) as page:
        top = HEADER + LEVEL_INCHES + BETWEEN
        panels = [_level_panel(page, history, level)]
        if rates:
            panels.append(_base_rate_panel(page, history, top))
            top += BASE_INCHES + BETWEEN
        if money:
            panels.append(_money_panel(page, history, top, currency))
        for panel in panels:
            page.mark(panel, [place - 0.5 for place, _ in promotions_in(history)])
            panel.set_xlim(-0.5, max(len(history), 1) - 0.5)
            panel.grid(axis="y")
            panel.set_axisbelow(True)
            panel.locator_params(axis="y", nbins=4)
            panel.set_xticks([])
        page.name_places(panels[-1], [batch["batch"] for batch in history])
        if left_out:
            words = f"the newest {len(history)} of {left_out + len(history)} batches"
            page.text(0.1, height - 0.1, words, color=MUTED)
        return page.picture(_alt(history, level, currency))


def promotions_in(history: History) -> list[tuple[int, int]]:
    """Return the place of each batch that a new version scored, and that version."""
    found, last = [], None
    for place, batch in enumerate(history):
        if batch["version"] is not None and batch["version"] != last:
            last = batch["version"]
            found.append((place, batch["version"]))
    return found


def column(history: History, name: str) -> NDArray[np.float64]:
    """Return one number a batch; NaN where it is not known."""
    found = [batch.get(name) for batch in history]
    return np.array([np.nan if value is None else value for value in found], dtype=np.float64)


def _level_panel(page: Sheet, history: History, level: Level) -> Axes:
    axes = page.panel(left=LEFT, top=HEADER, right=RIGHT, bottom=HEADER + LEVEL_INCHES)
    across = np.arange(len(history))
    values, lower, upper = (column(history, name) for name in ("level", "lower", "upper"))
    page.title(0.1, 0.18, f"{level.name} of what was served")
    entries = [Entry("champion of its time", COLOURS["candidate"], "-", "o")]
    if np.isfinite(lower).any():
        axes.vlines(across, lower, upper, color=PALE, linewidth=4)
        entries.append(Entry("its interval", PALE, "-", thickness=4))
    marks = promotions_in(history)
    if marks:
        entries.append(Entry("promotion", INK, DOTS, thickness=0.8))
    page.key(RIGHT, 0.18, entries)
    axes.plot(across, values, color=COLOURS["candidate"], marker="o")
    _frame(axes, [values, lower, upper], (level.chance, PERFECT), least_margin=0.01)
    if not np.isfinite(values).any():
        middle = HEADER + LEVEL_INCHES / 2
        words = "no batch has been scored and labelled yet"
        page.text((LEFT + RIGHT) / 2, middle, words, color=MUTED, ha="center")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.2f}")
    unit = (RIGHT - LEFT) / max(len(history), 1)
    for which in spaced([place * unit for place, _ in marks], page.width_of("v000 ")):
        place, version = marks[which]
        page.text(LEFT + place * unit, HEADER - 0.06, f"v{version}", ha="center")
    return axes


def _base_rate_panel(page: Sheet, history: History, top: float) -> Axes:
    axes = page.panel(left=LEFT, top=top, right=RIGHT, bottom=top + BASE_INCHES)
    page.title(0.1, top - 0.11, "Base rate: the share of labelled rows whose label is 1")
    rates = column(history, "base_rate")
    axes.bar(np.arange(len(history)), np.nan_to_num(rates), width=0.7, color=SHADE)
    axes.set_ylim(0, np.nanmax(rates, initial=0.0) * 1.1 or 1.0)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return axes


def _money_panel(page: Sheet, history: History, top: float, currency: str | None) -> Axes:
    axes = page.panel(left=LEFT, top=top, right=RIGHT, bottom=top + MONEY_INCHES)
    across = np.arange(len(history))
    served, replaced = column(history, "money"), column(history, "money_replaced")
    page.title(0.1, top - 0.11, f"Cost a row{f', {currency}' if currency else ''}")
    entries = []
    for role, name, values in (
        ("candidate", "champion of its time", served),
        ("incumbent", "what it replaced, on the same rows", replaced),
    ):
        if np.isfinite(values).any():
            colour, line, marker = COLOURS[role], LINES[role], MARKERS[role]
            axes.plot(across, values, color=colour, linestyle=line, marker=marker)
            entries.append(Entry(name, colour, line, marker))
    page.key(RIGHT, top - 0.11, entries)
    _frame(axes, [served, replaced], (0.0, 1.0), least_margin=0.05)
    return axes


def _frame(
    axes: Axes,
    drawn: Sequence[NDArray[np.float64]],
    ends: tuple[float, float],
    *,
    least_margin: float,
) -> None:
    """Leave room above and below everything that is drawn; where nothing is, show both ends."""
    found = np.concatenate(drawn)
    found = found[np.isfinite(found)]
    if not len(found):
        found = np.array(ends)
    margin = max(float(np.ptp(found)) * 0.12, least_margin)
    axes.set_ylim(found.min() - margin, found.max() + margin)


def _alt(history: History, level: Level, currency: str | None) -> str:
    scored = [batch for batch in history if batch["level"] is not None]
    if not scored:
        return f"{level.name} over {len(history)} batches: none has been scored and labelled yet."
    last, worst = scored[-1], min(scored, key=lambda batch: batch["level"])
    best = max(scored, key=lambda batch: batch["level"])
    said = (
        f"{level.name} of what was served, {scored[0]['batch']} to {last['batch']}: "
        f"{last['level']:.3f} in the last batch, by v{last['version']}; "
        f"lowest {worst['level']:.3f} in {worst['batch']}, "
        f"highest {best['level']:.3f} in {best['batch']}."
    )
    rates = column(history, "base_rate")
    if np.isfinite(rates).any():
        said += f" Base rate between {np.nanmin(rates):.1%} and {np.nanmax(rates):.1%}."
    marks = ", ".join(f"v{new} from {history[at]['batch']}" for at, new in promotions_in(history))
    said += f" Champions: {marks}." if marks else ""
    if last["money"] is not None:
        said += f" Cost a row in the last batch: {last['money']:.2f} {currency or ''}".rstrip()
        replaced = last["money_replaced"]
        said += "." if replaced is None else f"; of what it replaced: {replaced:.2f}."
    return said
