"""Personal data that nobody declared is not stored; what is pseudonymised is never stored clear."""

import dataclasses
import gzip
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.prediction import ids_of_key
from mldebt_assets.assets.collecting import SCAN, collect, key_of
from mldebt_assets.assets.keys import key
from mldebt_assets.automation.arrivals import all_arrivals
from mldebt_assets.core.errors import (
    BatchRefusedError,
    DeclarationError,
    PersonalDataError,
    PseudonymKeyError,
)
from mldebt_assets.core.features import row_ids
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.privacy.declared import CHECK
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms
from mldebt_assets.definitions import define
from mldebt_assets.diagnosis import pseudonym_key
from mldebt_assets.pipeline import Allow, Column, Deny, Pseudonymise, Retraining, Split
from mldebt_assets.pseudonym_key import (
    FILE_VARIABLE,
    KEY_VARIABLE,
    pseudonyms_of_this_machine,
)
from mldebt_assets.snapshots import newest
from mldebt_assets.store import Blob
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt

SECRET = "0123456789abcdef" * 4
BATCH = sample.BATCHES[0]
CONTACT = Column(name="contact", dtype="string", meaning="who sent it", nullable=True)


def with_contacts(batch):
    """Return a batch's rows with an e-mail address in each fourth."""
    table = sample.rows(batch)
    contacts = [f"lovelace{row}@example.org" if row % 4 == 0 else None for row in range(len(table))]
    return table.assign(contact=contacts)


def declaring(pipeline, *columns, **others):
    """Return the pipeline with more columns, and its first champion after one batch."""
    everything = (*pipeline.columns, *columns)
    return dataclasses.replace(
        pipeline,
        columns=everything,
        retraining=Retraining(first_batches=1),
        split=Split(group="day", held_out_fraction=0.4),
        **others,
    )


def contact(privacy, **others):
    return dataclasses.replace(CONTACT, privacy=privacy, **others)


def bytes_below(*folders):
    return [file for folder in folders for file in folder.rglob("*") if file.is_file()]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose only pipeline is the sample, with a contact in each batch."""
    with (
        installation(tmp_path_factory.mktemp("private")) as made,
        pytest.MonkeyPatch.context() as p,
    ):
        p.setenv(KEY_VARIABLE, SECRET)
        p.delenv(FILE_VARIABLE, raising=False)
        sample.write_batch(made.landing, BATCH, with_contacts(BATCH))
        yield made


def declare(world, *columns):
    world.pipeline = declaring(sample.pipeline(world.landing), *columns)
    world.definitions = define([world.pipeline])
    return world.pipeline


@pytest.fixture(scope="module")
def refused(world):
    """The replay of a pipeline that declares the column, and not what becomes of it."""
    declare(world, CONTACT)
    outcome = world.replay()
    facts = world.platform.record("parcels").facts()
    return outcome, facts[-1]


def test_a_batch_with_undeclared_personal_data_is_refused(world, refused):
    outcome, fact = refused
    (told,) = outcome.failed
    assert (told.alarm, fact.kind, fact.body["class"]) == (
        "personal data", "batch_refused", "personal data",
    )  # fmt: skip
    assert "'contact' seems to hold a kind of personal data, e-mail address in" in told.problem
    assert "lovelace" not in told.problem
    assert "write `privacy=Pseudonymise()` or `privacy=Allow(reason='…')`" in told.problem


def test_nothing_of_it_is_stored_but_its_hash(world, refused):
    """A copy in the cache would be one more place to forget."""
    landed = (world.landing / f"{BATCH}.csv").read_bytes()
    assert refused[1].body["raw"] is None
    assert refused[1].body["unstored"] == {"sha256": sha256(landed), "bytes": len(landed)}
    assert newest(world.instance, key(world.pipeline, "raw"), BATCH) is None
    stored = bytes_below(world.home.root, Path(world.home.remote_url))
    assert [file for file in stored if b"lovelace" in file.read_bytes()] == []


def test_the_check_on_raw_fails_with_the_edit(world, refused):
    history = world.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key(world.pipeline, "raw"), CHECK), limit=1
    )
    evaluation = history[0].evaluation
    assert (evaluation.passed, evaluation.partition) == (False, BATCH)
    assert evaluation.metadata["measured"].value == 1


def test_status_and_replay_say_so(world, refused, monkeypatch):
    monkeypatch.setattr(pipelines, "PIPELINES", (world.pipeline,))
    (one,) = mldebt("status", "parcels", "--json").document["refused"]
    assert (one["batch"], one["alarm"], one["scored"]) == (BATCH, "personal data", False)
    assert "privacy=Pseudonymise()" in one["fix"]


def test_the_same_bytes_wait_for_another_declaration(world, refused):
    said = all_arrivals(world.instance, world.pipeline, world.platform, datetime.now(UTC))
    assert isinstance(said, dg.SkipReason)


@pytest.fixture(scope="module")
def taken_in(world, refused):
    """The replay once the column is declared as the edit says."""
    declare(world, contact(Pseudonymise()))
    return world.replay()


def test_declared_as_the_edit_says_it_is_taken_in(world, taken_in):
    assert (taken_in.settled, taken_in.failed) == ((BATCH,), ())
    assert taken_in.chapters[-1].champion == 1


def test_the_snapshot_has_pseudonyms_where_the_file_has_values(world, taken_in):
    """And is, byte for byte, the file apart from them."""
    stored = newest(world.instance, key(world.pipeline, "raw"), BATCH)
    data = world.platform.snapshots.load(stored.snapshot).data
    lines = (world.landing / f"{BATCH}.csv").read_bytes().splitlines(keepends=True)
    made = Pseudonyms(SECRET.encode())
    expected = [lines[0]]
    for line in lines[1:]:
        head, _, name = line.rstrip(b"\n").rpartition(b",")
        expected.append(head + b"," + (name and made.of(name).encode()) + b"\n")
    assert data == b"".join(expected)
    assert stored.metadata["pseudonym key"] == made.key_id
    assert stored.metadata["landed_sha256"] == sha256(b"".join(lines))
    assert stored.metadata[SCAN]["declared"] == {"contact": "pseudonymised"}


def test_neither_a_clear_value_nor_the_key_is_anywhere_in_the_home(world, taken_in):
    files = bytes_below(world.home.root, Path(world.home.remote_url))
    assert len(files) > 50
    for file in files:
        assert not {b"lovelace", SECRET.encode()} & {
            word for word in (b"lovelace", SECRET.encode()) if word in file.read_bytes()
        }


def test_the_landed_file_is_not_taken_in_twice(world, taken_in):
    """What is stored has another hash than what landed."""
    said = all_arrivals(world.instance, world.pipeline, world.platform, datetime.now(UTC))
    assert isinstance(said, dg.SkipReason)
    assert world.replay().settled == ()


def test_the_fourth_question_has_its_evidence(world, taken_in, monkeypatch):
    monkeypatch.setattr(pipelines, "PIPELINES", (world.pipeline,))
    answer = mldebt("status", "parcels", "--json").document["questions"]["personal_data"]
    assert (answer["answer"], answer["standing"], answer["due"]) == (
        "declared: contact (e-mail address, pseudonymised); 1 batch scanned, none undeclared",
        "ok",
        True,
    )
    assert answer["evidence"]["asset"] == "parcels/training_set"
    assert answer["evidence"]["unscanned"] == []
    assert answer["link"].endswith("/assets/parcels/training_set")


def test_another_key_is_refused_before_anything_runs(world, taken_in, monkeypatch):
    """Equal persons would become two."""
    monkeypatch.setenv(KEY_VARIABLE, "another secret key of forty characters..")
    pinned = key_of(world.platform.record("parcels").facts())
    with pytest.raises(PseudonymKeyError, match=rf"is another one \(id .*begun with \(id {pinned}"):
        world.replay()


ADA = "lovelace0@example.org"


def test_a_row_is_found_by_the_clear_value_of_its_key_where_the_pseudonyms_key_is(
    world, taken_in, monkeypatch
):
    """Whoever is asked about a person has the name, not what stands for it."""
    named = declaring(sample.pipeline(world.landing), contact(Pseudonymise(), nullable=False))
    pipeline = dataclasses.replace(named, row_key=("contact",))
    hidden = Pseudonyms(SECRET.encode()).of(ADA.encode())
    wanted = set(row_ids(pd.DataFrame({"contact": [hidden]}), ("contact",)))
    assert ids_of_key(world.platform, pipeline, f"contact={ADA}") == wanted
    monkeypatch.delenv(KEY_VARIABLE)
    assert ids_of_key(world.platform, pipeline, f"contact={hidden}") == wanted
    with pytest.raises(PseudonymKeyError, match="is missing") as refused:
        ids_of_key(world.platform, pipeline, f"contact={ADA}")
    assert ADA not in str(refused.value)


@pytest.mark.parametrize(
    ("secret", "told"),
    [
        (SECRET, "the one it was begun with"),
        ("", "is missing, and without it"),
        ("x" * 40, "is another one"),
    ],
    ids=["the same", "missing", "another"],
)
def test_the_doctor_looks_at_the_key_where_a_pipeline_needs_one(
    world, taken_in, monkeypatch, secret, told
):
    """Else the next batch is the first to say so, at night."""
    monkeypatch.setenv(KEY_VARIABLE, secret)
    found = pseudonym_key(world.home, world.pipeline)
    assert found.passed is (secret == SECRET)
    assert told in found.reason
    assert ("Fix: " in found.reason) is not found.passed
    assert not secret or secret not in found.reason
    assert pseudonym_key(world.home, sample.pipeline(world.landing)).passed


def collected(world, pipeline, table, suffix=".csv"):
    data = table if isinstance(table, bytes) else table.to_csv(index=False).encode()
    return collect(
        pipeline,
        world.platform,
        asset=key(pipeline, "raw"),
        columns=pipeline.source_columns,
        batch="b",
        blob=Blob(data, suffix),
        limits=pipeline.source.limits,
    )


def test_without_declared_privacy_the_very_bytes_are_stored(world):
    """Pointers, hashes and `mldebt fetch` stand on that."""
    data = sample.rows(BATCH).to_csv(index=False, lineterminator="\r\n").encode()
    found = collected(world, sample.pipeline(world.landing), data)
    assert found.blob.data == data
    assert set(found.facts) == {SCAN}
    assert found.check.passed


def test_what_is_allowed_with_a_reason_is_stored_as_it_is(world):
    pipeline = declaring(
        sample.pipeline(world.landing), contact(Allow(reason="staff, by contract"))
    )
    found = collected(world, pipeline, with_contacts(BATCH))
    assert b"lovelace" in found.blob.data
    assert "contact (allowed: staff, by contract)" in found.check.description


def test_a_packed_file_is_looked_into_and_stored_unpacked(world):
    """Packing must not carry anything past the scan."""
    data = with_contacts(BATCH).to_csv(index=False).encode()
    with pytest.raises(PersonalDataError, match="'contact' seems to hold"):
        collected(world, declaring(sample.pipeline(world.landing), CONTACT), gzip.compress(data))
    pipeline = declaring(sample.pipeline(world.landing), contact(Pseudonymise()))
    bare = collected(world, pipeline, data).blob
    assert collected(world, pipeline, gzip.compress(data), ".csv.gz").blob == bare


def test_a_denied_column_that_has_values_is_refused(world):
    pipeline = declaring(sample.pipeline(world.landing), contact(Deny()))
    with pytest.raises(PersonalDataError, match=r"'contact' has values, and is declared as never"):
        collected(world, pipeline, with_contacts(BATCH))


@pytest.mark.parametrize("there", [True, False])
def test_a_denied_column_that_is_empty_or_missing_leaves_no_trace(world, there):
    rows = sample.rows(BATCH)
    pipeline = declaring(sample.pipeline(world.landing), contact(Deny()))
    found = collected(world, pipeline, rows.assign(contact=None) if there else rows)
    assert found.blob.data == rows.to_csv(index=False).encode()
    assert pipeline.batch_columns == sample.pipeline(world.landing).columns


def test_a_column_to_pseudonymise_under_another_name_is_not_stored(world):
    """An identifier looks like nothing, so no scan would notice."""
    pipeline = declaring(sample.pipeline(world.landing), contact(Pseudonymise()))
    renamed = sample.rows(BATCH).assign(sender="c17")
    with pytest.raises(BatchRefusedError, match=r"no column 'contact', which is to be pseudonymis"):
        collected(world, pipeline, renamed)


def test_rows_out_of_step_are_not_stored_where_a_column_is_to_be_pseudonymised(world):
    pipeline = declaring(sample.pipeline(world.landing), contact(Pseudonymise()))
    data = with_contacts(BATCH).assign(contact="c17").to_csv(index=False).encode()
    with pytest.raises(BatchRefusedError, match="its rows have not as many fields"):
        collected(world, pipeline, data + b"x,c18\n")


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "is missing, and without it"),
        ({KEY_VARIABLE: "short"}, "has 5 characters; short ones can be guessed"),
        ({KEY_VARIABLE: SECRET, FILE_VARIABLE: "file"}, "is given twice"),
        ({FILE_VARIABLE: "file"}, "which others may read"),
        ({FILE_VARIABLE: "gone"}, "cannot be read from"),
    ],
    ids=["missing", "short", "twice", "readable by others", "no file"],
)
def test_a_key_that_is_not_safe_is_refused_and_never_told(
    environment, problem, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text(SECRET)
    (tmp_path / "file").chmod(0o640)
    for name in (KEY_VARIABLE, FILE_VARIABLE):
        monkeypatch.setenv(name, environment.get(name, ""))
    with pytest.raises(PseudonymKeyError, match=problem) as refused:
        pseudonyms_of_this_machine()
    assert SECRET not in str(refused.value)
    assert "\nFix: " in str(refused.value)


def test_a_key_in_a_file_of_its_owner_is_the_same_key(monkeypatch, tmp_path):
    """With the line end that every editor leaves."""
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setenv(FILE_VARIABLE, str(file))
    assert pseudonyms_of_this_machine().key_id == Pseudonyms(SECRET.encode()).key_id


@pytest.mark.parametrize(
    ("privacy", "problem"),
    [(Deny(), "uses depot, which its privacy denies"), (Pseudonymise(), "is a group of one")],
    ids=["denied", "pseudonymised"],
)
def test_no_group_is_promised_by_what_may_not_be_known(tmp_path, privacy, problem):
    """The rows of one pseudonym are one person: telling of them tells of somebody."""
    pipeline = dataclasses.replace(sample.pipeline(tmp_path), groups={"depot": "depot"})
    columns = tuple(
        dataclasses.replace(one, privacy=privacy) if one.name == "depot" else one
        for one in pipeline.columns
    )
    with pytest.raises(DeclarationError, match=problem):
        dataclasses.replace(pipeline, columns=columns)


@pytest.mark.parametrize(
    ("name", "column", "problem"),
    [
        ("noise", {"name": "depot", "noise": 1.0}, r"the noise of depot \(string\) is 1"),
        ("time", {"name": "sent_at", "privacy": Deny()}, "uses sent_at, which its privacy denies"),
        ("int", {"name": "parcel", "privacy": Pseudonymise()}, "parcel is pseudonymised, so it is"),
    ],
)
def test_a_declaration_that_cannot_be_kept_is_refused(tmp_path, name, column, problem):
    pipeline = sample.pipeline(tmp_path)
    columns = tuple(
        dataclasses.replace(one, **column) if one.name == column["name"] else one
        for one in pipeline.columns
    )
    with pytest.raises(DeclarationError, match=problem):
        dataclasses.replace(pipeline, columns=columns)
