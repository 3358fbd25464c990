"""What is counted of a champion by the first batch that needs it, and taken by every later one.

It is a snapshot under its hash, recorded as read, and found by what decides it: the code, the
configuration and the data. A champion that was promoted before there was such a thing, and one
that came back, are no exception: what is not there is counted, to the same bytes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.reuse import RESULTS_LOOKED_THROUGH
from mldebt_assets.assets.sketch import SUFFIX
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.pipeline import Pipeline, as_configuration
from mldebt_assets.provenance import code_digest
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, as_stored, read_metadata
from mldebt_assets.store import Blob, Snapshot

T = TypeVar("T")
Reads = dict[str, Any]
COUNTED = "counted"


class Counted(NamedTuple, Generic[T]):
    """What was counted, what is stored of it, by what it is found, and what was read for it."""

    found: T
    value: Blob | Snapshot
    counted: str
    reads: Reads


def counted_once(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    stage: str,
    decided_by: Mapping[str, object],
    *,
    count: Callable[[], tuple[T, Reads]],
    to_bytes: Callable[[T], bytes],
    from_bytes: Callable[[bytes], T],
) -> Counted[T]:
    """Return what one of the last batches counted by the same data and code, else count it.

    Args: ``stage`` is where it is stored; ``decided_by`` names the data by their hashes; ``count``
          returns it with the metadata that says what was read.
    """
    decides = {"code": code_digest(), "configuration": as_configuration(pipeline)}
    counted = digest({**decided_by, **decides})
    earlier = _counted_before(instance, platform, key(pipeline, stage), counted)
    if earlier is not None:
        found = from_bytes(platform.snapshots.load(earlier.snapshot).data)
        reads = read_metadata([earlier], part="reference")
        return Counted(found, earlier.snapshot, counted, reads)
    found, reads = count()
    return Counted(found, Blob(to_bytes(found), SUFFIX), counted, reads)


def _counted_before(
    instance: dg.DagsterInstance, platform: Platform, asset: dg.AssetKey, counted: str
) -> Stored | None:
    """Return what was counted for one of the last batches, if it is still stored."""
    records = instance.fetch_materializations(asset, limit=RESULTS_LOOKED_THROUGH)
    for earlier in map(as_stored, records.records):
        if earlier.metadata.get(COUNTED) == counted and platform.snapshots.has(earlier.snapshot):
            return earlier
    return None
