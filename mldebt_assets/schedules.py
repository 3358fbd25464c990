"""What goes by the clock, off until somebody switches it on.

Every night what is new is taken in; once a week a candidate is trained, and what is
said of the champion is proved anew.
The hours are those of ``MLDEBT_TIMEZONE``, an IANA name such as Europe/Vienna; UTC without it.
Where clocks are put forward over 02:00 the tick comes at 03:00, and where they are put back it
comes once.
"""

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import dagster as dg

from mldebt_assets.assets import rollback
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
)
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import way_back
from mldebt_assets.sensors import platform

NIGHTLY = "0 2 * * *"
WEEKLY = "0 3 * * 0"
EVIDENCE = "0 5 * * 0"
TIMEZONE_VARIABLE = "MLDEBT_TIMEZONE"


def nightly_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that takes in what is new."""
    return f"{pipeline.name}_nightly"


def weekly_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that retrains once a week."""
    return f"{pipeline.name}_weekly_retraining"


def evidence_name(pipeline: Pipeline) -> str:
    """Return the name of the schedule that proves once a week what is said of the champion."""
    return f"{pipeline.name}_weekly_evidence"


def build(pipeline: Pipeline) -> list[dg.ScheduleDefinition]:
    """Return the pipeline's schedules."""

    @dg.schedule(
        name=nightly_name(pipeline),
        job_name=batch_job_name(pipeline),
        cron_schedule=NIGHTLY,
        execution_timezone=timezone(pipeline),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Take in every new or changed file of the landing folder, one run a batch.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        return all_arrivals(context.instance, pipeline, platform(), datetime.now(UTC))

    @dg.schedule(
        name=weekly_name(pipeline),
        job_name=retraining_job_name(pipeline),
        cron_schedule=WEEKLY,
        execution_timezone=timezone(pipeline),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Train a candidate on Sundays if anything is new, whatever drift says.",
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return weekly_training(
            context.instance,
            pipeline,
            platform(),
            scheduled=context.scheduled_execution_time,
            now=datetime.now(UTC),
        )

    @dg.schedule(
        name=evidence_name(pipeline),
        job_name=evidence_job_name(pipeline),
        cron_schedule=EVIDENCE,
        execution_timezone=timezone(pipeline),
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Rehearse the way back, then ask the four questions; the champion stays.",
    )
    def evidence(_: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        ways = len(way_back(platform().record(pipeline.name).facts()))
        if not ways:
            return dg.SkipReason("There is no champion yet, so nothing is to be proved.")
        early = () if ways >= LEAST_TO_GO_BACK else (rollback.CHECK,)
        due = [one for one in EVIDENCE_CHECKS if one not in early]
        return dg.RunRequest(asset_check_keys=[evidence_check(pipeline, one) for one in due])

    return [nightly, weekly, evidence]


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
