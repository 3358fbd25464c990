"""What is stored comes back as it was, or not at all; and plain DVC reads it too."""

import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.core.errors import (
    DigestMismatchError,
    SnapshotMissingError,
    UnreachableError,
)
from mldebt_assets.core.fingerprint import md5, sha256
from mldebt_assets.home import Home, initialise, project_root
from mldebt_assets.publishing import publish_pointers
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import snapshot_metadata
from mldebt_assets.store import Blob, SnapshotStore, decode, encode
from mldebt_assets_tests import sample
from mldebt_assets_tests.world import copy_of

# Two texts with one MD5. Source: Wang and Yu, How to Break MD5 and Other Hash Functions, 2005.
COLLISION = """
d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89
55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b
d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0
e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70
"""
OTHER_COLLISION = """
d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f89
55ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5b
d8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0
e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70
"""

PLACE = {"folder": "parcels/raw/2020-01", "name": "2020-01.csv"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home, made once; nothing is ever put into it."""
    home = Home(tmp_path_factory.mktemp("made") / "home")
    initialise(home, ["parcels"])
    return home


@pytest.fixture
def home(made, tmp_path):
    return copy_of(made, tmp_path)


@pytest.fixture
def store(home):
    return SnapshotStore(home)


@pytest.fixture(scope="module")
def shared_home(made, tmp_path_factory):
    """One home for all the examples of a property."""
    return copy_of(made, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def shared_store(shared_home):
    return SnapshotStore(shared_home)


def cached(home, address):
    return home.root / ".dvc" / "cache" / "files" / "md5" / address[:2] / address[2:]


def pushed(home, address):
    return Path(home.remote_url) / "files" / "md5" / address[:2] / address[2:]


def damage(path, data, mode=0o444):
    """Write other bytes in the place of an object, as read-only as DVC leaves its objects."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def get(store, snapshot):
    return store.get(name=snapshot.path, sha256_hex=snapshot.sha256, md5=snapshot.md5)


def dvc(folder, *arguments):
    answer = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@given(data=st.binary(max_size=200))
def test_bytes_come_back_as_they_were_put(shared_store, data):
    """Empty files too: a batch that is refused is kept all the same."""
    snapshot = shared_store.put(data, **PLACE)
    assert get(shared_store, snapshot) == data
    assert (snapshot.sha256, snapshot.md5, snapshot.bytes) == (sha256(data), md5(data), len(data))


def test_the_same_bytes_are_the_same_snapshot_and_others_hide_none(store, home):
    """A month that lands again with other bytes leaves the old pointer where it was."""
    first, again, other = (store.put(data, **PLACE) for data in (b"a\n", b"a\n", b"b\n"))
    assert first == again
    assert first.path != other.path
    for snapshot in (first, other):
        assert (home.root / snapshot.pointer).is_file()
        assert snapshot.path.endswith("/2020-01.csv")


def test_what_was_put_lies_in_the_remote_when_put_returns(store, home):
    """The champion's data must survive the loss of this machine."""
    snapshot = store.put(b"a\n", **PLACE)
    assert pushed(home, snapshot.md5).read_bytes() == b"a\n"


def test_a_snapshot_gone_from_the_cache_comes_from_the_remote_and_is_cached_again(store, home):
    """A new machine with the shared remote has an empty cache."""
    snapshot = store.put(b"a\n", **PLACE)
    cached(home, snapshot.md5).unlink()
    assert get(store, snapshot) == b"a\n"
    assert cached(home, snapshot.md5).read_bytes() == b"a\n"


def test_a_snapshot_gone_from_both_is_said_to_be_missing(store, home):
    """Nothing else may be taken in its place."""
    snapshot = store.put(b"a\n", **PLACE)
    cached(home, snapshot.md5).unlink()
    pushed(home, snapshot.md5).unlink()
    with pytest.raises(SnapshotMissingError, match=f"{snapshot.md5}.* is neither[\\s\\S]*Fix:"):
        get(store, snapshot)


@pytest.mark.parametrize("where", [cached, pushed])
@given(data=st.data())
def test_one_flipped_byte_anywhere_is_always_found(shared_home, shared_store, where, data):
    """Damaged bytes would train, or score, something that no record knows."""
    bytes_put = data.draw(st.binary(min_size=1, max_size=100))
    position = data.draw(st.integers(0, len(bytes_put) - 1))
    flip = data.draw(st.integers(1, 255))
    snapshot = shared_store.put(bytes_put, **PLACE)
    flipped = bytearray(bytes_put)
    flipped[position] ^= flip
    cached(shared_home, snapshot.md5).unlink()
    damage(where(shared_home, snapshot.md5), bytes(flipped))
    try:
        with pytest.raises(DigestMismatchError, match=sha256(bytes(flipped))):
            get(shared_store, snapshot)
        remains = cached(shared_home, snapshot.md5)
        assert where is cached or not remains.exists()
    finally:
        damage(cached(shared_home, snapshot.md5), bytes_put)
        damage(pushed(shared_home, snapshot.md5), bytes_put)


@pytest.mark.parametrize("cut", [b"", b"a", b"a\nb"])
def test_a_truncated_copy_is_found(store, home, cut):
    """A full disk cuts files short."""
    snapshot = store.put(b"a\nb\n", **PLACE)
    damage(cached(home, snapshot.md5), cut)
    with pytest.raises(DigestMismatchError, match=f"record says {snapshot.sha256}"):
        get(store, snapshot)


def test_damage_that_waits_in_the_remote_is_found_when_the_same_bytes_are_put(store, home):
    """DVC takes an object that is there for the right one."""
    damage(pushed(home, md5(b"a\n")), b"z\n")
    with pytest.raises(DigestMismatchError, match=f"in {home.remote_url} have"):
        store.put(b"a\n", **PLACE)
    assert not (home.root / "snapshots").exists()


def test_damage_that_waits_in_the_cache_is_found_before_it_reaches_the_remote(store, home):
    """Once there, every other machine would pull it."""
    damage(cached(home, md5(b"a\n")), b"z\n")
    with pytest.raises(DigestMismatchError, match="in the cache have"):
        store.put(b"a\n", **PLACE)
    assert not pushed(home, md5(b"a\n")).exists()
    assert not (home.root / "snapshots").exists()


def test_a_half_written_object_in_the_remote_is_replaced(store, home):
    """A push that was killed leaves bytes that can still be written; they are no obstacle."""
    damage(pushed(home, md5(b"a\nb\n")), b"a\n", mode=0o644)
    assert get(store, store.put(b"a\nb\n", **PLACE)) == b"a\nb\n"
    assert pushed(home, md5(b"a\nb\n")).read_bytes() == b"a\nb\n"


def test_two_files_with_one_md5_are_never_taken_for_one_another(store):
    """MD5 is DVC's address; what the bytes are is said by SHA-256."""
    one, other = bytes.fromhex(COLLISION), bytes.fromhex(OTHER_COLLISION)
    assert one != other
    assert md5(one) == md5(other)
    snapshot = store.put(one, **PLACE)
    with pytest.raises(DigestMismatchError, match=sha256(other)):
        store.put(other, **PLACE)
    assert get(store, snapshot) == one


def test_a_remote_that_cannot_be_written_is_named_and_leaves_no_pointer(store, home):
    """A pointer to bytes that are nowhere else is a promise that nobody keeps."""
    shutil.rmtree(home.remote_url)
    Path(home.remote_url).write_text("a file where the remote should be")
    with pytest.raises(UnreachableError, match=f"{home.remote_url} cannot be reached[\\s\\S]*Fix:"):
        store.put(b"a\n", **PLACE)
    assert not (home.root / "snapshots").exists()


def test_a_remote_that_cannot_be_read_is_not_said_to_be_without_the_snapshot(store, home):
    """Unreachable is no answer; missing is one."""
    snapshot = store.put(b"a\n", **PLACE)
    cached(home, snapshot.md5).unlink()
    shutil.rmtree(home.remote_url)
    Path(home.remote_url).write_text("a file where the remote should be")
    with pytest.raises(UnreachableError, match=f"{home.remote_url} cannot be reached"):
        get(store, snapshot)


def test_a_remote_that_was_away_takes_what_is_put_when_it_is_back(store, home):
    """An outage costs a retry, never a snapshot."""
    remote = Path(home.remote_url)
    away = remote.rename(remote.with_name("away"))
    with pytest.raises(UnreachableError, match="cannot be reached"):
        store.put(b"a\n", **PLACE)
    assert not remote.exists(), "beside a disk that is not mounted, nothing is begun anew"
    away.rename(remote)
    snapshot = store.put(b"a\n", **PLACE)
    assert pushed(home, snapshot.md5).read_bytes() == b"a\n"


def test_plain_dvc_pull_brings_every_snapshot_to_a_fresh_clone(store, home, tmp_path):
    """Whoever leaves this program keeps the data: the pointers are DVC's own."""
    stored = [
        store.put(sample.rows("2020-01").to_csv(index=False).encode(), **PLACE),
        store.put(b"", folder="parcels/raw/2020-02", name="2020-02.csv"),
        store.put(encode({"a": 1}).data, folder="parcels/training_set", name="training_set.json"),
    ]
    clone = tmp_path / "clone"
    (clone / ".dvc").mkdir(parents=True)
    shutil.copy(home.root / ".dvc" / "config", clone / ".dvc" / "config")
    shutil.copytree(home.root / "snapshots", clone / "snapshots")
    dvc(clone, "pull")
    for snapshot in stored:
        data = (clone / "snapshots" / snapshot.path).read_bytes()
        assert (sha256(data), len(data)) == (snapshot.sha256, snapshot.bytes)


def test_published_pointers_bring_the_raw_files_to_a_clone_and_git_stays_clean(home, tmp_path):
    """A clone of the project with the shared remote has the very data, and nothing to commit."""
    pipeline, platform = sample.pipeline(tmp_path / "landing"), Platform(home)
    root = tmp_path / "project"
    landed = {batch: sample.rows(batch).to_csv(index=False).encode() for batch in sample.BATCHES}
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.add_dynamic_partitions(batches(pipeline).name, list(landed))
        for batch, data in landed.items():
            for version in (b"an older version", data):
                materialize_raw(instance, platform, pipeline, batch, version)
        changed = publish_pointers(instance, platform, pipeline, root / "data" / pipeline.name)
        again = publish_pointers(instance, platform, pipeline, root / "data" / pipeline.name)
    assert [path.name for path in changed] == [f"{batch}.csv.dvc" for batch in sample.BATCHES]
    assert again == []

    commit_project(root, remote=home.remote_url)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    dvc(clone, "pull")
    for batch, data in landed.items():
        assert (clone / "data" / pipeline.name / f"{batch}.csv").read_bytes() == data
    assert git(clone, "status", "--porcelain") == ""


def materialize_raw(instance, platform, pipeline, batch, data):
    snapshot = platform.snapshots.put(data, folder=f"parcels/raw/{batch}", name=f"{batch}.csv")
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            key(pipeline, "raw"), partition=batch, metadata=snapshot_metadata(snapshot)
        )
    )


def commit_project(root, *, remote):
    """Commit the pointers, with what this project has beside them and another remote."""
    for name in (".gitignore", ".dvcignore", "data/.gitignore", ".dvc/config", ".dvc/.gitignore"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project_root() / name, root / name)
    dvc(root, "config", "core.no_scm", "true", "--local")
    dvc(root, "remote", "modify", "local", "url", remote)
    (root / ".dvc" / "config.local").unlink()
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "-m", "Publish the pointers")
    assert git(root, "ls-files", "data/parcels/*.dvc").count("\n") == len(sample.BATCHES)


def test_tables_facts_and_bytes_survive_being_stored():
    """Every artefact passes through these two functions, each way."""
    table = sample.rows("2020-01").assign(sent_at=lambda t: pd.to_datetime(t["sent_at"]))
    table["sent_at"] = table["sent_at"].astype("datetime64[us]")
    blob = encode(table)
    assert blob.suffix == ".parquet"
    pd.testing.assert_frame_equal(decode(blob.data, blob.suffix), table)
    assert decode(b"\x00\xff", ".safetensors") == encode(Blob(b"\x00\xff", ".safetensors"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(facts=st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values))
def test_facts_survive_being_stored(facts):
    """A manifest that came back changed would have another hash, and be another snapshot."""
    blob = encode(facts)
    assert blob.suffix == ".json"
    assert decode(blob.data, blob.suffix) == facts
    assert encode(decode(blob.data, blob.suffix)) == blob
