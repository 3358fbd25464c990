"""``p/drift_report`` and ``p/drift_counts``: a batch beside the reference of its champion.

The batch's rows are counted once, on the bins of that reference, in blocks. Of the reference the
sketches are read, and to calibrate the rule its own blocks, ``p/drift_reference``.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg
import pandas as pd

from mldebt_assets.assets.drift_reference import NO_CHAMPION, loaded_reference
from mldebt_assets.assets.drift_reference import STAGE as REFERENCE
from mldebt_assets.assets.keys import batches, common, key, out_of
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.sketch import SUFFIX, reference_of_champion
from mldebt_assets.assets.standing import standing, still_there
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, newest_of_each, read_metadata
from mldebt_assets.store import Blob

if TYPE_CHECKING:
    from mldebt_assets.core.drift.counts import Reference
    from mldebt_assets.core.drift.report import DriftReport

DEPENDENCIES = ("scorer", REFERENCE, "validated", "predictions", "triage")
CHECK = "no_drift"
MEANING = "The batch looks like the data that its champion was trained on."


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that judges a batch's drift, with its check."""
    report_key = key(pipeline, "drift_report")
    shared = common(pipeline, "drift_report", kinds={"scipy", "json"}, partitioned=True)

    @dg.multi_asset(
        name=f"{pipeline.name}__drift_report",
        group_name=pipeline.name,
        partitions_def=batches(pipeline),
        deps=[key(pipeline, stage) for stage in DEPENDENCIES],
        outs={
            "drift_counts": out_of(
                {**shared, "kinds": {"numpy"}},
                key(pipeline, "drift_counts"),
                "The batch counted on the bins of its champion's reference, in blocks: what "
                "reports sum up.",
            ),
            "drift_report": out_of(
                shared,
                report_key,
                "How far the batch lies from the data that its champion was trained on.",
            ),
        },
        check_specs=[check_spec(CHECK, report_key, MEANING, partitions=batches(pipeline))],
    )
    def drift_report(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        batch = {
            stage: reading.take(key(pipeline, stage), context.partition_key)
            for stage in DEPENDENCIES[1:]
        }
        reports = reports_before(context.instance, pipeline, context.partition_key)
        before = still_there(platform, pipeline, reports)

        def make() -> Iterator[Made]:
            compared = compare(context.instance, platform, pipeline, scorer, batch)
            predictions = platform.snapshots.load(batch["predictions"].snapshot)
            report = {**compared.report, "scores": summary_of(pipeline, predictions)}
            triaged = platform.snapshots.load(batch["triage"].snapshot)
            report |= alarm_of(triaged, drifted=report["drifted"])
            yield check_result(
                verdict_of(report),
                report_key,
                severity=dg.AssetCheckSeverity.WARN,
                details=tables_of(report),
            )
            trend = {str(one.batch): platform.snapshots.load(one.snapshot) for one in before}
            trend[context.partition_key] = report
            facts = {**headline(report), **picture_of(pipeline, trend), **tables_of(report)}
            reads = {**compared.reads, **read_metadata(before, part="trend")}
            yield dg.Output(compared.counts, "drift_counts", metadata=compared.reads)
            yield dg.Output(report, "drift_report", metadata={**facts, **reads})

        trend = {str(one.batch): one.snapshot.sha256 for one in before}
        yield from once(context, pipeline, reading, make, trend=trend)

    return [drift_report]


class Compared(NamedTuple):
    """A batch's report, its counts, and the metadata that says what was read by hash alone."""

    report: dict[str, Any]
    counts: Blob | dict[str, Any]
    reads: dict[str, dg.JsonMetadataValue]


def reports_before(instance: dg.DagsterInstance, pipeline: Pipeline, batch: str) -> list[Stored]:
    """Return the newest report on each batch that arrived before this one, the last that fit."""
    from mldebt_assets.plots.drift import SHOWN_BATCHES

    arrived = list(instance.get_dynamic_partitions(batches(pipeline).name or ""))
    earlier = arrived[: arrived.index(batch)][-SHOWN_BATCHES + 1 :]
    return list(newest_of_each(instance, key(pipeline, "drift_report"), earlier).values())


def compare(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    scorer: dict[str, Any],
    batch: dict[str, Stored],
) -> Compared:
    """Return what the rule says of a batch; before the first champion it judges nothing."""
    if scorer["version"] is None or not scorer["reference"]["batches"]:
        summary = NO_CHAMPION
        if scorer["version"] is not None:
            summary = "nothing is left of the champion's reference: those in it are forgotten"
        unjudged = {"judged": False, "drifted": False, "summary": summary, "reference": None}
        return Compared(unjudged, {"reference": None}, {})
    from mldebt_assets.core.drift.blocks import count_blocks, in_one_block, laid_beside, to_bytes
    from mldebt_assets.core.drift.rule import judge_counts

    reference, reads = reference_of_champion(instance, platform, pipeline, scorer["reference"])
    rows = platform.snapshots.load(batch["validated"].snapshot)
    before = loaded_reference(platform, batch[REFERENCE]).rows
    if before is None:
        counts, blocks = in_one_block(rows, reference), None
    else:
        counts = count_blocks(rows, pipeline.split.group, reference)
        blocks = laid_beside(before, counts, pipeline.training.seed)
    report = judge_counts(reference, counts.whole, pipeline.drift, blocks)
    return Compared(judged(report, reference), Blob(to_bytes(counts), SUFFIX), reads)


def judged(report: "DriftReport", reference: "Reference") -> dict[str, Any]:
    """Return a report as it is stored, with the hash of what the batch was held against."""
    return {"judged": True, "reference": reference.hash, **report.as_dict()}


def picture_of(pipeline: Pipeline, trend: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the picture of these reports, by batch, as metadata; none before the first verdict."""
    from mldebt_assets.plots import drift_figure

    if not any(report["judged"] for report in trend.values()):
        return {}
    picture = drift_figure(
        list(trend.items()),
        distance_limit=pipeline.drift.distance,
        correlation_limit=pipeline.drift.correlation,
    )
    return {"drift over the batches": dg.MetadataValue.md(picture.markdown)}


def summary_of(pipeline: Pipeline, predictions: pd.DataFrame) -> dict[str, Any]:
    """Return how many rows were scored, their mean score, and the share that raised an alarm.

    The share is None for a task that raises none.
    """
    if predictions.empty:
        return {"rows": 0, "mean": None, "alarm_rate": None}
    told = pipeline.task.summary(predictions)
    return {
        "rows": len(predictions),
        "mean": told["mean_score"],
        "alarm_rate": told.get("alarm_rate"),
    }


def alarm_of(triaged: dict[str, Any], *, drifted: bool) -> dict[str, Any]:
    """Return the class of the batch, why, and the faults that were found of its feed.

    The class is None where the batch had nothing to be laid beside.
    """
    from mldebt_assets.core.drift.triage import Triage

    if triaged["triage"] is None:
        return {
            "class": None,
            "class_reason": "there is no earlier batch to lay this one beside",
            "faults": [],
        }
    alarm = Triage.from_dict(triaged["triage"]).alarm(drifted=drifted)
    faults = triaged["triage"]["findings"]
    return {"class": alarm.name, "class_reason": alarm.sentence, "faults": faults}


def verdict_of(report: dict[str, Any]) -> Verdict:
    """Return the whole report as the one verdict that the check shows."""
    drifted = [column["name"] for column in report.get("columns", ()) if column["drifted"]]
    return Verdict(
        name=CHECK,
        passed=not report["drifted"],
        measured=len(drifted) if report["judged"] else None,
        limit=0,
        unit="columns",
        reason=report["summary"],
    )


def headline(report: dict[str, Any]) -> dict[str, Any]:
    """Return what a person wants to read first: the verdict and what it rests on."""
    facts: dict[str, Any] = {
        "class": report["class"] or "none",
        "class reason": report["class_reason"],
        "drifted": report["drifted"],
        "summary": report["summary"],
        "reference": report["reference"] or "none",
    }
    if not report["judged"]:
        return facts
    return {
        **facts,
        "rule": report["rule"],
        "calibration": f"{report['calibration']}: {report['calibration_reason']}",
        "underpowered": report["underpowered"],
    }


def tables_of(report: dict[str, Any]) -> dict[str, dg.TableMetadataValue]:
    """Return every column's numbers, a table a kind: each kind has its own statistics."""
    columns = report.get("columns", [])
    kinds = dict.fromkeys(column["kind"] for column in columns)
    return {f"columns: {kind}": table_of(columns, kind) for kind in kinds}


def table_of(columns: list[dict[str, Any]], kind: str) -> dg.TableMetadataValue:
    """Return the columns of one kind, those that drifted first."""
    chosen = [column for column in columns if column["kind"] == kind]
    statistics = dict.fromkeys(name for column in chosen for name in column["statistics"])
    records = [
        dg.TableRecord(
            {
                "column": column["name"],
                "drifted": column["drifted"],
                **{name: rounded(column["statistics"].get(name)) for name in statistics},
                "reason": column["reason"],
            }
        )
        for column in sorted(chosen, key=lambda column: not column["drifted"])
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in records[0].data])
    return dg.MetadataValue.table(records, schema)


def rounded(value: float | None) -> str | float:
    """Return a statistic to five digits, or an empty cell where it could not be measured."""
    return "" if value is None else round(value, 5)
