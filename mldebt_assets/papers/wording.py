"""How the papers word what the dossier holds: metrics, spans of time, who decided."""

from __future__ import annotations

from typing import Any

from mldebt_assets.assets.personal_data import in_words
from mldebt_assets.core.periods import how_many
from mldebt_assets.core.tasks.level import Level, level_of
from mldebt_assets.promotions import decider, told_of_adoption

NOT_DECLARED = "not declared"
NOT_SCANNED = "not scanned"
NOT_KNOWN = "·"
DIGITS = 4
NAMES = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "lift": "lift in the top tenth",
    "base_rate": "base rate",
    "cost_per_row": "cost a row",
    "cost_total": "cost in all",
    "cost_never": "cost without alarms",
    "rows": "rows",
    "true_positives": "caught",
    "false_positives": "false alarms",
    "false_negatives": "missed",
    "true_negatives": "rightly let pass",
    "log_loss_skill": "log loss skill",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_roc_auc": "mean ROC AUC, each class against the rest",
    "largest_class": "share of the largest class",
    "errors": "wrong",
    "r_squared": "R²",
    "mean_absolute_error": "mean absolute error",
    "root_mean_squared_error": "root mean squared error",
    "mean_error": "mean error",
    "mean_label": "mean label",
    "interval_coverage": "share inside the interval",
    "interval_half_width": "half width of the interval",
}
BASELINES = {
    "binary": "logistic regression",
    "multiclass": "multinomial logistic regression",
    "regression": "ridge regression",
}


def level(dossier: dict[str, Any]) -> Level:
    """Return what the version was compared by."""
    return level_of(dossier["evaluation"])


def baseline(dossier: dict[str, Any]) -> str:
    """Return what the simple model is that the version was held against."""
    return BASELINES[level(dossier).task]


def currency(dossier: dict[str, Any]) -> str | None:
    """Return what costs are counted in; None where nothing is declared to cost."""
    costs = dossier["pipeline"]["costs"]
    return costs["currency"] if costs else None


def metric_name(name: str, currency: str | None) -> str:
    """Return a metric's name with its unit.

    >>> metric_name("cost_per_row", "USD"), metric_name("own", "USD")
    ('cost a row, USD', 'own')
    """
    of, _, which = name.partition("_")
    told = f"{of} of {which}" if of in {"recall", "precision"} else name
    worded = NAMES.get(name, told)
    return f"{worded}, {currency}" if name.startswith("cost_") else worded


def number(value: float | None) -> str:
    """Return a count with separators, or a fraction with four digits.

    >>> number(13393), number(0.74516), number(None)
    ('13,393', '0.7452', '·')
    """
    if value is None:
        return NOT_KNOWN
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.{DIGITS}f}"


def interval(found: dict[str, Any] | None) -> str:
    """Return an interval, or a dot where there is none."""
    return NOT_KNOWN if found is None else f"{number(found['lower'])} to {number(found['upper'])}"


def span(batches: list[str]) -> str:
    """Return the first and the last of some batches.

    >>> span(["2013-01"]), span(["2013-01", "2013-02"])
    ('2013-01', '2013-01 to 2013-02')
    """
    return batches[0] if len(batches) == 1 else f"{batches[0]} to {batches[-1]}"


def named(dossier: dict[str, Any]) -> str:
    """Return the model's name and version, as every paper's title has it."""
    return f"{dossier['pipeline']['name']} v{dossier['promotion']['version']}"


def trained_on(dossier: dict[str, Any]) -> str:
    """Return how much the version learned from; of an adopted one, what is said of it."""
    if dossier["adopted"] is not None:
        return f"not known: it was {told_of_adoption(dossier['adopted'])}"
    names = [entry["batch"] for entry in dossier["batches"]]
    rows = dossier["lineage"]["training_set"]["rows"]
    return f"{rows:,} rows in {how_many(len(names))}, {span(names)}"


def decided(dossier: dict[str, Any]) -> str:
    """Return who promoted the version, and when."""
    promotion = dossier["promotion"]
    return f"{promotion['recorded_at'][:16].replace('T', ' ')} UTC by {decider(promotion['by'])}"


def candidate(dossier: dict[str, Any]) -> dict[str, float]:
    """Return the version's metrics on the held-out rows; nothing where none could be measured."""
    models = dossier["evaluation"]["models"]
    metrics: dict[str, float] = models["candidate"]["metrics"] if models else {}
    return metrics


def personal_data(dossier: dict[str, Any]) -> str:
    """Return what the scans of the training set's batches found of personal data."""
    known = dossier["personal_data"]
    if dossier["adopted"] is not None:
        return "not known: what the model was trained on is not"
    if known is None:
        return NOT_SCANNED
    missing = f"; not scanned: {', '.join(known['unscanned'])}" if known["unscanned"] else ""
    return f"{in_words(known)}{missing}"


def retention(dossier: dict[str, Any]) -> str:
    """Return how long the data may be kept, as it is declared of their sources."""
    told = dict.fromkeys(declared["retention"] for _, declared in sources(dossier))
    return "; ".join(one for one in told if one) or NOT_DECLARED


def sources(dossier: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what the pipeline declares of each source, by what comes from it."""
    declared = dossier["pipeline"]
    labels = [("labels", declared["labels"])] if declared["labels"] else []
    return [("batches", declared["source"]), *labels]
