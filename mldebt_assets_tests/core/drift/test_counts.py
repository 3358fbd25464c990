"""Counting against a reference: exact, the same by every path, and addable in any order."""

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from mldebt_assets.core.drift import lookup
from mldebt_assets.core.drift import sketch as sketches
from mldebt_assets.core.drift.blocks import ARRAYS
from mldebt_assets.core.drift.counts import (
    count,
    count_numbers,
    count_sketch,
    merge_counts,
    reference_of,
)
from mldebt_assets.core.drift.grid import CLIPPED, grid_of
from mldebt_assets.core.drift.lookup import Loading, counted_by_sorting, counted_numbers
from mldebt_assets.core.drift.moments import moments_of
from mldebt_assets.core.drift.rule import judge, judge_counts
from mldebt_assets.core.drift.sketch import merge, sketch_of
from mldebt_assets.core.drift.statistics import weighted_edges
from mldebt_assets.core.drift.summary import RANK_ERROR, summary_of
from mldebt_assets.core.errors import UnlikeSketchesError
from mldebt_assets.core.policies import Drift
from mldebt_assets.core.schema import Column

brisk = settings(deadline=None, max_examples=40)

COLUMNS = (
    Column(name="x", dtype="float64", meaning=""),
    Column(name="y", dtype="float64", meaning=""),
    Column(name="colour", dtype="string", meaning=""),
)
MOST_COMPARISONS = 11
USUAL_COMPARISONS = 1.5


def table(rows, seed, shift=0.0):
    draw = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": np.where(draw.random(rows) < 0.05, np.nan, draw.normal(shift, size=rows)),
            "y": draw.lognormal(size=rows),
            "colour": draw.choice(["red", "green", "blue"], rows),
        }
    )


def against(rows, parts=1):
    pieces = np.array_split(np.arange(len(rows)), parts)
    return reference_of(merge([sketch_of(rows.iloc[piece], COLUMNS) for piece in pieces]), "abc")


def plain(counts):
    return [
        (counts.reference, counts.rows),
        *(getattr(counts, name).tolist() for name in ARRAYS if name != "beyond"),
        counts.beyond.astype(np.float32).tolist(),
    ]


any_values = hnp.arrays(
    np.float64,
    st.integers(1, 60),
    elements=st.floats() | st.floats(-3, 3) | st.integers(-3, 3).map(float),
)


@settings(deadline=None, max_examples=60)
@given(reference=any_values, values=any_values)
def test_the_lookup_counts_what_sorting_counts(reference, values):
    """Whether a machine has numba must not change a verdict."""
    summary = summary_of(reference)
    if not summary.rows:
        return
    edges = weighted_edges(summary.values, summary.weights)
    with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(lookup, "compiled", lambda: lookup.look_up)
        patch.setattr(lookup, "LOADING", Loading(worth_loading=-1))
        found = counted_numbers(values, grid_of(edges, summary))
    finite = values[np.isfinite(values)]
    sorted_out = counted_by_sorting(values, edges)
    assert found.counts.tolist() == sorted_out.counts.tolist()
    assert found[1:] == sorted_out[1:]
    assert found.missing == values.size - finite.size
    assert found.lowest == finite.min(initial=np.inf)
    assert found.highest == finite.max(initial=-np.inf)


SHAPES = ["normal", "lognormal", "lattice", "one outlier", "integers", "beyond"]


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_code_counts_what_sorting_counts(shape, monkeypatch):
    draw = np.random.default_rng(5)
    values = draw.normal(size=300_000)
    if shape == "lognormal":
        values = np.exp(2 * values)
    if shape == "lattice":
        values = np.round(values * 4)
    values[::1000] = np.nan
    if shape == "one outlier":
        values[1] = 1e300
    if shape == "integers":
        values = draw.integers(0, 9, 300_000).astype(np.float64)[::-1]
    rows = pd.DataFrame({"x": values, "y": 1.0, "colour": "red"})
    reference = against(rows.iloc[:50_000])
    if shape == "beyond":
        rows["x"] = 3 * values - 4
    sorted_out = count(rows, reference)
    monkeypatch.setattr(lookup, "LOADING", Loading(worth_loading=-1))
    assert lookup.compiled() is not None
    assert plain(count(rows, reference)) == plain(sorted_out)


def test_a_process_loads_compiled_code_only_once_it_pays(monkeypatch):
    """A batch of a few thousand rows would wait a hundred times longer for it than for its counts;
    a file in small pieces would otherwise never be counted by it.
    """
    loaded = []
    monkeypatch.setattr(lookup, "compiled", lambda: loaded.append("now"))
    loading = Loading(worth_loading=1_000)
    for _ in range(10):
        assert loading.lookup(100) is None
    assert not loaded
    loading.lookup(1)
    assert loaded


NOWHERE = """
import sys
import numba.core.caching as caching
caching.CacheImpl._locator_classes = []
import numpy as np
from mldebt_assets.core.drift.lookup import LOADING, counted_by_sorting, counted_numbers
from mldebt_assets.core.drift.grid import grid_of
from mldebt_assets.core.drift.summary import summary_of
values = np.arange(9.0)
edges = np.array([1.0, 4.0])
LOADING.worth_loading = -1
found = counted_numbers(values, grid_of(edges, summary_of(values)))
assert LOADING.lookup(1) is not None
print(found.counts.tolist(), found[1:] == counted_by_sorting(values, edges)[1:])
"""


def test_where_no_folder_can_be_written_compiled_code_is_made_anew(tmp_path):
    """A container's root is read-only, and its packages belong to somebody else."""
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[2, 3, 4] True"


def test_where_numba_cannot_be_imported_sorting_counts(monkeypatch):
    """On a platform without its wheels a report must be slower, and nothing else."""
    rows, reference = table(3_000, seed=2), against(table(3_000, seed=1))
    expected = plain(count(rows, reference))
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(lookup, "LOADING", Loading(worth_loading=-1))
    lookup.compiled.cache_clear()
    assert lookup.compiled() is None
    assert plain(count(rows, reference)) == expected
    lookup.compiled.cache_clear()


@pytest.mark.parametrize("outlier", [None, 1e6, -1e6, 1e300, -1e300])
@pytest.mark.parametrize("outliers", [1, 200])
def test_an_extreme_edge_does_not_make_the_lookup_slow(outlier, outliers):
    """One typing error in the reference would otherwise cost every later batch its speed."""
    values = np.random.default_rng(6).normal(size=100_000)
    if outlier is not None:
        values[:outliers] = outlier * np.linspace(0.5, 1, outliers)
    summary = summary_of(values)
    comparisons = grid_of(weighted_edges(summary.values, summary.weights), summary).comparisons(
        values
    )
    assert comparisons.mean() < USUAL_COMPARISONS
    assert comparisons.max() <= MOST_COMPARISONS


@pytest.mark.parametrize("sigma", [1, 5, 50])
def test_no_value_is_compared_with_more_than_eleven_edges(sigma):
    """However the reference lies, the lookup is never worse than a search by halves."""
    values = np.random.default_rng(6).lognormal(sigma=sigma, size=50_000)
    summary = summary_of(values)
    grid = grid_of(weighted_edges(summary.values, summary.weights), summary)
    assert grid.comparisons(values).max() <= MOST_COMPARISONS
    assert CLIPPED[0] == 0


@brisk
@given(cuts=st.lists(st.integers(0, 3_000), min_size=1, max_size=4), seed=st.integers(0, 9))
def test_counts_merge_to_those_of_all_rows_in_any_order(cuts, seed):
    rows = table(3_000, seed)
    reference = against(table(2_000, seed=1))
    ends = [0, *sorted(cuts), 3_000]
    parts = [count(rows.iloc[start:stop], reference) for start, stop in itertools.pairwise(ends)]
    whole = plain(count(rows, reference))
    assert plain(merge_counts(parts)) == whole
    assert plain(merge_counts(parts[::-1])) == whole
    assert plain(merge_counts([merge_counts(parts[:1]), merge_counts(parts[1:])])) == whole


def test_the_order_of_rows_and_a_second_pass_give_the_same_counts():
    rows, reference = table(5_000, seed=2), against(table(5_000, seed=1))
    shuffled = rows.sample(frac=1, random_state=3)
    assert plain(count(rows, reference)) == plain(count(shuffled, reference))


@pytest.mark.parametrize("parts", [1, 3])
def test_a_sketch_is_counted_within_a_1024th(parts):
    """A window that crosses champions has nothing else."""
    reference, rows = against(table(30_000, seed=1), parts=3), table(20_000, seed=2, shift=0.3)
    pieces = np.array_split(np.arange(20_000), parts)
    sketch = merge([sketch_of(rows.iloc[piece], COLUMNS) for piece in pieces])
    exact, found = count(rows, reference), count_sketch(sketch, reference)
    for bins, part in zip(reference.bins, reference.parts, strict=True):
        gap = np.cumsum(exact.counts[part]) - np.cumsum(found.counts[part])
        assert np.abs(gap).max() < RANK_ERROR * 20_000
        if bins.sketch.name == "colour":
            assert not gap.any()
    assert plain(exact)[2:] != []
    assert exact.missing.tolist() == found.missing.tolist()
    assert exact.lowest.tolist() == found.lowest.tolist()


@pytest.mark.parametrize("parts", [1, 3, 12])
@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_ks_and_wasserstein_are_those_of_the_rows_within_their_bounds(parts, shift):
    """From now on nobody reads the reference's rows again, so their sketch must say the same."""
    before, after = table(60_000, seed=1), table(40_000, seed=2, shift=shift)
    report = judge_counts(
        against(before, parts), count(after, against(before, parts)), limits=Drift()
    )
    for name in ("x", "y"):
        found = next(column for column in report.columns if column.name == name).statistics
        first, second = before[name].dropna(), after[name].dropna()
        exact = stats.ks_2samp(first, second, method="asymp").statistic
        assert found["ks"] == pytest.approx(exact, abs=1 / 256 + RANK_ERROR)
        spread = first.quantile(0.999) - first.quantile(0.001)
        exact = stats.wasserstein_distance(first, second)
        assert found["wasserstein"] == pytest.approx(exact, abs=0.002 * spread)


TAILS = {
    "even": np.linspace(10, 1e4, 400),
    "heaped at the near end": np.append(np.full(399, 90.0), 1e4),
    "heaped at the far end": np.append(np.full(399, 1e4), 90.0),
    "below": np.append(np.full(399, -7.0), -1e6),
    "both": np.repeat([-1e5, 1e3], 200),
    "log-normal": np.exp(np.random.default_rng(3).normal(6, 3, 400)),
}


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("parts", [1, 7])
def test_wasserstein_beyond_the_range_of_the_reference_is_that_of_the_rows(tail, parts):
    """The bins are open at their ends: where a hundredth of the rows lies there, their number alone
    leaves the distance open by half. What is left is the error of the bins inside.
    """
    before, after = table(60_000, seed=1), table(40_000, seed=2)
    after.loc[after.index[:400], "y"] = TAILS[tail]
    reference = against(before)
    pieces = np.array_split(np.arange(40_000), parts)
    counted = merge_counts([count(after.iloc[piece], reference) for piece in pieces])
    found = judge_counts(reference, counted, Drift()).columns[1].statistics
    exact = stats.wasserstein_distance(before["y"], after["y"])
    assert found["wasserstein"] == pytest.approx(exact, rel=0.005)


def test_the_distance_beyond_a_range_merges_to_the_last_digits():
    reference, rows = against(table(2_000, seed=1)), table(9_000, seed=2, shift=4.0)
    pieces = np.array_split(np.arange(9_000), 7)
    parts = [count(rows.iloc[piece], reference) for piece in pieces]
    whole = count(rows, reference).beyond
    for merged in (merge_counts(parts), merge_counts(parts[::-1])):
        np.testing.assert_allclose(merged.beyond, whole, rtol=1e-12)
    y, edge = rows["x"].dropna(), reference.bins[0].edges[-1]
    assert whole[0, 1] == pytest.approx((y[y > edge] - edge).sum())


def test_categories_that_are_new_or_gone_are_shares_of_their_side():
    before, after = table(30_000, seed=1), table(30_000, seed=2)
    after["colour"] = after["colour"].replace({"red": "violet"})
    found = judge(before, after, columns=COLUMNS, limits=Drift()).columns[2].statistics
    assert found["unseen_current"] == pytest.approx(1 / 3, abs=0.02)
    assert found["vanished_reference"] == pytest.approx(1 / 3, abs=0.02)


def test_coded_categories_and_strings_count_alike():
    """Codes are how a category is kept, not what it is."""
    rows, reference = table(3_000, seed=2), against(table(3_000, seed=1))
    rows.loc[::7, "colour"] = None
    rows.loc[::11, "colour"] = np.nan
    rows.loc[::13, "colour"] = pd.NA
    coded = rows.assign(colour=rows["colour"].astype("category"))
    found = count(rows, reference)
    assert plain(count(coded, reference)) == plain(found)
    assert found.missing[-1] == rows["colour"].isna().sum() > 800


def test_beyond_the_bound_a_category_is_unseen_only_if_the_reference_would_have_counted_it(
    monkeypatch,
):
    """Else ten thousand old categories would pass for new ones."""
    monkeypatch.setattr(sketches, "MOST_CATEGORIES", 40)
    words = np.array([f"word {number}" for number in range(100)])
    rows = pd.DataFrame({"colour": words.repeat(10)})
    reference = reference_of(sketch_of(rows, COLUMNS[2:]), "abc")
    again = count(rows, reference).counts
    assert again.tolist() == reference.counts.counts.tolist()
    new = pd.DataFrame({"colour": [f"new {number}" for number in range(1_000)]})
    others, unseen = count(new, reference).counts[-2:]
    assert others + unseen == 1_000
    assert unseen == pytest.approx(400, abs=250)


def test_counts_on_other_edges_are_neither_added_nor_judged():
    """Bins of two references have nothing in common but their number."""
    rows, first = table(1_000, seed=1), against(table(1_000, seed=2))
    other = reference_of(first.sketch, "def")
    with pytest.raises(UnlikeSketchesError, match=r"not of the same reference.*\nFix: "):
        merge_counts([count(rows, first), count(rows, other)])
    with pytest.raises(UnlikeSketchesError, match="not of the same reference"):
        judge_counts(first, count(rows, other), limits=Drift())


def test_a_window_of_a_year_is_judged_as_all_its_rows():
    """The report over any window is a sum of what each batch left behind."""
    reference = against(table(20_000, seed=1), parts=3)
    batches = [table(400, seed, shift=0.1) for seed in range(2, 52)]
    counted = [
        count(rows, reference, moments_of([rows["x"].to_numpy(), rows["y"].to_numpy()]))
        for rows in batches
    ]
    found = judge_counts(reference, merge_counts(counted), limits=Drift())
    rows = pd.concat(batches, ignore_index=True)
    moments = moments_of([rows["x"].to_numpy(), rows["y"].to_numpy()])
    expected = judge_counts(reference, count(rows, reference, moments), limits=Drift())
    assert found.summary == expected.summary
    assert found.columns == expected.columns
    assert found.drifted
    assert found.current_rows == 20_000


def test_an_empty_reference_column_counts_all_as_beyond_its_edges():
    rows = table(200_000, seed=1)
    reference = against(rows.assign(x=np.nan).iloc[:100])
    found = count_numbers(rows["x"].to_numpy(), reference.bins[0])
    assert found.counts.tolist() == [rows["x"].notna().sum()]
