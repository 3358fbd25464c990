"""What a person finds on the page of ``p/evaluation``: the verdict, the models, the pictures."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.core.tasks.level import METRICS, level_of

if TYPE_CHECKING:
    from mldebt_assets.plots import Picture

CURVES = "curves and money"
FIT = "fit and errors"
SLICES = "scores and slices"
SHOWN = 8


def drawn(measured: dict[str, Any]) -> dict[str, "Picture"]:
    """Return an evaluation's pictures by their names; none where nothing could be measured."""
    from mldebt_assets.plots import evaluation_figure, judged_figure, slices_figure

    if not measured["models"]:
        return {}
    if measured["costs"] is None:
        return {FIT: judged_figure(measured), SLICES: slices_figure(measured)}
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
    first = METRICS[level_of(measured).task][:SHOWN]
    facts = {f"candidate {n}": metrics["candidate"][n] for n in first if n in metrics["candidate"]}
    models = dg.MetadataValue.table(records, dg.TableSchema(columns))
    return {**verdict, "models": models, **groups(measured), **facts}


def groups(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the table of the promised groups; none where there are none."""
    told = level_of(measured).name
    records = [
        dg.TableRecord(
            {
                "group": f"{one['dimension']} {one['value']}",
                "rows": one["rows"],
                told: rounded(one["level"], "point"),
                "below all rows": rounded(one["gap"], "point"),
                "at least": rounded(one["gap"], "lower"),
                "at most": rounded(one["gap"], "upper"),
                **({name: rounded(one["rates"], name) for name in one["rates"] or ()}),
                "not judged": one["reason"] or "",
            }
        )
        for one in measured["groups"]
    ]
    if not records:
        return {}
    columns = [dg.TableColumn(name) for name in dict.fromkeys(n for r in records for n in r.data)]
    return {"groups": dg.MetadataValue.table(records, dg.TableSchema(columns))}


def rounded(found: dict[str, float] | None, name: str) -> float | None:
    """Return one of some numbers as the page shows it; None where there is none."""
    value = None if found is None else found[name]
    return None if value is None else round(value, 5)
