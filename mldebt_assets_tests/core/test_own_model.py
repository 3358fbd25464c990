"""A user's own model: fitted on what our network would be fitted on, and kept as ONNX alone."""

from __future__ import annotations

import sys
from dataclasses import replace

import lightgbm
import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from mldebt_assets.core import own_export
from mldebt_assets.core.encoding import encode
from mldebt_assets.core.errors import OwnModelError
from mldebt_assets.core.graphs import run
from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
from mldebt_assets.core.own_table import columns_of, spread
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.tasks.multiclass import MultiClass
from mldebt_assets.core.tasks.regression import Regression
from mldebt_assets.core.training import fit, from_bytes, predict, to_bytes
from mldebt_assets_tests.core.small_table import COSTS, SETTINGS, small_table

INPUTS, LABELS, TUNING = small_table(rows=600)
TASKS = {
    "binary": (BINARY, LABELS),
    "multiclass": (MultiClass(("a", "b", "c")), np.digitize(INPUTS["x"], [4.0, 6.0]).astype(float)),
    "regression": (Regression(), INPUTS["x"].to_numpy() * 100 + 5000 + LABELS),
}


def module(layout):
    return torch.nn.Sequential(
        torch.nn.Linear(len(layout.columns), 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.1),
        torch.nn.Linear(8, layout.outputs),
    )


def trees(_):
    return lightgbm.LGBMClassifier(n_estimators=10, verbose=-1)


MODELS = {
    "scikit-learn": ("binary", lambda _: HistGradientBoostingClassifier(max_iter=10)),
    "only predict": ("multiclass", lambda _: LinearSVC()),
    "nearest": ("binary", lambda _: KNeighborsClassifier(20)),
    "pipeline": ("binary", lambda layout: make_pipeline(StandardScaler(), trees(layout))),
    "lightgbm": ("multiclass", trees),
    "number": ("regression", lambda _: Ridge()),
    "module": ("regression", module),
}


def fitted(task, make, labels=None):
    asked, known = TASKS[task]
    return fit(
        INPUTS,
        known if labels is None else labels,
        TUNING,
        settings=replace(SETTINGS, epochs=12, estimator=make),
        costs=COSTS if task == "binary" else None,
        task=asked,
    )


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_is_kept_as_onnx_and_trained_again_gives_the_same_bytes(name):
    """What is served, and what is proved, is this one graph."""
    kind, make = MODELS[name]
    task, labels = TASKS[kind]
    model = fitted(kind, make)
    kept = to_bytes(model)
    again = from_bytes(kept)
    assert to_bytes(fitted(kind, make)) == kept == to_bytes(again)
    scores = predict(again, INPUTS[TUNING])
    assert task.measure(labels[TUNING], scores) > task.level.chance + 0.2
    exported = to_onnx(again)
    assert onnx_disagreement(again, exported, INPUTS) < 1e-6
    assert onnx_disagreement(again, exported, INPUTS[:1]) < 1e-6
    session = onnxruntime.InferenceSession(exported)
    said = [one.name for one in (*session.get_inputs(), *session.get_outputs())]
    assert said == ["codes", "numbers", task.answer]


def test_the_rows_that_tune_are_not_learned_from(monkeypatch):
    """They would else judge what has seen them."""
    seen, fit_it = [], Ridge.fit

    def watching(self, table, labels):
        seen.append(len(table))
        return fit_it(self, table, labels)

    monkeypatch.setattr(Ridge, "fit", watching)
    fitted("regression", lambda _: Ridge())
    assert seen == [int((~TUNING).sum())]


def test_the_graph_spreads_codes_over_the_very_table_that_was_learned_from():
    model = fitted("binary", lambda _: LogisticRegression())
    table = spread(model.encoding, *encode(model.encoding, INPUTS))
    columns = list(columns_of(model.encoding))
    assert table.shape[1] == len(columns)
    red = table[:, columns.index("colour=red")]
    np.testing.assert_array_equal(red, (INPUTS["colour"] == "red").astype(np.float32))
    missing = table[:, columns.index("y is missing")]
    np.testing.assert_array_equal(missing, INPUTS["y"].isna().astype(np.float32))


class Mean:
    """An object of nobody's library: the mean of what it saw."""

    off = 0.0

    def fit(self, table, labels):
        assert len(table) == len(labels)
        self.mean = float(labels.mean())

    def predict(self, table):
        return np.full(len(table), self.mean)


class Exporting(Mean):
    def to_onnx(self, table):
        first = helper.make_node("ReduceMax", ["X"], ["highest"], axes=[1], keepdims=1)
        nothing = helper.make_node("Sub", ["highest", "highest"], ["nothing"])
        value = helper.make_tensor("mean", TensorProto.FLOAT, [1], [self.mean + self.off])
        graph = helper.make_graph(
            [first, nothing, helper.make_node("Add", ["nothing", "mean"], ["value"])],
            "mean",
            [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, table.shape[1]])],
            [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])],
            [value],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Lying(Exporting):
    off = 1.0


def test_an_object_that_gives_its_own_graph_is_taken_at_its_word_where_that_is_true():
    model = fitted("regression", lambda _: Exporting())
    expected = TASKS["regression"][1][~TUNING].mean()
    np.testing.assert_allclose(predict(model, INPUTS), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "make", "said"),
    [
        ("regression", lambda _: Mean(), "Mean cannot be the model: it cannot be exported"),
        ("regression", lambda _: Lying(), r"its ONNX export differs from it by 0\.00\d+"),
        ("binary", lambda _: LogisticRegression, "it is a class"),
        ("binary", lambda _: object(), "it has no fit and no predict"),
        ("multiclass", lambda layout: torch.nn.Linear(len(layout.columns), 7), r"gives \(64, 7\)"),
    ],
)
def test_what_cannot_be_exported_or_trusted_is_refused_with_a_reason(kind, make, said):
    """A model that answers otherwise once it is served would have been judged for nothing."""
    with pytest.raises(OwnModelError, match=f"(?s){said}.*Fix: "):
        fitted(kind, make)


def test_a_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(OwnModelError, match=r"(?s)skl2onnx, which is not installed.*own-models"):
        fitted("binary", lambda _: LogisticRegression())


def test_a_class_that_was_never_learned_has_no_probability_and_breaks_nothing():
    """Its rows may come with the next batch."""
    labels = np.where(TASKS["multiclass"][1] == 2, 0.0, TASKS["multiclass"][1])
    scores = predict(fitted("multiclass", trees, labels), INPUTS)
    np.testing.assert_allclose(scores.sum(axis=1), 1)
    assert scores[:, 2].max() < 0.01


def test_what_is_told_of_it_is_its_class_package_and_parameters():
    """A model card that says `own model` would say nothing."""
    told = fitted("binary", lambda _: LogisticRegression(C=0.5)).own
    assert told["name"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert told["package"].startswith("scikit-learn ")
    assert told["parameters"]["C"] == 0.5
    assert told["parameters"]["random_state"] == SETTINGS.seed


def test_values_half_a_digit_from_a_threshold_go_the_way_they_went_when_it_was_learned():
    """Converters round thresholds to the nearest float32, and some land on the value itself."""
    low = np.float32(1.3)
    high = np.nextafter(low, np.float32(2))
    table = np.repeat(np.array([[low], [high]]), 50, axis=0)
    model = lightgbm.LGBMRegressor(n_estimators=3, min_child_samples=1, verbose=-1)
    model.fit(table, np.repeat([0.0, 1.0], 50))
    converted = own_export.conversion(model, "it", table)
    (said,) = run(converted.SerializeToString(), {"X": table}, [converted.graph.output[0].name])
    np.testing.assert_allclose(said[:, 0], model.predict(table), atol=1e-6)
