"""Labels that come later than their batch, from a landing folder of their own, and in part."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mldebt_assets.answers.drift import drift_of
from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.assets.forgetting import LEFT_OUT
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.definitions import define
from mldebt_assets.forgetting import Forgetting
from mldebt_assets.pipeline import LandingFolder, Target
from mldebt_assets.pseudonym_key import KEY_VARIABLE
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import installation, of

KEY = ["day", "parcel"]
FIRST, SCORED = BATCHES[:3], BATCHES[3]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An empty installation whose pipeline gets its labels from a folder of their own."""
    root = tmp_path_factory.mktemp("labels")
    with installation(root) as made:
        folder = LandingFolder(
            url=str(root / "labels"),
            description="What happened",
            licence="CC0-1.0",
            consent="none needed",
        )
        made.pipeline = replace(made.pipeline, labels=folder)
        made.definitions = define([made.pipeline])
        yield made


def land_rows(world, *batches):
    for batch in batches:
        table = sample.rows(batch).drop(columns="delay_hours")
        sample.write_batch(world.landing, batch, table)


def land_labels(world, batch, table=None):
    labels = sample.rows(batch)[[*KEY, "delay_hours"]]
    folder = world.landing.parent / "labels"
    sample.write_batch(folder, batch, labels if table is None else table)


def stored(world, stage, batch):
    return newest(world.instance, key(world.pipeline, stage), batch)


def load(world, stage, batch):
    return world.platform.snapshots.load(stored(world, stage, batch).snapshot)


def decisions(world):
    facts = world.platform.record("parcels").facts()
    return [fact.body for fact in facts if fact.kind == "decision"]


@pytest.fixture(scope="module")
def unlabelled(world):
    """Three batches have come, and no label."""
    land_rows(world, *FIRST)
    outcome = world.replay()
    assert outcome.failed == ()
    return decisions(world)


@pytest.fixture(scope="module")
def labelled(world, unlabelled):
    """The labels of the three batches have come, the last before the first."""
    for batch in reversed(FIRST):
        land_labels(world, batch)
    assert world.replay().failed == ()


@pytest.fixture(scope="module")
def scored(world, labelled):
    """A fourth batch was scored; half of its labels have come since."""
    land_rows(world, SCORED)
    world.replay()
    stages = ("predictions", "performance", "features", "drift_report")
    before = {stage: stored(world, stage, SCORED) for stage in stages}
    labels = sample.rows(SCORED)[[*KEY, "delay_hours"]]
    land_labels(world, SCORED, labels[labels["day"] <= f"{SCORED}-14"])
    world.replay()
    return before


def test_nothing_is_trained_before_labels_come(world, unlabelled):
    """A training without labels would fail, and be tried again and again."""
    assert [decision["asked"] for decision in unlabelled] == [False] * 3
    assert "0 of the first 3 batches" in unlabelled[-1]["reason"]
    assert world.platform.record("parcels").champion() is None


def test_the_labels_that_come_make_the_first_champion(world, labelled):
    """The label is what was waited for, so its arrival is what asks."""
    assert world.platform.record("parcels").champion().version == 1
    assert [d["batch"] for d in decisions(world) if d["asked"]] == [FIRST[-1]]


def test_the_lineage_names_the_labels_that_were_learned(world, labelled):
    """Which data trained it: the labels are half of the answer."""
    decision = decision_on(world.platform.record("parcels").facts(), "parcels", None)
    answer = trace(world.instance, world.platform, world.pipeline, decision)
    for entry in answer["training_set"]["batches"]:
        labels = stored(world, "labels", entry["batch"])
        assert entry["labels"] == labels.identity
    assert len(answer["sources"]) == 2 * len(FIRST)


def test_the_drift_of_labels_is_told_of_those_that_have_come(world, scored):
    """What came is judged again when more does; that of the inputs waits for none and stays."""
    first = world.platform.snapshots.load(scored["performance"].snapshot)["outcomes"]
    assert first["scores"]["judged"]
    assert first["labels"]["summary"] == "no labels of this batch are known"
    answer = drift_of(world.instance, world.platform, world.pipeline, 1, SCORED)
    (told,) = answer["batches"]
    assert told["outcomes"]["scores"] == first["scores"]
    assert told["outcomes"]["labels"]["judged"]
    assert told["outcomes"]["labels"]["rows"]["current"] == known_labels(world)
    assert stored(world, "drift_report", SCORED).storage_id == scored["drift_report"].storage_id


def known_labels(world):
    return int(stored(world, "features", SCORED).metadata["labelled rows"])


def test_a_batch_is_scored_without_labels_and_measured_when_some_come(world, scored):
    """Who waits for the last label learns of a drop too late."""
    assert scored["features"].metadata["labelled rows"] == 0
    assert "roc_auc" not in scored["performance"].metadata
    performance = load(world, "performance", SCORED)
    assert performance["labelled"] == performance["rows"] / 2
    assert performance["metrics"]["roc_auc"] > 0.6
    predictions = stored(world, "predictions", SCORED)
    assert predictions.snapshot == scored["predictions"].snapshot


def test_rows_without_a_label_yet_are_no_negatives(world, scored):
    """An absent label read as "on time" would teach the model that nothing is late."""
    table = load(world, "features", SCORED)
    late = table["_group"] > f"{SCORED}-14"
    assert table.loc[late, "_label"].isna().all()
    assert table.loc[~late, "_label"].notna().all()


def test_a_second_replay_takes_no_label_in_twice(world, scored):
    """The same bytes again are no news."""
    runs = world.instance.get_runs_count()
    world.replay()
    assert world.instance.get_runs_count() == runs


def test_labels_of_rows_that_never_came_are_told_and_count_nowhere(world, scored):
    """They are the first sign that a join was made on the wrong key."""
    labels = sample.rows(SCORED)[[*KEY, "delay_hours"]]
    land_labels(world, SCORED, labels.assign(parcel=labels["parcel"] + 1))
    world.replay()
    run_id = stored(world, "labels", SCORED).run_id
    (check,) = [
        event.dagster_event.asset_check_evaluation_data
        for event in world.instance.all_logs(run_id)
        if event.dagster_event
        and event.dagster_event.event_type_value == "ASSET_CHECK_EVALUATION"
        and event.dagster_event.asset_check_evaluation_data.check_name == "known_rows"
    ]
    assert not check.passed
    assert "28 belong to no row" in check.description


def test_labels_that_contradict_each_other_are_refused(world, scored):
    """Two labels of one row: nobody can say which is true, so neither is learned."""
    before = stored(world, "features", SCORED).snapshot
    labels = sample.rows(SCORED)[[*KEY, "delay_hours"]]
    land_labels(world, SCORED, labels.assign(parcel=0))
    world.replay()
    (refusal,) = [f for f in world.platform.record("parcels").facts() if f.kind == "batch_refused"]
    assert "more than once" in refusal.body["reason"]
    assert stored(world, "features", SCORED).snapshot == before


def test_the_labels_of_somebody_who_is_forgotten_go_and_do_not_come_again(
    world, scored, monkeypatch
):
    """A label file names its rows by their key alone: that is enough to know them."""
    monkeypatch.setenv(KEY_VARIABLE, "0123456789abcdef" * 4)
    repository = world.definitions.get_repository_def()
    asked = Forgetting(*of(world), repository, "ada@depot", "asked for it", lambda _: None)
    done = asked.forget("3", datetime.now(UTC))
    gone = {(one["stage"], one["batch"]): one["rows"] for one in done.receipts[0]["removed"]}
    for batch in FIRST:
        assert gone["labels", batch] == gone["raw", batch] == sample.DAYS
        assert stored(world, "labels", batch).metadata[LEFT_OUT] == sample.DAYS
    assert not (load(world, "validated", FIRST[0])["parcel"] == 3).any()
    land_labels(world, FIRST[0], sample.rows(FIRST[0])[[*KEY, "delay_hours"]].assign(delay_hours=1))
    world.replay()
    again = stored(world, "labels", FIRST[0])
    assert (again.metadata[LEFT_OUT], again.metadata["source"][:4]) == (sample.DAYS, "file")


def test_what_a_batch_needs_on_arrival_cannot_come_with_its_labels(world):
    """Else no batch could be validated."""
    target = Target(description="late", label=sample.late, reads=("day", "delay_hours"))
    with pytest.raises(DeclarationError, match=r"needs day when a batch arrives.*\nFix: "):
        replace(world.pipeline, target=target)
