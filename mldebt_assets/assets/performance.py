"""``p/performance``: how well a batch was served, as far as its labels are known by now.

The check fails where the champion has lost too much of its own level. The window looks back over
the batches that the same champion scored, at their newest predictions and labels; what it read is
recorded, so a window that was made before a batch's labels came in can be told from its hashes.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets import outcomes
from mldebt_assets.assets.drift_reference import STAGE as REFERENCE
from mldebt_assets.assets.drift_reference import loaded_reference
from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.performance_page import page
from mldebt_assets.assets.predictions import load_model, read_of_model
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.standing import standing
from mldebt_assets.assets.training_set import arrived
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.features import GROUP, LABEL, ROW_ID, inputs_of
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, Stored, newest_of_each, read_metadata

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.core.performance import Judgement, Served
    from mldebt_assets.core.tasks.task import Task

CHECK = "no_drop"
MEANING = "The champion has not lost more than its limit of what it could do when promoted."
NOTHING_SERVED = "no champion yet, so nothing was served"
OTHERS = {"replaced": "replaced", "first": "never_retrained"}


@dataclass(frozen=True)
class Part:
    """One batch of a window: the scores that were served, and the table that holds its labels."""

    predictions: Stored
    features: Stored


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that measures how well a batch was served, with its check."""
    asset_key = key(pipeline, "performance")

    @dg.asset(
        **common(pipeline, "performance", kinds={"scipy", "json"}, partitioned=True),
        deps=[key(pipeline, stage) for stage in ("scorer", REFERENCE, "predictions", "features")],
        check_specs=[check_spec(CHECK, asset_key, MEANING, partitions=batches(pipeline))],
        description="How well the batch was served, in ranking and in money, as labels come in; "
        "how far its scores and labels lie from those of the champion's held-out rows.",
    )
    def performance(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        instance, batch = context.instance, context.partition_key
        reading = Reading(instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), batch))
        scorer = standing(instance, platform, pipeline, pinned)
        reference = reading.take(key(pipeline, REFERENCE), batch)
        refused = unlearnable(platform.record(pipeline.name).facts())
        until = features_until(instance, pipeline, batch, refused)
        own = Part(reading.newest(key(pipeline, "predictions"), batch), until[-1])
        window = [*earlier_parts(instance, pipeline, scorer, until), own]
        for part in window:
            reading.note(part.predictions)
            reading.note(part.features)
        before = performances_before(instance, pipeline, until)

        def make() -> Iterator[Made]:
            tables = [(reading.load(one.predictions), reading.load(one.features)) for one in window]
            report, judgement = measure(pipeline, platform, scorer, window, tables)
            beside = loaded_reference(platform, reference)
            found = outcomes.judged_outcomes(pipeline, scorer, beside, *tables[-1])
            report["outcomes"] = found
            yield check_result(judgement.verdict, asset_key, severity=dg.AssetCheckSeverity.WARN)
            history = [*(platform.snapshots.load(one.snapshot) for one in before), report]
            reads = read_metadata(before, part="history") | reads_of_others(pipeline, scorer)
            facts = {**page(history, pipeline.currency), **outcomes.page(found)}
            yield dg.Output(report, metadata={**facts, **reads})

        history = {str(one.batch): one.snapshot.sha256 for one in before}
        yield from once(context, pipeline, reading, make, history=history)

    return [performance]


def features_until(
    instance: dg.DagsterInstance, pipeline: Pipeline, batch: str, refused: Container[str]
) -> list[Stored]:
    """Return the features of every batch up to this one, by their data's time; this one last.

    Left out are those whose validated rows' SHA-256 is in ``refused``, but for this one.
    """
    found = [
        features
        for features, validated in arrived(instance, pipeline, batch)
        if features.batch == batch or validated.snapshot.sha256 not in refused
    ]
    return sorted(found, key=lambda features: features.batch == batch)


def earlier_parts(
    instance: dg.DagsterInstance,
    pipeline: Pipeline,
    scorer: dict[str, Any],
    until: Sequence[Stored],
) -> list[Part]:
    """Return the window's batches before the last, as far as the champion of the last scored them.

    One of which the predictions are not there, since its run failed, is left out.
    """
    if scorer["version"] is None:
        return []
    earlier = until[-pipeline.performance.window_batches :][:-1]
    names = [str(features.batch) for features in earlier]
    scored = newest_of_each(instance, key(pipeline, "predictions"), names)
    return [
        Part(scored[batch], features)
        for batch, features in zip(names, earlier, strict=True)
        if batch in scored and scored[batch].metadata.get("scored by") == scorer["version"]
    ]


def performances_before(
    instance: dg.DagsterInstance, pipeline: Pipeline, until: Sequence[Stored]
) -> list[Stored]:
    """Return what was measured on earlier batches: as many as are shown and summed up."""
    earlier = until[-pipeline.performance.history_batches :][:-1]
    names = [str(features.batch) for features in earlier]
    return list(newest_of_each(instance, key(pipeline, "performance"), names).values())


def outdated(instance: dg.DagsterInstance, pipeline: Pipeline) -> list[Stored]:
    """Return what was measured on other bytes than are there by now, in the order of the batches.

    Labels that come late change a batch's features, and with them every window that holds it.
    """
    names = sorted(instance.get_dynamic_partitions(batches(pipeline).name or ""))
    measured = newest_of_each(instance, key(pipeline, "performance"), names)
    now = {
        key(pipeline, stage).to_user_string(): newest_of_each(instance, key(pipeline, stage), names)
        for stage in ("predictions", "features")
    }
    return [
        performance
        for performance in measured.values()
        if any(
            now[asset][batch].snapshot.sha256 != sha256
            for asset in now
            for batch, (sha256, _) in performance.reads[asset].items()
            if batch in now[asset]
        )
    ]


def measure(
    pipeline: Pipeline,
    platform: Platform,
    scorer: dict[str, Any],
    window: Sequence[Part],
    tables: "Sequence[tuple[pd.DataFrame, pd.DataFrame]]",
) -> "tuple[dict[str, Any], Judgement]":
    """Return what was measured, as plain values, and whether the champion has dropped.

    The window's last batch is the one that is measured; ``tables`` are its predictions and
    features.
    """
    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.performance import judge, level, nothing_served, realised, together

    task = pipeline.task
    served = [
        served_rows(task, predictions, labels_of(features)) for predictions, features in tables
    ]
    features, whole = tables[-1][1], together(served)
    limits, seed = pipeline.performance, pipeline.training.seed
    expected = (scorer.get("expected") or {}).get(task.level.key)
    judgement = judge(whole, expected, limits, seed, task)
    if scorer["version"] is None:
        judgement = nothing_served(NOTHING_SERVED, task)
    own = level(served[-1], limits, seed, task)
    labels = features[LABEL].dropna()
    rate = task.base_rate(task.numbers(labels))
    report = {
        "batch": window[-1].features.batch,
        "task": task.kind,
        "version": scorer["version"],
        "replaced": (scorer.get("replaced") or {}).get("version"),
        "first": (scorer.get("first") or {}).get("version"),
        "rows": len(features),
        "labelled": len(labels),
        "base_rate": rate,
        "metrics": realised(served[-1], task.rule_in(tables[-1][0]), pipeline.costs, task),
        "interval": asdict(own) if isinstance(own, Interval) else None,
        "costs": costs_of(pipeline, platform, scorer, served[-1], tables[-1]),
        "window": {
            "batches": [part.features.batch for part in window],
            "rows": len(whole),
            "labelled": len(whole.labelled),
            "interval": asdict(judgement.interval) if judgement.interval else None,
        },
        "expected": expected,
        "judged": judgement.judged,
        "dropped": judgement.dropped,
        "summary": judgement.summary,
        "verdict": judgement.verdict.as_dict(),
    }
    return report, judgement


def labels_of(features: "pd.DataFrame") -> "pd.DataFrame":
    """Return what is known of a batch's labels: ``_label`` and ``_group``, by the rows' ids."""
    return features.set_index(ROW_ID)[[LABEL, GROUP]]


def served_rows(task: "Task", predictions: "pd.DataFrame", labels: "pd.DataFrame") -> "Served":
    """Return the rows that were served, with their labels; NaN where there is none for a row."""
    from mldebt_assets.core.performance import Served

    found = labels.reindex(predictions[ROW_ID])
    return Served(
        labels=task.numbers(found[LABEL]),
        scores=task.scores_in(predictions),
        alarms=task.alarms_in(predictions),
        groups=found[GROUP].to_numpy(),
    )


def costs_of(
    pipeline: Pipeline,
    platform: Platform,
    scorer: dict[str, Any],
    served: "Served",
    tables: "tuple[pd.DataFrame, pd.DataFrame]",
) -> dict[str, float]:
    """Return what the batch's labelled rows cost, as they were served and by each other way.

    Nothing where no alarms are raised, or nobody served.

    The version that was replaced, and the first that there was, decide by their own thresholds.
    """
    from mldebt_assets.core.performance import money

    if scorer["version"] is None or served.alarms is None or pipeline.costs is None:
        return {}
    predictions, features = tables
    by_weights = {scorer["weights_sha256"]: served.alarms}
    decisions = {"served": served.alarms}
    for role, way in OTHERS.items():
        other = scorer.get(role)
        if other is None:
            continue
        if other["weights_sha256"] not in by_weights:
            alarms = alarms_of(pipeline, platform, other, features)
            alarms = alarms.reindex(predictions[ROW_ID], fill_value=False)
            by_weights[other["weights_sha256"]] = alarms.to_numpy()
        decisions[way] = by_weights[other["weights_sha256"]]
    return money(served.labels, decisions, pipeline.costs)


def alarms_of(
    pipeline: Pipeline, platform: Platform, version: dict[str, Any], features: "pd.DataFrame"
) -> "pd.Series[bool]":
    """Return what another version would have decided, by the rows' ids."""
    import pandas as pd

    from mldebt_assets.core.training import predict

    model = load_model(pipeline, platform, version)
    served = pipeline.task.served(predict(model, inputs_of(features)), model.rule)
    return pd.Series(served["decision"], index=features[ROW_ID])


def reads_of_others(pipeline: Pipeline, scorer: dict[str, Any]) -> dict[str, dg.MetadataValue]:
    """Return the metadata that says which other versions were loaded, by their hashes."""
    reads: dict[str, dg.MetadataValue] = {}
    for role in OTHERS:
        other = scorer.get(role)
        if other is not None and other["weights_sha256"] != scorer["weights_sha256"]:
            reads |= read_of_model(pipeline, role, other)
    return reads
