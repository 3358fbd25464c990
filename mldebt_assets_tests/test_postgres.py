"""PostgreSQL keeps what SQLite keeps, and what is wrong with it is said before anything is made."""

from __future__ import annotations

import hashlib
import os

import pytest
from sqlalchemy import create_engine, inspect, text

from mldebt_assets.answers.story import chapters
from mldebt_assets.core.errors import HomeError, UnreachableError
from mldebt_assets.home import (
    POSTGRES_YAML,
    STORAGE_VARIABLE,
    TELEMETRY_OFF,
    TRACKING_VARIABLE,
    Home,
    initialise,
)
from mldebt_assets.sources.database import read_rows
from mldebt_assets_tests.composition import PASSWORD, cluster_of_this_machine
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World


@pytest.fixture(scope="module")
def cluster():
    """PostgreSQL, as compose.yaml asks for it."""
    with cluster_of_this_machine() as ready:
        yield ready


@pytest.fixture
def urls(cluster, monkeypatch, request):
    """Point this process to two fresh databases of the cluster; their URLs by variable."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    made = {}
    for name in (STORAGE_VARIABLE, TRACKING_VARIABLE):
        database = hashlib.sha256(f"{request.node.name} {name}".encode()).hexdigest()[:16]
        cluster.run("createdb", database)
        made[name] = cluster.here(f"postgresql+psycopg2://{cluster.user}@postgres/{database}")
        monkeypatch.setenv(name, made[name])
    for name in ("DAGSTER_HOME", "MLDEBT_HOME", *TELEMETRY_OFF):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that it is put back at the end
    return made


def tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_a_home_on_postgresql_keeps_no_database_of_its_own(urls, tmp_path):
    """Two containers can share a server's database, and never a SQLite file on a volume."""
    home = Home(tmp_path / "home")
    assert initialise(home, ["parcels"])
    assert {"runs", "event_logs", "job_ticks"} <= tables(urls[STORAGE_VARIABLE])
    assert {"runs", "experiments", "model_versions"} <= tables(urls[TRACKING_VARIABLE])
    assert [*home.root.rglob("*.db")] == []
    settings = (home.dagster / "dagster.yaml").read_text()
    assert settings.endswith(POSTGRES_YAML)
    assert PASSWORD not in settings


def test_a_replay_on_postgresql_tells_the_same_story(urls, tmp_path, monkeypatch):
    """Cursors, partitions and event ids are the database's, and sensors lean on all three."""
    initialise(Home(tmp_path / "home"), ["parcels"])
    world = World.make(tmp_path)
    monkeypatch.setenv(TRACKING_VARIABLE, urls[TRACKING_VARIABLE])
    world.land(*BATCHES[:3])
    assert world.replay().settled == BATCHES[:3]
    story = chapters(world.instance, world.platform, world.pipeline)
    assert [(c.batch, c.champion, c.problem) for c in story] == [
        (BATCHES[0], None, None),
        (BATCHES[1], None, None),
        (BATCHES[2], 1, None),
    ]
    assert world.replay().settled == ()
    assert world.instance.get_runs_count() > 0
    assert world.platform.registry.champion("parcels") == 1
    assert [*world.home.root.rglob("*.db")] == []
    world.instance.dispose()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("127.0.0.1", "127.0.0.2"), "Connection refused"),
        (
            ("postgresql+psycopg2://mldebt", "postgresql+psycopg2://nobody"),
            'failed for user "nobody"',
        ),
        (("+psycopg2", ""), r"No module named 'psycopg'\. Install mldebt-assets\[postgres\]"),
    ],
    ids=["address", "user", "driver"],
)
def test_a_database_that_does_not_answer_is_named_with_its_reason(
    urls, tmp_path, monkeypatch, wrong, said
):
    """Dagster and MLflow would try for minutes and end in a page of calls."""
    monkeypatch.setenv(STORAGE_VARIABLE, os.environ[STORAGE_VARIABLE].replace(*wrong))
    with pytest.raises(UnreachableError, match=rf"{STORAGE_VARIABLE}[\s\S]*{said}[\s\S]*\nFix: "):
        initialise(Home(tmp_path / "home"), ["parcels"])


def test_a_wrong_password_is_said_and_not_shown(urls, tmp_path, monkeypatch):
    """What init prints ends up in a container's log."""
    monkeypatch.setenv("PGPASSWORD", "guessed")
    with pytest.raises(UnreachableError, match="password authentication failed") as raised:
        initialise(Home(tmp_path / "home"), ["parcels"])
    assert "guessed" not in str(raised.value)


def test_a_home_on_postgresql_asks_for_its_address(urls, tmp_path, monkeypatch):
    """A command started without the variable would look like an empty installation, or worse."""
    home = Home(tmp_path / "home")
    initialise(home, ["parcels"])
    monkeypatch.delenv(STORAGE_VARIABLE)
    with pytest.raises(HomeError, match=f"{STORAGE_VARIABLE} is not set.\nFix: set it to the URL"):
        home.require()


def test_a_database_that_is_brought_is_only_read(urls):
    """A query may hide a change behind WITH; the database itself refuses it."""
    url = urls[STORAGE_VARIABLE]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE visits AS SELECT 1 AS missed"))
    hidden = "WITH gone AS (DELETE FROM visits RETURNING *) SELECT * FROM gone"
    with pytest.raises(UnreachableError, match="the query cannot be read"):
        read_rows(url, table=None, query=hidden)
    assert read_rows(url, table="visits", query=None).to_pylist() == [{"missed": 1}]
    engine.dispose()
