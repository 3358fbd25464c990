"""Every picture, in one look: readable small, safe for the colour-blind, in light and dark."""

from mldebt_assets.plots.answers import answers_figure
from mldebt_assets.plots.drift import drift_figure
from mldebt_assets.plots.evaluation import evaluation_figure
from mldebt_assets.plots.judged import judged_figure
from mldebt_assets.plots.look import Picture
from mldebt_assets.plots.performance import performance_figure
from mldebt_assets.plots.slices import slices_figure

__all__ = [
    "Picture",
    "answers_figure",
    "drift_figure",
    "evaluation_figure",
    "judged_figure",
    "performance_figure",
    "slices_figure",
]
