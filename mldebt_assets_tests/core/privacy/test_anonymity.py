"""How rows hide among each other: cases counted by hand, and laws that hold for every table."""

import time
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.privacy.anonymity import judge, measure
from mldebt_assets.core.privacy.policy import Privacy

BY_TWO = Privacy(quasi_identifiers=("zip", "age"), sensitive=("illness",), k=2, l=2)

# Three groups, of 3, 2 and 3 rows; all of the last have one illness.
PATIENTS = pd.DataFrame(
    [
        ("130**", 20, "heart"), ("130**", 20, "heart"), ("130**", 20, "flu"),
        ("148**", 50, "cancer"), ("148**", 50, "heart"),
        ("130**", 30, "cancer"), ("130**", 30, "cancer"), ("130**", 30, "cancer"),
    ],
    columns=["zip", "age", "illness"],
)  # fmt: skip

values = st.sampled_from(["a", "b", None])
rows = st.lists(st.tuples(values, st.sampled_from([1.0, 2.5, None]), values), max_size=25)


def table(found):
    return pd.DataFrame(found, columns=["zip", "age", "illness"])


def test_groups_are_counted_as_by_hand():
    found = measure(PATIENTS, BY_TWO)
    assert (found.rows, found.groups, found.k, found.smallest) == (8, 3, 2, (2, 3, 3))
    assert (found.diversity, found.groups_below) == ({"illness": 1}, {"illness": 1})
    assert found.rows_below == 0


def test_a_group_that_shares_one_illness_gives_it_away():
    """Whoever knows that somebody is among the three knows what they have."""
    verdict = judge(measure(PATIENTS, BY_TWO), BY_TWO)
    assert (verdict.passed, verdict.measured, verdict.limit) == (False, 2, 2)
    assert "l of illness is 1 of 2 declared, 1 groups below" in verdict.reason
    without = Privacy(quasi_identifiers=("zip", "age"), k=2)
    assert judge(measure(PATIENTS, without), without).passed


def test_what_is_missing_is_a_value_of_its_own():
    """Who has no postal code can be told by that."""
    found = measure(table([("a", 1, "x"), ("a", 1, "y"), (None, 1, None), (None, 1, "y")]), BY_TWO)
    assert (found.groups, found.k, found.diversity) == (2, 2, {"illness": 2})


def test_the_smallest_groups_are_told_by_their_sizes_alone():
    rows = table([("secret", 17, "x"), *[("a", 1, "x")] * 3])
    verdict = judge(measure(rows, BY_TWO), BY_TWO)
    assert "in 2 groups by zip, age, the smallest of 1, 3 rows; 1 rows in groups" in verdict.reason
    assert "secret" not in verdict.reason
    assert "17" not in verdict.reason


def test_a_continuous_column_is_told_to_be_binned():
    """Its every value stands alone, so that no other column matters."""
    ages = pd.DataFrame({"zip": "a", "age": np.linspace(20, 80, 100), "illness": ["x", "y"] * 50})
    found = measure(ages, BY_TWO)
    assert (found.k, found.too_fine) == (1, ("age",))
    assert "age alone has too many values to hide in" in judge(found, BY_TWO).reason
    decades = Privacy(quasi_identifiers=("zip", "age"), k=2, bins={"age": 10})
    assert measure(ages, decades).smallest == (1, 16, 16, 16, 17, 17, 17)
    assert measure(ages, decades).too_fine == ()


def test_timestamps_are_binned_by_days():
    days = pd.date_range("2020-01-01T08:00", periods=28, freq="D")
    week = Privacy(quasi_identifiers=("at",), k=2, bins={"at": 7})
    found = measure(pd.DataFrame({"at": days}), week)
    assert sum(found.smallest) == 28
    assert found.groups == 5


def test_no_row_hides_nobody():
    found = measure(table([]), BY_TWO)
    assert (found.k, found.groups) == (0, 0)
    assert not judge(found, BY_TWO).passed


@given(rows)
def test_it_is_what_counting_one_by_one_gives(found):
    sizes = Counter((zip_, age) for zip_, age, _ in found)
    ill = defaultdict(set)
    for zip_, age, illness in found:
        ill[zip_, age].add(illness)
    measured = measure(table(found), BY_TWO)
    assert measured.smallest == tuple(sorted(sizes.values())[:10])
    assert measured.k == min(sizes.values(), default=0)
    assert measured.rows_below == sum(size for size in sizes.values() if size < 2)
    assert measured.diversity["illness"] == min(map(len, ill.values()), default=0)


@given(rows, st.randoms())
def test_the_order_of_rows_changes_nothing(found, random):
    mixed = found[:]
    random.shuffle(mixed)
    assert measure(table(found), BY_TWO) == measure(table(mixed), BY_TWO)


@given(rows.filter(bool), rows.filter(bool))
def test_two_tables_together_hide_their_rows_at_least_as_well_as_the_worse(one, other):
    together, apart = measure(table(one + other), BY_TWO), [
        measure(table(part), BY_TWO) for part in (one, other)
    ]  # fmt: skip
    assert together.k >= min(part.k for part in apart)
    assert together.diversity["illness"] >= min(part.diversity["illness"] for part in apart)
    assert measure(table(one * 2), BY_TWO).k == 2 * measure(table(one), BY_TWO).k


@given(rows.filter(bool))
def test_to_know_less_never_tells_more(found):
    """A coarser column, or one fewer, makes groups larger."""
    fine = measure(table(found), BY_TWO)
    for coarser in (
        Privacy(quasi_identifiers=("zip",), sensitive=("illness",)),
        Privacy(quasi_identifiers=("zip", "age"), sensitive=("illness",), bins={"age": 5}),
    ):
        known = measure(table(found).astype({"age": float}), coarser)
        assert known.k >= fine.k
        assert known.diversity["illness"] >= fine.diversity["illness"]


def test_a_million_rows_take_no_more_than_a_moment():
    """The monthly job measures all that a champion has learned from."""
    draw = np.random.default_rng(1)
    large = pd.DataFrame(
        {
            "zip": draw.integers(1000, 9999, 1_000_000).astype(str).astype(object),
            "age": draw.integers(0, 99, 1_000_000),
            "illness": draw.choice(["flu", "heart", "none"], 1_000_000),
        }
    )
    started = time.process_time()
    measure(large, BY_TWO)
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        (Privacy(quasi_identifiers=("ship",)), "uses ship, which no stored batch has"),
        (Privacy(quasi_identifiers=()), "has no quasi-identifier"),
        (Privacy(quasi_identifiers=("zip",), sensitive=("zip",)), "names a column twice"),
        (Privacy(quasi_identifiers=("zip",), k=0), "less than one row"),
        (Privacy(quasi_identifiers=("zip",), bins={"zip": 3}), "has bins of zip"),
        (Privacy(quasi_identifiers=("zip",), bins={"age": 3}), "has bins of age"),
        (Privacy(quasi_identifiers=("age",), bins={"age": 0}), "has bins of age"),
    ],
)
def test_a_declaration_that_means_nothing_is_told_with_its_fix(declared, problem):
    said, fix = declared.contradiction({"zip": "string", "age": "int64"})
    assert problem in said
    assert fix
