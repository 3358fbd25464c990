"""CSV that people open: nothing in it runs, and nothing is lost."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldebt_assets.core.formula_cells import csv_for_people, defused, restored

# Source: OWASP, CSV Injection: what a spreadsheet takes for the beginning of a formula.
FORMULAS = (
    "=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "'=1",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "''@x", "==", "-",
)  # fmt: skip


@pytest.mark.parametrize("text", FORMULAS)
def test_no_text_begins_like_a_formula(text):
    """Whoever opens the file would run what somebody sent as data."""
    assert defused(text) == f"'{text}"


@pytest.mark.parametrize("text", ["north", "'s-Gravenhage", "a=b", "", "5", "x\t=1"])
def test_other_texts_stay_as_they_are(text):
    """An apostrophe too many would be taken for the person's own."""
    assert (defused(text), restored(text)) == (text, text)


@given(text=st.text(alphabet="'=+-@\t\r\n a1\uff1d"))
def test_what_comes_back_is_what_was_written(text):
    """Else a file that nobody touched would look mended."""
    assert restored(defused(text)) == text


def test_a_table_keeps_its_numbers_and_tells_a_gap_from_an_empty_text():
    """A negative number is no formula, and a null is no empty text."""
    table = pd.DataFrame({"=a": ["=1", "", None], "n": [-1.5, 2.0, None]})
    written = csv_for_people(table).decode()
    assert written.splitlines() == ["'=a,n", "'=1,-1.5", '"",2.0', ","]
    assert pd.read_csv(io.StringIO(written))["n"].tolist()[:2] == [-1.5, 2.0]
