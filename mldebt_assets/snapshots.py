"""Bytes and tables, in and out of DVC's content-addressed store, and what each step read.

Every artefact is stored under the hash of its bytes, in the cache and in the remote; that hash is
its Dagster data version. Whatever loads an artefact records, on what is made from it, the hash
and the storage id of the event that it went by: Dagster's own record of inputs is not exact (it
names the newest event of any partition).
"""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.core.errors import DigestMismatchError, SnapshotMissingError, UnreachableError
from mldebt_assets.core.fingerprint import canonical_json, md5, sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from mldebt_assets.home import Home

READ_PREFIX = "read/"
HASH_DIGITS_IN_PATHS = 16
IDS_A_QUERY = 500


@dataclass(frozen=True)
class Blob:
    """Bytes that are stored as they are, under a file suffix such as ``.csv``."""

    data: bytes
    suffix: str


@dataclass(frozen=True)
class Snapshot:
    """One stored artefact: its identity (SHA-256), its address (DVC's md5), its size."""

    path: str
    sha256: str
    md5: str
    bytes: int

    @property
    def pointer(self) -> str:
        """The path of its ``.dvc`` pointer below the home."""
        return f"snapshots/{self.path}.dvc"


@dataclass(frozen=True)
class Stored:
    """A snapshot as one of Dagster's materializations names it."""

    asset: dg.AssetKey
    batch: str | None
    snapshot: Snapshot
    storage_id: int
    run_id: str
    timestamp: float
    metadata: Mapping[str, Any]

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


class SnapshotStore:
    """The home's DVC cache and its remote."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @functools.cached_property
    def _repo(self) -> Any:
        """The home as DVC sees it."""
        from dvc.repo import Repo

        return Repo(str(self._home.root))

    @functools.cached_property
    def _databases(self) -> tuple[Any, Any]:
        """DVC's object databases: the cache and the configured remote."""
        return self._repo.cache.local, self._repo.cloud.get_remote_odb()

    @property
    def remote_name(self) -> str:
        """The configured remote's address, for messages."""
        configured = self._repo.config
        return str(configured["remote"][configured["core"]["remote"]]["url"])

    def put(self, data: bytes, *, folder: str, name: str) -> Snapshot:
        """Store bytes in cache and remote, check them there, and write their pointer.

        Args:    ``folder`` such as ``flight_delays/raw/2013-01``, ``name`` such as
                 ``2013-01.csv``; the hash comes between, so that no snapshot hides another.
        Raises:  UnreachableError if the remote refuses them; DigestMismatchError if what the
                 cache or the remote gives back is something else. A damaged copy in the cache
                 never reaches the remote.
        """
        digest = sha256(data)
        address = md5(data)
        path = f"{folder}/{digest[:HASH_DIGITS_IN_PATHS]}/{name}"
        snapshot = Snapshot(path=path, sha256=digest, md5=address, bytes=len(data))
        cache, remote = self._databases
        self._add_to_cache(cache, data, address)
        _require(_read(cache, address), digest, f"{path} in the cache")
        try:
            remote.add(cache.oid_to_path(address), cache.fs, address)
            pushed = _read(remote, address)
        except OSError as problem:
            raise UnreachableError.of(f"The remote {self.remote_name}", str(problem)) from problem
        _require(pushed, digest, f"{path} in {self.remote_name}")
        self._write_pointer(snapshot)
        return snapshot

    def _add_to_cache(self, cache: Any, data: bytes, md5: str) -> None:
        folder = Path(cache.path)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".new-") as file:
            file.write(data)
            file.flush()
            cache.add(file.name, cache.fs, md5)

    def _write_pointer(self, snapshot: Snapshot) -> None:
        pointer = self._home.root / snapshot.pointer
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(
            f"outs:\n- md5: {snapshot.md5}\n  size: {snapshot.bytes}\n  hash: md5\n"
            f"  path: {Path(snapshot.path).name}\n"
        )

    def get(self, *, name: str, sha256_hex: str, md5: str) -> bytes:
        """Return the bytes with this identity, from the cache, else from the remote.

        Raises: SnapshotMissingError if neither has them; DigestMismatchError if what lies at
                their address is something else. Damaged bytes are never returned.
        """
        cache, remote = self._databases
        data = _read(cache, md5)
        if data is None:
            try:
                data = _read(remote, md5)
            except OSError as problem:
                raise UnreachableError.of(
                    f"The remote {self.remote_name}", str(problem)
                ) from problem
            if data is not None and sha256(data) == sha256_hex:
                self._add_to_cache(cache, data, md5)
        if data is None:
            raise SnapshotMissingError.of(name, md5, self.remote_name)
        _require(data, sha256_hex, name)
        return data

    def load(self, stored: Stored) -> Any:
        """Return what a materialization stored: a DataFrame, a dict, or a Blob."""
        snapshot = stored.snapshot
        data = self.get(name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5)
        return decode(data, Path(snapshot.path).suffix)


def _read(database: Any, md5: str) -> bytes | None:
    """Return an object's bytes, or None where the database does not hold it."""
    try:
        with database.fs.open(database.oid_to_path(md5), "rb") as file:
            return bytes(file.read())
    except FileNotFoundError:
        return None


def _require(data: bytes | None, digest: str, name: str) -> None:
    """Raise DigestMismatchError unless these bytes have this digest."""
    found = "nothing" if data is None else sha256(data)
    if found != digest:
        raise DigestMismatchError.of(name, expected=digest, found=found)


def encode(value: pd.DataFrame | dict[str, Any] | Blob) -> Blob:
    """Return the bytes that store a value: tables as Parquet, facts as canonical JSON."""
    if isinstance(value, Blob):
        return value
    if isinstance(value, dict):
        return Blob(canonical_json(value), ".json")
    from mldebt_assets.core.tables import to_parquet

    return Blob(to_parquet(value), ".parquet")


def decode(data: bytes, suffix: str) -> Any:
    """Return the value that ``encode`` made into bytes."""
    if suffix == ".json":
        return json.loads(data)
    if suffix == ".parquet":
        from mldebt_assets.core.tables import from_parquet

        return from_parquet(data)
    return Blob(data, suffix)


def read_metadata(stored: Sequence[Stored]) -> dict[str, dg.JsonMetadataValue]:
    """Return the metadata that says what was read: one entry an asset."""
    reads: dict[str, dict[str, list[Any]]] = {}
    for item in stored:
        of_asset = reads.setdefault(READ_PREFIX + item.asset.to_user_string(), {})
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
        metadata=metadata,
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

    def load(self, stored: Stored) -> Any:
        """Load a snapshot and remember that it was read."""
        self.note(stored)
        return self._store.load(stored)

    def note(self, stored: Stored) -> None:
        """Remember a materialization of which only the record was read."""
        self._read.append(stored)

    def metadata(self) -> dict[str, dg.JsonMetadataValue]:
        """Return the metadata that says everything that was read so far."""
        return read_metadata(self._read)


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

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store the value; its hash becomes the data version."""
        import pandas as pd

        blob = encode(obj)
        batch = context.asset_partition_key if context.has_asset_partitions else None
        folder = "/".join([*context.asset_key.path, *([batch] if batch else [])])
        name = (batch or context.asset_key.path[-1]) + blob.suffix
        snapshot = self._store.put(blob.data, folder=folder, name=name)
        if not context.step_context.has_data_version(context.asset_key):
            context.step_context.set_data_version(
                context.asset_key, dg.DataVersion(snapshot.sha256)
            )
        context.add_output_metadata(snapshot_metadata(snapshot))
        if isinstance(obj, pd.DataFrame):
            context.add_output_metadata({"dagster/row_count": len(obj)})

    def load_input(self, context: dg.InputContext) -> Any:
        """Load the newest snapshot of the input, and record it on everything the step makes."""
        batch = context.asset_partition_key if context.has_asset_partitions else None
        reading = Reading(context.instance, self._store)
        value = reading.load(reading.newest(context.asset_key, batch))
        made = context.step_context
        for key in made.get_output_asset_keys():
            made.add_asset_metadata(asset_key=key, metadata=reading.metadata())
        return value
