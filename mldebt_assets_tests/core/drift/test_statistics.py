"""Every drift statistic obeys the same laws, and equals scipy's where scipy has it."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.spatial import distance

from mldebt_assets.core.drift import statistics as s
from mldebt_assets.core.drift import transport
from mldebt_assets.core.drift.lookup import counted_by_sorting
from mldebt_assets.core.drift.moments import correlations, moments_of
from mldebt_assets.core.drift.rare import pooling
from mldebt_assets.core.errors import EmptySampleError

brisk = settings(deadline=None, max_examples=50)

finite_samples = hnp.arrays(
    np.float64,
    st.integers(1, 80),
    elements=st.floats(-1e6, 1e6, width=32) | st.integers(-3, 3).map(float),
)
any_floats = hnp.arrays(np.float64, st.integers(0, 40), elements=st.floats())


def bin_counts(values, edges):
    return counted_by_sorting(values, edges).counts


def on_fine_bins(statistic):
    """The statistic as a function of two samples, counted as the rule counts them."""

    def of_samples(reference, current):
        edges = s.quantile_edges(reference)
        return statistic(bin_counts(reference, edges), bin_counts(current, edges))

    return of_samples


def on_coarse_bins(statistic):
    def of_samples(reference, current):
        edges = s.quantile_edges(reference)
        counts = bin_counts(reference, edges), bin_counts(current, edges)
        return statistic(*s.coarsen(*counts))

    return of_samples


def of_correlations(reference, current):
    """The change of a sample's correlation with its own fixed, nonlinear companion."""
    pairs = [np.column_stack([x, np.cos(x)]) for x in (reference, current)]
    (first, first_rows), (second, second_rows) = (correlations(moments_of(p.T)) for p in pairs)
    return float(np.nan_to_num(s.fisher_z(first, second, first_rows, second_rows))[0, 1])


def wasserstein(reference, current):
    return transport.wasserstein(reference, current, np.ones(reference.size), np.ones(current.size))


SAMPLE_STATISTICS = {
    "ks": on_fine_bins(s.ks),
    **{f"{name}, fine": on_fine_bins(f) for name, f in s.STATISTICS.items()},
    **{f"{name}, coarse": on_coarse_bins(f) for name, f in s.STATISTICS.items()},
    "wasserstein": wasserstein,
    "fisher_z": of_correlations,
}
every_statistic = pytest.mark.parametrize(
    "statistic", SAMPLE_STATISTICS.values(), ids=SAMPLE_STATISTICS
)


@every_statistic
@brisk
@given(sample=finite_samples)
def test_a_sample_has_not_drifted_from_itself(statistic, sample):
    """Otherwise the retraining sensor fires on quiet days."""
    assert statistic(sample, sample) == pytest.approx(0, abs=1e-9)


@every_statistic
@brisk
@given(reference=finite_samples, current=finite_samples)
def test_no_statistic_is_negative_or_undefined(statistic, reference, current):
    """A limit compares with it, and nothing is above a limit if it is NaN."""
    assert statistic(reference, current) >= 0


@every_statistic
@brisk
@given(reference=finite_samples, current=finite_samples, data=st.data())
def test_the_order_of_rows_is_of_no_account(statistic, reference, current, data):
    """Files are read in any order, and a report must be reproducible."""
    shuffled = np.array(data.draw(st.permutations(current.tolist())))
    other = np.array(data.draw(st.permutations(reference.tolist())))
    assert statistic(other, shuffled) == pytest.approx(
        statistic(reference, current), rel=1e-6, abs=1e-6
    )


@pytest.mark.parametrize("statistic", [s.ks, *s.STATISTICS.values()])
def test_a_sample_that_counts_nothing_is_named(statistic):
    """A stand-in number would look like a quiet day."""
    with pytest.raises(EmptySampleError, match="current sample"):
        statistic(np.array([1, 2]), np.array([0, 0]))
    with pytest.raises(EmptySampleError, match="reference sample"):
        statistic(np.array([0, 0]), np.array([1, 2]))


def test_a_sample_with_no_finite_value_says_how_many_were_dropped():
    """NaN and infinity are missing values, not numbers to be far from."""
    with pytest.raises(EmptySampleError, match=r"reference sample .* \(3 were NaN or inf\)"):
        s.quantile_edges(np.array([np.nan, np.inf, -np.inf]))


@brisk
@given(reference=finite_samples, current=finite_samples)
def test_wasserstein_equals_scipy(reference, current):
    expected = stats.wasserstein_distance(reference, current)
    assert wasserstein(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@brisk
@given(reference=finite_samples, current=finite_samples)
def test_ks_equals_scipy_on_samples_smaller_than_the_bins(reference, current):
    """Each value is then an edge, so that only what lies between the reference's values is lost."""
    edges = np.unique(np.concatenate([reference, current]))
    counts = bin_counts(reference, edges), bin_counts(current, edges)
    expected = stats.ks_2samp(reference, current, method="asymp").statistic
    assert s.ks(*counts) == pytest.approx(expected, abs=1e-12)
    assert s.ks(*counts) >= on_fine_bins(s.ks)(reference, current) - 1e-12


@pytest.mark.parametrize("shape", ["normal", "lattice", "mostly zero"])
def test_ks_on_256_bins_is_within_one_bin_of_the_exact_one(shape):
    """Counts replace the rows only as long as they say the same."""
    draw = np.random.default_rng(5)
    reference, current = draw.normal(size=30_000), draw.normal(0.1, 1.2, size=20_000)
    if shape == "lattice":
        reference, current = np.round(reference * 8), np.round(current * 8)
    if shape == "mostly zero":
        reference, current = np.maximum(reference, 0), np.maximum(current, 0)
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    assert on_fine_bins(s.ks)(reference, current) == pytest.approx(exact, abs=1 / 256)


tables = st.integers(2, 8).flatmap(
    lambda bins: st.tuples(
        *[hnp.arrays(np.int64, bins, elements=st.integers(0, 500)) for _ in range(2)]
    )
)


@brisk
@given(table=tables)
def test_chi_squared_and_jensen_shannon_equal_scipy(table):
    reference, current = table
    assume(reference.sum() and current.sum())
    filled = reference + current > 0
    expected = stats.chi2_contingency(
        np.stack([reference[filled], current[filled]]), correction=False
    ).statistic
    assert s.chi_squared(reference, current) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    expected = distance.jensenshannon(reference, current, base=2)
    assert s.jensen_shannon(reference, current) == pytest.approx(np.nan_to_num(expected), abs=1e-6)


def test_fisher_z_is_the_number_worked_out_by_hand():
    """atanh(.5) is .54931, atanh(.3) is .30952, and two times 103 rows give an error of .14142."""
    z = s.fisher_z(np.array(0.5), np.array(0.3), np.array(103), np.array(103))
    assert float(z) == pytest.approx((0.54931 - 0.30952) / 0.14142, rel=1e-4)


@brisk
@given(values=any_floats)
def test_every_finite_value_is_counted_once(values):
    """NaN and infinity have no place among the bins; nothing else is lost or doubled."""
    edges = np.array([-1.0, 0.0, 2.5])
    counts = bin_counts(values, edges)
    assert counts.sum() == np.isfinite(values).sum()
    assert (counts >= 0).all()


@brisk
@given(sample=finite_samples)
def test_edges_ascend_and_stay_within_their_number(sample):
    edges = s.quantile_edges(sample)
    assert (np.diff(edges) > 0).all()
    assert edges.size <= s.FINE_BINS + 2


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        (np.full(100, 5.0), np.full(100, 4.999)),
        (np.full(100, 5.0), np.full(100, 5.001)),
        (np.repeat([3.0, 10.0], [1_000, 9_000]), np.repeat([3.0, 9.9], [1_000, 9_000])),
        (np.maximum(np.arange(-600.0, 400.0), 0), np.maximum(np.arange(-600.0, 400.0), -1e-9)),
    ],
    ids=["constant, below", "constant, above", "capped at 10", "mostly zero"],
)
def test_a_small_move_of_a_frequent_value_is_seen(reference, current):
    """Bins closed by the frequent value itself would hold both, and say that nothing moved."""
    exact = stats.ks_2samp(reference, current, method="asymp").statistic
    assert on_fine_bins(s.ks)(reference, current) == pytest.approx(exact, abs=0.005)


@pytest.mark.parametrize("outliers", [0, 1], ids=["clean", "one outlier of a million"])
def test_one_outlier_in_the_reference_hides_no_shift(outliers):
    """With bins of equal width it does: PSI falls from 0.24 to 0.02, and KS from 0.2 to 0.00005."""
    draw = np.random.default_rng(7)
    reference, current = draw.normal(size=20_000), draw.normal(0.5, 1, size=20_000)
    reference[:outliers] = 1e6
    assert SAMPLE_STATISTICS["ks"](reference, current) == pytest.approx(0.197, abs=0.01)
    assert SAMPLE_STATISTICS["psi, coarse"](reference, current) == pytest.approx(0.24, abs=0.02)
    width = np.linspace(reference.min(), reference.max(), 11)[1:-1]
    equal_width = bin_counts(reference, width), bin_counts(current, width)
    assert (s.psi(*equal_width) < 0.02) == bool(outliers)


def test_rare_categories_are_judged_together():
    """Two hundred singletons would each pass for news."""
    reference = np.array([500, 480, *[1] * 20, 0])
    current = np.array([250, 240, *[0] * 14, *[1] * 6, 4])
    pooled = pooling(reference, current)
    assert pooled.of(reference).tolist() == [500, 480, 20, 0]
    assert pooled.of(current).tolist() == [250, 240, 10, 0]


def test_psi_without_drift_is_about_its_known_bias():
    """A fixed limit of .1 lies in small samples: (10 - 1)(1/100 + 1/100) is .18 already."""
    draw = np.random.default_rng(11)
    found = [
        SAMPLE_STATISTICS["psi, coarse"](draw.normal(size=400), draw.normal(size=400))
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(9 * (2 / 400), rel=0.15)
