"""A broken feed is named, told, and never learned; its repaired file is a batch like any other."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from mldebt_assets.answers.lineage import acceptances
from mldebt_assets.answers.refused import refused_batches
from mldebt_assets.answers.story import chapter
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.training_set import choose
from mldebt_assets.monitoring.problems import SCORED_ALL_THE_SAME, Ended, checks, of_record
from mldebt_assets.monitoring.standing import follow
from mldebt_assets.promotions import refused_feeds
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import mldebt
from mldebt_assets_tests.world import copied, installation

JANUARY, FEBRUARY, STUCK, MILES, SHIFTED = sample.BATCHES
KILOMETRES_A_MILE = 1.609344


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    with installation(tmp_path_factory.mktemp("broken")) as made:
        yield made


def facts(world):
    return world.platform.record("parcels").facts()


def told(world, batch):
    return chapter(world.instance, world.platform, world.pipeline, batch)


def stored(world, stage, batch=None):
    return newest(world.instance, key(world.pipeline, stage), batch)


def learned(world):
    """Return the batches of the newest training set, None before there is one."""
    manifest = stored(world, "training_set")
    if manifest is None:
        return None
    entries = world.platform.snapshots.load(manifest.snapshot)["batches"]
    return [entry["batch"] for entry in entries]


def check(world, batch):
    """Return the newest evaluation of the check on a batch's feed."""
    asset = dg.AssetCheckKey(key(world.pipeline, "triage"), "no_broken_feed")
    history = world.instance.event_log_storage.get_asset_check_execution_history(asset, limit=20)
    evaluations = [record.evaluation for record in history if record.evaluation]
    return next(one for one in evaluations if one.partition == batch)


@pytest.fixture(scope="module")
def stuck(world):
    """January's rows with March's dates, before there is any champion."""
    rows = sample.rows(JANUARY).replace(JANUARY, STUCK, regex=True)
    world.land(JANUARY, FEBRUARY)
    sample.write_batch(world.landing, STUCK, rows)
    world.replay()
    return told(world, STUCK)


def test_a_feed_that_is_stuck_is_refused_before_there_is_a_champion(world, stuck):
    assert stuck.problem.startswith(
        f"The batch '{STUCK}' is a broken feed (duplicated file): 100% of its rows but for their "
        f"time were in batch {JANUARY} already. Nothing learns from it.\nFix: "
    )
    assert not stuck.retrained


def test_it_does_not_count_among_the_first_batches(world, stuck):
    """Else the first champion would have learned January twice."""
    assert learned(world) is None
    assert stuck.reason.startswith(f"The batch '{STUCK}' is a broken feed (duplicated file): ")


@pytest.fixture(scope="module")
def repaired(world, stuck):
    """March's true rows land under the name of the stuck ones."""
    world.land(STUCK)
    world.replay()
    return told(world, STUCK)


def test_the_repaired_file_is_judged_anew(world, repaired):
    assert repaired.problem is None
    assert repaired.promoted
    assert learned(world) == [JANUARY, FEBRUARY, STUCK]
    assert check(world, STUCK).passed


@pytest.fixture(scope="module")
def miles(world, repaired):
    """Somebody upstream writes miles where kilometres are declared."""
    rows = sample.rows(MILES)
    rows["distance_km"] = (rows["distance_km"] / KILOMETRES_A_MILE).round(3)
    sample.write_batch(world.landing, MILES, rows)
    world.replay()
    return told(world, MILES)


def test_a_unit_change_is_named_and_alerted(world, miles):
    """Its check fails as an error: that is what alerts are sent for."""
    evaluation = check(world, MILES)
    assert (evaluation.passed, evaluation.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert evaluation.description.startswith(
        "distance_km looks converted from kilometres to miles: it is what it was times 0.6214"
    )
    assert miles.problem.startswith(f"The batch '{MILES}' is a broken feed (unit change): ")


def test_it_drifts_and_yet_nothing_is_trained(world, miles):
    assert miles.drifted
    assert not miles.retrained
    assert miles.reason.startswith(f"The batch '{MILES}' is a broken feed (unit change): ")
    report = world.platform.snapshots.load(stored(world, "drift_report", MILES).snapshot)
    assert report["class"] == "broken feed"
    assert stored(world, "drift_report", MILES).metadata["class"] == "broken feed"


def test_the_record_holds_the_refusal_once_with_its_evidence(world, miles):
    """Weeks later somebody asks why a month is missing from a model."""
    world.replay()
    refusals = [fact for fact in facts(world) if fact.kind == "feed_refused"]
    assert [fact.body["batch"] for fact in refusals] == [STUCK, MILES]
    body = refusals[-1].body
    assert body["class"] == "broken feed"
    assert body["validated"]["sha256"] == stored(world, "validated", MILES).snapshot.sha256
    assert body["findings"][0]["evidence"]["conversion"] == "kilometres to miles"


@pytest.fixture(scope="module")
def shifted(world, miles):
    """A new kind of parcel appears, while April is still broken."""
    world.land(SHIFTED)
    world.replay()
    return told(world, SHIFTED)


def test_a_real_shift_after_it_is_learned_without_it(world, shifted):
    report = world.platform.snapshots.load(stored(world, "drift_report", SHIFTED).snapshot)
    assert (report["class"], shifted.retrained, shifted.problem) == ("real shift", True, None)
    assert learned(world) == [JANUARY, FEBRUARY, STUCK, SHIFTED]


def test_no_champion_is_held_to_it(world, shifted):
    """Or the repaired feed would look like drift."""
    champion = world.platform.record("parcels").champion()
    assert MILES not in champion.reference["batches"]


def test_the_next_batch_is_not_laid_beside_it(world, shifted):
    """Or a second broken batch would look like the first, and pass."""
    reads = stored(world, "triage", SHIFTED).reads
    assert list(reads["earlier:parcels/triage"]) == [JANUARY, FEBRUARY, STUCK]
    assert MILES not in stored(world, "performance", SHIFTED).reads["parcels/features"]


def test_a_person_who_knows_better_has_it_learned(world, shifted, tmp_path, monkeypatch):
    """Triage errs too; who overruled it and why is a fact, and so is what was refused."""
    with copied(world, tmp_path) as copy:
        monkeypatch.setenv("MLDEBT_USER", "ada")
        monkeypatch.setattr("mldebt_assets.pipelines.PIPELINES", (copy.pipeline,))
        asked = ["accept", "parcels", "--batch", MILES, "--reason", "miles are right"]
        said = mldebt(*asked, "--json")
        assert (said.code, said.document["by"]) == (0, "ada")
        assert "broken feed (unit change)" in said.document["refused_because"]
        kinds = [fact.kind for fact in facts(copy) if fact.body.get("batch") == MILES]
        assert kinds[-1] == "feed_accepted"
        assert "feed_refused" in kinds
        assert told(copy, MILES).problem is None
        assert mldebt("status", "parcels", "--json").document["refused"] == []
        chosen = choose(copy.instance, copy.pipeline, None, refused_feeds(facts(copy)))
        assert MILES in [features.batch for features, _ in chosen]
        assert (check(copy, MILES).passed, check(copy, MILES).metadata["by"].value) == (True, "ada")
        assert mldebt(*asked).code == 1


def test_a_learned_acceptance_stands_in_the_lineage(world, shifted, tmp_path, monkeypatch):
    """Whoever asks what a model learned should see which of it was refused at first."""
    with copied(world, tmp_path) as copy:
        monkeypatch.setattr("mldebt_assets.pipelines.PIPELINES", (copy.pipeline,))
        asked = ["accept", "parcels", "--batch", MILES, "--reason", "miles are right"]
        assert mldebt(*asked).code == 0
        rows = stored(copy, "validated", MILES)
        entries = [{"validated": {"sha256": rows.snapshot.sha256}}]
        (found,) = acceptances(facts(copy), entries)
        assert (found["batch"], found["reason"]) == (MILES, "miles are right")
        assert "broken feed (unit change)" in found["refused_because"]
        assert mldebt("lineage", "parcels", "--json").document["accepted"] == []


def test_its_drift_is_marked_as_a_broken_feeds(world, shifted, tmp_path, monkeypatch):
    """Who looks at its columns alone would take them for a shift."""
    page = tmp_path / "page.html"
    with copied(world, tmp_path) as copy:
        monkeypatch.setattr("mldebt_assets.pipelines.PIPELINES", (copy.pipeline,))
        said = mldebt("drift", "parcels", "--until", MILES, "--html", str(page))
        told = mldebt("drift", "parcels", "--json").document["batches"]
    words = " ".join(said.out.split())
    assert f"{MILES}: broken feed, scored all the same, never learned. " in words
    assert "broken feed, scored all the same, never learned" in page.read_text()
    assert {one["batch"]: one["refused"] and one["refused"]["alarm"] for one in told} == {
        JANUARY: None, FEBRUARY: None, STUCK: None, MILES: "broken feed", SHIFTED: None,
    }  # fmt: skip


def test_its_alert_ends_when_it_is_accepted(world, shifted, tmp_path, monkeypatch):
    """An alarm that stands after the decision is one that nobody reads."""
    about = "check parcels/triage no_broken_feed"
    with copied(world, tmp_path) as copy:
        monkeypatch.setattr("mldebt_assets.pipelines.PIPELINES", (copy.pipeline,))
        run = stored(copy, "triage", MILES).run_id
        record = copy.instance.get_run_record_by_id(run)
        (problem,) = [
            found
            for found in checks(copy.instance, Ended(copy.pipeline, record, 0.0))
            if found.about == about
        ]
        assert problem.how_much.endswith(SCORED_ALL_THE_SAME)
        standings = follow({}, [problem])
        asked = (copy.platform, copy.pipeline, standings, datetime.now(UTC))
        assert about not in {one.about for one in of_record(*asked)[1]}
        mldebt("accept", "parcels", "--batch", MILES, "--reason", "miles are right")
        (over,) = [one for one in of_record(*asked)[1] if one.about == about]
        assert follow(standings, [over])[about].ended_at is not None


def test_it_is_scored_and_marked_until_then(world, shifted):
    """Production goes on; nobody should take its scores for sound."""
    (one,) = refused_batches(world.instance, world.pipeline, facts(world))
    assert (one["batch"], one["alarm"], one["scored"]) == (MILES, "broken feed", True)
    assert told(world, MILES).alarm == "broken feed"


def test_once_it_is_repaired_it_is_a_batch_like_any_other(world, shifted):
    world.land(MILES)
    world.replay()
    assert told(world, MILES).problem is None
    assert stored(world, "validated", MILES).snapshot.sha256 not in refused_feeds(facts(world))
