"""The facts that the papers of a promotion are written from: plain JSON, gathered from the graph.

Nothing here is judged or rounded, and nothing is told that the pipeline did not declare or a step
did not record: what nobody recorded is None.
"""

from __future__ import annotations

import re
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.lineage import trace
from mldebt_assets.answers.walk import walk
from mldebt_assets.assets.anonymity import measured
from mldebt_assets.assets.collecting import SCAN
from mldebt_assets.assets.keys import key
from mldebt_assets.core.features import BOOKKEEPING
from mldebt_assets.core.privacy.anonymity import judge
from mldebt_assets.pipeline import as_configuration
from mldebt_assets.promotions import ACT, adopted_by
from mldebt_assets.snapshots import COLUMN_SCHEMA, at_storage_id

if TYPE_CHECKING:
    from importlib.metadata import PackageMetadata

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

DRAWN = ("curves", "scores")  # what evaluation keeps for its pictures
LONGEST_LICENCE = 80


def gather(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> dict[str, Any]:
    """Return everything that the papers of a promotion say.

    Raises: SnapshotMissingError, DigestMismatchError, RecordError where what it stands on is gone,
            damaged, or contradicts itself.
    """
    body = champion.promotion.body
    evaluated = at_storage_id(
        instance, key(pipeline, "evaluation"), body["evaluation"]["storage_id"]
    )
    lineage = trace(instance, platform, pipeline, champion.promotion)
    return {
        "pipeline": as_configuration(pipeline),
        "promotion": promotion_of(champion),
        "lineage": lineage,
        "evaluation": without_drawings(platform.snapshots.load(evaluated.snapshot)),
        **learned(instance, platform, pipeline, champion),
        "artefacts": {
            stage: {name: body[stage][name] for name in ("sha256", "md5", "bytes")}
            for stage in ("model", "onnx", "evaluation", "training_set")
            if body[stage] is not None
        },
        "packages": packages_of(lineage["environment"]["packages"])
        if lineage["environment"]
        else {"recorded": False, "list": []},
    }


def learned(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> dict[str, Any]:
    """Return the inputs, and what was learned from; of an adopted model what it is given alone."""
    body = champion.promotion.body
    adopted = adopted_by(body)
    if adopted is not None:
        fed = [
            {"name": name, "type": one["type"]}
            for one in adopted["inputs"]
            for name in one["columns"]
        ]
        unknown = {"personal_data": None, "anonymity": "not known"}
        return {"inputs": fed, **unknown, "batches": [], "adopted": adopted}
    training_set = at_storage_id(
        instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    stages = walk(instance, pipeline, training_set)
    return {
        "inputs": inputs_of(list(stages["features"].values())[-1]),
        "personal_data": training_set.metadata.get(SCAN),
        "anonymity": anonymity_of(instance, platform, pipeline, training_set),
        "batches": batches_of(stages, platform.snapshots.load(training_set.snapshot)),
        "adopted": None,
    }


def promotion_of(champion: Champion) -> dict[str, Any]:
    """Return the promotion, with what a person's has beyond the gate's."""
    fact = champion.promotion
    told = ("version", "weights_sha256", "by", "reason", "asked_because", "previous_version")
    by_person = (ACT, "gate", "expires", "overrules")
    return {
        "sequence": fact.sequence,
        "hash": fact.hash,
        "recorded_at": fact.recorded_at.isoformat(),
        "effective_at": fact.effective_at.isoformat(),
        **{name: fact.body[name] for name in told},
        **{name: fact.body.get(name) for name in by_person},
        "drift_reference": fact.body["reference"],
    }


def anonymity_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, training_set: Stored
) -> str | None:
    """Return how well the rows that were learned hide, in words; None where that is not declared.

    Its name and parts are those of the check ``k_anonymous``.
    """
    declared = pipeline.privacy
    if declared is None:
        return None
    found = measured(instance, platform, pipeline, declared, training_set)
    return judge(found, declared).reason.partition("\n")[0]


def without_drawings(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation without the points of its curves."""
    models = {
        role: {name: value for name, value in model.items() if name not in DRAWN}
        for role, model in evaluation["models"].items()
    }
    return {**evaluation, "models": models}


def inputs_of(features: Stored) -> list[dict[str, str]]:
    """Return the model's inputs, each with its type, as the newest feature table has them."""
    schema = features.metadata[COLUMN_SCHEMA]
    return [
        {"name": column.name, "type": column.type}
        for column in schema.columns
        if not column.name.startswith(BOOKKEEPING)
    ]


def batches_of(
    stages: dict[str, dict[str, Stored]], manifest: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return each batch's rows: as they came, in quarantine, valid, and with a label."""
    found = []
    for entry in manifest["batches"]:
        batch = entry["batch"]
        features, validated = (stages[stage][batch].metadata for stage in ("features", "validated"))
        found.append(
            {
                "batch": batch,
                "effective_at": entry["effective_at"],
                "raw_rows": entry["raw"]["rows"],
                "quarantined": validated.get("rows in quarantine"),
                "rows": entry["features"]["rows"],
                "labelled": features.get("labelled rows"),
            }
        )
    return found


def packages_of(recorded: dict[str, str] | str) -> dict[str, Any]:
    """Return the Python packages that a version was trained with, each with its licence.

    Old versions recorded a digest of them alone: theirs are those installed now, and ``recorded``
    is False. The licence is None where that very version is not installed here, or does not say.
    """
    here = {(normal(one.name), one.version): licence_of(one.metadata) for one in distributions()}
    named = recorded.items() if isinstance(recorded, dict) else here
    listed = sorted({(normal(name), version) for name, version in named})
    return {
        "recorded": isinstance(recorded, dict),
        "list": [
            {"name": name, "version": version, "licence": here.get((name, version))}
            for name, version in listed
        ],
    }


def normal(name: str) -> str:
    """Return a package's name as PEP 503 writes it.

    >>> normal("Great_Expectations")
    'great-expectations'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(metadata: PackageMetadata) -> str | None:
    """Return a package's licence where it states one in a line; some put the whole text there."""
    for field in ("License-Expression", "License"):
        text = str(metadata[field] or "").strip() if field in metadata else ""
        if text and "\n" not in text and len(text) <= LONGEST_LICENCE:
            return text
    return None
