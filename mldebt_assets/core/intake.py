"""What a batch's file is, by its bytes and before any parser sees them: its format, size and text.

A name proves nothing: an error page is saved as ``2020-05.csv``, a spreadsheet too, and a few
kilobytes may unpack to terabytes. What is accepted is UTF-8 text, bare or in gzip, and Parquet.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Literal

from mldebt_assets.core.errors import BatchRefusedError

if TYPE_CHECKING:
    from mldebt_assets.core.policies import Limits

Format = Literal["csv", "parquet"]

PARQUET, GZIP = b"PAR1", b"\x1f\x8b"
# Source: the formats' own specifications; what begins so can be no text with a header of names.
OTHERS = {
    b"PK\x03\x04": "a ZIP archive or a spreadsheet",
    b"PK\x05\x06": "an empty ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Office file",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"SQLite format 3\x00": "an SQLite database",
    b"\x93NUMPY": "a NumPy array",
    b"\x80\x04\x95": "a Python pickle, which is never read",
    b"%PDF": "a PDF",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
PAGES = (b"<!doctype", b"<html", b"<?xml")
WHOLE = "land the file again, whole."
CHUNK = 1 << 20


def opened(data: bytes, *, batch: str, limits: Limits) -> tuple[bytes, Format]:
    """Return the bytes that are to be parsed, out of gzip where they were packed, and their format.

    Raises: BatchRefusedError if the file is empty or too large, packed or unpacked, is cut off, or
            is neither UTF-8 text nor Parquet.
    """
    if len(data) > limits.file_bytes:
        raise too_large(batch, f"has {len(data):,} bytes", "file_bytes", limits.file_bytes)
    if data.startswith(GZIP):
        data = _unpacked(data, batch, limits)
    if not data.strip():
        raise BatchRefusedError.of(batch, "its file is empty.", WHOLE)
    if data.startswith(PARQUET):
        return data, "parquet"
    start = data[:64].lstrip().lower()
    found = next((what for magic, what in OTHERS.items() if data.startswith(magic)), None)
    if found is None and start.startswith(PAGES):
        found = "an HTML or XML page, perhaps the source's message that something went wrong"
    if found is not None:
        fix = "land CSV in UTF-8, bare or in gzip, or Parquet."
        raise BatchRefusedError.of(batch, f"its file is {found}.", fix)
    _require_text(data, batch, limits)
    return data, "csv"


def unpacks_beyond(data: bytes, allowed: int) -> bool:
    """Return whether gzip data unpack to more bytes than these, without keeping what they are.

    Of what is damaged or cut off, whether as much of it does as can be read.

    >>> import gzip
    >>> [unpacks_beyond(gzip.compress(bytes(9)), allowed) for allowed in (8, 9)]
    [True, False]
    """
    rest = data if data.startswith(GZIP) else b""
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            while rest and not member.eof:
                part = member.decompress(rest, CHUNK)
                allowed -= len(part)
                if allowed < 0:
                    return True
                if not part and not member.unconsumed_tail:
                    break
                rest = member.unconsumed_tail
        except zlib.error:
            return False
        rest = member.unused_data.lstrip(b"\x00") if member.eof else b""
    return False


def too_large(batch: str, said: str, limit: str, allowed: int) -> BatchRefusedError:
    """Return the error for a file beyond one of its :class:`Limits`."""
    return BatchRefusedError.of(
        batch,
        f"its file {said}, and Limits.{limit} allows {allowed:,}.",
        f"land it in several batches, or raise Limits({limit}=…) in the pipeline's source.",
    )


def _unpacked(data: bytes, batch: str, limits: Limits) -> bytes:
    """Return what a gzip file holds; no more is unpacked than is allowed."""
    parts, room, rest = [], limits.unpacked_bytes, data
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            part = member.decompress(rest, CHUNK)
            while part or not member.eof:
                room -= len(part)
                if room < 0:
                    said = "unpacks to more than that"
                    raise too_large(batch, said, "unpacked_bytes", limits.unpacked_bytes)
                parts.append(part)
                if not part and not member.unconsumed_tail:
                    break
                part = member.decompress(member.unconsumed_tail, CHUNK)
        except zlib.error:
            raise BatchRefusedError.of(batch, "its gzip data are damaged.", WHOLE) from None
        if not member.eof:
            raise BatchRefusedError.of(batch, "its gzip data are truncated.", WHOLE)
        rest = member.unused_data.lstrip(b"\x00")
    return b"".join(parts)


def _require_text(data: bytes, batch: str, limits: Limits) -> None:
    """Refuse what is no whole UTF-8 text with a header of bearable width."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"its file is not UTF-8: the byte at offset {error.start} is {error.reason}."
        fix = "convert it to UTF-8, or, if it was cut off, land it again, whole."
        raise BatchRefusedError.of(batch, problem, fix) from None
    if (nothing := data.find(b"\x00")) >= 0:
        problem = f"its file has a NUL byte, at offset {nothing}: it is no text, or is damaged."
        raise BatchRefusedError.of(batch, problem, WHOLE)
    if not data.endswith((b"\n", b"\r")):
        problem = "its file seems truncated: its last line has no end."
        raise BatchRefusedError.of(batch, problem, f"{WHOLE[:-1]}, with a line end after each row.")
    if data.count(b'"') % 2:
        problem = "its file seems truncated: a quoted value is never closed."
        raise BatchRefusedError.of(
            batch, problem, "land it again, whole, with its quotes in pairs."
        )
    header = data[: data.index(b"\n") if b"\n" in data else None]
    if (columns := header.count(b",") + 1) > limits.columns:
        raise too_large(batch, f"has {columns:,} columns", "columns", limits.columns)
