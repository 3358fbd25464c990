"""What has landed is listed whole, afresh, and without one bad file stopping the others."""

import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace

import fsspec
import pytest

from mldebt_assets.core.errors import BatchChangedError, UnreachableError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.pipeline import LandingFolder, Limits
from mldebt_assets.sources.landing import folder_url, read, survey


def landing_folder(url, pattern="*.csv"):
    return LandingFolder(
        url=url, pattern=pattern, description="flights", licence="CC0-1.0", consent="not needed"
    )


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "landing"
    folder.mkdir()
    return folder


@pytest.fixture
def bucket():
    """A store of objects, which knows no files and no folders."""
    name = f"bucket-{uuid.uuid4().hex}"
    yield name
    fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


def test_batches_are_sorted_by_name_whatever_their_order_of_arrival(folder):
    """A replay must see the same order on every file system."""
    for name in ("2013-10.csv", "2013-02.csv", "2013-01.csv"):
        (folder / name).write_bytes(b"a\n1\n")
    landing = survey(landing_folder(str(folder)), folder)
    assert [arrival.batch for arrival in landing.arrivals] == ["2013-01", "2013-02", "2013-10"]
    assert landing.refused == ()


def test_a_relative_folder_lies_below_the_root(folder, tmp_path):
    """Whoever runs it from another directory must find the same batches."""
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    (arrival,) = survey(landing_folder("landing"), tmp_path).arrivals
    assert arrival.uri == f"file://{folder}/2013-01.csv"
    assert read(arrival) == b"a\n1\n"
    assert (arrival.batch, arrival.size_bytes, arrival.suffix) == ("2013-01", 4, ".csv")


def test_a_bucket_serves_as_well_as_a_folder(bucket, tmp_path):
    """Landing folders are fsspec URLs; the code knows no file system."""
    fs = fsspec.filesystem("memory")
    fs.pipe_file(f"/{bucket}/in/2013-01.parquet", b"PAR1")
    (arrival,) = survey(landing_folder(f"memory://{bucket}/in/", "*"), tmp_path).arrivals
    assert arrival.uri == f"memory://{bucket}/in/2013-01.parquet"
    assert read(arrival) == b"PAR1"


def test_a_folder_that_does_not_exist_yet_holds_nothing(tmp_path):
    """A fresh clone has no landing folder; its sensor has nothing to do."""
    assert survey(landing_folder("not/yet"), tmp_path).arrivals == ()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/landing", "nosuchprotocol://bucket/landing"], ids=["port", "name"]
)
def test_an_unreachable_folder_is_not_taken_for_an_empty_one(url, tmp_path):
    """An empty list would read as: no new data, all is well."""
    with pytest.raises(UnreachableError, match=r"cannot be reached[\s\S]*Fix:"):
        survey(landing_folder(url), tmp_path)


def test_a_file_in_the_folders_place_is_not_taken_for_an_empty_folder(folder):
    """A mistyped URL would otherwise wait for batches for ever."""
    (folder / "landing.txt").touch()
    with pytest.raises(UnreachableError, match="it is a file, not a folder"):
        survey(landing_folder(str(folder / "landing.txt")), folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_a_folder_that_may_not_be_listed_is_unreachable(folder):
    """No permission is no proof of emptiness."""
    folder.chmod(0)
    try:
        with pytest.raises(UnreachableError, match="PermissionError"):
            survey(landing_folder(str(folder)), folder)
    finally:
        folder.chmod(0o755)


def test_files_that_are_being_written_are_passed_over(folder):
    """Half a month would train half a model."""
    for name in (
        ".2013-01.csv.17.tmp",
        "2013-02.csv.tmp",
        "2013-03.csv.part",
        ".csv",
        "2013-04.csv",
    ):
        (folder / name).write_bytes(b"a\n1\n")
    (folder / "2013-05.csv").mkdir()
    landing = survey(landing_folder(str(folder), "*"), folder)
    assert [arrival.batch for arrival in landing.arrivals] == ["2013-04"]
    assert landing.refused == ()


@pytest.mark.parametrize("name", ["2013..01.csv", "a b.csv", "-rf.csv", "up\\..\\up.csv", "é.csv"])
def test_a_name_that_could_leave_its_folder_is_refused_and_stops_no_other(folder, name):
    """Batch names become file names, partition keys and arguments."""
    (folder / name).write_bytes(b"a\n1\n")
    (folder / "2013-02.csv").write_bytes(b"a\n1\n")
    landing = survey(landing_folder(str(folder), "*"), folder)
    assert [arrival.batch for arrival in landing.arrivals] == ["2013-02"]
    (refused,) = landing.refused
    assert refused.name == name
    assert "Fix: rename the file" in refused.problem


def test_two_files_of_one_batch_are_both_refused(folder):
    """Which of them is the month? Only its sender knows."""
    for name in ("2013-01.csv", "2013-01.parquet", "2013-02.csv"):
        (folder / name).write_bytes(b"a\n1\n")
    landing = survey(landing_folder(str(folder), "*"), folder)
    assert [arrival.batch for arrival in landing.arrivals] == ["2013-02"]
    assert [refused.name for refused in landing.refused] == ["2013-01.csv", "2013-01.parquet"]
    for refused in landing.refused:
        assert "'2013-01' has landed more than once: 2013-01.csv and 2013-01.parquet" in (
            refused.problem
        )


def test_a_file_of_another_kind_is_refused_only_where_the_pattern_asks_for_it(folder):
    """A README beside the data is no fault; a spreadsheet that somebody takes for data is."""
    (folder / "2013-01.xlsx").write_bytes(b"PK")
    assert survey(landing_folder(str(folder), "*.csv"), folder).refused == ()
    (refused,) = survey(landing_folder(str(folder), "*"), folder).refused
    assert "no .csv or .csv.gz or .parquet file" in refused.problem


def test_without_a_pattern_every_table_is_a_batch_and_nothing_else_is(folder):
    """A Parquet file that lands beside CSVs must not lie there unseen."""
    for name in ("2013-01.csv", "2013-02.csv.gz", "2013-03.parquet", "README.md", "2013-04.xlsx"):
        (folder / name).write_bytes(b"a\n1\n")
    landing = survey(replace(landing_folder(str(folder)), pattern=None), folder)
    assert [arrival.batch for arrival in landing.arrivals] == ["2013-01", "2013-02", "2013-03"]
    assert landing.refused == ()


def test_the_fingerprint_follows_the_file(folder):
    """A month that lands again is noticed without reading it."""
    path = folder / "2013-01.csv"
    path.write_bytes(b"a\n1\n")
    (first,) = survey(landing_folder(str(folder)), folder).arrivals
    (again,) = survey(landing_folder(str(folder)), folder).arrivals
    assert again == first
    path.write_bytes(b"a\n2\n")
    os.utime(path, (1, 1))
    (changed,) = survey(landing_folder(str(folder)), folder).arrivals
    assert changed.fingerprint != first.fingerprint


def test_the_folder_is_listed_afresh_each_time(folder):
    """Fsspec caches listings; a sensor in a long-lived daemon would never see a new month."""
    assert survey(landing_folder(str(folder)), folder).arrivals == ()
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    assert len(survey(landing_folder(str(folder)), folder).arrivals) == 1


def test_a_file_that_vanished_after_the_listing_is_named(folder):
    """Whoever moves files about must be told which one was missed."""
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    (arrival,) = survey(landing_folder(str(folder)), folder).arrivals
    (folder / "2013-01.csv").unlink()
    with pytest.raises(BatchChangedError, match=r"2013-01\.csv was listed, and is gone"):
        read(arrival)


def test_a_file_that_grew_after_the_listing_is_not_read_in_part(folder):
    """It is still being copied."""
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    (arrival,) = survey(landing_folder(str(folder)), folder).arrivals
    (folder / "2013-01.csv").write_bytes(b"a\n1\n2\n")
    with pytest.raises(BatchChangedError, match="had 4 bytes when it was listed, and has 6 now"):
        read(arrival)


def test_a_file_rewritten_at_the_same_size_is_noticed(folder):
    """The listing's fingerprint would otherwise stand for bytes that nobody listed."""
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    (arrival,) = survey(landing_folder(str(folder)), folder).arrivals
    with pytest.raises(BatchChangedError, match="written again after it was listed"):
        read(replace(arrival, fingerprint="4:another time"))


def stated(folder, **entries):
    (folder / "manifest.json").write_text(json.dumps({f"{n}.csv": e for n, e in entries.items()}))


def test_a_file_must_be_what_the_manifest_states(folder):
    """A copy that went wrong must not become a month, nor a file that nobody has announced."""
    data = b"a\n1\n"
    (folder / "m.csv").write_bytes(data)
    whole = {"bytes": len(data), "sha256": sha256(data)}
    stated(folder, m=whole)
    landed = survey(landing_folder(str(folder), "*"), folder)
    assert landed.refused == ()
    (arrival,) = landed.arrivals
    assert read(arrival) == data
    for entry, problem in (
        ({"m": {**whole, "bytes": 5}}, "has 4 bytes, and the folder's manifest.json states 5"),
        ({"m": {**whole, "sha256": "0" * 64}}, "other bytes than those whose SHA-256"),
        ({"m": 4}, "is not stated"),
        ({}, "is not stated"),
    ):
        stated(folder, **entry)
        with pytest.raises(BatchChangedError, match=problem):
            read(arrival)


def test_a_file_beyond_its_limit_is_not_even_read(folder):
    """It would be taken into memory whole, only to be refused."""
    (folder / "2013-01.csv").write_bytes(b"a\n1\n")
    narrow = replace(landing_folder(str(folder)), limits=Limits(file_bytes=3))
    (refused,) = survey(narrow, folder).refused
    assert "has 4 bytes, and Limits.file_bytes leaves room for 3" in refused.problem


NARROW = """
import resource, sys
from pathlib import Path
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.pipeline import LandingFolder, Limits
from mldebt_assets.sources.landing import survey
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))
folder = LandingFolder(url=sys.argv[1], description="", licence="", consent="")
landed = survey(folder, Path("/"))
assert [arrival.batch for arrival in landed.arrivals] == ["small"], landed
sys.stdout.write(landed.refused[0].problem)
"""


def test_a_file_that_memory_does_not_suffice_for_is_refused_by_the_limits_name(folder):
    """A process that is killed for its memory says nothing, and is killed again."""
    (folder / "small.csv").write_bytes(b"a\n1\n")
    with (folder / "large.csv").open("wb") as file:
        file.truncate(200 << 20)
    done = subprocess.run(
        [sys.executable, "-c", NARROW, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'large.csv' has 209,715,200 bytes, and RLIMIT_AS, this process's address" in done.stdout
    assert "Fix: land it in several batches, or give this process more memory." in done.stdout


def test_the_url_of_a_bucket_is_left_as_it_is(tmp_path):
    """Only paths without a scheme are relative."""
    assert folder_url(landing_folder("s3://bucket/in/"), tmp_path) == "s3://bucket/in"
