"""Somebody is forgotten: in every snapshot, in what learned of them, and in what comes later."""

import contextlib
import dataclasses
import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from mldebt_assets import definitions, pipelines
from mldebt_assets.answers.subject import subject_of
from mldebt_assets.assets.forgetting import LEFT_OUT
from mldebt_assets.assets.keys import key
from mldebt_assets.definitions import define
from mldebt_assets.forgotten import forgettings, outstanding
from mldebt_assets.pipeline import Column, Pseudonymise, Retraining, Split
from mldebt_assets.promotions import champion_of
from mldebt_assets.pseudonym_key import KEY_VARIABLE
from mldebt_assets.snapshots import newest
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt

SECRET = "0123456789abcdef" * 4
# Written nowhere as such: uncommitted code is stored beside the models that it trains.
WHO, OTHER = (f"Ada {number**9}" for number in (7, 11))
BATCHES = sample.BATCHES[:3]
SENDERS = 97
ROWS = len(range(0, sample.DAYS * sample.ROWS_A_DAY, 100))
WHY = "she asked for it"


def with_senders(batch):
    """Return a batch's rows with who sent each: some by one, but for the second batch."""
    table = sample.rows(batch)
    sender = [f"customer {row % SENDERS}" for row in range(len(table))]
    if batch != BATCHES[1]:
        sender[::100] = [WHO] * len(sender[::100])
    sender[7] = OTHER
    return table.assign(sender=sender)


def declared(pipeline):
    sender = Column(name="sender", dtype="string", meaning="who sent it", privacy=Pseudonymise())
    return dataclasses.replace(
        pipeline,
        columns=(*pipeline.columns, sender),
        subject=None,
        retraining=Retraining(first_batches=1),
        split=Split(group="day", held_out_fraction=0.4),
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation with a champion, and somebody in the batches that it learned from."""
    with (
        installation(tmp_path_factory.mktemp("forget")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv(KEY_VARIABLE, SECRET)
        patch.setenv("MLDEBT_USER", "grace@depot")
        made.pipeline = declared(sample.pipeline(made.landing))
        made.definitions = define([made.pipeline])
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setattr(definitions, "defs", made.definitions)
        for batch in BATCHES:
            sample.write_batch(made.landing, batch, with_senders(batch))
        assert made.replay().failed == ()
        yield made


def facts_of(world):
    return world.platform.record("parcels").facts()


def pseudonym(world, who=WHO):
    return subject_of(world.platform, world.pipeline, who).stored


def readable(file):
    """Yield whatever a file's bytes are, unpacked as far as anything here can."""
    data = file.read_bytes()
    yield data
    for unpack in (gzip.decompress, zlib.decompress):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield unpack(data)
    if data.startswith(b"PAR1"):
        yield pq.read_table(io.BytesIO(data)).to_pandas().to_csv().encode()
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield packed.read(name)
    if data.startswith(b"SQLite format 3"):
        with contextlib.closing(sqlite3.connect(file)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                rows = pd.read_sql(f'SELECT * FROM "{table}"', database)  # noqa: S608
                yield rows.to_csv().encode()


def places_of(world, *words):
    """Return which files of the home and its remote hold one of these words."""
    folders = [world.home.root, Path(world.home.remote_url)]
    below = [[one for one in folder.rglob("*") if one.is_file()] for folder in folders]
    assert min(map(len, below)) > 20
    files = [one for files in below for one in files]
    wanted = [word.encode() for word in words]
    return [one for one in files if any(word in data for data in readable(one) for word in wanted)]


@pytest.fixture(scope="module")
def planned(world):
    before = {path: path.stat().st_mtime_ns for path in world.home.records.rglob("*.jsonl")}
    said = mldebt("forget", "parcels", "--subject", WHO, "--dry-run", "--json")
    assert before == {path: path.stat().st_mtime_ns for path in world.home.records.rglob("*.jsonl")}
    return said


@pytest.fixture(scope="module")
def interrupted(world, planned):
    """A forgetting that Ctrl-C ends between a batch's features made again and its predictions."""

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mldebt_assets.assets.predictions.score", stop)
        said = mldebt("forget", "parcels", "--subject", WHO, "--reason", WHY)
    made = newest(world.instance, key(world.pipeline, "features"), BATCHES[2])
    return said, made


@pytest.fixture(scope="module")
def killed(world, interrupted):
    """A forgetting that is killed between the batches made again and the bytes removed."""

    def die(*_, **__):
        raise ConnectionResetError("the process stops here")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SnapshotStore, "remove", die)
        with pytest.raises(ConnectionResetError):
            mldebt("forget", "parcels", "--subject", WHO, "--reason", WHY)
    return mldebt("verify", "parcels", "--json").document


@pytest.fixture(scope="module")
def done(world, killed, tmp_path_factory):
    receipt = tmp_path_factory.mktemp("receipt") / "receipt.json"
    said = mldebt(
        "forget", "parcels", "--subject", WHO, "--reason", WHY, "--receipt", str(receipt), "--json"
    )
    assert said.code == 0, said.err
    return said.document, json.loads(receipt.read_text())


@pytest.fixture(scope="module")
def asked_after(world, done):
    """What is told between the forgetting and the retraining."""
    commands = {
        "verify": ["verify", "parcels"],
        "lineage": ["lineage", "parcels"],
        "reproduce": ["reproduce", "parcels"],
        "status": ["status", "parcels"],
        "retraining": ["retraining", "parcels"],
        "drift": ["drift", "parcels", "--last", "9"],
        "audit": ["audit", "parcels"],
        "suspects": ["suspects", "parcels"],
        "robustness": ["robustness", "parcels"],
    }
    return {name: mldebt(*command, "--json") for name, command in commands.items()}


@pytest.fixture(scope="module")
def retrained(world, asked_after):
    """The retraining that was asked for, and a later batch with more of the subject's rows."""
    later = "2020-04"
    sample.write_batch(world.landing, later, with_senders(later))
    outcome = world.replay()
    assert outcome.failed == ()
    return later


def test_a_dry_run_names_everything_and_changes_nothing(world, planned):
    """Whoever signs the removal wants to see first what goes."""
    assert planned.code == 0, planned.err
    told = planned.document
    rows = {(one["stage"], one["batch"]): one["rows"] for one in told["snapshots"]}
    assert {one["batch"] for one in told["snapshots"]} == {BATCHES[0], BATCHES[2]}
    assert rows["raw", BATCHES[0]] == rows["features", BATCHES[2]] == ROWS
    assert rows["predictions", BATCHES[2]] == ROWS
    assert ("predictions", BATCHES[0]) not in rows, "nobody was scored before a champion"
    assert told["versions"] == [
        {"version": 1, "action": "serves until a retraining has replaced it"}
    ]
    assert len(told["training_sets"]) == 1


def test_nobody_of_that_name_is_the_answer_no(world, planned):
    said = mldebt("forget", "parcels", "--subject", "nobody", "--dry-run", "--json")
    assert (said.code, said.document["found"]) == (1, False)
    said = mldebt("forget", "parcels", "--subject", "nobody", "--reason", WHY)
    assert said.code == 1
    assert "Nobody of that name is in any snapshot of parcels" in said.err
    assert "nobody" not in json.dumps([fact.body for fact in facts_of(world)]).lower().replace(
        "nobody was", ""
    )


def test_one_that_is_killed_is_told_by_verify_and_said_again_goes_on(world, killed, done):
    """Half a forgetting is a promise that is not kept."""
    told = {(one["what"], one["found"]) for one in killed["problems"]}
    assert any("forgetting" in what and found == "begun and not finished" for what, found in told)
    assert [fact.kind for fact in facts_of(world)].count("forgotten") == 1


def test_what_an_interrupted_run_had_not_reached_is_made_again_too(world, interrupted, done):
    """Her rows of predictions would stay for ever, and the receipt say that they are none."""
    said, features = interrupted
    assert (said.code, said.err) == (
        130,
        "Interrupted. Run the same command again: it goes on where it was.\n",
    )
    assert features.metadata["dagster/row_count"] == len(sample.rows(BATCHES[2])) - ROWS
    (fact,) = forgettings(facts_of(world))
    held = {
        one["stage"]: one["sha256"]
        for one in fact.body["withdrawn"]
        if one["batch"] == BATCHES[2] and one["rows"]
    }
    assert held.keys() >= {"raw", "validated", "features", "predictions"}
    _, (receipt,) = done
    assert held.items() <= {
        (one["stage"], one["sha256"]) for one in receipt["removed"] if one["batch"] == BATCHES[2]
    }
    predictions = newest(world.instance, key(world.pipeline, "predictions"), BATCHES[2])
    assert predictions.metadata["dagster/row_count"] == features.metadata["dagster/row_count"]


def test_neither_the_value_nor_its_pseudonym_is_anywhere(world, done):
    """In no snapshot, database, log, pointer, receipt or picture."""
    assert places_of(world, WHO, pseudonym(world)) == []
    assert places_of(world, pseudonym(world, OTHER)), "the search finds what is there"


def test_the_receipt_says_what_went_and_what_is_outstanding(world, done):
    document, (receipt,) = done
    assert document["receipts"] == [receipt]
    assert not receipt["complete"]
    assert (receipt["by"], receipt["reason"]) == ("grace@depot", WHY)
    assert {one["stage"] for one in receipt["removed"]} >= {"raw", "validated", "features"}
    assert receipt["versions_outstanding"] == [1]
    assert [source.rpartition("/")[2] for source in receipt["sources"]] == [
        f"{BATCHES[0]}.csv", f"{BATCHES[2]}.csv",
    ]  # fmt: skip
    (fact,) = forgettings(facts_of(world))
    assert receipt["fact"] == {"sequence": fact.sequence, "hash": fact.hash}


def test_a_batch_is_made_again_and_says_what_it_takes_the_place_of(world, done):
    (fact,) = forgettings(facts_of(world))
    raw = newest(world.instance, key(world.pipeline, "raw"), BATCHES[0])
    before = {
        one["sha256"]
        for one in fact.body["withdrawn"]
        if (one["stage"], one["batch"]) == ("raw", BATCHES[0])
    }
    assert {raw.metadata["takes the place of"]} == before
    assert raw.metadata[LEFT_OUT] == ROWS
    for stage in ("validated", "features", "predictions", "drift_report"):
        made = newest(world.instance, key(world.pipeline, stage), BATCHES[2])
        world.platform.snapshots.load(made.snapshot)
    untouched = newest(world.instance, key(world.pipeline, "raw"), BATCHES[1])
    assert "takes the place of" not in untouched.metadata


def test_the_answers_keep_telling_the_truth(world, done, asked_after):
    """What is gone is told as forgotten, with its hash; nothing is told as missing."""
    assert asked_after["verify"].code == 0, asked_after["verify"].document["problems"]
    assert asked_after["verify"].document["forgotten"] > 5
    assert [asked_after[name].err for name in ("suspects", "robustness")] == ["", ""]
    assert asked_after["audit"].code == 1
    assert "v1 has learned of somebody who is forgotten" in asked_after["audit"].err
    lineage = asked_after["lineage"].document
    assert {(one["batch"], one["stage"]) for one in lineage["forgotten"]} == {
        (BATCHES[0], stage) for stage in ("raw", "validated", "features")
    }
    assert lineage["forgotten"][0]["by"] == "grace@depot"
    proof = asked_after["reproduce"]
    assert (proof.code, proof.document["verdict"]) == (1, "cannot be reproduced")
    assert "3 snapshots were withdrawn at the request of their subject" in proof.document["stopped"]
    answers = asked_after["status"].document["questions"]
    assert "v1: cannot be reproduced: 3 snapshots were" in answers["reproducible"]["answer"]
    decision = asked_after["retraining"].document["decisions"][-1]
    assert (decision["about"], decision["asked"]) == ("forgotten", True)
    assert all(one["judged"] for one in asked_after["drift"].document["batches"][2:])


def test_the_retraining_replaces_the_champion_and_the_old_one_goes(world, retrained):
    facts = facts_of(world)
    assert champion_of(facts).version == 2
    assert outstanding(facts) == []
    assert [one.version for one in world.platform.registry.versions("parcels")] == [2]
    receipt = next((world.home.root / "receipts").glob("*.json"))
    told = json.loads(receipt.read_text())
    assert told["complete"]
    assert (told["versions_removed"], told["versions_outstanding"]) == ([1], [])


def test_rows_that_come_later_are_left_out(world, retrained):
    """The source goes on sending them."""
    raw = newest(world.instance, key(world.pipeline, "raw"), retrained)
    assert raw.metadata[LEFT_OUT] == ROWS
    assert places_of(world, WHO, pseudonym(world)) == []


def test_afterwards_everything_is_whole_again(world, retrained):
    for command in ("verify", "reproduce"):
        said = mldebt(command, "parcels", "--json")
        assert said.code == 0, said.out
    said = mldebt("rollback", "parcels", "--to", "1", "--reason", "back")
    assert said.code == 1
    assert "it had learned of somebody who is forgotten: she asked for it" in said.err
    way_back = mldebt("status", "parcels", "--json").document["questions"]["rollback"]
    assert "v2 has no way back: v1, the version before, was deleted" in way_back["answer"]
    said = mldebt("lineage", "parcels", "--version", "1")
    assert "forgotten 2020-01" in said.out
    again = mldebt("forget", "parcels", "--subject", WHO, "--reason", WHY, "--json")
    assert again.document["receipts"][0]["complete"]


def test_what_comes_back_from_a_backup_is_told_and_removed_again(world, retrained):
    """Backups are not ours: a remote that was restored holds them again."""
    (fact,) = forgettings(facts_of(world))
    one = next(one for one in fact.body["withdrawn"] if one["stage"] == "validated")
    remote = Path(world.home.remote_url, "files", "md5", one["md5"][:2], one["md5"][2:])
    remote.parent.mkdir(exist_ok=True)
    remote.write_bytes(b"rows")
    said = mldebt("verify", "parcels")
    assert said.code == 1
    assert "it came back, perhaps from a backup: say `mldebt forget` again" in said.out
    assert mldebt("forget", "parcels", "--subject", WHO, "--reason", WHY).code == 0
    assert not remote.exists()
    assert mldebt("verify", "parcels").code == 0


def test_the_page_of_raw_shows_it_without_a_name(world, done):
    """Dagster's pages are where people look first."""
    records = world.instance.fetch_observations(key(world.pipeline, "raw"), limit=1).records
    shown = records[0].asset_observation
    assert shown.description == f"A subject is forgotten, by grace@depot: {WHY}"
    assert shown.metadata["rows"].value == 2 * ROWS
    assert shown.metadata["batches"].value == f"{BATCHES[0]}, {BATCHES[2]}"


def test_a_dry_run_tells_which_batches_would_be_refused_by_todays_declaration(world, retrained):
    """Everybody's rows of a batch go where its columns are no longer the declared ones."""
    more = Column(name="colour", dtype="string", meaning="of the parcel")
    changed = dataclasses.replace(world.pipeline, columns=(*world.pipeline.columns, more))
    told = {}
    for declared_now in (world.pipeline, changed):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipelines, "PIPELINES", (declared_now,))
            said = mldebt("forget", "parcels", "--subject", OTHER, "--dry-run", "--json")
        told[declared_now is changed] = {
            one["stage"]: one["action"]
            for one in said.document["snapshots"]
            if one["batch"] == BATCHES[1] and one["stage"] in {"raw", "validated"}
        }
    again = "made again without the rows"
    assert told[False] == {"raw": again, "validated": again}
    lost = "removed: its file is not what is declared by now, so that it would be refused"
    assert told[True] == {"raw": again, "validated": lost}


def test_a_second_subject_in_batches_whose_model_is_gone(world, retrained):
    """Its scores are carried over, without the rows: nobody can make them again."""
    earlier = newest(world.instance, key(world.pipeline, "predictions"), BATCHES[2])
    scores = world.platform.snapshots.load(earlier.snapshot)
    said = mldebt("forget", "parcels", "--subject", OTHER, "--reason", WHY, "--json")
    assert said.code == 0, said.err
    assert {one["batch"] for one in said.document["snapshots"]} == {*BATCHES, retrained}
    made = newest(world.instance, key(world.pipeline, "predictions"), BATCHES[2])
    left = world.platform.snapshots.load(made.snapshot)
    assert len(left) == len(scores) - 1
    assert set(left["weights_sha256"]) == set(scores["weights_sha256"])
    assert left.merge(scores)["score"].tolist() == left["score"].tolist()
    assert places_of(world, OTHER, pseudonym(world, OTHER)) == []
    for command in (["verify"], ["drift", "--last", "9"], ["retraining"], ["status"]):
        told = mldebt(command[0], "parcels", *command[1:], "--json")
        assert told.code == 0, told.err or told.out
    assert world.replay().failed == ()
    assert outstanding(facts_of(world)) == []
