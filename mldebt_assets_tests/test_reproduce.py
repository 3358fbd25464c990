"""A version is trained again by its recorded code, and what differs is found and named.

The sample is declared in a project of its own here, a git repository: its code can be changed,
committed, left uncommitted or lost, as a user's is.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from mldebt_assets.assets import reproduction
from mldebt_assets.assets.evidence import newest_evidence
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import Said, installation, mldebt
from mldebt_assets_tests.sample import BATCHES

ROOT = Path(__file__).parent.parent
NEEDED = ("mldebt_assets", "pyproject.toml", "requirements.lock", "workspace.yaml")
DECLARED = Path("mldebt_assets/pipelines/parcels.py")
DECLARATION = """\
from dataclasses import replace
from pathlib import Path
from mldebt_assets_tests import sample

SCALE = 1.0
SEED = 0

def features(rows):
    table = sample.features(rows)
    return table.assign(weight_kg=table["weight_kg"] * SCALE)

declared = sample.pipeline(Path({landing!r}))
parcels = replace(
    declared, features=features, training=replace(declared.training, seed=SEED)
)
"""
LISTED = """\
from mldebt_assets.core.errors import UnknownPipelineError
from mldebt_assets.pipelines.parcels import parcels

PIPELINES = (parcels,)

def find(name):
    if name != "parcels":
        raise UnknownPipelineError.of(name, ["parcels"])
    return parcels

def require_sound():
    pass
"""
START_SECONDS = 60


@dataclass(frozen=True)
class Project:
    """A user's project: its code, and beside it the home, the remote and the landed files."""

    code: Path
    place: Path

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(map(str, (self.code, self.place / "packages", ROOT)))
        home = str(self.place / ".mldebt")
        ours = {"DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": "", "TMPDIR": str(self.place / "tmp")}
        return {**os.environ, **ours, "PYTHONPATH": path, "MLDEBT_HOME": home}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-W", "ignore", "-c", "from mldebt_assets.cli import app; app()"]

    def mldebt(self, *arguments: str) -> Said:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def reproduce(self, *arguments: str) -> Said:
        return self.mldebt("reproduce", "parcels", *arguments, "--json")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.code, check=True, capture_output=True
        )
        return done.stdout.decode()

    def unpacked(self, name: str) -> Project:
        """Return the same project without git, as an archive of it is unpacked."""
        code = self.place / name
        shutil.copytree(self.code, code, ignore=shutil.ignore_patterns(".git", "__pycache__"))
        return Project(code, self.place)

    def edit(self, old: str, new: str) -> None:
        declared = self.code / DECLARED
        text = declared.read_text()
        assert old in text
        declared.write_text(text.replace(old, new))

    def in_remote(self, md5: str) -> Path:
        return self.place / ".mldebt-remote" / "files" / "md5" / md5[:2] / md5[2:]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A champion that was trained from a commit, and what was not committed yet."""
    place = tmp_path_factory.mktemp("reproduce")
    made = Project(place / "project", place)
    (place / "tmp").mkdir()
    (place / "packages" / "forecast-1.0.dist-info").mkdir(parents=True)
    made.code.mkdir()
    for name in NEEDED:
        whole = ROOT / name
        if whole.is_dir():
            shutil.copytree(
                whole, made.code / name, ignore=shutil.ignore_patterns("__pycache__", "built")
            )
        else:
            shutil.copy(whole, made.code / name)
    (made.code / DECLARED).write_text(DECLARATION.format(landing=str(place / "landing")))
    (made.code / DECLARED.with_name("__init__.py")).write_text(LISTED)
    made.git("init", "--quiet")
    made.git("add", "--all")
    made.git("commit", "--quiet", "-m", "The code that trains")
    made.edit("SCALE = 1.0", "SCALE = 2.0")
    (made.code / DECLARED.with_name("notes.py")).write_text('"""New, and not committed."""\n')
    for batch in BATCHES[:3]:
        sample.write_batch(place / "landing", batch)
    assert made.mldebt("init").code == 0
    replayed = made.mldebt("replay", "parcels", "--json")
    assert replayed.code == 0, replayed.err
    assert json.loads(replayed.out)["batches"][-1]["champion"] == 1
    return made


@pytest.fixture(scope="module")
def raws(project):
    """The raw snapshot of each batch that the champion was trained on."""
    told = project.mldebt("lineage", "parcels", "--json").document
    return {entry["batch"]: entry["raw"] for entry in told["training_set"]["batches"]}


@pytest.fixture(scope="module")
def again(project):
    """What is said of the champion after the working tree has gone on."""
    with kept(project.code / DECLARED):
        project.edit("SCALE = 2.0", "SCALE = 3.0")
        project.edit("SEED = 0", "SEED = 7")
        return project.reproduce()


@contextlib.contextmanager
def kept(*files: Path):
    """Put files back as they were."""
    before = {file: file.read_bytes() for file in files}
    try:
        yield
    finally:
        for file, data in before.items():
            file.write_bytes(data)


def left_behind(project: Project) -> list[str]:
    worktrees = project.git("worktree", "list", "--porcelain").count("worktree ") - 1
    return [p.name for p in (project.place / "tmp").glob("mldebt-reproduce-*")] + worktrees * ["."]


def test_the_recorded_code_trains_the_very_same_weights_again(project, again):
    """The working tree has gone on since; what was not committed then is laid over the commit."""
    assert again.code == 0, again.err
    answer = again.document
    assert (answer["verdict"], answer["outcome"]) == ("bit-identical",) * 2
    assert answer["differs"] == []
    assert answer["compared"] == 3 * len(BATCHES[:3]) + 2
    assert answer["code"]["dirty"] is True
    assert left_behind(project) == []


def test_the_verdict_is_kept_on_the_champion(project, again):
    """So that the question has an answer with an age, whoever asked for the proof."""
    with dg.DagsterInstance.from_config(str(project.place / ".mldebt" / "dagster")) as instance:
        pipeline = sample.pipeline(project.place / "landing")
        evidence = newest_evidence(instance, pipeline, reproduction.CHECK, reproduction.KEPT)
    assert evidence["passed"]
    assert evidence["said"].startswith("v1: bit-identical; 11 hashes compared in ")
    assert evidence["weights_sha256"] == again.document["weights_sha256"]
    assert (evidence["verdict"], evidence["version"]) == ("bit-identical", 1)


def test_another_package_is_named_and_the_outcome_told_all_the_same(project):
    recorded = project.place / "packages" / "forecast-1.0.dist-info"
    newer = recorded.rename(recorded.with_name("forecast-1.1.dist-info"))
    told = project.reproduce()
    newer.rename(recorded)
    assert told.code == 0, told.err
    answer = told.document
    assert (answer["verdict"], answer["outcome"]) == ("environment differs", "bit-identical")
    assert answer["differs"] == [
        {"kind": "environment", "name": "packages.forecast", "recorded": "1.0", "found": "1.1"}
    ]


def test_another_feature_constant_is_not_reproduced_and_the_first_table_named(project):
    changed = project.unpacked("constant")
    changed.edit("SCALE = 2.0", "SCALE = 2.5")
    told = changed.reproduce()
    assert told.code == 1, told.err
    answer = told.document
    assert (answer["verdict"], answer["first_difference"]) == (
        "not reproduced",
        f"features {BATCHES[0]}",
    )
    assert {one["kind"] for one in answer["differs"]} == {"code", "artefact"}
    assert answer["closeness"]["difference"] > 0.1 * answer["closeness"]["spread"]


def test_another_seed_is_not_reproduced_and_the_model_named(project):
    changed = project.unpacked("seed")
    changed.edit("SEED = 0", "SEED = 1")
    answer = changed.reproduce().document
    assert (answer["verdict"], answer["first_difference"]) == ("not reproduced", "model")
    assert {"kind": "configuration", "name": "training.seed", "recorded": 0, "found": 1} in answer[
        "differs"
    ]


def test_a_change_that_hardly_moves_a_prediction_is_equivalent(project):
    """Both numbers are shown: how far the predictions lie apart, and what other seeds change."""
    changed = project.unpacked("hardly")
    changed.edit("SCALE = 2.0", "SCALE = 2.0 + 1e-9")
    told = changed.reproduce()
    assert told.code == 0, told.err
    answer = told.document
    assert answer["verdict"] == "equivalent"
    close = answer["closeness"]
    assert 0 <= close["difference"] <= 0.1 * close["spread"]
    assert close["rows"] > 100


def test_one_raw_byte_is_found_in_the_remote_and_named(project, raws):
    """The cache still has the right bytes: only what the remote holds counts."""
    raw = raws[BATCHES[1]]
    stored = project.in_remote(raw["md5"])
    stored.chmod(0o644)
    with kept(stored):
        data = bytearray(stored.read_bytes())
        data[len(data) // 2] ^= 1
        stored.write_bytes(data)
        told = project.reproduce()
    assert told.code == 1, told.err
    answer = told.document
    assert (answer["verdict"], answer["first_difference"]) == (
        "not reproduced",
        f"raw {BATCHES[1]}",
    )
    [flipped] = [one for one in answer["differs"] if one["name"] == f"raw {BATCHES[1]}"]
    assert flipped["recorded"] == raw["sha256"] != flipped["found"]
    assert "Fix:" in answer["stopped"]


def test_a_snapshot_that_is_gone_from_the_remote_is_named(project, raws):
    stored = project.in_remote(raws[BATCHES[0]]["md5"])
    with kept(stored):
        stored.unlink()
        answer = project.reproduce().document
    assert (answer["verdict"], answer["first_difference"]) == (
        "not reproduced",
        f"raw {BATCHES[0]}",
    )
    [gone] = [one for one in answer["differs"] if one["name"] == f"raw {BATCHES[0]}"]
    assert gone["found"] is None


def test_a_remote_that_is_not_there_leaves_the_question_open(project):
    remote = project.place / ".mldebt-remote"
    away = remote.rename(remote.with_name("away"))
    told = project.reproduce()
    away.rename(remote)
    assert (told.code, told.out) == (3, ""), told.err
    assert "cannot be reached" in told.err
    assert "Fix:" in told.err


def test_a_commit_that_is_gone_says_where_to_get_it(project):
    """History was rewritten, and the code has changed: there is nothing to train with."""
    changed = project.unpacked("rewritten")
    changed.edit("SCALE = 2.0", "SCALE = 3.0")
    changed.git("init", "--quiet")
    changed.git("add", "--all")
    changed.git("commit", "--quiet", "-m", "Another history")
    told = changed.reproduce()
    assert (told.code, told.out) == (3, ""), told.err
    assert project.git("rev-parse", "HEAD").strip() in told.err
    assert "Fix: `git fetch origin" in told.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("parcels", "--version", "9"), 2, "no model version 9"),
        (("parsels",), 2, "parcels"),
        (("parcels", "--version", "0"), 2, "--version"),
    ],
)
def test_a_wrong_call_says_what_there_is(begun, tmp_path, arguments, code, said):
    with installation(tmp_path, like=begun):
        told = mldebt("reproduce", *arguments)
    assert (told.code, told.out) == (code, ""), told.err
    assert said in told.err


def test_a_broken_record_is_not_believed(project):
    record = project.place / ".mldebt" / "records" / "parcels.jsonl"
    with kept(record):
        record.write_bytes(record.read_bytes().replace(b'"version":1', b'"version":2', 1))
        told = project.reproduce()
    assert (told.code, told.out) == (3, ""), told.err
    assert "Fix:" in told.err


def test_ctrl_c_in_the_middle_leaves_nothing_behind(project):
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    *python, program = project.command
    process = subprocess.Popen(
        [*python, hears + program, "reproduce", "parcels"],
        cwd=project.place,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_SECONDS
    while not list((project.place / "tmp").glob("mldebt-reproduce-*/recipe")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 130, err.decode()
    assert "Traceback" not in err.decode()
    assert left_behind(project) == []
