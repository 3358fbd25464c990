"""Keyed pseudonyms, put in the place of values in a batch's bytes before anything is stored.

Of a CSV file no other byte changes: quotes, delimiters, line ends and the byte order mark stay, and
a pseudonym stands without quotes. A Parquet file is written anew, with the columns as text. Empty
values stay empty, so that what is missing is still seen to be.
"""

from __future__ import annotations

import csv
import hashlib
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.privacy.splice import spliced
from mldebt_assets.core.privacy.texts import as_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

PSEUDONYM_BYTES = 16
KEY_ID_BYTES = 8
QUOTES_OF_A_VALUE = 2
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
WHOLE = "land the file again, whole, with values that hold a comma or a line end in quotes."


class Pseudonyms:
    """The pseudonyms that one key makes: BLAKE2b (RFC 7693), keyed, 32 hexadecimal digits."""

    def __init__(self, secret: bytes) -> None:
        self._key = hashlib.blake2b(secret, person=b"mldebt key").digest()
        self._begun = hashlib.blake2b(key=self._key, digest_size=PSEUDONYM_BYTES)

    @property
    def key_id(self) -> str:
        """What tells this key from others, and does not tell the key."""
        named = hashlib.blake2b(key=self._key, digest_size=KEY_ID_BYTES, person=b"mldebt key id")
        return named.hexdigest()

    def of(self, value: bytes) -> str:
        """Return the pseudonym of a value, of which every byte counts.

        >>> Pseudonyms(b"a").of(b"Ada") == Pseudonyms(b"b").of(b"Ada")
        False
        """
        hasher = self._begun.copy()
        hasher.update(value)
        return hasher.hexdigest()

    def mark(self, stored: str) -> str:
        """Return what a forgotten subject is known by: it is neither the value nor its pseudonym.

        Args: ``stored``, the value as snapshots have it: a pseudonym where the column has some.
        """
        marked = hashlib.blake2b(
            stored.encode("utf-8"),
            key=self._key,
            digest_size=PSEUDONYM_BYTES,
            person=b"mldebt forgotten",
        )
        return marked.hexdigest()


def protect(
    data: bytes,
    *,
    batch: str,
    suffix: str,
    replaced: Collection[str],
    dropped: Collection[str],
    pseudonyms: Pseudonyms | None,
) -> bytes:
    """Return a batch's bytes with pseudonyms in the columns ``replaced``, and without ``dropped``.

    Raises: BatchRefusedError where not every value can be told from its neighbours.
    """
    make = _parquet if suffix == ".parquet" else _csv
    return make(data, batch, replaced, dropped, pseudonyms)


def _parquet(
    data: bytes,
    batch: str,
    replaced: Collection[str],
    dropped: Collection[str],
    pseudonyms: Pseudonyms | None,
) -> bytes:
    table = pq.read_table(io.BytesIO(data), use_threads=False)
    table = table.drop_columns([name for name in table.column_names if name in dropped])
    for position, name in enumerate(table.column_names):
        if name in replaced and pseudonyms is not None:
            texts = _texts(table.column(position), batch, name)
            table = table.set_column(position, name, _replaced(texts, pseudonyms))
    # pandas' own notes may hold values of the index, and statistics those of a column.
    table = table.replace_schema_metadata(None)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    return sink.getvalue()


def _texts(column: pa.ChunkedArray, batch: str, name: str) -> pa.ChunkedArray:
    texts = as_text(column)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind) and "." in "".join(pc.unique(texts).drop_null().to_pylist()):
        problem = f"its column {name!r} has fractions, which have no one text to pseudonymise."
        fix = "write the column as text or as whole numbers, and land the file again."
        raise BatchRefusedError.of(batch, problem, fix)
    return texts


def _replaced(texts: pa.ChunkedArray, pseudonyms: Pseudonyms) -> pa.ChunkedArray:
    encoded = texts.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    distinct = [
        value and pseudonyms.of(value.encode("utf-8")) for value in encoded.dictionary.to_pylist()
    ]
    found = pa.array(distinct, pa.string()).take(encoded.indices)
    return pa.chunked_array([found])


def _csv(
    data: bytes,
    batch: str,
    replaced: Collection[str],
    dropped: Collection[str],
    pseudonyms: Pseudonyms | None,
) -> bytes:
    mark = BYTE_ORDER_MARK if data.startswith(BYTE_ORDER_MARK) else b""
    head = next(records(data[len(mark) : _head_end(data)]), b"")
    names = [value_of(field) for field in fields(head.rstrip(b"\r\n"))]
    at = [n for n, name in enumerate(names) if name in replaced and name not in dropped]
    gone = [n for n, name in enumerate(names) if name in dropped]
    if not at and not gone:
        return data
    rest, written = data[len(mark) + len(head) :], _Written(pseudonyms)
    made = None if gone else spliced(rest, len(names), at, written.__getitem__)
    if made is None:
        made = b"".join(_row_by_row(rest, batch, written, width=len(names), at=at, gone=gone))
    return b"".join([mark, _without(head, gone), made])


class _Written(dict[bytes, bytes]):
    """What is written in the place of each written field; what is empty stays so."""

    def __init__(self, pseudonyms: Pseudonyms | None) -> None:
        super().__init__({b"": b"", b'""': b'""'})
        self._pseudonyms = pseudonyms

    def __missing__(self, field: bytes) -> bytes:
        if self._pseudonyms is None:
            return field
        made = self._pseudonyms.of(value_of(field).encode("utf-8")).encode("ascii")
        self[field] = made
        return made


def _row_by_row(
    rest: bytes, batch: str, written: _Written, *, width: int, at: list[int], gone: list[int]
) -> Iterator[bytes]:
    """Yield a file's records with values replaced, and without those in the columns ``gone``."""
    for number, record in enumerate(records(rest), start=1):
        body = record.rstrip(b"\r\n")
        if not body:
            yield record
            continue
        found = fields(body)
        if len(found) != width:
            problem = f"its row {number} has {len(found)} fields instead of {width}."
            raise BatchRefusedError.of(batch, problem, WHOLE)
        for position in at:
            found[position] = written[found[position]]
        for position in reversed(gone):
            del found[position]
        yield b",".join(found) + record[len(body) :]


def _head_end(data: bytes) -> int:
    """Return where the first line ends that leaves no quote open; the end, where none does."""
    end = data.find(b"\n") + 1
    while end and data.count(b'"', 0, end) % 2:
        end = data.find(b"\n", end) + 1
    return end or len(data)


def records(data: bytes) -> Iterator[bytes]:
    r"""Yield the records of a CSV file, each with its line end; a value in quotes may hold some.

    >>> list(records(b'a,b\r\n"x\ny",1\n'))
    [b'a,b\r\n', b'"x\ny",1\n']
    """
    open_record: list[bytes] = []
    is_open = False
    for line in data.splitlines(keepends=True):
        if b'"' in line:
            is_open ^= line.count(b'"') % 2 == 1
        if is_open or open_record:
            open_record.append(line)
            if not is_open:
                yield b"".join(open_record)
                open_record = []
        else:
            yield line
    if open_record:
        yield b"".join(open_record)


def fields(record: bytes) -> list[bytes]:
    """Return the fields of a record as they are written, quotes and all.

    >>> fields(b'1,"a,b",,"say ""x"", twice"')
    [b'1', b'"a,b"', b'', b'"say ""x"", twice"']
    """
    parts = record.split(b",")
    if b'"' not in record:
        return parts
    found: list[bytes] = []
    is_open = False
    for part in parts:
        if is_open:
            found[-1] += b"," + part
        else:
            found.append(part)
        is_open ^= part.count(b'"') % 2 == 1
    return found


def value_of(field: bytes) -> str:
    """Return what a written field says; UnicodeDecodeError if it is not UTF-8."""
    text = field.decode("utf-8")
    if text.startswith('"') and text.endswith('"') and text.count('"') == QUOTES_OF_A_VALUE:
        return text[1:-1]
    return next(iter(csv.reader([text])), [""])[0] if text.startswith('"') else text


def _without(head: bytes, gone: list[int]) -> bytes:
    body = head.rstrip(b"\r\n")
    kept = [field for position, field in enumerate(fields(body)) if position not in gone]
    return b",".join(kept) + head[len(body) :]
