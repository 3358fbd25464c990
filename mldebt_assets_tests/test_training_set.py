"""A retraining may name an earlier training set by its hash, and then learns from that alone."""

from __future__ import annotations

import dataclasses

import pytest

from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import TrainingSetError, UnknownTrainingSetError
from mldebt_assets.definitions import define
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.snapshots import at_storage_id, newest
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES


@pytest.fixture(scope="module")
def world(promoted, tmp_path_factory):
    """An installation of the sample in which v2, of five batches, has replaced v1, of three."""
    with installation(tmp_path_factory.mktemp("training_set"), like=promoted) as made:
        yield made


def promotion(world, version):
    facts = world.platform.record("parcels").facts()
    return next(f for f in facts if f.kind == "intent" and f.body["version"] == version)


def retrain(world, pipeline=None, **config):
    pipeline = pipeline or world.pipeline
    job = define([pipeline]).resolve_job_def(retraining_job_name(pipeline))
    run_config = {"ops": {"parcels__training_set": {"config": config}}}
    assert job.execute_in_process(instance=world.instance, run_config=run_config).success


def stored(world, stage):
    return newest(world.instance, key(world.pipeline, stage))


def test_the_named_training_set_is_learned_from_and_recorded_as_read(world):
    """Newer data is there, and must not come in; what was read is what lineage will say."""
    wanted = promotion(world, 1).body["training_set"]
    retrain(world, snapshot=wanted["sha256"])
    made = stored(world, "training_set")
    first = at_storage_id(world.instance, made.asset, wanted["storage_id"])
    assert made.snapshot == first.snapshot
    assert made.storage_id > promotion(world, 2).body["training_set"]["storage_id"]
    assert made.reads["parcels/features"] == first.reads["parcels/features"]
    assert made.reads["parcels/training_set"] == {"": [wanted["sha256"], first.storage_id]}
    assert made.metadata["batches"] == 3
    model = stored(world, "model")
    assert (model.metadata["version"], model.metadata["reused"]) == (1, True)


def test_what_is_learned_from_old_data_is_decided_now(world):
    """Else it would seem to have been champion back then, or refused before it was made."""
    training = dataclasses.replace(world.pipeline.training, epochs=2)
    other = dataclasses.replace(world.pipeline, training=training)
    retrain(world, other, snapshot=promotion(world, 1).body["training_set"]["sha256"])
    fact = world.platform.record("parcels").facts()[-1]
    assert fact.body["training_set"]["sha256"] == promotion(world, 1).body["training_set"]["sha256"]
    assert fact.effective_at == promotion(world, 2).effective_at
    assert fact.body["effective_at"] == fact.effective_at.isoformat()
    told = mldebt("lineage", "parcels", "--version", str(fact.body["version"]), "--json").document
    assert [one["batch"] for one in told["training_set"]["batches"]] == list(BATCHES[:3])
    then = mldebt("lineage", "parcels", "--as-of", "2020-05-01", "--json").document
    assert then["model"]["version"] == 1


def test_a_training_set_that_never_was_is_refused_with_those_there_are(world):
    """Falling back to the newest data would be a silent lie."""
    known = promotion(world, 2).body["training_set"]["sha256"]
    with pytest.raises(UnknownTrainingSetError, match=f"hash '{'0' * 64}'; there are: .*{known}"):
        retrain(world, snapshot="0" * 64)


def test_until_and_snapshot_contradict_each_other(world):
    """One of the two would be ignored."""
    known = promotion(world, 1).body["training_set"]["sha256"]
    with pytest.raises(TrainingSetError, match="Both `until` and `snapshot`"):
        retrain(world, snapshot=known, until=BATCHES[4])


def test_a_training_set_that_was_split_otherwise_is_refused(world):
    """Days that the old split trained on would be held out now: the gate would be fooled."""
    split = dataclasses.replace(world.pipeline.split, salt="another")
    other = dataclasses.replace(world.pipeline, split=split)
    known = promotion(world, 1).body["training_set"]["sha256"]
    with pytest.raises(TrainingSetError, match=r"but parcels declares .*'another'"):
        retrain(world, other, snapshot=known)
