"""What each step made and what it read, as Dagster's materializations say it; the I/O manager.

An artefact's hash is its Dagster data version. Whatever loads an artefact records, on what is
made from it, the hash and the storage id of the event that it went by: Dagster's own record of
inputs is not exact (it names the newest event of any partition).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.costs import Meter
from mldebt_assets.store import Blob, Snapshot, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from mldebt_assets.store import SnapshotStore

READ_PREFIX = "read/"
COLUMN_SCHEMA = "dagster/column_schema"
IDS_A_QUERY = 500
EVENTS_A_QUERY = 100


@dataclass(frozen=True)
class Stored:
    """A snapshot as one of Dagster's materializations names it."""

    asset: dg.AssetKey
    batch: str | None
    snapshot: Snapshot
    storage_id: int
    run_id: str
    timestamp: float
    described: Mapping[str, dg.MetadataValue]

    @property
    def metadata(self) -> dict[str, Any]:
        """What the step said of it, as plain values."""
        return {name: entry.value for name, entry in self.described.items()}

    @property
    def identity(self) -> dict[str, Any]:
        """``sha256``, ``md5`` and ``rows`` (None where there are none), as lineage shows them."""
        return {
            "sha256": self.snapshot.sha256,
            "md5": self.snapshot.md5,
            "rows": self.metadata.get("dagster/row_count"),
        }

    @property
    def reads(self) -> dict[str, dict[str, list[Any]]]:
        """What it was made from: ``{asset: {batch: [sha256, storage id]}}``."""
        return {
            name.removeprefix(READ_PREFIX): value
            for name, value in self.metadata.items()
            if name.startswith(READ_PREFIX)
        }


def read_metadata(
    stored: Sequence[Stored], part: str | None = None
) -> dict[str, dg.JsonMetadataValue]:
    """Return the metadata that says what was read: one entry an asset.

    ``part`` names what is read as something for which the graph has no edge.
    """
    reads: dict[str, dict[str, list[Any]]] = {}
    prefix = READ_PREFIX + (f"{part}:" if part else "")
    for item in stored:
        of_asset = reads.setdefault(prefix + item.asset.to_user_string(), {})
        of_asset[item.batch or ""] = [item.snapshot.sha256, item.storage_id]
    return {name: dg.MetadataValue.json(value) for name, value in reads.items()}


def newest(
    instance: dg.DagsterInstance, asset: dg.AssetKey, batch: str | None = None
) -> Stored | None:
    """Return the newest materialization of an asset's batch, or None where there is none."""
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=None if batch is None else [batch]),
        limit=1,
    ).records
    return as_stored(records[0]) if records else None


def newest_first(
    instance: dg.DagsterInstance, asset: dg.AssetKey, batch: str | None = None
) -> Iterator[Stored]:
    """Yield all materializations of an asset or of its batch, newest first, equal bytes once."""
    wanted = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[batch] if batch else None)
    seen: set[tuple[str | None, str]] = set()
    cursor, more = None, True
    while more:
        found = instance.fetch_materializations(wanted, limit=EVENTS_A_QUERY, cursor=cursor)
        cursor, more = found.cursor, found.has_more
        for stored in map(as_stored, found.records):
            name = (stored.batch, stored.snapshot.sha256)
            if name not in seen:
                yield stored
            seen.add(name)


def newest_of_each(
    instance: dg.DagsterInstance, asset: dg.AssetKey, batches: Sequence[str]
) -> dict[str, Stored]:
    """Return the newest materialization of each of these batches that has one, by its batch.

    Two queries, however many batches there are.
    """
    if not batches:
        return {}
    found = instance.get_latest_storage_id_by_partition(
        asset, dg.DagsterEventType.ASSET_MATERIALIZATION, set(batches)
    )
    stored = at_storage_ids(instance, asset, list(found.values()))
    return {batch: stored[found[batch]] for batch in batches if batch in found}


def as_stored(record: dg.EventLogRecord) -> Stored:
    """Return what a materialization's event says of the snapshot that it stored."""
    event = record.asset_materialization
    if event is None:
        raise TypeError(f"event {record.storage_id} is no materialization")
    metadata = {name: entry.value for name, entry in event.metadata.items()}
    return Stored(
        asset=event.asset_key,
        batch=event.partition,
        snapshot=Snapshot(
            path=str(metadata["snapshot"]),
            sha256=str(metadata["sha256"]),
            md5=str(metadata["md5"]),
            bytes=int(str(metadata["bytes"])),
        ),
        storage_id=record.storage_id,
        run_id=record.run_id,
        timestamp=record.timestamp,
        described=event.metadata,
    )


def snapshot_metadata(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as the metadata from which ``as_stored`` reads it back."""
    return {
        "sha256": snapshot.sha256,
        "md5": snapshot.md5,
        "bytes": snapshot.bytes,
        "snapshot": snapshot.path,
        "pointer": snapshot.pointer,
    }


def table_metadata(table: pd.DataFrame, declared: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's rows and columns, as Dagster shows them.

    ``declared`` is the asset's own metadata; its column schema, if it has one, is what is shown.
    """
    columns = [
        dg.TableColumn(str(name), str(dtype).replace("object", "string"))
        for name, dtype in table.dtypes.items()
    ]
    found = dg.MetadataValue.table_schema(dg.TableSchema(columns))
    return {
        "dagster/row_count": len(table),
        COLUMN_SCHEMA: declared.get(COLUMN_SCHEMA, found),
    }


class Reading:
    """What one step reads by hash, and the record of it.

    For steps that read many batches, or one by its hash: an I/O manager would hand them the
    newest of everything.
    """

    def __init__(self, instance: dg.DagsterInstance, store: SnapshotStore) -> None:
        self._instance = instance
        self._store = store
        self._read: list[Stored] = []

    def newest(self, asset: dg.AssetKey, batch: str | None = None) -> Stored:
        """Return the newest materialization; SnapshotMissingError if there is none."""
        stored = newest(self._instance, asset, batch)
        if stored is None:
            missing = asset.to_user_string() + (f"[{batch}]" if batch else "")
            raise SnapshotMissingError.of(missing, "unknown", self._store.remote_name)
        return stored

    def take(self, asset: dg.AssetKey, batch: str | None = None) -> Stored:
        """Note the newest materialization, to be loaded later; SnapshotMissingError if none."""
        stored = self.newest(asset, batch)
        self.note(stored)
        return stored

    def has(self, stored: Stored) -> bool:
        """Return whether a snapshot's bytes are still stored, in the cache or the remote."""
        return self._store.has(stored.snapshot)

    def load(self, stored: Stored) -> Any:
        """Load a snapshot and remember that it was read."""
        self.note(stored)
        return self._store.load(stored.snapshot)

    def blob(self, stored: Stored) -> Blob:
        """Return a snapshot's very bytes, and remember that it was read."""
        self.note(stored)
        return self._store.blob(stored.snapshot)

    def load_together(self, tables: Sequence[Stored]) -> pd.DataFrame:
        """Return the rows of many tables and remember that they were read; ``_batch`` says whence.

        The table is kept until others are asked for, since training and evaluation read the same:
        it is not to be changed.
        """
        for stored in tables:
            self.note(stored)
        return _together(self._store, tuple((str(t.batch), t.snapshot) for t in tables))

    def note(self, stored: Stored) -> None:
        """Remember a materialization of which only the record was read."""
        self._read.append(stored)

    @property
    def noted(self) -> tuple[Stored, ...]:
        """What was read so far."""
        return tuple(self._read)

    def metadata(self) -> dict[str, dg.JsonMetadataValue]:
        """Return the metadata that says everything that was read so far."""
        return read_metadata(self._read)

    def hashes(self) -> dict[str, dict[str, str]]:
        """Return what was read so far, as ``{asset: {batch: sha256}}``."""
        hashes: dict[str, dict[str, str]] = {}
        for item in self._read:
            of_asset = hashes.setdefault(item.asset.to_user_string(), {})
            of_asset[item.batch or ""] = item.snapshot.sha256
        return hashes


@functools.lru_cache(maxsize=1)
def _together(store: SnapshotStore, tables: tuple[tuple[str, Snapshot], ...]) -> pd.DataFrame:
    import pandas as pd

    loaded = [store.load(snapshot).assign(_batch=batch) for batch, snapshot in tables]
    rows: pd.DataFrame = pd.concat(loaded, ignore_index=True)
    return rows


def at_storage_id(instance: dg.DagsterInstance, asset: dg.AssetKey, storage_id: int) -> Stored:
    """Return the materialization that was stored under this id.

    Raises: SnapshotMissingError if the event log no longer has it.
    """
    return at_storage_ids(instance, asset, [storage_id])[storage_id]


def at_storage_ids(
    instance: dg.DagsterInstance, asset: dg.AssetKey, storage_ids: Sequence[int]
) -> dict[int, Stored]:
    """Return an asset's materializations that were stored under these ids.

    Raises: SnapshotMissingError naming the first that the event log no longer has.
    """
    found: dict[int, Stored] = {}
    for start in range(0, len(storage_ids), IDS_A_QUERY):
        asked = storage_ids[start : start + IDS_A_QUERY]
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, storage_ids=asked), limit=len(asked)
        ).records
        found.update({record.storage_id: as_stored(record) for record in records})
    for storage_id in storage_ids:
        if storage_id not in found:
            raise SnapshotMissingError.of(
                f"{asset.to_user_string()} (event {storage_id})", "unknown", "the event log"
            )
    return found


class SnapshotIOManager(dg.IOManager):
    """Stores what assets return and loads what they take, recording both."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._meter = Meter()

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store the value; its hash becomes the data version. A snapshot is stored already."""
        snapshot = obj if isinstance(obj, Snapshot) else self._put(context, obj)
        if not context.step_context.has_data_version(context.asset_key):
            context.step_context.set_data_version(
                context.asset_key, dg.DataVersion(snapshot.sha256)
            )
        context.add_output_metadata({**snapshot_metadata(snapshot), **self._meter.lap()})

    def _put(self, context: dg.OutputContext, obj: Any) -> Snapshot:
        import pandas as pd

        blob = encode(obj)
        batch = context.asset_partition_key if context.has_asset_partitions else None
        folder = "/".join([*context.asset_key.path, *([batch] if batch else [])])
        name = (batch or context.asset_key.path[-1]) + blob.suffix
        if isinstance(obj, pd.DataFrame):
            context.add_output_metadata(table_metadata(obj, context.definition_metadata))
        return self._store.put(blob.data, folder=folder, name=name)

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the newest snapshot of the input, and record it on everything the step makes."""
        batch = context.asset_partition_key if context.has_asset_partitions else None
        reading = Reading(context.instance, self._store)
        value = reading.load(reading.newest(context.asset_key, batch))
        made = context.step_context
        for key in made.get_output_asset_keys():
            made.add_asset_metadata(asset_key=key, metadata=reading.metadata())
        return value
