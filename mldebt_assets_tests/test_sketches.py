"""What a batch leaves behind stands for its rows, in whatever window they are asked about."""

from __future__ import annotations

import dataclasses

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load, save

from mldebt_assets.answers.drift import drift_of
from mldebt_assets.answers.drift_window import window_of
from mldebt_assets.assets.drift_reference import counted_rows, loaded_reference
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.reuse import RESULT
from mldebt_assets.assets.sketch import loaded, reference_of_champion
from mldebt_assets.core.drift.blocks import to_bytes as blocks_to_bytes
from mldebt_assets.core.drift.counts import count, count_sketch
from mldebt_assets.core.drift.rule import judge
from mldebt_assets.core.drift.sketch import sketch_of, to_bytes
from mldebt_assets.snapshots import newest, snapshot_metadata
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import installation


@pytest.fixture(scope="module")
def world(begun, tmp_path_factory):
    """An installation with a champion of the first three batches, and a fourth that it scored."""
    with installation(tmp_path_factory.mktemp("sketches"), like=begun) as made:
        made.land(*BATCHES[:4])
        made.replay()
        yield made


def stored(world, stage, batch):
    return newest(world.instance, key(world.pipeline, stage), batch)


def rows_of(world, batch):
    return world.platform.snapshots.load(stored(world, "validated", batch).snapshot)


def reference(world, pipeline):
    named = world.platform.record("parcels").champion().reference
    return reference_of_champion(world.instance, world.platform, pipeline, named)


def test_a_stored_sketch_is_that_of_the_stored_rows(world):
    sketch = loaded(world.platform, stored(world, "sketch", BATCHES[0]))
    rows = rows_of(world, BATCHES[0])
    assert to_bytes(sketch) == to_bytes(sketch_of(rows, world.pipeline.watched))


def test_the_reference_is_read_as_sketches_and_says_which(world):
    """The rows of a reference are many, and have been read once."""
    found, reads = reference(world, world.pipeline)
    assert list(reads) == ["read/reference:parcels/sketch"]
    assert sorted(reads["read/reference:parcels/sketch"].value) == list(BATCHES[:3])
    assert found.sketch.rows == sum(len(rows_of(world, batch)) for batch in BATCHES[:3])


def test_where_the_watched_columns_have_changed_a_reference_is_sketched_from_its_rows(world):
    """A home from before there were sketches, or a new choice of columns, needs no migration."""
    drift = dataclasses.replace(world.pipeline.drift, ignore=("parcel", "fragile"))
    changed = dataclasses.replace(world.pipeline, drift=drift)
    found, reads = reference(world, changed)
    assert list(reads) == ["read/reference:parcels/validated"]
    assert [column.name for column in found.sketch.columns] == [c.name for c in changed.watched]


def test_the_report_from_sketches_says_what_the_rows_say(world):
    """The retraining acts on it, so a cheaper report must not be another one."""
    report = world.platform.snapshots.load(stored(world, "drift_report", BATCHES[3]).snapshot)
    before = pd.concat([rows_of(world, batch) for batch in BATCHES[:3]], ignore_index=True)
    expected = judge(
        before,
        rows_of(world, BATCHES[3]),
        columns=world.pipeline.watched,
        limits=world.pipeline.drift,
        unit=world.pipeline.split.group,
    )
    assert report["calibration"] == expected.calibration == "calibrated"
    assert report["drifted"] == expected.drifted
    for column, by_rows in zip(report["columns"], expected.columns, strict=True):
        assert column["drifted"] == by_rows.drifted
        assert column["distance"] == pytest.approx(by_rows.distance, abs=1 / 256 + 1 / 1024)


def test_a_window_is_judged_as_all_its_rows_together(world):
    """A month of calm days can be a drifted month."""
    found = window_of(world.instance, world.platform, world.pipeline, BATCHES[2:4])
    assert found["batches"] == list(BATCHES[2:4])
    assert found["approximated"] == [BATCHES[2]]
    assert found["rows"] == sum(len(rows_of(world, batch)) for batch in BATCHES[2:4])
    against, _ = reference(world, world.pipeline)
    parts = [rows_of(world, batch) for batch in BATCHES[2:4]]
    exact = count(pd.concat(parts, ignore_index=True), against)
    recounted = count_sketch(sketch_of(parts[0], world.pipeline.watched), against)
    assert recounted.rows + len(parts[1]) == exact.rows
    assert np.array_equal(recounted.missing, count(parts[0], against).missing)


def test_a_window_on_one_reference_is_calibrated_on_its_days(world):
    """The days of both sides are stored, so this costs no row; beside it is what cannot be."""
    found = window_of(world.instance, world.platform, world.pipeline, BATCHES[3:4])
    report = world.platform.snapshots.load(stored(world, "drift_report", BATCHES[3]).snapshot)
    assert found["calibration"] == report["calibration"] == "calibrated"
    assert found["calibration_reason"] == report["calibration_reason"]
    mixed = window_of(world.instance, world.platform, world.pipeline, BATCHES[2:4])
    assert mixed["calibration"] == "uncalibrated"


def test_a_reference_that_is_counted_again_gives_the_same_blocks(world):
    """A champion that came back after many batches is judged by what it was judged by."""
    scorer = {"reference": world.platform.record("parcels").champion().reference}
    counted, reads = counted_rows(world.instance, world.platform, world.pipeline, scorer)
    kept = loaded_reference(world.platform, stored(world, "drift_reference", BATCHES[3]))
    assert blocks_to_bytes(counted) == blocks_to_bytes(kept.rows)
    assert list(counted.parts) == sorted(counted.parts)
    assert list(reads) == ["read/reference:parcels/sketch", "read/reference:parcels/validated"]


def test_before_the_first_champion_there_is_no_window(world):
    assert window_of(world.instance, world.platform, world.pipeline, BATCHES[:2]) is None


def test_counts_that_an_older_version_stored_are_counted_anew_from_the_sketch(world):
    """A home must answer before its batches have been made again."""
    asset, batch = key(world.pipeline, "drift_counts"), BATCHES[3]
    kept = stored(world, "drift_counts", batch)
    arrays = load(world.platform.snapshots.load(kept.snapshot).data)
    del arrays["beyond"]
    older = world.platform.snapshots.put(save(arrays), folder="older", name="counts.safetensors")
    for snapshot in (older, kept.snapshot):
        facts = {**kept.described, **snapshot_metadata(snapshot)}
        event = dg.AssetMaterialization(asset, partition=batch, metadata=facts)
        world.instance.report_runless_asset_event(event)
        answer = drift_of(world.instance, world.platform, world.pipeline, 1, batch)
        assert answer["batches"][0]["judged"]
        assert answer["window"]["batches"] == [batch]
        assert answer["window"]["approximated"] == ([batch] if snapshot is older else [])


def test_the_reference_is_counted_once_a_champion_and_later_taken_from_the_store(world):
    """Its rows are a quarter's; every later batch would have read them all again."""
    first = stored(world, "drift_reference", BATCHES[3])
    assert first.metadata[RESULT] == "made by this run"
    assert list(first.reads["reference:parcels/validated"]) == list(BATCHES[:3])
    world.land(BATCHES[4])
    world.replay()
    later = stored(world, "drift_reference", BATCHES[4])
    assert later.metadata[RESULT].startswith(f"taken from run {first.run_id} of ")
    assert later.snapshot == first.snapshot
    own = "parcels/scorer"
    read = [{name: one for name, one in of.reads.items() if name != own} for of in (first, later)]
    assert read[0] == read[1]
    assert [list(of.reads[own]) for of in (first, later)] == [[BATCHES[3]], [BATCHES[4]]]
