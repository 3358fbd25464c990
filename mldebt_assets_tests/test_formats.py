"""A batch is what its bytes say: CSV, CSV in gzip, or Parquet, side by side in one folder."""

import gzip

import pytest

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
