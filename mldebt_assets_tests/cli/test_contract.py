"""What every command owes its users: help, an example, documented JSON, documented exit codes."""

from __future__ import annotations

import re
import shlex
import types
import typing
from pathlib import Path

import pytest
import typer

from mldebt_assets import cli, definitions, pipelines
from mldebt_assets.cli.documents import DOCUMENTS
from mldebt_assets.core import errors
from mldebt_assets_tests.command_line import COLUMNS, installation, mldebt
from mldebt_assets_tests.sample import BATCHES, onnx_file, rows, write_batch
from mldebt_assets_tests.servers import free_port
from mldebt_assets_tests.test_promotion_by_hand import with_gate

ROOT = Path(__file__).resolve().parent.parent.parent
SECTION = re.search(r"^## Commands\n(.*?)^## ", (ROOT / "README.md").read_text(), re.M | re.S)[1]
DEMO = [pipeline.name for pipeline in pipelines.PIPELINES]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
EXIT_CODES = {0, 1, 2, 3, 130}


def walk(command, name=""):
    """Yield every command of the tree by its full name."""
    if not hasattr(command, "commands"):
        yield name, command
    for sub, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{name} {sub}".strip())


def named(arguments):
    """Return the command that these arguments call, of one word or two."""
    both = " ".join(arguments[:2])
    return both if both in COMMANDS else arguments[0]


TREE = typer.main.get_command(cli.cli)
COMMANDS = dict(walk(TREE))
ANSWERING = {
    name
    for name, command in COMMANDS.items()
    if any("--json" in parameter.opts for parameter in command.params)
}


def nonconformities(value, wanted, at="document"):
    """Return where a value is not of a type; keys that the type does not name are wrong too."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if typing.is_typeddict(wanted):
        return not_typed_dict(value, wanted, at)
    if origin in {types.UnionType, typing.NotRequired}:
        return min((nonconformities(value, one, at) for one in arguments), key=len)
    if origin in {list, dict} and isinstance(value, origin):
        items = value.items() if origin is dict else enumerate(value)
        of = arguments[-1]
        return [p for name, item in items for p in nonconformities(item, of, f"{at}[{name}]")]
    plain = object if wanted is typing.Any else origin or wanted
    fits = isinstance(value, (int, float) if plain is float else plain)
    wrong = not fits or (isinstance(value, bool) and plain not in {bool, object})
    return [f"{at} is {value!r}, not {wanted}"] if wrong else []


def not_typed_dict(value, wanted, at):
    if not isinstance(value, dict):
        return [f"{at} is {value!r}, not {wanted.__name__}"]
    hints = typing.get_type_hints(wanted)
    problems = [f"{at} lacks {key}" for key in sorted(wanted.__required_keys__ - value.keys())]
    problems += [f"{at} has {key}, which is not documented" for key in sorted(value.keys() - hints)]
    for key in value.keys() & hints.keys():
        problems += nonconformities(value[key], hints[key], f"{at}.{key}")
    return problems


def keys_of(wanted):
    """Return every key that a type names, at any depth."""
    if typing.is_typeddict(wanted):
        hints = typing.get_type_hints(wanted)
        return set(hints) | {key for hint in hints.values() for key in keys_of(hint)}
    return {key for argument in typing.get_args(wanted) for key in keys_of(argument)}


@pytest.fixture(scope="module")
def world(begun, tmp_path_factory):
    """An installation with a first champion, in which two more batches have landed."""
    with installation(tmp_path_factory.mktemp("contract"), like=begun) as made:
        made.land(*BATCHES)
        yield made


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """What is printed where nothing was replayed yet."""
    asked = [
        *(["doctor"], ["status"], ["status", "parcels"], ["lineage", "parcels"]),
        *(["verify", "parcels"], ["quarantine", "parcels"], ["drift", "parcels"]),
        ["retraining", "parcels"],
    ]
    with installation(tmp_path_factory.mktemp("before")) as made:
        made.land(*BATCHES)
        papers = ["papers", "parcels", "--out", str(made.home.root / "papers.zip")]
        return [(arguments, mldebt(*arguments, "--json")) for arguments in [papers, *asked]]


@pytest.fixture(scope="module")
def documents(before, world):
    """Every document that the answering commands print, before a champion and after."""
    zipped = str(world.home.root / "papers.zip")
    table = str(next(world.landing.glob("*.csv")))
    brought, landing = str(world.home.root / "late.csv"), ["--landing", f"{zipped}.d"]
    late = rows(BATCHES[0]).assign(late=lambda parcels: (parcels["delay_hours"] > 0).astype(int))
    late.drop(columns="delay_hours").to_csv(brought, index=False)
    asked = [
        *(["doctor"], ["quarantine", "parcels"], ["replay", "parcels"]),
        ["retraining", "parcels"],
        *(["status"], ["status", "parcels"], ["drift", "parcels", "--last", "99"]),
        *(["lineage", "parcels"], ["lineage", "parcels", "--version", "1"]),
        ["lineage", "parcels", "--as-of", "2000-01-01"],
        ["diff", "parcels", "1", "2"],
        ["rollback", "parcels", "--drill"],
        ["verify", "parcels"],
        ["papers", "parcels", "--out", zipped],
        ["reproduce", "parcels"],
        ["audit", "parcels"],
        ["robustness", "parcels"],
        ["suspects", "parcels"],
        ["suspects", "parcels", "--batch", BATCHES[-1], "--rows", "2"],
        ["scan", "parcels"],
        ["scan", table],
        ["alert-test"],
        ["drift", "compare", table, table],
        ["new", "brought", "--data", brought, "--target", "late", "--time", "sent_at", *landing],
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLDEBT_PIPELINES", str(world.home.root / "pipelines"))
        patch.setenv("MLDEBT_ALERTS", f"json://127.0.0.1:{free_port()}")  # nobody listens
        told = [(arguments, mldebt(*arguments, "--json")) for arguments in asked]
    return [*before, *told]


@pytest.fixture(scope="module")
def changes(tmp_path_factory):
    """What those who change production print, on an installation whose gate only proposes."""
    asked = [
        ["approve", "parcels", "--reason", "as agreed"],
        ["replay", "parcels"],
        ["reject", "parcels", "--reason", "not before the holidays"],
        ["promote", "parcels", "--version", "2", "--reason", "now", "--expires", "2021-01-01"],
        ["rollback", "parcels", "--reason", "too many false alarms"],
        ["delete", "parcels", "--version", "2", "--reason", "trained on withdrawn rows"],
        ["lineage", "parcels", "--version", "2"],
        ["diff", "parcels", "1", "2"],
        ["forget", "parcels", "--subject", "3", "--dry-run"],
        ["forget", "parcels", "--subject", "3", "--reason", "asked for it"],
    ]
    with (
        installation(tmp_path_factory.mktemp("changes")) as made,
        pytest.MonkeyPatch.context() as p,
    ):
        changed = with_gate(made, approval=True)
        p.setattr(pipelines, "PIPELINES", (changed.pipeline,))
        p.setenv("MLDEBT_PSEUDONYM_KEY", "0123456789abcdef" * 4)
        p.setattr(definitions, "defs", changed.definitions)
        made.land(*BATCHES[:3])
        made.replay()
        pounds = rows(BATCHES[3]).assign(
            weight_kg=lambda parcels: parcels["weight_kg"] / 0.45359237
        )
        write_batch(made.landing, BATCHES[3], pounds)
        made.replay()
        accepted = ["accept", "parcels", "--batch", BATCHES[3], "--reason", "pounds are right"]
        overruled = (accepted, mldebt(*accepted, "--json"))
        made.land(*BATCHES[3:])
        return [overruled, *((arguments, mldebt(*arguments, "--json")) for arguments in asked)]


@pytest.fixture(scope="module")
def adoption(tmp_path_factory):
    """What is printed where the first champion was trained elsewhere."""
    asked = [["lineage", "parcels"], ["status", "parcels"], ["retraining", "parcels"]]
    asked += [["reproduce", "parcels"], ["verify", "parcels"]]
    root = tmp_path_factory.mktemp("adoption")
    with installation(root) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        made.land(BATCHES[0])
        made.replay()
        file = root / "old.onnx"
        file.write_bytes(onnx_file())
        adopt = ["adopt", "parcels", "--model", str(file), "--reason", "it serves already"]
        return [(arguments, mldebt(*arguments, "--json")) for arguments in [adopt, *asked]]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_a_real_example(name):
    """People copy the example first and read the rest if it fails."""
    said = mldebt(*name.split(), "--help")
    assert (said.code, said.err) == (0, "")
    first, *_ = COMMANDS[name].help.split("\n\n")
    assert first.endswith(".")
    example = re.search(r"^Example: `(.*?)`$", COMMANDS[name].help, re.MULTILINE)[1]
    assert example in " ".join(said.out.split())
    program, *words = shlex.split(example)
    path = name.split()
    assert [program, *words[: len(path)]] == ["mldebt", *path]
    given = COMMANDS[name].make_context(name, words[len(path) :]).params
    assert given.get("pipeline") in {None, *DEMO}
    if given.get("until"):
        assert (ROOT / "data" / given["pipeline"] / f"{given['until']}.csv.dvc").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_is(name):
    """An option without help is found by trying, or not at all."""
    undescribed = [p.name for p in COMMANDS[name].params if not p.help]
    assert undescribed == []


def test_the_commands_that_answer_are_those_with_a_documented_document():
    """An undocumented answer is an interface by accident."""
    assert set(DOCUMENTS) == ANSWERING


def test_every_document_is_of_its_documented_type(documents, changes, adoption):
    """Other programs read them without asking, before the first champion and after."""
    told = [*documents, *changes, *adoption]
    assert {named(arguments) for arguments, _ in told} == ANSWERING
    for arguments, said in told:
        wanted = DOCUMENTS[named(arguments)]
        if arguments == ["status"]:
            wanted = list[wanted]
        assert said.code in {0, 1}, said.err
        assert nonconformities(said.document, wanted) == [], arguments


def test_the_types_notice_what_is_wrong():
    """A check that accepts everything proves nothing."""
    wanted = DOCUMENTS["doctor"]
    check = {
        "group": "g", "name": "n", "passed": True,
        "measured": 0.5, "limit": None, "unit": "", "reason": "",
    }  # fmt: skip
    assert nonconformities({"ok": True, "checks": [check]}, wanted) == []
    assert nonconformities({"ok": 1, "checks": []}, wanted) == [
        "document.ok is 1, not <class 'bool'>"
    ]
    [lacking] = nonconformities({"ok": True, "checks": [{**check, "more": 1}]}, wanted)
    assert lacking == "document.checks[0] has more, which is not documented"
    del check["unit"]
    assert nonconformities({"ok": True, "checks": [check]}, wanted) == [
        "document.checks[0] lacks unit"
    ]


def test_suspects_names_the_batch_whose_labels_are_new_and_its_rows(documents, tmp_path):
    """Whoever is told that a batch is poisoned asks which rows; May's are late for a new reason."""
    [of_may] = [said.document for asked, said in documents if asked[2:4] == ["--batch", "2020-05"]]
    found = of_may["checks"]["labels_depend_as_before"]
    assert (found["passed"], [one["batch"] for one in found["batches"]]) == (False, ["2020-05"])
    assert {one["batch"] for one in found["worst"]} == {"2020-05"}
    assert len(found["worst"]) == 2 < found["suspected"]
    file = tmp_path / "suspects.csv"
    assert mldebt("suspects", "parcels", "--out", str(file)).code == 1
    assert file.read_text().splitlines()[0] == "batch,row,row_id,score,check"
    said = mldebt("suspects", "parcels", "--batch", "1999-01")
    assert (said.code, said.out) == (2, "")
    assert "no batch called '1999-01'" in said.err


@pytest.fixture(scope="module")
def pages(documents):
    """What every command prints that prints a page, once all batches are replayed."""
    asked = [
        ("replay", "parcels"),
        ("status",),
        ("lineage", "parcels"),
        ("drift", "parcels"),
        ("drift", "parcels", "--last", "1"),
        ("doctor",),
        ("verify", "parcels"),
        ("reproduce", "parcels"),
        ("audit", "parcels"),
        ("robustness", "parcels"),
        ("scan", "parcels"),
        ("retraining", "parcels"),
    ]
    return [mldebt(*arguments) for arguments in asked]


def test_no_page_is_wider_than_a_terminal_or_has_control_characters(pages):
    """Into a file or a pipe goes text, and nothing else."""
    for said in pages:
        assert said.code == 0, said.err
        assert max(map(len, said.out.splitlines())) <= COLUMNS
        assert CONTROL.findall(said.out + said.err) == []


def test_drift_shows_each_batch_beside_its_reference(pages):
    """Whose reference it was, what drifted, and where the calm columns went."""
    several, one = pages[3].out, pages[4].out
    assert "2020-01, 2020-02, 2020-03: no champion yet" in several
    assert re.search(r"2020-05 +drift +v1: 2020-01 to 2020-03 +1 of \d", several)
    assert re.search(r"^weight_kg +· +\.\d\d$", several, re.MULTILINE)
    assert "  drift of 2" in one
    assert re.search(r"^weight_kg +\.\d\d +0\.0% +0\.0% +drift$", one, re.MULTILINE)


def test_retraining_explains_each_decision_and_marks_the_champions_age(pages):
    """Also the decision not to train; and what it would cost to go on with the champion."""
    said = pages[-1].out
    assert re.search(r"^2020-01 +wait +There is no champion yet", said, re.MULTILINE)
    assert re.search(r"^2020-05 +retrain: v2 promoted +Drift in", said, re.MULTILINE)
    assert re.search(r"^ +1 +0\.\d{3} +\d+ +v2 will be on the next", said, re.MULTILINE)


def test_status_shows_every_pipeline_and_what_to_do_without_a_champion(pages):
    """The page for those who have several."""
    assert re.search(
        r"^parcels  champion: v2 since 2020-06-01, weights [0-9a-f]{12}$", pages[1].out, re.M
    )


@pytest.mark.parametrize("name", sorted(ANSWERING))
def test_the_readme_names_every_key_and_no_other(name):
    """The table is what people write their scripts against."""
    row = re.search(rf"^\| `mldebt {name} .*?` \|(.*)\|$", SECTION, re.MULTILINE)
    assert row is not None, f"the table of JSON keys has no row for {name}"
    assert set(re.findall(r"`([a-z0-9_]+)`", row[1])) == keys_of(DOCUMENTS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_has_every_command(name):
    """What is not there does not exist for most people."""
    assert re.search(rf"(^|`)mldebt {name}\b", SECTION, re.MULTILINE)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_that_does_not_exist_is_a_wrong_call(name):
    """Exit code 1 would read as the answer "no"."""
    said = mldebt(*name.split(), "--no-such-option")
    assert (said.code, said.out) == (2, "")
    assert "no-such-option" in said.err


def test_the_exit_codes_are_documented():
    """In the README's table and in the help, the same ones."""
    table = re.findall(r"^\| (\d+) \|", SECTION, re.MULTILINE)
    assert set(map(int, table)) == EXIT_CODES
    assert {int(code) for code in re.findall(r"\b\d+\b", TREE.epilog)} == EXIT_CODES


def test_every_error_has_the_exit_code_of_its_kind():
    """1 is an answer; an error that is none must not look like it."""
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.MLDebtError)
    ]
    codes = {kind: cli.exit_code(kind("")) for kind in kinds}
    answers = {errors.RefusedError, errors.UnadoptableError, errors.UnlikePointersError}
    assert {kind for kind, code in codes.items() if code == 1} == answers
    wrong_calls = {kind for kind, code in codes.items() if code == 2}
    assert wrong_calls == {kind for kind in kinds if issubclass(kind, errors.CallError)}
    assert set(codes.values()) == {1, 2, 3}
