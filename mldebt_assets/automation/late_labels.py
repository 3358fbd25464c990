"""Labels that came late: what was measured before they came is measured again, window by window.

A batch that lands again with more labels is measured by its own run. The windows of later batches
that hold it are found here, by the hashes that they read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.keys import BATCH_TAG, PIPELINE_TAG, REASON_TAG, key
from mldebt_assets.assets.performance import outdated
from mldebt_assets.automation.failures import CODE_TAG, after_failures
from mldebt_assets.automation.reconcile import reconciled
from mldebt_assets.jobs import performance_job_name
from mldebt_assets.provenance import code_digest
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

MEASURED_TAG = "mldebt/measured_again"
CAUSE = "was measured before the newest labels of its window came in"


def next_window(
    context: dg.SensorEvaluationContext, pipeline: Pipeline, platform: Platform, now: datetime
) -> dg.SensorResult:
    """Ask for the first performance that is to be measured again, or say why for none.

    The cursor is the newest features' event: while no batch is made, no window can have changed.
    """
    instance, job = context.instance, performance_job_name(pipeline)
    busy = reconciled(instance, pipeline, platform, now)
    if busy is not None:
        return dg.SensorResult(skip_reason=f"Run {busy} of this pipeline has not ended yet.")
    made = newest(instance, key(pipeline, "features"))
    cursor = str(made.storage_id) if made else "none"
    if context.cursor == cursor:
        return dg.SensorResult(skip_reason="No batch was made since the last look.", cursor=cursor)
    said = []
    for measured in outdated(instance, pipeline):
        batch = str(measured.batch)
        tags = {
            PIPELINE_TAG: pipeline.name,
            BATCH_TAG: batch,
            MEASURED_TAG: str(measured.storage_id),
        }
        runs = instance.get_run_records(dg.RunsFilter(job_name=job, tags=tags))
        again = after_failures(instance, pipeline, runs, now)
        if again is None or again.answer == "now":
            request = dg.RunRequest(
                run_key=f"{batch}:{measured.storage_id}:{len(runs) + 1}",
                partition_key=batch,
                tags={**tags, REASON_TAG: f"{batch} {CAUSE}", CODE_TAG: code_digest()},
            )
            return dg.SensorResult(run_requests=[request], cursor=context.cursor)
        cursor = context.cursor or "none" if again.answer == "later" else cursor
        said.append(f"{batch} {CAUSE}; {again.reason}.")
    reason = " ".join(said) or "Every performance was measured on the newest labels."
    return dg.SensorResult(skip_reason=reason, cursor=cursor)
