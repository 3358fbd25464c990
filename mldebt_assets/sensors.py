"""What the daemon watches: batches and labels that arrive, causes to train, runs that ended.

The sensors derive what is to be done from the event log and the promotion record; their cursors
only spare them looking again. So a replay, which evaluates these same sensors, can be interrupted
anywhere, and a live year answers like a replay.
"""

from collections.abc import Callable, Sequence
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
from mldebt_assets.monitoring import alerts
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform

ARRIVALS_INTERVAL_SECONDS = 15
LATE_LABELS_INTERVAL_SECONDS = 30
RETRAINING_INTERVAL_SECONDS = 10
DEAD_RUNS_INTERVAL_SECONDS = 30
DEAD_RUNS = "dead_runs"
ALERTS = "alerts"

Decide = Callable[[dg.SensorEvaluationContext, Pipeline, Platform, datetime], dg.SensorResult]


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
    """Return the pipeline's sensors; that of late labels only where they come late."""
    arrivals = watching(
        pipeline,
        next_arrival,
        name=arrivals_name(pipeline),
        job_name=batch_job_name(pipeline),
        seconds=ARRIVALS_INTERVAL_SECONDS,
        description="Take in one new or changed file of the landing folder at a time, in order.",
    )
    labels = watching(
        pipeline,
        next_labels,
        name=labels_name(pipeline),
        job_name=labels_job_name(pipeline),
        seconds=LATE_LABELS_INTERVAL_SECONDS,
        description="Take in one new or changed file of late labels at a time.",
    )
    windows = watching(
        pipeline,
        next_window,
        name=late_labels_name(pipeline),
        job_name=performance_job_name(pipeline),
        seconds=LATE_LABELS_INTERVAL_SECONDS,
        description="Measure performance again where a batch of its window has got labels since.",
    )
    retraining = watching(
        pipeline,
        next_retraining,
        name=retraining_name(pipeline),
        job_name=retraining_job_name(pipeline),
        seconds=RETRAINING_INTERVAL_SECONDS,
        description="Decide on each judged batch whether a candidate is trained, and say why.",
    )
    late = [] if pipeline.labels is None else [labels]
    return [arrivals, *late, windows, retraining]


def watching(
    pipeline: Pipeline, decide: Decide, *, name: str, job_name: str, seconds: int, description: str
) -> dg.SensorDefinition:
    """Return a sensor, on by default, whose every tick is what ``decide`` says of now."""

    @dg.sensor(
        name=name,
        job_name=job_name,
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        return decide(context, pipeline, platform(), datetime.now(UTC))

    return sensor


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


def build_alerts(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Return the one sensor that tells people what went wrong, and when it is over."""

    @dg.sensor(
        name=ALERTS,
        minimum_interval_seconds=alerts.INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tell the services that MLDEBT_ALERTS names what failed, was refused or waits.",
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        return alerts.tell_what_is_new(context.instance, platform(), pipelines, context.cursor, now)

    return tell


def platform() -> Platform:
    """Open the home that this process works in; HomeError where it is not complete."""
    return Platform(Home.locate().require())
