"""A person accepts a batch that triage called a broken feed: from then on it is learned from.

That is a fact of the promotion record, with who and why, beside the refusal, which stays. It holds
for these very rows, and is not taken back: a corrected file under the batch's name takes their
place, and `mldebt rollback` leaves a version that learned them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.assets.triage import CHECK
from mldebt_assets.by_hand import require_clock, require_reason
from mldebt_assets.core.errors import RefusedError, UnknownBatchError
from mldebt_assets.promotions import refused_feeds
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform


def accept(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    batch: str,
    reason: str,
    by: str,
    now: datetime,
) -> Fact:
    """Let a batch that triage refused be learned from; return the fact that says so.

    Raises: UnknownBatchError where no such batch was taken in; RefusedError where its newest rows
            are not refused as a broken feed; CallError without a reason.
    """
    reason, record = require_reason(reason), platform.record(pipeline.name)
    facts = record.facts()
    require_clock(facts, pipeline, now)
    validated = newest(instance, key(pipeline, "validated"), batch)
    if validated is None:
        known = {fact.body["batch"] for fact in facts if fact.kind == "feed_refused"}
        raise UnknownBatchError.of(pipeline.name, batch, known)
    refusal = refused_feeds(facts).get(validated.snapshot.sha256)
    if refusal is None:
        raise RefusedError.of(
            f"The newest rows of {batch} are not refused as a broken feed; nothing was done.",
            f"`mldebt status {pipeline.name}` lists what is; a change of the schema is accepted in "
            "the pipeline's file.",
        )
    body = {
        "batch": batch,
        "validated": validated.identity,
        "refusal": refusal.sequence,
        "refused_because": str(refusal.body["reason"]).partition("\nFix: ")[0],
        "reason": reason,
        "by": by,
    }
    fact = record.append("feed_accepted", body, effective_at=refusal.effective_at)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key(pipeline, "triage"),
            check_name=CHECK,
            passed=True,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"Accepted by {by}: {reason}. {body['refused_because']}",
            metadata={"by": by, "refusal": refusal.sequence, "fact": fact.sequence},
            partition=batch,
        )
    )
    return fact
