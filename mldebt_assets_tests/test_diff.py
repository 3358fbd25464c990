"""What two versions differ in: what an owner asks when a new model does worse than the old one."""

from __future__ import annotations

import dataclasses
import json
import subprocess

import pytest

from mldebt_assets import provenance
from mldebt_assets.answers.diff import changed, changes, configurations, diff_of, training_sets
from mldebt_assets.assets.keys import key
from mldebt_assets.definitions import define
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.pipeline import as_configuration
from mldebt_assets.snapshots import at_storage_id
from mldebt_assets_tests.command_line import COLUMNS, installation, mldebt
from mldebt_assets_tests.sample import BATCHES


@pytest.fixture(scope="module")
def world(promoted, tmp_path_factory):
    """An installation of the sample in which v2, of five batches, has replaced v1, of three."""
    with installation(tmp_path_factory.mktemp("diff"), like=promoted) as made:
        yield made


def document(*versions):
    said = mldebt("diff", "parcels", *map(str, versions), "--json")
    assert (said.code, said.err) == (0, "")
    return said.document


def decision(world, version):
    facts = world.platform.record("parcels").facts()
    return next(f for f in facts if f.kind == "intent" and f.body["version"] == version)


def evaluation(world, version):
    asset, body = key(world.pipeline, "evaluation"), decision(world, version).body
    stored = at_storage_id(world.instance, asset, body["evaluation"]["storage_id"])
    return world.platform.snapshots.load(stored.snapshot)


def artefact(name):
    return {"sha256": name, "md5": name, "rows": 1}


def test_batches_are_added_in_one_direction_and_removed_in_the_other(world):
    """Read the wrong way round, it accuses data that was never there."""
    there, back = document(1, 2)["training_set"], document(2, 1)["training_set"]
    assert there["batches"] == [
        {"batch": batch, "change": "added", "stage": None} for batch in BATCHES[3:]
    ]
    assert back["batches"] == [{**one, "change": "removed"} for one in there["batches"]]
    assert there["unchanged"] == back["unchanged"] == 3
    assert (there["before"], there["rows_after"]) == (back["after"], back["rows_before"])
    assert there["before"] == decision(world, 1).body["training_set"]["sha256"]


def test_a_version_does_not_differ_from_itself(world):
    """Whatever shows up here is noise, and would show up in every answer."""
    same = document(1, 1)
    assert same["training_set"]["batches"] == same["parameters"] == same["environment"] == []
    assert same["configuration"]["changes"] == []
    assert all(one["before"] == one["after"] for one in same["metrics"] + same["slices"])
    assert "the very same weights" in mldebt("diff", "parcels", "1", "1").out


@pytest.mark.parametrize("stage", ["raw", "validated", "labels", "features"])
def test_a_batch_with_other_bytes_is_told_by_the_first_stage_that_differs(stage):
    """Other features of equal rows mean other code; other raw bytes mean another delivery."""
    flow = ("raw", "validated", "labels", "features")
    old = {name: artefact("a") for name in flow}
    new = {n: artefact("a" if flow.index(n) < flow.index(stage) else "b") for n in flow}
    assert changed(old, new) == ("changed", stage)
    assert changed(old, dict(old)) == (None, None)


def test_labels_that_have_come_since_are_a_change_of_their_own():
    """The rows are the same; what is known of them is not."""
    old = {name: artefact("a") for name in ("raw", "validated", "features")}
    new = {**old, "labels": artefact("b"), "features": artefact("c")}
    assert changed(old, new) == changed(new, old) == ("changed", "labels")


def test_training_sets_count_what_is_unchanged():
    """Of a thousand batches, the three that differ are what one looks for."""
    entries = [{"batch": str(n), **{s: artefact("a") for s in ("raw", "features")}} for n in "123"]
    other = [entries[0], {**entries[1], "features": artefact("b")}, {**entries[2], "batch": "4"}]
    found = training_sets(
        {"hash": "x", "rows": 3, "batches": entries}, {"hash": "y", "rows": 3, "batches": other}
    )
    assert [(one["batch"], one["change"]) for one in found["batches"]] == [
        ("2", "changed"), ("3", "removed"), ("4", "added"),
    ]  # fmt: skip
    assert found["unchanged"] == 1


def test_a_version_judged_beside_the_other_is_compared_on_the_same_rows(world):
    """Two numbers from two months say more about the months than about the models."""
    found, models = document(1, 2), evaluation(world, 2)["models"]
    assert found["judged_on"]["same_rows"]
    assert found["judged_on"]["before"] == evaluation(world, 2)["judged_on"]
    aucs = next(one for one in found["metrics"] if one["name"] == "roc_auc")
    assert aucs["before"] == models["incumbent"]["metrics"]["roc_auc"]
    assert aucs["after"] == models["candidate"]["metrics"]["roc_auc"]
    back = next(one for one in document(2, 1)["metrics"] if one["name"] == "roc_auc")
    assert (back["before"], back["after"]) == (aucs["after"], aucs["before"])
    slices = {one["value"]: one for one in found["slices"]}
    for one in evaluation(world, 2)["slices"]:
        assert slices[one["value"]]["before"] == one["incumbent"]
        assert slices[one["value"]]["after"] == one["metrics"]["roc_auc"]


def test_the_page_fits_a_terminal_and_says_on_which_rows(world):
    """It is pasted into tickets."""
    said = mldebt("diff", "parcels", "1", "2")
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= COLUMNS
    for words in (
        "added      2020-04, 2020-05",
        "Both judged on the same",
        "roc_auc",
        "depot north",
    ):
        assert words in said.out


@pytest.mark.parametrize("versions", [("1", "9"), ("9", "1")], ids=" ".join)
def test_an_unknown_version_is_a_wrong_call(world, versions):
    """Naming those that exist saves the next question."""
    said = mldebt("diff", "parcels", *versions)
    assert (said.code, said.out) == (2, "")
    assert "no model version 9; there are: 1, 2" in said.err


def test_the_configuration_itself_is_kept_with_the_model(world):
    """Of a digest one can only say that it is another one."""
    kept = mldebt("lineage", "parcels", "--json").document
    for name in ("training", "split", "costs", "columns"):
        declared = json.loads(json.dumps(as_configuration(getattr(world.pipeline, name))))
        assert kept["configuration"]["values"][name] == declared
    registry = world.platform.registry
    files = registry.client.list_artifacts(kept["model"]["mlflow_run_id"])
    assert {"configuration.json", "environment.json"} <= {file.path for file in files}
    tags = registry.version("parcels", 2).tags
    assert tags["configuration"] == kept["configuration"]["digest"]
    assert not {"configuration_facts", "environment_facts"} & tags.keys()


def test_another_declaration_is_told_by_its_names(world):
    """`training.epochs` is what a person changed, and what a person looks for."""
    training = dataclasses.replace(world.pipeline.training, epochs=2)
    other = dataclasses.replace(world.pipeline, training=training)
    job = define([other]).resolve_job_def(retraining_job_name(other))
    assert job.execute_in_process(instance=world.instance).success
    newest = max(v.version for v in world.platform.registry.versions("parcels"))
    found = diff_of(world.instance, world.platform, other, 2, newest)
    told = [{"name": "training.epochs", "before": 6, "after": 2}]
    assert found["configuration"]["changes"] == told
    assert found["parameters"] == [{"name": "epochs", "before": "6", "after": "2"}]
    assert found["training_set"]["batches"] == []
    page = mldebt("diff", "parcels", "2", str(newest)).out
    assert "training.epochs  6   2" in page


def test_a_configuration_that_was_not_kept_is_said_not_to_be_recorded():
    """An empty list would claim that nothing was changed."""
    old, new = {"digest": "a", "values": None}, {"digest": "b", "values": {"x": 1}}
    assert configurations(old, new)["changes"] is None
    assert configurations(old, {**new, "digest": "a"})["changes"] == []


def test_changes_name_what_one_side_lacks():
    """A fact that is new in the environment is a difference, too."""
    assert changes({"a": 1, "b": 2}, {"b": 2, "c": 3}) == [
        {"name": "a", "before": 1, "after": None},
        {"name": "c", "before": None, "after": 3},
    ]


def test_files_that_differ_are_asked_of_git(tmp_path, monkeypatch):
    """The digest says that the code is other; where to look is the next question."""
    package = tmp_path / "mldebt_assets"
    package.mkdir()
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def git(*arguments):
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        run = ["git", "-C", str(tmp_path), *who, *arguments]
        return subprocess.run(run, check=True, capture_output=True, text=True).stdout.strip()

    def commit(**files):
        for name, text in files.items():
            (package / f"{name}.py").write_text(text)
        (tmp_path / "notes.txt").write_text(str(files))
        git("add", ".")
        git("commit", "-m", "more")
        return git("rev-parse", "HEAD")

    git("init")
    first, second = commit(a="1"), commit(a="2", b="1")
    assert provenance.changed_files(first, second) == [
        "M\tmldebt_assets/a.py", "A\tmldebt_assets/b.py",
    ]  # fmt: skip
    assert provenance.changed_files(first, first) == []
    assert provenance.changed_files(first, "0" * 40) is None
    assert provenance.changed_files(None, second) is None
