"""What was in production when, by either clock: lineage as it is asked for by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation of the sample in which v1 was champion until 2020-06-01, and v2 since."""
    with installation(tmp_path_factory.mktemp("lineage")) as made:
        made.land(*BATCHES)
        made.replay()
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
        (["--as-of", "2020-01-01", "--version", "1"], "--as-of and --version"),
        (["--recorded"], "--recorded says how --as-of is meant"),
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
