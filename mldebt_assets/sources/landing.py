"""A landing folder, at any fsspec URL: which batches have arrived, and their very bytes."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import fsspec

from mldebt_assets.core.errors import BatchChangedError, BatchNameError, UnreachableError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.pipeline import check_batch_name
from mldebt_assets.sources import memory
from mldebt_assets.sources.origins import ORIGINS

if TYPE_CHECKING:
    from mldebt_assets.core.policies import Limits
    from mldebt_assets.pipeline import LandingFolder

SUFFIXES = (".csv", ".csv.gz", ".parquet")
UNFINISHED = (".tmp", ".part")
VERSION_KEYS = ("ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created")
UNMARKED = "unmarked"
MANIFEST = "manifest.json"
GONE = "was listed, and is gone."


@dataclass(frozen=True)
class Arrival:
    """A batch's file as it was listed. ``fingerprint`` changes when the file does, and is cheap.

    It is made of the size and the file system's own mark (ETag, else time of change); what the
    bytes are is said by their hash alone.
    """

    batch: str
    uri: str
    size_bytes: int
    fingerprint: str

    @property
    def suffix(self) -> str:
        """How its name ends: one of :data:`SUFFIXES`; what it is, its bytes say."""
        return suffix_of(PurePosixPath(self.uri).name)

    @property
    def marked(self) -> bool:
        """Whether the file system marks changes, so that an equal fingerprint means equal bytes."""
        return not self.fingerprint.endswith(f":{UNMARKED}")


@dataclass(frozen=True)
class Refused:
    """A file in the landing folder that cannot be taken for a batch, and why, with the fix."""

    name: str
    problem: str


@dataclass(frozen=True)
class Landing:
    """What lies in a landing folder: the batches by name, and the files that are none."""

    arrivals: tuple[Arrival, ...]
    refused: tuple[Refused, ...]


def folder_url(source: LandingFolder, root: Path) -> str:
    """Return the folder's full URL; a relative one lies below ``root``.

    >>> from mldebt_assets.pipelines.flight_delays import flight_delays
    >>> folder_url(flight_delays.source, Path("/project"))
    'file:///project/data/landing/flight_delays'
    """
    if "://" in source.url:
        return source.url.rstrip("/")
    return f"file://{(root.resolve() / source.url).as_posix()}"


def survey(source: LandingFolder, root: Path) -> Landing:
    """Return what has landed, sorted by name; a folder that does not exist yet holds nothing.

    A file that is still being written (a dot-file, ``.tmp``, ``.part``) is passed over. One that
    cannot be a batch is refused by itself and stops no other.

    Raises: UnreachableError if the folder cannot be listed.
    """
    url = folder_url(source, root)
    names: dict[str, list[Arrival]] = defaultdict(list)
    refused = []
    for name, info in sorted(_listing(url).items()):
        suffix = suffix_of(name)
        wanted = bool(suffix) if source.pattern is None else fnmatchcase(name, source.pattern)
        if not wanted or _unfinished(name) or name in {MANIFEST, ORIGINS}:
            continue
        if not suffix:
            kinds = " or ".join(SUFFIXES)
            problem = f"The landing file {name!r} is no {kinds} file.\nFix: convert or remove it."
            refused.append(Refused(name, problem))
            continue
        try:
            batch = check_batch_name(name.removesuffix(suffix))
        except BatchNameError as error:
            refused.append(Refused(name, str(error)))
            continue
        arrival = Arrival(batch, f"{url}/{name}", int(info["size"]), _fingerprint(info))
        if large := too_large(arrival, source.limits):
            refused.append(Refused(name, large))
            continue
        names[batch].append(arrival)
    for batch, files in names.items():
        if len(files) > 1:
            refused += _rivals(batch, files)
    alone = (names[batch][0] for batch in sorted(names) if len(names[batch]) == 1)
    return Landing(tuple(alone), tuple(refused))


def too_large(arrival: Arrival, limits: Limits) -> str | None:
    """Return why a file is not read for its size alone; None where there is room for it."""
    size = arrival.size_bytes
    if size > limits.file_bytes:
        told: str | None = f"Limits.file_bytes leaves room for {limits.file_bytes:,}"
        fix = "land it in several batches, or raise Limits(file_bytes=…) in the pipeline's source."
    else:
        told = memory.beyond(size)
        fix = "land it in several batches, or give this process more memory."
    if told is None:
        return None
    name = PurePosixPath(arrival.uri).name
    return f"The landing file {name!r} has {size:,} bytes, and {told}.\nFix: {fix}"


def suffix_of(name: str) -> str:
    """Return which of :data:`SUFFIXES` a file's name ends with, or nothing.

    >>> [suffix_of(name) for name in ("2013-01.csv", "2013-01.csv.gz", "2013-01.xlsx")]
    ['.csv', '.csv.gz', '']
    """
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read(arrival: Arrival) -> bytes:
    """Return the very bytes of the file that was listed.

    Where the folder has a ``manifest.json``, of the form ``{"2013-01.csv": {"bytes": 5, "sha256":
    "…"}}``, they must be those that it states.

    Raises: BatchChangedError if it is gone, or is no longer the file that was listed or that the
            manifest states; UnreachableError if it cannot be read.
    """
    try:
        fs, path = fsspec.core.url_to_fs(arrival.uri)
        data: bytes = fs.cat_file(path)
    except FileNotFoundError as error:
        raise BatchChangedError.of(arrival.uri, GONE) from error
    except _unanswered() as error:
        raise UnreachableError.of(arrival.uri, _said(error)) from error
    # Listed again, since file systems describe a file differently when asked for it alone.
    folder, _, name = arrival.uri.rpartition("/")
    listed = _listing(folder)
    info = listed.get(name)
    if info is None:
        raise BatchChangedError.of(arrival.uri, GONE)
    if len(data) != arrival.size_bytes:
        sizes = f"{arrival.size_bytes} bytes when it was listed, and has {len(data)} now."
        raise BatchChangedError.of(arrival.uri, f"had {sizes}")
    if _fingerprint(info) != arrival.fingerprint:
        raise BatchChangedError.of(arrival.uri, "was written again after it was listed.")
    if MANIFEST in listed:
        _require_stated(arrival.uri, data, fs.cat_file(f"{path.rpartition('/')[0]}/{MANIFEST}"))
    return data


def _require_stated(uri: str, data: bytes, manifest: bytes) -> None:
    """Raise BatchChangedError where a file is not, byte for byte, what the manifest states."""
    try:
        stated = json.loads(manifest)[PurePosixPath(uri).name]
        size, digest = int(stated["bytes"]), str(stated["sha256"]).lower()
    except (ValueError, KeyError, TypeError):
        problem = f"is not stated in the folder's {MANIFEST}, with its bytes and its sha256."
        raise BatchChangedError.of(uri, problem) from None
    if len(data) != size:
        problem = f"has {len(data)} bytes, and the folder's {MANIFEST} states {size}."
        raise BatchChangedError.of(uri, problem)
    if sha256(data) != digest:
        problem = f"has other bytes than those whose SHA-256 the folder's {MANIFEST} states."
        raise BatchChangedError.of(uri, problem)


def _listing(url: str) -> dict[str, dict[str, Any]]:
    """Return the folder's files by name, asked afresh: fsspec remembers listings."""
    try:
        fs, folder = fsspec.core.url_to_fs(url)
        fs.invalidate_cache()
        entries = fs.ls(folder, detail=True)
    except FileNotFoundError:
        return {}
    except _unanswered() as error:
        raise UnreachableError.of(f"The landing folder {url}", _said(error)) from error
    if [entry["name"] for entry in entries if entry["type"] == "file"] == [folder]:
        raise UnreachableError.of(f"The landing folder {url}", "it is a file, not a folder.")
    return {
        PurePosixPath(entry["name"]).name: entry for entry in entries if entry["type"] == "file"
    }


def _unfinished(name: str) -> bool:
    return name.startswith(".") or name.endswith(UNFINISHED)


def _fingerprint(info: dict[str, Any]) -> str:
    mark = next((str(info[key]) for key in VERSION_KEYS if info.get(key)), UNMARKED)
    return f"{info['size']}:{mark}"


def _rivals(batch: str, files: list[Arrival]) -> list[Refused]:
    names = [PurePosixPath(file.uri).name for file in files]
    problem = (
        f"The batch {batch!r} has landed more than once: {' and '.join(names)}.\n"
        "Fix: remove all but one of them from the landing folder."
    )
    return [Refused(name, problem) for name in names]


def _unanswered() -> tuple[type[Exception], ...]:
    """Return what is raised where a remote does not answer, or fsspec cannot speak to it.

    The client libraries' own errors are no OSError, and count where the library is loaded.
    """
    known = (
        ("aiohttp", "ClientError"),
        ("botocore.exceptions", "BotoCoreError"),
        ("botocore.exceptions", "ClientError"),
        ("google.auth.exceptions", "GoogleAuthError"),
        ("azure.core.exceptions", "AzureError"),
    )
    loaded = [getattr(sys.modules[name], kind) for name, kind in known if name in sys.modules]
    return (OSError, ImportError, ValueError, *loaded)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(".: ") + "."
