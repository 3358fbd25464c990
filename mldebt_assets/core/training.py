"""A model of any task: fitted, the same every time; its predictions, and its bytes."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from mldebt_assets.core import encoding
from mldebt_assets.core.encoding import Category, Encoding, Number
from mldebt_assets.core.errors import ModelFormatError, UntrainableError
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.core.network import (
    Network,
    Rows,
    Shape,
    device_of,
    members_of,
    reproducible,
    train_members,
)
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.tasks.task import Rule

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Costs, Training
    from mldebt_assets.core.tasks.task import Task

FORMAT = 1
GRAPH = "graph"
LISTS = ("best_epochs", "classes")
SINCE_TASKS: dict[str, object] = {
    "task": "binary",
    "classes": (),
    "half_width": None,
    "own": None,
    "adopted": None,
}
"""What a model has whose bytes do not say: those of binary ones are as they always were."""

Report = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedModel:
    """Everything fitted: encoding, weights, the calibrating line, and how decisions are made.

    ``best_epochs`` says from which epoch (counted from 1) each member's weights are. The line
    makes logits, or values, of outputs; ``task`` and ``classes`` say what becomes of them, and
    ``threshold`` or ``half_width`` are there where the task has them. A user's own model has its
    ONNX graph for weights, the bytes of ``graph``, and ``own`` says what it was. So has one that
    was ``adopted``, which takes the features as they are and answers in scores: nothing is fitted.
    """

    encoding: Encoding
    shape: Shape
    weights: Mapping[str, NDArray[Any]]
    best_epochs: tuple[int, ...]
    slope: float
    intercept: float
    threshold: float | None
    task: str = "binary"
    classes: tuple[str, ...] = ()
    half_width: float | None = None
    own: Mapping[str, Any] | None = None
    adopted: Mapping[str, Any] | None = None

    @property
    def rule(self) -> Rule:
        """How a score becomes a decision."""
        return Rule(threshold=self.threshold, half_width=self.half_width)


def fit(
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    tuning: NDArray[np.bool_],
    *,
    settings: Training,
    costs: Costs | None,
    task: Task = BINARY,
    report: Report | None = None,
) -> FittedModel:
    """Return a model that learned from the rows not in ``tuning``.

    Args:
        inputs: one row each, strings for categories.
        labels: the task's numbers, shape (rows,), no NaN.
        tuning: the rows that choose each member's epoch, the calibration and the decisions.
        settings: every choice that changes the weights.
        costs: what the decisions of a binary model minimise.
        task: what a label is, and what is learned of it.
        report: is told, epoch by epoch, the members' mean losses once all are trained.
    Raises: UntrainableError, UnusableInputError or DeviceError.
    """
    check_learnable(task, "training", labels[~tuning])
    check_learnable(task, "tuning", labels[tuning])
    learn = _fit_network if settings.estimator is None else _fit_own
    return learn(inputs, labels, tuning, settings=settings, costs=costs, task=task, report=report)


def _fit_network(
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    tuning: NDArray[np.bool_],
    *,
    settings: Training,
    costs: Costs | None,
    task: Task,
    report: Report | None,
) -> FittedModel:
    """Return an ensemble of networks, calibrated on the tuning rows."""
    device = device_of(settings.device)
    fitted = encoding.fit_encoding(inputs[~tuning], rare_below=settings.rare_below)
    shape = Shape(
        codes=tuple(category.codes for category in fitted.categories),
        numbers=fitted.width,
        embedding=settings.embedding,
        hidden=settings.hidden,
        members=settings.members,
        linear_members=settings.linear_members,
        outputs=task.outputs,
    )
    start = task.start(labels[~tuning])
    targets, begin_at = task.targets(labels, start), task.begin_at(labels[~tuning])
    training_rows = _rows(fitted, inputs[~tuning], targets[~tuning], device)
    tuning_rows = _rows(fitted, inputs[tuning], targets[tuning], device)
    members = [member.to(device) for member in members_of(shape)]
    network = Network(members)
    with reproducible():
        trained = train_members(
            members,
            training_rows,
            tuning_rows,
            settings=settings,
            loss_of=task.loss,
            begin_at=begin_at,
        )
        with torch.inference_mode():
            outputs = network(*tuning_rows[:2]).double().cpu().numpy()
    _tell(report, task, [history for _, history in trained])
    line = task.calibrated(outputs, labels[tuning], start)
    model = FittedModel(
        encoding=fitted,
        shape=shape,
        weights={name: w.cpu().numpy() for name, w in network.state_dict().items()},
        best_epochs=tuple(best for best, _ in trained),
        slope=line.slope,
        intercept=line.intercept,
        threshold=None,
        task=task.kind,
        classes=task.classes,
    )
    return _deciding(model, inputs[tuning], labels[tuning], task, costs)


def _fit_own(
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    tuning: NDArray[np.bool_],
    *,
    settings: Training,
    costs: Costs | None,
    task: Task,
    report: Report | None,
) -> FittedModel:
    """Return a user's own model, calibrated as the network is."""
    from mldebt_assets.core.own_model import learn, rare_below

    least = rare_below(settings, int((~tuning).sum()))
    fitted = encoding.fit_encoding(inputs[~tuning], rare_below=least)
    start = task.start(labels[~tuning])
    found = learn(fitted, inputs, labels, tuning, settings=settings, task=task, start=start)
    _tell(report, task, [found.history] if found.history else [])
    model = FittedModel(
        encoding=fitted,
        shape=Shape(
            codes=tuple(category.codes for category in fitted.categories),
            numbers=fitted.width,
            embedding=0,
            hidden=(),
            members=0,
            outputs=task.outputs,
        ),
        weights={GRAPH: np.frombuffer(found.graph, dtype=np.uint8)},
        best_epochs=found.best_epochs,
        slope=start.slope,
        intercept=start.intercept,
        threshold=None,
        task=task.kind,
        classes=task.classes,
        own=found.facts,
    )
    line = task.calibrated(_outputs(model, inputs[tuning]), labels[tuning], start)
    calibrated = replace(model, slope=line.slope, intercept=line.intercept)
    return _deciding(calibrated, inputs[tuning], labels[tuning], task, costs)


def _tell(
    report: Report | None, task: Task, histories: Sequence[Sequence[tuple[float, float]]]
) -> None:
    """Report the members' mean losses, epoch by epoch."""
    if report is None:
        return
    for epoch, losses in enumerate(zip(*histories, strict=True), 1):
        told = zip(("training", "tuning"), zip(*losses, strict=True), strict=True)
        report(epoch, {f"{rows}_{task.loss_name}": float(np.mean(of)) for rows, of in told})


def _deciding(
    model: FittedModel,
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    task: Task,
    costs: Costs | None,
) -> FittedModel:
    """Return the model with the rule that does best on tuning rows."""
    rule = task.rule(predict(model, inputs), labels, costs)
    return replace(model, threshold=rule.threshold, half_width=rule.half_width)


def predict(model: FittedModel, inputs: pd.DataFrame) -> NDArray[np.float64]:
    """Return the task's scores of each row by itself; on the CPU, in one thread.

    Raises: MissingInputError or UnusableInputError.
    """
    task = task_of(model.task, model.classes)
    if model.adopted is not None:
        from mldebt_assets.core.adopted import answers

        return answers(graph_of(model), model.adopted, task, inputs)
    outputs = torch.from_numpy(_outputs(model, inputs))
    with reproducible(), torch.inference_mode():
        scores: NDArray[np.float64] = task.link(outputs * model.slope + model.intercept).numpy()
    return scores


def _outputs(model: FittedModel, inputs: pd.DataFrame) -> NDArray[np.float64]:
    """Return what the network, or the graph, says of each row."""
    codes, numbers = encode(model, inputs)
    if model.own is not None:
        from mldebt_assets.core.graphs import run
        from mldebt_assets.core.own_export import OUTPUTS

        (said,) = run(graph_of(model), {"codes": codes, "numbers": numbers}, [OUTPUTS])
        return said.astype(np.float64)
    with reproducible(), torch.inference_mode():
        outputs = network_of(model)(torch.from_numpy(codes), torch.from_numpy(numbers))
        found: NDArray[np.float64] = outputs.double().numpy()
    return found


def encode(
    model: FittedModel, inputs: pd.DataFrame
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return what the network and its ONNX export take: codes and numbers, one row each."""
    return encoding.encode(model.encoding, inputs)


def network_of(model: FittedModel) -> Network:
    """Return the network with its weights, on the CPU, ready to score."""
    network = Network(members_of(model.shape))
    network.load_state_dict({name: torch.from_numpy(w) for name, w in model.weights.items()})
    return network.eval()


def graph_of(model: FittedModel) -> bytes:
    """Return the ONNX graph of a user's own model, or of one that was adopted."""
    return model.weights[GRAPH].tobytes()


def to_bytes(model: FittedModel) -> bytes:
    """Return the model as one safetensors file; equal models give equal bytes.

    What is no weight is canonical JSON under the one metadata key ``model``.
    """
    state = {f.name: getattr(model, f.name) for f in fields(model) if f.name != "weights"}
    state = {
        n: value for n, value in state.items() if n not in SINCE_TASKS or value != SINCE_TASKS[n]
    }
    shape = asdict(model.shape)
    if model.shape.outputs == 1:
        del shape["outputs"]
    state |= {"encoding": asdict(model.encoding), "shape": shape, "format": FORMAT}
    text = canonical_json(state).decode()
    return bytes(save(dict(model.weights), metadata={"model": text}))


def from_bytes(data: bytes) -> FittedModel:
    """Return the model that :func:`to_bytes` wrote; compare the digest before trusting it.

    Raises: ModelFormatError if the bytes are none, or of another format.
    """
    try:
        weights = load(data)
        (length,) = struct.unpack("<Q", data[:8])
        state = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelFormatError.of(str(error)) from error
    if state.pop("format", None) != FORMAT:
        raise ModelFormatError.of(f"its format is not {FORMAT}.")
    columns, shape = state.pop("encoding"), state.pop("shape")
    return FittedModel(
        encoding=Encoding(
            categories=tuple(
                Category(name=item["name"], levels=tuple(item["levels"]))
                for item in columns["categories"]
            ),
            numbers=tuple(Number(**item) for item in columns["numbers"]),
        ),
        shape=Shape(**shape | {key: tuple(shape[key]) for key in ("codes", "hidden")}),
        weights=weights,
        **state | {name: tuple(state[name]) for name in LISTS if name in state},
    )


def _rows(
    fitted: Encoding, inputs: pd.DataFrame, targets: NDArray[Any], device: torch.device
) -> Rows:
    codes, numbers = encoding.encode(fitted, inputs)
    return (
        torch.from_numpy(codes).to(device),
        torch.from_numpy(numbers).to(device),
        torch.from_numpy(targets).to(device),
    )


def check_learnable(task: Task, rows: str, labels: NDArray[np.float64]) -> None:
    """Raise UntrainableError unless labels differ among these rows, "training" or "tuning"."""
    why = task.unlearnable(labels)
    if why is not None:
        raise UntrainableError.of(rows, count=len(labels), why=why)
