"""What goes by the clock, off until somebody switches it on.

Every night what is new is taken in; once a week a candidate is trained, and what is
said of the champion is proved anew; once a month all that is stored is scanned for personal data.
The hours are those of ``MLDEBT_TIMEZONE``, an IANA name such as Europe/Vienna; UTC without it.
Where clocks are put forward over 02:00 the tick comes at 03:00, and where they are put back it
comes once.
"""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from mldebt_assets.assets import rollback
from mldebt_assets.assets.keys import batches
from mldebt_assets.assets.questions import LEAST_TO_GO_BACK
from mldebt_assets.automation.arrivals import all_arrivals
from mldebt_assets.automation.weekly import weekly_training
from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.jobs import (
    EVIDENCE_CHECKS,
    batch_job_name,
    evidence_check,
    evidence_job_name,
    retraining_job_name,
    scan_checks,
    scan_job_name,
)
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion, way_back
from mldebt_assets.sensors import platform

NIGHTLY = "0 2 * * *"
WEEKLY = "0 3 * * 0"
EVIDENCE = "0 5 * * 0"
MONTHLY = "0 6 1 * *"
TIMEZONE_VARIABLE = "MLDEBT_TIMEZONE"

Asked = list[dg.RunRequest] | dg.RunRequest | dg.SkipReason
Decide = Callable[[dg.ScheduleEvaluationContext], Asked]


def nightly_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that takes in what is new."""
    return f"{pipeline.name}_nightly"


def weekly_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that retrains once a week."""
    return f"{pipeline.name}_weekly_retraining"


def evidence_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that proves once a week what is said of the champion."""
    return f"{pipeline.name}_weekly_evidence"


def scan_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that scans once a month what is stored."""
    return f"{pipeline.name}_monthly_scan"


def build(pipeline: Pipeline) -> list[dg.ScheduleDefinition]:
    """Return the pipeline's schedules."""

    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return all_arrivals(context.instance, pipeline, platform(), datetime.now(UTC))

    def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return weekly_training(
            context.instance,
            pipeline,
            platform(),
            scheduled=context.scheduled_execution_time,
            now=datetime.now(UTC),
        )

    def evidence(_: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return evidence_due(pipeline, way_back(platform().record(pipeline.name).facts()))

    def scan(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not context.instance.get_dynamic_partitions(batches(pipeline).name or ""):
            return dg.SkipReason("No batch has arrived yet, so nothing is to be scanned.")
        champion = platform().record(pipeline.name).champion()
        asked = scan_checks(pipeline)
        return dg.RunRequest(asset_check_keys=asked if champion is not None else asked[:1])

    return [
        by_the_clock(
            pipeline,
            nightly,
            name=nightly_name(pipeline),
            job_name=batch_job_name(pipeline),
            cron=NIGHTLY,
            description="Take in every new or changed file of the landing folder, one run a batch.",
        ),
        by_the_clock(
            pipeline,
            weekly,
            name=weekly_name(pipeline),
            job_name=retraining_job_name(pipeline),
            cron=WEEKLY,
            description="Train a candidate on Sundays if anything is new, whatever drift says.",
        ),
        by_the_clock(
            pipeline,
            evidence,
            name=evidence_name(pipeline),
            job_name=evidence_job_name(pipeline),
            cron=EVIDENCE,
            description="Train an exact copy, rehearse the way back, then ask the four questions.",
        ),
        by_the_clock(
            pipeline,
            scan,
            name=scan_name(pipeline),
            job_name=scan_job_name(pipeline),
            cron=MONTHLY,
            description="Scan all that is stored for personal data, by today's recognisers.",
        ),
    ]


def by_the_clock(
    pipeline: Pipeline, decide: Decide, *, name: str, job_name: str, cron: str, description: str
) -> dg.ScheduleDefinition:
    """Return a schedule, off by default, whose every tick is what ``decide`` says of it."""

    @dg.schedule(
        name=name,
        job_name=job_name,
        cron_schedule=cron,
        execution_timezone=timezone(pipeline),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=description,
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> Asked:
        return decide(context)

    return schedule


def evidence_due(
    pipeline: Pipeline, champions: Sequence[Champion]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for the proofs that are due, given the way back: no drill where there is none."""
    if not champions:
        return dg.SkipReason("There is no champion yet, so nothing is to be proved.")
    early = () if len(champions) >= LEAST_TO_GO_BACK else (rollback.CHECK,)
    due = [one for one in EVIDENCE_CHECKS if one not in early]
    return dg.RunRequest(asset_check_keys=[evidence_check(pipeline, one) for one in due])


def timezone(pipeline: Pipeline) -> str:
    """Return the time zone of the schedules; DeclarationError where the named one is unknown."""
    name = os.environ.get(TIMEZONE_VARIABLE) or "UTC"
    try:
        ZoneInfo(name)
    except (KeyError, ValueError) as unknown:
        problem = f"{TIMEZONE_VARIABLE} is {name!r}, which is no time zone."
        fix = "use a name of the IANA database, for example Europe/Vienna."
        raise DeclarationError.of(pipeline.name, problem, fix) from unknown
    return name
