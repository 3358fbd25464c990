"""A batch with another schema is called one wherever a person looks, and an edit accepts it."""

import dataclasses
from datetime import UTC, datetime

import dagster as dg
import pytest

from mldebt_assets.assets.keys import key
from mldebt_assets.automation.arrivals import all_arrivals, next_arrival
from mldebt_assets.core.errors import DeclarationError, SchemaChangedError
from mldebt_assets.core.tables import parse
from mldebt_assets.definitions import define
from mldebt_assets.monitoring.alerts import newest_end, tell_what_is_new
from mldebt_assets.monitoring.channels import VARIABLE
from mldebt_assets.pipeline import Column
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.monitoring.listener import listening
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import of

CHANGED, LAST = BATCHES[3:5]
RENAMED = "distance_km"


@pytest.fixture(scope="module")
def world(begun, tmp_path_factory):
    """An installation with a champion, in whose fourth batch a column is called otherwise."""
    with installation(tmp_path_factory.mktemp("schema"), like=begun) as made:
        rows = sample.rows(CHANGED).rename(columns={RENAMED: "Distance km"})
        sample.write_batch(made.landing, CHANGED, rows)
        yield made


@pytest.fixture(scope="module")
def refused(world):
    """What `mldebt replay` says of it, and the event log's end before."""
    before = newest_end(world.instance)
    return mldebt("replay", "parcels"), mldebt("replay", "parcels", "--json"), before


def test_the_replay_names_it_in_its_line_and_in_its_document(world, refused):
    said, as_json, _ = refused
    assert said.code == 1
    assert f"{CHANGED}  schema change  The batch '{CHANGED}' is refused: schema change" in said.err
    told = as_json.document["batches"][-1]
    assert (told["batch"], told["alarm"]) == (CHANGED, "schema change")
    assert "'distance_km' seems to be called 'Distance km' now (near spelling)" in told["problem"]


def test_the_record_holds_class_changes_and_the_edit(world, refused):
    (fact,) = [f for f in world.platform.record("parcels").facts() if f.kind == "batch_refused"]
    (change,) = fact.body["changes"]
    assert (fact.body["class"], change["change"]) == ("schema change", "renamed")
    assert change["edit"] == 'in `Column(name="distance_km", …)` write `name="Distance km"`'
    assert change["evidence"] == {"called now": "Distance km", "by": "near spelling"}


def test_the_check_on_the_columns_fails_with_it(world, refused):
    asset = dg.AssetCheckKey(key(world.pipeline, "validated"), "columns_declared")
    history = world.instance.event_log_storage.get_asset_check_execution_history(asset, limit=1)
    evaluation = history[0].evaluation
    assert (evaluation.passed, evaluation.partition) == (False, CHANGED)
    assert evaluation.description.startswith("schema change: 'distance_km' seems to be called")
    assert evaluation.metadata["schema change"].records[0].data["change"] == "renamed"


def test_status_names_it_with_the_edit(world, refused, tmp_path):
    page = tmp_path / "status.html"
    (one,) = mldebt("status", "parcels", "--json").document["refused"]
    assert (one["batch"], one["alarm"], one["scored"]) == (CHANGED, "schema change", False)
    assert 'write `name="Distance km"`' in one["fix"]
    said = " ".join(mldebt("status", "parcels", "--html", str(page)).out.split())
    assert f"{CHANGED} schema change, learned by nobody: The batch" in said
    assert f"<b>{CHANGED}: schema change</b>" in page.read_text(encoding="utf-8")


def test_retraining_says_that_nothing_was_decided_on_it(world, refused):
    told = mldebt("retraining", "parcels", "--json").document["decisions"][-1]
    assert (told["batch"], told["about"], told["asked"]) == (CHANGED, "refused", False)
    assert told["evidence"][0]["summary"] == "schema change"
    assert f"{CHANGED}  refused" in mldebt("retraining", "parcels").out


def test_the_alert_names_it(world, refused, monkeypatch):
    with listening() as service:
        monkeypatch.setenv(VARIABLE, service.address)
        cursor = f'{{"seen": {refused[2]}, "standings": []}}'
        tell_what_is_new(*of(world)[:2], [world.pipeline], cursor, datetime.now(UTC))
        assert f"batch {CHANGED} was refused: schema change" in str(service.taken)


def test_the_same_bytes_wait_for_another_declaration(world, refused):
    """Nothing else would take them."""
    said = all_arrivals(world.instance, world.pipeline, world.platform, datetime.now(UTC))
    assert isinstance(said, dg.SkipReason)


@pytest.fixture(scope="module")
def accepted(world, refused):
    """The pipeline as the edit asks, and its replay."""
    columns = tuple(
        dataclasses.replace(one, name="Distance km") if one.name == RENAMED else one
        for one in world.pipeline.columns
    )

    def features(parcels):
        return sample.features(parcels.rename(columns={"Distance km": RENAMED}))

    world.pipeline = dataclasses.replace(world.pipeline, columns=columns, features=features)
    world.definitions = define([world.pipeline])
    context = dg.build_sensor_context(
        instance=world.instance, instance_ref=world.instance.get_ref(), cursor=refused_cursor(world)
    )
    tick = next_arrival(context, world.pipeline, world.platform, datetime.now(UTC))
    return tick, world.replay()


def refused_cursor(world):
    """Return what the daemon has noted as settled under the former declaration."""
    marks = {path.stem: "any" for path in world.landing.iterdir()}
    return f'{{"declared": "another", "settled": {str(marks).replace(chr(39), chr(34))}}}'


def test_the_edit_has_the_refused_bytes_looked_at_again(world, accepted):
    """The daemon too, which had settled them."""
    tick, outcome = accepted
    assert tick.run_requests[0].partition_key == CHANGED
    assert "declared otherwise" in tick.run_requests[0].tags["mldebt/reason"]
    assert (outcome.settled, outcome.chapters[-1].problem) == ((CHANGED,), None)
    assert newest(world.instance, key(world.pipeline, "validated"), CHANGED) is not None


def test_it_is_refused_no_more_for_anybody(world, accepted):
    assert accepted[1].chapters[-1].alarm in {"no alarm", "real shift"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mldebt_assets.pipelines.PIPELINES", (world.pipeline,))
        assert mldebt("status", "parcels", "--json").document["refused"] == []


@pytest.fixture(scope="module")
def wider(begun, tmp_path_factory):
    """An installation whose fourth batch brought a column, which was accepted by the asked line."""
    with installation(tmp_path_factory.mktemp("wider"), like=begun) as made:
        sample.write_batch(made.landing, CHANGED, sample.rows(CHANGED).assign(channel="web"))
        assert len(made.replay().failed) == 1
        (fact,) = [f for f in made.platform.record("parcels").facts() if f.kind == "batch_refused"]
        (change,) = fact.body["changes"]
        line = change["edit"].partition("`")[2].partition("`")[0].rstrip(",")
        column = eval(line, {"Column": Column})  # noqa: S307
        columns = (*made.pipeline.columns, column)
        made.pipeline = dataclasses.replace(made.pipeline, columns=columns)
        made.definitions = define([made.pipeline])
        outcome = made.replay()
        assert (outcome.settled, outcome.failed) == ((CHANGED,), ())
        yield made


def test_a_column_that_came_is_asked_of_no_earlier_batch(wider):
    """Else nothing could make those batches again: not a release, and not a forgetting."""
    job = wider.definitions.get_repository_def().get_job("parcels_batch")
    again = job.execute_in_process(instance=wider.instance, partition_key=BATCHES[0])
    assert again.success
    made = newest(wider.instance, key(wider.pipeline, "validated"), BATCHES[0])
    table = wider.platform.snapshots.load(made.snapshot)
    assert (made.metadata["rows in quarantine"], len(table)) == (0, len(sample.rows(BATCHES[0])))
    assert table["channel"].isna().all()


def test_a_later_batch_still_needs_the_column(wider):
    """It is missing there, and that is a change of the schema."""
    rows = sample.rows(LAST).to_csv(index=False).encode()
    with pytest.raises(SchemaChangedError, match="lacks column 'channel'"):
        parse(rows, batch=LAST, columns=wider.pipeline.columns)


@pytest.mark.parametrize("name", ["day", "sent_at", "parcel"])
def test_what_names_a_row_cannot_have_come_later(tmp_path, name):
    """Earlier rows would have no key, no time, no group and nobody."""
    made = sample.pipeline(tmp_path)
    columns = tuple(
        dataclasses.replace(one, since=LAST) if one.name == name else one for one in made.columns
    )
    with pytest.raises(DeclarationError, match=f"{name} came with a later batch"):
        dataclasses.replace(made, columns=columns)
