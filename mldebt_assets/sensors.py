"""What the daemon watches: batches and labels that arrive, causes to train, runs that died.

The sensors derive what is to be done from the event log and the promotion record; their cursors
only spare them looking again. So a replay, which evaluates these same sensors, can be interrupted
anywhere, and a live year answers like a replay.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from mldebt_assets.automation.arrivals import next_arrival, next_labels
from mldebt_assets.automation.decisions import next_retraining, retraining_name
from mldebt_assets.automation.late_labels import next_window
from mldebt_assets.automation.reconcile import clear_up
from mldebt_assets.home import Home
from mldebt_assets.jobs import (
    batch_job_name,
    labels_job_name,
    performance_job_name,
    retraining_job_name,
)
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform

ARRIVALS_INTERVAL_SECONDS = 15
LATE_LABELS_INTERVAL_SECONDS = 30
RETRAINING_INTERVAL_SECONDS = 10
DEAD_RUNS_INTERVAL_SECONDS = 30
DEAD_RUNS = "dead_runs"


def arrivals_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that takes in what lands."""
    return f"{pipeline.name}_arrivals"


def labels_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that takes in late labels."""
    return f"{pipeline.name}_labels"


def late_labels_name(pipeline: Pipeline) -> str:
    """Return the name of the sensor that has windows measured again."""
    return f"{pipeline.name}_late_labels"


def build(pipeline: Pipeline) -> list[dg.SensorDefinition]:
    """Return the pipeline's sensors."""

    @dg.sensor(
        name=arrivals_name(pipeline),
        job_name=batch_job_name(pipeline),
        minimum_interval_seconds=ARRIVALS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Take in one new or changed file of the landing folder at a time, in order.",
    )
    def arrivals(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_arrival(context, pipeline, platform(), datetime.now(UTC))

    @dg.sensor(
        name=retraining_name(pipeline),
        job_name=retraining_job_name(pipeline),
        minimum_interval_seconds=RETRAINING_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Decide on each judged batch whether a candidate is trained, and say why.",
    )
    def retraining(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_retraining(context, pipeline, platform(), datetime.now(UTC))

    @dg.sensor(
        name=late_labels_name(pipeline),
        job_name=performance_job_name(pipeline),
        minimum_interval_seconds=LATE_LABELS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Measure performance again where a batch of its window has got labels since.",
    )
    def late_labels(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_window(context, pipeline, platform(), datetime.now(UTC))

    late = [] if pipeline.labels is None else [build_labels(pipeline)]
    return [arrivals, *late, late_labels, retraining]


def build_labels(pipeline: Pipeline) -> dg.SensorDefinition:
    """Return the sensor that takes in labels which come after their batch."""

    @dg.sensor(
        name=labels_name(pipeline),
        job_name=labels_job_name(pipeline),
        minimum_interval_seconds=LATE_LABELS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Take in one new or changed file of late labels at a time.",
    )
    def labels(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return next_labels(context, pipeline, platform(), datetime.now(UTC))

    return labels


def build_dead_runs(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Return the one sensor that ends what a kill left open, whichever pipeline it was."""

    @dg.sensor(
        name=DEAD_RUNS,
        minimum_interval_seconds=DEAD_RUNS_INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fail runs whose process is gone; finish promotions that stopped half-way.",
    )
    def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        said = clear_up(context.instance, platform(), pipelines, datetime.now(UTC))
        return dg.SkipReason(said)

    return dead_runs


def platform() -> Platform:
    """Open the home that this process works in; HomeError where it is not complete."""
    return Platform(Home.locate().require())
