"""How batches were served, on a small year whose labels are flipped, late, few, or of one class.

The first champion comes with the third batch. The fourth drifts, and brings the second champion,
which scores all that follow.
"""

from __future__ import annotations

from dataclasses import replace

import dagster as dg
import numpy as np
import pytest

from mldebt_assets.answers.story import chapters
from mldebt_assets.assets import performance
from mldebt_assets.assets.keys import REASON_TAG, key
from mldebt_assets.assets.verdicts import shown
from mldebt_assets.core.evaluation import metrics, roc_auc
from mldebt_assets.core.features import LABEL, inputs_of
from mldebt_assets.core.policies import Costs, Drift
from mldebt_assets.core.tasks.level import METRICS
from mldebt_assets.core.training import from_bytes, predict
from mldebt_assets.definitions import define
from mldebt_assets.jobs import performance_job_name
from mldebt_assets.promotions import champions_of
from mldebt_assets.sensors import late_labels_name
from mldebt_assets.snapshots import at_storage_id, newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.world import installation

EARLY = ("2020-02", "2020-03", "2020-04")
DRIFTED, LATE, FEW, CALM, ONE_CLASS, FLIPPED = (f"2020-{m:02d}" for m in range(5, 11))
LATER = (LATE, FEW, CALM, ONE_CLASS, FLIPPED)
ROWS = sample.DAYS * sample.ROWS_A_DAY


def landed(batch):
    """Return the batch's rows, with the labels that are known when it lands."""
    rows = sample.rows(batch)
    hours = rows["delay_hours"]
    known = {
        LATE: hours.where(hours.index == 0),
        FEW: hours.where(np.random.default_rng(7).random(len(hours)) < 0.1),
        ONE_CLASS: -1.0,
        FLIPPED: -hours,
    }
    return rows.assign(delay_hours=known.get(batch, hours))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation in which all nine batches have arrived, one after another."""
    with installation(tmp_path_factory.mktemp("performance")) as made:
        # With the last batch as the reference, what came with the fourth is no drift afterwards.
        drift = Drift(ignore=("parcel",), reference_batches=1)
        made.pipeline = replace(made.pipeline, drift=drift)
        made.definitions = define([made.pipeline])
        for batch in (*EARLY, DRIFTED, *LATER):
            sample.write_batch(made.landing, batch, landed(batch))
        made.replay()
        yield made


def stored(world, stage, batch):
    found = newest(world.instance, key(world.pipeline, stage), batch)
    assert found is not None
    return found


def load(world, stage, batch):
    return world.platform.snapshots.load(stored(world, stage, batch).snapshot)


def report(world, batch):
    return load(world, "performance", batch)


def checks(world):
    """Return the newest evaluation of the check on every batch."""
    records = world.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key(world.pipeline, "performance"), performance.CHECK), limit=100
    )
    found = [record.event.dagster_event.asset_check_evaluation_data for record in reversed(records)]
    return {evaluation.partition: evaluation for evaluation in found}


def champions(world):
    return champions_of(world.platform.record("parcels").facts())


def alarms_of(world, champion, batch):
    """Return what a champion decides on a batch's rows, as it was promoted."""
    model = from_bytes(
        world.platform.snapshots.get(
            name="a champion",
            sha256_hex=champion.weights_sha256,
            md5=champion.promotion.body["model"]["md5"],
        )
    )
    return predict(model, inputs_of(load(world, "features", batch))) >= model.threshold


def cost(labels, alarms, costs):
    """Return the cost of decisions, counted row by row."""
    sums = {(1.0, True): costs.caught, (1.0, False): costs.missed, (0.0, True): costs.false_alarm}
    pairs = zip(labels.tolist(), alarms.tolist(), strict=True)
    return sum(sums.get(pair, 0.0) for pair in pairs)


def test_the_year_has_the_champions_that_it_is_made_for(world):
    """All that follows tells of who scored what."""
    told = {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}
    assert [told[batch].scored_by for batch in EARLY] == [None] * 3
    assert told[DRIFTED].scored_by == 1
    assert {told[batch].scored_by for batch in LATER} == {2}
    assert [told[batch].problem for batch in told] == [None] * 9


def test_a_planted_drop_fails_the_check_with_its_reason(world):
    """Labels that turn around are the drift that no look at the inputs can find."""
    found = checks(world)[FLIPPED]
    level = report(world, FLIPPED)["window"]["interval"]["point"]
    expected = champions(world)[1].promotion.body["expected"]["roc_auc"]
    said = f"a drop of ROC AUC to {level:.3f}, expected {expected:.3f}"
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.WARN
    assert said in found.description
    assert found.metadata["measured"].value == shown(level) < found.metadata["limit"].value
    facts = stored(world, "performance", FLIPPED).metadata
    assert (facts["dropped"], facts["summary"]) == (True, said)


def test_noise_is_no_drop(world):
    """A champion does a little better or worse than on the days that chose it, each month anew."""
    found = report(world, CALM)
    assert checks(world)[CALM].passed
    assert found["judged"]
    assert abs(found["expected"] - found["window"]["interval"]["point"]) < 0.05
    assert stored(world, "performance", CALM).metadata["summary"].startswith("ROC AUC 0.")


def test_what_the_champion_has_not_learned_is_a_drop_and_nothing_else_is(world):
    """The first champion cannot rank the new kind of parcel; nobody was late where all were told
    to be.
    """
    failed = {batch for batch, found in checks(world).items() if not found.passed}
    assert failed == {DRIFTED, ONE_CLASS, FLIPPED}
    told = {c.batch: c for c in chapters(world.instance, world.platform, world.pipeline)}
    assert {batch for batch in told if told[batch].dropped} == failed
    assert told[FLIPPED].performance.startswith("a drop of ROC AUC")


def test_before_the_first_champion_there_is_nothing_to_judge(world):
    """And no number that somebody might take for a model's."""
    for batch in EARLY:
        found = report(world, batch)
        assert (found["judged"], found["metrics"], found["costs"]) == (False, {}, {})
        assert found["summary"] == performance.NOTHING_SERVED
        assert found["labelled"] == ROWS
        assert found["window"]["batches"] == [batch]
        facts = stored(world, "performance", batch).metadata
        assert not facts.keys() & (set(METRICS["binary"]) - {"base_rate"})


@pytest.mark.parametrize(("batch", "least", "most"), [(LATE, 1, 1), (FEW, 120, 220)])
def test_few_labels_are_told_and_not_judged(world, batch, least, most):
    """A check that passes must not be read as proof that all is well."""
    found = report(world, batch)
    assert least <= found["labelled"] <= most
    assert found["judged"] is False
    assert found["summary"].startswith(f"underpowered: {found['window']['labelled']} of ")
    facts = stored(world, "performance", batch).metadata
    assert facts["labelled_share"] == pytest.approx(found["labelled"] / ROWS)
    assert ("roc_auc" in facts) == (batch == FEW)


def test_a_batch_of_one_class_has_costs_and_no_auc(world):
    """A month without a late parcel is no failure, and its false alarms cost all the same."""
    facts = stored(world, "performance", ONE_CLASS).metadata
    assert "roc_auc" not in facts
    assert (facts["base_rate"], facts["labelled_share"]) == (0.0, 1.0)
    assert facts["cost_per_row"] == facts["false_positives"] / ROWS > 0


def test_the_window_looks_back_over_what_the_same_champion_scored(world):
    """Rows that another model scored say nothing about this one."""
    windows = {batch: report(world, batch)["window"]["batches"] for batch in LATER}
    assert windows[LATE] == [LATE]
    assert windows[CALM] == [LATE, FEW, CALM]
    assert windows[FLIPPED] == [CALM, ONE_CLASS, FLIPPED]


def test_the_metrics_are_those_of_the_served_scores_against_the_labels(world):
    """Measured a second time, from the tables alone."""
    served, labels = load(world, "predictions", FEW), load(world, "features", FEW)[LABEL]
    known = labels.notna().to_numpy()
    found = report(world, FEW)
    expected = roc_auc(labels.to_numpy()[known], served["score"].to_numpy()[known])
    assert found["metrics"]["roc_auc"] == expected
    alarms = served["decision"].to_numpy()[known]
    assert found["metrics"]["cost_total"] == cost(labels[known], alarms, world.pipeline.costs)


def test_the_interval_holds_the_point(world):
    for batch in (DRIFTED, CALM, FLIPPED):
        interval = report(world, batch)["interval"]
        assert interval["lower"] < interval["point"] < interval["upper"]
        assert interval["groups"] == sample.DAYS


def test_the_level_is_the_one_that_the_champion_was_promoted_by(world):
    """Else each look back would be held to another measure."""
    for champion, batch in zip(champions(world), (DRIFTED, CALM), strict=True):
        made = at_storage_id(
            world.instance,
            key(world.pipeline, "evaluation"),
            champion.promotion.body["evaluation"]["storage_id"],
        )
        judged = world.platform.snapshots.load(made.snapshot)
        held_out = judged["models"]["candidate"]["metrics"]["roc_auc"]
        assert champion.promotion.body["expected"]["roc_auc"] == held_out
        assert load(world, "scorer", batch)["expected"]["roc_auc"] == held_out
        assert report(world, batch)["expected"] == held_out


def test_the_money_of_what_was_replaced_is_what_its_own_decisions_cost(world):
    """The difference answers what the retraining brought, so it is counted here row by row."""
    first, second = champions(world)
    costs, labels = world.pipeline.costs, load(world, "features", CALM)[LABEL]
    found = report(world, CALM)
    assert found["costs"] == {
        "served": cost(labels, alarms_of(world, second, CALM), costs),
        "replaced": cost(labels, alarms_of(world, first, CALM), costs),
        "never_retrained": cost(labels, alarms_of(world, first, CALM), costs),
        "never_alarming": labels.sum() * costs.missed,
    }
    saved = (found["costs"]["replaced"] - found["costs"]["served"]) / ROWS
    assert saved > 0
    facts = stored(world, "performance", CALM).metadata
    assert facts["saved_per_row"] == pytest.approx(saved)
    assert facts["what retraining brought"].startswith(f"saved {saved * ROWS:,.0f} USD on this")


def test_the_first_champion_replaced_nobody(world):
    found = report(world, DRIFTED)
    assert "replaced" not in found["costs"]
    assert found["costs"]["never_retrained"] == found["costs"]["served"]
    said = stored(world, "performance", DRIFTED).metadata["what retraining brought"]
    assert said == "v1 is the first champion: nothing was replaced"


def test_the_year_is_summed_up_on_the_newest_page(world):
    """Each batch's own costs, added up: nobody should have to open nine pages."""
    reports = [report(world, batch) for batch in (DRIFTED, *LATER)]
    rows = stored(world, "performance", FLIPPED).metadata["money"].records
    told = {row.data["decided by"]: row.data for row in rows}
    for way, words in (
        ("never_retrained", "the first champion, never retrained"),
        ("never_alarming", "no alarm at all"),
    ):
        saved = sum(one["costs"][way] - one["costs"]["served"] for one in reports)
        assert told[words]["saved so far"] == pytest.approx(saved)
        assert told[words]["over batches"] == len(reports)


def test_both_pages_have_their_picture(world):
    for stage, name in (("performance", "batches"), ("predictions", "scores")):
        picture = stored(world, stage, CALM).metadata[name]
        assert picture.startswith("![")
        assert "](data:image/png;base64," in picture


def test_the_gate_hears_how_the_incumbent_did_on_batches_it_had_not_seen(world):
    """And says which performances it was told, by their hashes."""
    made = at_storage_id(
        world.instance,
        key(world.pipeline, "evaluation"),
        champions(world)[1].promotion.body["evaluation"]["storage_id"],
    )
    served = stored(world, "performance", DRIFTED)
    evaluation = world.platform.snapshots.load(made.snapshot)
    assert evaluation["forward"] == {"incumbent": report(world, DRIFTED)["metrics"]["roc_auc"]}
    assert made.reads["forward:parcels/performance"] == {
        DRIFTED: [served.snapshot.sha256, served.storage_id]
    }


def test_every_metric_is_drawn_as_a_trend():
    """A metric that is new in the core would otherwise be measured and never seen."""
    labels, scores = np.array([0.0, 1.0]), np.array([0.2, 0.7])
    costs = Costs(false_alarm=1.0, missed=1.0)
    assert set(metrics(labels, scores, threshold=0.5, costs=costs)) == set(METRICS["binary"])


def test_labels_that_come_late_are_measured_in_every_window_that_holds_them(world):
    """The last test of the file: it changes the year.

    The batch is measured by its own run, and the windows that held it without its labels by runs
    that do nothing else. What else was measured stays as it was.
    """
    assert performance.outdated(world.instance, world.pipeline) == []
    before = {batch: stored(world, "performance", batch) for batch in LATER}
    labelled = {batch: report(world, batch)["window"]["labelled"] for batch in LATER}
    runs = world.instance.get_runs_count()
    sample.write_batch(world.landing, LATE, sample.rows(LATE))
    world.replay()
    assert report(world, LATE)["judged"]
    assert report(world, LATE)["labelled"] == ROWS
    for batch in (FEW, CALM):
        assert report(world, batch)["window"]["labelled"] == labelled[batch] + ROWS - 1
        run = world.instance.get_run_by_id(stored(world, "performance", batch).run_id)
        assert run.job_name == performance_job_name(world.pipeline)
        assert "before the newest labels of its window" in run.tags[REASON_TAG]
    assert report(world, FEW)["judged"]
    for batch in (ONE_CLASS, FLIPPED):
        assert stored(world, "performance", batch).storage_id == before[batch].storage_id
    assert world.instance.get_runs_count() == runs + 3
    assert performance.outdated(world.instance, world.pipeline) == []
    world.replay()
    assert world.instance.get_runs_count() == runs + 3


def test_whoever_looks_for_late_labels_says_what_was_found(world):
    """A tick that does nothing must say why, and cost next to nothing the second time."""
    name = late_labels_name(world.pipeline)
    repository = world.definitions.get_repository_def()
    said, cursor = [], None
    for _ in range(2):
        context = dg.build_sensor_context(
            instance=world.instance,
            instance_ref=world.instance.get_ref(),
            cursor=cursor,
            repository_def=repository,
            sensor_name=name,
        )
        tick = repository.get_sensor_def(name).evaluate_tick(context)
        said.append(tick.skip_message)
        cursor = tick.cursor
    assert said == [
        "Every performance was measured on the newest labels.",
        "No batch was made since the last look.",
    ]
