"""A user's own model in place of our network: made, fitted, and held against its ONNX export.

It learns from the rows that the network would learn from, as one table of numbers
(:class:`mldebt_assets.core.policies.Layout`). What is kept of it is its ONNX graph alone: that
scores, for ever, without the object, its code or its package; nothing is ever pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from mldebt_assets.core.encoding import encode
from mldebt_assets.core.errors import OwnModelError
from mldebt_assets.core.graphs import run
from mldebt_assets.core.network import Learner, device_of, reproducible, train_member
from mldebt_assets.core.own_export import (
    LEAST_PROBABILITY,
    OUTPUTS,
    chosen,
    gives_probabilities,
    of_estimator,
    of_module,
)
from mldebt_assets.core.own_table import Rows, columns_of, spread
from mldebt_assets.core.policies import Layout

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.encoding import Encoding
    from mldebt_assets.core.own_table import Table
    from mldebt_assets.core.policies import Training
    from mldebt_assets.core.tasks.task import Line, Task

LARGEST_DISAGREEMENT = 1e-4
"""Of a probability, or of the spread of the values that were learned from."""

LEAST_SHARE = 0.005
"""A category's value has a column of its own from this share of the rows on; the rest share one."""

SCALARS = (bool, int, float, str, type(None))
FLAT = 2


@dataclass(frozen=True, kw_only=True)
class OwnGraph:
    """What is kept of a user's own model.

    ``graph`` is the ONNX, from codes and numbers to outputs; ``facts`` say what it was, ``name``,
    ``package`` and ``parameters``, as plain JSON values. ``history`` is a module's, epoch by epoch.
    """

    graph: bytes
    facts: dict[str, Any]
    best_epochs: tuple[int, ...] = ()
    history: tuple[tuple[float, float], ...] = ()


class Alone(Learner):
    """A user's module as the training loop knows our own: one table, drawn when it was made."""

    def __init__(self, module: torch.nn.Module, name: str, outputs: int) -> None:
        super().__init__()
        self.module, self.name, self.outputs = module, name, outputs

    def forward(self, table: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (rows,) or (rows, outputs). Raises: OwnModelError."""
        found: torch.Tensor = self.module(table)
        flat = found.squeeze(1) if found.dim() == FLAT and self.outputs == 1 else found
        shape = (len(table),) if self.outputs == 1 else (len(table), self.outputs)
        if tuple(flat.shape) != shape:
            raise OwnModelError.of(
                self.name,
                f"it gives {tuple(found.shape)} for {len(table)} rows instead of {shape}.",
                "let it give `layout.outputs` numbers a row",
            )
        return flat


def rare_below(settings: Training, rows: int) -> int:
    """Return below how many of these rows a category's value has no column of its own."""
    return max(settings.rare_below, int(np.ceil(LEAST_SHARE * rows)))


def learn(
    encoding: Encoding,
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    tuning: NDArray[np.bool_],
    *,
    settings: Training,
    task: Task,
    start: Line,
) -> OwnGraph:
    """Return the graph of the user's model, fitted on the rows not in ``tuning``.

    Tuning rows choose a module's epoch, and judge whether the export says what the model says.
    Raises: OwnModelError with the reason and a fix.
    """
    if settings.estimator is None:
        raise TypeError("no estimator is declared")
    rows = Rows(
        table=spread(encoding, *encode(encoding, inputs)),
        labels=labels,
        tuning=tuning,
        encoding=encoding,
        task=task,
        start=start,
    )
    layout = Layout(seed=settings.seed, columns=columns_of(encoding), outputs=task.outputs)
    with reproducible(), threadpool_limits(1), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = settings.estimator(layout)
        name = f"{type(model).__module__}.{type(model).__qualname__}"
        if isinstance(model, torch.nn.Module):
            found, own = trained(model, name, rows, settings)
        else:
            found, own = fitted(model, name, rows, settings.seed)
    compare(found.graph, name, own, encode(encoding, inputs[tuning]), rows)
    return found


def trained(
    made: torch.nn.Module, name: str, rows: Rows, settings: Training
) -> tuple[OwnGraph, NDArray[np.float64]]:
    """Return a module's graph, trained by our own loop, and its own scores of the tuning rows."""
    device = device_of(settings.device)
    alone = Alone(made, name, rows.task.outputs).to(device)
    targets = rows.task.targets(rows.labels, rows.start)

    def part(which: NDArray[np.bool_]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        given = torch.from_numpy(rows.table[which]).to(device)
        return given, given[:, :0], torch.from_numpy(targets[which]).to(device)

    best, history = train_member(
        alone,
        part(~rows.tuning),
        part(rows.tuning),
        settings=settings,
        seed=settings.seed,
        loss_of=rows.task.loss,
        begin_at=(),
    )
    alone = alone.eval().cpu()
    with torch.inference_mode():
        given = torch.from_numpy(rows.table[rows.tuning])
        outputs = alone(given, given[:, :0]).numpy()
    weights = sum(one.numel() for one in made.parameters())
    facts = {**described(made, name), "parameters": {"weights": weights, "layers": repr(made)}}
    graph = of_module(made, name, rows)
    kept = OwnGraph(graph=graph, facts=facts, best_epochs=(best,), history=tuple(history))
    return kept, rows.scores(outputs)


def fitted(model: Any, name: str, rows: Rows, seed: int) -> tuple[OwnGraph, NDArray[np.float64]]:
    """Return an estimator's graph, fitted, and its own scores of the tuning rows."""
    lacking = [one for one in ("fit", "predict") if not callable(getattr(model, one, None))]
    if isinstance(model, type) or lacking:
        raise OwnModelError.of(
            name,
            "it is a class."
            if isinstance(model, type)
            else f"it has no {' and no '.join(lacking)}.",
            "return an object with `fit` and `predict_proba` or `predict`, or a torch.nn.Module",
        )
    settle(model, seed)
    learn_from, task = ~rows.tuning, rows.task
    labels = rows.labels if task.kind == "regression" else rows.labels.astype(np.int64)
    model.fit(rows.table[learn_from], labels[learn_from])
    graph = of_estimator(model, name, rows)
    told = own_scores(model, name, task, rows.table[rows.tuning])
    return OwnGraph(graph=graph, facts=described(model, name)), told


def settle(model: Any, seed: int) -> None:
    """Give the estimator, and each within it, the seed where it leaves that open.

    LightGBM's take one thread then, not all. Trained again it would else be another model.
    """
    known: dict[str, Any] = getattr(model, "get_params", dict)()
    asked = {}
    for name, value in known.items():
        within, _, last = name.rpartition("__")
        part = known[within] if within else model
        if value is None and last == "random_state":
            asked[name] = seed
        if value is None and last == "n_jobs" and type(part).__module__.startswith("lightgbm."):
            asked[name] = 1
    if asked:
        model.set_params(**asked)


def own_scores(model: Any, name: str, task: Task, table: Table) -> NDArray[np.float64]:
    """Return what the estimator itself says of rows, as the task's scores."""
    if not gives_probabilities(model, task):
        said = np.asarray(model.predict(table), dtype=np.float64).reshape(-1)
        if task.kind == "regression":
            return said
        likely = said if task.kind == "binary" else said[:, None] == np.arange(task.outputs)
    else:
        likely = np.asarray(model.predict_proba(table)) @ chosen(model, name, task)
    held = np.clip(likely.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return held.reshape(-1) if task.kind == "binary" else held / held.sum(axis=1, keepdims=True)


def compare(
    graph: bytes,
    name: str,
    own: NDArray[np.float64],
    encoded: tuple[NDArray[np.int64], NDArray[np.float32]],
    rows: Rows,
) -> None:
    """Raise OwnModelError unless the graph says of the tuning rows what the model itself says."""
    codes, numbers = encoded
    (outputs,) = run(graph, {"codes": codes, "numbers": numbers}, [OUTPUTS])
    apart = np.abs(rows.scores(outputs) - own).max(initial=0.0)
    told = float(apart / rows.task.unit(rows.start.slope))
    if not told <= LARGEST_DISAGREEMENT:  # what is no number agrees with nothing
        raise OwnModelError.differs(name, told, LARGEST_DISAGREEMENT, len(own))


def described(model: Any, name: str) -> dict[str, Any]:
    """Return which class of which package a model is, and its parameters as plain values."""
    top = type(model).__module__.partition(".")[0]
    package = next(iter(metadata.packages_distributions().get(top, ())), None)
    known: dict[str, Any] = getattr(model, "get_params", dict)()
    return {
        "name": name,
        "package": None if package is None else f"{package} {metadata.version(package)}",
        "parameters": {
            one: value if isinstance(value, SCALARS) else type(value).__name__
            for one, value in sorted(known.items())
        },
    }
