"""How a candidate was judged: beside the incumbent and the baseline, in curves and in money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, PercentFormatter

from mldebt_assets.plots.look import (
    COLOURS,
    GRID,
    HEAT,
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

COMPARED = ("candidate", "incumbent")
HEIGHT = 5.08
HALVES = ((0.52, 2.85), (3.55, 5.9))
CURVES_TOP, CURVES_BOTTOM = 0.68, 2.6
MONEY_TOP = 3.3
CELLS = (
    ("true_positives", "caught", 0, 0),
    ("false_negatives", "missed", 1, 0),
    ("false_positives", "false_alarm", 0, 1),
    ("true_negatives", None, 1, 1),
)
CELL_HEIGHT = 0.62
MONEY_SHADES = (PAPER, HEAT[0], HEAT[2], HEAT[3])
DEAR = (0.0, 0.001, 0.2, 0.6)


def evaluation_figure(measured: Measured) -> Picture:
    """Return ROC, calibration and the money in each cell, of all models of an evaluation.

    Args: what the evaluation stores, of which ``models``, ``costs``, ``version`` and
          ``incumbent`` are looked at.
    """
    models = measured["models"]
    with sheet(HEIGHT) as page:
        page.key(
            HALVES[1][1],
            0.18,
            [
                Entry(
                    f"{named(measured, name)}: AUC {model['metrics']['roc_auc']:.3f}",
                    COLOURS[name],
                    LINES[name],
                    MARKERS[name],
                )
                for name, model in models.items()
            ],
        )
        _draw_roc(page, models)
        _draw_calibration(page, models)
        dearest = max(cost for name in COMPARED for cost in money_of(measured, name).values())
        for name, (left, right) in zip(COMPARED, HALVES, strict=True):
            if name in models:
                _draw_money(page, measured, name, dearest, (left, right))
            else:
                words = "no champion yet to compare with"
                page.text((left + right) / 2, MONEY_TOP + 0.9, words, color=MUTED, ha="center")
        return page.picture(_alt(measured))


def named(measured: Measured, name: str) -> str:
    """Return what a model is called on a picture: its part, and its version where it has one.

    >>> named({"version": 9, "incumbent": {"version": 5}}, "incumbent")
    'incumbent v5'
    """
    version = {
        "candidate": measured.get("version"),
        "incumbent": (measured.get("incumbent") or {}).get("version"),
    }.get(name)
    return name if version is None else f"{name} v{version}"


def money_of(measured: Measured, name: str) -> dict[str, float]:
    """Return what each kind of decision of a model cost in all; empty where there is no model."""
    if name not in measured["models"]:
        return {}
    counts = measured["models"][name]["metrics"]
    costs = measured["costs"]
    return {cell: counts[cell] * (costs[cost] if cost else 0.0) for cell, cost, *_ in CELLS}


def _draw_roc(page: Sheet, models: dict[str, Any]) -> None:
    axes = _square(page, HALVES[0], "ROC: rows with label 1 found")
    for name, model in models.items():
        rates = model["curves"]["roc"]
        axes.plot(
            rates["false_positive_rate"],
            rates["true_positive_rate"],
            color=COLOURS[name],
            linestyle=LINES[name],
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.01), xlabel="false alarms among label 0")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])


def _draw_calibration(page: Sheet, models: dict[str, Any]) -> None:
    axes = _square(page, HALVES[1], "Calibration: share with label 1")
    most = 0.0
    for name, model in models.items():
        points = model["curves"]["calibration"]
        most = max(most, *points["predicted"], *points["observed"])
        axes.plot(
            points["predicted"],
            points["observed"],
            color=COLOURS[name],
            linestyle=LINES[name],
            linewidth=1,
            marker=MARKERS[name],
        )
    axes.set(xlim=(0, most * 1.05), ylim=(0, most * 1.05), xlabel="mean score")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(PercentFormatter(1))


def _square(page: Sheet, half: tuple[float, float], title: str) -> Axes:
    """Return one of the two upper panels, with the diagonal of chance or of no error."""
    left, right = half
    page.title(left - 0.42, CURVES_TOP - 0.14, title)
    axes = page.panel(left=left, top=CURVES_TOP, right=right, bottom=CURVES_BOTTOM)
    axes.axline((0, 0), slope=1, color=GRID, linewidth=1, zorder=0)
    axes.grid()
    axes.set_axisbelow(True)
    return axes


def _draw_money(
    page: Sheet, measured: Measured, name: str, dearest: float, half: tuple[float, float]
) -> None:
    left, right = half
    model, currency = measured["models"][name], measured["costs"]["currency"]
    counts, money = model["metrics"], money_of(measured, name)
    bottom = MONEY_TOP + 0.42
    cost = f"{short(counts['cost_per_row'])} {currency} a row"
    page.title(left - 0.42, MONEY_TOP, cost)
    page.key(right, MONEY_TOP, [Entry(named(measured, name), COLOURS[name], "-", MARKERS[name])])
    axes = page.panel(left=left, top=bottom, right=right, bottom=bottom + 2 * CELL_HEIGHT)
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for column, heading in enumerate((f"alarm, from {model['threshold']:.3f}", "no alarm")):
        page.text(
            left + (column + 0.5) * (right - left) / 2,
            bottom - 0.08,
            heading,
            ha="center",
            color=MUTED,
        )
    for row, heading in enumerate(("label 1", "label 0")):
        height = bottom + (row + 0.5) * CELL_HEIGHT + 0.04
        page.text(left - 0.06, height, heading, ha="right", color=MUTED)
    for cell, _, column, row in CELLS:
        share = money[cell] / dearest if dearest > 0 else 0.0
        shade = [c for c, least in zip(MONEY_SHADES, DEAR, strict=True) if share >= least][-1]
        axes.add_patch(Rectangle((column, row), 1, 1, facecolor=shade, edgecolor=MUTED))
        lines = (
            f"{short(money[cell])} {currency}",
            f"{short(counts[cell])} rows",
            f"{counts[cell] / counts['rows']:.1%} of all",
        )
        middle = left + (column + 0.5) * (right - left) / 2
        for place, line in enumerate(lines):
            top = bottom + row * CELL_HEIGHT + 0.18 + place * 0.17
            page.text(middle, top, line, ha="center", weight="normal" if place else "bold")


def _alt(measured: Measured) -> str:
    said = []
    for name, model in measured["models"].items():
        said.append(f"{named(measured, name)} {model['metrics']['roc_auc']:.3f}")
    said = ["ROC and calibration curves on held-out rows; ROC AUC of " + ", ".join(said)]
    for name in COMPARED:
        if name not in measured["models"]:
            continue
        metrics, costs = measured["models"][name]["metrics"], measured["costs"]
        money = money_of(measured, name)
        said.append(
            f"Decisions of the {named(measured, name)} cost {short(metrics['cost_per_row'])} "
            f"{costs['currency']} a row: {short(metrics['true_positives'])} caught "
            f"({short(money['true_positives'])}), {short(metrics['false_negatives'])} missed "
            f"({short(money['false_negatives'])}), {short(metrics['false_positives'])} false "
            f"alarms ({short(money['false_positives'])})"
        )
    return ". ".join(said) + "."
