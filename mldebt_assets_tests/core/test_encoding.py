import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.encoding import MISSING, UNSEEN, encode, fit_encoding
from mldebt_assets.core.errors import MissingInputError, UnusableInputError

words = st.none() | st.sampled_from(["a", "b", "c", "é", ""])
finite = st.none() | st.floats(-1e6, 1e6)
tables = st.lists(st.tuples(words, finite), min_size=1, max_size=30).map(
    lambda rows: pd.DataFrame(
        {
            "word": pd.Series([word for word, _ in rows], dtype="object"),
            "number": pd.Series([number for _, number in rows], dtype="float64"),
        }
    )
)


@given(fitted_on=tables, asked=tables)
def test_each_row_is_encoded_from_itself_alone(fitted_on, asked):
    """Serving one row must give what scoring a month gave."""
    encoding = fit_encoding(fitted_on, rare_below=1)
    codes, numbers = encode(encoding, asked)
    for row in range(len(asked)):
        one_code, one_number = encode(encoding, asked.iloc[row : row + 1])
        assert one_code.tolist() == codes[row : row + 1].tolist()
        assert one_number.tolist() == numbers[row : row + 1].tolist()


@given(fitted_on=tables, asked=tables)
def test_whatever_is_asked_is_a_finite_number_and_a_known_code(fitted_on, asked):
    """A network answers NaN to NaN, and reads past its table for a code that it lacks."""
    encoding = fit_encoding(fitted_on, rare_below=2)
    codes, numbers = encode(encoding, asked)
    assert np.isfinite(numbers).all()
    assert codes.min() >= 0
    assert codes.max() < encoding.categories[0].codes
    assert numbers.shape == (len(asked), encoding.width)


@given(table=tables)
def test_the_order_of_the_rows_fits_the_same_levels(table):
    """The vocabulary is a fact about the rows, not about how they were stored."""
    turned = fit_encoding(table.iloc[::-1], rare_below=1)
    assert turned.categories == fit_encoding(table, rare_below=1).categories


def test_missing_and_unseen_have_codes_of_their_own():
    """A new airline must not be taken for an old one, nor an empty cell for a new airline."""
    encoding = fit_encoding(pd.DataFrame({"carrier": ["AA", "AA", "UA", "UA", "YV"]}), rare_below=2)
    codes, _ = encode(encoding, pd.DataFrame({"carrier": ["AA", "UA", "YV", "ZZ", None]}))
    assert codes[:, 0].tolist() == [2, 3, UNSEEN, UNSEEN, MISSING]


def test_a_missing_number_becomes_the_median_and_says_so():
    """Else the network could not tell a guess from a measurement."""
    encoding = fit_encoding(pd.DataFrame({"x": [1.0, 2.0, 9.0, np.nan]}), rare_below=1)
    _, numbers = encode(encoding, pd.DataFrame({"x": [np.nan, 2.0]}))
    assert numbers[0, 0] == numbers[1, 0]
    assert numbers[:, 1].tolist() == [1.0, 0.0]


def test_a_number_out_of_range_counts_as_the_furthest_seen():
    """A network extrapolates without bound: a thermometer's fault would score as certainty."""
    encoding = fit_encoding(pd.DataFrame({"x": [0.0, 10.0]}), rare_below=1)
    _, numbers = encode(encoding, pd.DataFrame({"x": [10.0, 1e9, -5.0]}))
    assert numbers[:, 0].tolist() == [1.0, 1.0, -1.0]


def test_a_constant_and_an_empty_column_are_encoded():
    """A month without gusts must not stop the training."""
    table = pd.DataFrame({"same": [3.0, 3.0], "none": [np.nan, np.nan], "void": [None, None]})
    encoding = fit_encoding(table.astype({"void": "object"}), rare_below=1)
    codes, numbers = encode(encoding, table)
    assert codes.tolist() == [[MISSING], [MISSING]]
    assert numbers.tolist() == [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]


def test_a_missing_column_is_named_beside_those_there_are():
    """Whoever serves must see at once which column was renamed."""
    encoding = fit_encoding(pd.DataFrame({"carrier": ["AA"], "x": [1.0]}), rare_below=1)
    with pytest.raises(MissingInputError, match=r"reads carrier.*it has: airline, x(.|\n)*Fix:"):
        encode(encoding, pd.DataFrame({"airline": ["AA"], "x": [1.0]}))


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_is_refused_and_its_column_named(bad):
    """One division by zero in a feature would turn every weight into NaN."""
    with pytest.raises(UnusableInputError, match=r"x is infinite in 1 of 2 rows(.|\n)*Fix:"):
        fit_encoding(pd.DataFrame({"x": [1.0, bad]}), rare_below=1)


def test_a_spread_beyond_float64_is_refused():
    """Its scale would be infinite, and the column would say nothing."""
    with pytest.raises(UnusableInputError, match=r"x has a spread(.|\n)*Fix:"):
        fit_encoding(pd.DataFrame({"x": [1e308, -1e308]}), rare_below=1)


def test_a_time_is_refused_as_a_feature():
    """Each moment would be a level of its own, never seen again."""
    with pytest.raises(UnusableInputError, match=r"at is a time(.|\n)*Fix:"):
        fit_encoding(pd.DataFrame({"at": pd.to_datetime(["2013-01-01"])}), rare_below=1)


def test_a_table_without_any_feature_is_refused():
    """A network of no inputs fails in its own arithmetic, which tells nobody what to do."""
    with pytest.raises(UnusableInputError, match=r"The feature table has no column(.|\n)*Fix:"):
        fit_encoding(pd.DataFrame(index=range(3)), rare_below=1)
