"""Two commands set everything up: what `make` finds, installs, remembers and says.

The recipes run for real, in a folder with a space in its name, with make, sh and five small tools;
only Python itself is played by a script, which writes down what pip was asked for.
"""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DEV = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = ("help", "run", "ui", "test", "setup", "dev", "python", "pictures", "lock", "clean")

PLAYED = """#!/bin/sh
case "$*" in
  *"import ensurepip"*) exit {ensurepip} ;;
  *"import pip"*) exit 0 ;;
  *version_info*) echo {version} ;;
  "-m venv "*)
    mkdir -p "$3/bin"; cp "$0" "$3/bin/python"
    if [ -e "{folder}/venv-is-cut-short" ]; then exit 1; fi ;;
  *"-m pip "*)
    echo "${{*#*input }}" >>"{folder}/pip.log"
    case "$*" in
      *"$(cat "{folder}/pip-fails-on" 2>/dev/null || echo nothing)"*) exit 1 ;;
    esac ;;
esac
"""

INSTALL_TORCH = "install torch==2.13.0"
INSTALL_LOCK = "install --quiet --no-deps -r requirements.lock"
INSTALL_PACKAGE = "install --quiet --no-deps --no-build-isolation --editable ."
INSTALL_DEV = "install --quiet --no-deps -r requirements-dev.lock"


class Machine:
    """A machine with make, sh and five tools, and whatever Pythons a test puts on its PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.project = folder / "a project"
        self.project.mkdir()
        for tool in ("cat", "cmp", "cp", "mkdir", "rm"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
            shutil.copyfile(ROOT / name, self.project / name)

    def add(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(script)
        path.chmod(0o755)

    def add_python(self, name: str, version: str, *, ensurepip: bool = True) -> None:
        self.add(
            name,
            PLAYED.format(version=version, folder=self.folder, ensurepip=0 if ensurepip else 1),
        )

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(shutil.which("make")), "--silent", *arguments],
            cwd=self.project,
            env={"PATH": str(self.bin), "HOME": str(self.folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def installed(self) -> list[str]:
        """Return what pip was asked for since the last call."""
        log = self.folder / "pip.log"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def ready(machine):
    """A machine on which `make setup` has done its work."""
    machine.add_python("python3.12", "3.12")
    done = machine.make("setup")
    assert done.returncode == 0, done.stderr
    machine.installed()
    return machine


def test_a_python_that_is_on_the_path_but_does_not_run_is_passed_over(machine):
    """pyenv leaves a `python3.12` that answers "command not found" for every other version."""
    machine.add("python3.12", "#!/bin/sh\nexit 127\n")
    machine.add_python("python3.11", "3.11")
    assert machine.make("python").stdout == "python3.11\n"


def test_a_python_without_venv_is_passed_over_for_one_with_it(machine):
    """A minimal Debian has both: its own bare one, and the one that somebody installed."""
    machine.add_python("python3.12", "3.12", ensurepip=False)
    machine.add_python("python3.11", "3.11")
    assert machine.make("python").stdout == "python3.11\n"


def test_a_plain_python3_of_a_fit_version_is_taken(machine):
    """The official images and macOS installers have it under no other name."""
    machine.add_python("python3", "3.12")
    assert machine.make("python").stdout == "python3\n"


def test_where_only_unfit_pythons_are_the_message_names_each_and_the_fix(machine):
    """The first command of a new user must not end in a stack trace about a missing wheel."""
    machine.add("python3.12", "#!/bin/sh\nexit 127\n")
    machine.add_python("python3", "3.9")
    done = machine.make("setup")
    assert done.returncode != 0
    assert (
        "tried: python3.12 (does not run), python3.11 (not there), python3 (is Python 3.9), "
        "python (not there)." in done.stderr
    )
    assert "Fix: install Python 3.12 or 3.11" in done.stderr
    assert not (machine.project / ".venv").exists()


def test_where_venv_is_missing_the_message_names_its_package(machine):
    """Debian and Ubuntu split it off, and Python's own message is ten lines long."""
    machine.add_python("python3.11", "3.11", ensurepip=False)
    done = machine.make("setup")
    assert done.returncode != 0
    assert "python3.11 (has no ensurepip)" in done.stderr
    assert "Fix: apt install python3.11-venv" in done.stderr


def test_a_python_can_be_named(machine):
    """Also one in a folder with a space, which is where macOS users keep theirs."""
    machine.add_python("python3.12", "3.12")
    machine.add_python("my python", "3.11")
    named = str(machine.bin / "my python")
    assert machine.make("python", f"PYTHON={named}").stdout == f"{named}\n"


def test_setup_installs_torch_then_the_lock_then_the_package(machine):
    """In another order torch would bring its own choice of what the lock holds exactly."""
    machine.add_python("python3.12", "3.12")
    done = machine.make("setup", "PIP_TORCH_ARGS=--index-url INDEX")
    assert done.returncode == 0, done.stderr
    assert machine.installed() == [
        "install --index-url INDEX torch==2.13.0",
        INSTALL_LOCK,
        INSTALL_PACKAGE,
    ]


def test_a_second_setup_does_nothing(ready):
    """`make run` begins with it every time."""
    done = ready.make("setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert ready.installed() == []


def test_what_the_tests_need_is_installed_for_the_tests_alone(ready):
    """Who only runs the job waits for nothing else."""
    assert ready.make("dev").returncode == 0
    assert ready.installed() == [INSTALL_DEV]
    assert ready.make("dev").returncode == 0
    assert ready.installed() == []


def test_a_lock_is_known_by_its_content_and_not_by_its_time(ready):
    """A ZIP carries the times of the commit: a newer lock can look older than what it replaces."""
    lock = ready.project / "requirements.lock"
    os.utime(lock)
    assert ready.make("setup").returncode == 0
    assert ready.installed() == []
    lock.write_text(RUNTIME + "another==1.0\n")
    os.utime(lock, (0, 0))
    assert ready.make("setup").returncode == 0
    assert ready.installed() == [INSTALL_LOCK]


def test_another_torch_is_followed_by_the_locks_again(ready):
    """Installing it moves some of the packages that the locks hold."""
    assert ready.make("setup", "TORCH=torch==2.14.0").returncode == 0
    assert ready.installed() == ["install torch==2.14.0", INSTALL_LOCK]


@pytest.mark.parametrize(
    ("failing", "first", "second"),
    [
        ("torch==", [INSTALL_TORCH], [INSTALL_TORCH, INSTALL_LOCK, INSTALL_PACKAGE]),
        (
            "requirements.lock",
            [INSTALL_TORCH, INSTALL_LOCK],
            [INSTALL_LOCK, INSTALL_PACKAGE],
        ),
        ("--editable", [INSTALL_TORCH, INSTALL_LOCK, INSTALL_PACKAGE], [INSTALL_PACKAGE]),
    ],
)
def test_an_interrupted_installation_is_continued(machine, failing, first, second):
    """Two gigabytes over a poor network seldom come in one go."""
    machine.add_python("python3.12", "3.12")
    (machine.folder / "pip-fails-on").write_text(failing)
    assert machine.make("setup").returncode != 0
    assert machine.installed() == first
    (machine.folder / "pip-fails-on").unlink()
    assert machine.make("setup").returncode == 0
    assert machine.installed() == second


def test_a_half_installed_package_is_installed_again(ready):
    """pip takes it for whole: killed between its files and its record, it would stay broken."""
    packages = ready.project / ".venv/lib/python3.12/site-packages"
    (packages / "half-1.0.dist-info").mkdir(parents=True)
    (packages / "whole-1.0.dist-info").mkdir()
    (packages / "whole-1.0.dist-info/INSTALLER").write_text("pip\n")
    (ready.project / ".venv/requirements.lock").unlink()
    assert ready.make("setup").returncode == 0
    assert [path.name for path in packages.iterdir()] == ["whole-1.0.dist-info"]


def test_a_half_made_environment_is_made_anew(machine):
    """It has a python already, but no pip, or half of one."""
    machine.add_python("python3.12", "3.12")
    (machine.folder / "venv-is-cut-short").touch()
    assert machine.make("setup").returncode != 0
    assert (machine.project / ".venv/bin/python").exists()
    (machine.folder / "venv-is-cut-short").unlink()
    done = machine.make("setup")
    assert "Making .venv with python3.12." in done.stdout
    assert machine.installed() == [INSTALL_TORCH, INSTALL_LOCK, INSTALL_PACKAGE]


def test_a_moved_project_gets_a_new_environment(ready):
    """The scripts of the old one name a folder that is gone."""
    ready.project = ready.project.rename(ready.folder / "moved")
    done = ready.make("setup")
    assert "Making .venv with python3.12." in done.stdout
    assert ready.installed() == [INSTALL_TORCH, INSTALL_LOCK, INSTALL_PACKAGE]


def test_clean_keeps_the_state(ready):
    """The promotion record is not a build leftover."""
    record = ready.project / ".mldebt/records/flight_delays.jsonl"
    record.parent.mkdir(parents=True)
    record.touch()
    (ready.bin / "find").symlink_to(str(shutil.which("find")))
    for name in ("mldebt_assets", "mldebt_assets_tests", "benchmarks"):
        (ready.project / name / "__pycache__").mkdir(parents=True)
    done = ready.make("clean")
    assert done.returncode == 0, done.stderr
    assert record.exists()
    assert not (ready.project / ".venv").exists()
    assert not (ready.project / "mldebt_assets/__pycache__").exists()


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_can_be_shown_without_being_run(machine, target):
    """`make -n` is how a careful user looks first."""
    done = machine.make("--dry-run", target)
    assert done.returncode == 0, done.stderr
    assert not (machine.project / ".venv").exists()


def test_every_target_is_phony():
    """A file called `test` would otherwise switch the tests off."""
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == set(TARGETS)
    assert set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)) == set(TARGETS)


def test_the_makefile_uses_nothing_younger_than_the_make_of_macos():
    """Apple ships GNU make 3.81 of 2006; what is younger fails there without a word, or worse."""
    younger = re.compile(
        r"^\.(?:ONESHELL|SHELLFLAGS|RECIPEPREFIX|WAIT|NOTINTERMEDIATE|EXTRA_PREREQS)\b"
        r"|^(?:undefine|private|load|-load)\b|^define\s+\S+\s*[:+?]?="
        r"|^[\w.]+\s*(?:!=|:::?=)|^[\w. ]+&:"
        r"|\$\((?:file|guile|let|intcmp)\b",
        re.MULTILINE,
    )
    assert not younger.findall(MAKEFILE)


@pytest.mark.parametrize(
    "bashism", [r"\[\[", r"\bfunction\b", r"<<<", r"\$\$\{\w+//", r"&>", r"\bsource\b", r"pipefail"]
)
def test_the_recipes_are_plain_posix_sh(bashism):
    """/bin/sh is dash on Debian and bash 3.2 on macOS."""
    assert not re.search(bashism, MAKEFILE)


def locked(text: str) -> dict[str, Requirement]:
    requirements = [Requirement(line) for line in text.splitlines()]
    return {canonical(requirement.name): requirement for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("text", [RUNTIME, DEV], ids=["runtime", "dev"])
def test_a_lock_holds_one_exact_version_a_line_and_no_address(text):
    """What is not exact changes under the reader; an address is somebody's machine."""
    line = re.compile(r"[a-z0-9-]+==[\w.!+-]+( ; [\w .<>=!'()]+)?")
    lines = text.splitlines()
    assert [x for x in lines if not line.fullmatch(x)] == []
    assert len(locked(text)) == len(lines)


@pytest.mark.parametrize("text", [RUNTIME, DEV], ids=["runtime", "dev"])
def test_no_lock_names_torch_or_what_only_its_cuda_build_needs(text):
    """The same lock serves the CPU build; torch is installed first, with what its build needs."""
    assert [x for x in locked(text) if x.startswith(("torch", "nvidia-", "cuda-", "triton"))] == []


def test_the_dev_lock_agrees_with_the_runtime_lock():
    """Otherwise `make test` and `make run` would replace each other's packages for ever."""
    runtime, dev = locked(RUNTIME), locked(DEV)
    assert {name: str(dev.get(name)) for name in runtime} == {
        name: str(requirement) for name, requirement in runtime.items()
    }


@pytest.mark.parametrize(
    ("declared", "lock"),
    [
        *((line, RUNTIME) for line in PROJECT["dependencies"]),
        *((line, DEV) for line in PROJECT["optional-dependencies"]["dev"]),
    ],
    ids=lambda value: value.split("\n")[0] if "\n" not in value else "",
)
def test_every_declared_dependency_is_locked_at_a_version_that_fits(declared, lock):
    """A dependency that was declared and not locked is missing on the next new machine."""
    requirement = Requirement(declared)
    if requirement.name == "torch":
        assert f"\nTORCH = {declared}\n" in MAKEFILE
        return
    [version] = [s.version for s in locked(lock)[canonical(requirement.name)].specifier]
    assert requirement.specifier.contains(version, prereleases=True)


def test_the_runtime_lock_can_build_the_package_without_a_network():
    """`pip install --no-build-isolation` uses the setuptools that the lock brought."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    [backend] = [Requirement(line) for line in build["requires"]]
    [version] = [s.version for s in locked(RUNTIME)[backend.name].specifier]
    assert backend.specifier.contains(version)


def test_antlr_is_the_version_that_dagster_needs():
    """The older one, which dvc asks for, breaks every asset selection."""
    assert str(locked(RUNTIME)["antlr4-python3-runtime"].specifier) == "==4.13.2"


@pytest.mark.parametrize("python", ["3.11", "3.12"])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_every_marker_in_the_locks_can_be_judged(python, platform):
    """A marker that pip cannot read would stop the installation on that machine alone."""
    machine = {"python_version": python, "python_full_version": f"{python}.0"}
    where = {**default_environment(), **machine, "sys_platform": platform}
    skipped = {
        name
        for name, requirement in locked(RUNTIME).items()
        if requirement.marker is not None and not requirement.marker.evaluate(where)
    }
    assert skipped == {"pyreadline3", "pywin32", "waitress"}


def test_setup_cfg_repeats_pyproject():
    """It is there for tools that read nothing else; two truths must be one."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert config["metadata"]["name"] == PROJECT["name"]
    assert config["metadata"]["version"] == PROJECT["version"]
    for linter in ("pycodestyle", "flake8"):
        assert config[linter].getint("max-line-length") == tools["ruff"]["line-length"]


def test_the_workspace_names_the_module_that_pyproject_names():
    """`dagster dev` reads the one and `dg` the other."""
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    [location] = workspace["load_from"]
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert location["python_module"] == {
        "module_name": tools["dagster"]["module_name"],
        "location_name": tools["dagster"]["code_location_name"],
    }
    assert tools["dg"]["project"]["code_location_target_module"] == tools["dagster"]["module_name"]
    assert importlib.util.find_spec(tools["dagster"]["module_name"]) is not None


def test_ci_runs_the_tests():
    """And is a script that bash can read, marked as one that can be run."""
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    assert "\nmake test" in script.read_text(encoding="utf-8")


POINTER = "outs:\n- md5: {md5}\n  size: 8\n  hash: md5\n  path: 2013-01.csv\n"
BATCH = b"a,b\n1,2\n"
MD5 = "e5ebd4c02cefbe7955977c67ada242b7"


@pytest.fixture
def clone(tmp_path):
    """A git clone with this repository's DVC settings, one pointer, and the remote beside it."""
    shutil.copytree(ROOT / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    for name in (".dvcignore", ".gitignore", "data/.gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    pointer = tmp_path / "data/flight_delays/2013-01.csv.dvc"
    pointer.parent.mkdir()
    pointer.write_text(POINTER.format(md5=MD5))
    stored = tmp_path / ".mldebt-remote/files/md5" / MD5[:2] / MD5[2:]
    stored.parent.mkdir(parents=True)
    stored.write_bytes(BATCH)
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_plain_dvc_pull_works_in_a_clone_and_leaves_git_clean(clone):
    """Whoever has the remote needs nothing of ours to get the bytes back."""
    done = dvc(clone, "pull")
    assert done.returncode == 0, done.stderr
    assert (clone / "data/flight_delays/2013-01.csv").read_bytes() == BATCH
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--untracked-files=all"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert [line for line in changed.splitlines() if not line.startswith("A ")] == []


def test_plain_dvc_pull_refuses_a_damaged_remote(clone):
    """Without `verify` DVC hands damaged bytes over without a word."""
    stored = clone / ".mldebt-remote/files/md5" / MD5[:2] / MD5[2:]
    stored.write_bytes(b"a,b\n1,3\n")
    stored.chmod(0o444)  # as DVC leaves it; what can be written is hashed even without `verify`
    done = dvc(clone, "pull")
    assert done.returncode != 0
    assert "data/flight_delays/2013-01.csv" in done.stderr
    assert not (clone / "data/flight_delays/2013-01.csv").exists()
