"""The whole program: pipelines x stages -> Definitions. The only loops are here."""

import warnings
from collections.abc import Sequence

import dagster as dg

from mldebt_assets import assets, jobs, schedules, sensors
from mldebt_assets.papers import stage as papers
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.pipelines import PIPELINES, require_sound
from mldebt_assets.reproduction import evidence
from mldebt_assets.resources import mlflow_run, platform, snapshot_io_manager


def define(pipelines: Sequence[Pipeline]) -> dg.Definitions:
    """Return every asset, check, job, sensor and schedule of these pipelines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.Definitions(
            assets=[
                asset
                for p in pipelines
                for stage in (*assets.STAGES, papers, evidence)
                for asset in stage.build(p)
            ],
            jobs=[job for p in pipelines for job in jobs.build(p)],
            sensors=[
                *(sensor for p in pipelines for sensor in sensors.build(p)),
                sensors.build_dead_runs(pipelines),
                sensors.build_alerts(pipelines),
            ],
            schedules=[schedule for p in pipelines for schedule in schedules.build(p)],
            resources={
                "platform": platform,
                "snapshots": snapshot_io_manager,
                "mlflow": mlflow_run,
            },
        )


require_sound()
defs = define(PIPELINES)
