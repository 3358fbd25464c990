"""Whatever file lands, it is taken, or put apart row by row, or refused by name: never a surprise.

Each case is a file as somebody's system has written one, and what is expected to become of it.
"""

import gzip
import io
import os
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mldebt_assets.assets.validated import examine, period_end
from mldebt_assets.core.errors import (
    BatchChangedError,
    BatchRefusedError,
    MLDebtError,
    SchemaChangedError,
    UntrainableError,
)
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.policies import Limits
from mldebt_assets.core.tasks import task_of
from mldebt_assets.core.training import check_learnable
from mldebt_assets.sources.landing import read, survey
from mldebt_assets.store import Blob
from mldebt_assets_tests import sample

BATCH = sample.BATCHES[3]
ROWS = sample.rows(BATCH)
FEW = ROWS.index[:3]
SMALL = Limits(file_bytes=1 << 20, unpacked_bytes=2 << 20, columns=300, value_bytes=1 << 10)


def as_csv(table=ROWS, **how):
    return table.to_csv(index=False, **{"lineterminator": "\n", **how}).encode()


def as_parquet(table=ROWS, **how):
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), sink, **how)
    return sink.getvalue()


def with_values(column, values, places=FEW):
    """Return the file with some values of a column in the place of its own."""
    table = ROWS.astype({column: object})
    table.loc[places, column] = values
    return as_csv(table)


def with_header(change):
    """Return the file with another first line."""
    header, rest = as_csv().split(b"\n", 1)
    return change(header) + b"\n" + rest


def with_text_column(name, values="x"):
    return as_csv(ROWS.assign(**{name: values}))


def zipped(data=as_csv()):  # noqa: B008
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{BATCH}.csv", data)
    return sink.getvalue()


def lying_row_count():
    """Return a Parquet file whose footer states another number of rows than it holds."""
    whole = as_parquet()
    length = struct.unpack("<I", whole[-8:-4])[0]
    start = len(whole) - 8 - length
    footer, field = whole[start:], b"\x16"  # a 64-bit integer, the field after the schema
    place = footer.index(field + varint(2 * len(ROWS))) + 1
    told = varint(2 * (len(ROWS) + 1))
    return whole[:start] + footer[:place] + told + footer[place + len(told) :]


def varint(number):
    """Return a number as Thrift's compact protocol writes it."""
    written = b""
    while number > 127:
        written += bytes([number & 127 | 128])
        number >>= 7
    return written + bytes([number])


def deep_list():
    """Return a Parquet file with an array of ten million elements in one cell."""
    weights = [[1.0], *[[2.0]] * (len(ROWS) - 1)]
    weights[0] = np.zeros(10_000_000, dtype="float32").tolist()
    table = pa.Table.from_pandas(ROWS, preserve_index=False)
    place = table.column_names.index("weight_kg")
    sink = io.BytesIO()
    pq.write_table(table.set_column(place, "weight_kg", pa.array(weights)), sink)
    return sink.getvalue()


def times(texts, places=FEW):
    return with_values("sent_at", texts, places)


@dataclass(frozen=True)
class Landing:
    """What lies in a landing folder, by name, and what happens to it before it is read."""

    files: dict[str, bytes]
    meanwhile: Callable[[Path], object] = lambda _: None


def called(name):
    return Landing({name: as_csv()})


def changing(meanwhile):
    return Landing({f"{BATCH}.csv": as_csv()}, lambda folder: meanwhile(folder / f"{BATCH}.csv"))


def with_lateness(positive):
    """Return the file in which these rows alone are late."""
    return as_csv(ROWS.assign(delay_hours=np.where(ROWS.index.isin(positive), 5.0, -1.0)))


EVERYWHERE = slice(None)
TAKEN, APART, LEFT = "taken", "put apart", "left alone"
REFUSED, CHANGED = BatchRefusedError, SchemaChangedError
AWAY, UNLEARNABLE = BatchChangedError, UntrainableError

CASES = {
    # What may come, and is what it seems.
    "as it should be": (as_csv(), TAKEN),
    "a byte order mark": (b"\xef\xbb\xbf" + as_csv(), TAKEN),
    "line ends of Windows": (as_csv(lineterminator="\r\n"), TAKEN),
    "mixed line ends": (as_csv().replace(b"\n", b"\r\n", 700), TAKEN),
    "every value quoted": (as_csv(quoting=1), TAKEN),
    "columns in another order": (as_csv(ROWS[ROWS.columns[::-1]]), TAKEN),
    "in gzip": (gzip.compress(as_csv()), TAKEN),
    "in gzip, in two members": (
        gzip.compress(as_csv()[:5000]) + gzip.compress(as_csv()[5000:]),
        TAKEN,
    ),
    "Parquet, whatever its name": (as_parquet(), TAKEN),
    "numbers in exponents": (with_values("weight_kg", ["1e1", "2E0", "+3"]), TAKEN),
    # What is no table.
    "no bytes": (b"", REFUSED, "is empty"),
    "blank lines": (b"\n\n \n", REFUSED, "is empty"),
    "a header only": (as_csv(ROWS.head(0)), REFUSED, "no rows"),
    "an error page": (b"<!DOCTYPE html><html><body>502</body></html>\n", REFUSED, "an HTML"),
    "an XML document": (b"<?xml version='1.0'?>\n<rows/>\n", REFUSED, "XML"),
    "JSON lines": (b'{"weight_kg": 1}\n{"weight_kg": 2}\n', REFUSED, "lacks columns"),
    "a spreadsheet or ZIP archive": (zipped(), REFUSED, "ZIP archive"),
    "a zip bomb": (zipped(b"0" * (64 << 20)), REFUSED, "ZIP archive"),
    "a pickle": (pd.to_pickle(1, io.BytesIO()) or b"\x80\x04\x95\x00", REFUSED, "pickle"),
    "an SQLite database": (b"SQLite format 3\x00" + bytes(80), REFUSED, "SQLite"),
    "random bytes": (np.random.default_rng(1).bytes(4000), REFUSED, "UTF-8"),
    # What was cut, changed or packed on its way.
    "one byte less": (as_csv()[:-1], REFUSED, "truncated"),
    "one byte more": (as_csv() + b"x", REFUSED, "truncated"),
    "a row more, of one field": (as_csv() + b"x\n", REFUSED, "wrong number of fields"),
    "a NUL byte": (as_csv()[:900] + b"\x00" + as_csv()[901:], REFUSED, "NUL byte, at offset 900"),
    "Latin-1": (with_values("depot", "Zürich").decode().encode("latin-1"), REFUSED, "not UTF-8"),
    "UTF-16": (as_csv().decode().encode("utf-16"), REFUSED, "UTF-16"),
    "half a character": (as_csv() + "ü".encode()[:1], REFUSED, "not UTF-8"),
    "an unclosed quote": (as_csv().replace(b"north", b'"north', 1), REFUSED, "never closed"),
    "ragged rows": (as_csv().replace(b",north,", b",north,,", 5), REFUSED, "5 rows of its file"),
    "semicolons between the values": (as_csv(sep=";"), REFUSED, "lacks columns"),
    "a gzip bomb": (gzip.compress(bytes(64 << 20)), REFUSED, r"Limits\.unpacked_bytes"),
    "gzip cut off": (gzip.compress(as_csv())[:-9], REFUSED, "gzip data are truncated"),
    "gzip with a flipped byte": (
        gzip.compress(as_csv())[:-6] + b"\x00\x01\x02\x03\x04\x05",
        REFUSED,
        "gzip data are damaged",
    ),
    "Parquet cut off": (as_parquet()[:-1], REFUSED, "no Parquet file"),
    "Parquet whose footer lies about its own length": (
        as_parquet()[:-8] + struct.pack("<I", 1 << 30) + b"PAR1",
        REFUSED,
        "no Parquet file",
    ),
    "Parquet whose footer lies about its rows": (lying_row_count(), REFUSED, "Parquet|footer"),
    "Parquet with a flipped byte in a page": (
        as_parquet(write_page_checksum=True, compression="none").replace(b"north", b"nXrth", 1),
        REFUSED,
        "no Parquet file",
    ),
    # What is too large.
    "a file beyond its limit": (as_csv(pd.concat([ROWS] * 20)), REFUSED, r"Limits\.file_bytes"),
    "Parquet that unpacks beyond its limit": (
        as_parquet(pd.concat([ROWS] * 100), use_dictionary=False, compression="zstd"),
        REFUSED,
        r"Limits\.unpacked_bytes",
    ),
    "10,000 columns": (
        (",".join(f"c{i}" for i in range(10_000)) + "\n").encode(),
        REFUSED,
        r"Limits\.columns allows 300",
    ),
    "ten million elements in a text cell": (
        gzip.compress(with_values("depot", "[" + "0," * 500_000 + "0]", FEW[:1])),
        REFUSED,
        r"value of 1,000,003 bytes in the column 'depot', and Limits\.value_bytes",
    ),
    "an array of ten million elements in a cell": (deep_list(), CHANGED, "list<"),
    # The header.
    "a column twice": (
        with_header(lambda h: h.replace(b"weight_kg", b"distance_km")),
        REFUSED,
        "more than once",
    ),
    "a column without a name": (
        with_header(lambda h: h.replace(b"weight_kg", b"")),
        REFUSED,
        "without a name",
    ),
    "no header": (as_csv(header=False), REFUSED, "lacks columns"),
    "the target missing": (as_csv(ROWS.drop(columns="delay_hours")), CHANGED, "delay_hours"),
    "a column missing": (as_csv(ROWS.drop(columns="weight_kg")), CHANGED, "weight_kg"),
    "a column more": (with_text_column("colour"), CHANGED, "colour"),
    "a column called like a keyword of Python": (with_text_column("class"), CHANGED, "class"),
    "a column called like SQL": (with_text_column("x; DROP TABLE runs--"), CHANGED, "DROP TABLE"),
    "a column called like HTML": (with_text_column("<script>alert(1)</script>"), CHANGED, "script"),
    "a column renamed": (
        as_csv(ROWS.rename(columns={"weight_kg": "weight_lb"})),
        CHANGED,
        "weight_lb",
    ),
    "blanks around a name": (
        with_header(lambda h: h.replace(b"depot", b" depot ")),
        CHANGED,
        "depot",
    ),
    # The values.
    "null everywhere": (as_csv(ROWS.assign(**dict.fromkeys(ROWS, None))), REFUSED, "values_comp"),
    "a column without any value": (
        with_values("distance_km", None, EVERYWHERE),
        REFUSED,
        "missing",
    ),
    "the target without any value": (
        with_values("delay_hours", None, EVERYWHERE),
        REFUSED,
        "no value at all",
    ),
    "a few missing values": (with_values("distance_km", None), APART, 3),
    "text for a few numbers": (
        with_values("weight_kg", "heavy"),
        REFUSED,
        "not numbers, in rows 1",
    ),
    "text for all numbers": (with_values("weight_kg", "heavy", EVERYWHERE), CHANGED, "weight_kg"),
    "booleans as yes and no": (with_values("fragile", "yes", EVERYWHERE), CHANGED, "fragile"),
    "decimals with commas": (with_values("weight_kg", "1,5"), REFUSED, "not numbers"),
    "thousands with commas": (with_values("distance_km", "1,234.5"), REFUSED, "not numbers"),
    "infinity as text": (with_values("distance_km", "inf"), APART, 3),
    "NaN as text": (with_values("distance_km", "NaN"), APART, 3),
    "whole numbers past 64 bits": (with_values("parcel", str(2**64)), REFUSED, "64 bits"),
    "fractions for whole numbers": (with_values("parcel", "1.5"), REFUSED, "whole numbers"),
    "negative distances": (with_values("distance_km", -5), APART, 3),
    "negative distances everywhere": (
        with_values("distance_km", -5, EVERYWHERE),
        REFUSED,
        "more than the limit",
    ),
    "formula cells": (with_values("depot", "=cmd|' /C calc'!A0"), APART, 3),
    "an unknown depot": (with_values("depot", "North"), APART, 3),
    "dates in 1900": (times("1900-01-01T00:00:00"), APART, 3),
    "dates in 2100": (times("2100-01-01T00:00:00"), REFUSED, "'sent_at' that lie in the future"),
    "dates after the batch's own month": (
        times("2020-06-05T00:00:00"),
        REFUSED,
        "'sent_at' that lie after the period that its name says",
    ),
    "mixed time zones": (
        times(["2020-04-02T00:00:00Z", "2020-04-02T00:00:00+02:00", "2020-04-02 00:00"]),
        REFUSED,
        "without a zone, to the microsecond, in rows 1, 2",
    ),
    "American dates": (times("04/02/2020 13:00", EVERYWHERE), CHANGED, "sent_at"),
    "a 30th of February": (times("2020-02-30T00:00:00"), REFUSED, "ISO 8601"),
    # The rows.
    "a few rows twice": (as_csv(pd.concat([ROWS, ROWS.loc[FEW]])), APART, 3),
    "all rows alike": (as_csv(pd.concat([ROWS.head(1)] * len(ROWS))), REFUSED, "row_key_unique"),
    "too few rows": (as_csv(ROWS.head(99)), REFUSED, "row_count"),
    # What is to be learned.
    "a constant target": (with_lateness([]), UNLEARNABLE, "0 have the label 1"),
    "the other constant target": (
        with_lateness(ROWS.index),
        UNLEARNABLE,
        r"of (\d+) training rows, \1 have the label 1",
    ),
    "one class in a single row": (with_lateness([5]), UNLEARNABLE, "rows, 0 have the label 1"),
    # The folder, the names in it, and what happens to it while it is read.
    "a name that leaves its folder": (called("x..%2F..%2Fchampion.csv"), LEFT, "rename the file"),
    "a name with a backslash": (called("up\\..\\up.csv"), LEFT, "rename the file"),
    "a name with two dots": (called("2020..04.csv"), LEFT, "rename the file"),
    "a name with a line end": (called("2020-04\n.csv"), LEFT, "rename the file"),
    "a name that is an option": (called("-rf.csv"), LEFT, "rename the file"),
    "a name that is HTML": (called("<b>2020-04<b>.csv"), LEFT, "rename the file"),
    "a name that is no period": (called("spring.csv"), REFUSED, "which period it covers"),
    "two batches of one name": (
        Landing({f"{BATCH}.csv": as_csv(), f"{BATCH}.parquet": as_parquet()}),
        LEFT,
        "has landed more than once",
    ),
    "a file that is still written": (Landing({f"{BATCH}.csv.part": as_csv()}), LEFT),
    "a file that grows while it is read": (
        changing(lambda file: file.write_bytes(as_csv() * 2)),
        AWAY,
        "when it was listed, and has",
    ),
    "a file that is another while it is read": (
        changing(lambda file: file.write_bytes(as_csv().swapcase())),
        AWAY,
        "was written again after it was listed",
    ),
    "a file that goes while it is read": (
        changing(lambda file: file.unlink()),
        AWAY,
        "is gone",
    ),
    "a file that is not the one announced": (
        Landing({f"{BATCH}.csv": as_csv(), "manifest.json": b'{"2020-04.csv": {"bytes": 7}}'}),
        AWAY,
        "manifest.json",
    ),
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """The sample's, with narrow limits and an earliest time."""
    made = sample.pipeline(tmp_path_factory.mktemp("landing"))
    columns = tuple(
        replace(one, minimum="2019-01-01T00:00:00") if one.name == "sent_at" else one
        for one in made.columns
    )
    return replace(made, columns=columns, source=replace(made.source, limits=SMALL))


def examined(pipeline, batch, data):
    """Return what becomes of a batch's bytes, how many rows are put apart, and why."""
    quality = examine(pipeline, batch, Blob(data, ".csv"))
    period_end(pipeline, batch, quality.valid)
    if quality.refusal is not None:
        raise quality.refusal
    labels = pipeline.target.label(quality.valid).to_numpy()
    place = split_of(quality.valid[pipeline.split.group], pipeline.split)
    for rows in ("training", "tuning"):
        check_learnable(task_of(pipeline.target.task), rows, labels[place == rows])
    apart = len(quality.quarantine)
    return (APART if apart else TAKEN), apart, ""


def landed(pipeline, folder, case):
    """Return what becomes of what lies in a landing folder, as :func:`examined` does."""
    folder.mkdir()
    for name, data in case.files.items():
        (folder / name).write_bytes(data)
    source = replace(pipeline.source, url=str(folder), pattern="*")
    found = survey(source, folder)
    if not found.arrivals:
        return LEFT, 0, "".join(one.problem for one in found.refused)
    [arrival] = found.arrivals
    os.utime(folder / f"{arrival.batch}.csv", (1, 1))
    [arrival] = survey(source, folder).arrivals
    case.meanwhile(folder)
    return examined(pipeline, arrival.batch, read(arrival))


def became(pipeline, case, folder):
    """Return the class of what becomes of a case, how many rows are put apart, and why."""
    try:
        if isinstance(case, Landing):
            return landed(pipeline, folder, case)
        return examined(pipeline, BATCH, case)
    except MLDebtError as problem:
        return type(problem), 0, str(problem)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_becomes_of_a_file(pipeline, tmp_path, case):
    """A refusal is of its class, and names the fault and a fix; what is put apart is counted."""
    data, expected, *told = case
    kind, apart, said = became(pipeline, data, tmp_path / "landing")
    assert kind == expected, said
    if expected == APART:
        assert [apart] == told
    elif told:
        assert re.search(told[0], said), said
        assert "\nFix: " in said
        if isinstance(data, bytes) and issubclass(expected, BatchRefusedError):
            assert said.startswith(f"The batch '{BATCH}' is refused: ")


def test_no_refusal_shows_a_value_of_a_row(pipeline, tmp_path):
    """It might be personal, and a refusal is kept for ever."""
    for place, (name, (data, expected, *_)) in enumerate(CASES.items()):
        if expected != TAKEN:
            said = became(pipeline, data, tmp_path / str(place))[2]
            assert not re.search(r"Zürich|heavy|1,5|1,234|alert\(2\)|calc", said), name


def test_there_are_cases_enough():
    """What the table leaves out, somebody's export will bring."""
    assert len(CASES) >= 60
