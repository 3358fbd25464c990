"""What the event log and the promotion record say is wrong, or no longer wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from mldebt_assets.assets import four_questions, reproduction, rollback, stored_scan, triage
from mldebt_assets.assets.evidence import newest_evidence
from mldebt_assets.assets.keys import (
    BATCH_TAG,
    INTERRUPTED_TAG,
    PARTITION_TAG,
    PIPELINE_TAG,
    RAW_TAG,
    RETRAINING_TAG,
    key,
)
from mldebt_assets.automation.failures import CODE_TAG, after_failures, failure_of
from mldebt_assets.core.errors import RecordError
from mldebt_assets.core.privacy.anonymity import CHECK as ANONYMITY
from mldebt_assets.core.privacy.survey import CHECK as STORED
from mldebt_assets.jobs import batch_job_name, evidence_job_name, scan_job_name
from mldebt_assets.monitoring.standing import Over, Problem
from mldebt_assets.promotions import open_proposals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from mldebt_assets.monitoring.standing import Standing
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform

FIX = "\nFix: "
# What shows more of a failed check than its reason, by the asset's stage or the check's name.
COMMANDS = {
    "drift_report": "mldebt drift {name} --last 1",
    reproduction.CHECK: "mldebt reproduce {name}",
    rollback.CHECK: "mldebt rollback {name} --drill",
    STORED: "mldebt scan {name}",
    ANONYMITY: "mldebt scan {name}",
}
# What a person may show outside any run, by the stage whose check it is.
BY_HAND = (
    ("champion", reproduction.CHECK),
    ("champion", rollback.CHECK),
    ("champion", four_questions.CHECK),
    (stored_scan.STAGE, STORED),
    ("champion", ANONYMITY),
)
SCORED_ALL_THE_SAME = "The batch is scored all the same; nothing learns from it."
# What a check's asset was held against: the same finding against another champion is news.
HELD_AGAINST = ("reference", "scored by")
LOOKED_AT = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.ASSET_MATERIALIZATION,
}
# Tags that tell the runs for one thing from those for another.
TELLING = (PIPELINE_TAG, BATCH_TAG, RETRAINING_TAG, RAW_TAG)


@dataclass(frozen=True)
class Ended:
    """A run that has ended, and the pipeline that it belongs to."""

    pipeline: Pipeline
    record: dg.RunRecord
    at: float

    @property
    def run(self) -> dg.DagsterRun:
        """The run itself."""
        return self.record.dagster_run

    @property
    def subject(self) -> str:
        """What it was for: its job, and the batch or the training, if it was for one."""
        of = self.run.tags.get(BATCH_TAG) or self.run.tags.get(PARTITION_TAG)
        return f"{self.run.job_name} {of}" if of else self.run.job_name

    @property
    def page(self) -> str:
        """Where Dagster's web UI shows it."""
        return f"/runs/{self.run.run_id}"


def pipeline_of(run: dg.DagsterRun, pipelines: Iterable[Pipeline]) -> Pipeline | None:
    """Return whose run it is, by its tags, its job, or what a person selected; None if nobody's."""
    chosen = {asset.path[0] for asset in run.asset_selection or ()}
    chosen |= {check.asset_key.path[0] for check in run.asset_check_selection or ()}
    named = {run.tags[PIPELINE_TAG]} if PIPELINE_TAG in run.tags else chosen
    for pipeline in pipelines:
        proving = {evidence_job_name(pipeline), scan_job_name(pipeline)}
        if named == {pipeline.name} or run.job_name in proving:
            return pipeline
    return None


def of_run(
    instance: dg.DagsterInstance, ended: Ended, refused: Mapping[str, Fact], now: datetime
) -> Iterator[Problem | Over]:
    """Yield what one run's end says: of itself, of its batch, and of each check that it evaluated.

    ``refused`` are the refusals by the id of the run that refused. A run that a person cancelled
    or interrupted is no news to them, and says nothing of itself.
    """
    run, name = ended.run, ended.pipeline.name
    refusal = refused.get(run.run_id)
    if run.status == dg.DagsterRunStatus.SUCCESS:
        yield Over(about=f"run {ended.subject}", at=ended.at)
        if run.job_name == batch_job_name(ended.pipeline):
            yield Over(about=f"batch {name} {run.tags.get(BATCH_TAG)}", at=ended.at)
    elif refusal is not None:
        yield refused_batch(ended, refusal)
    elif run.status == dg.DagsterRunStatus.FAILURE and INTERRUPTED_TAG not in run.tags:
        yield failed_run(instance, ended, now)
    for found in checks(instance, ended):
        # The refusal says already what a blocking check found.
        if not (refusal is not None and isinstance(found, Problem) and found.severity == "error"):
            yield found


def refused_batch(ended: Ended, refusal: Fact) -> Problem:
    """Return that a batch was refused: nothing is built on it, and the champion stays."""
    name, batch = ended.pipeline.name, refusal.body["batch"]
    reason, _, fix = str(refusal.body["reason"]).partition(FIX)
    alarm = refusal.body.get("class")
    return Problem(
        about=f"batch {name} {batch}",
        pipeline=name,
        severity="error",
        state=f"refused {refusal.body['raw'] and refusal.body['raw']['sha256']}",
        what=f"batch {batch} was refused{f': {alarm}' if alarm else ''}",
        how_much=reason + (f" {fix}" if fix else ""),
        since=refusal.recorded_at.timestamp(),
        command=f"mldebt replay {name}",
        page=ended.page,
    )


def failed_run(instance: dg.DagsterInstance, ended: Ended, now: datetime) -> Problem:
    """Return that a run failed, and whether it is tried again; the first and the last are news."""
    run, name = ended.run, ended.pipeline.name
    failure = failure_of(instance, ended.record)
    told, is_last = f"run {run.run_id[:8]} {failure.said}", True
    if CODE_TAG in run.tags:  # A sensor asked for it, and asks again as the cause allows.
        tags = {tag: run.tags[tag] for tag in TELLING if tag in run.tags}
        records = instance.get_run_records(dg.RunsFilter(job_name=run.job_name, tags=tags))
        again = after_failures(instance, ended.pipeline, records, now)
        if again is not None:
            told, is_last = again.reason, again.answer == "never"
    return Problem(
        about=f"run {ended.subject}",
        pipeline=name,
        severity="error",
        state=f"{failure.said}; {'given up' if is_last else 'tried again'}",
        what=f"a run of {ended.subject} failed",
        how_much=f"{told}.",
        since=ended.at,
        command="mldebt doctor",
        page=ended.page,
    )


def checks(instance: dg.DagsterInstance, ended: Ended) -> Iterator[Problem | Over]:
    """Yield what each check of this run found, in the order in which they were evaluated."""
    evaluations, against = [], {}
    for entry in instance.all_logs(ended.run.run_id, of_type=LOOKED_AT):
        event = entry.dagster_event
        if event is None:
            continue
        if event.is_step_materialization:
            made = event.step_materialization_data.materialization
            values = [made.metadata[name].value for name in HELD_AGAINST if name in made.metadata]
            against[made.asset_key] = str(values[0]) if values else ""
        else:
            evaluations.append((event.asset_check_evaluation_data, entry.timestamp))
    for found, at in evaluations:
        yield of_check(ended, found, at, against.get(found.asset_key, ""))


def of_check(
    ended: Ended, found: dg.AssetCheckEvaluation, at: float, against: str
) -> Problem | Over:
    """Return what one evaluation says; ``against`` is what the asset was held against."""
    asset, name = found.asset_key.to_user_string(), ended.pipeline.name
    about = f"check {asset} {found.check_name}"
    if found.passed:
        return Over(about=about, at=at)
    is_error = found.severity == dg.AssetCheckSeverity.ERROR
    of = f" on {found.partition}" if found.partition else ""
    known = (found.check_name, found.asset_key.path[-1])
    marked = f". {SCORED_ALL_THE_SAME}" if found.check_name == triage.CHECK else ""
    command = next((COMMANDS[one] for one in known if one in COMMANDS), "mldebt status {name}")
    return Problem(
        about=about,
        pipeline=name,
        severity="error" if is_error else "warn",
        state=f"{found.severity.value} {against}",
        what=f"{asset} failed its check {found.check_name}{of}",
        how_much=f"{found.description or 'it gives no reason'}{marked}",
        since=at,
        command=command.format(name=name),
        page=ended.page,
    )


def of_record(
    platform: Platform, pipeline: Pipeline, known: Mapping[str, Standing], now: datetime
) -> tuple[list[Fact], list[Problem | Over]]:
    """Return the record's facts, and what it says is waiting or wrong, and no longer is.

    A damaged record is a problem, and has no facts.
    """
    name = pipeline.name
    try:
        facts = platform.record(name).facts()
    except RecordError as damage:
        return [], [damaged(pipeline, str(damage), now)]
    found = [approval(pipeline, proposal) for proposal in open_proposals(facts)]
    mine = (f"approval {name} ", f"record {name}")
    waiting = {problem.about for problem in found}
    over = [
        Over(about=about, at=now.timestamp())
        for about in known
        if about.startswith(mine) and about not in waiting
    ]
    return facts, [*found, *over, *accepted(pipeline, facts, known)]


def accepted(
    pipeline: Pipeline, facts: Sequence[Fact], known: Mapping[str, Standing]
) -> Iterator[Over]:
    """Yield that a broken feed no longer stands, where a person accepted that batch since."""
    asset = key(pipeline, "triage").to_user_string()
    standing = known.get(f"check {asset} {triage.CHECK}")
    if standing is None or standing.ended_at is not None:
        return
    for fact in facts:
        at = fact.recorded_at.timestamp()
        if (
            fact.kind == "feed_accepted"
            and at > standing.problem.since
            and standing.problem.what.endswith(f" on {fact.body['batch']}")
        ):
            yield Over(about=standing.problem.about, at=at)


def approval(pipeline: Pipeline, proposal: Fact) -> Problem:
    """Return that a candidate waits for a person."""
    name, version = pipeline.name, proposal.body["version"]
    return Problem(
        about=f"approval {name} v{version}",
        pipeline=name,
        severity="warn",
        state="waiting",
        what=f"v{version} waits for a person's approval",
        how_much=str(proposal.body["reason"]),
        since=proposal.recorded_at.timestamp(),
        command=f'mldebt approve {name} --version {version} --reason "…"',
        page=f"/runs/{proposal.body['run_id']}",
    )


def damaged(pipeline: Pipeline, said: str, now: datetime) -> Problem:
    """Return that the promotion record contradicts itself, so that nothing is decided."""
    return Problem(
        about=f"record {pipeline.name}",
        pipeline=pipeline.name,
        severity="error",
        state=said,
        what="the promotion record is damaged",
        how_much=said.replace(FIX, " "),
        since=now.timestamp(),
        command=f"mldebt verify {pipeline.name}",
        page="/runs",
    )


def mended_by_hand(
    instance: dg.DagsterInstance, pipelines: Sequence[Pipeline], known: Mapping[str, Standing]
) -> Iterator[Over]:
    """Yield the checks that a person has shown to pass since, outside any run."""
    for pipeline in pipelines:
        for stage, check in BY_HAND:
            asset = key(pipeline, stage).to_user_string()
            standing = known.get(f"check {asset} {check}")
            if standing is None or standing.ended_at is not None:
                continue
            shown = newest_evidence(instance, pipeline, check, (), stage=stage)
            if shown and shown["passed"] and shown["timestamp"] > standing.problem.since:
                yield Over(about=standing.problem.about, at=shown["timestamp"])
