"""A home, a landing folder and a pipeline of their own, as a test needs them."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import sqlite3
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from mldebt_assets.definitions import define
from mldebt_assets.home import DVC_FOLDERS, Home, initialise, require_experiment
from mldebt_assets.replay import Outcome, replay
from mldebt_assets.resources import Platform
from mldebt_assets_tests import sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from dagster._core.definitions.schedule_definition import ScheduleExecutionData

    from mldebt_assets.pipeline import Pipeline

    Declaring = Callable[[Path], Pipeline]


def copy_of(home: Home, root: Path) -> Home:
    """Return a copy of a complete home below ``root``, with a remote of its own, still empty.

    MLflow's files are the copy's own too: it keeps where they are as whole addresses.
    """
    copied = Home(root / "home")
    Path(copied.remote_url, *DVC_FOLDERS).mkdir(parents=True, exist_ok=True)
    shutil.copytree(home.root, copied.root)
    settings = copied.root / ".dvc" / "config"
    settings.write_text(settings.read_text().replace(home.remote_url, copied.remote_url))
    places = {"experiments": "artifact_location", "runs": "artifact_uri"}
    places |= {"model_versions": "source"}
    with contextlib.closing(sqlite3.connect(copied.root / "mlflow" / "mlflow.db")) as database:
        for table, column in places.items():
            moved = f"UPDATE {table} SET {column} = replace({column}, ?, ?)"  # noqa: S608
            database.execute(moved, (str(home.root), str(copied.root)))
        database.commit()
    return copied


def copy_with_remote(home: Home, root: Path) -> Home:
    """Return a copy of a complete home below ``root``, and of all that its remote holds."""
    copied = copy_of(home, root)
    shutil.copytree(home.remote_url, copied.remote_url, dirs_exist_ok=True)
    return copied


@functools.cache
def unused() -> Home:
    """Return a home that nobody uses, made once a process, to make copies of.

    Making one takes a second and a half, nearly all of it migrations of empty databases.
    """
    folder = tempfile.mkdtemp(prefix="mldebt-unused-")
    atexit.register(shutil.rmtree, folder)
    home = Home(Path(folder, "home"))
    initialise(home, [])
    return home


@dataclass
class World:
    """One installation with the sample pipeline; Dagster's instance is open."""

    home: Home
    landing: Path
    pipeline: Pipeline
    platform: Platform
    instance: dg.DagsterInstance
    definitions: dg.Definitions

    @classmethod
    def make(cls, root: Path, declare: Declaring = sample.pipeline) -> World:
        """Make an empty installation below ``root`` and point this process to it."""
        os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, to the home used last
        home, landing = Home(root / "home"), root / "landing"
        pipeline = declare(landing)
        new = not home.root.exists()
        if new:
            copy_of(unused(), root)
        os.environ.update(home.environment())
        platform = Platform(home)
        if new:
            require_experiment(home, platform.registry.client, pipeline.name)
        else:
            initialise(home, [pipeline.name])
        return cls(
            home=home,
            landing=landing,
            pipeline=pipeline,
            platform=platform,
            instance=dg.DagsterInstance.from_config(str(home.dagster)),
            definitions=define([pipeline]),
        )

    def land(self, *batches: str) -> None:
        """Let the sample's batches land."""
        for batch in batches:
            sample.write_batch(self.landing, batch)

    def retrain(self) -> int:
        """Train a candidate on what has arrived because a person asks; return its version."""
        job = f"{self.pipeline.name}_retraining"
        made = self.definitions.get_repository_def().get_job(job)
        assert made.execute_in_process(instance=self.instance, raise_on_error=False).success
        versions = self.platform.registry.versions(self.pipeline.name)
        return max(one.version for one in versions)

    def replay(self, until: str | None = None) -> Outcome:
        """Replay what has landed."""
        return replay(
            self.pipeline,
            self.platform,
            self.instance,
            self.definitions.get_repository_def(),
            until=until,
            report=lambda _: None,
        )


@contextmanager
def installation(
    root: Path, declare: Declaring = sample.pipeline, *, like: World | None = None
) -> Iterator[World]:
    """Make an installation below ``root``; at the end this process is as it was.

    It is empty, or a copy of the one that it is to be ``like``, with its remote and its landing.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DAGSTER_HOME", "MLDEBT_HOME", "MLFLOW_TRACKING_URI"):
            patch.setenv(name, "")
        if like is not None:
            copy_with_remote(like.home, root)
            shutil.copytree(like.landing, root / "landing")
        made = World.make(root, declare)
        yield made
        made.instance.dispose()


def begun(root: Path) -> World:
    """Make an installation with a first champion, which three batches brought."""
    with installation(root) as made:
        made.land(*sample.BATCHES[:3])
        made.replay()
    return made


def promoted(root: Path, like: World) -> World:
    """Make one in which version 2 has replaced the first champion, since May drifted."""
    with installation(root, like=like) as made:
        made.land(*sample.BATCHES)
        made.replay()
    return made


@contextmanager
def copied(original: World, root: Path) -> Iterator[World]:
    """Copy an installation below ``root``, its remote apart, and point this process to the copy."""
    copy_of(original.home, root)
    shutil.copytree(original.landing, root / "landing")
    made = World.make(root)
    yield made
    made.instance.dispose()


def ticked(world: World, schedule: str, when: datetime | None = None) -> ScheduleExecutionData:
    """Evaluate a schedule as the daemon does, and close what Dagster opens for it.

    Left open, its instance would stay the one that later definitions ask, when it is long gone.
    """
    repository = world.definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=world.instance, scheduled_execution_time=when, repository_def=repository
    ) as context:
        return repository.get_schedule_def(schedule).evaluate_tick(context)


def of(world: World) -> tuple[dg.DagsterInstance, Platform, Pipeline]:
    """Return what most of the package's functions take first."""
    return world.instance, world.platform, world.pipeline
