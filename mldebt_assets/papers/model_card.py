"""The model card: what a version is for, what it learned from, how good it is, and where not.

Its headings follow Mitchell et al., Model cards for model reporting, 2019.
"""

from __future__ import annotations

from typing import Any

from mldebt_assets.papers.limits import limits
from mldebt_assets.papers.page import Code, Facts, Items, Page, Section, Table, Text
from mldebt_assets.papers.wording import (
    NAMES,
    baseline,
    candidate,
    currency,
    decided,
    interval,
    level,
    metric_name,
    named,
    number,
    span,
    trained_on,
)
from mldebt_assets.promotions import told_of_adoption

ROLES = ("candidate", "incumbent", "baseline")
RATES = {
    "selection_rate": "decided yes",
    "true_positive_rate": "of what was to be found",
    "false_positive_rate": "of what was not",
}
UNKNOWN = "unknown"
OF_A_CLASS = ("recall_", "precision_")


def model_card(dossier: dict[str, Any]) -> Page:
    """Return the model card of a promotion."""
    return Page(
        kind="Model card",
        title=named(dossier),
        lead=dossier["pipeline"]["description"],
        figures=figures(dossier),
        sections=(
            Section("What it is", (intended(dossier),)),
            Section("Why it is in production", (promotion(dossier), verdicts(dossier))),
            Section("How good it is", measured(dossier)),
            Section("Slices", slices(dossier)),
            Section("Groups that are promised", groups(dossier)),
            Section("What it learned from", (data(dossier), inputs(dossier))),
            Section("Limits", (Items(limits(dossier)),)),
            Section("Lineage", (lineage(dossier),)),
        ),
    )


def figures(dossier: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the figures that matter most."""
    on, metrics = dossier["evaluation"]["judged_on"], candidate(dossier)
    shown = [
        (metric_name(name, currency(dossier)), number(metrics[name]))
        for name in (level(dossier).key, "cost_per_row")
        if name in metrics
    ]
    return (
        *shown,
        ("rows learned from", number(dossier["lineage"]["training_set"]["rows"])),
        ("held-out rows judged on", number(on["rows"])),
    )


def intended(dossier: dict[str, Any]) -> Facts:
    """Return what the model is for, and whose it is."""
    declared, promoted = dossier["pipeline"], dossier["promotion"]
    return Facts(
        (
            ("question", declared["description"]),
            ("predicts", declared["target"]["description"]),
            *answer(dossier),
            ("owner", declared["owner"]),
            ("kind of model", architecture(dossier)),
            ("version", f"{promoted['version']}"),
            ("weights, SHA-256", Code(promoted["weights_sha256"])),
            ("ONNX export, SHA-256", Code(dossier["artefacts"]["onnx"]["sha256"])),
        )
    )


def answer(dossier: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the model says of a row, what is decided by it, and what that costs."""
    declared, models = dossier["pipeline"], dossier["evaluation"]["models"]
    kind, costs = level(dossier).task, declared["costs"]
    if kind == "multiclass":
        classes = declared["target"]["classes"]
        return [
            ("score", f"a probability for each of {len(classes)} classes, for each row by itself"),
            ("classes", ", ".join(classes)),
            ("decides", "for the likeliest class"),
        ]
    if kind == "regression":
        width = models["candidate"]["metrics"].get("interval_half_width") if models else None
        return [
            ("score", "a value, for each row by itself"),
            ("interval", f"{number(width)} to either side, made to hold 90 % of the values"),
        ]
    threshold = models["candidate"]["threshold"] if models else None
    return [
        ("score", "a probability between 0 and 1, for each row by itself"),
        ("decides", f"yes at a score of {number(threshold)} or more"),
        (
            "cost of a decision",
            f"{number(costs['false_alarm'])} for a false alarm, {number(costs['missed'])} "
            f"missed, {number(costs['caught'])} caught, in {costs['currency']}",
        ),
    ]


def architecture(dossier: dict[str, Any]) -> str:
    """Return what kind of network it is, as declared, or what the user's own model was."""
    if dossier["adopted"] is not None:
        return f"an ONNX file that was {told_of_adoption(dossier['adopted'])}"
    own = dossier["lineage"]["model"]["estimator"]
    if own["name"] is not None:
        settings = ", ".join(f"{name}={value}" for name, value in own["parameters"].items())
        return f"{own['name']} of {own['package'] or 'own code'}, kept as ONNX: {settings}"
    training = dossier["pipeline"]["training"]
    layers = " and ".join(str(width) for width in training["hidden"])
    members = training["members"]
    return (
        f"{members} feed-forward network{'s' * (members != 1)} with embeddings of categories, "
        f"hidden layers of {layers}"
    )


def promotion(dossier: dict[str, Any]) -> Facts:
    """Return who decided, when and why."""
    told = dossier["promotion"]
    previous = told["previous_version"]
    until = [("until", told["expires"])] if told["expires"] else []
    gate = [("the gate said", told["gate"])] if told["gate"] else []
    return Facts(
        (
            ("decided", decided(dossier)),
            ("because", told["reason"]),
            *gate,
            *until,
            ("asked for by", told["asked_because"]),
            ("in force from", f"{told['effective_at'][:10]}, in the data's time"),
            ("replaced", "nothing: it is the first" if previous is None else f"v{previous}"),
        )
    )


def verdicts(dossier: dict[str, Any]) -> Table:
    """Return the gate's verdicts."""
    rows = tuple(
        (
            one["name"].replace("_", " "),
            "passed" if one["passed"] else "failed",
            one["reason"],
        )
        for one in dossier["evaluation"]["verdicts"]
    )
    return Table(("gate", "verdict", "measured"), rows)


def measured(dossier: dict[str, Any]) -> tuple[Text | Table, ...]:
    """Return the metrics of the version, beside the one before and the simple baseline."""
    evaluation, gate = dossier["evaluation"], dossier["pipeline"]["gate"]
    models, on = evaluation["models"], evaluation["judged_on"]
    if not models:
        return (Text("Nothing could be measured on the held-out rows; the verdicts say why."),)
    before = evaluation["incumbent"]
    headings = {
        "candidate": named(dossier),
        "incumbent": f"v{before['version']}" if before else "",
        "baseline": baseline(dossier),
    }
    roles = [role for role in ROLES if role in models]
    found = models["candidate"]["metrics"]
    names = [name for name in NAMES if name in found]
    names += [name for name in found if name.startswith(OF_A_CLASS)]
    rows = [
        (
            metric_name(name, currency(dossier)),
            *(number(models[role]["metrics"][name]) for role in roles),
        )
        for name in names
    ]
    own = models["candidate"].get("interval")
    told = (
        f"{level(dossier).name} {number(own['point'])}, {gate['confidence']:.0%} interval "
        f"{interval(own)}. "
        if own
        else ""
    )
    return (
        Text(
            f"{told}Measured on {on['rows']:,} rows in {on['groups']} held-out groups of "
            f"{span(on['batches'])}, {seen(dossier)}."
        ),
        Table(
            ("metric", *(headings[role] for role in roles)),
            tuple(rows),
            right=tuple(headings[role] for role in roles),
        ),
    )


def seen(dossier: dict[str, Any]) -> str:
    """Return whether the version can have learned from the rows that it is judged on."""
    if dossier["adopted"] is not None:
        return "which it may have been trained on: nobody here knows"
    return "from which no version has ever learned"


def slices(dossier: dict[str, Any]) -> tuple[Text | Table, ...]:
    """Return how good the version is in each slice that was judged."""
    judged = [one for one in dossier["evaluation"]["slices"] if one["metrics"]]
    if not judged:
        return (Text("No slice was judged; see the limits."),)
    confidence = f"{dossier['pipeline']['gate']['confidence']:.0%} interval"
    told, paid = level(dossier), ["cost_per_row"] if currency(dossier) else []
    rows = tuple(
        (
            one["dimension"].replace("_", " "),
            one["value"],
            number(one["rows"]),
            number(one["metrics"].get(told.key)),
            interval(one["interval"]),
            number(one["incumbent"]),
            *(number(one["metrics"][name]) for name in paid),
        )
        for one in judged
    )
    headings = (
        "slice", "value", "rows", told.name, confidence, "version before",
        *(metric_name(name, currency(dossier)) for name in paid),
    )  # fmt: skip
    return (Table(headings, rows, right=headings[2:]),)


def groups(dossier: dict[str, Any]) -> tuple[Text | Table, ...]:
    """Return how far each promised group lies behind all rows."""
    found = dossier["evaluation"].get("groups", [])
    if not found:
        return (Text("No group was promised when it was judged; see the limits."),)
    told, confidence = level(dossier), f"{dossier['pipeline']['gate']['confidence']:.0%} interval"
    binary = currency(dossier) is not None
    rows = tuple(
        (
            one["dimension"].replace("_", " "),
            one["value"],
            number(one["rows"]),
            number(one["level"] and one["level"]["point"]),
            number(one["gap"] and one["gap"]["point"]),
            interval(one["gap"]),
            number(one["incumbent"]),
            *(number(one["rates"] and one["rates"][name]) for name in (RATES if binary else ())),
        )
        for one in found
    )
    headings = (
        "group", "value", "rows", told.name, "below all rows", confidence, "version before",
        *(RATES.values() if binary else ()),
    )  # fmt: skip
    return (Table(headings, rows, right=headings[2:]),)


def data(dossier: dict[str, Any]) -> Facts:
    """Return what it learned from, in short; the data sheet says it whole."""
    declared = dossier["pipeline"]
    split = declared["split"]
    groups = split["group"] or "equal rows"
    return Facts(
        (
            ("data", declared["source"]["description"]),
            ("learned from", trained_on(dossier)),
            ("training set, SHA-256", Code(dossier["lineage"]["training_set"]["hash"] or UNKNOWN)),
            (
                "held out",
                f"{split['held_out_fraction']:.0%} of all groups of {groups}, "
                "chosen by a hash of their names",
            ),
        )
    )


def inputs(dossier: dict[str, Any]) -> Facts:
    """Return the model's inputs by their type."""
    names: dict[str, list[str]] = {}
    for one in dossier["inputs"]:
        names.setdefault(one["type"], []).append(one["name"])
    return Facts(tuple((f"inputs, {kind}", ", ".join(of)) for kind, of in names.items()))


def trained(model: dict[str, Any]) -> str:
    """Return when a version was trained."""
    at = model["trained_at"]
    return f"{at[:19].replace('T', ' ')} UTC" if at else UNKNOWN


def lineage(dossier: dict[str, Any]) -> Facts:
    """Return what made the version, and how to prove it."""
    found, name = dossier["lineage"], dossier["pipeline"]["name"]
    version, code = dossier["promotion"]["version"], found["code"]
    return Facts(
        (
            ("code, commit", Code(code["commit"] or UNKNOWN)),
            ("code, SHA-256", Code(code["digest"] or UNKNOWN)),
            ("configuration, SHA-256", Code(found["configuration"]["digest"] or UNKNOWN)),
            ("environment, SHA-256", Code(found["environment"].get("digest", UNKNOWN))),
            ("trained", trained(found["model"])),
            ("MLflow run", Code(found["model"]["mlflow_run_id"])),
            ("Dagster run", Code(found["model"]["dagster_run_id"] or "none")),
            ("fact of the record", f"{dossier['promotion']['sequence']}"),
            ("its SHA-256", Code(dossier["promotion"]["hash"])),
            ("prove it", Code(f"mldebt lineage {name} --version {version}")),
        )
    )
