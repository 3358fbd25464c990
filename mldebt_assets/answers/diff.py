"""What two versions differ in: batches, code, configuration, environment, metrics and slices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.lineage import decision_on, deletion_of, trace
from mldebt_assets.assets.keys import key
from mldebt_assets.core.tasks.level import level_of
from mldebt_assets.provenance import changed_files
from mldebt_assets.snapshots import at_storage_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

FLOW = ("raw", "validated", "labels", "features")
SIDES = ("before", "after")


@dataclass(frozen=True)
class Side:
    """One version: its lineage, MLflow's parameters, its evaluation, and who deleted it, if any."""

    lineage: dict[str, Any]
    parameters: dict[str, str]
    evaluation: dict[str, Any]
    deleted: dict[str, Any] | None

    @property
    def named(self) -> dict[str, Any]:
        """Which version it is, and whether it was ever promoted."""
        model = self.lineage["model"]
        return {
            **{name: model[name] for name in ("version", "weights_sha256", "trained_at")},
            "promoted": self.lineage["promotion"]["promoted"],
            "deleted": self.deleted,
        }


def diff_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, before: int, after: int
) -> dict[str, Any]:
    """Return what differs between two versions, as plain JSON values; what is equal is left out.

    Raises: UnknownVersionError for a version on which nothing was decided.
    """
    one, other = (side_of(instance, platform, pipeline, version) for version in (before, after))
    return {
        "pipeline": pipeline.name,
        "before": one.named,
        "after": other.named,
        "training_set": training_sets(one.lineage["training_set"], other.lineage["training_set"]),
        "code": {
            "before": one.lineage["code"],
            "after": other.lineage["code"],
            "files": changed_files(one.lineage["code"]["commit"], other.lineage["code"]["commit"]),
        },
        "configuration": configurations(
            one.lineage["configuration"], other.lineage["configuration"]
        ),
        "parameters": changes(one.parameters, other.parameters),
        "environment": changes(
            flat(one.lineage["environment"]), flat(other.lineage["environment"])
        ),
        **measures(one, other),
    }


def side_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, version: int
) -> Side:
    """Return one version as it was decided on."""
    known = platform.record(pipeline.name).facts()
    decision = decision_on(known, pipeline.name, version)
    if decision is None:
        raise TypeError("a version was asked for, and neither found nor refused")
    lineage = trace(instance, platform, pipeline, decision)
    evaluated = at_storage_id(
        instance, key(pipeline, "evaluation"), decision.body["evaluation"]["storage_id"]
    )
    run = platform.registry.client.get_run(lineage["model"]["mlflow_run_id"])
    return Side(
        lineage,
        dict(run.data.params),
        platform.snapshots.load(evaluated.snapshot),
        deletion_of(known, version),
    )


def training_sets(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return which batches were added, removed, or have other bytes, and since which stage."""
    old, new = ({entry["batch"]: entry for entry in side["batches"]} for side in (before, after))
    found = [
        {"batch": batch, "change": change, "stage": stage}
        for batch in dict.fromkeys([*old, *new])
        for change, stage in [changed(old.get(batch), new.get(batch))]
        if change is not None
    ]
    return {
        "before": before["hash"],
        "after": after["hash"],
        "rows_before": before["rows"],
        "rows_after": after["rows"],
        "batches": found,
        "unchanged": len({*old, *new}) - len(found),
    }


def changed(
    old: dict[str, Any] | None, new: dict[str, Any] | None
) -> tuple[str | None, str | None]:
    """Return what became of a batch, and the first stage whose bytes are others."""
    if old is None or new is None:
        return ("added" if old is None else "removed"), None
    for stage in FLOW:
        one, other = old.get(stage), new.get(stage)
        if (one and one["sha256"]) != (other and other["sha256"]):
            return "changed", stage
    return None, None


def configurations(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what was declared differently; ``changes`` is None where it was not recorded."""
    recorded = before["values"] is not None and after["values"] is not None
    equal = before["digest"] == after["digest"]
    return {
        "before": before["digest"],
        "after": after["digest"],
        "changes": changes(flat(before["values"]), flat(after["values"]))
        if recorded
        else ([] if equal else None),
    }


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return nested values by their dotted names; a list of named things goes by these names.

    >>> flat({"split": {"salt": "s"}, "columns": [{"name": "day", "nullable": False}]})
    {'split.salt': 's', 'columns.day.name': 'day', 'columns.day.nullable': False}
    """
    if isinstance(value, list) and all(isinstance(one, dict) and "name" in one for one in value):
        value = {one["name"]: one for one in value}
    if not isinstance(value, dict) or not value:
        return {name: value}
    dot = f"{name}." if name else ""
    return {
        at: leaf for part, below in value.items() for at, leaf in flat(below, dot + part).items()
    }


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every name whose value differs, in order; None where one side has no such name."""
    return [
        {"name": name, "before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def measures(before: Side, after: Side) -> dict[str, Any]:
    """Return metrics and slices side by side.

    Where one version was judged beside the other, both are taken from there, on the same rows;
    else each from its own evaluation, on other rows.
    """
    versions = [side.named["version"] for side in (before, after)]
    shared = [
        evaluation
        for evaluation in (after.evaluation, before.evaluation)
        if {evaluation["version"], (evaluation["incumbent"] or {}).get("version")} == {*versions}
    ]
    found: dict[str, dict[str, float]] = {}
    slices: dict[tuple[str, str], dict[str, float | None]] = {}
    for at, side, version in zip(SIDES, (before, after), versions, strict=True):
        evaluation = shared[0] if shared else side.evaluation
        role = "candidate" if evaluation["version"] == version else "incumbent"
        for name, value in evaluation["models"].get(role, {}).get("metrics", {}).items():
            found.setdefault(name, {})[at] = value
        for one in evaluation["slices"]:
            own = (one["metrics"] or {}).get(level_of(evaluation).key)
            place = (one["dimension"], one["value"])
            slices.setdefault(place, {})[at] = own if role == "candidate" else one["incumbent"]
    return {
        "judged_on": {
            "same_rows": bool(shared),
            "before": (shared[0] if shared else before.evaluation)["judged_on"],
            "after": (shared[0] if shared else after.evaluation)["judged_on"],
        },
        "metric": level_of(after.evaluation).name,
        "metrics": [
            {"name": name, **{at: values.get(at) for at in SIDES}} for name, values in found.items()
        ],
        "slices": [
            {"dimension": dimension, "value": value, **{at: aucs.get(at) for at in SIDES}}
            for (dimension, value), aucs in slices.items()
        ],
    }
