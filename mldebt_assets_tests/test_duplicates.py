"""A file exported twice over, where no row key is declared: counted, and refused beyond a limit."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.refusal import declared_data
from mldebt_assets.assets.validated import check_specs
from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.core.suite import REPEATED
from mldebt_assets.snapshots import newest
from mldebt_assets_tests import sample
from mldebt_assets_tests.world import installation

FEW, TWICE_OVER = sample.BATCHES[:2]
REPEATING = 10


def keyless(landing):
    return dataclasses.replace(sample.pipeline(landing), row_key=(), duplicate_limit=0.05)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A batch in which a few rows stand twice, then one in which every row does."""
    with installation(tmp_path_factory.mktemp("duplicates"), keyless) as made:
        first, second = sample.rows(FEW), sample.rows(TWICE_OVER)
        sample.write_batch(made.landing, FEW, pd.concat([first, first.head(REPEATING)]))
        sample.write_batch(made.landing, TWICE_OVER, pd.concat([second, second]))
        made.replay()
        yield made


def test_a_few_rows_that_repeat_stay_and_are_told(world):
    """Equal rows may be of two parcels: they are no fault of their own, but a rate worth seeing."""
    validated = newest(world.instance, key(world.pipeline, "validated"), FEW)
    rows = len(sample.rows(FEW)) + REPEATING
    assert validated.metadata["duplicate rate"] == pytest.approx(REPEATING / rows)
    assert len(world.platform.snapshots.load(validated.snapshot)) == rows


def test_a_file_exported_twice_over_is_refused(world):
    """Every one of its rows is in order, and yet each would be learned twice."""
    [refused] = [
        fact.body
        for fact in world.platform.record("parcels").facts()
        if fact.kind == "batch_refused"
    ]
    assert refused["batch"] == TWICE_OVER
    assert "repeated_rows: 50.00% of the rows repeat an earlier one whole" in refused["reason"]
    assert newest(world.instance, key(world.pipeline, "validated"), TWICE_OVER) is None


def test_only_a_declared_limit_is_a_check(tmp_path):
    """Pipelines that declare none keep the graph, and the refusals, that they had."""
    limited = keyless(tmp_path)
    free = dataclasses.replace(limited, duplicate_limit=None)
    assert REPEATED in {spec.name for spec in check_specs(limited)}
    assert REPEATED not in {spec.name for spec in check_specs(free)}
    assert declared_data(limited) != declared_data(free)


@pytest.mark.parametrize("limit", [-0.1, 5, float("nan")])
def test_a_limit_that_is_no_share_is_refused(tmp_path, limit):
    """Five, meant as five percent, would let everything pass."""
    with pytest.raises(DeclarationError, match=r"is no share of rows\.\nFix: declare a fraction"):
        dataclasses.replace(sample.pipeline(tmp_path), duplicate_limit=limit)
