"""The network and its training, such that the same rows and settings give the same weights.

On the CPU the bytes are the same in every process: one thread inside an operation, deterministic
algorithms, a generator of its own for every draw.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch.nn.utils import skip_init

from mldebt_assets.core.encoding import MISSING, UNSEEN
from mldebt_assets.core.errors import DeviceError, DivergedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mldebt_assets.core.policies import Training

WARM_UP = 0.2

Rows = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_settings_lock = threading.RLock()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is needed to build the network before its weights are read.

    The last ``linear_members`` of the ``members`` have no hidden layers. ``outputs`` is how many
    numbers a row gets.
    """

    codes: tuple[int, ...]
    numbers: int
    embedding: int
    hidden: tuple[int, ...]
    members: int
    linear_members: int = 0
    outputs: int = 1


class Learner(torch.nn.Module):
    """What the loop trains: it gives outputs for the two tables of a row's inputs."""

    def start(self, seed: int) -> None:
        """Draw the first weights, where they are not drawn yet."""

    def begin_at(self, outputs: Sequence[float]) -> None:
        """Add these to what a row is given before anything is learned."""


class Member(Learner):
    """One network: each code has an embedding, and weights of its own that go past the layers."""

    offsets: torch.Tensor

    def __init__(self, shape: Shape, *, linear: bool = False) -> None:
        super().__init__()
        self.outputs = shape.outputs
        hidden = () if linear else shape.hidden
        starts = np.cumsum([0, *shape.codes])
        self.register_buffer("offsets", torch.from_numpy(starts[:-1].copy()), persistent=False)
        self.table = skip_init(
            torch.nn.Embedding, max(1, int(starts[-1])), shape.outputs + shape.embedding
        )
        widths = [len(shape.codes) * shape.embedding + shape.numbers, *hidden]
        layers: list[torch.nn.Module] = []
        for wide, narrow in zip(widths, hidden, strict=False):
            layers += [skip_init(torch.nn.Linear, wide, narrow), torch.nn.ReLU()]
        self.layers = torch.nn.Sequential(
            *layers, skip_init(torch.nn.Linear, widths[-1], shape.outputs)
        )

    def start(self, seed: int) -> None:
        """Draw the first weights; codes for missing and unseen start at nothing."""
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            self.table.weight.normal_(0.0, 0.1, generator=generator)
            self.table.weight[:, : self.outputs] = 0.0
            for special in (MISSING, UNSEEN):
                self.table.weight[self.offsets + special] = 0.0
            for layer in self.layers:
                if isinstance(layer, torch.nn.Linear):
                    bound = layer.in_features**-0.5
                    layer.weight.uniform_(-bound, bound, generator=generator)
                    layer.bias.uniform_(-bound, bound, generator=generator)

    def begin_at(self, outputs: Sequence[float]) -> None:
        """Add these to what a row is given before anything is learned."""
        last = cast("torch.nn.Linear", self.layers[-1])
        with torch.no_grad():
            last.bias.add_(torch.tensor(outputs).to(last.bias))

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return the outputs, shape (rows, outputs); where there is one, shape (rows,)."""
        vectors = self.table(codes + self.offsets)
        wide = vectors[:, :, : self.outputs].sum(dim=1)
        deep = torch.cat([vectors[:, :, self.outputs :].flatten(1), numbers], dim=1)
        found: torch.Tensor = self.layers(deep) + wide
        return found.squeeze(1) if self.outputs == 1 else found


def members_of(shape: Shape) -> list[Member]:
    """Return the members without weights, those with hidden layers first."""
    deep = shape.members - shape.linear_members
    return [Member(shape, linear=number >= deep) for number in range(shape.members)]


class Network(torch.nn.Module):
    """The members; the mean of their outputs counts."""

    def __init__(self, members: Sequence[Member]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(members)

    def forward(self, codes: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Return mean outputs, shape as a member's."""
        return torch.stack([member(codes, numbers) for member in self.members]).mean(dim=0)


@contextmanager
def reproducible() -> Iterator[None]:
    """Run torch with one thread and deterministic algorithms, and put its settings back.

    These settings are the process's own: whoever comes second waits. They are made by the debug
    mode, which sets the same flag: torch.use_deterministic_algorithms also loads the compiler, over
    a second in every process that only predicts.
    """
    with _settings_lock:
        threads = torch.get_num_threads()
        strictness = torch.get_deterministic_debug_mode()
        torch.set_num_threads(1)
        torch.set_deterministic_debug_mode("error")
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.set_deterministic_debug_mode(strictness)


def train_members(
    members: Sequence[Learner],
    training: Rows,
    tuning: Rows,
    *,
    settings: Training,
    loss_of: Loss,
    begin_at: Sequence[float],
) -> list[tuple[int, list[tuple[float, float]]]]:
    """Train each member in place by a seed of its own, side by side, as ``train_member`` does."""

    def train(number: int) -> tuple[int, list[tuple[float, float]]]:
        return train_member(
            members[number],
            training,
            tuning,
            settings=settings,
            seed=settings.seed + number,
            loss_of=loss_of,
            begin_at=begin_at,
        )

    workers = min(len(members), os.cpu_count() or 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="member") as threads:
        return list(threads.map(train, range(len(members))))


def train_member(
    member: Learner,
    training: Rows,
    tuning: Rows,
    *,
    settings: Training,
    seed: int,
    loss_of: Loss,
    begin_at: Sequence[float],
) -> tuple[int, list[tuple[float, float]]]:
    """Train ``member`` in place; return its best epoch and the losses of every epoch.

    Rows are codes, numbers and what ``loss_of`` holds the outputs against; the losses are those of
    training and tuning rows. Raises: DivergedError if no epoch has a finite loss.
    """
    member.start(seed)
    if begin_at:
        member.begin_at(begin_at)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(
        member.parameters(),
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    rows = len(training[2])
    steps = settings.epochs * -(-rows // settings.batch_rows)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=steps, pct_start=WARM_UP
    )
    best, least, kept = 0, float("inf"), member.state_dict()
    history = []
    for epoch in range(1, settings.epochs + 1):
        total = torch.zeros((), device=training[2].device)
        member.train()
        order = torch.randperm(rows, generator=generator).to(training[2].device)
        for chosen in order.split(settings.batch_rows):
            codes, numbers, targets = (part[chosen] for part in training)
            loss = loss_of(member(codes, numbers), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(chosen)
        member.eval()
        with torch.inference_mode():
            judged = float(loss_of(member(*tuning[:2]), tuning[2]))
        history.append((float(total) / rows, judged))
        if judged < least:
            best, least = epoch, judged
            kept = {name: weight.clone() for name, weight in member.state_dict().items()}
    if not best:
        raise DivergedError.of(settings.learning_rate, settings.epochs)
    member.load_state_dict(kept)
    return best, history


def device_of(name: str) -> torch.device:
    """Return the device, once it has held a number. Raises: DeviceError."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError.of(name, str(error).splitlines()[0]) from error
    return device
