"""The built package knows which code it is, and does the main job where no checkout is.

It is installed into an environment of its own that borrows the locked packages of this one by their
folder's name, which leaves out the editable installation: two minutes of installing are saved, and
the package's own files are the only ones of its name.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from mldebt_assets.provenance import BESIDE, BUILT, BUILT_FACTS

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "mldebt_assets"
NEEDED = (
    PACKAGE,
    *(".gitignore", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"),
    *("setup.cfg", "setup.py", "workspace.yaml"),
)
UNTIL = "2013-03"
ASK = "import json; from mldebt_assets.provenance import code; print(json.dumps(code()))"


@dataclass(frozen=True)
class Place:
    """Somewhere the package runs from: a Python, what it puts on the path, where it stands."""

    python: Path
    path: Path | None
    folder: Path

    def run(self, *arguments: str | Path) -> str:
        """Run this Python and return what it prints."""
        hidden = ("PYTHONPATH", "MLDEBT_HOME", "DAGSTER_HOME")
        kept = {name: value for name, value in os.environ.items() if name not in hidden}
        path = {"PYTHONPATH": str(self.path)} if self.path else {}
        done = subprocess.run(
            [self.python, "-W", "ignore", *arguments],
            cwd=self.folder,
            env={**kept, **path, "MLDEBT_HOME": str(self.folder / "home")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def mldebt(self, *command: str) -> str:
        """Run a command of mldebt."""
        return self.run("-c", f"from {PACKAGE}.cli import app; app()", *command)

    def code(self) -> dict[str, object]:
        """Return what the package says of its code here."""
        return dict(json.loads(self.run("-c", ASK)))

    def story(self) -> dict[str, Any]:
        """Do the main job up to a batch, and return the lineage of the champion."""
        self.mldebt("init")
        self.mldebt("fetch", "flight_delays")
        self.mldebt("replay", "flight_delays", "--until", UNTIL)
        return dict(json.loads(self.mldebt("lineage", "flight_delays", "--json")))

    def copy(self) -> dict[str, Any]:
        """Train the champion of the home again; return what came of it."""
        return dict(json.loads(self.mldebt("reproduce", "flight_delays", "--json")))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def build(tree: Path, *kinds: str) -> Path:
    """Build the kinds (all: a source archive, and a wheel from it); return the wheel."""
    out = tree.parent / f"built-{len(list(tree.parent.glob('built-*')))}"
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", out, *kinds, tree]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = out.glob("*.whl")
    return wheel


def install(wheel: Path, environment: Path) -> Place:
    """Install a wheel where nothing else is, with the locked packages within reach."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    command = ["--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    folder = environment.parent / "elsewhere"
    folder.mkdir()
    return Place(python, None, folder)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A git checkout of what is built, all of it committed."""
    tree = tmp_path_factory.mktemp("checkout") / "tree"
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, tree / name)
    git(tree, "init", "--quiet")
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "What is built")
    return Place(Path(sys.executable), tree, tree)


@pytest.fixture(scope="module")
def wheel(checkout):
    """The wheel that `python -m build` makes, which is by way of the source archive."""
    return build(checkout.folder)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    return install(wheel, tmp_path_factory.mktemp("machine") / "environment")


@pytest.fixture(scope="module")
def story(installed):
    """The main job, done by the wheel."""
    return installed.story()


def test_an_installed_wheel_names_the_commit_and_digest_of_its_checkout(checkout, installed):
    """A model trained in a container must be traceable to the code in git."""
    assert "site-packages" in installed.run("-c", f"import {PACKAGE}; print({PACKAGE}.__file__)")
    told = installed.code()
    assert told == checkout.code()
    assert (told["commit"], told["dirty"]) == (git(checkout.folder, "rev-parse", "HEAD"), False)


def test_a_wheel_built_without_the_source_archive_carries_the_same(checkout, wheel):
    """`pip install .` and a container build take this way."""

    def carried(path):
        with zipfile.ZipFile(path) as archive:
            return {n: archive.read(n) for n in archive.namelist() if f"{PACKAGE}/" in n}

    assert carried(build(checkout.folder, "--wheel")) == carried(wheel)


def test_a_wheel_holds_the_package_and_nothing_else(wheel):
    """Tests, landing files or a stray home would be published with it."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert {name.split("/")[0] for name in names} == {PACKAGE}
    others = sorted(name for name in names if not name.endswith(".py"))
    carried = [f"{PACKAGE}/{BUILT}/{name}" for name in (BUILT_FACTS, *BESIDE)]
    assert others == sorted([*carried, f"{PACKAGE}/py.typed"])


@pytest.mark.parametrize(
    "changed", [f"{PACKAGE}/definitions.py", f"{PACKAGE}/{BUILT}/requirements.lock"]
)
def test_a_wheel_changed_after_its_installation_says_so(wheel, installed, tmp_path, changed):
    """Somebody's quick fix inside a container must not pass for the commit."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    place = Place(installed.python, tmp_path, tmp_path)
    assert place.code() == installed.code()
    (tmp_path / changed).write_text((tmp_path / changed).read_text() + "\n")
    told = place.code()
    assert told["dirty"] is True
    assert told["commit"] == installed.code()["commit"]
    assert told["digest"] != installed.code()["digest"]


def test_a_wheel_of_changed_sources_is_dirty_for_ever(checkout, tmp_path):
    """It is no commit's code, and once installed nobody could tell any more."""
    tree = tmp_path / "tree"
    git(checkout.folder, "clone", "--quiet", ".", str(tree))
    (tree / PACKAGE / "definitions.py").write_text("defs = None\n")
    with zipfile.ZipFile(build(tree)) as archive:
        told = json.loads(archive.read(f"{PACKAGE}/{BUILT}/{BUILT_FACTS}"))
    assert told["dirty"] is True
    assert told["digest"] == Place(checkout.python, tree, tree).code()["digest"]
    assert told["digest"] != checkout.code()["digest"]


def test_files_of_the_current_directory_are_not_taken_for_the_packages_own(installed, tmp_path):
    """Two runs of the same wheel, started in two places, are runs of the same code."""
    (tmp_path / "requirements.lock").write_text("another==1.0\n")
    assert Place(installed.python, None, tmp_path).code() == installed.code()


@pytest.mark.parametrize("by", ["wheel", "checkout"])
def test_the_wheel_and_its_checkout_make_the_same_champion_from_the_same_data(
    checkout, installed, story, by
):
    """Where it is installed must decide nothing: same bytes in, same bytes out.

    In production there is no git: the installed package is the recorded code. Who audits it has
    the checkout, and the home.
    """
    at_home = {
        "wheel": installed,
        "checkout": Place(checkout.python, checkout.path, installed.folder),
    }
    answer = at_home[by].copy()
    assert (answer["verdict"], answer["differs"]) == ("bit-identical", [])
    assert answer["weights_sha256"] == story["model"]["weights_sha256"]
    assert answer["training_set"] == story["training_set"]["hash"]
    assert answer["code"] == story["code"] == at_home[by].code()
    assert story["code"]["dirty"] is False
    assert len(story["code"]["digest"]) == 64


def test_the_wheel_is_trained_on_what_the_committed_pointers_name(story):
    """The demonstration comes out of a package index; this is what it was measured on."""
    for entry in story["training_set"]["batches"]:
        pointer = ROOT / "data" / "flight_delays" / f"{entry['batch']}.csv.dvc"
        [stated] = yaml.safe_load(pointer.read_text())["outs"]
        assert entry["raw"]["md5"] == stated["md5"]


def test_an_editable_installation_carries_nothing(checkout, tmp_path):
    """A carried lock would go stale beside the one that is edited."""
    tree = tmp_path / "tree"
    git(checkout.folder, "clone", "--quiet", ".", str(tree))
    command = ["install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run(
        [sys.executable, "-m", "pip", *command, "--target", tmp_path / "site", "--editable", tree],
        check=True,
    )
    assert not (tree / PACKAGE / BUILT).exists()
