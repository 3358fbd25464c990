"""From a CSV to a champion, where the answer is one of several classes, or a number."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from mldebt_assets import pipelines
from mldebt_assets.answers.drift import drift_of
from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.answers.prediction import prediction_of
from mldebt_assets.answers.retraining import retraining_of
from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.evaluation_page import FIT, SLICES
from mldebt_assets.assets.keys import key
from mldebt_assets.cli.lineage import scored
from mldebt_assets.core.features import LABEL, ROW_ID
from mldebt_assets.core.policies import Gate, Performance
from mldebt_assets.core.tasks.level import LEVELS
from mldebt_assets.monitoring.readings import of_performance
from mldebt_assets.papers.dossier import gather
from mldebt_assets.papers.model_card import model_card
from mldebt_assets.papers.page import to_markdown
from mldebt_assets.reproduction.recipe import recipe_of
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import real_tables
from mldebt_assets_tests.world import installation, of

MONTHS = ("2021-01", "2021-02", "2021-03", "2021-04")
LAST = MONTHS[-1]
FEW_ROWS = {
    "performance": Performance(least_rows=50),
    "slices": {"half": real_tables.half},
    "gate": Gate(slice_rows=10, group_rows=20),
}
STORIES = {
    "multiclass": ("digits", real_tables.digits_rows, FEW_ROWS),
    "regression": (
        "diabetes",
        real_tables.diabetes_rows,
        {**FEW_ROWS, "groups": {"sex": "sex"}},
    ),
}


@pytest.fixture(scope="module", params=STORIES, ids=str)
def world(request, tmp_path_factory):
    """An installation with a real table of which every month has been replayed.

    Its pipeline is as `mldebt new` wrote it, but for slices, a promised group, and from how few
    rows on these and performance are judged.
    """
    name, rows, edits = STORIES[request.param]
    root = tmp_path_factory.mktemp(request.param)

    def declare(_):
        return dataclasses.replace(real_tables.brought(root / "own", name, rows(), MONTHS), **edits)

    with installation(root, declare) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setenv("MLFLOW_TRACKING_URI", made.home.mlflow_uri)
        made.replay()
        yield made


def event(world, stage, batch=None):
    found = newest(world.instance, key(world.pipeline, stage), batch)
    assert found is not None
    return found


def serving(world):
    """Return the version that scored the last month: that of the newest promotion before it."""
    return [one.scored_by for one in chapters(*of(world))][-1]


def load(world, stage, batch=None):
    return world.platform.snapshots.load(event(world, stage, batch).snapshot)


def test_a_champion_is_promoted_serves_and_is_measured_in_the_level_of_its_task(world):
    """Else a pipeline that is not binary would be judged by a number that means nothing for it."""
    level = LEVELS[world.pipeline.target.task]
    told = chapters(*of(world))
    assert [chapter.problem for chapter in told] == [None] * len(told)
    assert any(chapter.promoted for chapter in told[:-1])
    last = told[-1]
    assert last.scored_by == serving(world)
    assert level.chance + 0.3 < last.metrics[level.key] < 1
    assert level.name in last.performance
    assert not {"roc_auc", "cost_per_row"} & set(last.metrics)
    evaluation = load(world, "evaluation")
    assert evaluation["task"] == level.task
    assert evaluation["costs"] is None
    assert level.name in evaluation["reason"] or "gains" in evaluation["reason"]
    assert {one["interval"] is not None for one in evaluation["slices"]} == {True}
    json.dumps(evaluation, allow_nan=False)


def test_a_promised_group_is_judged_by_the_gate_and_told_on_the_card(world):
    """A column that the pipeline names is enough, for whatever is predicted."""
    evaluation = load(world, "evaluation")
    verdicts = {one["name"]: one for one in evaluation["verdicts"]}
    told = verdicts["no_group_left_behind"]["reason"]
    dossier = gather(*of(world), world.platform.record(world.pipeline.name).champion())
    card, found = to_markdown(model_card(dossier)), dossier["evaluation"]["groups"]
    if not world.pipeline.groups:
        assert (found, told) == ([], "no groups are promised")
        assert "No groups are declared" in card
        return
    assert [(one["dimension"], one["value"]) for one in found] == [("sex", "1.0"), ("sex", "2.0")]
    assert sum(one["rows"] for one in found) == dossier["evaluation"]["judged_on"]["rows"]
    assert told.startswith("of 2 groups, sex ")
    assert "groups" in event(world, "evaluation").metadata
    for one in found:
        assert f"| sex | {one['value']} | {one['rows']} | {one['level']['point']:.4f}" in card


def test_predictions_hold_an_answer_a_row_and_can_be_traced(world):
    rows, features = load(world, "predictions", LAST), load(world, "features", LAST)
    assert rows[ROW_ID].tolist() == features[ROW_ID].tolist()
    found, promotion = prediction_of(*of(world), {rows[ROW_ID][0]})
    assert promotion.body["version"] == found["version"] == serving(world)
    assert found["threshold"] is None
    if world.pipeline.target.task == "multiclass":
        named = [f"probability_{name}" for name in real_tables.DIGITS]
        np.testing.assert_allclose(rows[named].sum(axis=1), 1)
        assert found["decision"] == rows["decision"][0] in real_tables.DIGITS
        assert np.mean(rows["decision"] == features[LABEL]) > 0.7
        assert f"{found['decision']}, with a probability" in scored(found)
    else:
        assert found["decision"] is None
        assert found["interval"] == [rows["lower"][0], rows["upper"][0]]
        inside = (features[LABEL] >= rows["lower"]) & (features[LABEL] <= rows["upper"])
        assert 0.75 < inside.mean() <= 1
        assert "between" in scored(found)


def test_drift_of_scores_and_labels_is_told(world):
    [*_, last] = drift_of(*of(world), last=1)["batches"]
    outcomes = last["outcomes"]
    assert outcomes["scores"]["judged"]
    assert outcomes["labels"]["judged"]
    several = world.pipeline.target.task == "multiclass"
    assert len(outcomes["scores"]["columns"]) == (len(real_tables.DIGITS) if several else 1)


def test_what_waiting_costs_is_told_in_the_level_of_the_task(world):
    found = retraining_of(*of(world))
    level = LEVELS[world.pipeline.target.task]
    assert found["metric"] == level.name
    served = {
        one["batch"]: one["value"] for one in found["backtests"] if one["version"] == serving(world)
    }
    assert served[LAST] == pytest.approx(chapters(*of(world))[-1].metrics[level.key])


def test_the_pages_show_pictures_and_no_money(world):
    evaluated = event(world, "evaluation").described
    assert {FIT, SLICES} <= evaluated.keys()
    measured = event(world, "performance", LAST)
    assert not {name for name in measured.metadata if "cost" in name or "saved" in name}
    samples = {one.name: one for one in of_performance(*of(world))}
    level = LEVELS[world.pipeline.target.task]
    assert samples["mldebt_served_level"].labels["metric"] == level.key
    assert samples["mldebt_served_level"].value == measured.metadata[level.key]
    assert "mldebt_served_cost_per_row" not in samples


def test_lineage_and_papers_speak_of_the_task(world):
    decision = decision_on(
        world.platform.record(world.pipeline.name).facts(), world.pipeline.name, 1
    )
    assert trace(*of(world), decision)["model"]["version"] == 1
    assert recipe_of(*of(world), decision)["artefacts"]["model"] == decision.body["weights_sha256"]
    champion = world.platform.record(world.pipeline.name).champion()
    card = to_markdown(model_card(gather(*of(world), champion)))
    assert LEVELS[world.pipeline.target.task].name in card
    assert "ROC AUC of" not in card
    assert "false alarm" not in card


def test_a_hundred_and_fifty_rows_of_noise_promote_nobody_and_say_why(tmp_path):
    """A small table deserves an answer too: not a traceback, and not a champion by luck."""
    rows = real_tables.diabetes_rows().iloc[:150]
    noise = np.random.default_rng(0).permutation(rows["outcome"])
    with installation(tmp_path, real_tables.diabetes) as small:
        real_tables.land(small.landing, rows.assign(outcome=noise))
        told = small.replay().chapters
    assert [(chapter.promoted, chapter.problem) for chapter in told] == [(False, None)] * len(told)
    assert "groups were held out; at least 8 are needed" in told[-1].verdict
