"""Equal input, no work: results are taken where inputs, code and configuration are equal."""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import pytest

from mldebt_assets.assets import reuse
from mldebt_assets.assets.keys import key
from mldebt_assets.core import quality, training
from mldebt_assets.core.drift import rule
from mldebt_assets.core.policies import Drift
from mldebt_assets.costs import COSTS
from mldebt_assets.definitions import define
from mldebt_assets.jobs import batch_job_name
from mldebt_assets.replay import SILENT
from mldebt_assets.snapshots import as_stored
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import installation

BATCH = BATCHES[3]  # the first that a champion scores
REUSING = ("validated", "quarantine", "features", "predictions", "drift_report")


@pytest.fixture(scope="module")
def world(begun, tmp_path_factory):
    """An installation in which four batches have arrived, and the fourth has been scored."""
    with installation(tmp_path_factory.mktemp("reuse"), like=begun) as made:
        made.land(*BATCHES[:4])
        made.replay()
        yield made


def events(world, stage):
    records = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(world.pipeline, stage), asset_partitions=[BATCH]),
        limit=100,
    ).records
    return [as_stored(record) for record in records]


def checks(world, run_id):
    found = world.instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return {
        (e.check_name, e.passed, e.description, e.partition, tuple(e.metadata))
        for e in (event.dagster_event.asset_check_evaluation_data for event in found)
    }


def take_in_again(world, pipeline=None):
    definitions = define([pipeline]) if pipeline else world.definitions
    result = (
        definitions.get_repository_def()
        .get_job(batch_job_name(world.pipeline))
        .execute_in_process(
            instance=world.instance, run_config=SILENT, partition_key=BATCH, raise_on_error=False
        )
    )
    assert result.success
    return result.run_id


def results(world):
    return {stage: events(world, stage)[0].metadata[reuse.RESULT] for stage in REUSING}


def test_equal_work_is_not_done_twice_and_says_so(world, monkeypatch):
    """A nightly run over what is known already must cost nothing and change nothing."""
    for module, name in ((quality, "judge"), (rule, "judge"), (training, "predict")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("this was computed again"))
    before = {stage: events(world, stage)[0] for stage in REUSING}
    run_id = take_in_again(world)
    for stage, earlier in before.items():
        later = events(world, stage)[0]
        assert later.run_id == run_id
        assert later.metadata[reuse.RESULT].startswith(f"taken from run {earlier.run_id} of ")
        assert later.snapshot == earlier.snapshot
        own = {reuse.RESULT, *COSTS}
        carried = {n: v for n, v in later.metadata.items() if n not in own and "read/" not in n}
        assert carried == {
            n: v for n, v in earlier.metadata.items() if n not in own and "read/" not in n
        }
    assert checks(world, run_id) == checks(world, before["validated"].run_id)


def test_what_was_read_is_recorded_at_the_events_of_this_run(world):
    """Lineage is what was read: the events, too, are those of this run."""
    run_id = take_in_again(world)
    read = events(world, "features")[0].reads["parcels/validated"][BATCH]
    assert read == [
        events(world, "validated")[0].snapshot.sha256,
        events(world, "validated")[0].storage_id,
    ]
    assert events(world, "validated")[0].run_id == run_id


def test_another_configuration_is_other_work(world):
    """A limit that was moved must be seen to judge anew."""
    moved = replace(world.pipeline, drift=Drift(ignore=("parcel",), distance=0.04))
    take_in_again(world, moved)
    assert set(results(world).values()) == {"made by this run"}


def test_other_code_is_other_work(world, monkeypatch):
    """A mended bug must not live on in results that were stored before."""
    monkeypatch.setattr(reuse, "code_digest", lambda: "other code")
    take_in_again(world)
    assert set(results(world).values()) == {"made by this run"}


def test_other_bytes_are_other_work_and_the_first_bytes_again_are_not(world):
    """Every result of a batch stays known, whichever bytes came in between."""
    table = sample.rows(BATCH)
    sample.write_batch(world.landing, BATCH, table.assign(weight_kg=table["weight_kg"] / 2))
    take_in_again(world)
    assert set(results(world).values()) == {"made by this run"}
    sample.write_batch(world.landing, BATCH)
    take_in_again(world)
    assert all(said.startswith("taken from run ") for said in results(world).values())


def test_a_result_whose_bytes_are_gone_is_made_again(world):
    """What cannot be read back is no result."""
    snapshot = events(world, "features")[0].snapshot
    for database in world.platform.snapshots._databases:
        database.fs.rm(database.oid_to_path(snapshot.md5))
    take_in_again(world)
    assert events(world, "features")[0].metadata[reuse.RESULT] == "made by this run"
    assert events(world, "features")[0].snapshot == snapshot


def test_every_step_says_what_it_cost(world):
    """A trend that climbs is seen before the bill is."""
    run_id = take_in_again(world)
    report = events(world, "drift_report")[0]
    assert report.run_id == run_id
    assert set(COSTS) <= set(report.metadata)
    assert 0 < report.metadata["wall_seconds"] < report.metadata["run_wall_seconds"]
    assert report.metadata["peak_memory_bytes"] > 50_000_000
