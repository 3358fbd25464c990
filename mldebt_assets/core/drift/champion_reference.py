"""What is counted once a champion, and every batch that it scores is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from safetensors.numpy import load, save

from mldebt_assets.core.drift import blocks as of_rows
from mldebt_assets.core.drift import outcomes as of_outcomes

if TYPE_CHECKING:
    from mldebt_assets.core.drift.blocks import BlockCounts
    from mldebt_assets.core.drift.outcomes import Outcomes

ROWS, HELD_OUT = "rows", "held_out"


class ChampionReference(NamedTuple):
    """A drift reference: its rows in blocks, and what the champion made of its held-out rows.

    Each is None where there is nothing that could be held against it.
    """

    rows: BlockCounts | None
    held_out: Outcomes | None


def to_bytes(reference: ChampionReference) -> bytes:
    """Return it as one safetensors file; equal ones give equal bytes."""
    parts = {}
    if reference.rows is not None:
        parts[ROWS] = of_rows.to_bytes(reference.rows)
    if reference.held_out is not None:
        parts[HELD_OUT] = of_outcomes.to_bytes(reference.held_out)
    return save({name: np.frombuffer(part, dtype=np.uint8) for name, part in parts.items()})


def from_bytes(data: bytes) -> ChampionReference:
    """Return the reference that :func:`to_bytes` stored."""
    parts = {name: part.tobytes() for name, part in load(data).items()}
    return ChampionReference(
        of_rows.from_bytes(parts[ROWS]) if ROWS in parts else None,
        of_outcomes.from_bytes(parts[HELD_OUT]) if HELD_OUT in parts else None,
    )
