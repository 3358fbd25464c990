"""A person adopts an existing model, an ONNX file, as the first champion: its lineage begins there.

What it was made of stays unknown, and is said to be: its promotion names no training set, and what
was made from it begins at the file. Everything else is as for any champion: the bytes are stored by
their hash, it is registered, measured, watched, replaced by the gate, and gone back to.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.champion import located
from mldebt_assets.assets.evaluation_page import drawn, page
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.measuring import evaluate, unmeasured
from mldebt_assets.assets.model import training_rows
from mldebt_assets.assets.promoting import data_time, promote
from mldebt_assets.assets.reuse import RESULT
from mldebt_assets.assets.training_set import arrived
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import (
    NothingToTrainOnError,
    RefusedError,
    UntrainableError,
)
from mldebt_assets.core.features import LABEL, inputs_of
from mldebt_assets.core.fingerprint import digest, md5, sha256
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.home import require_experiment
from mldebt_assets.promotions import (
    ACT,
    ADOPT,
    ADOPTED,
    adopted_by,
    champion_of,
    deletions,
    told_of_adoption,
)
from mldebt_assets.snapshots import Reading, Stored, snapshot_metadata
from mldebt_assets.store import Blob, encode

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import pandas as pd

    from mldebt_assets.core.tasks.task import Rule
    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion, Fact
    from mldebt_assets.registry import ModelVersion
    from mldebt_assets.resources import Platform

FILE_SHA256 = "adopted_file_sha256"
LONGEST_TAG = 500
MAY_HAVE_SEEN = "it may have been trained on these rows: nobody here knows"
Batches = list[tuple[Stored, Stored]]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A file that somebody wants adopted, and what they say of it.

    ``columns`` are those of its one table, in order; ``output`` names its answer; both, and the
    ``threshold``, only where they do not follow from the file and the pipeline.
    """

    name: str
    data: bytes
    trained_on: str | None = None
    columns: tuple[str, ...] = ()
    output: str | None = None
    threshold: float | None = None


def adopt(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    offer: Offer,
    *,
    reason: str,
    by: str,
    now: datetime,
) -> Fact:
    """Make the file the first champion; return its promotion, which is done.

    Said again after a kill it goes on: what is stored and registered is taken as it is.

    Raises: UnadoptableError where the file is no model for this pipeline; RefusedError where there
            is a champion, or no batch to try it on; CallError, BusyError as a rollback.
    """
    reason = require_reason(reason)
    with settled(instance, platform, pipeline, now) as facts:
        champion = champion_of(facts)
        if champion is not None:
            return already(pipeline, champion, offer)
        known = batches_there(instance, pipeline, facts)
        adoption = Adoption(instance, platform, pipeline, offer, known)
        model, rule_from = adoption.judged()
        said = {
            **adoption.told(model),
            "rule_from": rule_from,
            "by": by,
            "reason": reason,
            "adopted_at": now.isoformat(),
        }
        unit = adoption.carried_out(model, said, facts)
        body = {
            **unit,
            "previous_version": None,
            "reference": reference(pipeline, known),
            "effective_at": data_time(instance, pipeline, facts).isoformat(),
            "by": by,
            "reason": reason,
            "asked_because": f"{by} adopted {offer.name}, which nothing here has trained",
            "retraining": None,
            "run_id": None,
            ACT: ADOPT,
            ADOPTED: said,
        }
        return promote(instance, platform, pipeline, body, f"Adopted by {by}.")


def already(pipeline: Pipeline, champion: Champion, offer: Offer) -> Fact:
    """Return the champion's promotion where it is this very file. Raises: RefusedError else."""
    adopted = adopted_by(champion.promotion.body)
    if adopted is not None and adopted["sha256"] == sha256(offer.data):
        return champion.promotion
    raise RefusedError.of(
        f"{pipeline.name} has a champion, v{champion.version}: only the first can be adopted; "
        "nothing was changed.",
        f"let the gate judge a trained candidate beside it, or `mldebt rollback {pipeline.name}`.",
    )


@dataclass(frozen=True)
class Adoption:
    """One adoption: the file, where it is to be champion, and the batches there are by now."""

    instance: dg.DagsterInstance
    platform: Platform
    pipeline: Pipeline
    offer: Offer
    known: Batches

    def judged(self) -> tuple[FittedModel, str]:
        """Return the file as a model with its rule of decision, and where that comes from.

        Raises: UnadoptableError; RefusedError where a rule is needed, and no row has a label.
        """
        from mldebt_assets.core.adopting import adopt as adopted
        from mldebt_assets.core.adopting import with_rule

        model = adopted(
            self.offer.data,
            task=self.pipeline.task,
            inputs=inputs_of(self.platform.snapshots.load(self.known[-1][0].snapshot)),
            facts={"file_sha256": sha256(self.offer.data)},
            columns=self.offer.columns,
            output=self.offer.output,
        )
        rule, told = decided_by(self.pipeline, self.rows(self.reading()), model, self.offer)
        return with_rule(model, rule), told

    def told(self, model: FittedModel) -> dict[str, Any]:
        """Return what is known of the file, and how it is used."""
        used = model.adopted or {}
        return {
            "file": self.offer.name,
            "sha256": sha256(self.offer.data),
            "bytes": len(self.offer.data),
            "trained_on": self.offer.trained_on,
            "inputs": used["inputs"],
            "output": used["output"],
            "threshold": model.threshold,
            "half_width": model.half_width,
            "tried_on": str(self.known[-1][0].batch),
        }

    def carried_out(
        self, model: FittedModel, said: dict[str, Any], facts: list[Fact]
    ) -> dict[str, Any]:
        """Store, register, materialize and measure the model; return what its promotion names."""
        from mldebt_assets.core.training import to_bytes

        weights, name = Blob(to_bytes(model), ".safetensors"), self.pipeline.name
        version = self.registered(weights, facts)
        stored = self.model_event(weights, version, said)
        measured, evaluated = self.evaluation_event(model, stored, said)
        onnx = self.platform.snapshots.put(
            self.offer.data, folder=f"{name}/onnx", name=f"version-{version.version}.onnx"
        )
        return {
            "version": version.version,
            "weights_sha256": stored.snapshot.sha256,
            "model": located(stored),
            "training_set": None,
            "evaluation": {**located(evaluated), "promote": measured["promote"]},
            "onnx": snapshot_metadata(onnx),
            "expected": measured["models"].get("candidate", {}).get("metrics"),
        }

    def registered(self, weights: Blob, facts: list[Fact]) -> ModelVersion:
        """Return the version with these weights: one that a kill left is taken as it is."""
        hashes = {"weights_sha256": sha256(weights.data), "weights_md5": md5(weights.data)}
        name, gone = self.pipeline.name, deletions(facts)
        for version in self.platform.registry.versions(name):
            same = version.tags.get("weights_sha256") == hashes["weights_sha256"]
            if same and version.version not in gone:
                return version
        client = self.platform.registry.client
        require_experiment(self.platform.home, client, name)
        tags = {
            **hashes,
            ADOPTED: "trained elsewhere: nothing is known of how it was made",
            FILE_SHA256: sha256(self.offer.data),
            "code_commit": "unknown",
            "trained_on": textwrap.shorten(self.offer.trained_on or "unknown", LONGEST_TAG),
        }
        experiment = client.get_experiment_by_name(name).experiment_id
        run = client.create_run(experiment, tags=tags, run_name=f"adopted {self.offer.name}")
        client.set_terminated(run.info.run_id, "FINISHED")
        return self.platform.registry.register(
            name, run_id=run.info.run_id, weights=weights.data, tags=tags
        )

    def model_event(self, weights: Blob, version: ModelVersion, said: dict[str, Any]) -> Stored:
        """Store the model, and say on its page that lineage begins here: it has read nothing."""
        metadata = {
            RESULT: f"{told_of_adoption(said)}. Lineage begins here",
            "version": version.version,
            "weights_sha256": sha256(weights.data),
            "mlflow_run_id": version.run_id,
            "code_commit": "unknown",
            "MLflow run": dg.MetadataValue.url(self.platform.registry.run_url(version.run_id)),
            ADOPTED: dg.MetadataValue.json(said),
        }
        return self.stored("model", weights, metadata)

    def evaluation_event(
        self, model: FittedModel, stored: Stored, said: dict[str, Any]
    ) -> tuple[dict[str, Any], Stored]:
        """Measure the model on held-out rows, as any candidate is, and store what was measured.

        The gate did not decide; what it would have said is kept as such.
        """
        reading = self.reading()
        reading.note(stored)
        rows = self.rows(reading)
        try:
            found, _ = evaluate(self.pipeline, rows, candidate=model, incumbent=None, forward={})
        except UntrainableError as problem:
            found = unmeasured(self.pipeline, rows, str(problem).partition("\nFix: ")[0])
        measured = {
            **found,
            "version": stored.metadata["version"],
            "incumbent": None,
            "reason": f"{told_of_adoption(said)}; the gate was not asked, and would have said: "
            f"{found['reason']}; {MAY_HAVE_SEEN}",
        }
        shown = page(measured, drawn(measured))
        metadata = {**shown, "code_commit": "unknown", **reading.metadata()}
        return measured, self.stored("evaluation", encode(measured), metadata)

    def reading(self) -> Reading:
        """Return the note of what a step reads."""
        return Reading(self.instance, self.platform.snapshots)

    def rows(self, reading: Reading) -> pd.DataFrame:
        """Return the features of every batch there is."""
        return reading.load_together([features for features, _ in self.known])

    def stored(self, stage: str, blob: Blob, metadata: dict[str, Any]) -> Stored:
        """Store what a stage without batches made outside any run; return its materialization."""
        asset = key(self.pipeline, stage)
        snapshot = self.platform.snapshots.put(
            blob.data, folder="/".join(asset.path), name=f"{stage}{blob.suffix}"
        )
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset,
                description="Adopted by a person.",
                metadata={**metadata, **snapshot_metadata(snapshot)},
                tags={"dagster/data_version": snapshot.sha256},
            )
        )
        return self.reading().newest(asset)


def batches_there(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: Sequence[Fact]
) -> Batches:
    """Return the features and the validated rows of every batch there is, in the data's order.

    Raises: RefusedError where there is none: nothing could try the model, or say what drifts.
    """
    refused = unlearnable(list(facts))
    try:
        found = arrived(instance, pipeline, None)
    except NothingToTrainOnError:
        found = []
    found = [pair for pair in found if pair[1].snapshot.sha256 not in refused]
    if not found:
        raise RefusedError.of(
            f"No batch of {pipeline.name} has been validated yet: an adopted model is tried on "
            "one, and its drift is measured against it.",
            "land fewer than the pipeline's Retraining(first_batches=…), which is "
            f"{pipeline.retraining.first_batches}, so that none is trained before; then `mldebt "
            f"replay {pipeline.name}`, and adopt the model.",
        )
    return found


def decided_by(
    pipeline: Pipeline, rows: pd.DataFrame, model: FittedModel, offer: Offer
) -> tuple[Rule, str]:
    """Return how scores become decisions, and where that comes from, in a sentence."""
    from mldebt_assets.core.tasks.task import Rule
    from mldebt_assets.core.training import predict

    task = pipeline.task
    if offer.threshold is not None:
        return Rule(threshold=offer.threshold), "the threshold was said with --threshold"
    if task.kind == "multiclass":
        return Rule(), "the likeliest class is the answer"
    known, _ = training_rows(pipeline, rows)
    if not len(known):
        raise RefusedError.of(
            f"No validated row of {pipeline.name} outside its held-out groups has a label, so "
            "nothing says how this model's scores become decisions.",
            "say it with --threshold"
            if task.kind == "binary"
            else "land labels of a batch, and replay it first.",
        )
    rule = task.rule(predict(model, inputs_of(known)), task.numbers(known[LABEL]), pipeline.costs)
    what = "costs least" if task.kind == "binary" else "holds 90 % of the values"
    return rule, (
        f"chosen here: what {what} on {len(known):,} labelled rows outside the held-out groups; "
        f"{MAY_HAVE_SEEN}"
    )


def reference(pipeline: Pipeline, known: Batches) -> dict[str, Any]:
    """Return what the model's drift is measured against: the validated batches there are."""
    named = {
        str(validated.batch): {**validated.identity, "storage_id": validated.storage_id}
        for _, validated in known[-pipeline.drift.reference_batches :]
    }
    hashes = {batch: one["sha256"] for batch, one in named.items()}
    return {"hash": digest(hashes), "batches": named}
