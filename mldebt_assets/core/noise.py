"""How exactly each input is known: the noise that is declared, or that its values give away."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mldebt_assets.core.encoding import encode
from mldebt_assets.core.robustness import Boxes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.encoding import Encoding

    Numbers = NDArray[np.float64]

SHARED = 0.05
"""A step of the recorded values is one that so many neighbours of theirs are apart."""
SAME = 1e-6
"""Steps that differ by less than this, relative to themselves, are one."""
FEWEST_STEPS = 12
"""With fewer distinct values than this a number is a code or a count, and known exactly."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """By how much a recorded value may be off to either side, in the input's unit, and whence."""

    name: str
    half_width: float
    source: Literal["declared", "rounding", "assumed", "exact"]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def noises(
    encoding: Encoding, inputs: pd.DataFrame, declared: Mapping[str, float], *, assumed: float
) -> list[Noise]:
    """Return the noise of every number that a model takes, in its order.

    It is half the smallest step that the values are often apart, since they were rounded to it.
    Where they show none, it is ``assumed`` times their standard deviation; ``declared`` by the
    name of the input goes before both.
    """
    return [
        noise_of(
            number.name,
            inputs[number.name].to_numpy(dtype="float64", na_value=np.nan),
            declared.get(number.name),
            assumed=assumed,
        )
        for number in encoding.numbers
    ]


def noise_of(name: str, values: Numbers, declared: float | None, *, assumed: float) -> Noise:
    """Return the noise of one input.

    >>> noise_of("c", np.arange(100) / 10, None, assumed=0.01).half_width.__round__(6)
    0.05
    """
    present = np.unique(values[np.isfinite(values)])
    if declared is not None:
        return Noise(name=name, half_width=declared, source="declared")
    if len(present) < FEWEST_STEPS:
        return Noise(name=name, half_width=0.0, source="exact")
    step = step_of(present)
    if step is not None:
        return Noise(name=name, half_width=step / 2, source="rounding")
    return Noise(name=name, half_width=assumed * float(np.nanstd(values)), source="assumed")


def step_of(distinct: Numbers) -> float | None:
    """Return the smallest step that many of these values are apart, None if there is none.

    Args: distinct finite values, rising. What differs by a billionth of their range is one.
    """
    steps = np.diff(distinct)
    steps = np.sort(steps[steps > 1e-9 * (distinct[-1] - distinct[0])])
    if not len(steps):
        return None
    begins = np.flatnonzero(np.diff(steps, prepend=-np.inf) > SAME * steps)
    sizes = np.diff(begins, append=len(steps))
    shared = begins[sizes >= max(2, SHARED * len(steps))]
    return float(steps[shared[0]]) if len(shared) else None


def boxes_of(encoding: Encoding, inputs: pd.DataFrame, found: list[Noise]) -> Boxes:
    """Return what the rows may have been; a missing value stays missing, categories stay."""
    codes, numbers = encode(encoding, inputs)
    down, up = inputs.copy(), inputs.copy()
    for one in found:
        values = inputs[one.name].to_numpy(dtype="float64", na_value=np.nan)
        down[one.name], up[one.name] = values - one.half_width, values + one.half_width
    return Boxes(
        codes=codes,
        numbers=numbers,
        lowest=encode(encoding, down)[1],
        highest=encode(encoding, up)[1],
    )
