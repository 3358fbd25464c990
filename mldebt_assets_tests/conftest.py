"""What holds for every test: it is repeatable, private to its process, and reports to nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mldebt_assets.home import TELEMETRY_OFF

if TYPE_CHECKING:
    from mldebt_assets_tests.world import World

os.environ.update(TELEMETRY_OFF)
# One thread, set before numpy and torch start: the trained weights depend on it, and two pytest
# workers on two cores would otherwise run four.
os.environ["OMP_NUM_THREADS"] = "1"
# A test never sees the homes and servers of the person who runs it.
for name in ("DAGSTER_HOME", "MLDEBT_HOME", "MLDEBT_REMOTE", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)

# The same examples on every run, on machines that may be slow.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")

# Modules whose tests take longest, most of it waiting: begun last, they would leave a core idle.
LONG = (
    "test_readme",
    "test_dead_runs",
    "test_browser",
    "test_container",
    "test_postgres",
    "test_interrupted",
    "test_reproduce",
    "test_verify",
    "test_daemon",
    "test_wheel",
    "test_performance",
    "test_contract",
    "test_ui",
    "test_bad_input",
    "test_labels",
    "test_forget",
    "test_story",
    "test_rollback",
    "test_tasks_story",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that take longest, in their order; keep the order of all others."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONG)))


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> World:
    """An installation with a first champion, of three batches, made once, to make copies of."""
    from mldebt_assets_tests import world

    return world.begun(tmp_path_factory.mktemp("begun"))


@pytest.fixture(scope="session")
def promoted(begun: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """One in which version 2 has replaced version 1, with the last of five batches."""
    from mldebt_assets_tests import world

    return world.promoted(tmp_path_factory.mktemp("promoted"), begun)
