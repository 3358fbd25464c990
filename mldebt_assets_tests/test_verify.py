"""Whatever changes among all that the champion stands on is found, and its place is named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.answers.story import chapters
from mldebt_assets.answers.verify import verify
from mldebt_assets.assets import model
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.predictions import load_model
from mldebt_assets.assets.scorer import pinned
from mldebt_assets.core.errors import DigestMismatchError, UnreachableError
from mldebt_assets.definitions import define
from mldebt_assets.jobs import retraining_job_name
from mldebt_assets.pipeline import LandingFolder
from mldebt_assets.promotions import champions_of
from mldebt_assets.registry import FACTS_FILE, WEIGHTS_FILE
from mldebt_assets.replay import SILENT
from mldebt_assets.resources import Platform
from mldebt_assets.serving import _load_pyfunc
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import copy_of

KEY = ["day", "parcel"]
NEXT = "2020-06"
NOWHERE = Path("no committed pointers")
BYTE_PLACES = ("cache", "remote")


def with_late_labels(world):
    folder = LandingFolder(
        url=str(world.landing.parent / "labels"),
        description="What happened",
        licence="CC0-1.0",
        consent="none needed",
    )
    world.pipeline = replace(world.pipeline, labels=folder)
    world.definitions = define([world.pipeline])


def land(world, *batches):
    for batch in batches:
        table = sample.rows(batch)
        sample.write_batch(world.landing, batch, table.drop(columns="delay_hours"))
        sample.write_batch(world.landing.parent / "labels", batch, table[[*KEY, "delay_hours"]])


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Five batches, whose labels came later than the rows, and two promotions.

    They were trained with code that was not committed.
    """
    place = tmp_path_factory.mktemp("verify")
    with installation(place) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(model, "uncommitted", lambda: b"diff --git a/code.py b/code.py\n")
        with_late_labels(made)
        land(made, *BATCHES)
        made.replay()
        assert record_of(made).champion() is not None
        yield made


def record_of(world):
    return world.platform.record("parcels")


def promotion_of(world):
    return record_of(world).champion().promotion.body


def verified(world, published=NOWHERE):
    """Verify as a fresh process would."""
    return verify(world.instance, Platform(world.home), world.pipeline, published)


def problems(world, published=NOWHERE):
    """Return where something was found, and of what: no problem may hide behind another."""
    answer = verified(world, published)
    assert answer["ok"] == (not answer["problems"])
    return [(problem["where"], problem["what"]) for problem in answer["problems"]]


@pytest.fixture(scope="module")
def stored(world):
    """Every artefact that the champion stands on, by its name: (md5, path of its pointer).

    It is found without the code under test: by the newest event of each asset, since no batch
    came twice.
    """
    champion = promotion_of(world)
    until = list(champion["reference"]["batches"])[-1]
    found = {}
    for stage in ("raw", "labels", "validated", "features"):
        for batch in [batch for batch in BATCHES if batch <= until]:
            one = newest(world.instance, key(world.pipeline, stage), batch).snapshot
            found[f"{stage} {batch}"] = (one.md5, one.pointer)
    for stage in ("training_set", "model", "evaluation", "onnx"):
        found[stage] = (champion[stage]["md5"], champion[stage]["pointer"])
    trained = newest(world.instance, key(world.pipeline, "model"))
    digits = trained.metadata["code_uncommitted"][:16]
    code = f"snapshots/parcels/code/{digits}/uncommitted.diff.dvc"
    one = newest(world.instance, key(world.pipeline, "champion")).snapshot
    return {
        **found,
        "code": (trained.metadata["code_uncommitted_md5"], code),
        "champion": (one.md5, one.pointer),
    }


@pytest.fixture(scope="module")
def files(world, stored):
    """Every file that the champion stands on: (where, what, path)."""
    roots = {
        "cache": world.home.root / ".dvc" / "cache",
        "remote": Path(world.home.remote_url),
    }
    found = []
    for what, (md5, pointer) in stored.items():
        for where, root in roots.items():
            found.append((where, what, root / "files" / "md5" / md5[:2] / md5[2:]))
        found.append(("pointer", what, world.home.root / pointer))
    run = world.platform.registry.version("parcels", promotion_of(world)["version"]).run_id
    kept = world.home.mlflow_artifacts / "parcels" / run / "artifacts"
    loaded = [kept / "model" / "data" / name for name in (WEIGHTS_FILE, FACTS_FILE)]
    found += [("mlflow", "model", path) for path in loaded]
    found.append(("record", "record", record_of(world).path))
    assert all(path.is_file() for _, _, path in found)
    return found


@contextmanager
def changed(path, data):
    """Put other bytes in the place of a file, or none at all, and put it back afterwards."""
    before, mode = path.read_bytes(), path.stat().st_mode
    path.unlink()
    try:
        if data is not None:
            path.write_bytes(data)
        yield
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(before)
        path.chmod(mode)


@contextmanager
def rewritten(database, query, change):
    """Change one value of a database in place, and change it back afterwards.

    ``query`` names table, column and condition.
    """
    table, column, condition = query

    def write(value):
        with sqlite3.connect(database) as connection:
            done = connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE {condition}",  # noqa: S608
                [value],
            )
            assert done.rowcount == 1

    with sqlite3.connect(database) as connection:
        [(before,)] = connection.execute(f"SELECT {column} FROM {table} WHERE {condition}")  # noqa: S608
    assert change(before) != before
    write(change(before))
    try:
        yield
    finally:
        write(before)


def mlflow_database(world):
    return world.home.root / "mlflow" / "mlflow.db"


def test_a_clean_home_verifies_and_says_how_much_was_compared(world, stored):
    """An alarm on a healthy home would be switched off within a week."""
    answer = verified(world)
    assert answer["problems"] == []
    assert (answer["ok"], answer["version"]) == (True, promotion_of(world)["version"])
    for place in BYTE_PLACES:
        read = [one for one in answer["checked"] if one["where"] == place]
        assert sum(one["count"] for one in read) == len(stored)
        assert all(one["bytes"] > 0 for one in read)
    kinds = {what.partition(" ")[0] for what in stored}
    assert {one["what"] for one in answer["checked"] if one["where"] == "cache"} == kinds
    assert {one["where"] for one in answer["checked"]} == {
        *("record", "cache", "remote", "pointer", "dagster", "mlflow")
    }


@given(data=st.data())
def test_one_changed_byte_is_found_whichever_it_is(world, files, data):
    """This is the whole promise: no byte under a model in production changes unseen."""
    where, what, path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    position = data.draw(st.integers(0, len(before) - 1))
    other = data.draw(st.integers(1, 255)) ^ before[position]
    with changed(path, before[:position] + bytes([other]) + before[position + 1 :]):
        assert_found(world, where, what)


def assert_found(world, where, what):
    """Exactly one place is named, and it is the right one."""
    found = problems(world)
    assert {place for place, _ in found} == {where}, found
    assert {name.split(" (")[0] for _, name in found} == {what}, found


@settings(max_examples=40)
@given(data=st.data())
def test_a_file_that_is_cut_emptied_or_gone_is_found(world, files, data):
    """A full disk and a careless hand do this more often than a flipped bit."""
    where, what, path = data.draw(st.sampled_from(files))
    before = path.read_bytes()
    left = data.draw(st.none() | st.integers(0, len(before) - 1))
    with changed(path, None if left is None else before[:left]):
        if what == "record":
            assert {"record"} <= {place for place, _ in problems(world)}
        else:
            assert_found(world, where, what)


def test_a_record_that_lost_its_last_facts_is_found(world):
    """A chain that was cut at a line's end is whole; the runs tell what stood there."""
    path = record_of(world).path
    lines = path.read_bytes().splitlines(keepends=True)
    for kept in range(len(lines)):
        with changed(path, b"".join(lines[:kept])):
            assert "record" in {place for place, _ in problems(world)}, kept


def test_a_fact_that_was_being_written_is_told(world):
    """It is no fact, and the next one takes its place; until then something was lost."""
    path = record_of(world).path
    with changed(path, path.read_bytes() + b'{"body":{'):
        assert problems(world) == [("record", "record (bytes of a torn last line)")]


def test_an_older_record_in_its_place_is_found_by_all_three(world):
    """A backup that was put back names the champion before; the world outside knows better."""
    path = record_of(world).path
    first = champions_of(record_of(world).facts())[0]
    lines = path.read_bytes().splitlines(keepends=True)
    with changed(path, b"".join(lines[: first.promotion.sequence + 1])):
        answer = verified(world)
        assert answer["version"] == first.version
        assert {"record", "mlflow", "dagster"} <= {one["where"] for one in answer["problems"]}


@settings(max_examples=40)
@given(data=st.data())
def test_a_tag_that_was_changed_in_mlflow_is_found(world, data):
    """Tags are a form field in a browser for whoever can open MLflow's page."""
    number = promotion_of(world)["version"]
    version = world.platform.registry.version("parcels", number)
    ours = sorted(version.tags)
    name = data.draw(st.sampled_from(ours))
    tables = {
        "version": f"model_version_tags|name = 'parcels' AND version = {number}",
        "run": f"tags|run_uuid = '{version.run_id}'",
    }
    witness = data.draw(st.sampled_from(sorted(tables)))
    table, condition = tables[witness].split("|")
    query = (table, "value", f"key = '{name}' AND {condition}")
    with rewritten(mlflow_database(world), query, lambda value: value + "0"):
        found = problems(world)
    assert ("mlflow", f"model ({witness} tag {name})") in found
    assert {place for place, _ in found} == {"mlflow"}


def test_a_moved_alias_is_found(world):
    """Whoever loads `models:/parcels@champion` would serve another model than the record's."""
    number = promotion_of(world)["version"]
    registry = world.platform.registry
    registry.set_champion("parcels", number - 1)
    try:
        assert problems(world) == [("mlflow", "champion (alias)")]
    finally:
        registry.set_champion("parcels", number)


@pytest.mark.parametrize(
    ("column", "of"), [("source", "model (source)"), ("run_id", "model (run)")]
)
def test_a_version_that_points_elsewhere_is_found(world, column, of):
    """MLflow loads what the version points to, whatever the tags say."""
    where = f"name = 'parcels' AND version = {promotion_of(world)['version']}"
    query = ("model_versions", column, where)
    with rewritten(mlflow_database(world), query, lambda value: value + "0"):
        assert ("mlflow", of) in problems(world)


def test_a_version_that_is_gone_from_mlflow_is_found(world):
    """A registry that was tidied up can no longer serve the champion."""
    where = f"name = 'parcels' AND version = {promotion_of(world)['version']}"
    query = ("model_versions", "current_stage", where)
    with rewritten(mlflow_database(world), query, lambda _: "Deleted_Internal"):
        assert ("mlflow", "model (version)") in problems(world)


@pytest.fixture(scope="module")
def events(world):
    """Return the materialization behind each artefact, as (what, storage id)."""
    until = list(promotion_of(world)["reference"]["batches"])[-1]
    found = []
    for stage in ("raw", "labels", "validated", "features"):
        for batch in [batch for batch in BATCHES if batch <= until]:
            one = newest(world.instance, key(world.pipeline, stage), batch)
            found.append((f"{stage} {batch}", one))
    whole = ("training_set", "model", "evaluation", "champion")
    found += [(stage, newest(world.instance, key(world.pipeline, stage))) for stage in whole]
    return found


def entry_of(event, name):
    """Return the value of one metadata entry in an event's own JSON, to be changed in place."""
    entries = event["dagster_event"]["event_specific_data"]["materialization"]["metadata_entries"]
    [entry] = [one["entry_data"] for one in entries if one["label"] == name]
    return entry, next(field for field in ("text", "value", "data", "path") if field in entry)


def other(value):
    """Return another value of the same type, for hashes one digit different."""
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, list):
        return [*value, 1]
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    return value + 1


IDENTITY = ("sha256", "md5", "snapshot", "pointer")
TOLD = {
    "model": (
        "version",
        "weights_sha256",
        "training_set",
        "training_key",
        "code_digest",
        "code_commit",
        "code_uncommitted",
        "code_uncommitted_md5",
        "configuration",
        "environment",
        "mlflow_run_id",
    ),
    "champion": ("version", "weights_sha256", "training_set", "reason"),
}


@settings(max_examples=40)
@given(data=st.data())
def test_a_materialization_that_says_something_else_is_found(world, events, data):
    """Dagster's event log is a database that a person can write to."""
    what, one = events[data.draw(st.integers(0, len(events) - 1))]
    tables = ("raw", "validated", "features")
    names = [*IDENTITY, *TOLD.get(what, ())]
    names += ["dagster/row_count"] if what.startswith(tables) else []
    name = data.draw(st.sampled_from(names))

    def change(event):
        stated = json.loads(event)
        entry, field = entry_of(stated, name)
        entry[field] = other(entry[field])
        return json.dumps(stated)

    database = world.home.dagster / "history" / "runs" / "index.db"
    with rewritten(database, ("event_logs", "event", f"id = {one.storage_id}"), change):
        found = problems(world)
    assert {place for place, _ in found} == {"dagster"}, found
    assert any(of.startswith(f"{what} (") for _, of in found), found


@settings(max_examples=40)
@given(data=st.data())
def test_a_step_that_says_it_read_something_else_is_found(world, events, data):
    """What was read is the lineage itself."""
    read = [
        (one, asset, batch)
        for what, one in events
        for asset, batches in one.reads.items()
        if ":" not in asset and not what.startswith("labels")
        if (what, asset) != ("champion", "parcels/features")
        for batch in batches
    ]
    one, asset, batch = read[data.draw(st.integers(0, len(read) - 1))]

    def change(event):
        stated = json.loads(event)
        entry, field = entry_of(stated, f"read/{asset}")
        entry[field][batch][0] = other(entry[field][batch][0])
        return json.dumps(stated)

    database = world.home.dagster / "history" / "runs" / "index.db"
    with rewritten(database, ("event_logs", "event", f"id = {one.storage_id}"), change):
        assert "dagster" in {place for place, _ in problems(world)}


def test_an_event_that_is_gone_is_found(world, events):
    """A purged event log no longer says what was read."""
    database = world.home.dagster / "history" / "runs" / "index.db"
    for what, one in events:
        query = ("event_logs", "asset_key", f"id = {one.storage_id}")
        with rewritten(database, query, lambda _: '["elsewhere"]'):
            found = problems(world)
        assert {place for place, _ in found} == {"dagster"}
        # Without its newest event, the asset's newest is that of the champion before.
        assert ("dagster", f"{what} ({'sha256' if what == 'champion' else 'event'})") in found


def test_a_committed_pointer_is_compared_and_may_be_of_newer_bytes(world, stored, tmp_path):
    """Clones pull what it names; a batch that came again has a newer one, which is no fault."""
    raw = [pointer for what, (_, pointer) in stored.items() if what.startswith("raw ")]
    for pointer in raw:
        shutil.copy(world.home.root / pointer, tmp_path)
    assert problems(world, tmp_path) == []
    newer = world.home.root / Path(raw[0]).parent.parent / "another" / Path(raw[0]).name
    newer.parent.mkdir()
    text = (world.home.root / raw[0]).read_text().replace("md5: ", "md5: 0")
    newer.write_text(text)
    (tmp_path / newer.name).write_text(text)
    assert problems(world, tmp_path) == []
    shutil.rmtree(newer.parent)
    assert problems(world, tmp_path) == [
        ("pointer", f"raw 2020-01 ({tmp_path.name}/2020-01.csv.dvc)")
    ]


@pytest.mark.parametrize("name", ["environment", "configuration"])
def test_another_word_in_the_facts_beside_a_run_is_found(world, name):
    """The digest names them, so that nobody can say later that it was another machine."""
    run = world.platform.registry.version("parcels", promotion_of(world)["version"]).run_id
    path = world.home.mlflow_artifacts / "parcels" / run / "artifacts" / f"{name}.json"
    facts = {**json.loads(path.read_text()), "python": "4.0"}
    for data in (json.dumps(facts).encode(), b"{", None):
        with changed(path, data):
            assert problems(world) == [("mlflow", f"model ({name}.json)")]


def test_mlflow_that_does_not_answer_cannot_be_answered_about(world, monkeypatch):
    """A server that is down is no damage, and no proof of anything."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = mldebt("verify", "parcels", "--json")
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("MLflow cannot be reached: ")
    assert "secret" not in said.err
    assert "\nFix: " in said.err


def test_a_remote_that_is_not_there_cannot_be_answered_about(world):
    """An unplugged disk is no damage, and no proof of anything."""
    remote = Path(world.home.remote_url)
    aside = remote.with_name("aside")
    remote.rename(aside)
    try:
        with pytest.raises(UnreachableError, match="there is no such folder"):
            verified(world)
        said = mldebt("verify", "parcels", "--json")
        assert (said.code, said.out) == (3, "")
        assert "\nFix: " in said.err
    finally:
        aside.rename(remote)


def test_the_command_names_what_disagrees_and_ends_with_1(world, files):
    """The one line that somebody woken at night has to read."""
    [path] = [path for where, what, path in files if (where, what) == ("remote", "onnx")]
    with changed(path, path.read_bytes() + b"\0"):
        said = mldebt("verify", "parcels")
        told = mldebt("verify", "parcels", "--json")
    assert (said.code, told.code) == (1, 1)
    assert "not verified: 1 problem" in said.out
    assert "onnx, in bytes in the remote" in said.out
    [problem] = told.document["problems"]
    assert (problem["what"], problem["where"]) == ("onnx", "remote")
    assert problem["expected"] == promotion_of(world)["onnx"]["sha256"]
    assert len(problem["found"]) == len(problem["expected"])


def test_a_damaged_record_is_a_problem_and_no_crash(world):
    """Nothing can be said of a champion that nobody can name, but that much must be said."""
    path = record_of(world).path
    with changed(path, path.read_bytes().replace(b'"version":1', b'"version":2')):
        said = mldebt("verify", "parcels", "--json")
    assert (said.code, said.document["ok"], said.document["version"]) == (1, False, None)
    [problem] = said.document["problems"]
    assert problem["where"] == "record"
    assert "is damaged at line" in problem["found"]


def test_before_the_first_champion_there_is_nothing_to_verify(tmp_path):
    """No champion is no damage, and no proof either."""
    with installation(tmp_path):
        told = mldebt("verify", "parcels", "--json")
        said = mldebt("verify", "parcels")
    assert (told.code, told.document["version"], told.document["ok"]) == (1, None, False)
    assert told.document["problems"] == []
    assert "has no champion yet" in said.out


@pytest.fixture
def copied(world, tmp_path):
    """A copy of the installation, to be damaged for good."""
    copied = copy_of(world.home, tmp_path)
    shutil.copytree(world.home.remote_url, copied.remote_url, dirs_exist_ok=True)
    shutil.copytree(world.landing, tmp_path / "landing")
    shutil.copytree(world.landing.parent / "labels", tmp_path / "labels")
    with installation(tmp_path) as made:
        with_late_labels(made)
        yield made


def weights_in(world):
    """Return the champion's weights in the cache and in the remote."""
    md5 = promotion_of(world)["model"]["md5"]
    roots = (world.home.root / ".dvc" / "cache", Path(world.home.remote_url))
    return [root / "files" / "md5" / md5[:2] / md5[2:] for root in roots]


def damage(path):
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


def damage_weights(world, place):
    """Damage the champion's weights where they would be loaded from."""
    cache, remote = weights_in(world)
    if place == "remote":
        cache.unlink()
        damage(remote)
    else:
        damage(cache)


@pytest.mark.parametrize("place", BYTE_PLACES)
def test_damaged_weights_score_nothing(copied, place):
    """A flipped bit passes every parser, and its scores look like any others."""
    damage_weights(copied, place)
    land(copied, NEXT)
    copied.replay()
    story = {one.batch: one for one in chapters(copied.instance, copied.platform, copied.pipeline)}
    assert "have the SHA-256" in story[NEXT].problem
    assert newest(copied.instance, key(copied.pipeline, "predictions"), NEXT) is None


@pytest.mark.parametrize("place", BYTE_PLACES)
def test_damaged_weights_are_neither_exported_nor_promoted(copied, place):
    """The candidate that the gate let through is not the one that would go into production."""
    second = record_of(copied).champion()
    damage_weights(copied, place)
    shutil.rmtree(copied.home.root / "snapshots" / "parcels" / "onnx")
    record = record_of(copied)
    lines = record.path.read_bytes().splitlines(keepends=True)
    record.path.write_bytes(b"".join(lines[: second.promotion.sequence - 1]))
    copied.platform.registry.set_champion("parcels", second.version - 1)
    before = record.path.read_bytes()

    job = copied.definitions.get_repository_def().get_job(retraining_job_name(copied.pipeline))
    done = job.execute_in_process(
        instance=copied.instance,
        run_config=SILENT,
        raise_on_error=False,
        asset_selection=[key(copied.pipeline, "champion")],
    )

    assert not done.success
    [failure] = [event for event in done.all_events if event.is_step_failure]
    assert "DigestMismatchError" in str(failure.step_failure_data.error)
    assert record.path.read_bytes() == before
    assert copied.platform.registry.champion("parcels") == second.version - 1
    assert not (copied.home.root / "snapshots" / "parcels" / "onnx").exists()


@pytest.mark.parametrize("place", BYTE_PLACES)
def test_a_champion_with_damaged_weights_is_no_incumbent(copied, place):
    """A candidate judged beside a broken model would win by its being broken."""
    damage_weights(copied, place)
    named = pinned(record_of(copied).champion())
    with pytest.raises(DigestMismatchError, match="have the SHA-256"):
        load_model(copied.pipeline, copied.platform, named)


def test_the_model_of_mlflow_is_not_loaded_where_its_weights_are_damaged(world, files):
    """Another team's server loads it from there, and never sees this program's checks."""
    [path] = [path for where, _, path in files if where == "mlflow" and path.name == WEIGHTS_FILE]
    data = path.read_bytes()
    with (
        changed(path, data[:-1] + bytes([data[-1] ^ 1])),
        pytest.raises(DigestMismatchError, match="have the SHA-256"),
    ):
        _load_pyfunc(str(path.parent))


def test_after_a_rollback_the_new_champion_verifies(copied):
    """What went back into production stands on its own artefacts, and all three say so."""
    assert mldebt("rollback", "parcels", "--reason", "a test").code == 0
    answer = verified(copied)
    assert (answer["problems"], answer["version"]) == ([], 1)


def test_one_problem_does_not_hide_the_others(copied):
    """One fault is no reason to stop looking: the second may be the one that matters."""
    cache, remote = weights_in(copied)
    damage(cache)
    damage(remote)
    copied.platform.registry.set_champion("parcels", 1)
    found = problems(copied)
    assert {("cache", "model"), ("remote", "model"), ("mlflow", "champion (alias)")} <= set(found)
