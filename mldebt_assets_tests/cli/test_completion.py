"""What the shell offers when Tab is pressed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mldebt_assets_tests.command_line import COMMANDS, installation, mldebt
from mldebt_assets_tests.sample import BATCHES

MLDEBT = Path(sys.executable).with_name("mldebt")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation of the sample; all batches have landed."""
    with installation(tmp_path_factory.mktemp("completion")) as made:
        made.land(*BATCHES)
        yield made


def completed(*words):
    """Return what bash is told to offer for the last word, by Typer's protocol."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_MLDEBT_COMPLETE", "complete_bash")
        patch.setenv("COMP_WORDS", " ".join(("mldebt", *words)))
        patch.setenv("COMP_CWORD", str(len(words)))
        said = mldebt()
    assert said.code == 0, said.err
    return said.out.split()


def test_commands_are_completed(world):
    """The first thing that anyone presses Tab for."""
    assert completed("") == [name for name in COMMANDS if " " not in name]
    assert completed("dr") == ["drift"]


@pytest.mark.parametrize("command", ["replay", "status", "lineage", "drift", "ui", "fetch"])
def test_a_pipelines_name_is_completed(world, command):
    """Names are long, and there are several."""
    assert completed(command, "") == ["parcels"]
    assert completed(command, "par") == ["parcels"]
    assert completed(command, "x") == []


def test_the_batches_of_the_named_pipeline_are_completed(world):
    """Only those that have landed can be replayed to."""
    assert completed("replay", "parcels", "--until", "") == list(BATCHES)
    assert completed("replay", "parcels", "--until", "2020-04") == ["2020-04"]


@pytest.mark.parametrize("name", ["nonsense", "--until"])
def test_where_nothing_can_be_completed_nothing_is_said(world, name):
    """An error in the middle of a typed line destroys it."""
    assert completed("replay", name, "--until", "") == []


def test_options_are_completed(world):
    """So that nobody has to leave the line for --help."""
    assert {"--last", "--json", "--help"} <= set(completed("drift", "parcels", "--"))


def test_the_shell_is_taught_once(tmp_path):
    """`--install-completion` writes what `--show-completion` prints, for a real bash."""
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("_MLDEBT_COMPLETE", None)

    def run(option):
        """Call it from a bash: the shell that asks is the one that is taught."""
        return subprocess.run(
            ["bash", "-c", f'"$0" {option}; exit $?', MLDEBT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    script = run("--show-completion")
    assert "_MLDEBT_COMPLETE=complete_bash" in script
    run("--install-completion")
    [written] = [f for f in tmp_path.rglob("*") if f.is_file() and "complete -o" in f.read_text()]
    typed = "COMP_WORDS=(mldebt sta); COMP_CWORD=1; _mldebt_completion mldebt; echo ${COMPREPLY[@]}"
    offered = subprocess.run(
        ["bash", "-c", f"source '{written}'; {typed}"],
        env={**environment, "PATH": f"{MLDEBT.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert offered.stdout == "status\n"
