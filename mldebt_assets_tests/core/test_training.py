import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mldebt_assets.core.errors import (
    DeviceError,
    DivergedError,
    MissingInputError,
    ModelFormatError,
    UntrainableError,
    UnusableInputError,
)
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
from mldebt_assets.core.training import encode, fit, from_bytes, predict, to_bytes
from mldebt_assets_tests.core.small_table import COSTS, SETTINGS, small_table

ELSEWHERE = """
import random, numpy, torch
random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
torch.set_num_threads(3)
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.training import fit, to_bytes
from mldebt_assets_tests.core.small_table import COSTS, SETTINGS, small_table
inputs, labels, tuning = small_table()
model = fit(inputs, labels, tuning, settings=SETTINGS, costs=COSTS)
import sys
sys.stdout.write(sha256(to_bytes(model)))
"""


@pytest.fixture(scope="module")
def table():
    return small_table()


@pytest.fixture(scope="module")
def model(table):
    return fit(*table, settings=SETTINGS, costs=COSTS)


def test_another_process_trains_the_same_bytes(model):
    """This is what `mldebt reproduce` stands on; the other one has other seeds and threads."""
    other = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, check=True
    )
    assert other.stdout == sha256(to_bytes(model))


def test_training_again_in_this_process_gives_the_same_bytes(table, model):
    """A replay trains many models in one process; none may depend on those before it."""
    torch.rand(5)
    assert to_bytes(fit(*table, settings=SETTINGS, costs=COSTS)) == to_bytes(model)


def test_another_seed_trains_another_model(table, model):
    """Else the seed would be recorded, but not used."""
    other = fit(*table, settings=replace(SETTINGS, seed=5), costs=COSTS)
    assert to_bytes(other) != to_bytes(model)


def test_training_leaves_torch_as_it_was(table):
    """A server that trains in the background must not go on with one thread, or other draws."""
    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_rng_state().tolist(),
    )
    fit(*table, settings=SETTINGS, costs=COSTS)
    assert before == (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_rng_state().tolist(),
    )


def test_the_network_learns(model):
    """New rows of the same kind: the ROC AUC of the true odds here is .837."""
    inputs, labels, _ = small_table(rows=4000, seed=8)
    assert roc_auc_score(labels, predict(model, inputs)) > 0.8


def test_linear_members_have_no_hidden_layers_and_come_back_from_bytes(table):
    """Half deep, half linear: the score is the mean of both, in a file and in ONNX alike."""
    settings = replace(SETTINGS, members=2, linear_members=1)
    mixed = fit(*table, settings=settings, costs=COSTS)
    layers = [name for name in mixed.weights if name.startswith("members.1.layers")]
    assert layers == ["members.1.layers.0.weight", "members.1.layers.0.bias"]
    assert len([name for name in mixed.weights if name.startswith("members.0.layers")]) > 2
    again = from_bytes(to_bytes(mixed))
    assert (predict(again, table[0]) == predict(mixed, table[0])).all()
    assert onnx_disagreement(mixed, to_onnx(mixed), table[0]) < 1e-5


def test_a_model_from_before_linear_members_still_loads(model):
    """Old champions must stay loadable: a rollback may need them."""
    now = to_bytes(model)
    old = now.replace(b',\\"linear_members\\":0', b"")
    assert len(old) < len(now)
    length = int.from_bytes(now[:8], "little") - (len(now) - len(old))
    assert from_bytes(length.to_bytes(8, "little") + old[8:]).shape == model.shape


def test_nothing_is_fitted_on_tuning_rows(table):
    """A vocabulary, median or scale from tuning rows would flatter what they choose."""
    inputs, labels, tuning = table
    changed = inputs.copy()
    changed.loc[tuning, "x"] = 1e6
    changed.loc[tuning, "colour"] = "violet"
    fitted = fit(changed, labels, tuning, settings=SETTINGS, costs=COSTS)
    assert fitted.encoding == fit(inputs, labels, tuning, settings=SETTINGS, costs=COSTS).encoding


def test_a_row_is_scored_alike_alone_and_among_others(table, model):
    """Serving one flight gives what the batch gave."""
    inputs = table[0].head(60)
    alone = [predict(model, inputs.iloc[row : row + 1])[0] for row in range(60)]
    assert np.abs(predict(model, inputs) - alone).max() < 1e-6


def test_the_columns_may_come_in_any_order(table, model):
    """Inputs are found by name; a table read back from elsewhere may be ordered otherwise."""
    inputs = table[0]
    assert predict(model, inputs[inputs.columns[::-1]]).tolist() == predict(model, inputs).tolist()


def test_probabilities_come_for_no_rows_and_for_unseen_values(model):
    """An empty batch, and one with a new colour, are no reason to fail."""
    inputs, _, _ = small_table(rows=50)
    assert predict(model, inputs.head(0)).shape == (0,)
    assert np.isfinite(predict(model, inputs.assign(colour="violet", x=np.nan))).all()


def test_a_model_survives_its_bytes(table, model):
    """The stored model is the model: same answers, same bytes."""
    data = to_bytes(model)
    again = from_bytes(data)
    assert to_bytes(again) == data
    assert predict(again, table[0]).tolist() == predict(model, table[0]).tolist()
    assert (again.encoding, again.shape) == (model.encoding, model.shape)


@pytest.mark.parametrize("data", [b"", b"not a model", b"\x80\x04pickle", b"\xff" * 64])
def test_bytes_that_are_no_model_are_refused(data):
    """Never unpickled, never guessed at."""
    with pytest.raises(ModelFormatError, match=r"no model(.|\n)*Fix:"):
        from_bytes(data)


def test_a_cut_model_is_refused(model):
    """A download that broke off."""
    with pytest.raises(ModelFormatError, match="no model"):
        from_bytes(to_bytes(model)[:-10])


def test_a_model_of_another_format_is_refused(model):
    """An older program must not read half of a newer model."""
    data = to_bytes(model).replace(rb"\"format\":1", rb"\"format\":2")
    with pytest.raises(ModelFormatError, match="format is not 1"):
        from_bytes(data)


@pytest.mark.parametrize("label", [0.0, 1.0])
@pytest.mark.parametrize("rows", ["training", "tuning"])
def test_rows_of_one_label_are_refused(table, rows, label):
    """A first month without a late flight teaches nothing, and must not look as if it had."""
    inputs, labels, tuning = table
    labels = np.where(tuning if rows == "tuning" else ~tuning, label, labels)
    with pytest.raises(UntrainableError, match=rf"{rows} rows(.|\n)*Fix:"):
        fit(inputs, labels, tuning, settings=SETTINGS, costs=COSTS)


def test_no_rows_are_refused(table):
    """Every group held out, or none landed."""
    inputs, labels, tuning = table
    with pytest.raises(UntrainableError, match="of 0 training rows"):
        fit(inputs[:0], labels[:0], tuning[:0], settings=SETTINGS, costs=COSTS)


def test_an_infinite_feature_is_refused(table):
    """Its column is named before hours are spent on NaN."""
    inputs, labels, tuning = table
    with pytest.raises(UnusableInputError, match="x is infinite"):
        fit(inputs.assign(x=np.inf), labels, tuning, settings=SETTINGS, costs=COSTS)


def test_a_renamed_column_is_named(table, model):
    """Serving with another feature function than the model's."""
    with pytest.raises(MissingInputError, match="reads x, which the table lacks"):
        predict(model, table[0].rename(columns={"x": "X"}))


def test_a_diverged_training_is_refused(table):
    """NaN weights would score every flight alike, and no gate may have to notice."""
    wild = replace(SETTINGS, learning_rate=1e38, batch_rows=8)
    with pytest.raises(DivergedError, match=r"learning rate 1e\+38(.|\n)*Fix:"):
        fit(*table, settings=wild, costs=COSTS)


def test_a_device_that_is_not_there_is_refused(table):
    """Falling back to the CPU would train another model than the one declared."""
    with pytest.raises(DeviceError, match=r"'cuda:99'(.|\n)*Fix:"):
        fit(*table, settings=replace(SETTINGS, device="cuda:99"), costs=COSTS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_model_trained_on_a_gpu_scores_on_the_cpu(table):
    """Serving needs no GPU."""
    fitted = fit(*table, settings=replace(SETTINGS, device="cuda"), costs=COSTS)
    assert roc_auc_score(table[1], predict(fitted, table[0])) > 0.8


def test_every_epoch_is_reported_in_order(table):
    """Learning curves are plotted from it."""
    told = []
    fit(*table, settings=SETTINGS, costs=COSTS, report=lambda *facts: told.append(facts))
    assert [epoch for epoch, _ in told] == [1, 2, 3, 4, 5, 6]
    assert set(told[0][1]) == {"training_log_loss", "tuning_log_loss"}
    assert told[-1][1]["tuning_log_loss"] < told[0][1]["tuning_log_loss"]


@pytest.mark.parametrize("columns", [["colour"], ["x", "y"]])
def test_tables_without_numbers_or_without_strings_train(table, columns):
    """`mldebt new` meets both."""
    inputs, labels, tuning = table
    fitted = fit(inputs[columns], labels, tuning, settings=SETTINGS, costs=COSTS)
    codes, numbers = encode(fitted, inputs)
    assert (codes.shape[1], numbers.shape[1]) == ((1, 0) if columns == ["colour"] else (0, 3))
    assert roc_auc_score(labels, predict(fitted, inputs)) > 0.55
