"""The whole story on a small sample: from raw bytes to a champion that drift has replaced."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import dagster as dg
import mlflow
import numpy as np
import pandas as pd
import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.answers.status import status_of
from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.scorer import NO_CHAMPION
from mldebt_assets.assets.training_set import training_features
from mldebt_assets.core.errors import (
    BatchRefusedError,
    DigestMismatchError,
    MissingInputError,
    UnknownVersionError,
)
from mldebt_assets.core.features import GROUP, LABEL, inputs_of
from mldebt_assets.core.fingerprint import group_fraction, sha256
from mldebt_assets.core.training import fit, from_bytes, predict, to_bytes
from mldebt_assets.jobs import batch_job_name, retraining_job_name
from mldebt_assets.promotions import open_intents
from mldebt_assets.replay import SILENT
from mldebt_assets.snapshots import Reading, as_stored, at_storage_id, newest
from mldebt_assets_tests.sample import BATCHES, DAYS, ROWS_A_DAY, rows
from mldebt_assets_tests.world import installation

FIRST_CHAMPION, CALM, DRIFTED = BATCHES[2:]
ROWS = DAYS * ROWS_A_DAY
ENOUGH = 10_000
PICTURE = re.compile(r"!\[(.*)\]\(data:image/png;base64,(.*)\)")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation in which all five batches have arrived, one after another."""
    with (
        installation(tmp_path_factory.mktemp("story")) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setenv("MLFLOW_TRACKING_URI", made.home.mlflow_uri)
        made.land(*BATCHES)
        made.replay()
        yield made


@pytest.fixture(scope="module")
def told(world):
    """Each batch's story, by the batch's name."""
    return {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}


def facts_of(world, kind):
    return [fact for fact in world.platform.record("parcels").facts() if fact.kind == kind]


def stored(world, stage, batch=None):
    found = newest(world.instance, key(world.pipeline, stage), batch)
    assert found is not None
    return found


def load(world, stage, batch=None):
    return world.platform.snapshots.load(stored(world, stage, batch).snapshot)


def events(world, asset):
    found = world.instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset), limit=ENOUGH, ascending=True
    )
    return [as_stored(record) for record in found.records]


def execute(world, job, **arguments):
    configuration = {**SILENT, **arguments.pop("run_config", {})}
    return (
        world.definitions.get_repository_def()
        .get_job(job)
        .execute_in_process(
            instance=world.instance, run_config=configuration, raise_on_error=False, **arguments
        )
    )


def train_until(world, batch):
    until = {"ops": {"parcels__training_set": {"config": {"until": batch}}}}
    return execute(world, retraining_job_name(world.pipeline), run_config=until)


def versions(world):
    return [version.version for version in world.platform.registry.versions("parcels")]


@pytest.fixture(scope="module")
def equal_candidate(world, told):
    """The champion's own training, asked for once more: its candidate is the champion's equal."""
    before = versions(world)
    assert train_until(world, DRIFTED).success
    return before, facts_of(world, "refused")[-1]


@pytest.fixture(scope="module")
def refused_version(world, equal_candidate):
    """A candidate that has not seen what drifted, and is refused."""
    assert train_until(world, CALM).success
    return facts_of(world, "refused")[-1].body["version"]


def test_the_first_champion_comes_with_the_third_batch(told):
    """Fewer would be a model of nothing; more would leave the rows unserved for longer."""
    assert [told[batch].champion for batch in BATCHES] == [None, None, 1, 1, 2]
    assert [told[batch].retrained for batch in BATCHES] == [False, False, True, False, True]
    assert "3 batches are there" in told[FIRST_CHAMPION].reason


def test_a_calm_batch_retrains_nothing_and_the_decision_says_why(told):
    """Nothing found in few rows is no proof of calm, so the reason says how little was seen."""
    calm = told[CALM]
    assert (calm.drifted, calm.retrained, calm.scored_by) == (False, False, 1)
    assert calm.reason.startswith("The inputs give no cause to train: underpowered")


def test_drift_retrains_and_the_better_candidate_is_promoted(told):
    """This is what the platform is for."""
    drifted = told[DRIFTED]
    assert (drifted.drifted, drifted.retrained, drifted.promoted) == (True, True, True)
    assert "weight_kg" in drifted.reason
    assert "the candidate gains" in drifted.verdict


def test_every_decision_is_recorded_once(world, told):
    """Whoever asks why nothing happened finds the answer in the record, too."""
    assert [fact.body["batch"] for fact in facts_of(world, "decision")] == list(BATCHES)
    assert [fact.body["asked"] for fact in facts_of(world, "decision")] == [
        told[batch].retrained for batch in BATCHES
    ]


def test_before_the_first_champion_predictions_are_empty_tables(world, told):
    """A skipped output would skip the drift report with it."""
    for batch in BATCHES[:3]:
        assert len(load(world, "predictions", batch)) == 0
        assert told[batch].scored_by is None
        assert load(world, "drift_report", batch)["judged"] is False


@pytest.mark.parametrize("batch", [CALM, DRIFTED])
def test_a_batch_is_served_by_the_champion_of_its_time(world, told, batch):
    """A batch scored by a model that has learned from it measures nothing."""
    promotion = facts_of(world, "intent")[0]
    table = load(world, "predictions", batch)
    assert len(table) == ROWS
    assert set(table["weights_sha256"]) == {promotion.body["weights_sha256"]}
    assert set(table["version"]) == {1}
    trained_on = {b["batch"] for b in load_manifest(world, promotion)["batches"]}
    assert batch not in trained_on


def load_manifest(world, decision):
    pinned = decision.body["training_set"]
    manifest = at_storage_id(
        world.instance, key(world.pipeline, "training_set"), pinned["storage_id"]
    )
    assert manifest.snapshot.sha256 == pinned["sha256"]
    return world.platform.snapshots.load(manifest.snapshot)


def test_the_champions_page_says_what_is_in_production_and_why(world, told):
    """Dagster shows Markdown on the page itself only below 1000 characters."""
    promotion = facts_of(world, "intent")[-1]
    page = stored(world, "champion").metadata
    assert len(page["in production"]) < 1000
    said = " ".join(page["in production"].split())
    assert "**In production** v2 since 2020-06-01, in the data's time" in said
    assert f"training set `{promotion.body['training_set']['sha256'][:12]}`" in said
    assert "8,400 rows in 5 batches, 2020-01 to 2020-05" in said
    assert f"**Won because** {promotion.body['reason']}" in said
    assert "**Replaced** v1" in said
    assert f"in Dagster run {promotion.body['run_id']}" in said
    assert "`mldebt lineage parcels --version 2`" in said
    manifest = load_manifest(world, promotion)
    assert [row.data["raw"] for row in page["trained on"].records] == [
        entry["raw"]["sha256"][:12] for entry in manifest["batches"]
    ]


@pytest.mark.parametrize(
    ("stage", "batch", "name"),
    [
        ("evaluation", None, "curves and money"),
        ("evaluation", None, "scores and slices"),
        ("champion", None, "curves and money"),
        ("drift_report", DRIFTED, "drift over the batches"),
    ],
)
def test_a_page_shows_its_picture(world, told, stage, batch, name):
    alt, data = PICTURE.fullmatch(stored(world, stage, batch).metadata[name]).groups()
    assert b64decode(data).startswith(b"\x89PNG")
    assert len(alt) > 40


def test_before_the_first_verdict_there_is_no_picture_of_drift(world, told):
    assert "drift over the batches" not in stored(world, "drift_report", BATCHES[0]).metadata


def test_the_champions_picture_lies_with_its_mlflow_run_and_both_pages_link_it(world, told):
    """The picture is drawn once: the same bytes are shown in both places."""
    decision = facts_of(world, "intent")[-1].body
    model, evaluation = (
        at_storage_id(world.instance, key(world.pipeline, stage), decision[stage]["storage_id"])
        for stage in ("model", "evaluation")
    )
    run_id = model.metadata["mlflow_run_id"]
    kept = world.platform.registry.client.download_artifacts(run_id, "plots/curves_and_money.png")
    _, data = PICTURE.fullmatch(evaluation.metadata["curves and money"]).groups()
    assert Path(kept).read_bytes() == b64decode(data)
    for page in (model, evaluation, stored(world, "champion")):
        assert re.fullmatch(
            rf"http://127\.0\.0\.1:5000/#/experiments/\d+/runs/{run_id}",
            page.metadata["MLflow run"],
        )


@pytest.mark.parametrize("batch", [BATCHES[0], CALM])
def test_the_scorer_made_again_gives_its_first_answer(world, told, batch):
    """Else each promotion would rewrite by whom old batches were scored."""
    before = {stage: stored(world, stage, batch) for stage in ("scorer", "predictions")}
    selection = [key(world.pipeline, stage) for stage in before]
    job = batch_job_name(world.pipeline)
    assert execute(world, job, partition_key=batch, asset_selection=selection).success
    for stage, first in before.items():
        again = stored(world, stage, batch)
        assert again.storage_id > first.storage_id
        assert again.snapshot.sha256 == first.snapshot.sha256


def check_history(world, stage, check):
    records = world.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key(world.pipeline, stage), check), limit=100
    )
    found = [record.event.dagster_event.asset_check_evaluation_data for record in records]
    return {evaluation.partition: evaluation for evaluation in found}


def test_the_drift_check_fails_on_the_drifted_batch_with_its_numbers(world, told):
    """Who is woken by it must see which column, and by how much, without a query."""
    history = check_history(world, "drift_report", "no_drift")
    assert {batch: found.passed for batch, found in history.items()} == {
        batch: batch != DRIFTED for batch in BATCHES
    }
    table = history[DRIFTED].metadata["columns: number"]
    first = table.records[0].data
    assert (first["column"], first["drifted"]) == ("weight_kg", True)
    assert first["ks"] > 0.4
    assert history[DRIFTED].metadata["measured"].value == 1


def test_validation_is_checked_batch_by_batch(world, told):
    """A green check of the newest batch must not hide a red one of another."""
    history = check_history(world, "validated", "row_count")
    assert {batch: found.passed for batch, found in history.items()} == dict.fromkeys(BATCHES, True)


def test_every_run_succeeded_and_none_is_left_open(world, told):
    """An MLflow run that stays RUNNING is one that nobody can trust or clean up."""
    assert {run.status for run in world.instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}
    client = world.platform.registry.client
    [experiment] = client.search_experiments(filter_string="name = 'parcels'")
    assert {r.info.status for r in client.search_runs([experiment.experiment_id])} == {"FINISHED"}
    assert open_intents(world.platform.record("parcels").facts()) == []


def test_record_alias_and_materialization_agree_on_the_champion(world, told):
    """The record is the truth; what people look at must say the same."""
    champion = world.platform.record("parcels").champion()
    shown = stored(world, "champion")
    assert champion.version == 2
    assert world.platform.registry.champion("parcels") == champion.version
    assert shown.metadata["version"] == champion.version
    assert shown.metadata["weights_sha256"] == champion.weights_sha256
    assert load(world, "champion")["hash"] == champion.promotion.hash


def test_mlflow_carries_the_hashes(world, told):
    """From MLflow's page alone one must find the data, the code and the Dagster run."""
    for intent in facts_of(world, "intent"):
        body = intent.body
        version = world.platform.registry.version("parcels", body["version"])
        run = world.platform.registry.client.get_run(version.run_id)
        for tags in (version.tags, run.data.tags):
            assert tags["weights_sha256"] == body["weights_sha256"]
            assert tags["training_set"] == body["training_set"]["sha256"]
            assert len(tags["code_digest"]) == len(tags["environment"]) == 64
        assert run.data.tags["dagster_run_id"] == body["run_id"]
        assert run.data.tags["gate"] == "passed"
        assert run.data.metrics["held_out_roc_auc"] > 0.7
        assert run.data.params["seed"] == str(world.pipeline.training.seed)


def test_mlflow_loads_and_scores_the_champion(world, told):
    """What is registered must serve by itself, not only inside this program."""
    loaded = mlflow.pyfunc.load_model("models:/parcels@champion")
    champion = world.platform.record("parcels").champion()
    weights = world.platform.snapshots.get(
        name="champion",
        sha256_hex=champion.weights_sha256,
        md5=champion.promotion.body["model"]["md5"],
    )
    expected = predict(from_bytes(weights), inputs_of(load(world, "features", DRIFTED)))
    np.testing.assert_array_equal(loaded.predict(rows(DRIFTED)), expected)


@pytest.mark.parametrize("batch", [CALM, DRIFTED])
def test_a_version_loaded_from_mlflow_repeats_what_was_served(world, told, batch):
    """Raw rows through the loaded model and the batch's own assets must meet in the same bits."""
    loaded = mlflow.pyfunc.load_model("models:/parcels/1")
    request = rows(batch).drop(columns=["delay_hours"])
    served = load(world, "predictions", batch)["score"].to_numpy()
    np.testing.assert_array_equal(loaded.predict(request), served)
    # A row alone takes another path through the processor than among others: the last bits differ.
    np.testing.assert_allclose(loaded.predict(request.iloc[[7]]), served[[7]], rtol=1e-5)


def test_a_request_without_a_declared_column_is_refused_by_its_name(world, told):
    """A KeyError from inside a feature function would tell the caller nothing."""
    loaded = mlflow.pyfunc.load_model("models:/parcels/1")
    request = rows(CALM).head(3)
    with pytest.raises(MissingInputError, match=r"reads weight_kg, .*\nFix: give the columns"):
        loaded.predict(request.drop(columns=["weight_kg"]))
    with pytest.raises(BatchRefusedError, match=r"column 'weight_kg' .* in row 2"):
        loaded.predict(request.assign(weight_kg=["1", "heavy", "3"]))


def test_damaged_weights_are_not_loaded(world, told, tmp_path):
    """A flipped bit passes through safetensors without a word."""
    version = world.platform.registry.version("parcels", 1)
    source = world.platform.registry.client.download_artifacts(version.run_id, "model")
    copied = shutil.copytree(source, tmp_path / "model")
    weights = copied / "data/weights.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(DigestMismatchError, match=version.tags["weights_sha256"]):
        mlflow.pyfunc.load_model(str(copied))


def test_what_each_step_says_it_read_is_what_the_bytes_are(world, told, equal_candidate):
    """Lineage is what was read, not what was meant."""
    checked = 0
    for asset in sorted(world.instance.all_asset_keys()):
        for made in events(world, asset):
            assert sha256(bytes_of(world, made)) == made.snapshot.sha256
            for name, read in made.reads.items():
                source = dg.AssetKey(name.split(":")[-1].split("/"))
                for batch, (digest, storage_id) in read.items():
                    found = at_storage_id(world.instance, source, storage_id)
                    assert (found.snapshot.sha256, found.batch or "") == (digest, batch)
                    assert storage_id < made.storage_id
                    checked += 1
    assert checked > 60


def bytes_of(world, made):
    snapshot = made.snapshot
    return world.platform.snapshots.get(
        name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5
    )


def test_each_step_read_all_that_the_graph_says(world, told):
    """An edge without its hashes is a promise; hashes without their edge are a secret."""
    graph = world.definitions.resolve_asset_graph()
    for asset in graph.materializable_asset_keys:
        parents = {parent.to_user_string() for parent in graph.get(asset).parent_keys}
        for made in events(world, asset):
            named = {name for name in made.reads if ":" not in name}
            assert named == expected_reads(made, parents), made


def expected_reads(made, parents):
    """Return the parents, but for the steps that may give an answer that is already there."""
    stage = made.asset.path[-1]
    if stage == "scorer" and "parcels/scorer" in made.reads:
        return {"parcels/scorer"}
    if stage == "scorer" and made.metadata["version"] == NO_CHAMPION:
        return set()
    if stage == "model" and made.metadata["reused"]:
        return {"parcels/training_set"}
    return parents - {"parcels/released"}  # nothing was released from quarantine


def test_what_is_read_by_hash_alone_is_named_with_its_part(world, told):
    """These have no edge: it would be a cycle, or make old results stale at each promotion."""
    parts = {
        (made.asset.path[-1], name.split(":")[0])
        for asset in world.instance.all_asset_keys()
        for made in events(world, asset)
        for name in made.reads
        if ":" in name
    }
    assert parts == {
        ("drift_counts", "reference"),
        ("drift_reference", "champion"),
        ("drift_reference", "reference"),
        ("drift_report", "reference"),
        ("drift_report", "trend"),
        ("evaluation", "forward"),
        ("evaluation", "incumbent"),
        ("performance", "history"),
        ("predictions", "champion"),
        ("triage", "earlier"),
        ("triage", "reference"),
    }


def test_data_versions_are_hashes(world, told):
    """Dagster's page then shows the same identity that the record and the store use."""
    for asset in world.instance.all_asset_keys():
        record = world.instance.fetch_materializations(asset, limit=1).records[0]
        version = record.asset_materialization.tags["dagster/data_version"]
        made = as_stored(record)
        expected = made.snapshot.sha256
        if asset.path[-1] == "scorer":
            expected = world.platform.snapshots.load(made.snapshot)["weights_sha256"] or NO_CHAMPION
        assert version == expected


def test_a_second_replay_settles_nothing_and_starts_no_run(world, told):
    """`make run` a second time must be quick, and must change nothing."""
    runs, facts = world.instance.get_runs_count(), len(world.platform.record("parcels").facts())
    outcome = world.replay()
    assert outcome.settled == ()
    assert [c.batch for c in outcome.chapters] == list(BATCHES)
    assert world.instance.get_runs_count() == runs
    assert len(world.platform.record("parcels").facts()) == facts


def test_the_same_training_trains_nothing_and_its_equal_candidate_is_refused(
    world, told, equal_candidate
):
    """Equal is not better; and a registry full of copies would hide the versions that matter."""
    before, refusal = equal_candidate
    assert refusal.body["version"] == 2
    assert "beats_incumbent" in refusal.body["reason"]
    assert [version for version in versions(world) if version <= 2] == before
    reused = events(world, key(world.pipeline, "model"))[2]
    assert reused.metadata["reused"] is True
    assert reused.snapshot.sha256 == refusal.body["weights_sha256"]
    assert world.platform.record("parcels").champion().promotion.kind == "intent"
    assert world.platform.registry.champion("parcels") == 2


def test_a_refused_candidate_leaves_everything_as_it_was(world, told, refused_version):
    """The gate alone makes champions."""
    assert refused_version == 3
    assert world.platform.record("parcels").champion().version == 2
    assert world.platform.registry.champion("parcels") == 2
    assert stored(world, "champion").metadata["version"] == 2
    version = world.platform.registry.version("parcels", refused_version)
    run = world.platform.registry.client.get_run(version.run_id)
    assert (run.info.status, run.data.tags["gate"]) == ("FINISHED", "refused")


def test_held_out_groups_never_taught_any_version(world, told, refused_version):
    """Else every figure that the gate compares would be flattered.

    Each version is trained again from what its manifest names, without one row of a held-out
    group: the same bits come out, so no such row was ever learned from.
    """
    decisions = {
        f.body["version"]: f for f in [*facts_of(world, "refused"), *facts_of(world, "intent")]
    }
    assert sorted(decisions) == [1, 2, 3]
    split = world.pipeline.split
    for decision in decisions.values():
        manifest = at_storage_id(
            world.instance,
            key(world.pipeline, "training_set"),
            decision.body["training_set"]["storage_id"],
        )
        table = Reading(world.instance, world.platform.snapshots).load_together(
            training_features(world.instance, world.pipeline, manifest)
        )
        places = table[GROUP].map(lambda g: group_fraction(g, f"{split.salt}:held_out"))
        learn = table[places >= split.held_out_fraction]
        assert 0 < len(learn) < len(table)
        tuning = learn[GROUP].map(lambda g: group_fraction(g, f"{split.salt}:tuning"))
        model = fit(
            inputs_of(learn),
            learn[LABEL].to_numpy(),
            (tuning < split.tuning_fraction).to_numpy(),
            settings=world.pipeline.training,
            costs=world.pipeline.costs,
        )
        assert sha256(to_bytes(model)) == decision.body["weights_sha256"]


def test_the_gate_judged_on_held_out_days_of_the_newest_batches(world, told):
    """Rows of one day share their luck, so whole days judge."""
    split = world.pipeline.split
    judged = load(world, "evaluation")["judged_on"]
    days = {
        day
        for batch in judged["batches"]
        for day in rows(batch)["day"]
        if group_fraction(day, f"{split.salt}:held_out") < split.held_out_fraction
    }
    assert judged["groups"] == len(days)
    assert judged["rows"] == len(days) * ROWS_A_DAY


def test_lineage_names_the_very_files_that_landed(world, told):
    """From the champion down to the bytes on the disk, by hash all the way."""
    facts = world.platform.record("parcels").facts()
    decision = decision_on(facts, "parcels", None)
    answer = trace(world.instance, world.platform, world.pipeline, decision)
    assert [b["batch"] for b in answer["training_set"]["batches"]] == list(BATCHES)
    for entry in answer["training_set"]["batches"]:
        landed = (world.landing / f"{entry['batch']}.csv").read_bytes()
        assert entry["raw"]["sha256"] == sha256(landed)
        assert {entry[stage]["rows"] for stage in ("raw", "validated", "features")} == {ROWS}
    assert answer["training_set"]["rows"] == ROWS * len(BATCHES)
    assert answer["model"]["weights_sha256"] == decision.body["weights_sha256"]
    sources = {source["batch"]: source for source in answer["sources"]}
    for batch in BATCHES:
        assert sources[batch]["uri"] == f"file://{world.landing}/{batch}.csv"
        assert sources[batch]["licence"] == "CC0-1.0"


def test_lineage_has_every_documented_key(world, told):
    """The keys are an interface: other programs read them."""
    facts = world.platform.record("parcels").facts()
    answer = trace(
        world.instance, world.platform, world.pipeline, decision_on(facts, "parcels", None)
    )
    documented = {
        "model": {"version", "weights_sha256", "trained_at", "mlflow_run_id", "dagster_run_id"},
        "training_set": {"hash", "rows", "batches"},
        "code": {"commit", "dirty"},
        "environment": {"digest"},
        "promotion": {"effective_at", "recorded_at", "by", "reason", "previous_version"},
    }
    assert answer["pipeline"] == "parcels"
    for name, keys in documented.items():
        assert keys <= answer[name].keys()
    for entry in answer["training_set"]["batches"]:
        assert entry.keys() == {"batch", "raw", "validated", "features"}
        for stage in ("raw", "validated", "features"):
            assert entry[stage].keys() == {"sha256", "md5", "rows"}
    for source in answer["sources"]:
        assert {"batch", "uri", "licence"} <= source.keys()
    assert answer["promotion"]["previous_version"] == 1
    assert answer["promotion"]["effective_at"] == "2020-06-01T00:00:00+00:00"


def test_lineage_of_a_refused_version_says_why_it_was_refused(world, told, refused_version):
    """The question "why not that one?" is asked as often as "why this one?"."""
    facts = world.platform.record("parcels").facts()
    decision = decision_on(facts, "parcels", refused_version)
    answer = trace(world.instance, world.platform, world.pipeline, decision)
    assert answer["promotion"]["promoted"] is False
    assert "beats_incumbent" in answer["promotion"]["reason"]
    assert [b["batch"] for b in answer["training_set"]["batches"]] == list(BATCHES[:4])


def test_lineage_of_a_champion_is_its_promotion_though_its_equal_was_refused(
    world, told, refused_version
):
    """Asked for by number or as the champion, the answer must be one."""
    facts = world.platform.record("parcels").facts()
    assert decision_on(facts, "parcels", 2) == decision_on(facts, "parcels", None)
    assert decision_on(facts, "parcels", 1).kind == "intent"


def test_an_unknown_version_is_refused_with_those_that_exist(world, told, refused_version):
    """A bare "not found" sends people guessing."""
    facts = world.platform.record("parcels").facts()
    with pytest.raises(UnknownVersionError, match="no model version 9; there are: 1, 2, 3"):
        decision_on(facts, "parcels", 9)


def test_status_answers_what_is_known_and_says_what_is_not(world, told):
    """A guess in a status page is worse than a gap."""
    now = pd.Timestamp.now(tz="UTC").to_pydatetime()
    answer = status_of(world.instance, world.platform, world.pipeline, now)
    assert answer["champion"]["version"] == 2
    assert set(answer["questions"]) == {
        "reproducible",
        "input_change",
        "rollback",
        "personal_data",
    }
    change = answer["questions"]["input_change"]
    assert "weight_kg" in change["answer"]
    (report,) = change["evidence"]["reports"]
    assert report["sha256"] == stored(world, "drift_report").snapshot.sha256
    assert 0 <= change["age_seconds"] < 600
    assert answer["questions"]["rollback"]["evidence"] is None


def test_the_remote_alone_brings_every_snapshot_back(world, told):
    """A new machine has an empty cache and the pointers; plain `dvc pull` must be enough."""
    pointer = world.home.root / stored(world, "raw", CALM).snapshot.pointer
    landed = (world.landing / f"{CALM}.csv").read_bytes()
    shutil.rmtree(world.home.root / ".dvc/cache")
    assert bytes_of(world, stored(world, "raw", CALM)) == landed
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "pull", "--quiet", str(pointer)],
        cwd=world.home.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert pointer.with_suffix("").read_bytes() == landed
