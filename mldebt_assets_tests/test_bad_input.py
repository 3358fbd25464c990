"""Bad input is kept, refused with a reason, and harms nothing that stands."""

import json
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import BATCH_TAG, batches, key
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.sensors import arrivals_name
from mldebt_assets.snapshots import as_stored, newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.world import installation

GOOD = sample.BATCHES[:3]
LATER = "2020-12"
EVENTS_SHOWN = 100


def as_bytes(table):
    return table.to_csv(index=False, lineterminator="\n").encode()


def rows_with(batch, column, values, places=slice(None)):
    """Return a batch's file in which some values of a column are others."""
    table = sample.rows(batch).astype({column: object})
    table.loc[table.index[places], column] = values
    return as_bytes(table)


# What lands under which name, and what its refusal must name besides the batch.
BAD = {
    "empty": ("2020-04", lambda _: b"", "its file is empty"),
    "truncated": ("2020-05", lambda b: as_bytes(sample.rows(b))[:-5], "its file seems truncated"),
    "not UTF-8": ("2020-06", lambda b: as_bytes(sample.rows(b))[:-1] + b"\xff\n", "not UTF-8"),
    "without a declared column": (
        "2020-07",
        lambda b: as_bytes(sample.rows(b).drop(columns="weight_kg")),
        "lacks column 'weight_kg'",
    ),
    "with an extra column": (
        "2020-08",
        lambda b: as_bytes(sample.rows(b).assign(colour="red")),
        "has undeclared column 'colour'",
    ),
    "text in a numeric column": (
        "2020-09",
        lambda b: rows_with(b, "weight_kg", "heavy", [6, 7]),
        r"column 'weight_kg' \(float64\) has values that are not numbers, in rows 7, 8",
    ),
    "all values null": ("2020-10", lambda b: rows_with(b, "distance_km", None), "distance_km"),
    "infinite values": (
        "2020-11",
        lambda b: rows_with(b, "distance_km", "inf", slice(None, None, 2)),
        "distance_km",
    ),
    "infinite in a column without bounds": (
        "2021-01",
        lambda b: rows_with(b, "delay_hours", "-inf", slice(None, None, 2)),
        "delay_hours",
    ),
    "too few rows": ("2021-02", lambda b: as_bytes(sample.rows(b).head(99)), "row_count"),
    "no rows": ("2021-03", lambda b: as_bytes(sample.rows(b).head(0)), "but no rows"),
    "a name that is no period": (
        "spring-sale",
        lambda _: as_bytes(sample.rows("2020-12")),
        "its name does not say which period it covers",
    ),
}
BAD_NAMES = {case: name for case, (name, _, _) in BAD.items()}


@pytest.fixture(scope="module")
def world(begun, tmp_path_factory):
    """An installation with a champion, in which every bad file lands, and a good one after them."""
    with installation(tmp_path_factory.mktemp("bad"), like=begun) as made:
        yield made


@pytest.fixture(scope="module")
def before(world):
    """What stood before the bad files landed."""
    return standing(world)


@pytest.fixture(scope="module")
def landed(world, before):
    """The bytes that landed, by batch."""
    landed = {name: spoil(name) for name, spoil, _ in BAD.values()}
    for name, data in landed.items():
        (world.landing / f"{name}.csv").write_bytes(data)
    calm = sample.rows("2020-04").replace("2020-04", LATER, regex=True)
    sample.write_batch(world.landing, LATER, calm)
    return landed


@pytest.fixture(scope="module")
def outcome(world, landed):
    return world.replay()


def standing(world):
    """Return what must not change: champion, alias, and every snapshot of the good batches."""
    champion = world.platform.record("parcels").champion()
    stages = ("raw", "validated", "quarantine", "features", "predictions", "drift_report")
    snapshots = {
        (stage, batch): newest(world.instance, key(world.pipeline, stage), batch)
        for stage in stages
        for batch in GOOD
    }
    alias = world.platform.registry.champion("parcels")
    return champion.promotion, alias, {where: s.snapshot for where, s in snapshots.items()}


def events(world, stage, batch):
    found = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key(world.pipeline, stage), asset_partitions=[batch]),
        limit=EVENTS_SHOWN,
    )
    return [as_stored(record) for record in found.records]


def refusals(world, batch):
    return [
        fact
        for fact in world.platform.record("parcels").facts()
        if fact.kind == "batch_refused" and fact.body["batch"] == batch
    ]


def runs_of(world, batch):
    return world.instance.get_runs(dg.RunsFilter(tags={BATCH_TAG: batch}))


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_the_very_bytes_are_kept(world, landed, outcome, name):
    """Whoever looks into the refusal needs what came, not what a parser made of it."""
    (raw,) = events(world, "raw", name)
    assert world.platform.snapshots.load(raw.snapshot).data == landed[name]
    assert raw.snapshot.sha256 == sha256(landed[name])


@pytest.mark.parametrize(("name", "_", "named"), BAD.values(), ids=BAD)
def test_the_refusal_is_recorded_with_a_reason_and_a_fix(world, outcome, name, _, named):
    """A person has to find the fault in the file without opening this program."""
    (refusal,) = refusals(world, name)
    reason = refusal.body["reason"]
    assert reason.startswith(f"The batch {name!r} is refused: ")
    assert pd.Series([reason]).str.contains(named).item()
    fault, _, fix = reason.partition("\nFix: ")
    assert fault
    assert fix.endswith(".")
    assert "\n" not in fix


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_the_refusal_names_the_bytes_and_the_run(world, landed, outcome, name):
    """A later, corrected file under the same name must not be taken for the refused one."""
    (refusal,) = refusals(world, name)
    (run,) = runs_of(world, name)
    assert refusal.body["raw"]["sha256"] == sha256(landed[name])
    assert refusal.body["run_id"] == run.run_id


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_nothing_is_built_on_a_refused_batch(world, outcome, name):
    """An event of any of these would let the next run build on it."""
    for stage in ("validated", "quarantine", "features", "predictions", "drift_report"):
        assert events(world, stage, name) == []


def test_the_replay_lists_the_refused_batches_as_failed_with_their_reasons(world, outcome):
    """Its summary is what a person reads, and its exit code what a script does."""
    assert {chapter.batch for chapter in outcome.failed} == set(BAD_NAMES.values())
    for chapter in outcome.failed:
        assert chapter.problem == refusals(world, chapter.batch)[-1].body["reason"]
        assert (chapter.rows, chapter.retrained, chapter.promoted) == (None, False, False)


def test_champion_and_earlier_snapshots_are_untouched(world, before, outcome):
    """A bad file costs its own batch and nothing else."""
    assert standing(world) == before


def test_good_batches_that_come_later_go_on(world, outcome):
    """One bad month must not stop the year."""
    later = {chapter.batch: chapter for chapter in outcome.chapters}[LATER]
    assert (later.problem, later.scored_by) == (None, 1)
    assert later.rows == len(sample.rows(LATER))


def test_refused_bytes_are_not_tried_again(world, outcome):
    """The same bytes fail again; trying for ever would fill the event log and the web UI."""
    again = world.replay()
    assert again.settled == ()
    for name in BAD_NAMES.values():
        assert len(runs_of(world, name)) == 1
        assert len(refusals(world, name)) == 1
        assert events(world, "validated", name) == []


def test_checks_are_recorded_for_a_batch_that_could_be_read(world, outcome):
    """The web UI shows which expectation refused it, and by how much."""
    (run,) = runs_of(world, BAD_NAMES["too few rows"])
    failed = [
        event.dagster_event.asset_check_evaluation_data
        for event in world.instance.all_logs(
            run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        )
        if not event.dagster_event.asset_check_evaluation_data.passed
    ]
    assert [check.check_name for check in failed] == ["row_count"]
    assert failed[0].metadata["measured"].value == 99
    assert failed[0].blocking


def test_no_value_of_the_data_appears_in_a_refusal(world, outcome):
    """It might be personal, and the record is for ever."""
    said = json.dumps([fact.body for fact in world.platform.record("parcels").facts()])
    assert "heavy" not in said


def test_a_corrected_file_under_the_same_name_is_taken_in(world, outcome):
    """The fix that every refusal asks for must work."""
    name = BAD_NAMES["without a declared column"]
    sample.write_batch(world.landing, name)
    again = world.replay()
    assert again.settled == (name,)
    assert again.failed == ()
    assert newest(world.instance, key(world.pipeline, "validated"), name) is not None
    raw = [stored.snapshot.sha256 for stored in events(world, "raw", name)]
    assert raw[0] == sha256((world.landing / f"{name}.csv").read_bytes())
    assert raw[1] == refusals(world, name)[0].body["raw"]["sha256"]


@pytest.fixture(scope="module")
def relanded(begun, tmp_path_factory):
    """An installation in which a month that the champion learned from lands again, corrected."""
    with installation(tmp_path_factory.mktemp("again"), like=begun) as made:
        facts = made.platform.record("parcels").facts()
        promotion = decision_on(facts, "parcels", 1)
        lineage = trace(made.instance, made.platform, made.pipeline, promotion)
        corrected = sample.rows(GOOD[0])
        corrected.loc[0, "weight_kg"] = 19.5
        sample.write_batch(made.landing, GOOD[0], corrected)
        outcome = made.replay()
        yield made, promotion, lineage, outcome


def test_a_month_that_lands_again_is_a_new_snapshot_and_the_old_one_stays(relanded):
    """Yesterday's model was made from yesterday's bytes."""
    world, *_, outcome = relanded
    new, old = events(world, "raw", GOOD[0])
    assert outcome.settled == (GOOD[0],)
    assert new.snapshot.sha256 == sha256((world.landing / f"{GOOD[0]}.csv").read_bytes())
    assert new.snapshot.path != old.snapshot.path
    assert world.platform.snapshots.load(old.snapshot).data == as_bytes(sample.rows(GOOD[0]))
    for stage in ("validated", "features"):
        for stored in events(world, stage, GOOD[0]):
            world.platform.snapshots.load(stored.snapshot)


def test_the_old_models_lineage_still_names_the_old_bytes(relanded):
    """Lineage by the newest event of a batch would now answer wrongly."""
    world, promotion, lineage, _ = relanded
    assert trace(world.instance, world.platform, world.pipeline, promotion) == lineage
    (entry,) = [e for e in lineage["training_set"]["batches"] if e["batch"] == GOOD[0]]
    assert entry["raw"]["sha256"] == sha256(as_bytes(sample.rows(GOOD[0])))


def test_landing_again_lets_nothing_be_scored_by_a_model_that_learned_from_it(relanded):
    """It was scored by nobody when it first came; the champion has seen its rows since."""
    world, *_ = relanded
    told = {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}
    assert told[GOOD[0]].scored_by is None


def test_a_bad_file_in_the_place_of_a_good_batch_is_told_and_changes_nothing(relanded):
    """The month stays what it was, and the summary must not say that all is well."""
    world, *_ = relanded
    stood = standing(world)
    path = world.landing / f"{GOOD[1]}.csv"
    good = path.read_bytes()
    path.write_bytes(rows_with(GOOD[1], "weight_kg", "heavy", [0]))
    outcome = world.replay()
    assert [chapter.batch for chapter in outcome.failed] == [GOOD[1]]
    assert "column 'weight_kg'" in outcome.failed[0].problem
    assert standing(world)[:2] == stood[:2]
    assert standing(world)[2]["validated", GOOD[1]] == stood[2]["validated", GOOD[1]]
    path.write_bytes(good)
    assert world.replay().failed == ()
    assert newest(world.instance, key(world.pipeline, "raw"), GOOD[1]).snapshot.sha256 == sha256(
        good
    )


NAMES_THAT_LEAVE = (
    "x..%2F..%2Fchampion.csv",
    "2020-06...csv",
    "a b.csv",
    "2020-06\n.csv",
    "-rf.csv",
)


def test_a_name_that_tries_to_leave_the_folder_is_left_alone_and_named(relanded):
    """It becomes part of paths, tags and partition names."""
    world, *_ = relanded
    for name in NAMES_THAT_LEAVE:
        (world.landing / name).write_bytes(as_bytes(sample.rows("2020-06")))
    files = sorted(path for path in world.home.root.rglob("*champion*"))
    try:
        outcome = world.replay()
        said = tick(world)
    finally:
        for name in NAMES_THAT_LEAVE:
            (world.landing / name).unlink()
    assert (outcome.settled, outcome.failed) == ((), ())
    assert said.startswith("Nothing new among 3 batches. Left alone: The batch name ")
    for name in NAMES_THAT_LEAVE:
        assert f"The batch name {name.removesuffix('.csv')!r} is refused" in said
    assert "Fix: rename the file" in said
    known = world.instance.get_dynamic_partitions(batches(world.pipeline).name)
    assert set(known) == set(GOOD)
    assert sorted(path for path in world.home.root.rglob("*champion*")) == files


def tick(world):
    """Evaluate the sensor as the daemon does; return why it asks for nothing."""
    repository = world.definitions.get_repository_def()
    name = arrivals_name(world.pipeline)
    context = dg.build_sensor_context(
        instance=world.instance,
        instance_ref=world.instance.get_ref(),
        repository_def=repository,
        sensor_name=name,
    )
    return repository.get_sensor_def(name).evaluate_tick(context).skip_message


FEW = 6


@pytest.fixture(scope="module")
def quarantined(relanded):
    """A batch with a few rows that break a row-wise rule, each another one."""
    world, *_ = relanded
    table = sample.rows("2020-06")
    assert len(table) * world.pipeline.quarantine_limit > FEW
    table.loc[0, "distance_km"] = np.inf
    table.loc[1, "weight_kg"] = -1.0
    table.loc[2, "distance_km"] = 2000.5
    table.loc[3, "depot"] = "west"
    table.loc[4, "weight_kg"] = np.nan
    table.loc[6, ["day", "parcel"]] = table.loc[5, ["day", "parcel"]]
    sample.write_batch(world.landing, "2020-06", table)
    outcome = world.replay()
    assert outcome.failed == ()
    return world


def test_rows_that_break_a_rule_go_to_quarantine_each_with_its_reason(quarantined):
    """They are evidence; dropped, they would be gone with nobody the wiser."""
    stored = newest(quarantined.instance, key(quarantined.pipeline, "quarantine"), "2020-06")
    apart = quarantined.platform.snapshots.load(stored.snapshot)
    told = dict(zip(zip(apart["day"], apart["parcel"], strict=True), apart["reason"], strict=True))
    day = "2020-06-01"
    named = {0: "distance_km", 1: "weight_kg", 2: "distance_km", 3: "depot", 4: "weight_kg", 5: ""}
    assert set(told) == {(day, parcel) for parcel in named}
    for parcel, column in named.items():
        assert column in told[day, parcel]
    assert np.isinf(apart["distance_km"]).sum() == 1


def test_valid_and_quarantined_rows_are_the_raw_rows(quarantined):
    """Nothing is lost between the file and the model, and nothing is counted twice."""
    asked = (quarantined.instance, quarantined.pipeline)
    rows = {
        stage: newest(asked[0], key(asked[1], stage), "2020-06").metadata["dagster/row_count"]
        for stage in ("raw", "validated", "quarantine", "features", "predictions")
    }
    assert rows["quarantine"] == FEW
    assert rows["validated"] + rows["quarantine"] == rows["raw"] == len(sample.rows("2020-06"))
    assert rows["features"] == rows["predictions"] == rows["validated"]


def test_a_remote_that_is_away_costs_a_replay_and_no_batch(relanded):
    """Nothing is materialized without its copy in the remote; the fix is to run it again."""
    world, *_ = relanded
    remote = Path(world.platform.snapshots.remote_name)
    away = remote.rename(remote.with_name("away"))
    remote.write_text("in the way")
    sample.write_batch(world.landing, "2020-07")
    outcome = world.replay()
    assert [chapter.batch for chapter in outcome.failed] == ["2020-07"]
    assert outcome.failed[0].problem.startswith(f"The remote {remote} cannot be reached")
    assert "Fix: check the address and your credentials, then run" in outcome.failed[0].problem
    assert events(world, "raw", "2020-07") == []
    assert refusals(world, "2020-07") == []
    assert len(runs_of(world, "2020-07")) == world.pipeline.retraining.attempts

    remote.unlink()
    away.rename(remote)
    outcome = world.replay()
    assert (outcome.settled, outcome.failed) == (("2020-07",), ())
    assert len(events(world, "raw", "2020-07")) == 1
