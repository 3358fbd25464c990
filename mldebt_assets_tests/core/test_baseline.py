import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mldebt_assets.core.baseline import fit_baseline
from mldebt_assets.core.errors import MissingInputError, UntrainableError, UnusableInputError
from mldebt_assets_tests.core.small_table import SETTINGS, small_table


def test_the_baseline_learns_a_linear_truth():
    """A weak baseline would make any network look good; the true odds have the ROC AUC .837."""
    baseline = fit_baseline(*small_table(), settings=SETTINGS)
    inputs, labels, _ = small_table(rows=4000, seed=8)
    assert roc_auc_score(labels, baseline.predict(inputs)) > 0.83


def test_the_baseline_comes_out_the_same():
    """Its metrics are recorded beside the network's."""
    inputs = small_table()[0]
    first, second = (fit_baseline(*small_table(), settings=SETTINGS) for _ in range(2))
    assert first.predict(inputs).tolist() == second.predict(inputs).tolist()


def test_the_baseline_takes_unseen_and_missing_values():
    """It is compared on the same held-out rows as the network, so none may be left out."""
    inputs = small_table()[0].assign(colour="violet", x=np.nan)
    assert np.isfinite(fit_baseline(*small_table(), settings=SETTINGS).predict(inputs)).all()


def test_the_baseline_refuses_what_the_network_refuses():
    """One cause, one error."""
    inputs, labels, tuning = small_table()
    with pytest.raises(UntrainableError, match="training rows"):
        fit_baseline(inputs, np.zeros_like(labels), tuning, settings=SETTINGS)
    with pytest.raises(UnusableInputError, match="x is infinite"):
        fit_baseline(inputs.assign(x=np.inf), labels, tuning, settings=SETTINGS)
    with pytest.raises(MissingInputError, match="reads x"):
        fit_baseline(inputs, labels, tuning, settings=SETTINGS).predict(inputs.drop(columns="x"))


@pytest.mark.parametrize("columns", [["colour"], ["x", "y"]])
def test_baselines_of_one_kind_of_column_train(columns):
    """`mldebt new` meets tables without strings, and without numbers."""
    inputs, labels, tuning = small_table()
    baseline = fit_baseline(inputs[columns], labels, tuning, settings=SETTINGS)
    assert roc_auc_score(labels, baseline.predict(inputs)) > 0.55
