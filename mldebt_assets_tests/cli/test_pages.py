"""What people see: width, colour, progress, and what a closed pipe or Ctrl-C leaves behind."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from mldebt_assets.answers.story import Chapter
from mldebt_assets.cli import drift, main_job, opening
from mldebt_assets.cli.opening import Terminal
from mldebt_assets.core.errors import UnknownPipelineError
from mldebt_assets.replay import Outcome, Progress
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import COLUMNS, installation, mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.servers import environment
from mldebt_assets_tests.world import World

MLDEBT = Path(sys.executable).with_name("mldebt")
UNJUDGED = {
    "judged": False, "drifted": False, "underpowered": False, "summary": "none yet", "columns": {},
}  # fmt: skip
PARCELS = sample.pipeline(Path("landing"))
LONG = "export_of_the_depot_system_" + "x" * 60 + "_2020"
ESCAPE = "\x1b"
SECONDS = 120

# Runs the command line on the sample; training waits, so that Ctrl-C comes in the middle of it.
SLOW_CLI = """
import sys, time
from pathlib import Path
from mldebt_assets import definitions, pipelines
from mldebt_assets.core import network
from mldebt_assets_tests import sample
pipeline = sample.pipeline(Path(sys.argv[1]) / "landing")
pipelines.PIPELINES = (pipeline,)
definitions.defs = definitions.define([pipeline])
network.train_member = lambda *_, **__: time.sleep(60)
sys.argv = ["mldebt", "replay", "parcels"]
from mldebt_assets.cli import app
app()
"""


def chapter(batch="2020-01", **facts):
    """Return a batch's story in which everything happened."""
    told = {
        "rows": 123_456, "scored_by": 11, "metrics": {"roc_auc": 0.5}, "dropped": True,
        "performance": "", "drifted": True, "drift": "", "alarm": "real shift", "retrained": True,
        "reason": "",
        "promoted": True, "verdict": "", "champion": 12, "problem": None,
    }  # fmt: skip
    return Chapter(batch=batch, **{**told, **facts})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation of the sample, in which nothing has landed."""
    with installation(tmp_path_factory.mktemp("pages")) as made:
        yield made


def run(*arguments, **variables):
    """Run the installed program with its output into a pipe."""
    plain = {k: v for k, v in os.environ.items() if k not in {"NO_COLOR", "FORCE_COLOR"}}
    return subprocess.run(
        [MLDEBT, *arguments],
        env={**plain, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_colour_is_as_the_environment_says():
    """NO_COLOR wins; FORCE_COLOR is for pagers and build logs. Both are conventions."""
    assert ESCAPE not in run("doctor").stdout
    assert f"{ESCAPE}[32mok" in run("doctor", FORCE_COLOR="1").stdout
    assert f"{ESCAPE}[32m" not in run("doctor", FORCE_COLOR="1", NO_COLOR="1").stdout


def test_a_terminal_that_cannot_show_every_character_is_no_error():
    """A dash that comes out as a question mark is better than a traceback."""
    done = run("replay", "--help", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example: mldebt replay" in done.stdout


@pytest.mark.parametrize("arguments", [("doctor",), ("doctor", "--json")], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_quietly(arguments):
    """`mldebt status | head -1` is no error of ours, and not the answer "no"."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [MLDEBT, *arguments], stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (141, "")


def in_terminal(command, *, until, typed):
    """Run a command in a terminal of 80 columns, type when something appears; return all of it."""
    pid, terminal = pty.fork()
    if pid == 0:  # the child, which has the terminal
        for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
            os.environ.pop(name, None)
        os.execve(command[0], command, {**environment(), "TERM": "xterm-256color"})  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    shown, waiting = "", True
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(terminal, 65536).decode(errors="replace")
        except OSError:
            break  # the child has ended
        if waiting and until in shown:
            time.sleep(1)
            os.write(terminal, typed)
            waiting = False
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_in_a_terminal_there_is_colour_progress_and_a_quiet_end_by_ctrl_c(tmp_path, monkeypatch):
    """Ctrl-C reaches every process of the terminal; none of them may print its traceback."""
    for name in ("DAGSTER_HOME", "MLDEBT_HOME"):
        monkeypatch.setenv(name, "")
    made = World.make(tmp_path)
    made.land(*BATCHES[:3])
    made.instance.dispose()
    command = [sys.executable, "-W", "ignore", "-c", SLOW_CLI, str(tmp_path)]
    code, shown = in_terminal(command, until="training a candidate", typed=b"\x03")
    assert code == 130, shown
    assert "Traceback" not in shown
    assert "Interrupted. Run the same command again: it goes on where it was." in shown
    assert ESCAPE in shown
    text = re.sub(rf"{ESCAPE}\[[0-9;?]*[a-zA-Z]", "", shown)
    lines = [line for part in text.splitlines() for line in part.split("\r")]
    assert max(map(len, lines)) <= COLUMNS
    assert any(re.search(r"2020-03  training a candidate ━+\S* +2/3 0:\d\d", x) for x in lines)
    logs = (tmp_path / "home" / "dagster").rglob("*.err")
    assert not [log for log in logs if "training a candidate" in log.read_text()]


def test_progress_counts_what_was_settled_before():
    """A replay that goes on must not start its bar at nothing."""
    with main_job.progress_on(io.StringIO()) as bar:
        watch = main_job.Watch(bar, PARCELS, set(BATCHES), settled=set(BATCHES[:3]))
        [task] = bar.tasks
        assert (task.completed, task.total) == (3, 5)
        watch.see(Progress("batch", BATCHES[2]))  # other bytes under a known name
        assert task.completed == 2
        watch.see(Progress("retraining", BATCHES[2]))
        assert task.description == f"{BATCHES[2]}  training a candidate"
        watch.see(Progress("settled", BATCHES[2], chapter=chapter(BATCHES[2])))
        watch.see(Progress("settled", BATCHES[3], chapter=chapter(BATCHES[3])))
        assert task.completed == 4
        assert re.fullmatch(r"\d:\d\d, about \d:\d\d left", str(main_job.TimeSpent().render(task)))


def test_the_year_fits_80_columns_also_with_long_names(capsys, monkeypatch):
    """A batch may be called anything of a hundred characters, and the table still lines up."""
    monkeypatch.setattr(opening.out, "_width", COLUMNS)
    story = tuple(chapter(f"{LONG}-{number}") for number in range(3))
    main_job.summarise(PARCELS, Outcome(story, (), 1.0))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    whole = "".join(line.split(" ")[0] for line in lines)
    assert LONG in whole


def test_a_settled_batch_is_one_line_of_80_columns():
    """The widest that a usual name can make it."""
    console = Terminal(file=io.StringIO(), width=COLUMNS)
    for facts in ({}, {"promoted": False}, {"retrained": False}, {"dropped": False}):
        console.print(main_job.line(chapter("2020-01-31", **facts), main_job.level_of(PARCELS)))
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 4
    assert "drift, drop  retrained, promoted v12" in lines[0]


def judged(batch, columns):
    """Return one batch's answer of `drift` with these columns and their distances."""
    limit = {"name": "distributions", "limit": 0.03, "passed": False, "reason": "drift in x"}
    pairs = {"name": "correlations", "limit": 0.05, "passed": True, "reason": "calm"}
    return {
        "batch": batch,
        "judged": True,
        "drifted": True,
        "reference": {"hash": "0" * 64, "version": 3, "batches": ["2020-01"]},
        "summary": "",
        "refused": None,
        "outcomes": {what: dict(UNJUDGED) for what in ("scores", "labels")},
        "verdicts": [limit, pairs],
        "columns": {
            name: {
                "kind": "number",
                "distance": distance,
                "statistics": {"missing_reference": 0.0, "missing_current": 1.0},
                "drifted": distance is None or distance > 0.03,
                "reason": "drift: missing share 0 -> 1",
            }
            for name, distance in columns.items()
        },
    }


@pytest.mark.parametrize("batches", [1, 2, 40])
def test_the_map_fits_80_columns_with_many_batches_and_columns(capsys, monkeypatch, batches):
    """Sixty columns with names that say everything, over forty weeks."""
    monkeypatch.setattr(opening.out, "_width", COLUMNS)
    columns = {
        f"the_{number}_of_all_the_columns_that_we_measure": number / 60 for number in range(60)
    }
    told = [judged(f"2020-W{number:02d}", columns) for number in range(batches)]
    drift.show({"pipeline": "parcels", "batches": told, "window": None})
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= COLUMNS
    if batches > 1:
        assert "28 more columns drifted: add --json." in shown
        assert "Calm throughout: the_0_of" in shown


def test_a_column_that_cannot_be_compared_has_no_distance(capsys, monkeypatch):
    """A zero would read like calm."""
    monkeypatch.setattr(opening.out, "_width", COLUMNS)
    told = [judged(batch, {"gone": None, "there": 0.5}) for batch in ("2020-01", "2020-02")]
    drift.show({"pipeline": "parcels", "batches": told, "window": None})
    assert re.search(r"^gone +\?m +\?m$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("flight_delay", "Fix: say 'flight_delays', or"), ("x", "Fix: use one of these names, or")],
)
def test_a_mistyped_name_is_answered_with_the_nearest(wrong, said):
    """Most unknown names are known ones with a slip."""
    assert said in str(UnknownPipelineError.of(wrong, ["flight_delays", sample.__name__]))


@pytest.mark.parametrize(
    "arguments",
    [
        ("drift", "parcels", "--last", "0"),
        ("drift", "parcels", "--last", "x"),
        ("lineage", "parcels", "--as-of", "garbage"),
        ("ui", "--port", "0"),
        ("ui", "parcel"),
        ("drift", "parcel"),
        ("replays", "parcels"),
    ],
    ids=" ".join,
)
def test_a_bad_value_is_a_wrong_call(world, arguments):
    """Said before anything is opened or started."""
    said = mldebt(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err
    assert "Traceback" not in said.err


def test_a_home_of_another_layout_cannot_answer(world, tmp_path, monkeypatch):
    """Reading it wrongly would be worse than not at all; and it is not the answer "no"."""
    (tmp_path / "home.json").write_text('{"layout": 99}')
    monkeypatch.setenv("MLDEBT_HOME", str(tmp_path))
    said = mldebt("status", "--json")
    assert (said.code, said.out) == (3, "")
    assert "has layout 99, but this version reads layout" in said.err
    assert said.err.count("Fix: ") == 1


def test_the_version_is_told():
    """The first thing that a report of a fault needs."""
    said = mldebt("--version")
    assert said.code == 0
    assert re.fullmatch(r"mldebt \d+\.\d+\.\d+\n", said.out)
