import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.fingerprint import canonical_json, digest, group_fraction, split_of
from mldebt_assets.core.policies import Split

SPLIT = Split(group="day")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)
group_names = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=50)


@given(value=json_values)
def test_canonical_json_is_json_and_loses_nothing(value):
    """A digest over a lossy text would call different models the same."""
    assert json.loads(canonical_json(value)) == value


@given(value=st.dictionaries(st.text("abc"), st.integers(), min_size=2))
def test_the_order_of_keys_changes_no_digest(value):
    """Otherwise a declaration written in another order would train a new model."""
    assert digest(value) == digest(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_hold_are_refused(value):
    """NaN is unequal to itself: its digest would claim an equality that is none."""
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json({"a": [value]})


def test_a_group_keeps_its_place_for_ever():
    """Pinned: another hash would let new versions train on days that judged the old ones.

    The numbers were computed once with hashlib, independently of the package.
    """
    assert group_fraction("2013-01-01", "mldebt:held_out") == pytest.approx(
        0.8614495743324916, abs=1e-15
    )


@given(group=st.text(st.characters(exclude_categories=["Cs"])), salt=st.text("abc:"))
def test_a_fraction_lies_in_the_half_open_unit_interval(group, salt):
    """At 1.0 a group would escape even a held-out fraction of one."""
    assert 0.0 <= group_fraction(group, salt) < 1.0


@given(groups=group_names, later=group_names)
def test_new_groups_never_move_an_old_one(groups, later):
    """No version may ever have trained on rows that judge another version."""
    before = split_of(pd.Series(groups, dtype="object"), SPLIT)
    after = split_of(pd.Series(groups + later, dtype="object"), SPLIT)
    assert after[: len(groups)].tolist() == before.tolist()


@given(groups=group_names)
def test_rows_of_one_group_stay_together(groups):
    """Rows of a day share their delays; a day on both sides would flatter the model."""
    rows = pd.Series(groups + groups, dtype="object")
    places = split_of(rows, SPLIT)
    assert places.groupby(rows).nunique().eq(1).all()


def test_the_shares_are_as_declared():
    """A fifth judges; a tenth of the rest tunes."""
    places = split_of(pd.Series([f"group {i}" for i in range(20_000)]), SPLIT)
    shares = places.value_counts(normalize=True)
    assert shares["held_out"] == pytest.approx(0.2, abs=0.01)
    assert shares["tuning"] == pytest.approx(0.08, abs=0.01)


def test_holding_out_more_takes_groups_from_tuning_evenly():
    """The two hashes are independent, so one fraction can change without biasing the other."""
    groups = pd.Series([f"group {i}" for i in range(20_000)])
    rest = split_of(groups, replace(SPLIT, held_out_fraction=0.6)).loc[lambda p: p != "held_out"]
    assert (rest == "tuning").mean() == pytest.approx(0.1, abs=0.015)


def test_the_index_of_the_rows_is_kept():
    """Places are joined back to rows by index; a reset one would shuffle the split."""
    groups = pd.Series(["a", "b", "a"], index=[7, 3, 9])
    assert split_of(groups, SPLIT).index.tolist() == [7, 3, 9]


def test_a_row_without_a_group_is_refused():
    """All such rows would silently share one place."""
    with pytest.raises(ValueError, match=r"1 rows have no day(.|\n)*Fix:"):
        split_of(pd.Series(["a", None]), SPLIT)
