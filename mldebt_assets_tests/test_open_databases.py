"""Dagster's databases held open: fewer writes to disk, and nothing left behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.home import Home
from mldebt_assets.open_databases import events_held_open, held_open

if TYPE_CHECKING:
    from pathlib import Path

RUN = "6f1d2c1e-0b52-4d4f-9a55-0d7a3a8f0c11"


def home_with_dagster(folder: Path) -> Home:
    home = Home(folder)
    home.dagster.mkdir(parents=True)
    (home.dagster / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    return home


def logs(home: Home) -> list[str]:
    return sorted(file.name for file in home.dagster.rglob("*.db-wal"))


@dg.asset
def told() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"rows": 3})


def test_a_run_is_stored_as_ever_and_no_log_is_left_behind(tmp_path: Path) -> None:
    home = home_with_dagster(tmp_path)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.get_runs_count()
        with held_open(home), events_held_open(home, RUN):
            job = dg.Definitions(assets=[told]).resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=instance, run_id=RUN).success
            assert f"{RUN}.db-wal" in logs(home)
            assert "index.db-wal" in logs(home)
        assert logs(home) == []
        found = instance.fetch_materializations(told.key, limit=1).records[0]
        assert found.run_id == RUN
        assert len(instance.all_logs(RUN)) > 3


def test_whoever_else_writes_is_not_kept_waiting(tmp_path: Path) -> None:
    home = home_with_dagster(tmp_path)
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.get_runs_count()
        with held_open(home):
            database = home.dagster / "history" / "runs.db"
            with closing(sqlite3.connect(database, timeout=0)) as other:
                other.execute("BEGIN EXCLUSIVE")
                assert other.in_transaction
                other.rollback()


def test_where_events_are_stored_elsewhere_nothing_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.dagster.mkdir()
    with held_open(home), events_held_open(home, RUN):
        assert list(home.dagster.rglob("*")) == []
