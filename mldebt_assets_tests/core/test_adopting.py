"""A file is judged before it is run, and run before it is believed."""

from __future__ import annotations

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.linear_model import LinearRegression, LogisticRegression

from mldebt_assets.core import adopting
from mldebt_assets.core.errors import UnadoptableError, UnusableInputError
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.tasks.task import Rule
from mldebt_assets.core.training import from_bytes, predict, to_bytes

RNG = np.random.default_rng(7)
ROWS = pd.DataFrame(
    {
        "depot": RNG.choice(["north", "south"], 60),
        "weight_kg": RNG.uniform(0, 20, 60),
        "distance_km": RNG.uniform(0, 500, 60),
    }
)
TABLE = ROWS[["weight_kg", "distance_km"]].to_numpy(dtype=np.float32)
LATE = TABLE[:, 0] > 10
BINARY, TREES = task_of("binary", ()), ("ash", "birch", "oak")


def exported(model, **options):
    """Return the bytes of a fitted estimator of scikit-learn's."""
    asked = {"zipmap": False, **options} if hasattr(model, "predict_proba") else None
    made = to_onnx(model, TABLE[:1], options=asked, target_opset=17)
    return made.SerializeToString()


def graph(*nodes, inputs=None, outputs=None, constants=(), opsets=(("", 17),)):
    """Return the bytes of a graph made by hand, from a table to a column."""
    made = helper.make_graph(
        list(nodes),
        "model",
        inputs or [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        outputs or [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 1])],
        list(constants),
    )
    ids = [helper.make_opsetid(*one) for one in opsets]
    return helper.make_model(made, ir_version=10, opset_imports=ids).SerializeToString()


def sound(**others):
    weights = numpy_helper.from_array(np.array([[0.1], [0.0]], dtype=np.float32), "w")
    return graph(
        helper.make_node("MatMul", ["X", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["p"]),
        constants=[weights],
        **others,
    )


def with_weights_elsewhere():
    model = onnx.load_from_string(sound())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model.SerializeToString()


def with_a_foreign_operator():
    node = helper.make_node("Evil", ["X"], ["p"], domain="com.example")
    return graph(node, opsets=[("", 17), ("com.example", 1)])


def with_a_foreign_operator_inside():
    inner = helper.make_graph(
        [helper.make_node("Evil", ["X"], ["q"], domain="com.example")],
        "branch",
        [],
        [helper.make_tensor_value_info("q", TensorProto.FLOAT, [None, 1])],
    )
    known = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["p"], then_branch=inner, else_branch=inner)
    return graph(node, constants=[known], opsets=[("", 17), ("com.example", 1)])


def with_functions():
    model = onnx.load_from_string(sound())
    body = [helper.make_node("Identity", ["a"], ["b"])]
    made = helper.make_function("own", "Same", ["a"], ["b"], body, [helper.make_opsetid("", 17)])
    model.functions.append(made)
    return model.SerializeToString()


def of_fixed_rows():
    shape = [1, 2]
    return sound(
        inputs=[helper.make_tensor_value_info("X", TensorProto.FLOAT, shape)],
        outputs=[helper.make_tensor_value_info("p", TensorProto.FLOAT, [1, 1])],
    )


def of_unknown_columns():
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("a", "b")
    ]
    return graph(helper.make_node("Add", ["a", "b"], ["p"]), inputs=inputs)


def saying_nothing():
    return graph(
        helper.make_node("ReduceMin", ["X"], ["m"], axes=[1]),
        helper.make_node("Sub", ["m", "m"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["p"]),
    )


def logits():
    return graph(helper.make_node("ReduceMax", ["X"], ["p"], axes=[1]))


def of_three_columns():
    three = to_onnx(
        LogisticRegression().fit(np.c_[TABLE, TABLE[:, 0]], LATE),
        np.zeros((1, 3), dtype=np.float32),
        options={"zipmap": False},
    )
    return three.SerializeToString()


BAD = {
    "not ONNX": (lambda: b"id,weight\n1,2.5\n" * 4, "it is no "),
    "a pickle": (lambda: b"\x80\x04\x95" + bytes(60), "it is no "),
    "nearly empty": (lambda: b"\x08", "it has 1 bytes"),
    "cut off": (lambda: sound()[:-20], "it is no "),
    "weights in another file": (with_weights_elsewhere, r"it keeps w in another file"),
    "a foreign operator": (with_a_foreign_operator, r"not ONNX's own \(com\.example\.Evil\)"),
    "one inside a branch": (with_a_foreign_operator_inside, r"not ONNX's own"),
    "functions of its own": (with_functions, r"functions of its own \(Same\)"),
    "a fixed number of rows": (of_fixed_rows, "cannot run it on 60 rows"),
    "columns that are none": (of_unknown_columns, "a, b are none of the pipeline's features"),
    "too many columns": (of_three_columns, "takes 3 columns, and 2 would be given"),
    "a map for an answer": (
        lambda: exported(LogisticRegression().fit(TABLE, LATE), zipmap=True),
        "none is a table of numbers",
    ),
    "NaN": (saying_nothing, "is no number in 60 of 60 rows"),
    "no probability": (logits, "is no probability: it lies between"),
    "three classes for yes and no": (
        lambda: exported(LogisticRegression().fit(TABLE, np.arange(60) % 3)),
        r"has the shape \(60, 3\) for 60 rows",
    ),
}


def adopted(data, task=BINARY, rows=ROWS, **others):
    return adopting.adopt(data, task=task, inputs=rows, facts={"file_sha256": "ab"}, **others)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_with_the_reason_and_a_fix(name):
    """Nothing of it may run unseen, and nothing that it says may be taken for an answer."""
    make, said = BAD[name]
    with pytest.raises(UnadoptableError, match=said) as refused:
        adopted(make())
    assert "\nFix: " in str(refused.value)


def test_a_file_that_is_too_large_is_refused_by_its_size_alone():
    """It would fill the memory before anything could be said of it."""
    with pytest.raises(UnadoptableError, match=r"more than the 536,870,912 that are taken"):
        adopting.check_size(adopting.MOST_BYTES + 1)


def test_its_scores_are_those_of_its_own_and_survive_its_bytes():
    """Nothing is calibrated, scaled or filled: the file says it, and from then on always."""
    model = LogisticRegression().fit(TABLE, LATE)
    kept = adopting.with_rule(adopted(exported(model)), Rule(threshold=0.3))
    again = from_bytes(to_bytes(kept))
    assert (again.threshold, again.adopted["inputs"][0]["columns"]) == (
        0.3,
        ["weight_kg", "distance_km"],
    )
    np.testing.assert_allclose(predict(again, ROWS), model.predict_proba(TABLE)[:, 1], atol=1e-6)


def test_columns_may_be_named_in_another_order():
    """Who trained it knows the order; the pipeline's may be another."""
    model = LogisticRegression().fit(TABLE[:, ::-1], LATE)
    kept = adopted(exported(model), columns=("distance_km", "weight_kg"))
    found = model.predict_proba(TABLE[:, ::-1])[:, 1]
    np.testing.assert_allclose(predict(kept, ROWS), found, atol=1e-6)
    with pytest.raises(UnadoptableError, match="wieght of --columns are none"):
        adopted(exported(model), columns=("wieght", "distance_km"))


def test_one_input_a_feature_is_found_by_its_name_text_too():
    """As scikit-learn's own pipelines are exported."""
    inputs = [
        helper.make_tensor_value_info("depot", TensorProto.STRING, [None, 1]),
        helper.make_tensor_value_info("weight_kg", TensorProto.FLOAT, [None, 1]),
    ]
    encoded = helper.make_node(
        "LabelEncoder",
        ["depot"],
        ["d"],
        domain="ai.onnx.ml",
        keys_strings=["north", "south"],
        values_floats=[0.0, 1.0],
        default_float=0.5,
    )
    zero = helper.make_node("Mul", ["weight_kg", "none"], ["zero"])
    said = helper.make_node("Add", ["d", "zero"], ["p"])
    none = numpy_helper.from_array(np.array(0, dtype=np.float32), "none")
    data = graph(
        encoded, zero, said, inputs=inputs, constants=[none], opsets=[("", 17), ("ai.onnx.ml", 3)]
    )
    found = predict(adopted(data), ROWS.assign(depot=["south"] * 59 + [None]))
    assert found.tolist() == [1.0] * 59 + [0.5]


def test_classes_in_the_files_order_are_answered_in_the_pipelines():
    """Two orders of the same names would else swap every answer."""
    labels = np.array(TREES)[np.arange(60) % 3]
    model = LogisticRegression(max_iter=500).fit(TABLE, labels)
    declared = ("oak", "ash", "birch")
    kept = adopted(exported(model), task=task_of("multiclass", declared))
    own = model.predict_proba(TABLE)[:, [list(model.classes_).index(one) for one in declared]]
    np.testing.assert_allclose(predict(kept, ROWS), own, atol=1e-5)


def test_a_number_is_answered_as_it_is():
    """A regression has neither a threshold nor a link."""
    model = LinearRegression().fit(TABLE, TABLE[:, 1] * 3)
    kept = adopted(exported(model), task=task_of("regression", ()))
    np.testing.assert_allclose(predict(kept, ROWS), model.predict(TABLE), rtol=1e-4)


def test_a_later_row_of_which_it_makes_no_number_is_an_error_and_no_score():
    """A score that is none would pass every threshold as a no."""
    kept = adopted(exported(LogisticRegression().fit(TABLE, LATE)))
    with pytest.raises(UnusableInputError, match="makes no number, in 1 of 60 rows"):
        predict(kept, ROWS.assign(weight_kg=[np.nan, *ROWS["weight_kg"][1:]]))
