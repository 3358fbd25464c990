"""A batch is what its bytes say: CSV, CSV in gzip, or Parquet, side by side in one folder."""

import gzip

import pytest

from mldebt_assets.assets.collecting import require_room
from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.sources import memory
from mldebt_assets_tests import sample
from mldebt_assets_tests.world import installation


@pytest.fixture(scope="module")
def chapters(tmp_path_factory):
    """What becomes of three batches in three formats, one of them under a wrong name."""
    with installation(tmp_path_factory.mktemp("formats")) as world:
        world.landing.mkdir(exist_ok=True)
        first, second, third = (sample.rows(batch) for batch in sample.BATCHES[:3])
        first.to_parquet(world.landing / f"{sample.BATCHES[0]}.parquet")
        packed = gzip.compress(second.to_csv(index=False, lineterminator="\n").encode())
        (world.landing / f"{sample.BATCHES[1]}.csv.gz").write_bytes(packed)
        third.to_parquet(world.landing / f"{sample.BATCHES[2]}.csv")
        yield world.replay().chapters


def test_each_is_taken_in_whole_and_learned_from(chapters):
    """Whoever exports Parquet must not have to convert it, nor unpack gzip."""
    assert [chapter.problem for chapter in chapters] == [None] * 3
    assert [chapter.rows for chapter in chapters] == [sample.ROWS_A_DAY * sample.DAYS] * 3
    assert chapters[-1].champion == 1


def test_what_unpacks_beyond_memory_is_refused_by_the_limits_name(monkeypatch):
    """A few megabytes may unpack to more than there is, and a process killed says nothing."""
    monkeypatch.setattr(memory, "room", lambda: (15 * 1000, "RLIMIT_AS, this process's space"))
    for data in (b"a\n1\n" * 1000, gzip.compress(bytes(1000)), gzip.compress(bytes(2000))[:9]):
        require_room("2020-01", data)
    for data in (gzip.compress(bytes(1001)), gzip.compress(bytes(600)) * 2):
        with pytest.raises(BatchRefusedError, match="more than the 1,000 bytes that RLIMIT_AS, "):
            require_room("2020-01", data)
