"""``p/drift_reference``: what a champion's batches are held against, counted once a champion.

The rows of its reference are counted in blocks: what differs by chance between its days is seen in
no sketch of a month. Of its held-out rows the champion's own scores and the labels are sketched: of
rows that it has learned from it is too sure. The first batch that is held against it reads the rows
for it; every later one, and a champion that came back, takes what was counted.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import common, key
from mldebt_assets.assets.predictions import load_model, read_of_model
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.sketch import SUFFIX, as_declared, reference_of_champion
from mldebt_assets.assets.standing import MODEL_IS_GONE, standing, standing_rows
from mldebt_assets.assets.training_set import made_from, training_features
from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import (
    READ_PREFIX,
    Reading,
    Stored,
    at_storage_id,
    newest_first,
    read_metadata,
)
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.drift.blocks import BlockCounts
    from mldebt_assets.core.drift.champion_reference import ChampionReference
    from mldebt_assets.core.drift.outcomes import Outcomes

STAGE = "drift_reference"
NO_CHAMPION = "no champion yet, so nothing to compare with"
Reads = dict[str, Any]


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that counts the reference of the champion that scores a batch."""

    @dg.asset(
        **common(pipeline, STAGE, kinds={"numpy"}, partitioned=True),
        deps=[key(pipeline, "scorer")],
        description="The drift reference of the champion that scores this batch, counted once a "
        "champion: its rows in blocks, and the champion's scores of its held-out rows.",
    )
    def drift_reference(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        learned = features_of_reference(context.instance, platform, pipeline, scorer)

        def make() -> Iterator[Made]:
            from mldebt_assets.core.drift.champion_reference import ChampionReference, to_bytes

            rows, of_rows = counted_rows(context.instance, platform, pipeline, scorer)
            held_out, of_held_out = outcomes_of_held_out(platform, pipeline, scorer, learned)
            counted = ChampionReference(rows, held_out)
            reads = {**of_rows, **of_held_out}
            yield dg.Output(Blob(to_bytes(counted), SUFFIX), metadata=reads)

        decides = {
            "weights": None if nothing_beside(scorer) else scorer["weights_sha256"],
            "reference": scorer["reference"] and scorer["reference"]["hash"],
            "learned": {str(one.batch): one.snapshot.sha256 for one in learned},
        }
        yield from once(context, pipeline, reading, make, of_any_batch=True, **decides)

    return [drift_reference]


def loaded_reference(platform: Platform, stored: Stored) -> "ChampionReference":
    """Return a stored reference."""
    from mldebt_assets.core.drift.champion_reference import from_bytes

    return from_bytes(platform.snapshots.load(stored.snapshot).data)


def nothing_beside(scorer: dict[str, Any]) -> str | None:
    """Return why there is nothing to hold a batch's outcomes against; None where there is."""
    if scorer["version"] is None:
        return NO_CHAMPION
    if scorer.get(MODEL_IS_GONE) or not scorer["reference"]["batches"]:
        return f"v{scorer['version']} had learned of somebody who is forgotten, and is gone"
    return None


def counted_rows(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, scorer: dict[str, Any]
) -> tuple["BlockCounts | None", Reads]:
    """Return the reference's rows in blocks on its own bins, and which snapshots were read.

    None where there is no reference, or the drift rule is not calibrated on blocks.
    """
    named, unit = scorer["reference"], pipeline.split.group
    if not (named and named["batches"] and pipeline.drift.calibrate) or unit is None:
        return None, {}
    from mldebt_assets.core.drift.blocks import count_blocks
    from mldebt_assets.core.tables import from_parquet

    against, of_sketches = reference_of_champion(instance, platform, pipeline, named)
    validated = key(pipeline, "validated").to_user_string()
    tables = [
        from_parquet(
            platform.snapshots.get(
                name=f"{validated}/{batch}", sha256_hex=snapshot["sha256"], md5=snapshot["md5"]
            )
        )
        for batch, snapshot in named["batches"].items()
    ]
    read = {
        batch: [snapshot["sha256"], snapshot["storage_id"]]
        for batch, snapshot in named["batches"].items()
    }
    of_rows = {f"{READ_PREFIX}reference:{validated}": dg.MetadataValue.json(read)}
    rows = as_declared(pipeline, pd.concat(tables, ignore_index=True))
    return count_blocks(rows, unit, against), {**of_sketches, **of_rows}


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


def outcomes_of_held_out(
    platform: Platform, pipeline: Pipeline, scorer: dict[str, Any], learned: list[Stored]
) -> tuple["Outcomes | None", Reads]:
    """Return the champion's scores of its reference's held-out rows and their labels, sketched.

    With them what was read; None where there is no champion, or it is gone.
    """
    if nothing_beside(scorer) is not None:
        return None, {}
    from mldebt_assets.core.training import predict

    tables = [platform.snapshots.load(one.snapshot) for one in learned]
    rows = pd.concat(
        [table[split_of(table[GROUP], pipeline.split) == "held_out"] for table in tables],
        ignore_index=True,
    )
    model = load_model(pipeline, platform, scorer)
    scores = pipeline.task.aligned(predict(model, inputs_of(rows)), model.classes)
    served = pd.DataFrame(pipeline.task.served(scores, model.rule))
    reads = read_metadata(learned, part="reference") | read_of_model(pipeline, "champion", scorer)
    return sketched_outcomes(pipeline, rows, served), reads


def sketched_outcomes(pipeline: Pipeline, rows: pd.DataFrame, served: pd.DataFrame) -> "Outcomes":
    """Return the sketches of what rows were given, in their order, and of their labels."""
    from mldebt_assets.core.drift.outcomes import outcomes_of

    task = pipeline.task
    given = pd.DataFrame(
        {name: served[name].to_numpy(dtype="float64") for name in task.score_columns}
    )
    labels = task.outcomes(rows[LABEL])
    return outcomes_of(given, labels, rows[GROUP], pipeline.split.group or "row")
