import logging
import warnings

import numpy as np
import onnxruntime
import pytest

from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
from mldebt_assets.core.training import fit
from mldebt_assets_tests.core.small_table import COSTS, SETTINGS, small_table


@pytest.fixture(scope="module")
def model():
    return fit(*small_table(), settings=SETTINGS, costs=COSTS)


@pytest.fixture(scope="module")
def exported(model):
    return to_onnx(model)


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_the_export_agrees_with_pytorch_for_any_number_of_rows(model, exported, rows):
    """A server runs the export, while the gate judged the original."""
    assert onnx_disagreement(model, exported, small_table(rows=rows, seed=9)[0]) < 1e-6


def test_a_foreign_export_is_told_apart(model):
    """The agreement is checked before a promotion is done; it must be able to fail."""
    other = fit(*small_table(seed=3), settings=SETTINGS, costs=COSTS)
    assert onnx_disagreement(model, to_onnx(other), small_table()[0]) > 1e-3


def test_the_interface_is_as_documented(exported):
    """Servers are written against these names and types."""
    session = onnxruntime.InferenceSession(exported)
    found = [(value.name, value.type) for value in (*session.get_inputs(), *session.get_outputs())]
    assert found == [
        ("codes", "tensor(int64)"),
        ("numbers", "tensor(float)"),
        ("probability", "tensor(float)"),
    ]


def test_the_same_model_exports_to_the_same_bytes(model, exported):
    """The export is a snapshot under its hash."""
    assert to_onnx(model) == exported


def test_exporting_says_nothing(model, capfd, caplog):
    """The exporter's passes and missing extras would drown the replay's own lines."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_onnx(model)
    written = capfd.readouterr()
    assert (written.out, written.err) == ("", "")
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


@pytest.mark.parametrize("columns", [["colour"], ["x", "y"]])
def test_models_of_one_kind_of_column_are_exported(columns):
    """An input of no columns must not lose its name."""
    inputs, labels, tuning = small_table()
    model = fit(inputs[columns], labels, tuning, settings=SETTINGS, costs=COSTS)
    assert onnx_disagreement(model, to_onnx(model), inputs) < 1e-6


def test_no_rows_disagree_about_nothing(model, exported):
    """An empty batch is compared as well."""
    assert onnx_disagreement(model, exported, small_table()[0].head(0)) == pytest.approx(0.0)
    assert np.isfinite(onnx_disagreement(model, exported, small_table()[0]))
