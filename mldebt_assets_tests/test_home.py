"""The home is made once, completed where it is half made, and never guessed at."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from filelock import FileLock

from mldebt_assets.core.errors import HomeError
from mldebt_assets.home import LAYOUT_VERSION, TELEMETRY_OFF, Home, initialise
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.registry import Registry
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World, copy_of

PLACE = {"folder": "parcels/raw/2020-01", "name": "2020-01.csv"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A complete home outside git, whose path has spaces, a quote and an umlaut."""
    home = Home(tmp_path_factory.mktemp("a folder of Jürgen's") / "the home")
    assert initialise(home, ["parcels"])
    return home


@pytest.fixture
def home(made, tmp_path):
    return copy_of(made, tmp_path)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_missing_home_is_named_with_the_command_that_makes_it(tmp_path):
    """The first thing that a new user meets."""
    with pytest.raises(HomeError, match=f"{tmp_path}/none does not exist.\nFix: run `mldebt init`"):
        Home(tmp_path / "none").require()


def test_asking_for_a_missing_home_makes_nothing(tmp_path):
    """A mistyped MLDEBT_HOME must not become a second, empty installation."""
    with pytest.raises(HomeError, match="does not exist"):
        Home(tmp_path / "none").require()
    assert list(tmp_path.iterdir()) == []


def test_a_complete_home_is_taken_as_it_is(home):
    """Every command asks first."""
    assert home.require() is home
    assert list(home.root.glob(".probe*")) == []


def test_a_home_whose_path_has_spaces_works_in_every_store(made):
    """Paths with spaces break what joins commands and URLs as text."""
    snapshot = SnapshotStore(made).put(b"a\n", **PLACE)
    found = SnapshotStore(made).get(
        name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5
    )
    assert found == b"a\n"
    assert Path(made.remote_url).is_dir()
    with dg.DagsterInstance.from_config(str(made.dagster)) as instance:
        assert instance.get_runs_count() == 0
    experiment = Registry(made).client.get_experiment_by_name("parcels")
    run = Registry(made).client.create_run(experiment.experiment_id)
    Registry(made).client.log_text(run.info.run_id, "fine", "note.txt")
    assert [path.read_text() for path in made.mlflow_artifacts.rglob("note.txt")] == ["fine"]


def test_making_a_home_twice_changes_no_byte(home):
    """`make run` asks for it each time."""
    before = contents(home.root)
    assert initialise(home, ["parcels"]) is False
    assert contents(home.root) == before


def test_a_half_made_home_is_named_and_then_completed(home):
    """A kill in the middle of `mldebt init` leaves one."""
    home.marker.unlink()
    with pytest.raises(HomeError, match=r"is half made: [\s\S]*\nFix: run `mldebt init`"):
        home.require()
    assert initialise(home, ["parcels"]) is True
    home.require()


def test_completing_a_home_keeps_what_is_there(home):
    """Its records are the only proof of who was promoted and why; its settings are the user's."""
    record = PromotionRecord(home.records / "parcels.jsonl", "parcels")
    record.append("decision", {}, effective_at=datetime(2020, 2, 1, tzinfo=UTC))
    snapshot = SnapshotStore(home).put(b"a\n", **PLACE)
    shutil.rmtree(home.remote_url)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.add_dynamic_partitions("parcels_batches", ["2020-01"])
    experiment = Registry(home).client.get_experiment_by_name("parcels").experiment_id
    settings = (home.dagster / "dagster.yaml").read_text() + "# chosen by the user\n"
    (home.dagster / "dagster.yaml").write_text(settings)

    home.marker.unlink()
    initialise(home, ["parcels", "letters"])

    assert len(record.facts()) == 1
    found = SnapshotStore(home).get(
        name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5
    )
    assert found == b"a\n"
    assert (home.root / snapshot.pointer).is_file()
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert instance.get_dynamic_partitions("parcels_batches") == ["2020-01"]
    assert Registry(home).client.get_experiment_by_name("parcels").experiment_id == experiment
    assert Registry(home).client.get_experiment_by_name("letters") is not None
    assert (home.dagster / "dagster.yaml").read_text() == settings


@pytest.mark.parametrize("left", [0, 1, 2, 3], ids=["nothing", "dagster", "config", "dvc"])
def test_a_home_killed_at_any_step_of_its_making_is_completed(home, left):
    """Every step leaves less than the marker asks for, and the next start makes the rest."""
    parts = [home.dagster, home.root / ".dvc" / "config", home.root / "mlflow"]
    home.marker.unlink()
    for part in parts[left:]:
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    if left == 1:
        (home.dagster / "dagster.yaml").unlink()
    initialise(home, ["parcels"])
    home.require()
    assert SnapshotStore(home).put(b"a\n", **PLACE).bytes == 2
    assert Registry(home).client.get_experiment_by_name("parcels") is not None


@pytest.mark.parametrize("written", ["", "{", "[]", "null", '{"layout": 0}', '{"layout": 99}'])
def test_a_home_of_another_layout_or_with_a_damaged_marker_is_refused(home, written):
    """Reading another version's home as one's own would damage both."""
    home.marker.write_text(written)
    with pytest.raises(HomeError, match=r"layout [\s\S]*\nFix: "):
        home.require()
    with pytest.raises(HomeError, match=r"layout [\s\S]*\nFix: "):
        initialise(home, ["parcels"])
    assert home.marker.read_text() == written


def test_the_marker_says_which_layout_it_is(home):
    """A later version must be able to tell."""
    assert json.loads(home.marker.read_text())["layout"] == LAYOUT_VERSION


def test_a_place_where_no_home_can_be_made_is_named(tmp_path):
    """A path below a file stands for every place that cannot be written, to root as well."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HomeError, match=r"cannot be made \(Not a directory: [\s\S]*\nFix: give"):
        initialise(Home(tmp_path / "file" / "home"), ["parcels"])
    with pytest.raises(HomeError, match="does not exist"):
        Home(tmp_path / "file" / "home").require()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only directory")
def test_a_home_that_cannot_be_written_is_named(home):
    """Found at the start, and not in the middle of a training."""
    home.root.chmod(0o555)
    try:
        with pytest.raises(HomeError, match=r"cannot be written \(Permission denied\)[\s\S]*Fix:"):
            home.require()
    finally:
        home.root.chmod(0o755)


def test_a_home_whose_probe_fails_is_named(home, monkeypatch):
    """The same, where the tests run as root: the file system says that it is read-only."""

    def refuse(path, *_, **__):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(HomeError, match=r"cannot be written \(Read-only file system\)[\s\S]*Fix:"):
        home.require()
    home.marker.unlink()
    with pytest.raises(HomeError, match=r"cannot be written \(Read-only file system\)[\s\S]*Fix:"):
        initialise(home, ["parcels"])


def test_dagster_reports_to_nobody(home):
    """Neither the variable nor the file alone may be what keeps it silent."""
    settings = yaml.safe_load((home.dagster / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert not instance.telemetry_enabled
    assert home.environment().items() >= TELEMETRY_OFF.items()


def test_dvc_reports_to_nobody(home):
    """DVC asks its own configuration before it sends anything."""
    assert "analytics = False" in (home.root / ".dvc" / "config").read_text()


def test_a_home_inside_git_that_ignores_it_can_be_made(tmp_path):
    """A clone's `.mldebt/` is ignored by git, and DVC refuses pointers that git ignores."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(".mldebt/\n.mldebt-remote/\n")
    home = Home(tmp_path / ".mldebt")
    initialise(home, ["parcels"])
    snapshot = SnapshotStore(home).put(b"a\n", **PLACE)
    pull = [sys.executable, "-m", "dvc", "pull"]
    subprocess.run(pull, cwd=home.root, check=True, capture_output=True)
    assert (home.root / "snapshots" / snapshot.path).read_bytes() == b"a\n"
    status = ["git", "-C", str(tmp_path), "status", "--porcelain"]
    answer = subprocess.run(status, check=True, capture_output=True, text=True)
    assert answer.stdout == "?? .gitignore\n"


def test_the_home_is_where_the_variable_says_else_in_the_project(monkeypatch, tmp_path):
    """Two installations on one machine differ by nothing else."""
    monkeypatch.setenv("MLDEBT_HOME", str(tmp_path / "elsewhere"))
    assert Home.locate().root == tmp_path / "elsewhere"
    monkeypatch.setenv("MLDEBT_HOME", "~/elsewhere")
    assert Home.locate().root == Path.home() / "elsewhere"
    monkeypatch.delenv("MLDEBT_HOME")
    assert Home.locate().root.name == ".mldebt"


def test_the_remote_is_the_one_that_the_home_was_made_with(home, monkeypatch):
    """A variable set later must not send half of the snapshots elsewhere, nor be named for it."""
    before = home.remote_url
    monkeypatch.setenv("MLDEBT_REMOTE", "/somewhere/else")
    assert SnapshotStore(home).remote_name == before


def test_a_relative_remote_is_taken_from_the_current_directory(tmp_path, monkeypatch):
    """DVC would read it from inside its own folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLDEBT_REMOTE", "my remote")
    home = Home(tmp_path / "home")
    initialise(home, ["parcels"])
    SnapshotStore(home).put(b"a\n", **PLACE)
    assert [path.name for path in (tmp_path / "my remote").iterdir()] == ["files"]


def test_a_second_process_waits_for_the_first_and_makes_nothing(home):
    """Two processes at once on a fresh database corrupt it for good."""
    written = home.marker.read_text()
    home.marker.unlink()
    with ThreadPoolExecutor() as other, FileLock(home.root / "init.lock"):
        made = other.submit(initialise, home, ["parcels"])
        with pytest.raises(TimeoutError):
            made.result(timeout=0.5)
        home.marker.write_text(written)
    assert made.result() is False


def test_a_pipeline_that_came_after_the_home_keeps_its_artefacts_there(tmp_path, monkeypatch):
    """MLflow would put them into whatever directory the command was called in."""
    for name in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(name, "")  # so that it is put back at the end
    monkeypatch.chdir(tmp_path)
    initialise(Home(tmp_path / "home"), [])
    world = World.make(tmp_path)
    world.land(*BATCHES[:3])
    world.replay()
    (version,) = world.platform.registry.versions("parcels")
    run = world.platform.registry.client.get_run(version.run_id)
    assert run.info.artifact_uri.startswith((world.home.mlflow_artifacts / "parcels").as_uri())
    assert not (tmp_path / "mlruns").exists()
    world.instance.dispose()
