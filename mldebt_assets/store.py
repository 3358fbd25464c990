"""Bytes and tables, in and out of DVC's content-addressed store: a cache, and a remote behind it.

Every artefact is stored under the hash of its bytes, and no byte leaves the store before its
SHA-256 has been compared.
"""

from __future__ import annotations

import functools
import hashlib
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mldebt_assets.core.errors import DigestMismatchError, SnapshotMissingError, UnreachableError
from mldebt_assets.core.fingerprint import canonical_json, md5, sha256

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.home import Home

HASH_DIGITS_IN_PATHS = 16
CHUNK_BYTES = 1 << 20

Place = Literal["cache", "remote"]


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

    @property
    def pointer_text(self) -> str:
        """What stands in that pointer, byte for byte."""
        return (
            f"outs:\n- md5: {self.md5}\n  size: {self.bytes}\n  hash: md5\n"
            f"  path: {Path(self.path).name}\n"
        )


@dataclass(frozen=True)
class Copy:
    """What lies at an address of the cache or of the remote, after reading every byte of it."""

    sha256: str
    bytes: int


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
        self.require_remote()
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
        pointer.write_text(snapshot.pointer_text)

    def get(self, *, name: str, sha256_hex: str, md5: str) -> bytes:
        """Return the bytes with this identity, from the cache, else from the remote.

        Raises: SnapshotMissingError if neither has them; DigestMismatchError if what lies at
                their address is something else. Damaged bytes are never returned.
        """
        cache, remote = self._databases
        data = _read(cache, md5)
        if data is None:
            self.require_remote()
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

    def examine(self, place: Place, md5: str) -> Copy | None:
        """Read what one place alone holds at an address; None where it holds nothing readable.

        Nothing is loaded, mended or copied, and no more than a chunk is in memory.

        Raises: UnreachableError if a remote on the network refuses, or a local one is not there.
        """
        database = self._databases[0 if place == "cache" else 1]
        local = place == "cache" or database.fs.protocol == "local"
        if place == "remote":
            self.require_remote()
        hasher, size = hashlib.sha256(), 0
        try:
            with database.fs.open(database.oid_to_path(md5), "rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    hasher.update(chunk)
                    size += len(chunk)
        except FileNotFoundError:
            return None
        except OSError as problem:
            if local:
                return None
            raise UnreachableError.of(f"The remote {self.remote_name}", str(problem)) from problem
        return Copy(hasher.hexdigest(), size)

    def require_remote(self) -> None:
        """Raise UnreachableError where the remote is a local folder that is not there.

        DVC would make it anew: under a disk that is not mounted, and empty.
        """
        remote = self._databases[1]
        if remote.fs.protocol == "local" and not Path(remote.path).is_dir():
            raise UnreachableError.of(f"The remote {self.remote_name}", "there is no such folder")

    def remove(self, *, path: str, md5: str) -> None:
        """Remove bytes from the cache and the remote, and their pointer; gone already is fine.

        Whoever asks knows that nothing else needs them.

        Raises: UnreachableError if the remote does not let go of them.
        """
        self.require_remote()
        for database in self._databases:
            try:
                if database.exists(md5):
                    database.delete(md5)
            except OSError as problem:
                raise UnreachableError.of(
                    f"The remote {self.remote_name}", str(problem)
                ) from problem
        (self._home.root / Snapshot(path, "", md5, 0).pointer).unlink(missing_ok=True)

    def read_sound(self, *, sha256_hex: str, md5: str) -> bytes | None:
        """Return the bytes with this identity from wherever they are sound, else None."""
        for database in self._databases:
            try:
                data = _read(database, md5)
            except OSError:
                continue
            if data is not None and sha256(data) == sha256_hex:
                return data
        return None

    def lend_remote(self, root: Path) -> None:
        """Make a DVC repo with this remote and a cache of its own, which is empty."""
        from configobj import ConfigObj

        configured = self._repo.config
        settings = {
            "core": {"no_scm": True, "analytics": False, "remote": "lent"},
            "cache": {"dir": str(root / ".dvc" / "cache")},
            'remote "lent"': configured["remote"][configured["core"]["remote"]],
        }
        folder = root / ".dvc"
        folder.mkdir(parents=True, mode=0o700)  # the remote's settings may hold credentials
        (folder / "config").write_text("\n".join(ConfigObj(settings).write()) + "\n")

    def has(self, snapshot: Snapshot) -> bool:
        """Return whether the bytes are in the cache or the remote, and are what they should be.

        Raises: UnreachableError, DigestMismatchError as ``get``.
        """
        try:
            self.get(name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5)
        except SnapshotMissingError:
            return False
        return True

    def load(self, snapshot: Snapshot) -> Any:
        """Return the value that was stored: a DataFrame, a dict, or a Blob."""
        blob = self.blob(snapshot)
        return decode(blob.data, blob.suffix)

    def blob(self, snapshot: Snapshot) -> Blob:
        """Return the very bytes that were stored: what came from outside may be of any format."""
        data = self.get(name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5)
        return Blob(data, Path(snapshot.path).suffix)


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
