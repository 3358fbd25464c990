"""A user's own model in production: a module of torch that answers with a number, proved."""

from __future__ import annotations

from dataclasses import replace

import mlflow
import numpy as np
import pytest
import torch

from mldebt_assets import pipelines
from mldebt_assets.answers.lineage import decision_on, trace
from mldebt_assets.answers.story import chapters
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.membership import audited
from mldebt_assets.core.errors import UnauditableError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.papers.dossier import gather
from mldebt_assets.papers.model_card import model_card
from mldebt_assets.papers.page import to_markdown
from mldebt_assets.reproduction.recipe import recipe_of
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import real_tables
from mldebt_assets_tests.world import installation, of


def line(layout):
    return torch.nn.Linear(len(layout.columns), layout.outputs)


def diabetes(landing):
    declared = real_tables.diabetes(landing)
    return replace(declared, training=replace(declared.training, estimator=line))


NAME = "torch.nn.modules.linear.Linear"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose every month has been replayed with the user's own model."""
    with (
        installation(tmp_path_factory.mktemp("own"), diabetes) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setenv("MLFLOW_TRACKING_URI", made.home.mlflow_uri)
        real_tables.land(made.landing, real_tables.diabetes_rows())
        made.replay()
        yield made


def champion_of(world):
    champion = world.platform.record(world.pipeline.name).champion()
    assert champion is not None
    return champion


def test_it_is_trained_judged_promoted_and_scores(world):
    """As our own network is, by the same gate."""
    told = chapters(*of(world))
    assert [chapter.problem for chapter in told] == [None] * len(told)
    assert [chapter.promoted for chapter in told[:2]] == [False, True]
    level = world.pipeline.task.level
    assert told[-1].metrics[level.key] > level.chance + 0.3


def test_its_class_stands_in_lineage_card_and_mlflow(world):
    """Who reads them must know what it was, long after the object is gone."""
    champion = champion_of(world)
    decision = decision_on(
        world.platform.record(world.pipeline.name).facts(), world.pipeline.name, champion.version
    )
    model = trace(*of(world), decision)["model"]
    assert model["estimator"]["name"] == NAME
    assert model["estimator"]["package"].split()[0] == "torch"
    card = to_markdown(model_card(gather(*of(world), champion)))
    assert NAME.rpartition(".")[2] in card
    assert "feed-forward" not in card
    assert world.platform.registry.run_tags(model["mlflow_run_id"])["estimator"] == NAME


def test_its_export_serves_and_it_is_loaded_by_mlflow_without_the_object(world):
    """The very scores that were stored come from the registered version, from raw rows."""
    stored = world.platform.snapshots.load(
        newest(world.instance, key(world.pipeline, "predictions"), real_tables.MONTHS[-1]).snapshot
    )
    version = stored["version"].iloc[0]
    served = mlflow.pyfunc.load_model(f"models:/{world.pipeline.name}/{version}")
    raw = real_tables.of_months(real_tables.diabetes_rows())[real_tables.MONTHS[-1]]
    found = served.predict(raw.drop(columns="outcome"))
    scored = world.pipeline.task.scores_in(stored)
    np.testing.assert_allclose(np.asarray(found), scored, rtol=1e-6)


def test_trained_again_it_is_bit_identical(world):
    """Every hash that a reproduction compares is there, and the weights come out the same."""
    from mldebt_assets.assets.model import weights_from
    from mldebt_assets.assets.training_set import training_features
    from mldebt_assets.snapshots import Reading, at_storage_id

    champion = champion_of(world)
    body = champion.promotion.body
    manifest = at_storage_id(
        world.instance, key(world.pipeline, "training_set"), body["training_set"]["storage_id"]
    )
    reading = Reading(world.instance, world.platform.snapshots)
    table = reading.load_together(training_features(world.instance, world.pipeline, manifest))
    weights, _ = weights_from(world.pipeline, table)
    recipe = recipe_of(*of(world), champion.promotion)
    assert sha256(weights) == champion.weights_sha256 == recipe["artefacts"]["model"]


def test_whether_it_gives_its_rows_away_is_audited_too(world):
    """So few rows show nothing of it, and that is said rather than that it leaks nothing."""
    with pytest.raises(UnauditableError, match="Nothing can be said"):
        audited(*of(world), "tests")
