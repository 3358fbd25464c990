"""The training that the newest decision asks for, until the gate has judged its candidate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import dagster as dg

from mldebt_assets.assets.keys import BATCH_TAG, PIPELINE_TAG, REASON_TAG, RETRAINING_TAG
from mldebt_assets.automation.failures import CODE_TAG, after_failures
from mldebt_assets.promotions import judged_by_gate
from mldebt_assets.provenance import code_digest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact

ATTEMPT_TAG = "mldebt/attempt"
# So long the weekly schedule has to start the run that it decided on, before the sensor does.
HEAD_START = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A training that was decided on and has not been judged, and what is to be done about it."""

    state: Literal["wanted", "waits", "left alone"]
    reason: str
    request: dg.RunRequest | None = None


def pending_retraining(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    facts: Sequence[Fact],
    now: datetime,
    *,
    by_schedule: bool = False,
) -> Pending | None:
    """Return what the newest decision asks for; None if it asks for nothing, or was judged.

    Failed runs are tried again, as their cause allows, under a new key: the daemon never runs a
    key twice. A weekly decision is left to its schedule for a minute.
    """
    asked = [fact for fact in decisions(facts) if fact.body["asked"]]
    if not asked:
        return None
    decision, decided_at = asked[-1].body, asked[-1].recorded_at
    judged = {fact.body["retraining"] for fact in judged_by_gate(facts)}
    tags = {PIPELINE_TAG: pipeline.name, RETRAINING_TAG: decision["key"]}
    records = instance.get_run_records(dg.RunsFilter(tags=tags))
    runs = [record.dagster_run for record in records]
    if decision["key"] in judged or any(run.is_success for run in runs):
        return None
    unfinished = [run.run_id for run in runs if not run.is_finished]
    if unfinished:
        return Pending(state="waits", reason=f"Run {unfinished[0]} is training.")
    is_the_schedules = decision.get("about") == "week" and now < decided_at + HEAD_START
    if is_the_schedules and not runs and not by_schedule:
        return Pending(state="waits", reason="The weekly schedule is about to start its training.")
    again = after_failures(instance, pipeline, records, now)
    reason = f"The training asked for by {decision['batch']}: {again.reason}." if again else ""
    if again is not None and again.answer != "now":
        return Pending(state="waits" if again.answer == "later" else "left alone", reason=reason)
    request = dg.RunRequest(
        run_key=f"{decision['key']}:{len(runs) + 1}",
        run_config={
            "ops": {f"{pipeline.name}__training_set": {"config": {"until": decision["batch"]}}}
        },
        tags={
            **tags,
            REASON_TAG: decision["reason"],
            BATCH_TAG: decision["batch"],
            CODE_TAG: code_digest(),
            **({ATTEMPT_TAG: again.reason} if again else {}),
        },
    )
    return Pending(state="wanted", reason=decision["reason"], request=request)


def decisions(facts: Sequence[Fact]) -> list[Fact]:
    """Return the decisions among these facts."""
    return [fact for fact in facts if fact.kind == "decision"]


def last_decided(facts: Sequence[Fact]) -> int:
    """Return the storage id up to which a decision was taken on everything that was judged."""
    return max((fact.body["storage_id"] for fact in decisions(facts)), default=0)
