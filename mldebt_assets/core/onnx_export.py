"""The model as ONNX, for servers without PyTorch, and the proof that it answers alike."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch

from mldebt_assets.core.network import Network, reproducible
from mldebt_assets.core.training import encode, network_of, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from mldebt_assets.core.training import FittedModel


class Calibrated(torch.nn.Module):
    """The network with its calibrating line inside; its output is a probability."""

    def __init__(self, network: Network, slope: float, intercept: float) -> None:
        super().__init__()
        self.network = network
        self.slope = slope
        self.intercept = intercept

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return calibrated probabilities, shape (rows,)."""
        return torch.sigmoid(self.network(codes, numbers) * self.slope + self.intercept)


def to_onnx(model: FittedModel) -> bytes:
    """Return the model as ONNX, any number of rows, with its calibration inside.

    Inputs are ``codes`` (int64, rows x categories) and ``numbers`` (float32, rows x numbers), as
    :func:`mldebt_assets.core.training.encode` makes them; the output is ``probability``
    (float32, rows). Strings, medians and scales are not in it: they are in the model's file.
    """
    network = Calibrated(network_of(model), model.slope, model.intercept).eval()
    rows = torch.export.Dim("rows", min=1)
    codes = torch.zeros((2, len(model.shape.codes)), dtype=torch.int64)
    numbers = torch.zeros((2, model.shape.numbers), dtype=torch.float32)
    with reproducible(), _quiet():
        program = torch.onnx.export(
            network,
            (codes, numbers),
            dynamo=True,
            verbose=False,
            input_names=["codes", "numbers"],
            output_names=["probability"],
            dynamic_shapes={"codes": {0: rows}, "numbers": {0: rows}},
        )
    if program is None:
        raise RuntimeError("torch.onnx.export(dynamo=True) returned no program")
    return bytes(program.model_proto.SerializeToString(deterministic=True))


def onnx_disagreement(model: FittedModel, exported: bytes, inputs: pd.DataFrame) -> float:
    """Return the largest absolute difference between the two models' probabilities."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    codes, numbers = encode(model, inputs)
    (answers,) = session.run(["probability"], {"codes": codes, "numbers": numbers})
    return float(np.abs(answers.astype(np.float64) - predict(model, inputs)).max(initial=0.0))


@contextmanager
def _quiet() -> Iterator[None]:
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
