"""What became of each batch: drift, retraining, the gate's decision, and how it was served."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.keys import BATCH_TAG, PIPELINE_TAG, RETRAINING_TAG, batches, key
from mldebt_assets.core.schema_change import SCHEMA_CHANGE
from mldebt_assets.core.tasks.level import METRICS
from mldebt_assets.promotions import champion_of, judged_by_gate, refused_feeds
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored


BROKEN_FEED = "broken feed"
PROPOSED = "proposed for a person's approval: "


@dataclass(frozen=True)
class Chapter:
    """One batch's story, in the order in which it happened.

    ``scored_by`` is the version that scored it before anyone learned from it, ``metrics`` how
    well it did on the rows whose labels are known by now, and ``dropped`` whether it has lost too
    much of its own level, in the words of ``performance``; ``champion`` is the version after the
    batch was settled. ``problem`` says why a batch was refused or its runs failed, and ``alarm``
    what the batch is, where that is known: a broken feed, a changed schema, a real shift.
    """

    batch: str
    rows: int | None
    scored_by: int | None
    metrics: dict[str, float]
    dropped: bool
    performance: str
    drifted: bool
    drift: str
    alarm: str | None
    retrained: bool
    reason: str
    promoted: bool
    verdict: str
    champion: int | None
    problem: str | None

    @property
    def fault(self) -> str:
        """What a problem is, in two words at most."""
        return self.alarm if self.alarm in {BROKEN_FEED, SCHEMA_CHANGE} else "problem"

    @property
    def is_proposed(self) -> bool:
        """Whether the gate let its candidate through, and proposed it for a person's approval."""
        return self.verdict.startswith(PROPOSED)

    def as_dict(self) -> dict[str, Any]:
        """Return the chapter as plain JSON values."""
        return asdict(self)


def chapters(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> list[Chapter]:
    """Return the story of every batch that has arrived, in the order of arrival's names."""
    arrived = instance.get_dynamic_partitions(batches(pipeline).name or "")
    return [chapter(instance, platform, pipeline, batch) for batch in sorted(arrived)]


def chapter(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, batch: str
) -> Chapter:
    """Return one batch's story."""
    facts = platform.record(pipeline.name).facts()
    report = newest(instance, key(pipeline, "drift_report"), batch)
    validated = newest(instance, key(pipeline, "validated"), batch)
    performance = newest(instance, key(pipeline, "performance"), batch)
    decision = _decision(facts, batch)
    refusal = _last(facts, "batch_refused", batch)
    verdict = _verdict_on(facts, decision)
    broken = refused_feeds(facts).get(validated.snapshot.sha256) if validated else None
    promoted = verdict is not None and verdict.kind == "intent"
    served = performance.metadata if performance else {}
    scored_by = served.get("scored by")
    return Chapter(
        batch=batch,
        rows=validated.metadata.get("dagster/row_count") if validated else None,
        scored_by=scored_by,
        metrics={
            name: served[name]
            for name in METRICS[pipeline.target.task]
            if scored_by and name in served
        },
        dropped=bool(served.get("dropped")),
        performance=str(served.get("summary", "")),
        drifted=bool(report and report.metadata["drifted"]),
        drift=str(report.metadata["summary"]) if report else "",
        alarm=_alarm(report, refusal if _stands(refusal, report) else broken),
        retrained=verdict is not None,
        reason=decision.body["reason"] if decision else "",
        promoted=promoted,
        verdict=_told(verdict) if verdict else "",
        champion=_champion_after(facts, verdict or decision or refusal),
        problem=_problem(instance, pipeline, batch, facts, report)
        or (None if broken is None else str(broken.body["reason"])),
    )


def _last(facts: list[Fact], kind: str, batch: str) -> Fact | None:
    found = [fact for fact in facts if fact.kind == kind and fact.body["batch"] == batch]
    return found[-1] if found else None


def _decision(facts: list[Fact], batch: str) -> Fact | None:
    """Return the newest decision on a batch; late labels that asked for nothing change no story."""
    on_batch = [fact for fact in facts if fact.kind == "decision" and fact.body["batch"] == batch]
    told = [f for f in on_batch if f.body["asked"] or f.body.get("about") != "labels"]
    return told[-1] if told else None


def _verdict_on(facts: list[Fact], decision: Fact | None) -> Fact | None:
    """Return what the gate said of the candidate that a decision asked for, if it has judged."""
    judged = [
        fact
        for fact in judged_by_gate(facts)
        if decision is not None and fact.body["retraining"] == decision.body["key"]
    ]
    return judged[-1] if judged else None


def _alarm(report: Stored | None, refused: Fact | None) -> str | None:
    """Return the class of a batch; None where it has none, or was refused for another reason."""
    if refused is not None:
        return refused.body.get("class")
    known = report.metadata.get("class") if report else None
    return None if known in {None, "none"} else str(known)


def _stands(refusal: Fact | None, report: Stored | None) -> bool:
    """Return whether a batch was refused since its last report, if it has one."""
    return refusal is not None and (
        report is None or refusal.recorded_at.timestamp() > report.timestamp
    )


def _told(verdict: Fact) -> str:
    """Return the gate's reason, and whether it only proposed."""
    return f"{PROPOSED if verdict.kind == 'proposed' else ''}{verdict.body['reason']}"


def _champion_after(facts: list[Fact], settled_by: Fact | None) -> int | None:
    """Return the champion's version once the fact that settled a batch had taken effect."""
    if settled_by is None:
        return None
    done = [
        fact.sequence
        for fact in facts
        if fact.kind == "done" and fact.body["intent"] == settled_by.sequence
    ]
    end = max(done, default=settled_by.sequence)
    champion = champion_of([fact for fact in facts if fact.sequence <= end])
    return champion.version if champion else None


def _problem(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    batch: str,
    facts: list[Fact],
    report: Stored | None,
) -> str | None:
    """Return why the batch's newest bytes were refused, or why its runs failed, if they did."""
    refusal = _last(facts, "batch_refused", batch)
    if refusal is not None and _stands(refusal, report):
        return str(refusal.body["reason"])
    if report is None:
        return _failure(instance, {PIPELINE_TAG: pipeline.name, BATCH_TAG: batch})
    decision = _decision(facts, batch)
    if decision is None or not decision.body["asked"] or _verdict_on(facts, decision):
        return None
    return _failure(instance, {PIPELINE_TAG: pipeline.name, RETRAINING_TAG: decision.body["key"]})


def _failure(instance: dg.DagsterInstance, tags: dict[str, str]) -> str | None:
    """Return why the newest of these runs failed, if it did: our own error, else the root cause."""
    runs = instance.get_runs(dg.RunsFilter(tags=tags), limit=1)
    if not runs or runs[0].status != dg.DagsterRunStatus.FAILURE:
        return None
    events = instance.all_logs(runs[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    for event in events:
        error = event.dagster_event and event.dagster_event.step_failure_data.error
        while error is not None and error.cause is not None and "\nFix: " not in error.message:
            error = error.cause
        if error is not None:
            said, own = error.message.strip(), f"{error.cls_name}: "
            told = said.partition(own)[2] if "\nFix: " in said and own in said else said
            return f"{told}\n(Dagster run {runs[0].run_id})"
    return f"its run died; see Dagster run {runs[0].run_id}"
