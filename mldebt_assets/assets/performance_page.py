"""What a person finds on the page of ``p/performance``: the verdict, the money, and the year."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mldebt_assets.core.tasks.level import METRICS, level_of

WAYS = {
    "served": "what was served",
    "replaced": "the version that it replaced",
    "never_retrained": "the first champion, never retrained",
    "never_alarming": "no alarm at all",
}


def page(history: Sequence[dict[str, Any]], currency: str | None) -> dict[str, Any]:
    """Return the metadata of the last report, beside those of the batches before it."""
    from mldebt_assets.plots import performance_figure

    report = history[-1]
    picture = performance_figure([drawn(one) for one in history], level_of(report), currency)
    return {
        "dropped": report["dropped"],
        "summary": report["summary"],
        "judged": report["judged"],
        "window": ", ".join(report["window"]["batches"]),
        **({"scored by": report["version"]} if report["version"] is not None else {}),
        **numbers(report),
        **brought_in_money(history, currency),
        "batches": dg.MetadataValue.md(picture.markdown),
    }


def numbers(report: dict[str, Any]) -> dict[str, float]:
    """Return every number of which a trend is worth drawing, as far as it is known."""
    interval = report["interval"] or {}
    window = report["window"]["interval"] or {}
    level, metrics = level_of(report), report["metrics"]
    first = [name for name in METRICS[level.task] if name in metrics]
    found = {
        **{name: metrics[name] for name in dict.fromkeys([*first, *metrics])},
        f"{level.key}_lower": interval.get("lower"),
        f"{level.key}_upper": interval.get("upper"),
        f"expected_{level.key}": report["expected"],
        f"window_{level.key}": window.get("point"),
        f"window_{level.key}_lower": window.get("lower"),
        f"window_{level.key}_upper": window.get("upper"),
        "base_rate": report["base_rate"],
        "labelled_share": report["labelled"] / report["rows"] if report["rows"] else None,
        "replaced_cost_per_row": a_row(report, "replaced"),
        "saved_per_row": saved_per_row(report),
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def a_row(report: dict[str, Any], way: str) -> float | None:
    """Return what a labelled row cost by one way to decide, None where that is not known."""
    known = way in report["costs"] and report["labelled"]
    return report["costs"][way] / report["labelled"] if known else None


def saved_per_row(report: dict[str, Any]) -> float | None:
    """Return what the last retraining saved a row: what it replaced costs, less what was served."""
    served, replaced = a_row(report, "served"), a_row(report, "replaced")
    return None if served is None or replaced is None else replaced - served


def drawn(report: dict[str, Any]) -> dict[str, Any]:
    """Return one batch as the picture takes it."""
    interval = report["interval"] or {}
    return {
        "batch": report["batch"],
        "version": report["version"],
        "level": report["metrics"].get(level_of(report).key),
        "lower": interval.get("lower"),
        "upper": interval.get("upper"),
        "base_rate": report["base_rate"],
        "rows": report["rows"],
        "labelled": report["labelled"],
        "money": a_row(report, "served"),
        "money_replaced": a_row(report, "replaced"),
    }


def brought_in_money(history: Sequence[dict[str, Any]], currency: str | None) -> dict[str, Any]:
    """Return what retraining brought, in words and as a table; nothing where nothing costs."""
    if currency is None:
        return {}
    return {"what retraining brought": brought(history, currency), **money_table(history, currency)}


def brought(history: Sequence[dict[str, Any]], currency: str) -> str:
    """Return what retraining brought, in one sentence: on this batch, and over those shown."""
    from mldebt_assets.core.performance import saved

    report = history[-1]
    said = []
    if report["version"] is None:
        return "nothing was served yet"
    here = saved([report["costs"]], "replaced")
    if here is not None:
        amount = said_of(here["saved"], currency)
        said.append(f"{amount} on this batch against v{report['replaced']}, which was replaced")
    ever = saved([one["costs"] for one in history], "never_retrained")
    if ever is not None and report["first"] != report["version"]:
        amount, count = said_of(ever["saved"], currency), ever["batches"]
        said.append(f"{amount} over {count} batches against v{report['first']}, never retrained")
    return "; ".join(said) or f"v{report['version']} is the first champion: nothing was replaced"


def said_of(amount: float, currency: str) -> str:
    """Return an amount as it is said: ``saved 1,200 USD``.

    >>> said_of(-1200.4, "USD")
    'lost 1,200 USD'
    """
    return f"{'saved' if amount >= 0 else 'lost'} {abs(amount):,.0f} {currency}"


def money_table(history: Sequence[dict[str, Any]], currency: str) -> dict[str, Any]:
    """Return what the batch cost by each way to decide, and what was saved, now and over all."""
    from mldebt_assets.core.performance import saved

    report, costs = history[-1], [one["costs"] for one in history]
    records = []
    for way, words in WAYS.items():
        here, ever = saved(costs[-1:], way), saved(costs, way)
        if here is None or ever is None or not report["labelled"]:
            continue
        records.append(
            dg.TableRecord(
                {
                    "decided by": words,
                    f"{currency} a row": round(costs[-1][way] / report["labelled"], 4),
                    f"{currency} in all": round(costs[-1][way], 2),
                    "saved": round(here["saved"], 2),
                    "saved so far": round(ever["saved"], 2),
                    "over batches": int(ever["batches"]),
                }
            )
        )
    if not records:
        return {}
    schema = dg.TableSchema([dg.TableColumn(name) for name in records[0].data])
    return {"money": dg.MetadataValue.table(records, schema)}
