"""The command line: what it prints, where, and with which exit code it ends."""

from __future__ import annotations

import os
import re

import pytest

from mldebt_assets import sources
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import COLUMNS, COMMANDS, installation, mldebt
from mldebt_assets_tests.sample import BATCHES

UNTIL = BATCHES[3]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose only pipeline is the sample; five batches have landed."""
    with installation(tmp_path_factory.mktemp("cli")) as made:
        made.land(*BATCHES)
        yield made


@pytest.fixture(scope="module")
def before(world):
    """What the commands say before anything was replayed."""
    asked = {
        "lineage": ("lineage", "parcels"),
        "lineage --json": ("lineage", "parcels", "--json"),
        "status": ("status", "parcels"),
        "status --json": ("status", "parcels", "--json"),
    }
    return {name: mldebt(*arguments) for name, arguments in asked.items()}


@pytest.fixture(scope="module")
def replayed(world, before):
    """What the replay said that made a first champion, of all but the last batch."""
    return mldebt("replay", "parcels", "--until", UNTIL, "--json")


def test_no_arguments_show_the_commands():
    """The first thing that anyone types."""
    said = mldebt()
    assert all(name in said.out + said.err for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lineage", "nonsense"], "no pipeline called 'nonsense'; there are: parcels"),
        (["replay", "nonsense"], "no pipeline called 'nonsense'; there are: parcels"),
        (["status", "nonsense", "--json"], "no pipeline called 'nonsense'; there are: parcels"),
        (["fetch", "nonsense"], "no pipeline called 'nonsense'; there are: parcels"),
        (["publish", "nonsense"], "no pipeline called 'nonsense'; there are: parcels"),
        (["fetch", "parcels"], "no demonstration data of parcels; there are some of: flight_de"),
        (["lineage", "parcels", "--version", "9"], "no model version 9; there are: 1"),
        (["lineage", "parcels", "--version", "9", "--json"], "no model version 9; there are: 1"),
        (["replay", "parcels", "--until", "1999-01"], "no batch called '1999-01'; there are: 2020"),
        (["replay", "parcels", "--until", "../2020-01"], "no batch called '../2020-01'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_call_ends_with_2_one_message_and_its_fix(replayed, arguments, message):
    """A traceback tells users that the program is broken, when they only mistyped."""
    said = mldebt(*arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert said.err.count("\nFix: ") == 1
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["replay"], ["lineage", "parcels", "--version", "x"]], ids=" ".join
)
def test_a_call_that_cannot_be_parsed_ends_with_2(arguments):
    """Scripts tell a wrong call from the answer "no" by this alone."""
    said = mldebt(*arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "parcels"],
        ["lineage", "parcels", "--json"],
        ["status"],
        ["publish", "parcels"],
        ["ui"],
    ],
    ids=" ".join,
)
def test_without_a_home_every_command_says_how_to_make_one(world, tmp_path, monkeypatch, arguments):
    """The commonest mistake of a first day."""
    monkeypatch.setenv("MLDEBT_HOME", str(tmp_path / "none"))
    said = mldebt(*arguments)
    assert (said.code, said.out) == (3, "")
    assert f"The mldebt home {tmp_path}/none does not exist.\nFix: run `mldebt init`" in said.err


def test_init_makes_a_home_once(world, tmp_path, monkeypatch):
    """`make run` begins with it every time."""
    home = tmp_path / "home"
    for name, value in {**os.environ, "MLDEBT_HOME": str(home)}.items():
        monkeypatch.setenv(name, value)  # so that all of it is put back at the end
    first, second = mldebt("init"), mldebt("init")
    assert (first.code, second.code) == (0, 0)
    assert (first.out, second.out) == (f"Made the home {home}\n", f"Found the home {home}\n")


def test_before_any_champion_lineage_says_how_to_get_one(before):
    """Exit code 1 is the answer "no"; a crash would look the same to a script."""
    said = before["lineage"]
    assert (said.code, said.err) == (1, "")
    assert "mldebt replay parcels" in said.out
    assert before["lineage --json"].code == 1
    assert before["lineage --json"].document == {"pipeline": "parcels", "model": None}


def test_before_any_champion_status_knows_nothing_and_says_so(before):
    """Null and "not yet known", never a zero that reads like an answer."""
    assert before["status"].code == 0
    assert "no champion yet: mldebt replay parcels" in before["status"].out
    document = before["status --json"].document
    assert document["champion"] is None
    answers = {name: q["answer"] for name, q in document["questions"].items()}
    assert answers.pop("personal_data") == "not scanned"
    assert set(answers.values()) == {"not yet known"}
    assert {q["standing"] for q in document["questions"].values()} == {"unknown"}
    assert {q["evidence"] for q in document["questions"].values()} == {None}


def test_replay_prints_one_document_and_shows_its_progress_elsewhere(replayed):
    """A script reads stdout; a person watches stderr."""
    assert replayed.code == 0, replayed.err
    document = replayed.document
    assert document.keys() == {"pipeline", "batches", "left_alone", "seconds"}
    assert [batch["batch"] for batch in document["batches"]] == list(BATCHES[:4])
    for batch in document["batches"]:
        wanted = {"batch", "drifted", "retrained", "reason", "promoted", "champion", "metrics"}
        assert wanted <= batch.keys()
    assert document["batches"][3]["metrics"]["roc_auc"] > 0.8
    assert document["seconds"] > 0
    assert f"{UNTIL}  AUC 0." in replayed.err
    assert "promoted v1" in replayed.err


def test_replay_again_says_that_nothing_is_new_and_what_it_leaves_alone(world, replayed):
    """And shows the same table, so that nobody has to scroll."""
    stray = world.landing / "2020 05.csv"
    stray.write_bytes(b"x\n")
    said = mldebt("replay", "parcels", "--until", UNTIL)
    stray.unlink()
    assert "Left alone: The batch name '2020 05' is refused" in said.out
    assert said.code == 0
    assert "Nothing new: all of parcels is settled, 4 batches." in said.out
    assert "promoted v1" in said.out
    assert "0 batches settled" in said.out


def test_lineage_json_has_the_documented_keys(world, replayed):
    """Other programs read them."""
    said = mldebt("lineage", "parcels", "--json")
    assert (said.code, said.err) == (0, "")
    document = said.document
    wanted = {"pipeline", "model", "training_set", "code", "environment", "promotion", "sources"}
    assert wanted <= document.keys()
    assert document["model"]["version"] == 1
    for entry in document["training_set"]["batches"]:
        landed = (world.landing / f"{entry['batch']}.csv").read_bytes()
        assert entry["raw"]["sha256"] == sha256(landed)
    assert mldebt("lineage", "parcels", "--version", "1", "--json").document == document


@pytest.mark.parametrize(("moment", "version"), [("2020-03-31", None), ("2020-04-01", 1)])
def test_lineage_as_of_a_moment_goes_by_the_time_of_the_data(replayed, moment, version):
    """A replayed year must answer as the live one did."""
    said = mldebt("lineage", "parcels", "--as-of", moment, "--json")
    assert (said.document["model"] or {}).get("version") == version
    assert said.code == (0 if version else 1)


def test_status_json_has_the_documented_keys(replayed):
    """Four questions, each with its answer, what proves it, and how old that is."""
    said = mldebt("status", "parcels", "--json")
    assert (said.code, said.err) == (0, "")
    document = said.document
    assert document["champion"]["version"] == 1
    assert document["questions"].keys() == {
        "reproducible", "input_change", "rollback", "personal_data",
    }  # fmt: skip
    for question in document["questions"].values():
        assert {"answer", "evidence", "age_seconds"} <= question.keys()
    assert f"in {UNTIL} (" in document["questions"]["input_change"]["answer"]
    assert mldebt("status", "--json").document[0]["champion"] == document["champion"]


def test_doctor_json_has_every_finding(world):
    """CI asks it before anything else."""
    said = mldebt("doctor", "--json")
    document = said.document
    assert document.keys() == {"ok", "checks"}
    assert said.code == (0 if document["ok"] else 1)
    found = {check["name"]: check for check in document["checks"]}
    assert {"Python", "packages", "asset selections", "disk", "home"} <= found.keys()
    assert found["parcels"]["group"] == "Landing folders"
    assert found["parcels"]["reason"] == "5 batches"
    assert document["ok"] == all(check["passed"] for check in document["checks"])


def test_doctor_names_a_missing_home_with_its_fix(world, tmp_path, monkeypatch):
    """It is the one command that must work when nothing else does."""
    monkeypatch.setenv("MLDEBT_HOME", str(tmp_path / "none"))
    said = mldebt("doctor")
    words = " ".join(said.out.split())
    assert said.code == 1
    assert "FAIL home The mldebt home" in words
    assert "Fix: run `mldebt init`" in words
    assert re.search(r"\d+ of \d+ checks to mend: each FAIL says how\.", words)


def test_what_looks_like_markup_is_printed_as_it_is(world):
    """A file may be called anything; brackets in its name must not break what reports it."""
    odd = world.landing / "[red]odd.csv"
    odd.write_text("parcel\n")
    try:
        said = mldebt("doctor")
    finally:
        odd.unlink()
    assert said.code == 1
    assert "[red]odd" in "".join(said.out.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay", "parcels", "--until", UNTIL],
        ["lineage", "parcels"],
        ["drift", "parcels"],
        ["drift", "parcels", "--last", "1"],
        ["doctor"],
    ],
    ids=" ".join,
)
def test_text_fits_80_columns_and_loses_nothing(world, replayed, arguments):
    """In a terminal of the usual width a cut hash is worth nothing."""
    lines = mldebt(*arguments).out.splitlines()
    assert lines
    assert [line for line in lines if len(line) > COLUMNS or "…" in line] == []


def test_status_cuts_a_long_answer_and_says_where_the_whole_is(world, replayed):
    """A page of four questions is read at a glance, or not at all."""
    said = mldebt("status", "parcels")
    lines = said.out.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert len(lines) <= 10
    assert " … " in said.out
    assert lines[-1] == "In full: mldebt status parcels --json; mldebt drift parcels --last 1"


def test_lineage_shows_the_whole_hash_of_weights_and_training_set(world, replayed):
    """These two are what one compares with somebody else's."""
    said = mldebt("lineage", "parcels").out
    body = world.platform.record("parcels").champion().promotion.body
    assert body["weights_sha256"] in said
    assert body["training_set"]["sha256"] in said


def test_a_refused_batch_is_told_with_its_fix_and_ends_with_1(world, replayed):
    """The message must reach whoever started it, and the next one, not only the web UI."""
    sample.write_batch(world.landing, BATCHES[4], sample.rows(BATCHES[4]).drop(columns="day"))
    said = mldebt("replay", "parcels", "--json")
    again = mldebt("replay", "parcels")
    world.land(BATCHES[4])
    assert said.code == 1
    assert f"{BATCHES[4]}  schema change  The batch '{BATCHES[4]}' is refused" in said.err
    assert "lacks column 'day'" in said.document["batches"][4]["problem"]
    assert f"{BATCHES[4]}: The batch '{BATCHES[4]}' is refused" in again.out
    assert "\nFix: " in again.out


def test_fetch_twice_writes_once(world, tmp_path, monkeypatch):
    """`make run` may fetch every time, on a train too."""
    landing = tmp_path / "landing"

    def write(url):
        assert url == f"file://{world.landing}"
        new = not landing.exists()
        return [str(sample.write_batch(landing, BATCHES[0]))] if new else []

    monkeypatch.setattr(sources, "FETCHERS", {"parcels": write})
    first, second = mldebt("fetch", "parcels"), mldebt("fetch", "parcels")
    assert (first.code, second.code) == (0, 0), first.err + second.err
    assert "Wrote 1 batch to" in first.out
    assert "All is there" in second.out
