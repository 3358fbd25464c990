"""What lies in quarantine: how many rows of which batch, and why. No value is told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.core.errors import RefusedError, UnknownBatchError
from mldebt_assets.snapshots import at_storage_id, newest_of_each

if TYPE_CHECKING:
    import dagster as dg
    import pandas as pd

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored

COUNT = "dagster/row_count"


def waiting(
    instance: dg.DagsterInstance, pipeline: Pipeline, batch: str | None = None
) -> dict[str, Stored]:
    """Return the newest quarantine of each batch with rows in it, in the order of names.

    Raises: UnknownBatchError where ``batch`` is none that arrived.
    """
    names = sorted(instance.get_dynamic_partitions(batches(pipeline).name or ""))
    if batch is not None and batch not in names:
        raise UnknownBatchError.of(pipeline.name, batch, names)
    asked = names if batch is None else [batch]
    found = newest_of_each(instance, key(pipeline, "quarantine"), asked)
    return {name: stored for name, stored in found.items() if stored.metadata.get(COUNT)}


def rows_waiting(instance: dg.DagsterInstance, pipeline: Pipeline) -> dict[str, int]:
    """Return how many rows of which batches lie in quarantine."""
    return {b: int(one.metadata[COUNT]) for b, one in waiting(instance, pipeline).items()}


def rows_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, stored: Stored
) -> pd.DataFrame:
    """Return the rows of a stored quarantine, each with its mark and its reason."""
    from mldebt_assets.core.quarantine import MARK, marked

    table = platform.snapshots.load(stored.snapshot)
    read = stored.reads.get(f"{pipeline.name}/released", {})
    used: set[str] = set()
    for _, storage_id in read.values():
        released = at_storage_id(instance, key(pipeline, "released"), int(storage_id))
        used |= set(platform.snapshots.load(released.snapshot)[MARK])
    return marked(table, str(stored.batch), pipeline.batch_columns, used)


def quarantined(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batch: str | None
) -> list[dict[str, Any]]:
    """Return each batch with rows in quarantine: how many, for which reasons, and which."""
    from mldebt_assets.core.quality import REASON
    from mldebt_assets.core.quarantine import MARK

    told = []
    for name, stored in waiting(instance, pipeline, batch).items():
        rows = rows_of(instance, platform, pipeline, stored)
        reasons = Counter(one for reason in rows[REASON] for one in reason.split("; "))
        told.append(
            {
                "batch": name,
                "rows": len(rows),
                "sha256": stored.snapshot.sha256,
                "reasons": dict(reasons.most_common()),
                "listed": [
                    {"row": mark, "reason": reason}
                    for mark, reason in zip(rows[MARK], rows[REASON], strict=True)
                ],
            }
        )
    return told


def exported(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batch: str
) -> bytes:
    """Return the rows of a batch in quarantine as CSV for people, each with its mark and reason.

    Raises: UnknownBatchError; RefusedError where none of its rows is in quarantine.
    """
    from mldebt_assets.core.formula_cells import csv_for_people

    stored = waiting(instance, pipeline, batch).get(batch)
    if stored is None:
        raise RefusedError.of(
            f"No row of {batch} is in quarantine; nothing was written.",
            f"`mldebt quarantine {pipeline.name}` lists what is.",
        )
    return csv_for_people(rows_of(instance, platform, pipeline, stored))
