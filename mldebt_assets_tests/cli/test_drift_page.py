"""The drift page stands alone: the verdict first, drifted columns next, and no name is markup."""

import re

import numpy as np
import pyarrow as pa
import pytest

from mldebt_assets.answers.drift_page import decision_of
from mldebt_assets.cli.drift_compare import page_of
from mldebt_assets.core.drift.compare import compare
from mldebt_assets.core.policies import Drift
from mldebt_assets.plots.drift_page import Batch, DriftPage, drift_page
from mldebt_assets_tests.command_line import installation, mldebt
from mldebt_assets_tests.sample import BATCHES

ODD = "</p><script>alert(1)</script><img src=x onerror='y'>"


def odd_page(**changes):
    """Return the page of two tables in which every name and category is markup."""
    draw = np.random.default_rng(1)
    tables = [
        pa.table({
            ODD: draw.normal(shift, 1, 5_000),
            f"{ODD}2": [ODD, "b"] * 2_500,
            "gone": [None] * 5_000,
        })
        for shift in (0, 1)
    ]  # fmt: skip
    found = compare(*tables, Drift())
    answer = {
        "reference": ODD, "current": ODD, "rows": {"reference": 5_000, "current": 5_000},
        "drifted": found.drifted, "summary": found.summary, "underpowered": False,
        "rule": found.report.rule, "calibration": found.report.calibration,
        "columns": found.columns, **changes,
    }  # fmt: skip
    return drift_page(page_of(answer, found.sketches))


def test_nothing_that_the_data_say_is_markup():
    """Nobody chose the name of a column with a browser in mind."""
    shown = odd_page()
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;" in shown


def test_the_page_loads_nothing_and_may_load_nothing():
    """It is opened from a disk, a mail or a customer's desk."""
    shown = odd_page()
    assert "default-src 'none'" in shown
    markup = re.sub(r'"[^"]*"', "", shown)
    loading = r"<(?:script|link|img|iframe)|<[^>]* (?:src|href)=|@import|url\("
    assert re.findall(loading, markup) == []


def test_drifted_columns_come_first_and_calm_ones_are_folded():
    """What cannot be known stands between them, and is not called calm."""
    shown = odd_page()
    headings = ("Found", "Drifted: 1 of 3 columns", "Not known: 2")
    places = [shown.index(heading) for heading in headings]
    assert places == sorted(places)
    assert "<details>" not in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "! drift"),
        ({"drifted": False}, "✓ no drift"),
        ({"drifted": False, "underpowered": True}, "? underpowered"),
    ],
)
def test_the_verdict_is_a_word_and_a_mark_beside_its_colour(changes, said):
    """One man in twelve does not see the colour."""
    assert f'<p class="what">{said}</p>' in odd_page(**changes)


def test_the_trend_shows_each_batch_beside_the_limit():
    """A bar is filled where it drifted and open where it did not."""
    column = {"kind": "number", "distance": 0.5, "statistics": {}, "drifted": True, "reason": ""}
    batches = [
        Batch(name, drifted, "", {"x": (distance, drifted)})
        for name, drifted, distance in (("one", False, 0.01), ("two", None, None), ("3", True, 0.5))
    ]
    shown = drift_page(
        DriftPage(
            kind="", title="", standing="drift", found="drift", summary="", facts=(),
            columns={"x": column}, histograms={}, limit=0.03, rule="", batches=batches,
        )
    )  # fmt: skip
    assert re.findall(r'<rect class="(\w+)".*?<title>(.*?)</title>', shown) == [
        ("under", "one: 0.010"), ("over", "3: 0.500"),
    ]  # fmt: skip
    assert "? not judged" in shown


def test_a_decision_is_told_with_what_came_of_it():
    """Also that nothing was done, and why."""
    asked = {"asked": True, "reason": "Drift in x.", "outcome": None}
    outcome = {"version": 2, "gate": "refused", "reason": "it gains nothing"}
    assert decision_of(None)[0] == "Not decided yet"
    assert decision_of({**asked, "asked": False}) == ("No retraining", "Drift in x.")
    assert decision_of(asked)[0] == "Retraining asked for, not judged yet"
    assert decision_of({**asked, "outcome": outcome}) == (
        "Retrained: v2 was refused", "it gains nothing. Asked for by: Drift in x.",
    )  # fmt: skip


def test_a_pipelines_page_has_its_decision_and_its_trend(promoted, tmp_path):
    """From the batch's own sketch; and before any champion it says that nothing was judged."""
    early, late = tmp_path / "early.html", tmp_path / "late.html"
    with installation(tmp_path / "early") as made:
        made.land(*BATCHES[:2])
        made.replay()
        assert mldebt("drift", "parcels", "--html", str(early)).code == 0
    with installation(tmp_path / "late", like=promoted):
        said = mldebt("drift", "parcels", "--html", str(late))
    assert f"The page: {late}" in "".join(said.out.splitlines())
    assert "? not judged" in early.read_text()
    shown = late.read_text()
    assert "parcels, 2020-05</h1>" in shown
    assert "Retrained: v2 was promoted" in shown
    assert "Drifted: 1 of" in shown
    assert 'aria-label="the distance of weight_kg from 2020-01 to 2020-05"' in shown
    assert 'aria-label="weight_kg on both sides' in shown
    assert "Scores: no champion yet, so nothing to compare with" in early.read_text()
    assert re.search(r"Scores: [^<]*; mean of score 0\.\d{3} -&gt; 0\.\d{3}<", shown)
    assert re.search(r"Labels: [^<]*; mean of label 1 0\.\d{3} -&gt; 0\.\d{3}<", shown)
    assert 'aria-label="score on both sides' in shown


def test_a_page_that_cannot_be_written_is_a_wrong_call(tmp_path):
    """And no half of it is left anywhere."""
    file = tmp_path / "one.csv"
    file.write_text("x\n1\n")
    page = tmp_path / "no such folder" / "page.html"
    said = mldebt("drift", "compare", str(file), str(file), "--html", str(page))
    assert (said.code, said.out) == (2, "")
    assert "Fix: name a file in a folder" in said.err
