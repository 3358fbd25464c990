"""Towards where a network's score grows, for searches that want to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from mldebt_assets.core.network import reproducible
from mldebt_assets.core.training import network_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mldebt_assets.core.robustness import Gradient
    from mldebt_assets.core.training import FittedModel


def gradient_of(model: FittedModel) -> Gradient | None:
    """Return what tells each number's slope; None of a user's own model, which has only a graph.

    Of classes it is the slope of how far the likeliest is ahead of the next.
    """
    if model.own is not None:
        return None
    network = network_of(model)

    def gradient(
        codes: NDArray[np.int64], numbers: NDArray[np.float32], upwards: bool
    ) -> NDArray[np.float64]:
        given = torch.from_numpy(numbers.copy()).requires_grad_()
        with reproducible(), torch.enable_grad():
            outputs = network(torch.from_numpy(codes), given)
            if outputs.dim() > 1:
                first, second = outputs.topk(2, dim=1).values.T
                outputs = first - second
            total = outputs.sum() if upwards else -outputs.sum()
            (found,) = torch.autograd.grad(total, given)
        slopes: NDArray[np.float64] = found.double().numpy()
        return slopes

    return gradient
