"""The README is true: its commands run, and their JSON has the keys that it names."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mldebt_assets_tests.command_line import Said, mldebt

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
[PREDICTION] = re.findall(r"^mldebt (lineage .* --row .*)$", README, flags=re.MULTILINE)
MLDEBT = Path(sys.executable).with_name("mldebt")
REPLAY = "replay flight_delays --until 2013-05"
ANSWERING = (REPLAY, PREDICTION, "status flight_delays", "doctor")
QUESTIONS = {"lineage", "status", "doctor", "diff", "drift", "retraining", "quarantine", "metrics"}


def commands() -> list[list[str]]:
    """Return every ``mldebt`` command of the README's shell blocks, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("mldebt ")]


def documented_keys(command: str) -> set[str]:
    """Return the keys that the README's table names for a command's JSON."""
    row = re.search(rf"^\| `mldebt {command} .*?` \|(.*)\|$", README, flags=re.MULTILINE)
    assert row is not None, f"the table of JSON keys has no row for {command}"
    return set(re.findall(r"`([a-z0-9_]+)`", row.group(1)))


def keys_in(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for item in value.values() for key in keys_in(item)}
    if isinstance(value, list):
        return {key for item in value for key in keys_in(item)}
    return set()


def in_a_process(command: list[str]) -> Said:
    """Run a command as the reader does."""
    done = subprocess.run(
        [MLDEBT, *command], capture_output=True, text=True, timeout=300, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Said]:
    """Run the README's commands one after another in a home of their own.

    A question is answered in this process: it takes longer to start one than to answer.
    """
    home = tmp_path_factory.mktemp("readme") / "home"
    asked = [*commands(), *([*shlex.split(command), "--json"] for command in ANSWERING)]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("MLDEBT_HOME", str(home))
        patch.setenv("MLDEBT_REMOTE", str(home.parent / "remote"))
        for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")  # so that it is put back at the end
        return {
            " ".join(command): mldebt(*command)
            if command[0] in QUESTIONS or "--help" in command
            else in_a_process(command)
            for command in asked
        }


# What is said of stray, refused, accepted, joined, forgotten and adopted; that year has none.
NOT_IN_THAT_YEAR = {
    "replay": {"file"},
    "status": {"batch", "alarm", "fix", "scored", "since"},
    "lineage": {"refused_because"}
    | {"rows_of", "joined_on", "unmatched", "stage", "released", "references"}
    | {"file", "trained_on", "adopted_at", "rule_from"},
}


def test_every_command_of_the_readme_succeeds(answers):
    """A newcomer who types what stands there must not meet an error."""
    assert len(commands()) >= 8
    failed = {name: done.err or done.out for name, done in answers.items() if done.code != 0}
    assert failed == {}


@pytest.mark.parametrize(
    ("row", "command"),
    [
        ("replay", f"{REPLAY} --json"),
        ("lineage", f"{PREDICTION} --json"),
        ("status", "status flight_delays --json"),
        ("doctor", "doctor --json"),
    ],
)
def test_the_json_has_every_key_that_the_readme_names(answers, row, command):
    """The keys are an interface: scripts are written against this table."""
    document = json.loads(answers[command].out)
    assert documented_keys(row) - NOT_IN_THAT_YEAR.get(row, set()) <= keys_in(document)


def test_publishing_again_leaves_the_committed_pointers_as_they_are(answers):
    """The demo's hashes are the same on every machine, or lineage means nothing."""
    assert answers["publish flight_delays"].out.startswith("0 pointers written")
    ignored = (ROOT / "data" / "flight_delays" / ".gitignore").read_text().split()
    pointers = (ROOT / "data" / "flight_delays").glob("*.dvc")
    assert ignored == sorted(f"/{pointer.stem}" for pointer in pointers)
    assert len(ignored) == 12


def test_the_first_screen_holds_the_two_commands_and_the_picture():
    """A reader decides there whether to go on."""
    head = README.split("\n## ")[0]
    assert "$ make run" in head
    assert "$ make test" in head
    assert (ROOT / re.search(r"!\[.*\]\((.*?)\)", head).group(1)).is_file()


def test_every_file_that_the_readme_links_to_is_there():
    """A dead link is the first sign that a page is no longer true."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []
