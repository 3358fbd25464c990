"""A sketch stands for its rows: it merges, its bytes come again, and its errors are known."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldebt_assets.core.drift import sketch as sketches
from mldebt_assets.core.drift.moments import correlations, merge_moments, moments_of
from mldebt_assets.core.drift.sketch import from_bytes, merge, sketch_of, to_bytes
from mldebt_assets.core.drift.summary import KEPT, RANK_ERROR, merge_summaries, summary_of
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.schema import Column

brisk = settings(deadline=None, max_examples=40)

COLUMNS = (
    Column(name="x", dtype="float64", meaning=""),
    Column(name="n", dtype="int64", meaning=""),
    Column(name="colour", dtype="string", meaning=""),
)
cells = st.tuples(
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e300]) | st.floats(-9, 9),
    st.integers(-3, 3),
    st.sampled_from(["red", "green", None]),
)


def table(rows):
    return pd.DataFrame(rows, columns=["x", "n", "colour"]).astype(
        {"x": "float64", "n": "int64", "colour": "object"}
    )


tables = st.lists(cells, min_size=1, max_size=25).map(table)


def large(rows, seed):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": np.where(draw.random(rows) < 0.1, np.nan, draw.lognormal(size=rows)),
            "n": draw.integers(0, 50, rows),
            "colour": draw.choice(["red", "green", "blue"], rows),
        }
    )


def sketched(rows):
    return sketch_of(rows, COLUMNS)


def counted(sketch):
    """Everything but the moments, which alone are rounded."""
    return [
        (c.name, c.missing, c.counts, c.others)
        if hasattr(c, "counts")
        else (c.name, c.missing, c.summary.values.tolist(), c.summary.weights.tolist())
        for c in sketch.columns
    ], sketch.rows


def assert_alike(first, second):
    assert counted(first) == counted(second)
    pairs = zip(correlations(first.moments), correlations(second.moments), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8)


@brisk
@given(first=tables, second=tables, third=tables)
def test_sketches_merge_in_any_order_and_grouping(first, second, third):
    """Batches arrive, are made again and are reported on in windows that nobody foresaw."""
    a, b, c = map(sketched, (first, second, third))
    assert to_bytes(merge([a, b])) == to_bytes(merge([b, a]))
    assert_alike(merge([merge([a, b]), c]), merge([a, merge([b, c])]))
    assert_alike(merge([c, a, b]), merge([a, b, c]))


@brisk
@given(first=tables, second=tables)
def test_up_to_1025_values_merged_sketches_are_the_sketch_of_all_rows(first, second):
    """Nothing is lost of a small batch."""
    together = pd.concat([first, second], ignore_index=True)
    assert_alike(merge([sketched(first), sketched(second)]), sketched(together))


@brisk
@given(rows=tables, seed=st.integers(0, 99))
def test_the_order_of_rows_is_of_no_account(rows, seed):
    """A source may give the same rows in another order tomorrow."""
    assert_alike(sketched(rows.sample(frac=1, random_state=seed)), sketched(rows))


@pytest.mark.parametrize("rows", [0, 1, 1_025, 20_000])
def test_two_passes_give_the_same_bytes_and_the_bytes_give_the_sketch(rows):
    """A randomised sketch would get another hash each time, and nothing could be verified."""
    first, again = (to_bytes(sketched(large(rows, seed=1))) for _ in range(2))
    assert first == again
    assert to_bytes(from_bytes(first)) == first
    assert len(first) < 100_000


@pytest.mark.parametrize("parts", [1, 2, 30])
@pytest.mark.parametrize("shape", ["lognormal", "lattice", "mostly zero", "one outlier"])
def test_a_summary_is_off_by_less_than_a_1024th_of_the_rows_however_many_are_merged(parts, shape):
    """A bound that grew with each merge would say nothing about a year."""
    draw = np.random.default_rng(3)
    values = draw.lognormal(sigma=2, size=60_000)
    if shape == "lattice":
        values = np.round(values)
    if shape == "mostly zero":
        values = np.maximum(values - 5, 0)
    if shape == "one outlier":
        values[0] = 1e300
    merged = merge_summaries([summary_of(part) for part in np.array_split(values, parts)])
    assert (merged.rows, merged.lowest, merged.highest) == (60_000, values.min(), values.max())
    places = np.concatenate([draw.choice(values, 2_000), draw.lognormal(size=500)])
    exact = np.searchsorted(np.sort(values), places, side="right")
    found = np.array([merged.counts(np.array([place]))[0] for place in places])
    assert (found <= exact).all()
    assert ((exact - found) / 60_000).max() < RANK_ERROR
    if parts == 1:
        known = merged.values
        exact = np.searchsorted(np.sort(values), known, side="right")
        assert (np.cumsum(merged.weights) == exact).all()


def test_a_frequent_value_is_counted_exactly_and_apart_from_its_neighbours():
    """Zero minutes late is an answer of its own, and half of the rows."""
    values = np.concatenate([np.zeros(50_000), np.random.default_rng(2).normal(size=50_000)])
    summary = summary_of(values)
    below = np.nextafter(0.0, -1)
    counts = summary.counts(np.array([below, 0.0]))
    assert counts.tolist() == [(values < 0).sum(), 50_000, (values > 0).sum()]


def test_an_outlier_does_not_stand_for_a_thousandth_of_the_rows():
    values = np.append(np.random.default_rng(2).normal(size=1_000_000), 1e6)
    summary = summary_of(values)
    assert summary.weights[-1] == 1
    assert summary.values.size <= KEPT + 2 * 10


def test_correlations_merge_within_their_bound_where_the_mean_is_a_million_deviations():
    """Sums of plain products would have lost every digit of it."""
    draw = np.random.default_rng(4)
    values = draw.normal(size=(2, 200_000))
    values[1] += values[0]
    values += 1e6
    parts = [moments_of(part) for part in np.array_split(values, 40, axis=1)]
    found, rows = correlations(merge_moments(parts))
    exact = np.corrcoef(values - 1e6)[0, 1]
    assert found[0, 1] == pytest.approx(exact, abs=1e-8)
    assert rows[0, 1] == 200_000


@brisk
@given(
    rows=st.lists(
        st.tuples(*[st.integers(-9, 9).map(float) | st.just(np.nan)] * 3), min_size=3, max_size=30
    ),
    cut=st.integers(0, 30),
)
def test_correlations_use_the_complete_pairs_of_each_pair_of_columns(rows, cut):
    """A column with holes must neither shrink the others nor move a correlation."""
    values = np.array(rows).T
    parts = [values[:, :cut], values[:, cut:]]
    found, counts = correlations(merge_moments([moments_of(part) for part in parts]))
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        both = np.isfinite(values[a]) & np.isfinite(values[b])
        assert counts[a, b] == both.sum()
        x, y = values[a, both], values[b, both]
        if both.sum() < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
            assert np.isnan(found[a, b])
        else:
            assert found[a, b] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-9)


@brisk
@given(words=st.lists(st.sampled_from("abcdefghij"), max_size=60), cut=st.integers(0, 60))
def test_categories_beyond_the_bound_merge_exactly(words, cut, monkeypatch_bound):
    """Keeping the most frequent would depend on how the batches were cut."""
    parts = [pd.DataFrame({"colour": words[:cut]}), pd.DataFrame({"colour": words[cut:]})]
    whole = pd.concat(parts, ignore_index=True)
    merged = merge([sketch_of(part, COLUMNS[2:]) for part in parts]).columns[0]
    (expected,) = sketch_of(whole, COLUMNS[2:]).columns
    assert (merged.counts, merged.others) == (expected.counts, expected.others)
    assert len(merged.counts) == min(len(set(words)), 4)
    assert sum(merged.counts.values()) + merged.others == len(words)
    assert all(merged.counts[word] == words.count(word) for word in merged.counts)


@pytest.fixture(scope="module")
def monkeypatch_bound():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sketches, "MOST_CATEGORIES", 4)
        yield


def test_booleans_are_categories():
    column = Column(name="late", dtype="string", meaning="")
    found = sketch_of(pd.DataFrame({"late": [True, False, True]}), [column]).columns[0]
    assert found.counts == {"false": 1, "true": 2}


def test_sketches_of_other_columns_are_not_merged():
    rows = large(10, seed=1)
    with pytest.raises(UnlikeSketchesError, match=r"not of the same columns.*\nFix: "):
        merge([sketch_of(rows, COLUMNS), sketch_of(rows, COLUMNS[1:])])
