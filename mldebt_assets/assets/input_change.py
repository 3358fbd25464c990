"""How much the inputs changed over the last month of the data's time, by the stored reports."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.assets.standing import references, still_there
from mldebt_assets.assets.training_set import effective_at
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Champion, adopted_by
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, at_storage_id, newest_of_each

MONTH = timedelta(days=31)


@dataclass(frozen=True)
class Report:
    """The newest drift report on a batch; ``learned`` says whether the champion knows its rows."""

    batch: str
    stored: Stored
    found: Mapping[str, Any]
    learned: bool

    @property
    def drifted(self) -> bool:
        """Whether the batch drifted from the reference that it was held against."""
        return bool(self.found["drifted"])


@dataclass(frozen=True)
class Change:
    """One thing that changed in one batch, and how far."""

    batch: str
    what: str
    drifted: bool
    measured: float
    limit: float

    @property
    def severity(self) -> tuple[bool, float]:
        """What orders changes: drift before what is no drift, then how many times the limit."""
        return self.drifted, self.measured / self.limit if self.limit else self.measured


@dataclass(frozen=True, kw_only=True)
class MonthOfReports:
    """The judged batches of the month, oldest first, and what is not known of it.

    ``references`` are the versions against whose references the reports stand.
    """

    until: datetime
    reports: tuple[Report, ...]
    without_report: tuple[str, ...]
    references: tuple[int, ...]
    adopted: frozenset[int]
    worst: Change | None

    @property
    def drifted(self) -> tuple[str, ...]:
        """The batches that drifted."""
        return tuple(one.batch for one in self.reports if one.drifted)

    @property
    def unlearned(self) -> tuple[str, ...]:
        """The batches that drifted, and that the champion was not trained on."""
        return tuple(one.batch for one in self.reports if one.drifted and not one.learned)

    @property
    def too_small(self) -> tuple[str, ...]:
        """The batches with too few rows to tell a change from chance."""
        small = [one for one in self.reports if one.found["underpowered"] and not one.drifted]
        return tuple(one.batch for one in small)

    @property
    def gaps(self) -> tuple[str, ...]:
        """The batches of which nothing can be said."""
        return self.without_report + self.too_small

    @property
    def facts(self) -> dict[str, Any]:
        """The month as evidence: the reports by their hashes, and what changed most."""
        worst = self.worst
        return {
            "since": (self.until - MONTH).isoformat(),
            "until": self.until.isoformat(),
            "drifted": list(self.drifted),
            "not_learned": list(self.unlearned),
            "without_report": list(self.without_report),
            "most": worst
            and {
                "batch": worst.batch,
                "what": worst.what,
                "measured": worst.measured,
                "limit": worst.limit,
            },
            "reports": [
                {
                    "batch": one.batch,
                    "sha256": one.stored.snapshot.sha256,
                    "storage_id": one.stored.storage_id,
                    "run_id": one.stored.run_id,
                }
                for one in self.reports
            ],
        }


def change_over_the_month(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champions: list[Champion]
) -> MonthOfReports | None:
    """Return what the newest reports on the last month's batches say; None before any batch.

    Where a batch came again with other bytes, the report on the old ones is none.

    ``champions`` are all that there were, at least one; the last is in production.

    Raises: SnapshotError if a report, or what the champion learned from, is gone or damaged.
    """
    names = instance.get_dynamic_partitions(batches(pipeline).name or "")
    validated = newest_of_each(instance, key(pipeline, "validated"), names)
    month = last_month({batch: effective_at(stored) for batch, stored in validated.items()})
    if not month:
        return None
    stored = {
        batch: one
        for batch, one in newest_of_each(instance, key(pipeline, "drift_report"), month).items()
        if still_there(platform, pipeline, [one])
        and read_of(one, pipeline) == {validated[batch].snapshot.sha256}
    }
    learned = learned_from(instance, platform, pipeline, champions[-1])
    reports = [
        Report(batch, one, platform.snapshots.load(one.snapshot), learned >= read_of(one, pipeline))
        for batch, one in ((batch, stored[batch]) for batch in month if batch in stored)
    ]
    judged = tuple(report for report in reports if report.found["judged"])
    known = references(instance, platform, pipeline)
    named = {known[hash_][0] for hash_ in hashes_of(judged) if hash_ in known}
    every = [change for report in judged for change in changes(report)]
    return MonthOfReports(
        until=effective_at(validated[month[-1]]),
        reports=judged,
        without_report=tuple(batch for batch in month if batch not in stored),
        references=tuple(sorted(named)),
        adopted=frozenset(
            one.version for one in champions if adopted_by(one.promotion.body) is not None
        ),
        worst=max(every, key=lambda change: change.severity, default=None),
    )


def last_month(ends: Mapping[str, datetime]) -> list[str]:
    """Return the batches that began within 31 days before the end of the newest, oldest first.

    A batch begins where the one before it ends, and the first is as long as the next. The newest
    is always among them, however long it is.

    >>> day = datetime.fromisoformat
    >>> last_month({"oct": day("2013-11-01"), "nov": day("2013-12-01"), "dec": day("2014-01-01")})
    ['dec']
    """
    moments = sorted(set(ends.values()))
    if len(moments) > 1:
        moments.insert(0, moments[0] - (moments[1] - moments[0]))
    began = {end: begin for begin, end in pairwise(moments)}
    within = [
        (end, batch)
        for batch, end in ends.items()
        if end == moments[-1] or began[end] >= moments[-1] - MONTH
    ]
    return [batch for _, batch in sorted(within)]


def learned_from(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> set[str]:
    """Return the hashes of the validated batches that the champion is known to be trained on."""
    if adopted_by(champion.promotion.body) is not None:
        return set()
    storage_id = champion.promotion.body["training_set"]["storage_id"]
    stored = at_storage_id(instance, key(pipeline, "training_set"), storage_id)
    manifest = platform.snapshots.load(stored.snapshot)
    return {entry["validated"]["sha256"] for entry in manifest["batches"]}


def read_of(report: Stored, pipeline: Pipeline) -> set[str]:
    """Return the hashes of the validated rows that a report judged."""
    read = report.reads[key(pipeline, "validated").to_user_string()]
    return {sha256 for sha256, _ in read.values()}


def hashes_of(reports: tuple[Report, ...]) -> set[str]:
    """Return the hashes of the references that the reports stand on."""
    return {report.found["reference"] for report in reports}


def changes(report: Report) -> Iterator[Change]:
    """Yield all that a report measured: distributions, missing shares and correlations."""
    limits = {verdict["name"]: verdict["limit"] for verdict in report.found["verdicts"]}
    for column in report.found["columns"]:
        name, values = column["name"], column["statistics"]
        if column["distance"] is not None:
            limit = limits["distributions"]
            yield Change(report.batch, name, column["moved"], column["distance"], limit)
        missing = abs(values["missing_current"] - values["missing_reference"])
        what, limit = f"the missing share of {name}", limits["missing_values"]
        yield Change(report.batch, what, column["missing_moved"], missing, limit)
    for pair in report.found["correlations"]:
        what, limit = f"{pair['first']} with {pair['second']}", limits["correlations"]
        what = f"the correlation of {what}"
        yield Change(report.batch, what, pair["drifted"], abs(pair["change"]), limit)


def sentence(month: MonthOfReports, champion: int) -> str:
    """Return what the month's reports say together, in one sentence.

    ``champion`` is the version in production, which may have learned from what drifted.
    """
    count = len(month.reports)
    own = [version for version in month.references if version not in month.adopted]
    froms = [f"what {' and '.join(f'v{one}' for one in own)} learned from"] if own else []
    froms += [
        f"what was there when v{one} was adopted"
        for one in month.references
        if one in month.adopted
    ]
    parts = [
        f"{len(month.drifted) or 'none'} of {count} batch{'es' * (count > 1)} drifted"
        f"{' from ' * bool(froms)}{' and '.join(froms)} in the month to {month.until:%Y-%m-%d}"
    ]
    if month.worst is not None:
        most = month.worst
        parts[0] += (
            f", most {most.what} in {most.batch} ({most.measured:.3f}, limit {most.limit:g})"
        )
    if month.unlearned and champion in month.adopted:
        parts.append(f"whether v{champion} has learned from them is not known: it was adopted")
    elif month.unlearned:
        parts.append(f"v{champion} has not learned from {', '.join(month.unlearned)}")
    elif month.drifted:
        parts.append(f"v{champion} has learned from all of them")
    if month.without_report:
        parts.append(f"no report on {', '.join(month.without_report)}")
    if month.too_small:
        parts.append(f"too few rows to tell in {', '.join(month.too_small)}")
    return "; ".join(parts)
