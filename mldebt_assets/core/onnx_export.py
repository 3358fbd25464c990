"""The model as ONNX, for servers without PyTorch, and the proof that it answers alike."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from mldebt_assets.core.graphs import run
from mldebt_assets.core.network import Network, reproducible
from mldebt_assets.core.own_export import with_line
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.tasks.task import Line
from mldebt_assets.core.training import encode, graph_of, network_of, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mldebt_assets.core.tasks.task import Task
    from mldebt_assets.core.training import FittedModel


class Calibrated(torch.nn.Module):
    """The network with its calibrating line inside; its output is the task's scores."""

    slope: float | torch.Tensor
    intercept: float | torch.Tensor

    def __init__(self, network: Network, slope: float, intercept: float, task: Task) -> None:
        super().__init__()
        self.network = network
        self.slope, self.intercept = slope, intercept
        if task.precise:
            # As plain numbers they would be exported in float32, whatever they are added to.
            self.slope, self.intercept = (
                torch.tensor(one, dtype=torch.float64) for one in (slope, intercept)
            )
        self.task = task

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the task's scores of each row."""
        outputs = self.network(codes, numbers)
        outputs = outputs.double() if self.task.precise else outputs
        return self.task.link(outputs * self.slope + self.intercept)


def to_onnx(model: FittedModel) -> bytes:
    """Return the model as ONNX, any number of rows, with its calibration inside.

    Inputs are ``codes`` (int64, rows x categories) and ``numbers`` (float32, rows x numbers), as
    :func:`mldebt_assets.core.training.encode` makes them; the output is what the task
    calls its answer: ``probability`` (float32, rows), ``probabilities`` (float32, rows x classes)
    or ``value`` (float64, rows). A user's own model has the same inputs and outputs. Strings,
    medians and scales are not in it: they are in the model's file.
    """
    task = task_of(model.task, model.classes)
    if model.own is not None:
        line = Line(slope=model.slope, intercept=model.intercept)
        return with_line(graph_of(model), line, task)
    network = Calibrated(network_of(model), model.slope, model.intercept, task).eval()
    rows = torch.export.Dim("rows", min=1)
    codes = torch.zeros((2, len(model.shape.codes)), dtype=torch.int64)
    numbers = torch.zeros((2, model.shape.numbers), dtype=torch.float32)
    with reproducible(), quiet():
        program = torch.onnx.export(
            network,
            (codes, numbers),
            dynamo=True,
            verbose=False,
            input_names=["codes", "numbers"],
            output_names=[task.answer],
            dynamic_shapes={"codes": {0: rows}, "numbers": {0: rows}},
        )
    if program is None:
        raise RuntimeError("torch.onnx.export(dynamo=True) returned no program")
    return bytes(program.model_proto.SerializeToString(deterministic=True))


def onnx_disagreement(model: FittedModel, exported: bytes, inputs: pd.DataFrame) -> float:
    """Return the largest absolute difference between the two models' scores, in the task's unit."""
    codes, numbers = encode(model, inputs)
    task = task_of(model.task, model.classes)
    (answers,) = run(exported, {"codes": codes, "numbers": numbers}, [task.answer])
    apart = np.abs(answers.astype(np.float64) - predict(model, inputs)).max(initial=0.0)
    return float(apart / task.unit(model.slope))


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter, which reports every pass, and that torchvision is not installed."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
