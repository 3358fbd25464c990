"""Whether a file is a model that can be adopted: judged as bytes, as a graph, and by what it says.

Nothing of the file runs before it is known to be one ONNX graph of standard operators that holds
all of its weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnxruntime.capi import onnxruntime_pybind11_state as runtime

from mldebt_assets.core.adopted import FLAT, TABLE, TYPES, answers, feeds
from mldebt_assets.core.encoding import Encoding
from mldebt_assets.core.errors import UnadoptableError, UnusableInputError
from mldebt_assets.core.graphs import inner_graphs, run
from mldebt_assets.core.network import Shape
from mldebt_assets.core.training import GRAPH, FittedModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.tasks.task import Rule, Task

MOST_BYTES = 512 << 20
LEAST_BYTES = 16
STANDARD = {"", "ai.onnx", "ai.onnx.ml"}
SUM_TOLERANCE = 1e-3
NAMES_SHOWN = 8
LONGEST_REASON = 200

RUNTIME_ERRORS = (
    runtime.Fail,
    runtime.InvalidArgument,
    runtime.InvalidGraph,
    runtime.InvalidProtobuf,
    runtime.NoModel,
    runtime.NotImplemented,
    runtime.RuntimeException,
    ValueError,
    RuntimeError,
)
"""What onnxruntime raises for a graph that it cannot load, or rows that it cannot take."""

ELEMENTS = {getattr(onnx.TensorProto, name.upper()): name for name in TYPES}


def check_size(size: int) -> None:
    """Raise UnadoptableError for a file that is no model by its size alone."""
    if size > MOST_BYTES:
        raise UnadoptableError.of(
            f"it has {size:,} bytes, more than the {MOST_BYTES:,} that are taken.",
            "prune or quantise the model",
        )
    if size < LEAST_BYTES:
        raise UnadoptableError.of(f"it has {size} bytes.", "name the ONNX file itself")


def graph_of(data: bytes) -> onnx.ModelProto:
    """Return the file as a graph, once it is known to be one that may be run.

    Raises: UnadoptableError where it is no ONNX, keeps weights elsewhere, or uses operators that
            are not ONNX's own.
    """
    check_size(len(data))
    try:
        model = onnx.load_from_string(data)
    except DecodeError as problem:
        raise no_onnx(problem) from problem
    if not model.graph.node:
        raise UnadoptableError.of("it is no ONNX graph.", "export the model with its converter")
    outside = sorted({one.name for one in tensors(model.graph) if is_outside(one)})
    if outside:
        raise UnadoptableError.of(
            f"it keeps {named(outside)} in another file.",
            "save it as one file: onnx.save_model(model, path, save_as_external_data=False)",
        )
    if model.functions:
        raise UnadoptableError.of(
            f"it declares functions of its own ({named(sorted(f.name for f in model.functions))}).",
            "inline them with onnx.inliner.inline_local_functions",
        )
    foreign = sorted(
        {f"{n.domain}.{n.op_type}" for n in nodes(model.graph) if n.domain not in STANDARD}
    )
    if foreign:
        raise UnadoptableError.of(
            f"it uses operators that are not ONNX's own ({named(foreign)}).",
            "export it with the operators of ai.onnx and ai.onnx.ml alone",
        )
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as problem:
        raise no_onnx(problem) from problem
    return model


def adopt(
    data: bytes,
    *,
    task: Task,
    inputs: pd.DataFrame,
    facts: Mapping[str, Any],
    columns: Sequence[str] = (),
    output: str | None = None,
) -> FittedModel:
    """Return the file as a model that answered for these rows, without any rule of decision.

    Args:   ``inputs``, the features of a batch; ``facts``, what is said of the file; ``columns``,
            in order, those of its one table, by default all numeric ones; ``output``, the name of
            its answer where it has several.
    Raises: UnadoptableError with the reason and a fix.
    """
    graph = graph_of(data)
    told = {
        "inputs": inputs_of(graph.graph, inputs, columns),
        "output": output_of(graph.graph, output),
        "classes": list(classes_of(graph.graph, task.classes)),
    }
    model = FittedModel(
        encoding=Encoding(categories=(), numbers=()),
        shape=Shape(codes=(), numbers=0, embedding=0, hidden=(), members=0, outputs=task.outputs),
        weights={GRAPH: np.frombuffer(data, dtype=np.uint8)},
        best_epochs=(),
        slope=1.0,
        intercept=0.0,
        threshold=None,
        task=task.kind,
        classes=task.classes,
        adopted={**facts, **told},
    )
    try_on(data, told, task, inputs)
    return model


def with_rule(model: FittedModel, rule: Rule) -> FittedModel:
    """Return the model with how its scores become decisions."""
    return replace(model, threshold=rule.threshold, half_width=rule.half_width)


def try_on(data: bytes, told: Mapping[str, Any], task: Task, inputs: pd.DataFrame) -> None:
    """Raise UnadoptableError unless the graph runs on the rows and answers in the task's way."""
    try:
        (said,) = run(data, feeds(told["inputs"], inputs), [told["output"]])
        check_answer(np.asarray(said), told["output"], task, len(inputs))
        answers(data, told, task, inputs)
    except UnusableInputError as problem:
        what, _, fix = str(problem).partition("\nFix: ")
        raise UnadoptableError.of(what, fix.rstrip(".")) from problem
    except RUNTIME_ERRORS as problem:
        if isinstance(problem, UnadoptableError):
            raise
        raise UnadoptableError.of(
            f"onnxruntime cannot run it on {len(inputs)} rows ({first_line(problem)}).",
            "export it with a first dimension of any length, and name the columns of its table "
            "with --columns",
        ) from problem


def check_answer(said: NDArray[Any], output: str, task: Task, rows: int) -> None:
    """Raise UnadoptableError unless an output is a finite answer of the task, row by row."""
    wanted: tuple[tuple[int, ...], ...] = {
        "binary": ((rows,), (rows, 1), (rows, 2)),
        "multiclass": ((rows, len(task.classes)),),
        "regression": ((rows,), (rows, 1)),
    }[task.kind]
    if said.shape not in wanted:
        shapes = " or ".join(str(shape) for shape in wanted)
        raise UnadoptableError.of(
            f"its output {output!r} has the shape {said.shape} for {rows} rows, and a "
            f"{task.kind} target asks for {shapes}.",
            "name another output with --output, or export the one that answers",
        )
    unsound = int((~np.isfinite(said.reshape(rows, -1))).any(axis=1).sum())
    if unsound:
        raise UnadoptableError.of(
            f"its output {output!r} is no number in {unsound} of {rows} rows of the newest batch.",
            "adopt a model that takes missing values, or fill them in the pipeline's features",
        )
    if task.kind == "regression":
        return
    if said.min() < 0 or said.max() > 1:
        raise UnadoptableError.of(
            f"its output {output!r} is no probability: it lies between {said.min():.3g} and "
            f"{said.max():.3g}.",
            "export probabilities, not logits; for scikit-learn: options={'zipmap': False}",
        )
    if said.shape not in {(rows,), (rows, 1)}:
        apart = float(np.abs(said.sum(axis=1) - 1).max())
        if apart > SUM_TOLERANCE:
            raise UnadoptableError.of(
                f"its output {output!r} is no probability a class: they sum to 1 ± {apart:.2g}.",
                "export probabilities of classes that exclude each other",
            )


def inputs_of(
    graph: onnx.GraphProto, features: pd.DataFrame, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Return which columns go into which input: one tensor a column by its name, or one table.

    Raises: UnadoptableError where the two do not fit.
    """
    held = {one.name for one in graph.initializer}
    given = [one for one in graph.input if one.name not in held]
    known = [str(name) for name in features]
    unknown = sorted({*columns} - {*known})
    if unknown:
        raise UnadoptableError.of(
            f"{named(unknown)} of --columns are none of the pipeline's features, which are "
            f"{named(known)}.",
            "name the features in the order in which the model was given them",
        )
    if not columns and given and all(one.name in known for one in given):
        return [tensor_of(one, (one.name,)) for one in given]
    if len(given) != 1:
        foreign = sorted(one.name for one in given if one.name not in known)
        raise UnadoptableError.of(
            f"it has {len(given)} inputs, of which {named(foreign)} are none of the pipeline's "
            f"features ({named(known)}).",
            "export it with one input a feature, called as the feature is, or with one table",
        )
    numeric = [name for name in known if features[name].dtype.kind in "biuf"]
    return [tensor_of(given[0], tuple(columns or numeric))]


def tensor_of(given: onnx.ValueInfoProto, columns: tuple[str, ...]) -> dict[str, Any]:
    """Return how one input is fed. Raises: UnadoptableError where it takes something else."""
    of = given.type.tensor_type
    kind, rank = ELEMENTS.get(of.elem_type), len(of.shape.dim) or TABLE
    if not given.type.HasField("tensor_type") or kind is None or rank > TABLE:
        raise UnadoptableError.of(
            f"its input {given.name!r} takes neither a column nor a table of numbers or text.",
            f"export it with inputs of {', '.join(TYPES)}",
        )
    width = of.shape.dim[1].dim_value if len(of.shape.dim) == TABLE else 0
    if rank == FLAT:
        width = 1
    if width and width != len(columns):
        raise UnadoptableError.of(
            f"its input {given.name!r} takes {width} columns, and {len(columns)} would be given: "
            f"{named(columns)}.",
            "name the columns in the order in which the model was given them, with --columns",
        )
    return {"name": given.name, "columns": list(columns), "type": kind, "rank": rank}


def output_of(graph: onnx.GraphProto, wanted: str | None) -> str:
    """Return the name of the output that is the answer. Raises: UnadoptableError."""
    floats = [
        one.name
        for one in graph.output
        if ELEMENTS.get(one.type.tensor_type.elem_type) in {"float", "double"}
    ]
    every = [one.name for one in graph.output]
    if wanted is not None and wanted in floats:
        return wanted
    if wanted is None and len(floats) == 1:
        return str(floats[0])
    told = f"{named(floats)} are tables of numbers" if floats else "none is a table of numbers"
    raise UnadoptableError.of(
        f"of its outputs ({named(every)}) {told}"
        + (f", and {wanted!r} is none of them." if wanted is not None else "."),
        "name the answer with --output"
        if floats
        else "export numbers; for scikit-learn: to_onnx(…, options={'zipmap': False})",
    )


def classes_of(graph: onnx.GraphProto, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the classes in the model's order: as its graph lists them, else as declared."""
    for node in nodes(graph):
        for attribute in node.attribute:
            listed = tuple(one.decode(errors="replace") for one in attribute.strings)
            if declared and sorted(listed) == sorted(declared):
                return listed
    return declared


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield every node, those of graphs inside it too."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in inner_graphs(attribute):
                yield from nodes(inner)


def tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Yield every tensor that a graph holds, or says that it holds."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in inner_graphs(attribute):
                yield from tensors(inner)


def is_outside(one: onnx.TensorProto) -> bool:
    """Return whether a tensor's values lie in another file."""
    return bool(one.data_location == onnx.TensorProto.EXTERNAL or one.external_data)


def no_onnx(problem: Exception) -> UnadoptableError:
    """Return the refusal of bytes that are no sound ONNX, with the first line of why."""
    return UnadoptableError.of(
        f"it is no sound ONNX graph ({first_line(problem)}).",
        "export the model with its converter; `onnx.checker.check_model` says what is wrong",
    )


def first_line(problem: Exception) -> str:
    """Return the first line of what a library says, cut where it is long."""
    said = (str(problem).strip().splitlines() or [type(problem).__name__])[0]
    return said.rstrip(".")[:LONGEST_REASON]


def named(names: Sequence[str]) -> str:
    """Return a few of some names."""
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")
