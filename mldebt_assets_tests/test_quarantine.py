"""Rows in quarantine: looked at, mended, released, and part of the lineage from then on."""

from __future__ import annotations

import csv
import dataclasses
import io
from datetime import UTC, datetime

import pytest

from mldebt_assets import definitions, pipelines, releasing
from mldebt_assets.answers.quarantine import rows_waiting
from mldebt_assets.assets.keys import key
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.definitions import define
from mldebt_assets.pipeline import Column
from mldebt_assets.promotions import champion_of
from mldebt_assets.snapshots import newest
from mldebt_assets.store import encode
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt

BATCH, OTHER, *_ = BATCHES = sample.BATCHES[:3]
FORMULA = "=cmd|' /C calc'!A0"
WHY = "the depot wrote them wrongly"


def dirty(batch):
    """Return a batch with rows that break rules: 2 of an expectation, 2 of bounds, 1 of the key."""
    table = sample.rows(batch).assign(note="fine")
    table.loc[3, "note"] = FORMULA
    table.loc[[3, 4], "depot"] = "east"
    table.loc[[5, 6], "weight_kg"] = -1.0
    table.loc[8, "parcel"] = table.loc[7, "parcel"]
    return table


def declared(pipeline):
    note = Column(name="note", dtype="string", meaning="what the depot noted")
    return dataclasses.replace(pipeline, columns=(*pipeline.columns, note))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation with a champion, and five rows of its first batch in quarantine."""
    with (
        installation(tmp_path_factory.mktemp("quarantine")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLDEBT_USER", "grace@depot")
        patch.setenv("MLDEBT_PSEUDONYM_KEY", "0123456789abcdef" * 4)
        made.pipeline = declared(sample.pipeline(made.landing))
        made.definitions = define([made.pipeline])
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setattr(definitions, "defs", made.definitions)
        sample.write_batch(made.landing, BATCH, dirty(BATCH))
        for batch in BATCHES[1:]:
            clean = sample.rows(batch).assign(note="fine")
            clean.loc[0, "depot"] = "west"
            sample.write_batch(made.landing, batch, clean)
        assert made.replay().failed == ()
        yield made


def asked(*options):
    return mldebt("quarantine", "parcels", *options)


def release(*options, batch=BATCH):
    said = asked("--batch", batch, "--release", "--reason", WHY, *options, "--json")
    assert said.code in {0, 1}, said.err
    return said.document["released"]


def table_of(file):
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def written(file, rows):
    with file.open("w", encoding="utf-8", newline="") as open_file:
        writer = csv.DictWriter(open_file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return file


def stored(world, stage, batch=BATCH):
    return newest(world.instance, key(world.pipeline, stage), batch)


def test_quarantine_is_looked_at_mended_and_released(world, tmp_path, monkeypatch):
    """From the first look to the proof that lineage, verify, reproduce and forget still hold."""
    said = asked("--json").document
    assert {one["batch"]: one["rows"] for one in said["batches"]} == {
        BATCH: 5,
        **dict.fromkeys(BATCHES[1:], 1),
    }
    first = said["batches"][0]
    assert first["reasons"] == {
        "depot does not meet ExpectColumnValuesToBeInSet": 2,
        "weight_kg is outside 0 to 100": 2,
        "the row key (day, parcel) repeats an earlier row's": 1,
    }
    assert mldebt("status", "parcels", "--json").document["quarantined"][BATCH] == 5
    assert "7 rows of 3 batches wait in quarantine" in mldebt("status", "parcels").out
    assert "--release" in stored(world, "quarantine").metadata["what to do"]
    assert stored(world, "released") is None
    before, champion = stored(world, "validated"), champion_of(facts_of(world))

    file = tmp_path / "apart.csv"
    assert asked("--batch", BATCH, "--export", str(file)).code == 0
    rows = table_of(file)
    assert rows[0]["note"] == f"'{FORMULA}"
    refused_files(rows, tmp_path)

    # One row mended as to its weight, one as to its key; a third still breaks a bound.
    rows[2]["weight_kg"], rows[4]["parcel"] = "4.5", "999"
    mended = written(tmp_path / "mended.csv", rows[2:])
    with monkeypatch.context() as patch:
        patch.setattr(releasing.Releasing, "_carry_out", killed)
        with pytest.raises(KeyboardInterrupt):
            work(world).release(mended.read_bytes(), releasing_now())
    assert stored(world, "released") is None
    done = release("--mended", str(mended))
    assert (done["rows"], done["mended"], done["by"]) == (2, 2, "grace@depot")
    assert [one["reason"] for one in done["stays"]] == ["weight_kg is outside 0 to 100"]
    assert rows_waiting(world.instance, world.pipeline)[BATCH] == 3

    made, kept = stored(world, "validated"), stored(world, "released")
    assert made.reads["parcels/released"][BATCH] == [kept.snapshot.sha256, kept.storage_id]
    assert made.metadata["dagster/row_count"] == before.metadata["dagster/row_count"] + 2
    features = stored(world, "features")
    assert features.reads["parcels/validated"][BATCH][0] == made.snapshot.sha256

    again = release("--mended", str(mended))
    assert (again["rows"], again["fact"]) == (0, done["fact"])
    assert stored(world, "validated").storage_id == made.storage_id
    said = asked("--batch", BATCH, "--release", "--mended", str(mended), "--reason", "as asked")
    assert "none released now; rows of it were before, by grace@depot" in said.out

    # As they are: a person answers for the declared expectation, and never for the bound.
    done = release()
    assert (done["rows"], done["mended"], len(done["stays"])) == (2, 0, 1)
    table = world.platform.snapshots.load(stored(world, "validated").snapshot)
    assert (table["depot"] == "east").sum() == 2
    assert FORMULA in set(table["note"])
    assert {4.5, 999}.issubset({*table["weight_kg"], *table["parcel"]})
    assert stored(world, "released").metadata["dagster/row_count"] == 4
    assert rows_waiting(world.instance, world.pipeline)[BATCH] == 1
    nothing = asked("--batch", BATCH, "--release", "--reason", WHY, "--json")
    assert (nothing.code, nothing.document["released"]["rows"]) == (1, 0)
    assert champion_of(facts_of(world)) == champion

    take_in_again(world)
    assert stored(world, "validated").snapshot.sha256 == encoded(table)


def refused_files(rows, tmp_path):
    """Nothing is released of a file that is not what was exported, and each says how to go on."""
    wrong = {
        "not in the quarantine": [{**rows[0], "quarantined": "0" * 16}],
        "more than once": [rows[0], rows[0]],
        "another row key": [{**rows[0], "parcel": "17"}],
        "undeclared column 'more'": [{**rows[0], "more": "x"}],
        "lacks column 'quarantined'": [{k: v for k, v in rows[0].items() if k != "quarantined"}],
        "not numbers": [{**rows[0], "weight_kg": "heavy"}],
    }
    for told, table in wrong.items():
        file = str(written(tmp_path / "wrong.csv", table))
        said = asked("--batch", BATCH, "--release", "--reason", WHY, "--mended", file)
        assert (said.code, said.out) == (1, ""), told
        assert told in said.err
        assert "Fix: " in said.err
    file = str(written(tmp_path / "wrong.csv", rows))
    said = asked("--batch", "2020-09", "--release", "--reason", WHY)
    assert f"there are: {', '.join(BATCHES)}" in said.err
    said = asked("--batch", OTHER, "--release", "--reason", WHY, "--mended", file)
    assert "not in the quarantine of" in said.err


def test_what_learned_of_released_rows_is_traced_and_reproduced(world):
    """A version that learned of them stands on the released snapshot as on the raw bytes."""
    version = str(world.retrain())
    told = mldebt("lineage", "parcels", "--version", version, "--json").document
    kept = stored(world, "released")
    assert told["training_set"]["batches"][0]["released"] == kept.identity
    proof = mldebt("reproduce", "parcels", "--version", version, "--json").document
    assert proof["verdict"] == "bit-identical", proof


def test_somebody_is_forgotten_in_what_was_released_too(world):
    """A mended row is theirs as much as the raw one; what others' rows were released stays."""
    rows = world.platform.snapshots.load(stored(world, "released").snapshot)
    theirs, others = int((rows["parcel"] == 999).sum()), int((rows["parcel"] != 999).sum())
    assert (theirs, others) == (1, 3)
    said = mldebt("forget", "parcels", "--subject", "999", "--reason", "asked for", "--json")
    assert said.code == 0, said.err
    left = world.platform.snapshots.load(stored(world, "released").snapshot)
    assert len(left) == others
    table = world.platform.snapshots.load(stored(world, "validated").snapshot)
    assert 999 not in set(table["parcel"])
    assert (table["depot"] == "east").sum() == 2
    assert not [
        one
        for one in mldebt("verify", "parcels", "--json").document["problems"]
        if "forgotten" in one["what"]
    ]


def facts_of(world):
    return world.platform.record("parcels").facts()


def releasing_now():
    return datetime.now(UTC)


def work(world):
    return releasing.Releasing(
        world.instance,
        world.platform,
        world.pipeline,
        world.definitions.get_repository_def(),
        BATCH,
        "grace@depot",
        WHY,
    )


def killed(*_):
    raise KeyboardInterrupt


def take_in_again(world):
    result = (
        world.definitions.get_repository_def()
        .get_job("parcels_batch")
        .execute_in_process(instance=world.instance, partition_key=BATCH, raise_on_error=False)
    )
    assert result.success


def encoded(table):
    return sha256(encode(table).data)
