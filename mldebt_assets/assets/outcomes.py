"""``p/outcomes``: drift of what was served and of what became true, scores and labels.

They are sketched once a batch is scored, and again when labels come late. What they are held
against are the held-out days of the champion's drift reference, as it scores them itself: made for
the first batch that is held against them, and a snapshot that every later one takes.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.counted_once import COUNTED, Counted, Reads, counted_once
from mldebt_assets.assets.drift_report import table_of
from mldebt_assets.assets.keys import batches, common, key, out_of
from mldebt_assets.assets.predictions import load_model, read_of_model
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.sketch import SUFFIX
from mldebt_assets.assets.standing import MODEL_IS_GONE, standing, standing_rows
from mldebt_assets.assets.training_set import made_from, training_features
from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.core.features import GROUP, LABEL, ROW_ID, inputs_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, at_storage_id, newest_first, read_metadata
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.drift.outcomes import Outcomes

STAGE, SKETCH, HELD_OUT = "outcomes", "outcome_sketch", "held_out_outcomes"
STAGES = (SKETCH, HELD_OUT, STAGE)
DEPENDENCIES = ("scorer", "predictions", "features")
NO_CHAMPION = "no champion yet, so nothing to compare with"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that judges a batch's scores and labels, with the sketches of both sides."""
    shared = common(pipeline, STAGE, kinds={"scipy", "json"}, partitioned=True)

    @dg.multi_asset(
        name=f"{pipeline.name}__{STAGE}",
        group_name=pipeline.name,
        partitions_def=batches(pipeline),
        deps=[key(pipeline, stage) for stage in DEPENDENCIES],
        outs={
            SKETCH: out_of(
                {**shared, "kinds": {"numpy"}},
                key(pipeline, SKETCH),
                "The batch's scores, and its labels as far as they are known, in blocks.",
            ),
            HELD_OUT: out_of(
                {**shared, "kinds": {"numpy"}},
                key(pipeline, HELD_OUT),
                "The champion's scores of the held-out rows of its drift reference, and their "
                "labels, made once a champion.",
            ),
            STAGE: out_of(
                shared,
                key(pipeline, STAGE),
                "How far scores and labels lie from those of the champion's held-out rows.",
            ),
        },
    )
    def outcomes(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        served, features = (
            reading.take(key(pipeline, stage), context.partition_key)
            for stage in ("predictions", "features")
        )
        learned = features_of_reference(context.instance, platform, pipeline, scorer)

        def make() -> Iterator[Made]:
            from mldebt_assets.core.drift.outcomes import judge_outcomes, unjudged

            rows, scores = reading.load(features), reading.load(served).set_index(ROW_ID)
            own = sketched_rows(pipeline, rows, scores.reindex(rows[ROW_ID]))
            yield dg.Output(stored(own), SKETCH)
            alone = nothing_beside(scorer)
            if alone is not None:
                yield dg.Output({"reference": None}, HELD_OUT)
                nothing = {what: unjudged(alone) for what in own}
                yield dg.Output(nothing, STAGE, metadata=page(nothing))
                return
            before = held_out(context.instance, platform, pipeline, scorer, learned)
            found = judge_outcomes(before.found, own, pipeline.drift, pipeline.training.seed)
            facts = {COUNTED: before.counted, **before.reads}
            yield dg.Output(before.value, HELD_OUT, metadata=facts)
            yield dg.Output(found, STAGE, metadata={**page(found), **before.reads})

        by_hash = {str(one.batch): one.snapshot.sha256 for one in learned}
        yield from once(context, pipeline, reading, make, learned=by_hash)

    return [outcomes]


def nothing_beside(scorer: dict[str, Any]) -> str | None:
    """Return why there is nothing to hold a batch's outcomes against; None where there is."""
    if scorer["version"] is None:
        return NO_CHAMPION
    if scorer.get(MODEL_IS_GONE) or not scorer["reference"]["batches"]:
        return f"v{scorer['version']} had learned of somebody who is forgotten, and is gone"
    return None


def features_of_reference(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, scorer: dict[str, Any]
) -> list[Stored]:
    """Return the features of the champion's drift reference, as it was trained on them.

    Where somebody was forgotten in them, what took their place.
    """
    if nothing_beside(scorer) is not None:
        return []
    model = at_storage_id(instance, key(pipeline, "model"), scorer["model"]["storage_id"])
    training_set, reference = key(pipeline, "training_set"), scorer["reference"]["batches"]
    if training_set.to_user_string() not in model.reads:
        used = [made_of(instance, pipeline, batch, of["sha256"]) for batch, of in reference.items()]
    else:
        manifest = made_from(instance, model, training_set)
        learned = training_features(instance, pipeline, manifest)
        used = [one for one in learned if one.batch in reference]
    return standing_rows(instance, platform, pipeline, used)


def made_of(instance: dg.DagsterInstance, pipeline: Pipeline, batch: str, validated: str) -> Stored:
    """Return the newest features that were made of these validated rows, by their SHA-256.

    An adopted champion names no training set, but its drift reference does name rows.
    Raises: SnapshotMissingError where there are none any more.
    """
    of = key(pipeline, "validated").to_user_string()
    for stored in newest_first(instance, key(pipeline, "features"), batch):
        if stored.reads[of][batch][0] == validated:
            return stored
    raise SnapshotMissingError.of(f"{pipeline.name}/features[{batch}]", "unknown", "the event log")


def held_out(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    scorer: dict[str, Any],
    learned: list[Stored],
) -> "Counted[Outcomes]":
    """Return the champion's scores of its reference's held-out rows, and their labels."""
    from mldebt_assets.core.drift.outcomes import Outcomes, from_bytes, to_bytes
    from mldebt_assets.core.training import predict

    def count() -> tuple[Outcomes, Reads]:
        tables = [platform.snapshots.load(one.snapshot) for one in learned]
        rows = pd.concat(
            [table[split_of(table[GROUP], pipeline.split) == "held_out"] for table in tables],
            ignore_index=True,
        )
        model = load_model(pipeline, platform, scorer)
        scores = pipeline.task.aligned(predict(model, inputs_of(rows)), model.classes)
        served = pd.DataFrame(pipeline.task.served(scores, model.rule))
        reads = read_metadata(learned, part="reference")
        of_model = read_of_model(pipeline, "champion", scorer)
        return sketched_rows(pipeline, rows, served), {**reads, **of_model}

    return counted_once(
        instance,
        platform,
        pipeline,
        HELD_OUT,
        {
            "weights": scorer["weights_sha256"],
            "features": {str(one.batch): one.snapshot.sha256 for one in learned},
        },
        count=count,
        to_bytes=to_bytes,
        from_bytes=from_bytes,
    )


def sketched_rows(pipeline: Pipeline, rows: pd.DataFrame, served: pd.DataFrame) -> "Outcomes":
    """Return the sketches of what rows were given, in their order, and of their labels."""
    from mldebt_assets.core.drift.outcomes import outcomes_of

    task = pipeline.task
    given = pd.DataFrame(
        {name: served[name].to_numpy(dtype="float64") for name in task.score_columns}
    )
    labels = task.outcomes(rows[LABEL])
    return outcomes_of(given, labels, rows[GROUP], pipeline.split.group or "row")


def stored(outcomes: "Outcomes") -> Blob:
    """Return outcomes as they are stored."""
    from mldebt_assets.core.drift.outcomes import to_bytes

    return Blob(to_bytes(outcomes), SUFFIX)


def page(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a person wants to read first: each in a sentence, then its numbers."""
    facts: dict[str, Any] = {what: one["summary"] for what, one in found.items()}
    for what, one in found.items():
        if one["judged"]:
            columns = [{"name": name, **told} for name, told in one["columns"].items()]
            facts[f"{what}: distance"] = table_of(columns, columns[0]["kind"])
            facts[f"{what}: calibration"] = f"{one['calibration']}: {one['calibration_reason']}"
    return facts
