"""How a candidate was judged, beside the incumbent and the baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mldebt_assets.plots.look import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def evaluation_figure(measured: dict[str, Any]) -> Figure:
    """Return ROC and calibration curves of all models of an evaluation, side by side."""
    figure = Figure(figsize=(8, 4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    roc, calibration = figure.subplots(1, 2)
    for name, model in measured["models"].items():
        auc = model["metrics"].get("roc_auc", float("nan"))
        curve = model["curves"]["roc"]
        roc.plot(*curve.values(), color=COLOURS[name], label=f"{name}, AUC {auc:.3f}")
        points = list(model["curves"]["calibration"].values())
        calibration.plot(points[0], points[1], marker="o", ms=3, color=COLOURS[name], label=name)
    _finish(roc, "ROC on held-out days", "false alarms, share", "late flights found, share")
    _finish(calibration, "Calibration", "predicted probability", "share that was late")
    return figure


def _finish(axes: Axes, title: str, across: str, up: str) -> None:
    axes.axline((0, 0), slope=1, color="#cccccc", linewidth=1, zorder=0)
    axes.set(title=title, xlabel=across, ylabel=up)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
