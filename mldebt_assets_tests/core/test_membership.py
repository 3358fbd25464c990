"""An overfit model is caught and a careful one is cleared; the loss attack alone does neither."""

import numpy as np
import pandas as pd
import pytest

from mldebt_assets.core.errors import UnauditableError
from mldebt_assets.core.membership import audit
from mldebt_assets.core.policies import Costs, Training
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.training import fit, predict

ROWS, GROUPS = 800, 80
SETTINGS = {"rounds": 200, "confidence": 0.95, "seed": 7}
CAREFUL = Training(members=1, epochs=4, batch_rows=64, hidden=(16,), weight_decay=0.01)
OVERFIT = Training(
    members=1, epochs=40, batch_rows=32, hidden=(64, 64), weight_decay=0.0, learning_rate=0.01
)


@pytest.fixture(scope="module")
def rows():
    """Rows with noisy labels, half of whose groups have been learned.

    The first are the easy ones of both: every model is sure of them.
    """
    draw = np.random.default_rng(3)
    inputs = pd.DataFrame(draw.normal(size=(ROWS, 8)), columns=[f"x{i}" for i in range(8)])
    chance = 1 / (1 + np.exp(-3 * inputs["x0"].to_numpy()))
    labels = (draw.random(ROWS) < chance).astype(float)
    groups = np.repeat(np.arange(GROUPS), ROWS // GROUPS)
    return inputs, labels, groups, groups % 2 == 0


def likelihood_by(inputs, labels, settings):
    """Return what trains on a mask of rows, and says how likely every row's label is then.

    An overfit model is one that is stopped by nothing: it tunes on the rows that it learns.
    """

    def likelihood_of(mask):
        known, answers = inputs[mask], labels[mask]
        if settings is OVERFIT:
            known, answers = pd.concat([known, known]), np.concatenate([answers, answers])
            tuning = np.arange(len(answers)) >= mask.sum()
        else:
            tuning = np.arange(len(answers)) % 5 == 0
        costs = Costs(false_alarm=1, missed=1)
        model = fit(known, answers, tuning, settings=settings, costs=costs)
        scores = predict(model, inputs)
        return np.where(labels == 1, scores, 1 - scores)

    return likelihood_of


def audited(rows, settings, **others):
    inputs, labels, groups, member = rows
    likelihood_of = likelihood_by(inputs, labels, settings)
    told = {"member": member, "outsider": ~member, "groups": groups, **SETTINGS, **others}
    return audit(likelihood_of, likelihood_of(member), **told)


def test_an_overfit_network_is_caught(rows):
    """It knows its rows by heart; whoever asks it learns who was in the training set."""
    found = audited(rows, OVERFIT)
    assert found.leaks
    assert not found.verdict("leak").passed
    assert found.rmia.roc_auc.point > 0.65
    assert found.rmia.found[0.01].lower > 0.02


def test_a_careful_network_is_cleared(rows):
    """An alarm on every model would soon be switched off."""
    found = audited(rows, CAREFUL)
    assert not found.leaks
    assert found.verdict("leak").passed
    assert abs(found.rmia.roc_auc.point - 0.5) < 0.07


def test_the_loss_attack_alone_accuses_the_careful_and_clears_the_overfit():
    """Where members are the easier rows, and where they are the harder ones."""
    draw = np.random.default_rng(5)
    groups = np.repeat(np.arange(GROUPS), ROWS // GROUPS)
    member = groups % 2 == 0
    for easier, knows, leaks in ((0.3, 0.0, False), (-0.3, 0.25, True)):
        usual = np.clip(0.6 + easier * member + draw.normal(0, 0.05, ROWS), 0.01, 0.99)
        noise = draw.normal(0, 0.02, (5, ROWS))

        def likelihood_of(mask, usual=usual, noise=noise, knows=knows):
            place = int(mask.sum() + mask[0]) % 4
            return np.clip(usual + knows * mask + noise[place], 0.01, 0.99)

        target = np.clip(usual + knows * member + noise[4], 0.01, 0.99)
        told = {"member": member, "outsider": ~member, "groups": groups, **SETTINGS}
        found = audit(likelihood_of, target, **told)
        assert found.leaks == leaks
        assert (found.loss.roc_auc.lower > 0.55) == (not leaks)


def test_chance_alone_is_seldom_called_a_leak():
    """The promise of the interval: of models that know nothing, few are accused."""
    groups = np.repeat(np.arange(GROUPS), 5)
    member = groups % 2 == 0
    accused = 0
    for trial in range(60):
        draw = np.random.default_rng(trial)
        luck = draw.uniform(0.05, 0.95, GROUPS)[groups]
        likely = lambda _, luck=luck, draw=draw: luck * draw.uniform(0.8, 1, luck.size)  # noqa: E731
        told = {"member": member, "outsider": ~member, "groups": groups, **SETTINGS}
        accused += audit(likely, likely(None), **told).leaks
    assert accused <= 3


def test_one_in_a_thousand_is_told_only_of_outsiders_enough(rows):
    """A rate that rests on one or two rows would be an accident."""
    assert list(audited(rows, CAREFUL).rmia.found) == [0.01]
    groups = np.repeat(np.arange(100), 250)
    member = groups % 2 == 0
    draw = np.random.default_rng(1)
    likely = draw.uniform(size=groups.size)
    told = {"member": member, "outsider": ~member, "groups": groups, **SETTINGS, "rounds": 20}
    assert list(audit(lambda _: likely, likely, **told).rmia.found) == [0.01, 0.001]


def test_too_few_rows_are_no_audit(rows):
    """Silence about a small table must not read as innocence."""
    with pytest.raises(UnauditableError, match="of 99 learned and 400 held-out rows"):
        audited(rows, CAREFUL, member=rows[3] & (np.cumsum(rows[3]) < 100))


@pytest.fixture(scope="module")
def values():
    """Rows with a noisy value each, which half of the groups have given away."""
    draw = np.random.default_rng(3)
    inputs = pd.DataFrame(draw.normal(size=(ROWS, 8)), columns=[f"x{i}" for i in range(8)])
    labels = 3 * inputs["x0"].to_numpy() + draw.normal(0, 2, ROWS)
    groups = np.repeat(np.arange(GROUPS), ROWS // GROUPS)
    return inputs, labels, groups, groups % 2 == 0


def density_by(inputs, labels, settings):
    """Return what trains a regression on a mask of rows, and says how likely each value is then."""
    task = task_of("regression")

    def likelihood_of(mask):
        known, answers = inputs[mask], labels[mask]
        if settings is OVERFIT:
            known, answers = pd.concat([known, known]), np.concatenate([answers, answers])
            tuning = np.arange(len(answers)) >= mask.sum()
        else:
            tuning = np.arange(len(answers)) % 5 == 0
        model = fit(known, answers, tuning, settings=settings, costs=None, task=task)
        return task.likelihood(labels, predict(model, inputs))

    return likelihood_of


@pytest.mark.parametrize(("settings", "leaks"), [(OVERFIT, True), (CAREFUL, False)])
def test_an_overfit_regression_is_caught_and_a_careful_one_cleared(values, settings, leaks):
    """A value has a density and no probability; who knows its error knows who was learned."""
    inputs, labels, groups, member = values
    likelihood_of = density_by(inputs, labels, settings)
    told = {"member": member, "outsider": ~member, "groups": groups, **SETTINGS}
    found = audit(likelihood_of, likelihood_of(member), **told)
    assert found.leaks == leaks
    assert (found.rmia.roc_auc.point > 0.65) == leaks
