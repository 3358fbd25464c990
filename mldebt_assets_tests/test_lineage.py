"""What was in production when, by either clock: lineage as it is asked for by hand."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd
import pytest

from mldebt_assets.answers.prediction import ids_of_key, prediction_of
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import RowKeyError
from mldebt_assets.core.features import row_ids
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES, rows
from mldebt_assets_tests.world import copy_of


@pytest.fixture(scope="module")
def world(promoted, tmp_path_factory):
    """An installation of the sample in which v1 was champion until 2020-06-01, and v2 since."""
    with installation(tmp_path_factory.mktemp("lineage"), like=promoted) as made:
        yield made


@pytest.fixture(scope="module")
def done(world):
    """The facts that finished the two promotions."""
    return [fact for fact in world.platform.record("parcels").facts() if fact.kind == "done"]


def lineage(*arguments):
    return mldebt("lineage", "parcels", *arguments, "--json")


def version_as_of(moment, *more):
    said = lineage("--as-of", moment, *more)
    assert said.code == (1 if said.document["model"] is None else 0)
    return (said.document["model"] or {}).get("version")


@pytest.mark.parametrize(
    ("moment", "version"),
    [
        ("2020-06-01", 2),
        ("2020-06-01T00:00:00Z", 2),
        ("2020-05-31T23:59:59", 1),
        ("2020-06-01T01:59:59+02:00", 1),
        ("2020-05-31T19:00-05:00", 2),
        ("2020-03-31T23:59:59+00:00", None),
    ],
)
def test_a_moment_without_an_offset_is_utc(world, moment, version):
    """An office two hours ahead must not be told of a model that was promoted later."""
    assert version_as_of(moment) == version


def test_by_the_wall_clock_a_promotion_holds_once_it_is_recorded(world, done):
    """A replayed year happened today; who asks what ran this morning means this clock."""
    first, second = (fact.recorded_at for fact in done)
    instant = timedelta(microseconds=1)
    assert version_as_of(second.isoformat(), "--recorded") == 2
    assert version_as_of((second - instant).isoformat(), "--recorded") == 1
    assert version_as_of((first - instant).isoformat(), "--recorded") is None
    assert version_as_of("2020-12-31", "--recorded") is None


def test_who_had_no_champion_is_told_at_which_moment_of_which_clock(world):
    """ "No champion" alone reads as if there were none today."""
    data = mldebt("lineage", "parcels", "--as-of", "2020-01-01T02:00+02:00")
    wall = mldebt("lineage", "parcels", "--as-of", "2020-01-01", "--recorded")
    assert (data.code, wall.code) == (1, 1)
    assert "parcels had no champion at 2020-01-01 00:00 UTC of the data's time." in data.out
    assert "parcels had no champion at 2020-01-01 00:00 UTC by the wall clock." in wall.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--as-of", "yesterday"], "'yesterday' is no moment"),
        (["--as-of", "2020-02-30"], "'2020-02-30' is no moment"),
        (["--as-of", "0001-01-01T00:00+02:00"], "is no moment"),
        (["--as-of", "2020-01-01", "--version", "1"], "--version and --as-of ask for different"),
        (["--recorded"], "--recorded goes with --as-of: give that too."),
        (["--version", "1", "--batch", BATCHES[3]], "--batch goes with --prediction or --row"),
        (["--prediction", "0" * 16, "--row", "day=x,parcel=1"], "--prediction and --row ask"),
        (["--prediction", "0" * 15 + "g"], "is no row id, which has 16 hexadecimal digits"),
        (["--prediction", "0" * 16], "made no prediction for this row; searched: 2020-01 to"),
        (["--prediction", "0" * 16, "--batch", "2019-01"], "has no batch called '2019-01'"),
        (["--row", "day=2020-04-03"], "no key of a row of parcels, which has day, parcel"),
        (["--row", "day=2020-04-03,parcel=1,parcel=1"], "it wants each of these once"),
        (["--row", "day=2020-04-03,parcel=seven"], "it wants parcel as int64"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_meant_is_a_wrong_call(world, arguments, message):
    """A silently dropped option gives a right answer to another question."""
    said = mldebt("lineage", "parcels", *arguments)
    assert (said.code, said.out) == (2, "")
    assert message in " ".join(said.err.replace("│", " ").split())


def test_the_future_holds_what_holds_now(world):
    """The newest promotion stays in force until another takes its place."""
    later = datetime.now(UTC) + timedelta(days=365)
    assert version_as_of(later.isoformat()) == 2
    assert version_as_of(later.isoformat(), "--recorded") == 2


def stored(world, stage, batch):
    return newest(world.instance, key(world.pipeline, stage), batch)


def test_a_prediction_is_traced_to_its_bytes_and_to_the_promotion_in_force(world):
    """A customer asks about one score, of a time when another model was champion."""
    batch, position = BATCHES[4], 42
    scores = world.platform.snapshots.load(stored(world, "predictions", batch).snapshot)
    asked = scores.iloc[position]
    said = lineage("--prediction", asked["_row_id"], "--batch", batch)
    assert (said.code, said.err) == (0, "")
    found = said.document["prediction"]
    assert (found["row"], found["batch"]) == (asked["_row_id"], batch)
    assert (found["score"], found["decision"]) == (asked["score"], asked["decision"])
    assert found["decision"] == (found["score"] >= found["threshold"])
    assert (found["version"], found["weights_sha256"]) == (1, asked["weights_sha256"])
    for stage in ("raw", "validated", "features", "scorer", "predictions"):
        assert found[stage] == stored(world, stage, batch).identity
    assert found["raw"]["sha256"] == sha256((world.landing / f"{batch}.csv").read_bytes())
    rest = {name: part for name, part in said.document.items() if name != "prediction"}
    assert rest == lineage("--version", "1").document
    promotion = world.platform.record("parcels").facts()[found["promotion"] - 1]
    assert (promotion.kind, promotion.body["version"]) == ("intent", 1)


def test_a_row_is_found_by_its_key_in_whichever_batch_it_is(world):
    """People know the parcel's number, not the hash of it."""
    for batch in BATCHES[3:]:
        row = rows(batch).iloc[[7]]
        name = f"day={row['day'].item()},parcel={row['parcel'].item()}"
        found = lineage("--row", name).document["prediction"]
        assert (found["row"], found["batch"]) == (*row_ids(row, ("day", "parcel")), batch)


def test_a_prediction_page_shows_hashes_and_no_value_of_the_row(world):
    """Whoever may see which model decided need not see about whom."""
    row = rows(BATCHES[4]).iloc[7]
    said = mldebt("lineage", "parcels", "--row", f"parcel={row['parcel']},day={row['day']}")
    assert said.code == 0, said.err
    assert stored(world, "predictions", BATCHES[4]).snapshot.sha256 in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    for value in ("day", "weight_kg", "distance_km"):
        assert str(row[value]) not in said.out


def test_rows_from_before_the_first_champion_have_no_prediction(world):
    """An invented score for them would be worse than none."""
    said = mldebt("lineage", "parcels", "--row", f"day={BATCHES[0]}-03,parcel=7")
    assert (said.code, said.out) == (2, "")
    assert "before the first champion" in said.err


@pytest.mark.parametrize("midnights", [True, False], ids=["all midnights", "other times"])
def test_a_key_with_a_moment_finds_its_row(world, midnights):
    """The demo's flights are named by their departure; at midnight it is written shorter."""
    pipeline = dataclasses.replace(world.pipeline, row_key=("sent_at", "depot"))
    times = ["2020-01-01T00:00:00", "2020-01-02T00:00:00" if midnights else "2020-01-02T08:30:00"]
    table = pd.DataFrame({"sent_at": pd.to_datetime(times), "depot": ["a,b", "sent_at"]})
    first, second = row_ids(table, pipeline.row_key)
    assert first in ids_of_key(world.platform, pipeline, "sent_at=2020-01-01,depot=a,b")
    assert first in ids_of_key(world.platform, pipeline, "depot=a,b,sent_at=2020-01-01T00:00")
    assert second in ids_of_key(world.platform, pipeline, f"sent_at={times[1]},depot=sent_at")
    assert second not in ids_of_key(world.platform, pipeline, f"sent_at={times[0]},depot=sent_at")


def test_a_moment_with_a_zone_finds_its_row(world):
    """Whoever asks writes it as the table does, in whatever zone."""
    sent = dataclasses.replace(world.pipeline.column("sent_at"), written="with_zone")
    others = [one for one in world.pipeline.columns if one.name != "sent_at"]
    pipeline = dataclasses.replace(world.pipeline, row_key=("sent_at",), columns=(sent, *others))
    [first] = row_ids(pd.DataFrame({"sent_at": pd.to_datetime(["2020-01-01T08:30"])}), ["sent_at"])
    assert first in ids_of_key(world.platform, pipeline, "sent_at=2020-01-01T09:30:00+01:00")
    with pytest.raises(RowKeyError, match="sent_at as timestamp"):
        ids_of_key(world.platform, pipeline, "sent_at=2020-01-01T08:30:00")


@pytest.fixture
def relanded(world, tmp_path):
    """A copy of the installation in which the last batch has come again without its last row."""
    home = copy_of(world.home, tmp_path)
    landed = world.landing / f"{BATCHES[4]}.csv"
    before = landed.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in home.environment().items():
            patch.setenv(name, value)
        instance = dg.DagsterInstance.from_config(str(home.dagster))
        made = dataclasses.replace(world, home=home, platform=Platform(home), instance=instance)
        sample.write_batch(world.landing, BATCHES[4], rows(BATCHES[4]).iloc[:-1])
        made.replay()
        yield made
        instance.dispose()
    landed.write_bytes(before)


def test_predictions_that_newer_bytes_replaced_are_still_found(world, relanded):
    """The score was acted upon, whatever the batch says now."""
    gone, kept = (row_ids(rows(BATCHES[4]).iloc[[n]], ("day", "parcel"))[0] for n in (-1, 0))
    for row, raw in ((gone, stored(world, "raw", BATCHES[4])), (kept, None)):
        found, _ = prediction_of(relanded.instance, relanded.platform, world.pipeline, {row})
        assert found["raw"] == (raw or stored(relanded, "raw", BATCHES[4])).identity
    assert stored(relanded, "raw", BATCHES[4]) != stored(world, "raw", BATCHES[4])
