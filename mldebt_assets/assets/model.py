"""``p/model``: weights, an MLflow run and a registered version, all three naming each other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.reuse import RESULT
from mldebt_assets.assets.training_set import training_features
from mldebt_assets.brought import bundled
from mldebt_assets.core.errors import DeclarationError, SnapshotMissingError
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import digest, md5, sha256, split_of
from mldebt_assets.pipeline import Pipeline, as_configuration
from mldebt_assets.provenance import code, environment, uncommitted
from mldebt_assets.registry import ModelVersion
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.training import FittedModel

Facts = dict[str, Any]
Report = Callable[[int, dict[str, float]], None]

CONFIGURED = ("columns", "target", "features", "split", "training", "costs")
UNCOMMITTED = "code_uncommitted"  # its hash, or "none"
UNCOMMITTED_MD5 = "code_uncommitted_md5"
ESTIMATOR = "estimator"
DIFF = "uncommitted.diff"
BROUGHT = "code_pipelines"  # of a user's own pipeline files, which no commit of the package has
BROUGHT_MD5 = "code_pipelines_md5"
OWN_FILES = "pipelines.json"
TOO_LONG_FOR_TAGS = {"environment_facts", "configuration_facts"}  # files of the run instead


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that trains, or finds that the very same training was done before."""
    own = pipeline.training.estimator is not None

    @dg.asset(
        **common(
            pipeline, "model", kinds={"onnx" if own else "pytorch", "mlflow"}, partitioned=False
        ),
        deps=[
            key(pipeline, "training_set"),
            dg.AssetDep(key(pipeline, "features"), partition_mapping=dg.AllPartitionMapping()),
        ],
        required_resource_keys={"mlflow", "platform"},
        description=("The user's own model as ONNX" if own else "Weights as safetensors")
        + "; vocabularies, scales and threshold are in the file.",
    )
    def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Blob]:
        platform: Platform = context.resources.platform
        mlflow = context.resources.mlflow
        with ended(mlflow):
            reading = Reading(context.instance, platform.snapshots)
            manifest = reading.newest(key(pipeline, "training_set"))
            reading.note(manifest)
            facts = training_facts(pipeline, manifest.snapshot.sha256)
            facts |= uncommitted_code(pipeline, platform)
            same = made_before(pipeline, platform, facts["training_key"])
            if same is not None:
                mlflow.set_tag("reused_version", same.version)
                value, made = stored_weights(pipeline, platform, same), reused_facts(same)
            else:
                features = training_features(context.instance, pipeline, manifest)
                table = reading.load_together(features)
                value, made = train(pipeline, platform, mlflow, table, facts)
        link = dg.MetadataValue.url(platform.registry.run_url(made["mlflow_run_id"]))
        made |= own_facts(pipeline, value)
        metadata = {**facts, **made, "MLflow run": link, **reading.metadata()}
        return dg.MaterializeResult(value=value, metadata=metadata)

    return [model]


def training_facts(pipeline: Pipeline, training_set: str) -> Facts:
    """Return what decides the weights: data, code and configuration, and one key for all three."""
    configuration = configuration_of(pipeline)
    state, where = code(), environment()
    decides = {
        "training_set": training_set,
        "code": state["digest"],
        "configuration": digest(configuration),
    }
    return {
        "training_set": training_set,
        "code_commit": state["commit"] or "unknown",
        "code_dirty": str(state["dirty"]).lower(),
        "code_digest": state["digest"],
        "configuration": decides["configuration"],
        "configuration_facts": dg.MetadataValue.json(configuration),
        "environment": where["digest"],
        "environment_facts": dg.MetadataValue.json(where),
        "training_key": digest(decides),
    }


def configuration_of(pipeline: Pipeline) -> dict[str, Any]:
    """Return, as plain JSON values, what of a declaration decides the weights."""
    return {name: as_configuration(getattr(pipeline, name)) for name in CONFIGURED}


def uncommitted_code(pipeline: Pipeline, platform: Platform) -> Facts:
    """Store what no commit has: the checkout's changes, and a user's own pipeline files.

    Return the hash and the address of each.
    """
    folder = f"{pipeline.name}/code"
    facts: Facts = {UNCOMMITTED: "none"}
    diff, own = uncommitted(), bundled()
    if diff is not None:
        stored = platform.snapshots.put(diff, folder=folder, name=DIFF)
        facts |= {UNCOMMITTED: stored.sha256, UNCOMMITTED_MD5: stored.md5}
    if own is not None:
        stored = platform.snapshots.put(own, folder=folder, name=OWN_FILES)
        facts |= {BROUGHT: stored.sha256, BROUGHT_MD5: stored.md5}
    return facts


def require_same_task(pipeline: Pipeline, version: int, fitted: "FittedModel") -> "FittedModel":
    """Return a version's model if what is declared now is what it answers.

    Raises: DeclarationError where the pipeline's task, or its classes, are other ones.
    """
    declared = (pipeline.target.task, tuple(pipeline.target.classes))
    if (fitted.task, tuple(fitted.classes)) == declared:
        return fitted
    told = fitted.task + (f" ({', '.join(fitted.classes)})" if fitted.classes else "")
    now = declared[0] + (f" ({', '.join(declared[1])})" if declared[1] else "")
    raise DeclarationError.of(
        pipeline.name,
        f"its task is {now}, and version {version} of its model answers another: {told}.",
        "declare that one again, or give the pipeline with the new task a name of its own.",
    )


def made_before(pipeline: Pipeline, platform: Platform, training_key: str) -> ModelVersion | None:
    """Return the version that the same manifest, code and configuration made, if it is stored."""
    version = platform.registry.find(pipeline.name, training_key=training_key)
    if version is None:
        return None
    try:
        stored_weights(pipeline, platform, version)
    except SnapshotMissingError:
        return None
    return version


def stored_weights(pipeline: Pipeline, platform: Platform, version: ModelVersion) -> Blob:
    """Return a version's weights by the hash that its tags name."""
    data = platform.snapshots.get(
        name=f"{pipeline.name}/model version {version.version}",
        sha256_hex=version.tags["weights_sha256"],
        md5=version.tags["weights_md5"],
    )
    return Blob(data, ".safetensors")


def reused_facts(version: ModelVersion) -> Facts:
    """Return what a model's metadata says where nothing had to be trained."""
    return {
        RESULT: f"taken from version {version.version}, nothing was trained",
        "version": version.version,
        "weights_sha256": version.tags["weights_sha256"],
        "mlflow_run_id": version.run_id,
        "reused": True,
    }


def train(
    pipeline: Pipeline, platform: Platform, mlflow: Any, table: "pd.DataFrame", facts: Facts
) -> tuple[Blob, Facts]:
    """Fit on the training groups, log the run, register the version; return weights and facts."""
    run_id = mlflow.active_run().info.run_id
    history: list[tuple[int, dict[str, float]]] = []
    weights, rows = weights_from(pipeline, table, lambda *epoch: history.append(epoch))
    mlflow.log_params({**as_configuration(pipeline.training), "rows": rows})
    for epoch, metrics in history:
        mlflow.log_metrics(metrics, step=epoch)
    own = own_facts(pipeline, Blob(weights, ".safetensors"))
    if own:
        mlflow.log_dict(own[ESTIMATOR].value, f"{ESTIMATOR}.json")
        mlflow.set_tags({ESTIMATOR: own[ESTIMATOR].value["name"]})
    hashes = {"weights_sha256": sha256(weights), "weights_md5": md5(weights)}
    told = {**facts, **hashes}
    tags = {name: str(told[name]) for name in told.keys() - TOO_LONG_FOR_TAGS}
    mlflow.set_tags(tags)
    for name in TOO_LONG_FOR_TAGS:
        mlflow.log_dict(facts[name].value, f"{name.removesuffix('_facts')}.json")
    version = platform.registry.register(pipeline.name, run_id=run_id, weights=weights, tags=tags)
    return Blob(weights, ".safetensors"), {
        RESULT: "made by this run",
        "version": version.version,
        "weights_sha256": hashes["weights_sha256"],
        "mlflow_run_id": run_id,
        "rows trained on": rows,
        "reused": False,
    }


def own_facts(pipeline: Pipeline, weights: Blob) -> Facts:
    """Return which class, of which package, with which parameters a user's own model was."""
    if pipeline.training.estimator is None:
        return {}
    from mldebt_assets.core.training import from_bytes

    return {ESTIMATOR: dg.MetadataValue.json(dict(from_bytes(weights.data).own or {}))}


def weights_from(
    pipeline: Pipeline, table: "pd.DataFrame", report: Report | None = None
) -> tuple[bytes, int]:
    """Return the weights that the feature tables give, and from how many rows.

    The same code trains a candidate and proves, later, that it can be trained again.
    """
    from mldebt_assets.core.training import fit, to_bytes

    rows, tuning = training_rows(pipeline, table)
    fitted = fit(
        inputs_of(rows),
        pipeline.task.numbers(rows[LABEL]),
        tuning,
        settings=pipeline.training,
        costs=pipeline.costs,
        task=pipeline.task,
        report=report,
    )
    return to_bytes(fitted), len(rows)


def training_rows(
    pipeline: Pipeline, table: "pd.DataFrame"
) -> "tuple[pd.DataFrame, NDArray[np.bool_]]":
    """Return the labelled rows outside the held-out groups, and which of them only tune."""
    place = split_of(table[GROUP], pipeline.split)
    learn = (place != "held_out") & table[LABEL].notna()
    return table[learn], (place[learn] == "tuning").to_numpy()


@contextmanager
def ended(mlflow: Any) -> Iterator[None]:
    """End the MLflow run as FINISHED only if the body finished, whatever happens."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        mlflow.end_run(status)
