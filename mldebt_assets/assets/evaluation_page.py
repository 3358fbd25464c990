"""What a person finds on the page of ``p/evaluation``: the verdict, the models, the pictures."""

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from mldebt_assets.plots import Picture

CURVES = "curves and money"
SLICES = "scores and slices"
SHOWN = ("roc_auc", "pr_auc", "log_loss", "brier", "calibration_error", "cost_per_row")


def drawn(measured: dict[str, Any]) -> dict[str, "Picture"]:
    """Return an evaluation's pictures by their names; none where nothing could be measured."""
    from mldebt_assets.plots import evaluation_figure, slices_figure

    if not measured["models"]:
        return {}
    return {CURVES: evaluation_figure(measured), SLICES: slices_figure(measured)}


def page(measured: dict[str, Any], pictures: dict[str, "Picture"]) -> dict[str, Any]:
    """Return what a person wants to see first: the verdict, the pictures, the models in numbers."""
    shown = {name: dg.MetadataValue.md(picture.markdown) for name, picture in pictures.items()}
    verdict = {"promote": measured["promote"], "reason": measured["reason"], **shown}
    metrics = {name: model["metrics"] for name, model in measured["models"].items()}
    if not metrics:
        return verdict
    records = [
        dg.TableRecord({"metric": name, **{m: round(v[name], 5) for m, v in metrics.items()}})
        for name in metrics["candidate"]
    ]
    columns = [dg.TableColumn(name) for name in ("metric", *metrics)]
    facts = {f"candidate {n}": v for n, v in metrics["candidate"].items() if n in SHOWN}
    return {**verdict, "models": dg.MetadataValue.table(records, dg.TableSchema(columns)), **facts}
