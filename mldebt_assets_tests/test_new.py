"""From a user's table to a lineage: what is inferred, what is refused, the tutorial."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mldebt_assets import pipelines
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.privacy.policy import Pseudonymise
from mldebt_assets.core.tables import parse
from mldebt_assets.sources.bringing import register
from mldebt_assets.sources.gathering import without_secrets
from mldebt_assets.sources.landing import read, survey
from mldebt_assets.sources.origins import origins_of
from mldebt_assets_tests.command_line import mldebt

ROOT = Path(__file__).resolve().parent.parent
OWN_DATA = r"^## Bring your own data.*?```console\n(.*?)```"
TUTORIAL = re.search(OWN_DATA, (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)[1]
ROWS = 2_000
DAYS = 100


def visits(rows=ROWS):
    """Return visits to a clinic, of 100 days; who comes late, who did not come at all."""
    draw = np.random.default_rng(7)
    missed = draw.random(rows) < 0.3
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(rows) * DAYS // rows, unit="D")
    return pd.DataFrame({
        "visit_id": np.arange(rows) + 1,
        "booked_for": when.strftime("%Y-%m-%d"),
        "age": np.where(draw.random(rows) < 0.1, "n/a", draw.integers(18, 78, rows).astype(str)),
        "ward": draw.choice(["north", "south"], rows),
        "waited_minutes": draw.exponential(20, rows).round(2),
        "country": "NZ",
        "email": [f"person{i}@example.org" for i in range(rows)],
        "reason_missed": np.where(missed, "did not say", ""),
        "missed": np.where(missed, "yes", "no"),
    })  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder of one's own for pipelines."""
    monkeypatch.setenv("MLDEBT_PIPELINES", str(tmp_path / "pipelines"))
    return tmp_path


def bring(place, table, *options, name="clinic", target="missed"):
    """Write a table as CSV and ask for a pipeline of it."""
    data = place / "visits.csv"
    table.to_csv(data, index=False)
    asked = ["--data", str(data), "--target", target, "--landing", str(place / "landed")]
    return mldebt("new", name, *asked, *options, "--json")


def declared(place, name="clinic"):
    """Return the pipeline that was written."""
    return pipelines.loaded(place / "pipelines" / f"{name}.py")


def test_what_a_person_would_declare_is_inferred(place):
    """Nobody wants to be asked what the table says."""
    said = bring(place, visits())
    assert (said.code, said.err) == (0, "")
    told, made = said.document, declared(place)
    assert (made.time, made.row_key, made.split.group) == (
        "booked_for",
        ("visit_id",),
        "booked_for",
    )
    assert [one["batch"] for one in told["batches"]] == ["2024-01", "2024-02", "2024-03", "2024-04"]
    assert sum(one["rows"] for one in told["batches"]) == ROWS
    assert told["target"] == {
        "column": "missed", "task": "binary", "positive": "yes",
        "share": pytest.approx(visits()["missed"].eq("yes").mean()),
        "why": "it has two values", "classes": [], "range": None,
    }  # fmt: skip
    age, waited = made.column("age"), made.column("waited_minutes")
    assert (age.dtype, age.nullable, age.minimum) == ("int64", True, 0)
    assert waited.minimum == 0
    assert waited.maximum > visits()["waited_minutes"].max()
    assert [one.arguments["value_set"] for one in made.expectations] == [["north", "south"]]


def test_what_must_be_no_input_is_none_and_says_why(place):
    """A leak makes a model that is perfect until it is used."""
    told = bring(place, visits()).document["columns"]
    why = {name: one["left_out"] for name, one in told.items() if one["left_out"]}
    assert why.keys() == {
        "visit_id", "booked_for", "country", "email", "reason_missed", "missed",
    }  # fmt: skip
    assert "gives the target away" in why["reason_missed"] or "constant" in why["reason_missed"]
    assert "personal" in why["email"]
    assert declared(place).column("email").privacy == Pseudonymise()
    assert "Pseudonymise" in (place / "pipelines" / "clinic.py").read_text()
    assert why["country"] == "it is constant"
    made = declared(place).features(pd.DataFrame({
        "age": [30, None], "ward": ["north", "south"], "waited_minutes": [1.0, 2.0],
        "booked_for": pd.to_datetime(["2024-01-01", "2024-01-02"]),
    }))  # fmt: skip
    assert set(made) == {"age", "ward", "waited_minutes", "weekday"}


def test_the_file_passes_the_projects_own_lint(place):
    """A file that its reader's tools complain about is no good start."""
    bring(place, visits())
    file = place / "pipelines" / "clinic.py"
    ruff = Path(sys.executable).with_name("ruff")
    config = ["--config", str(ROOT / "pyproject.toml"), "--ignore", "INP001,S108"]
    done = subprocess.run([ruff, "check", *config, file], capture_output=True, text=True)  # noqa: PLW1510
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("written", "how"),
    [
        (
            "with_zone",
            lambda when: when.dt.tz_localize("Europe/Vienna").map(pd.Timestamp.isoformat),
        ),
        ("epoch_seconds", lambda when: when.map(pd.Timestamp.timestamp).astype("int64")),
    ],
)
def test_times_with_a_zone_or_in_seconds_pass_the_gate_as_they_are_written(place, written, how):
    """What was understood once must be understood of every later batch."""
    when = pd.to_datetime(visits()["booked_for"])
    said = bring(place, visits().assign(booked_for=how(when)), "--time", "booked_for")
    assert said.code == 0, said.err
    assert any("UTC" in one for one in said.document["warnings"])
    made = declared(place)
    assert made.column("booked_for").written == written
    first, *_ = survey(made.source, place).arrivals
    rows = parse(read(first), batch=first.batch, columns=made.source_columns)
    offset = pd.Timedelta(hours=int(written == "with_zone"))
    assert rows["booked_for"].min() == when.min() - offset
    assert set(rows["booked_for"].dt.strftime("%Y-%m")) == {first.batch}


def test_columns_may_be_called_anything(place):
    """Names come from other people's systems: Python, SQL and HTML among them."""
    odd = visits().rename(
        columns={"age": 'class "x"\\', "ward": "<b>;DROP TABLE", "country": "é\t"}
    )
    assert bring(place, odd).code == 0
    assert 'class "x"\\' in [one.name for one in declared(place).columns]


EACH = np.arange(ROWS)
ODD = {
    "called as Python, SQL and HTML call things": {
        "class": "abcd",
        "select": "xy",
        "<b>x</b>": "pq",
        "None": "mn",
        "größe in cm": "ab",
    },
    "yes and no": {"smoker": ["yes", "no"], "truth": ["True", "False"], "on": ["t", "f"]},
    "whole numbers with gaps": {"children": [1, 2, None, 3], "rooms": ["4", "", "5", "NA"]},
    "a constant, and nothing at all": {"land": ["NZ"], "empty": [None]},
    "commas and currency signs": {"weight": [f"{one},5" for one in range(50)], "paid": ["$1,234"]},
    "two hundred columns": {f"column {one}": [one, one + 1.5] for one in range(200)},
    "numbers past 64 bits": {"account": [f"{10**25 + one}" for one in range(700)]},
    "line ends and quotes in values": {"note": ['a "b"\nc', "d, e"]},
}


@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_an_odd_table_passes_the_gate_that_was_written_for_it(place, columns):
    """A pipeline that refuses the very rows it was made from is worse than none."""
    told = {name: [values[one % len(values)] for one in EACH] for name, values in columns.items()}
    usual = visits()[["age", "waited_minutes", "missed"]]
    said = bring(place, pd.concat([usual, pd.DataFrame(told)], axis=1))
    assert (said.code, said.err) == (0, "")
    made = declared(place)
    [landed] = survey(made.source, place).arrivals
    rows = parse(read(landed), batch=landed.batch, columns=made.source_columns)
    assert len(rows) == len(made.features(rows)) == made.target.label(rows).notna().sum() == ROWS


@pytest.mark.parametrize(
    ("table", "options", "told"),
    [
        (visits(), {"target": "mised"}, "say 'missed'"),
        (visits().assign(missed="yes"), {}, "has 1 value"),
        (visits().assign(missed=""), {}, "has no value"),
        (visits().assign(missed=["yes"] + ["no"] * (ROWS - 1)), {}, "stands in a single row"),
        (visits(), {"target": "visit_id"}, "different values"),
        (visits()[["missed", "country"]], {}, "'missed' can be an input (country"),
        (visits()[["missed"]], {}, "no column besides 'missed' can be an input."),
        (visits(), {"name": "flight_delays"}, "There is a pipeline called"),
        (visits(), {"name": "class"}, "is declared wrongly"),
        (visits(), {"name": "../x"}, "is declared wrongly"),
        (visits()[["age", "missed"]], {"options": ["--batch", "month"]}, "no column of times"),
        (visits(), {"options": ["--time", "ward"]}, "no ISO 8601"),
        (pd.DataFrame(0, index=range(3), columns=range(10_000)), {"target": "1"}, "10,000 columns"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_pipeline_is_refused_and_leaves_nothing(place, table, options, told):
    """With the reason and the next thing to do, and no half-written folder."""
    said = bring(place, table, *options.pop("options", []), **options)
    assert said.code in {2, 3}
    assert told in said.err
    assert "\nFix: " in said.err
    assert sorted(one.name for one in place.iterdir()) == ["visits.csv"]


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"a,b\n1,2,3\n", b"a,b\n", None])
def test_an_unreadable_table_is_an_error_with_a_fix(place, content):
    """And never a traceback."""
    file = place / "broken.csv"
    if content is not None:
        file.write_bytes(content)
    said = mldebt("new", "clinic", "--data", str(file), "--target", "a")
    assert said.code in {2, 3}
    assert "\nFix: " in said.err


@pytest.mark.parametrize(
    "rows", [["--table", "visits"], ["--query", "select * from visits where visit_id > 0"]]
)
def test_a_table_of_a_database_is_taken_as_a_file_is(place, rows):
    """Most tables never were files."""
    url = f"sqlite:///{place / 'clinic.db'}"
    visits().to_sql("visits", url, index=False)
    asked = ["--data", url, "--target", "missed", "--landing", str(place / "landed"), *rows]
    said = mldebt("new", "clinic", *asked, "--json")
    assert (said.code, said.err) == (0, "")
    assert (said.document["rows"], said.document["row_key"]) == (ROWS, ["visit_id"])


def test_a_database_that_does_not_answer_is_an_error_without_its_url(place):
    """The URL may hold a password."""
    url = f"sqlite:///{place / 'secret' / 'none.db'}"
    said = mldebt("new", "clinic", "--data", url, "--target", "missed", "--table", "visits")
    assert said.code == 3
    assert "secret" not in said.err
    assert "\nFix: " in said.err


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (["--query", "drop table visits"], "does not begin with SELECT or WITH"),
        (["--query", "-- all\ndelete from visits returning *"], "does not begin with SELECT"),
        (["--query", "with a as (select 1) delete from visits returning *"], "cannot be read"),
        (["--table", "visit"], "the database has none of this name; it has visits."),
        ([], "a database is named, and no table of it.\nFix: say which with --table"),
    ],
)
def test_a_database_is_only_ever_read(place, named, told):
    """It is somebody's, and to ask about it must not cost a row."""
    file = place / "clinic.db"
    with contextlib.closing(sqlite3.connect(file)) as database:
        visits().to_sql("visits", database, index=False)
    before = file.read_bytes()
    asked = ["--data", f"sqlite:///{file}", "--target", "missed", *named]
    said = mldebt("new", "clinic", *asked, "--landing", str(place / "landed"))
    assert said.code in {2, 3}
    assert told in said.err
    assert "\nFix: " in said.err
    assert file.read_bytes() == before
    assert [one.name for one in place.iterdir()] == ["clinic.db"]


def test_a_database_that_is_not_there_is_not_made(place):
    """SQLite makes an empty one of any name that it is asked for."""
    url = f"sqlite:///{place / 'none.db'}"
    said = mldebt("new", "clinic", "--data", url, "--target", "missed", "--table", "visits")
    assert said.code == 3
    assert "The database cannot be reached: there is no such file." in said.err
    assert list(place.iterdir()) == []


def test_a_driver_that_is_not_installed_is_named(place):
    """Its name is all that a person needs to know."""
    asked = ["--data", "mssql+pymssql://me:secret@localhost/x", "--table", "visits"]
    said = mldebt("new", "clinic", *asked, "--target", "missed")
    assert said.code == 3
    assert "driver pymssql is not installed.\nFix: `pip install pymssql`" in said.err


WARDS = pd.DataFrame({"name": ["north", "east"], "beds": [20, 30], "age": [101, 7]})


def test_a_table_is_joined_with_one_of_its_database_and_one_of_a_file(place):
    """What describes a row often stands elsewhere; whence it came must be said."""
    url = f"sqlite:///{place / 'clinic.db'}"
    visits().to_sql("visits", url, index=False)
    WARDS.to_sql("wards", url, index=False)
    days = pd.DataFrame({"booked_for": visits()["booked_for"].unique()})
    days.assign(holiday=0.5).to_csv(place / "days.csv", index=False)
    asked = [
        "--data",
        url,
        "--target",
        "missed",
        "--table",
        "visits",
        "--landing",
        place / "landed",
    ]
    joins = ["--join", "wards on ward=name", "--join", f"{place / 'days.csv'} on booked_for"]
    said = mldebt("new", "clinic", *asked, *joins, "--json")
    assert (said.code, said.err) == (0, "")
    assert {"beds", "wards_age", "holiday"} < said.document["columns"].keys()
    first, wards, holidays = said.document["made_from"]
    assert (first["rows_of"], first["rows"], first["joined_on"]) == ("visits", ROWS, None)
    south = int(visits()["ward"].eq("south").sum())
    assert (wards["rows_of"], wards["joined_on"], wards["unmatched"]) == (
        "wards",
        "ward=name",
        south,
    )
    assert holidays["sha256"] == sha256((place / "days.csv").read_bytes())
    kept = json.loads((place / "landed" / "origins.json").read_text())
    assert kept["made_from"] == said.document["made_from"]


def test_only_the_very_bytes_that_were_made_are_said_to_come_from_there(place):
    """Else a batch that somebody corrected would have another history than it has."""
    bring(place, visits())
    source = declared(place).source
    *_, last = survey(source, place).arrivals
    [origin] = origins_of(last, read(last))
    assert origin["uri"] == (place / "visits.csv").as_uri()
    assert not origins_of(last, read(last) + b"\n")
    (place / "landed" / "origins.json").write_text("{")
    assert not origins_of(last, read(last))


@pytest.mark.parametrize("secret", ["x://me:secret@h/a.csv", "x://h/a.csv?token=secret"])
def test_where_a_table_came_from_is_told_without_secrets(secret):
    """It goes into every snapshot's metadata."""
    assert without_secrets(secret) == "x://h/a.csv"


def test_nothing_but_the_pipeline_and_its_batches_is_written(place, monkeypatch):
    """A newcomer's folder is theirs: no cache of a formatter belongs there."""
    monkeypatch.chdir(place)
    assert bring(place, visits()).code == 0
    assert {one.name for one in place.iterdir()} == {"landed", "pipelines", "visits.csv"}


def test_nothing_is_written_over(place):
    """A person may have worked on it since."""
    bring(place, visits())
    file = place / "pipelines" / "clinic.py"
    file.write_text("mine")
    said = bring(place, visits(), "--landing", str(place / "other"))
    assert said.code == 2
    assert file.read_text() == "mine"
    assert not (place / "other").exists()


def test_where_the_file_cannot_be_written_nothing_is_landed(place, monkeypatch):
    """Batches without a pipeline would stand in the way of the next try."""
    (place / "closed").write_text("a file, no folder")
    monkeypatch.setenv("MLDEBT_PIPELINES", str(place / "closed"))
    said = bring(place, visits())
    assert said.code == 2
    assert "\nFix: " in said.err
    assert sorted(one.name for one in place.iterdir()) == ["closed", "visits.csv"]


NARROW = """
import resource, sys
from mldebt_assets.cli import app
resource.setrlimit(resource.RLIMIT_AS, (5 << 29, resource.RLIM_INFINITY))
app()
"""


@pytest.mark.parametrize(
    "command", [["new", "clinic", "--target", "y", "--data"], ["drift", "compare"], ["scan"]]
)
def test_a_table_that_memory_does_not_suffice_for_is_refused_by_the_limits_name(tmp_path, command):
    """A process that is killed for its memory says nothing."""
    large = tmp_path / "large.csv"
    large.write_bytes(b"x,y\n1,2\n")
    with large.open("r+b") as file:
        file.truncate(700 << 20)
    named = [str(large)] * (2 if command[0] == "drift" else 1)
    done = subprocess.run(
        [sys.executable, "-c", NARROW, *command, *named],
        env={**os.environ, "MLDEBT_PIPELINES": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "it has 734,003,200 bytes, and RLIMIT_AS, this process's address space" in done.stderr
    assert "\nFix: " in done.stderr


def test_memory_that_ends_all_the_same_is_told_by_the_limits_name(place, monkeypatch):
    """What a table becomes may be larger than anybody foresees."""

    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr("mldebt_assets.core.profile.table.profile", fail)
    said = bring(place, visits())
    assert said.code == 3
    assert said.err.startswith("Memory does not suffice: the narrowest limit is ")
    assert "\nFix: give this process more memory" in said.err


@pytest.mark.parametrize("step", ["origins.write", "write_pipeline", "format_pipeline"])
def test_interrupted_it_leaves_nothing_in_the_way_of_the_next_try(place, monkeypatch, step):
    """Half a landing folder would be taken for a whole one, or be refused as not empty."""

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(f"mldebt_assets.sources.bringing.{step}", interrupted)
        said = bring(place, visits())
    assert said.code == 130
    assert said.err == "Interrupted. Run the same command again: it goes on where it was.\n"
    left = sorted(str(one.relative_to(place)) for one in place.rglob("*") if one.is_file())
    assert left == ["visits.csv"]
    assert bring(place, visits()).code == 0


def test_a_newest_batch_whose_period_is_hardly_over_is_told(place):
    """The triage would take it for a file that was cut off, and the user would not know why."""
    short = visits()[lambda rows: rows["booked_for"] <= "2024-04-03"]
    [told] = [one for one in bring(place, short).document["warnings"] if "usual" in one]
    assert told.startswith("2024-04 has 60 rows, where 620 are usual: if it is not over yet, ")


def test_the_packages_list_gets_one_line_once(tmp_path):
    """Run twice, it would otherwise import a pipeline twice."""
    init = tmp_path / "__init__.py"
    init.write_text(Path(pipelines.__file__).read_text())
    register(init, "clinic")
    once = init.read_text()
    assert "from mldebt_assets.pipelines.clinic import clinic\n" in once
    assert "PIPELINES: tuple[Pipeline, ...] = (flight_delays, clinic)" in once
    compile(once, "pipelines", "exec")
    register(init, "clinic")
    assert init.read_text() == once


def in_a_shell(place, *commands):
    """Run commands one after another in a home of their own; return what each printed."""
    environment = {
        **os.environ,
        "MLDEBT_PIPELINES": str(place / "pipelines"),
        "MLDEBT_HOME": str(place / "home"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    said = {}
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", f"{command} 2>&1"], cwd=place, env=environment, capture_output=True,
            text=True, timeout=400, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        said[command] = done.stdout
    return said


def test_the_readmes_tutorial_leads_from_a_csv_to_a_lineage(tmp_path):
    """It is the first thing that a newcomer types."""
    commands = [line.removeprefix("$ ") for line in TUTORIAL.splitlines()]
    landed = f" --landing {tmp_path / 'landed'}"
    said = in_a_shell(tmp_path, *(one + landed * (" new " in one) for one in commands))
    assert "promoted v1" in said["mldebt replay cancer"]
    assert "569 rows in 1 batch" in said["mldebt lineage cancer"]
    assert re.search(r"made from +file://", said["mldebt lineage cancer"])


def test_a_small_table_of_noise_gets_an_honest_answer(tmp_path):
    """150 rows that say nothing must make no champion, and no traceback either."""
    draw = np.random.default_rng(4)
    noise = {"a": draw.normal(size=150), "b": draw.normal(size=150), "y": draw.integers(0, 2, 150)}
    pd.DataFrame(noise).to_csv(tmp_path / "noise.csv", index=False)
    asked = f"--data noise.csv --target y --landing {tmp_path / 'landed'}"
    said = in_a_shell(tmp_path, f"mldebt new noise {asked}", "mldebt init", "mldebt replay noise")
    assert "refused: no champion yet" in said["mldebt replay noise"]
