"""Blocks that were counted apart are those that counting both samples together would give."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from mldebt_assets.core.drift import champion_reference
from mldebt_assets.core.drift.blocks import (
    MOST_BLOCKS,
    BlockCounts,
    count_blocks,
    from_bytes,
    in_one_block,
    join,
    laid_beside,
    to_bytes,
)
from mldebt_assets.core.drift.champion_reference import ChampionReference
from mldebt_assets.core.drift.counts import count, reference_of
from mldebt_assets.core.drift.moments import correlations
from mldebt_assets.core.drift.outcomes import outcomes_of
from mldebt_assets.core.drift.sketch import sketch_of
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.schema import Column

COLUMNS = (
    Column(name="x", dtype="float64", meaning=""),
    Column(name="y", dtype="float64", meaning=""),
    Column(name="colour", dtype="string", meaning=""),
)


def groups(number, rows=2, first=0, seed=2):
    """Return rows of many groups, some values missing; their order is that of their names."""
    draw = np.random.default_rng(seed)
    group = np.repeat(np.arange(first, first + number), rows)
    table = pd.DataFrame(
        {
            "x": draw.normal(size=group.size),
            "y": draw.normal(size=group.size),
            "colour": draw.choice(["red", "blue", None], size=group.size),
            "day": [f"{one:06}" for one in group],
        }
    )
    table.loc[table["x"] > 1.5, "x"] = np.nan
    return table


REFERENCE = groups(50, rows=20, seed=1)
AGAINST = reference_of(sketch_of(REFERENCE, COLUMNS), "these days")


def counted(table):
    return count_blocks(table, "day", AGAINST)


def equal(first, second):
    """Whether both count the same rows; only the moments may differ in their last digits."""
    exact = ("counts", "missing", "lowest", "highest")
    return (
        first.rows == second.rows
        and all(np.array_equal(getattr(first, name), getattr(second, name)) for name in exact)
        and correlations(first.moments)[0]
        == pytest.approx(correlations(second.moments)[0], abs=1e-8, nan_ok=True)
    )


def test_the_blocks_of_a_batch_add_up_to_the_batch():
    """A window is judged by the sum of what was counted by the day."""
    whole = counted(REFERENCE).whole
    expected = count(REFERENCE, AGAINST, in_one_block(REFERENCE, AGAINST).whole.moments)
    assert equal(whole, expected)


def test_two_passes_give_the_same_bytes_whatever_the_order_of_the_rows():
    """Its hash is what the next batch finds it by; only sums of floats know an order."""
    first = to_bytes(counted(REFERENCE))
    assert to_bytes(counted(REFERENCE.copy())) == first
    assert to_bytes(from_bytes(first)) == first
    shuffled = counted(REFERENCE.sample(frac=1, random_state=3))
    assert list(shuffled.parts) == list(counted(REFERENCE).parts)
    assert all(map(equal, shuffled.parts.values(), counted(REFERENCE).parts.values()))


@pytest.mark.parametrize("number", [1, 399, 400, 401, 1_700])
def test_no_table_leaves_more_than_four_hundred_blocks(number):
    """Ten thousand customers would otherwise be ten thousand histograms."""
    blocks = counted(groups(number))
    assert len(blocks.parts) <= MOST_BLOCKS
    assert len(blocks.parts) == -(-number // blocks.values_a_block)
    assert blocks.whole.rows == 2 * number


@settings(deadline=None, max_examples=20)
@given(reference=st.integers(1, 1_300), current=st.integers(1, 900))
def test_both_sides_have_blocks_of_as_many_values(reference, current):
    """Longer ones lie less far apart by chance, and could not be exchanged with shorter ones."""
    sides = counted(groups(reference)), counted(groups(current, first=5_000))
    blocks = laid_beside(*sides)
    assert len(blocks.reference) + len(blocks.current) <= MOST_BLOCKS
    sizes = {part.rows for part in [*blocks.reference[:-1], *blocks.current[:-1]]}
    assert len(sizes) <= 1
    assert sum(part.rows for part in blocks.reference) == 2 * reference
    assert sum(part.rows for part in blocks.current) == 2 * current


def test_a_run_is_the_same_block_counted_at_once_or_from_its_parts():
    """Otherwise what is stored of a reference would depend on the batch it is counted for."""
    table = groups(600)
    in_fours = table.assign(day=(np.arange(len(table)) // 8).astype(str))
    in_fours["day"] = in_fours["day"].str.zfill(6)
    apart = laid_beside(counted(table), counted(groups(300, first=5_000))).reference
    at_once = counted(in_fours).parts.values()
    assert len(apart) == len(at_once) == 150
    assert all(map(equal, apart, at_once))


def test_the_blocks_of_a_window_are_those_of_its_rows():
    """A customer who is there in two months is one block, as in the rows of both."""
    parts = groups(30), groups(30, first=20, seed=5)
    joined = join([counted(part) for part in parts])
    expected = counted(pd.concat(parts, ignore_index=True))
    assert list(joined.parts) == list(expected.parts)
    assert all(map(equal, joined.parts.values(), expected.parts.values()))


def test_batches_of_shared_blocks_are_not_joined():
    """The same customer could stand in different runs: no longer a division by customers."""
    assert join([counted(groups(500)), counted(groups(3, first=5_000))]) is None


def test_rows_without_a_value_and_tables_without_rows_are_blocks_too():
    """An empty delivery must be judged, not crash."""
    table = groups(3)
    table.loc[0, "day"] = None
    assert [part.rows for part in counted(table).parts.values()] == [1, 2, 2, 1]
    empty = counted(table[:0])
    assert [part.rows for part in empty.parts.values()] == [0]
    assert to_bytes(from_bytes(to_bytes(empty))) == to_bytes(empty)


def test_blocks_of_different_columns_are_not_laid_side_by_side():
    """A day cannot be exchanged with a customer."""
    other = count_blocks(groups(3).assign(who="me"), "who", AGAINST)
    with pytest.raises(UnlikeSketchesError, match="columns"):
        laid_beside(counted(groups(3)), other)
    with pytest.raises(UnlikeSketchesError, match="columns"):
        join([BlockCounts("day", 1, {}), other])


def test_blocks_that_count_other_columns_are_not_laid_beside_each_other():
    """A reference that was counted before a column was watched would be held against another."""
    fewer = reference_of(sketch_of(REFERENCE, COLUMNS[:2]), "these days")
    with pytest.raises(UnlikeSketchesError, match="same columns"):
        laid_beside(count_blocks(REFERENCE, "day", fewer), counted(groups(3)))


@pytest.mark.parametrize("rows", [None, counted(REFERENCE)], ids=["no rows", "rows"])
@pytest.mark.parametrize("held_out", [False, True], ids=["no champion", "held out"])
def test_a_champions_reference_is_stored_whole(rows, held_out):
    """It is counted once, and all that the champion scores is held against what was stored."""
    scores, labels = REFERENCE[["y"]], REFERENCE["x"]
    outcomes = outcomes_of(scores, labels, REFERENCE["day"], "day") if held_out else None
    stored = champion_reference.to_bytes(ChampionReference(rows, outcomes))
    found = champion_reference.from_bytes(stored)
    assert (found.rows is None, found.held_out is None) == (rows is None, outcomes is None)
    assert champion_reference.to_bytes(found) == stored


def test_what_an_older_version_counted_is_refused_by_name():
    """It lacks what is counted now: a window counts such a batch from its sketch."""
    arrays = load(to_bytes(counted(groups(3))))
    del arrays["beyond"]
    with pytest.raises(UnlikeSketchesError, match=r"not of the same version.*\nFix: "):
        from_bytes(save(arrays))
