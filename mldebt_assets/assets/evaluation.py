"""``p/evaluation``: the candidate beside the incumbent on rows that neither has learned from.

The incumbent is read from the promotion record and named by its hash: an edge from the champion
would be a cycle. The gate's verdicts are this asset's checks.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evaluation_page import drawn, page
from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.measuring import evaluate
from mldebt_assets.assets.predictions import load_model, read_of_model
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.scorer import pinned
from mldebt_assets.assets.training_set import made_from, training_features
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.gate import GATE_MEANINGS
from mldebt_assets.forgotten import outstanding
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion, adopted_by, champion_of
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, newest, read_metadata
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.core.verdict import Verdict
    from mldebt_assets.plots import Picture

CONTEST = "beats_incumbent"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that measures a candidate and lets the gate judge it."""
    asset_key = key(pipeline, "evaluation")

    @dg.asset(
        **common(pipeline, "evaluation", kinds={"scipy", "json"}, partitioned=False),
        deps=[
            key(pipeline, "model"),
            key(pipeline, "training_set"),
            dg.AssetDep(key(pipeline, "features"), partition_mapping=dg.AllPartitionMapping()),
        ],
        check_specs=[
            check_spec(name, asset_key, meaning) for name, meaning in GATE_MEANINGS.items()
        ],
        description="Metrics, slices, money, and the gate's verdicts, on held-out groups.",
    )
    def evaluation(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        model = reading.take(key(pipeline, "model"))
        manifest = made_from(context.instance, model, key(pipeline, "training_set"))
        reading.note(manifest)
        features = training_features(context.instance, pipeline, manifest)
        for table in features:
            reading.note(table)
        facts = platform.record(pipeline.name).facts()
        champion = champion_of(facts)
        must_go = champion is not None and champion.version in outstanding(facts)
        forward, read = forward_metric(context.instance, pipeline, champion)

        def make() -> Iterator[Made]:
            measured, verdicts = evaluate(
                giving_way(pipeline) if must_go else pipeline,
                reading.load_together(features),
                candidate=from_weights(reading.load(model)),
                incumbent=load_model(pipeline, platform, pinned(champion)) if champion else None,
                forward=forward,
            )
            measured["version"] = model.metadata["version"]
            measured["incumbent"] = named(champion)
            measured, verdicts = told_of_incumbent(champion, measured, verdicts)
            for verdict in verdicts:
                yield check_result(verdict, asset_key, severity=dg.AssetCheckSeverity.WARN)
            pictures = drawn(measured)
            run_id = str(model.metadata["mlflow_run_id"])
            log_to_mlflow(platform, run_id, measured, pictures)
            compared_with = read_of_model(pipeline, "incumbent", pinned(champion))
            served = read_metadata(read, part="forward")
            facts = {
                **page(measured, pictures),
                "MLflow run": dg.MetadataValue.url(platform.registry.run_url(run_id)),
                "code_commit": model.metadata["code_commit"],
            }
            yield dg.Output(measured, metadata={**facts, **compared_with, **served})

        also = {
            "version": model.metadata["version"],
            "incumbent": named(champion),
            **({"must go": True} if must_go else {}),
        }
        yield from once(context, pipeline, reading, make, **also, forward=forward)

    return [evaluation]


def giving_way(pipeline: Pipeline) -> Pipeline:
    """Return the pipeline with a gate for an incumbent that must go: somebody is forgotten.

    The candidate need not be better, and may lose no more than any slice may.
    """
    gate = replace(pipeline.gate, margin=-pipeline.gate.slice_loss)
    return replace(pipeline, gate=gate)


def told_of_incumbent(
    champion: Champion | None, measured: dict[str, Any], verdicts: "tuple[Verdict, ...]"
) -> "tuple[dict[str, Any], tuple[Verdict, ...]]":
    """Return what was measured, with what nobody knows of an incumbent that was adopted."""
    if champion is None or adopted_by(champion.promotion.body) is None:
        return measured, verdicts
    told = f"v{champion.version} was adopted, and may have been trained on these very rows"
    said = tuple(
        replace(one, reason=f"{one.reason}; {told}") if one.name == CONTEST else one
        for one in verdicts
    )
    reason = f"{measured['reason']}; {told}"
    return {**measured, "reason": reason, "verdicts": [one.as_dict() for one in said]}, said


def from_weights(weights: Blob) -> "FittedModel":
    """Return the model that these bytes are; their digest was compared when they were loaded."""
    from mldebt_assets.core.training import from_bytes

    return from_bytes(weights.data)


def named(champion: Champion | None) -> dict[str, Any] | None:
    """Return which version the candidate was compared with, by its hash."""
    if champion is None:
        return None
    return {"version": champion.version, "weights_sha256": champion.weights_sha256}


def forward_metric(
    instance: dg.DagsterInstance, pipeline: Pipeline, champion: Champion | None
) -> tuple[dict[str, float], list[Stored]]:
    """Return the incumbent's mean level on the batches that it scored before they were learned.

    Beside it come the performances that it was read from. The candidate has none until its first
    batch arrives, and a batch none until its labels do.
    """
    read, level = [], pipeline.task.level.key
    for batch in instance.get_dynamic_partitions(batches(pipeline).name or ""):
        served = newest(instance, key(pipeline, "performance"), batch)
        facts = served.metadata if served else {}
        if served and champion and facts.get("scored by") == champion.version:
            read += [served] if level in facts else []
    found = [float(served.metadata[level]) for served in read]
    return ({"incumbent": sum(found) / len(found)} if found else {}), read


def log_to_mlflow(
    platform: Platform, run_id: str, measured: dict[str, Any], pictures: dict[str, "Picture"]
) -> None:
    """Log the candidate's metrics and the pictures with its run, which has ended."""
    from mlflow.entities import Metric

    client = platform.registry.client
    if measured["models"]:
        found = measured["models"]["candidate"]["metrics"]
        now = round(time.time() * 1000)
        metrics = [Metric(f"held_out_{name}", value, now, 0) for name, value in found.items()]
        client.log_batch(run_id, metrics=metrics)
    for name, picture in pictures.items():
        path = f"plots/{name.replace(' ', '_')}.png"
        platform.registry.log_file(run_id, path, picture.png)
    client.set_tag(run_id, "gate", "passed" if measured["promote"] else "refused")
