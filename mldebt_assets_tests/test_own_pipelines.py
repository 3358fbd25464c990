"""A user's own pipeline files: broken ones are named, and a version is bound to the text it had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mldebt_assets import brought, pipelines
from mldebt_assets.assets.model import require_same_task
from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.provenance import PACKAGE
from mldebt_assets.reproduction import prove
from mldebt_assets_tests import real_tables, sample
from mldebt_assets_tests.world import installation

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import pandas\nx = (\n", r"own\.py, line 2: SyntaxError"),
        ("x = 1\ny = z\n", r"own\.py, line 2: NameError: name 'z' is not defined"),
        ("import no_such_package\n", "line 1: ModuleNotFoundError"),
        ("own = 3\n", "declares no pipeline of that name"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path, text, told):
    """It is the user's own, so the user is told where to look."""
    file = tmp_path / "own.py"
    file.write_text(text)
    with pytest.raises(DeclarationError, match=rf"{told}[\s\S]*\nFix: "):
        pipelines.loaded(file)


ASKED = "import sys, mldebt_assets.cli as c; sys.argv[1:] = ['status']; c.app()"


@pytest.mark.parametrize("program", [ASKED, "import mldebt_assets.definitions"])
def test_commands_and_the_code_location_say_what_is_broken(tmp_path, program):
    """A command in one message; Dagster shows what the import raises."""
    (tmp_path / "own.py").write_text("x = y\n")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "MLDEBT_PIPELINES": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {1, 2}
    assert "own.py, line 1: NameError: name 'y' is not defined.\nFix: mend the file" in done.stderr
    assert ("Traceback" in done.stderr) == (program != ASKED)


def test_a_file_where_a_folder_should_be_is_refused(tmp_path, monkeypatch):
    """Else the pipelines would be gone without a word."""
    (tmp_path / "own").write_text("")
    monkeypatch.setenv("MLDEBT_PIPELINES", str(tmp_path / "own"))
    with pytest.raises(DeclarationError, match=r"is no folder[\s\S]*\nFix: "):
        brought.pipeline_files()


def test_another_task_than_the_champions_is_refused(tmp_path):
    """Its scores would mean something else, and no comparison with them anything."""
    declared = real_tables.digits(tmp_path)
    model = SimpleNamespace(task="multiclass", classes=real_tables.DIGITS)
    assert require_same_task(declared, 1, model) is model
    fewer = SimpleNamespace(task="multiclass", classes=("0",))
    for other in (fewer, SimpleNamespace(task="binary", classes=())):
        with pytest.raises(DeclarationError, match=r"version 1 of its model answers another"):
            require_same_task(declared, 1, other)


def test_a_version_is_trained_again_from_the_text_that_it_was_trained_from(tmp_path, monkeypatch):
    """Today's file may be another, or gone."""
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "parcels.py").write_bytes(b"then = 1\n")
    monkeypatch.setenv("MLDEBT_PIPELINES", str(folder))
    bundle = brought.bundled()
    (folder / "parcels.py").write_bytes(b"now = 2\n")
    assert brought.bundled() == bundle  # what was read is what runs
    seen = {}

    def watched(command, environment, _folder, _report):
        own = Path(environment["MLDEBT_PIPELINES"])
        seen.update({file.name: file.read_bytes() for file in own.iterdir()})
        Path(command[-1]).write_text(json.dumps({"made": True}))
        return 0, ""

    monkeypatch.setattr(prove, "watched", watched)
    with installation(tmp_path / "world", sample.pipeline) as world:
        store = world.platform.snapshots
        kept = store.put(bundle, folder="parcels/code", name="pipelines.json")
        recipe = {"code": {"pipelines": {"sha256": kept.sha256, "md5": kept.md5}}}
        with prove.empty_directory() as apart:
            made = prove.remade(recipe, world.platform, apart, PACKAGE.parent, print)
    assert made == {"made": True}
    assert seen == {"parcels.py": b"then = 1\n"}
