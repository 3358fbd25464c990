"""ONNX graphs as plain data: what is asked of them, and how one is run in one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

IR_VERSION = 10
QUIET = 3
"""onnxruntime's errors alone: what it would warn of are converters' careless shapes."""

GRAPH_INPUTS = {"codes": onnx.TensorProto.INT64, "numbers": onnx.TensorProto.FLOAT}


def run(graph: bytes, feeds: Arrays, outputs: Sequence[str]) -> list[NDArray[Any]]:
    """Return what the graph says; in one thread, so that equal inputs give equal bytes."""
    found: list[NDArray[Any]] = opened(graph).run(list(outputs), dict(feeds))
    return found


def scorer(graph: bytes, answer: str) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]:
    """Return what scores codes and numbers by a served graph, opened once, as float64."""
    session = opened(graph)
    taken = {one.name for one in session.get_inputs()}

    def score(codes: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
        given = {"codes": codes, "numbers": numbers}
        (found,) = session.run([answer], {name: given[name] for name in taken})
        return np.asarray(found, dtype=np.float64)

    return score


def opened(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session of the graph, of one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = QUIET
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def constant(name: str, values: NDArray[Any]) -> onnx.TensorProto:
    """Return a tensor that a graph holds."""
    return numpy_helper.from_array(np.asarray(values), name)


def needed_nodes(graph: onnx.GraphProto, output: str) -> list[onnx.NodeProto]:
    """Return the nodes that an output needs, in the graph's order: others say nothing of it."""
    wanted, kept = {output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= names_read_by(node)
    return kept[::-1]


def inner_graphs(attribute: onnx.AttributeProto) -> list[onnx.GraphProto]:
    """Return the graphs that a node holds, such as the body of a loop."""
    alone = [attribute.g] if attribute.HasField("g") else []
    return [*alone, *attribute.graphs]


def names_read_by(node: onnx.NodeProto) -> set[str]:
    """Return the tensors that a node reads, those of graphs inside it too."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in inner_graphs(attribute):
            for step in inner.node:
                names |= names_read_by(step)
    return names


def rename(graph: onnx.GraphProto, prefix: str) -> dict[str, str]:
    """Name every tensor of a graph by its place, in place; return the new names by the old ones.

    Converters count on in their names, from one model to the next: equal models would else have
    unequal bytes.
    """
    names = {"": ""}

    def place(name: str) -> str:
        return names.setdefault(name, f"{prefix}{len(names)}")

    def walk(inside: onnx.GraphProto) -> None:
        for one in (*inside.input, *inside.output, *inside.initializer, *inside.value_info):
            one.name = place(one.name)
        for node in inside.node:
            node.name, node.doc_string = "", ""
            node.input[:] = [place(name) for name in node.input]
            node.output[:] = [place(name) for name in node.output]
            for attribute in node.attribute:
                for inner in inner_graphs(attribute):
                    inner.name = "inner"
                    walk(inner)

    walk(graph)
    return names


def assemble(
    nodes: Sequence[onnx.NodeProto],
    constants: Sequence[onnx.TensorProto],
    *,
    inputs: Sequence[onnx.ValueInfoProto],
    output: onnx.ValueInfoProto,
    opsets: Mapping[str, int],
) -> bytes:
    """Return the bytes of a graph that holds these nodes; equal ones give equal bytes.

    Raises: onnx.checker.ValidationError where they make no graph.
    """
    read = set().union(*map(names_read_by, nodes))
    graph = helper.make_graph(
        list(nodes),
        "model",
        list(inputs),
        [output],
        [one for one in constants if one.name in read],
    )
    model = helper.make_model(
        graph,
        producer_name="mldebt",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid(name, version) for name, version in opsets.items()],
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def opsets_of(model: onnx.ModelProto) -> dict[str, int]:
    """Return the versions of the operators that a model uses, each domain once."""
    return {one.domain: one.version for one in model.opset_import}
