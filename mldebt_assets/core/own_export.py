"""A user's own model as an ONNX graph with the inputs of our network.

The graph takes ``codes`` and ``numbers``, spreads them over the table that the model was given,
and gives ``outputs``: logits, or standard scores of a number, as the network would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper

from mldebt_assets.core.errors import OwnModelError
from mldebt_assets.core.graphs import (
    GRAPH_INPUTS,
    assemble,
    constant,
    needed_nodes,
    opsets_of,
    rename,
)
from mldebt_assets.core.own_table import places

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.own_table import Rows
    from mldebt_assets.core.tasks.task import Line, Task

    Steps = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]

OUTPUTS = "outputs"
OPSETS = {"": 17, "ai.onnx.ml": 3}
LEAST_PROBABILITY = 1e-6
"""A logit is that of a probability no nearer than this to 0 or 1."""

FAILURES = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError)
"""What converters raise, each in its own way, for a model that they do not know."""

FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)
LINKS = {"binary": "Sigmoid", "multiclass": "Softmax", "regression": "Identity"}
OURS, THEIRS = "mldebt_", "model_"
BOTH = 2


def of_estimator(model: Any, name: str, rows: Rows) -> bytes:
    """Return the graph of a fitted estimator. Raises: OwnModelError with the reason."""
    converted = (
        own_conversion(model, name, rows.table)
        if hasattr(model, "to_onnx")
        else conversion(model, name, rows.table)
    )
    rename(converted.graph, THEIRS)
    told = answer_of(converted, name, probabilities=gives_probabilities(model, rows.task))
    return whole(converted, told, meaning(model, name, rows, told), rows, name)


def of_module(module: Any, name: str, rows: Rows) -> bytes:
    """Return the graph of a trained module. Raises: OwnModelError with the reason."""
    import torch

    from mldebt_assets.core.onnx_export import quiet

    given = torch.from_numpy(rows.table[:BOTH].copy())
    try:
        with quiet():
            program = torch.onnx.export(
                module,
                (given,),
                dynamo=True,
                verbose=False,
                input_names=["table"],
                output_names=["told"],
                dynamic_shapes=({0: torch.export.Dim("rows", min=1)},),
                opset_version=18,
            )
    except FAILURES as problem:
        raise unknown(name, problem) from problem
    if program is None:
        raise RuntimeError("torch.onnx.export(dynamo=True) returned no program")
    converted = program.model_proto
    told = rename(converted.graph, THEIRS)["told"]
    shape = [-1] if rows.task.outputs == 1 else [-1, rows.task.outputs]
    flat = helper.make_node("Reshape", [told, f"{OURS}shape"], [f"{OURS}flat"])
    kind = onnx.TensorProto.DOUBLE if rows.task.precise else onnx.TensorProto.FLOAT
    last = helper.make_node("Cast", [f"{OURS}flat"], [OUTPUTS], to=kind)
    answered = [flat, last], [constant(f"{OURS}shape", np.array(shape, dtype=np.int64))]
    return whole(converted, told, answered, rows, name)


def conversion(model: Any, name: str, table: NDArray[np.float32]) -> onnx.ModelProto:
    """Return what scikit-learn's converters make of an estimator."""
    try:
        import skl2onnx
    except ModuleNotFoundError as missing:
        raise OwnModelError.lacks(name, str(missing.name)) from missing
    boosted = boosted_parts(model)
    if boosted:
        register_lightgbm(name)
    options = {id(model): {"zipmap": False}} if hasattr(model, "predict_proba") else None
    try:
        found: onnx.ModelProto = skl2onnx.to_onnx(
            model, table[:1], name="model", options=options, target_opset=dict(OPSETS)
        )
    except FAILURES as problem:
        raise unknown(name, problem) from problem
    for part in boosted:
        hold_thresholds(found, part)
    return found


def own_conversion(model: Any, name: str, table: NDArray[np.float32]) -> onnx.ModelProto:
    """Return what the object itself says that it is."""
    try:
        found = model.to_onnx(table[:1])
        return found if isinstance(found, onnx.ModelProto) else onnx.load_from_string(bytes(found))
    except FAILURES as problem:
        raise unknown(name, problem) from problem


def boosted_parts(model: Any) -> list[Any]:
    """Return the fitted estimators of LightGBM that a model is, or is made of."""
    parts = [model, *getattr(model, "get_params", dict)().values()]
    named = [one for one in parts if type(one).__module__.startswith("lightgbm.")]
    return [one for one in named if hasattr(one, "booster_")]


def hold_thresholds(converted: onnx.ModelProto, boosted: Any) -> None:
    """Give each split of LightGBM's trees the float32 that decides as its float64 does, in place.

    Converters round to the nearest: a threshold half a digit below a value would let it pass.
    """
    held: dict[tuple[int, float], float] = {}

    def walk(node: dict[str, Any]) -> None:
        if "threshold" in node:
            exact, near = node["threshold"], np.float32(node["threshold"])
            below = np.nextafter(near, np.float32(-np.inf)) if float(near) > exact else near
            held[node["split_feature"], float(near)] = float(below)
            walk(node["left_child"])
            walk(node["right_child"])

    for tree in boosted.booster_.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    for node in converted.graph.node:
        of = {attribute.name: attribute for attribute in node.attribute}
        if "nodes_values" in of:
            places = zip(of["nodes_featureids"].ints, of["nodes_values"].floats, strict=True)
            of["nodes_values"].floats[:] = [held.get(one, one[1]) for one in places]


def register_lightgbm(name: str) -> None:
    """Let scikit-learn's converters know LightGBM's estimators. Raises: OwnModelError."""
    try:
        from lightgbm import LGBMClassifier, LGBMRegressor
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
        from skl2onnx import update_registered_converter
        from skl2onnx.common.shape_calculator import (
            calculate_linear_classifier_output_shapes,
            calculate_linear_regressor_output_shapes,
        )
    except ModuleNotFoundError as missing:
        raise OwnModelError.lacks(name, str(missing.name)) from missing
    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )


def gives_probabilities(model: Any, task: Task) -> bool:
    """Return whether the model's probabilities are its answer, and not what it predicts."""
    return task.kind != "regression" and hasattr(model, "predict_proba")


def answer_of(converted: onnx.ModelProto, name: str, *, probabilities: bool) -> str:
    """Return which output of a converted model is its answer. Raises: OwnModelError."""
    tensors = [one for one in converted.graph.output if one.type.HasField("tensor_type")]
    floats = [one.name for one in tensors if one.type.tensor_type.elem_type in FLOATS]
    told = floats[-1:] if probabilities else [one.name for one in tensors[:1]]
    if not told or len(converted.graph.input) != 1:
        names = ", ".join(one.name for one in converted.graph.output)
        raise OwnModelError.of(
            name,
            f"its export has {len(converted.graph.input)} inputs, and none of its outputs "
            f"({names}) is a table of numbers." if not told else
            f"its export has {len(converted.graph.input)} inputs instead of one table.",
            "let `to_onnx(table)` return a graph from one table to one table",
        )  # fmt: skip
    return str(told[0])


def meaning(model: Any, name: str, rows: Rows, told: str) -> Steps:
    """Return what makes a network's outputs of an estimator's answer."""
    task, start = rows.task, rows.start

    def node(kind: str, *inputs: str, **attributes: Any) -> onnx.NodeProto:
        output = f"{OURS}{len(nodes)}"
        nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return nodes[-1]

    def number(value: Any, dtype: Any = np.float32) -> str:
        constants.append(constant(f"{OURS}constant_{len(constants)}", np.array(value, dtype)))
        return str(constants[-1].name)

    def last() -> str:
        return str(nodes[-1].output[0])

    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    if task.kind == "regression":
        node("Cast", told, to=onnx.TensorProto.DOUBLE)
        node("Reshape", last(), number([-1], np.int64))
        node("Sub", last(), number(start.intercept, np.float64))
        node("Div", last(), number(start.slope, np.float64))
    else:
        node("Cast", told, to=onnx.TensorProto.FLOAT)
        if gives_probabilities(model, task):
            node("MatMul", last(), number(chosen(model, name, task)))
        elif task.kind == "multiclass":
            nodes.clear()
            node("Cast", told, to=onnx.TensorProto.INT64)
            node("Reshape", last(), number([-1, 1], np.int64))
            node("Equal", last(), number(np.arange(task.outputs), np.int64))
            node("Cast", last(), to=onnx.TensorProto.FLOAT)
        node("Max", last(), number(LEAST_PROBABILITY))
        node("Min", last(), number(1 - LEAST_PROBABILITY))
        likely = last()
        node("Log", likely)
        if task.kind == "binary":
            logarithm = last()
            node("Sub", number(1.0), likely)
            node("Log", last())
            node("Sub", logarithm, last())
            node("Reshape", last(), number([-1], np.int64))
    nodes[-1].output[0] = OUTPUTS
    return nodes, constants


def chosen(model: Any, name: str, task: Task) -> NDArray[np.float32]:
    """Return what takes the task's probabilities out of those that an estimator gives.

    It knows the classes that it has seen: the others have no probability. Of a binary one, that of
    a 1 is taken.
    """
    every = range(BOTH) if task.kind == "binary" else range(task.outputs)
    seen = [int(one) for one in getattr(model, "classes_", every)]
    if not set(seen) <= set(every):
        raise OwnModelError.of(
            name,
            f"its classes are {seen}, and the labels that it was given {list(every)}.",
            "let it keep the labels as they are",
        )
    found = np.array([[one == asked for asked in every] for one in seen], dtype=np.float32)
    return found[:, 1:] if task.kind == "binary" else found


def whole(converted: onnx.ModelProto, told: str, answered: Steps, rows: Rows, name: str) -> bytes:
    """Return the graph from codes and numbers to outputs, around a converted model."""
    encoding, task = rows.encoding, rows.task
    column, code = places(encoding)
    table = converted.graph.input[0].name
    spreading = [
        helper.make_node("Gather", ["codes", f"{OURS}column"], [f"{OURS}codes"], axis=1),
        helper.make_node("Equal", [f"{OURS}codes", f"{OURS}code"], [f"{OURS}known"]),
        helper.make_node("Cast", [f"{OURS}known"], [f"{OURS}values"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Concat", [f"{OURS}values", "numbers"], [table], axis=1),
    ]
    held = [constant(f"{OURS}column", column), constant(f"{OURS}code", code)]
    widths = {"codes": len(encoding.categories), "numbers": encoding.width}
    if not encoding.categories:
        spreading, held = [helper.make_node("Identity", ["numbers"], [table])], []
    shape: list[str | int | None] = ["rows"] if task.outputs == 1 else ["rows", task.outputs]
    kind = onnx.TensorProto.DOUBLE if task.precise else onnx.TensorProto.FLOAT
    try:
        return assemble(
            [*spreading, *needed_nodes(converted.graph, told), *answered[0]],
            [*held, *converted.graph.initializer, *answered[1]],
            inputs=[
                helper.make_tensor_value_info(one, of, ["rows", widths[one]])
                for one, of in GRAPH_INPUTS.items()
            ],
            output=helper.make_tensor_value_info(OUTPUTS, kind, shape),
            opsets=opsets_of(converted),
        )
    except onnx.checker.ValidationError as problem:
        raise unknown(name, problem) from problem


def with_line(graph: bytes, line: Line, task: Task) -> bytes:
    """Return the graph with the calibrating line inside: its output is what the task answers."""
    model = onnx.load_from_string(graph)
    dtype = np.float64 if task.precise else np.float32
    kind = onnx.TensorProto.DOUBLE if task.precise else onnx.TensorProto.FLOAT
    slope, intercept, lined = f"{OURS}slope", f"{OURS}intercept", f"{OURS}lined"
    shape: list[str | int | None] = ["rows"] if task.outputs == 1 else ["rows", task.outputs]
    return assemble(
        [
            *model.graph.node,
            helper.make_node("Mul", [OUTPUTS, slope], [f"{OURS}sloped"]),
            helper.make_node("Add", [f"{OURS}sloped", intercept], [lined]),
            helper.make_node(LINKS[task.kind], [lined], [task.answer]),
        ],
        [
            *model.graph.initializer,
            constant(slope, np.array(line.slope, dtype)),
            constant(intercept, np.array(line.intercept, dtype)),
        ],
        inputs=list(model.graph.input),
        output=helper.make_tensor_value_info(task.answer, kind, shape),
        opsets=opsets_of(model),
    )


def unknown(name: str, problem: Exception) -> OwnModelError:
    """Return the refusal of a model that no converter knows, with the converter's first line."""
    said = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    return OwnModelError.of(
        name,
        f"it cannot be exported to ONNX ({said.rstrip('.')}).",
        "choose an estimator that skl2onnx knows, or give the object a `to_onnx(table)`",
    )
