"""The index beside the event log: it answers as the log does, or not at all."""

from __future__ import annotations

import pytest

from mldebt_assets.answers.lineage import trace
from mldebt_assets.answers.walk import found_from, index_file, walked
from mldebt_assets.assets.keys import key
from mldebt_assets.promotions import champions_of
from mldebt_assets.snapshots import at_storage_id
from mldebt_assets_tests.command_line import installation


@pytest.fixture(scope="module")
def world(promoted, tmp_path_factory):
    """An installation of the sample in which v2 has replaced v1."""
    with installation(tmp_path_factory.mktemp("walk"), like=promoted) as made:
        yield made


@pytest.fixture(params=[0, 1], ids=["v1", "v2"])
def promotion(world, request):
    return champions_of(world.platform.record("parcels").facts())[request.param].promotion


@pytest.fixture
def training_set(world, promotion):
    """The event of the training set that the promotion stands on; nothing is kept of it yet."""
    body = promotion.body["training_set"]
    found = at_storage_id(world.instance, key(world.pipeline, "training_set"), body["storage_id"])
    index_file(world.platform, world.pipeline, found).unlink(missing_ok=True)
    return found


def found(world, training_set):
    return found_from(world.instance, world.platform, world.pipeline, training_set)


def test_the_index_agrees_with_the_event_log(world, training_set):
    """Two records that may differ are worse than one that is slow."""
    file = index_file(world.platform, world.pipeline, training_set)
    log = walked(world.instance, world.pipeline, training_set)
    assert not file.exists()
    assert found(world, training_set) == log
    assert file.exists()
    assert found(world, training_set) == log


def test_lineage_is_the_same_from_the_index_as_from_the_log(world, promotion, training_set):
    """Which of the two answered is nobody's business."""
    asked = (world.instance, world.platform, world.pipeline, promotion)
    assert trace(*asked) == trace(*asked)


def test_from_the_index_the_batches_events_are_not_read(world, training_set, monkeypatch):
    """They are what takes the time."""
    log = found(world, training_set)
    monkeypatch.setattr(type(world.instance), "fetch_materializations", None)
    assert found(world, training_set) == log


@pytest.mark.parametrize("position", [0, 63, 64, 65, 500, -1])
def test_a_damaged_index_is_made_again(world, training_set, position):
    """A bit that flips on the disk must not become somebody's lineage."""
    log = found(world, training_set)
    file = index_file(world.platform, world.pipeline, training_set)
    sound = file.read_bytes()
    damaged = bytearray(sound)
    damaged[position] ^= 0x80
    for data in (bytes(damaged), sound[:position], b""):
        file.write_bytes(data)
        assert found(world, training_set) == log
        assert file.read_bytes() == sound
    assert [one.name for one in file.parent.glob(".new-*")] == []
