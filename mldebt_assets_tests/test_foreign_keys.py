"""Foreign keys: what references no row is put apart, and by which values is part of the lineage."""

from __future__ import annotations

import dataclasses
import sqlite3

import pytest

from mldebt_assets import definitions, pipelines
from mldebt_assets.assets.keys import key
from mldebt_assets.core.errors import DeclarationError, NoSuchFileError, TableFileError
from mldebt_assets.definitions import define
from mldebt_assets.pipeline import Column, ForeignKey, Pseudonymise
from mldebt_assets.snapshots import newest
from mldebt_assets.sources.referenced import read_references
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt

FIRST, SECOND, THIRD, *_ = sample.BATCHES
WHY = "the depot was opened in January"
NO_MATCH = "depot has no match in depots.csv"


def referring(pipeline, *keys):
    return dataclasses.replace(pipeline, expectations=(), foreign_keys=keys)


def of_depots(folder, **given):
    return ForeignKey(columns=("depot",), url=str(folder / "depots.csv"), **given)


def write_depots(folder, *depots, name="depot"):
    (folder / "depots.csv").write_text("\n".join([f"{name},city", *(f"{d},X" for d in depots), ""]))


def eastern(batch, count):
    table = sample.rows(batch)
    table.loc[: count - 1, "depot"] = "east"
    return table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose first batch has five parcels of a depot that nobody has listed yet."""
    with (
        installation(tmp_path_factory.mktemp("foreign_keys")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLDEBT_USER", "grace@depot")
        patch.setenv("MLDEBT_PSEUDONYM_KEY", "0123456789abcdef" * 4)
        folder = made.landing.parent
        made.pipeline = referring(sample.pipeline(made.landing), of_depots(folder))
        made.definitions = define([made.pipeline])
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setattr(definitions, "defs", made.definitions)
        write_depots(folder, "north", "south", "west")
        sample.write_batch(made.landing, FIRST, eastern(FIRST, 5))
        assert made.replay().failed == ()
        yield made


def stored(world, stage, batch=FIRST):
    return newest(world.instance, key(world.pipeline, stage), batch)


def refusals_of(world):
    return [f for f in world.platform.record("parcels").facts() if f.kind == "batch_refused"]


def test_a_row_without_match_goes_to_quarantine_and_the_values_are_read(world):
    """Whoever asks later which list of depots a batch was held against finds its very values."""
    said = mldebt("quarantine", "parcels", "--batch", FIRST, "--json").document
    assert said["batches"][0]["reasons"] == {NO_MATCH: 5}
    references = stored(world, "references")
    assert world.platform.snapshots.load(references.snapshot) == {
        "depot": [["north"], ["south"], ["west"]]
    }
    read = stored(world, "validated").reads["parcels/references"]
    assert read == {FIRST: [references.snapshot.sha256, references.storage_id]}
    [table] = references.metadata["tables"]
    assert table["uri"].endswith("depots.csv")
    assert len(table["sha256"]) == 64


def test_a_refused_batch_is_judged_anew_once_the_table_has_changed(world):
    """Nobody has to touch the batch where the list was what was wrong; the same list changes none.

    What was judged by the shorter list stays as it was, until a person answers for the rows.
    """
    folder = world.landing.parent
    sample.write_batch(world.landing, SECOND, eastern(SECOND, 500))
    [refused] = world.replay().failed
    assert NO_MATCH in refused.problem
    assert "or complete the table that it references" in refused.problem
    assert stored(world, "validated", SECOND) is None
    assert world.replay().settled == ()
    assert len(refusals_of(world)) == 1

    (folder / "depots.csv").unlink()
    assert world.replay().settled == ()
    write_depots(folder, "north", "south", "west", "east")
    assert [one.batch for one in world.replay().chapters if not one.problem] == [FIRST, SECOND]
    assert stored(world, "quarantine", SECOND).metadata["dagster/row_count"] == 0
    assert len(refusals_of(world)) == 1
    assert world.replay().settled == ()

    before = stored(world, "references")
    asked = ("quarantine", "parcels", "--batch", FIRST, "--release", "--reason", WHY, "--json")
    done = mldebt(*asked).document["released"]
    assert (done["rows"], done["stays"]) == (5, [])
    assert stored(world, "references").snapshot == before.snapshot
    rows = world.platform.snapshots.load(stored(world, "validated").snapshot)
    assert (rows["depot"] == "east").sum() == 5


def test_a_table_that_is_gone_fails_the_run_and_lets_no_row_in(world):
    """A batch that could not be judged is not taken in, and is once it can be."""
    folder = world.landing.parent
    sample.write_batch(world.landing, THIRD)
    (folder / "depots.csv").unlink()
    [failed] = world.replay().failed
    assert "depots.csv" in failed.problem
    assert stored(world, "validated", THIRD) is None
    write_depots(folder, "north", "south", "west", "east")
    assert world.replay().failed == ()
    assert stored(world, "validated", THIRD) is not None


def test_lineage_proof_and_reproduction_stand_on_the_references(world):
    """A version is traced to the values that its batches were held against, and made from them."""
    version = str(world.retrain())
    told = mldebt("lineage", "parcels", "--version", version, "--json").document
    batches = told["training_set"]["batches"]
    assert batches[0]["references"] == stored(world, "references").identity
    write_depots(world.landing.parent, "nowhere")
    proof = mldebt("reproduce", "parcels", "--version", version, "--json").document
    assert proof["verdict"] == "bit-identical", proof
    assert mldebt("verify", "parcels").code == 0


def test_who_is_forgotten_takes_the_references_with_nobody(world):
    """A batch is made again by what it was judged by, whatever the table says by now."""
    before = stored(world, "references")
    said = mldebt("forget", "parcels", "--subject", "7", "--reason", "asked for", "--json")
    assert said.code == 0, said.err
    after, rows = stored(world, "references"), stored(world, "validated")
    assert after.snapshot.sha256 == before.snapshot.sha256
    assert 7 not in set(world.platform.snapshots.load(rows.snapshot)["parcel"])
    assert rows.metadata["rows in quarantine"] == 0


def test_a_key_of_several_columns_and_a_database_are_referenced(tmp_path):
    """Both columns must be those of one row, and whole numbers match however they are stored."""
    with sqlite3.connect(tmp_path / "stock.db") as database:
        database.execute("CREATE TABLE shelves (house TEXT, shelf INTEGER)")
        database.executemany(
            "INSERT INTO shelves VALUES (?, ?)", [("north", 2), ("north", 1), (None, 3)]
        )
    found = ForeignKey(
        columns=("depot", "parcel"),
        references=("house", "shelf"),
        url=f"sqlite:///{tmp_path / 'stock.db'}",
        table="shelves",
    )
    declared = dataclasses.replace(sample.pipeline(tmp_path), subject=None, foreign_keys=(found,))
    values, [origin] = read_references(declared)
    assert values == {"depot, parcel": [["north", 1], ["north", 2]]}
    assert (origin["rows_of"], origin["rows"]) == ("shelves", 3)


@pytest.mark.parametrize(
    ("text", "problem", "told"),
    [
        ("name\nnorth\n", TableFileError, "no column 'depot'"),
        ("depot\n", TableFileError, "no rows"),
        (None, NoSuchFileError, "depots.csv"),
    ],
)
def test_a_table_that_cannot_be_referenced_says_why(tmp_path, text, problem, told):
    """The fault lies with the other table, and the message names it."""
    if text is not None:
        (tmp_path / "depots.csv").write_text(text)
    with pytest.raises(problem, match=told):
        read_references(referring(sample.pipeline(tmp_path), of_depots(tmp_path)))


def test_a_number_is_no_text_in_a_referenced_table(tmp_path):
    """A list whose ids are words cannot be what numbers reference."""
    (tmp_path / "ids.csv").write_text("parcel\nA7\nB8\n")
    key_of = ForeignKey(columns=("parcel",), url=str(tmp_path / "ids.csv"))
    declared = dataclasses.replace(sample.pipeline(tmp_path), subject=None, foreign_keys=(key_of,))
    with pytest.raises(TableFileError, match=r"parcel.*not whole numbers") as raised:
        read_references(declared)
    assert "A7" not in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"columns": ("dépôt",)}, "uses dépôt"),
        ({"columns": ()}, "without columns references 0"),
        ({"references": ("a", "b")}, "references 2 columns"),
        ({"columns": ("weight_kg",)}, "weight_kg is float64"),
        ({"columns": ("sent_at",)}, "sent_at is timestamp"),
        ({"columns": ("parcel",)}, "whose a row is"),
        ({"columns": ("sender",)}, "whose a row is"),
    ],
)
def test_a_foreign_key_that_cannot_be_one_is_refused_at_once(tmp_path, changes, told):
    """Nothing runs until the declaration can be meant."""
    made = sample.pipeline(tmp_path)
    sender = Column(name="sender", dtype="string", meaning="who sent it", privacy=Pseudonymise())
    wide = dataclasses.replace(made, columns=(*made.columns, sender))
    with pytest.raises(DeclarationError, match=told):
        referring(wide, dataclasses.replace(of_depots(tmp_path), **changes))


def test_two_foreign_keys_of_the_same_columns_are_refused(tmp_path):
    """One of the two would silently decide."""
    with pytest.raises(DeclarationError, match="depot is a foreign key twice"):
        referring(sample.pipeline(tmp_path), of_depots(tmp_path), of_depots(tmp_path))
