"""The four questions that a model's owner must be able to answer, each with what proves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import dagster as dg

from mldebt_assets.assets import reproduction, rollback
from mldebt_assets.assets.collecting import SCAN
from mldebt_assets.assets.evidence import newest_evidence
from mldebt_assets.assets.input_change import change_over_the_month, sentence
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.personal_data import in_words
from mldebt_assets.assets.stored_scan import STAGE
from mldebt_assets.core.errors import SnapshotError, UnreachableError
from mldebt_assets.core.privacy.anonymity import CHECK as ANONYMITY
from mldebt_assets.core.privacy.survey import CHECK as STORED
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import (
    Champion,
    Fact,
    adopted_by,
    champions_of,
    told_of_adoption,
    way_back,
)
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import at_storage_id

QUESTIONS = {
    "reproducible": "Can I train an exact copy now?",
    "input_change": "How much have the inputs changed?",
    "rollback": "How fast can I go back?",
    "personal_data": "Is there personal data in it?",
}
NOT_YET_KNOWN = "not yet known"
NOT_SCANNED = "not scanned"

# The words of Nagios's plugins, and of most monitoring since.
OK, WARNING, UNKNOWN = "ok", "warning", "unknown"

# Evidence may be twice as old as its period: a week of the schedule, a month of the data.
DAY = 86_400
CLOCKS_DIFFER_SECONDS = 3_600  # between two hosts
OLD_DAYS = {"reproducible": 14, "input_change": 62, "rollback": 14}

LEAST_TO_GO_BACK = 2
BY = "by"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is known: in words, whether all is well, what proves it and since when.

    ``due`` says whether something could have answered by now: nobody can go back before a version
    was replaced. ``page`` is where Dagster shows the evidence.
    """

    said: str = NOT_YET_KNOWN
    standing: str = UNKNOWN
    due: bool = False
    evidence: Mapping[str, Any] | None = None
    timestamp: float | None = None
    page: str | None = None


def answers_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, now: datetime
) -> dict[str, dict[str, Any]]:
    """Return each question's answer, its standing, and its evidence with link and age.

    The standing is ``ok``; ``warning`` where the evidence is bad, old, or about another version
    than the champion; ``unknown`` where there is none. ``age_seconds`` is on the wall clock; it,
    ``shown_at``, ``link`` and ``evidence`` are None where nothing answers yet.
    """
    facts = platform.record(pipeline.name).facts()
    answers = {
        "reproducible": reproducible(instance, pipeline, facts),
        "input_change": input_change(instance, platform, pipeline, facts),
        "rollback": rehearsed(instance, pipeline, facts),
        "personal_data": personal_data(instance, pipeline, facts),
    }
    return {
        name: as_document(name, answer, platform.home.dagster_ui, now)
        for name, answer in answers.items()
    }


def as_document(name: str, answer: Answer, address: str, now: datetime) -> dict[str, Any]:
    """Return an answer as plain values; one whose evidence has become too old is a warning."""
    age = None if answer.timestamp is None else round(now.timestamp() - answer.timestamp, 1)
    said, standing, oldest = answer.said, answer.standing, OLD_DAYS.get(name)
    if age is not None and oldest is not None and age > oldest * DAY:
        said += f"; shown {age / DAY:.0f} days ago, more than {oldest}"
        standing = WARNING
    if age is not None and age < -CLOCKS_DIFFER_SECONDS:
        said += "; shown at a time that is still to come. Fix: set this machine's clock"
        standing = WARNING
    at = None if answer.timestamp is None else datetime.fromtimestamp(answer.timestamp, UTC)
    return {
        "question": QUESTIONS[name],
        "answer": said,
        "standing": standing,
        "due": answer.due,
        "evidence": None if answer.evidence is None else dict(answer.evidence),
        "link": None if answer.page is None else address + answer.page,
        "shown_at": at and at.isoformat(timespec="seconds"),
        "age_seconds": age,
    }


def of_check(shown: dict[str, Any], champion: Champion, version: int | None) -> Answer:
    """Return what a check on the champion showed about ``version``; None: it does not say which.

    It says so where another version has become champion since: that one was not shown.
    """
    overtaken = version not in {None, champion.version}
    well = bool(shown["passed"]) and not overtaken
    evidence = {name: value for name, value in shown.items() if name not in {"said", "timestamp"}}
    return Answer(
        said=shown["said"] + (f"; v{champion.version} came since" if overtaken else ""),
        standing=OK if well else WARNING,
        due=True,
        evidence=evidence,
        timestamp=shown["timestamp"],
        page=f"{page_of(shown['asset'])}?view=checks&checkDetail={quote(shown['check'], safe='')}",
    )


def to_be_shown(command: str) -> Answer:
    """Return the answer to a question that nothing has shown yet, and the command that would."""
    return Answer(said=f"{NOT_YET_KNOWN}; `{command}` shows it", due=True)


def page_of(asset: str) -> str:
    """Return the path of an asset's page in Dagster's web UI."""
    return f"/assets/{quote(asset)}"


def reproducible(instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]) -> Answer:
    """Return what training the champion once more has shown."""
    champions = champions_of(facts)
    if not champions:
        return Answer()
    adopted = adopted_by(champions[-1].promotion.body)
    if adopted is not None:
        return Answer(said=f"unknown: {told_of_adoption(adopted)}", due=True)
    shown = newest_evidence(instance, pipeline, reproduction.CHECK, (*reproduction.KEPT, BY))
    if shown is None:
        return to_be_shown(f"mldebt reproduce {pipeline.name}")
    return of_check(shown, champions[-1], shown.get("version"))


def rehearsed(instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]) -> Answer:
    """Return what the newest drill, or the newest rollback, showed."""
    champions = champions_of(facts)
    if not champions:
        return Answer()
    shown = newest_evidence(instance, pipeline, rollback.CHECK, rollback.KEPT)
    if shown is None:
        there_is_one = len(way_back(facts)) >= LEAST_TO_GO_BACK
        return to_be_shown(f"mldebt rollback {pipeline.name} --drill") if there_is_one else Answer()
    return of_check(
        shown, champions[-1], shown["to"] if shown.get("drill") is False else shown.get("from")
    )


def personal_data(instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]) -> Answer:
    """Return what the scans found of what the champion was trained on.

    Whatever was found and not declared was refused as it came, so what is told is declared, or too
    little to be sure of. It is a warning where a batch was never scanned, and where the newest scan
    of all that is stored found more.
    """
    champions = champions_of(facts)
    if not champions:
        return Answer(said=NOT_SCANNED)
    adopted = adopted_by(champions[-1].promotion.body)
    if adopted is not None:
        return Answer(said=f"unknown: {told_of_adoption(adopted)}", due=True)
    asset = key(pipeline, "training_set")
    stored = at_storage_id(
        instance, asset, champions[-1].promotion.body["training_set"]["storage_id"]
    )
    known = stored.metadata.get(SCAN)
    again = newest_evidence(instance, pipeline, STORED, (BY,), stage=STAGE)
    hidden = (
        None
        if pipeline.privacy is None
        else newest_evidence(instance, pipeline, ANONYMITY, (BY, "version"))
    )
    if known is None:
        return Answer(said=NOT_SCANNED, due=True)
    unscanned = known["unscanned"]
    said = in_words(known) + (f"; not scanned: {', '.join(unscanned)}" if unscanned else "")
    for since, shown in (("again since", again), ("how rows hide", hidden)):
        if shown is not None:
            said += f"; {since}: {' '.join(str(shown['said']).removesuffix('.').splitlines())}"
    told = [shown for shown in (again, hidden) if shown is not None]
    return Answer(
        said=said,
        standing=OK if not unscanned and all(one["passed"] for one in told) else WARNING,
        due=True,
        evidence={
            "asset": asset.to_user_string(),
            "sha256": stored.snapshot.sha256,
            "storage_id": stored.storage_id,
            "run_id": stored.run_id,
            "scanned_again": again,
            "anonymity": hidden,
            **known,
        },
        timestamp=max([stored.timestamp, *(one["timestamp"] for one in told)]),
        page=page_of(asset.to_user_string()),
    )


def input_change(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, facts: list[Fact]
) -> Answer:
    """Return what the drift reports of the data's last month say.

    It is a warning where a batch drifted that the champion has not learned from, or where the
    month has gaps: a batch without a report, or with too few rows to tell.
    """
    champions = champions_of(facts)
    if not champions:
        return Answer()
    asset = key(pipeline, "drift_report").to_user_string()
    try:
        change = change_over_the_month(instance, platform, pipeline, champions)
    except (SnapshotError, UnreachableError) as problem:
        said = f"the reports cannot be read: {' '.join(str(problem).splitlines())}"
        return Answer(said=said, standing=WARNING, due=True, page=page_of(asset))
    if change is None:
        return Answer()
    if not change.reports:
        missing = ", ".join(change.without_report)
        return Answer(
            said=f"no report on {missing}" if missing else NOT_YET_KNOWN, due=bool(missing)
        )
    newest = change.reports[-1]
    return Answer(
        said=sentence(change, champions[-1].version),
        standing=WARNING if change.unlearned or change.gaps else OK,
        due=True,
        evidence={"asset": asset, **change.facts},
        timestamp=newest.stored.timestamp,
        page=f"{page_of(asset)}?view=partitions&partition={quote(newest.batch, safe='')}",
    )
