"""How far every column lay from its reference, batch by batch: one row a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from mldebt_assets.plots.look import DOTS, HEAT, HEAT_FROM, INK, MUTED, PAPER, Entry, sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from mldebt_assets.plots.look import Picture, Sheet

    Reports = Sequence[tuple[str, dict[str, Any]]]
    Row = dict[int, tuple[float | None, bool]]

MOST_ROWS = 25
SHOWN_BATCHES = 24
LEFT, RIGHT = 2.05, 5.9
TOP, NAMES, FOOTER = 0.66, 0.28, 0.2
ROW = 0.19
DARK = 4
PAIRS = "correlation of a pair"
UNJUDGED = "not judged"


def drift_figure(reports: Reports, *, distance_limit: float, correlation_limit: float) -> Picture:
    """Return the picture of drift over the batches, in their order; the last is the page's own.

    A cell's colour says how many times its limit a column's distance, or the change of its
    missing share, reached: whichever is more. A dot marks an alarm. The columns that are worst in
    the last judged batch come first, at most 25 of them, and at most the newest 24 batches; what
    is left out is said.

    Args: each batch's name and drift report, as the drift report stores it.
    """
    shown = reports[-SHOWN_BATCHES:]
    columns = worst_first(columns_of(shown, distance_limit))
    rows = dict(list(columns.items())[:MOST_ROWS])
    if rows:
        rows[PAIRS] = pairs_of(shown, correlation_limit)
    left_out = [
        f"{count} {what} are left out"
        for count, what in (
            (len(columns) - MOST_ROWS, "calmer columns"),
            (len(reports) - SHOWN_BATCHES, "earlier batches"),
        )
        if count > 0
    ]
    bottom = TOP + max(len(rows), 3) * ROW
    with sheet(bottom + NAMES + FOOTER * bool(left_out)) as page:
        axes = page.panel(left=LEFT, top=TOP, right=RIGHT, bottom=bottom)
        axes.set(xlim=(0, max(len(shown), 1)), ylim=(max(len(rows), 3), 0), yticks=[])
        axes.spines[:].set_visible(False)
        _draw_keys(page)
        _draw_rows(page, axes, rows)
        _draw_batches(page, axes, shown)
        if not rows:
            middle = (LEFT + RIGHT) / 2, (TOP + bottom) / 2
            page.text(*middle, "no batch has been judged yet", color=MUTED, ha="center")
        if left_out:
            page.text(0.1, bottom + NAMES + 0.14, "; ".join(left_out), color=MUTED)
        return page.picture(_alt(shown, rows, left_out))


def columns_of(reports: Reports, limit: float) -> dict[str, Row]:
    """Return each column's cells: by the batch's place, how many times its limit, and the alarm."""
    found: dict[str, Row] = {}
    for place, (_, report) in enumerate(reports):
        for column in report.get("columns", ()):
            shares = column["statistics"]
            change = abs(shares["missing_current"] - shares["missing_reference"])
            reached = max(column["distance"] or 0.0, change) / limit
            found.setdefault(column["name"], {})[place] = reached, column["drifted"]
    return found


def pairs_of(reports: Reports, limit: float) -> Row:
    """Return the cells of the pair of columns whose correlation changed most in each batch."""
    verdicts = [
        (place, verdict)
        for place, (_, report) in enumerate(reports)
        for verdict in report.get("verdicts", ())
        if verdict["name"] == "correlations"
    ]
    return {
        place: (None if v["measured"] is None else v["measured"] / limit, not v["passed"])
        for place, v in verdicts
    }


def worst_first(columns: dict[str, Row]) -> dict[str, Row]:
    """Return the columns in order: the worst of the last judged batch first."""
    last = max((place for row in columns.values() for place in row), default=0)

    def badness(name: str) -> tuple[float, float, str]:
        reached = {place: cell[0] or 0.0 for place, cell in columns[name].items()}
        return -reached.get(last, 0.0), -max(reached.values()), name

    return {name: columns[name] for name in sorted(columns, key=badness)}


def _draw_keys(page: Sheet) -> None:
    page.title(0.1, 0.18, "Drift of every column")
    marks = [
        Entry("alarm", INK, marker="o"),
        Entry("new reference", INK, DOTS, thickness=0.8),
    ]
    page.key(RIGHT, 0.18, marks)
    words = [f"≥ {least:g}" if least else f"< {HEAT_FROM[1]:g}" for least in HEAT_FROM]
    page.text(0.1, 0.46, "times its limit", color=MUTED)
    steps = [
        Entry(word, colour, "-", thickness=7) for word, colour in zip(words, HEAT, strict=True)
    ]
    page.key(RIGHT, 0.46, steps)


def _draw_rows(page: Sheet, axes: Axes, rows: dict[str, Row]) -> None:
    cells, colours = [], []
    dots: dict[str, list[tuple[float, float]]] = {INK: [], PAPER: []}
    for height, (name, row) in enumerate(rows.items()):
        words = page.fitted(name, LEFT - 0.2)
        colour = MUTED if name == PAIRS else INK
        page.text(LEFT - 0.08, TOP + (height + 0.5) * ROW + 0.04, words, ha="right", color=colour)
        for place, (reached, alarm) in row.items():
            if reached is None:
                continue
            step = max(at for at, least in enumerate(HEAT_FROM) if reached >= least)
            cells.append(Rectangle((place, height), 1, 1))
            colours.append(HEAT[step])
            if alarm:
                dots[PAPER if step >= DARK else INK].append((place + 0.5, height + 0.5))
    # One artist for all cells, and one for the dots of a colour: thousands would take seconds.
    axes.add_collection(
        PatchCollection(cells, facecolors=colours, edgecolors=PAPER, linewidths=1, zorder=1)
    )
    for colour, places in dots.items():
        if places:
            across, up = zip(*places, strict=True)
            axes.plot(across, up, linestyle="none", marker="o", markersize=3, color=colour)


def _draw_batches(page: Sheet, axes: Axes, shown: Reports) -> None:
    """Name the batches, and mark those that were not judged and those with a new reference."""
    page.name_places(axes, [batch for batch, _ in shown], first=0.5)
    rows = axes.get_ylim()[0]
    last, renewed = None, []
    for place, (_, report) in enumerate(shown):
        if not report["judged"]:
            fits = page.width_of(UNJUDGED) < rows * ROW
            axes.text(
                place + 0.5,
                rows / 2,
                UNJUDGED if fits else "",
                rotation=90,
                ha="center",
                va="center",
                color=MUTED,
            )
        elif last is not None and report["reference"] != last:
            renewed.append(place)
        last = report["reference"] or last
    page.mark(axes, renewed)


def _alt(shown: Reports, rows: dict[str, Row], left_out: Sequence[str]) -> str:
    if not shown:
        return "No batch has a drift report yet."
    batch, report = shown[-1]
    span = f"Drift of every column over {len(shown)} batches, {shown[0][0]} to {batch}"
    if not report["judged"]:
        return f"{span}. {batch} was not judged: {report['summary']}."
    place = len(shown) - 1
    alarms = [name for name, row in rows.items() if row.get(place, (None, False))[1]]
    here = {name: row[place][0] or 0.0 for name, row in rows.items() if place in row}
    worst = max(here, key=lambda name: here[name])
    said = f"{len(alarms)} rows of {len(rows)} alarm in {batch}; most of all {worst}"
    drifted = sum(bool(one["drifted"]) for _, one in shown)
    said += f", {here[worst]:.1f} times its limit. {drifted} of {len(shown)} batches drifted"
    return ". ".join([span, said, *left_out]) + "."
