"""Somebody is forgotten: the record says so first, then what held their rows is made again.

Batches are made again by the job that takes them in, from what was stored without these rows; then
the old bytes and the models that learned of them go. Said again after a kill, it goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.answers.subject import holdings, subject_of
from mldebt_assets.assets import reproduction
from mldebt_assets.assets.collecting import REPLACED, pinned_pseudonyms
from mldebt_assets.assets.evidence import report as keep
from mldebt_assets.assets.keys import FORGOTTEN_TAG, PIPELINE_TAG, REASON_TAG, key
from mldebt_assets.assets.promoting import data_time
from mldebt_assets.assets.released import raw_of
from mldebt_assets.assets.training_set import choose, effective_at
from mldebt_assets.assets.withdrawing import (
    finish,
    finish_forgetting,
    left_to_make,
    receipt_path,
    remove_returned,
    withdrawal,
    write_receipt,
)
from mldebt_assets.automation.pending import decisions, last_decided
from mldebt_assets.automation.reconcile import unfinished_run
from mldebt_assets.automation.shown import show_decisions
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import BusyError, MLDebtError, RefusedError
from mldebt_assets.forgotten import (
    FORGET,
    forgettings,
    open_forgettings,
    outstanding,
    unlearnable,
)
from mldebt_assets.jobs import (
    batch_assets,
    batch_job_name,
    labels_job_name,
    release_assets,
    release_job_name,
)
from mldebt_assets.promotions import ACT, adopted_versions, champion_of
from mldebt_assets.replay import make_again
from mldebt_assets.reproduction.prove import reproduce
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from mldebt_assets.answers.subject import Holdings, Subject
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform

ABOUT = "forgotten"
NOTHING_LEFT = ", but nothing is left to learn from"
JUDGING = ("drift_report", "performance")


@dataclass(frozen=True)
class Forgotten:
    """What became of it: a receipt for each time that rows of theirs were found, newest last."""

    receipts: tuple[dict[str, Any], ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Forgetting:
    """The work of forgetting, in one pipeline, by somebody, for a reason."""

    instance: dg.DagsterInstance
    platform: Platform
    pipeline: Pipeline
    repository: dg.RepositoryDefinition
    by: str
    reason: str
    report: Callable[[str], None]

    def forget(self, value: str, now: datetime) -> Forgotten:
        """Forget whom a clear value of the declared column means.

        Raises: RefusedError where nobody of that name is found; DeclarationError, CallError,
                PseudonymKeyError, BusyError, UnreachableError. Nothing was changed then.
        """
        require_reason(self.reason)
        subject = subject_of(self.platform, self.pipeline, value)
        record = self.platform.record(self.pipeline.name)
        with settled(self.instance, self.platform, self.pipeline, now) as facts:
            self._require_quiet()
            self.report("looking for the rows")
            found = holdings(self.instance, self.platform, self.pipeline, subject)
            known = subject.mark in {fact.body["subject"] for fact in forgettings(facts)}
            if not found.snapshots and not known:
                raise nobody(self.pipeline)
            if found.snapshots:
                self._begin(subject, found)
            for forgetting in open_forgettings(record.facts()):
                self._carry_out(forgetting)
            remove_returned(self.platform, record.facts())
            finish_forgetting(self.instance, self.platform, self.pipeline)
            self._ask_for_retraining()
            self._show()
        facts = record.facts()
        theirs = [one for one in forgettings(facts) if one.body["subject"] == subject.mark]
        return Forgotten(
            tuple(write_receipt(self.platform, self.pipeline, one) for one in theirs),
            tuple(receipt_path(self.platform, self.pipeline, one) for one in theirs),
        )

    def _require_quiet(self) -> None:
        busy = unfinished_run(self.instance, self.pipeline)
        if busy is not None:
            said = f"Run {busy} of {self.pipeline.name} has not ended; nobody was forgotten."
            raise BusyError.of(said, "say it again when it has ended.")

    def _begin(self, subject: Subject, found: Holdings) -> Fact:
        """Append the fact that somebody is forgotten: from it on nothing of theirs is taken in."""
        record = self.platform.record(self.pipeline.name)
        pinned_pseudonyms(self.pipeline, self.platform)
        for one in found.snapshots:
            self.platform.snapshots.examine("remote", one.stored.snapshot.md5)
        when = data_time(self.instance, self.pipeline, record.facts())
        validated = {
            batch for batch in found.batches if self._newest("validated", batch) is not None
        }
        raw = [one for one in found.snapshots if one.stage in {"raw", "labels"}]
        body = {
            ACT: FORGET,
            "subject": subject.mark,
            "column": subject.column,
            "by": self.by,
            "reason": require_reason(self.reason),
            "withdrawn": [
                withdrawal(one.stage, one.batch, one.rows, one.stored.snapshot)
                for one in found.snapshots
            ],
            # Batches of which only the raw bytes are there: they were refused, or cannot be read.
            "alone": sorted(set(found.batches) - validated),
            "training_sets": [one.snapshot.sha256 for one in found.training_sets],
            "versions": list(found.versions),
            "sources": sorted({str(one.stored.metadata.get("source")) for one in raw}),
            "effective_at": when.isoformat(),
        }
        fact = record.append("forgotten", body, effective_at=when)
        self._observe(fact, found)
        return fact

    def _newest(self, stage: str, batch: str) -> Any:
        return newest(self.instance, key(self.pipeline, stage), batch)

    def _observe(self, fact: Fact, found: Holdings) -> None:
        """Show on the page of ``p/raw`` that somebody was forgotten, and in how many rows."""
        raw = [one for one in found.snapshots if one.stage == "raw"]
        self.instance.report_runless_asset_event(
            dg.AssetObservation(
                key(self.pipeline, "raw"),
                description=f"A subject is forgotten, by {self.by}: {fact.body['reason']}",
                metadata={
                    "rows": sum(one.rows or 0 for one in raw),
                    "batches": ", ".join(found.batches),
                    "snapshots withdrawn": len(found.snapshots),
                    "training sets": len(found.training_sets),
                    "versions": ", ".join(f"v{one}" for one in found.versions) or "none",
                    "retraining": dg.MetadataValue.asset(key(self.pipeline, "training_set")),
                    "receipt": dg.MetadataValue.path(
                        str(receipt_path(self.platform, self.pipeline, fact))
                    ),
                    "by": self.by,
                    "fact": fact.sequence,
                    "hash of the fact": fact.hash,
                },
            )
        )

    def _carry_out(self, forgetting: Fact) -> None:
        """Make again what held the rows, then remove the old bytes."""
        for batch in forgetting.body["alone"]:
            if self._holds("raw", batch, forgetting):
                self._run(batch_job_name(self.pipeline), batch, forgetting, only=("raw",))
        refused = []
        for batch in left_to_make(self.instance, self.pipeline, forgetting):
            self.report(f"making {batch} again")
            if not self._made_again(batch, forgetting):
                refused.append(batch)
        self.report("removing the old bytes")
        finish(self.instance, self.platform, self.pipeline, forgetting, tuple(refused))

    def _made_again(self, batch: str, forgetting: Fact) -> bool:
        """Make a batch and its late labels again; return whether it was not refused."""
        job: str = batch_job_name(self.pipeline)
        only: tuple[str, ...] = batch_assets(self.pipeline)
        if self._released(batch):
            job, only = release_job_name(self.pipeline), ("raw", *release_assets(self.pipeline))
        made = self._run(job, batch, forgetting, only=only)
        if made and self._newest("labels", batch) is not None:
            made = self._run(labels_job_name(self.pipeline), batch, forgetting)
        return made

    def _released(self, batch: str) -> bool:
        """Return whether rows were released of what the batch's newest snapshot stands on.

        A kill may have left the raw bytes made again, and what was released of them not yet.
        """
        raw, kept = self._newest("raw", batch), self._newest("released", batch)
        if raw is None or kept is None:
            return False
        return raw_of(self.pipeline, kept) in {raw.snapshot.sha256, raw.metadata.get(REPLACED)}

    def _holds(self, stage: str, batch: str, forgetting: Fact) -> bool:
        stored = self._newest(stage, batch)
        gone = {one["sha256"] for one in forgetting.body["withdrawn"]}
        return stored is not None and stored.snapshot.sha256 in gone

    def _run(
        self, job: str, batch: str, forgetting: Fact, only: tuple[str, ...] | None = None
    ) -> bool:
        """Run a job on a batch in this process; return False where the batch was refused.

        Raises: RefusedError where it failed for another cause: said again, it goes on.
        """
        result = make_again(
            self.instance,
            self.platform,
            self.pipeline,
            self.repository.get_job(job),
            batch,
            stages=only,
            tags={
                FORGOTTEN_TAG: str(forgetting.sequence),
                REASON_TAG: f"{batch} is made again: a subject is forgotten",
            },
        )
        if result.success:
            return True
        facts = self.platform.record(self.pipeline.name).facts()
        if any(
            fact.kind == "batch_refused" and fact.body["run_id"] == result.run_id for fact in facts
        ):
            return False
        raise RefusedError.of(
            f"{batch} could not be made again without the rows: see Dagster run {result.run_id}. "
            "They are withdrawn, and their bytes are still there.",
            "mend what failed there, and say it again: it goes on.",
        )

    def _ask_for_retraining(self) -> None:
        """Ask for a champion that has not learned of them; say so too where none is needed."""
        record = self.platform.record(self.pipeline.name)
        facts = record.facts()
        decided = {fact.body["key"] for fact in decisions(facts)}
        champion, newly = champion_of(facts), forgettings(facts)
        if not newly or f"{ABOUT}:{newly[-1].hash}" in decided:
            return
        serving = champion is not None and champion.version in outstanding(facts)
        chosen = choose(self.instance, self.pipeline, None, unlearnable(facts)) if serving else []
        reason = (
            f"v{champion.version} has learned of the subject"
            if serving and champion is not None
            else "no champion has learned of the subject"
        )
        if champion is not None and not serving and champion.version in adopted_versions(facts):
            reason = (
                f"v{champion.version} was adopted, and whether it has learned of the subject is "
                "not known"
            )
        body = {
            "about": ABOUT,
            "batch": chosen[-1][0].batch if chosen else None,
            "storage_id": last_decided(facts),
            "events": self._made_by(newly[-1]),
            "asked": bool(chosen),
            "reason": f"Forgotten: {reason}{'' if chosen or not serving else NOTHING_LEFT}.",
            "key": f"{ABOUT}:{newly[-1].hash}",
        }
        when = effective_at(chosen[-1][1]) if chosen else newly[-1].effective_at
        facts.append(record.append("decision", body, effective_at=when))
        show_decisions(self.instance, self.pipeline, facts)

    def _made_by(self, forgetting: Fact) -> list[int]:
        """Return the storage ids of what was judged anew: no decision is to be taken on them."""
        runs = self.instance.get_runs(
            dg.RunsFilter(
                tags={
                    PIPELINE_TAG: self.pipeline.name,
                    FORGOTTEN_TAG: str(forgetting.sequence),
                }
            )
        )
        ours = {run.run_id for run in runs}
        names = {one["batch"] for one in forgetting.body["withdrawn"]}
        found = [self._newest(stage, batch) for stage in JUDGING for batch in sorted(names)]
        return [one.storage_id for one in found if one is not None and one.run_id in ours]

    def _show(self) -> None:
        """Keep as evidence what holds of the champion from now on."""
        record = self.platform.record(self.pipeline.name)
        champion = champion_of(record.facts())
        if champion is None or champion.version not in outstanding(record.facts()):
            return
        try:
            answer = reproduce(self.instance, self.platform, self.pipeline, None, self.report)
            keep(self.instance, reproduction.result(self.pipeline, answer), self.by)
        except MLDebtError as problem:
            keep(self.instance, reproduction.unanswered(self.pipeline, problem), self.by)


def nobody(pipeline: Pipeline) -> RefusedError:
    """Return the answer where nobody of that name is found."""
    return RefusedError.of(
        f"Nobody of that name is in any snapshot of {pipeline.name}; nothing was changed.",
        f"write it exactly as the source has it in the column {pipeline.subject_column!r}.",
    )
