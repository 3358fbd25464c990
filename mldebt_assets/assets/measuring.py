"""What is measured of a candidate, its incumbent and the baseline, and what the gate says of it.

All of it follows from the rows and the models alone: nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.model import training_rows
from mldebt_assets.core.features import GROUP, LABEL, inputs_of, promised_of, slices_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.verdict import Verdict, all_passed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.gate import Contest
    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.tasks.task import Rule
    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.pipeline import Pipeline


ROLES = ("candidate", "incumbent", "baseline")


def evaluate(
    pipeline: Pipeline,
    rows: pd.DataFrame,
    *,
    candidate: FittedModel,
    incumbent: FittedModel | None,
    forward: dict[str, float],
) -> tuple[dict[str, Any], tuple[Verdict, ...]]:
    """Return what was measured, as plain values, and the gate's verdicts.

    All models score the same rows: the held-out groups of the newest batches. The baseline is
    fitted here, on the rows that the candidate was fitted on.
    """
    from mldebt_assets.core.baseline import fit_baseline
    from mldebt_assets.core.gate import Contest, judge, own_interval
    from mldebt_assets.core.training import predict

    recent = list(dict.fromkeys(rows["_batch"]))[-pipeline.gate.recent_batches :]
    held_out = (split_of(rows[GROUP], pipeline.split) == "held_out") & rows[LABEL].notna()
    judged = rows[held_out & rows["_batch"].isin(recent)]
    inputs = inputs_of(judged)
    learned, tuning = training_rows(pipeline, rows)
    task = pipeline.task
    baseline = fit_baseline(
        inputs_of(learned),
        task.numbers(learned[LABEL]),
        tuning,
        settings=pipeline.training,
        task=task,
    )
    match = Contest(
        labels=task.numbers(judged[LABEL]),
        groups=judged[GROUP].to_numpy(),
        candidate=predict(candidate, inputs),
        incumbent=None
        if incumbent is None
        else task.aligned(predict(incumbent, inputs), incumbent.classes),
        baseline=baseline.predict(inputs),
        slices={name: values.to_numpy() for name, values in slices_of(judged).items()},
        promised={name: values.to_numpy() for name, values in promised_of(judged).items()},
        forward=forward,
        seed=pipeline.training.seed,
        task=task,
    )
    verdicts = judge(match, pipeline.gate)
    rules = {"candidate": candidate.rule, "baseline": candidate.rule}
    if incumbent is not None:
        rules["incumbent"] = incumbent.rule
    models = measure(pipeline, match, rules)
    if models:
        models["candidate"]["interval"] = asdict(own_interval(match, pipeline.gate))
    measured = {
        "task": task.kind,
        "promote": all_passed(verdicts),
        "reason": reason_of(verdicts),
        "judged_on": {"batches": recent, "rows": len(judged), "groups": judged[GROUP].nunique()},
        "models": models,
        "slices": slices(pipeline, match, candidate.rule),
        "groups": promised_groups(pipeline, match, candidate.rule),
        "costs": asdict(pipeline.costs) if pipeline.costs else None,
        "forward": forward,
        "verdicts": [verdict.as_dict() for verdict in verdicts],
    }
    return measured, verdicts


def unmeasured(pipeline: Pipeline, rows: pd.DataFrame, why: str) -> dict[str, Any]:
    """Return an evaluation of rows on which nothing can be measured, with the reason."""
    batches = list(dict.fromkeys(rows["_batch"]))[-pipeline.gate.recent_batches :]
    return {
        "task": pipeline.task.kind,
        "promote": False,
        "reason": why,
        "judged_on": {"batches": batches, "rows": 0, "groups": 0},
        "models": {},
        "slices": [],
        "groups": [],
        "costs": asdict(pipeline.costs) if pipeline.costs else None,
        "forward": {},
        "verdicts": [],
    }


def reason_of(verdicts: tuple[Verdict, ...]) -> str:
    """Return why the candidate was refused, else what it won by."""
    against = [f"{v.name}: {v.reason}" for v in verdicts if not v.passed]
    if against:
        return "; ".join(against)
    by_name = {verdict.name: verdict for verdict in verdicts}
    contested = by_name["beats_incumbent"].measured is not None
    return by_name["beats_incumbent" if contested else "holds_against_baseline"].reason


def measure(pipeline: Pipeline, match: Contest, rules: dict[str, Rule]) -> dict[str, Any]:
    """Return each model's metrics and what is drawn of it, on the judged rows."""
    models: dict[str, Any] = {}
    for name in () if match.unjudgeable else (one for one in ROLES if one in rules):
        scores, rule = getattr(match, name), rules[name]
        models[name] = {
            "threshold": rule.threshold,
            "metrics": match.task.metrics(match.labels, scores, rule, pipeline.costs),
            **match.task.drawings(match.labels, scores),
        }
    return models


def slices(pipeline: Pipeline, match: Contest, rule: Rule) -> list[dict[str, Any]]:
    """Return the candidate's metrics in every slice.

    Beside them stand the ``interval`` of its level over groups and the ``incumbent``'s level; each
    is None where it is not known.
    """
    from mldebt_assets.core.evaluation import metrics_by_slice
    from mldebt_assets.core.slices import levels_by_slice, slice_intervals

    def measured(inside: NDArray[np.bool_]) -> dict[str, float]:
        labels, scores = match.labels[inside], match.candidate[inside]
        return match.task.metrics(labels, scores, rule, pipeline.costs)

    limits, enough = pipeline.gate, {"least_rows": pipeline.gate.slice_rows}
    found = metrics_by_slice(match.slices, measured, **enough)
    beside: dict[tuple[str, str], float] = {}
    intervals: dict[tuple[str, str], Interval] = {}
    if not match.unjudgeable:
        intervals = slice_intervals(
            match.task,
            match.labels,
            match.candidate,
            match.groups,
            match.slices,
            rounds=limits.rounds,
            confidence=limits.confidence,
            seed=match.seed,
            **enough,
        )
        if match.incumbent is not None:
            beside = levels_by_slice(
                match.task, match.labels, match.incumbent, match.slices, **enough
            )
    return [
        {
            **asdict(one),
            "interval": asdict(intervals[place]) if place in intervals else None,
            "incumbent": beside.get(place),
        }
        for one in found
        for place in [(one.dimension, one.value)]
    ]


def promised_groups(pipeline: Pipeline, match: Contest, rule: Rule) -> list[dict[str, Any]]:
    """Return where each promised group stands with the candidate, and with the incumbent.

    ``level`` and ``gap`` are intervals, and None with the ``reason`` for a group that is too small;
    ``rates`` are those of a binary task's decisions, each None where no row could have been so.
    """
    from mldebt_assets.core.evaluation import rates
    from mldebt_assets.core.groups import group_standings

    if not match.promised or match.unjudgeable:
        return []
    told = []
    for one in group_standings(match, pipeline.gate):
        labels, scores = match.labels[one.inside], match.candidate[one.inside]
        judged = one.gap is not None
        metrics = match.task.metrics(labels, scores, rule, pipeline.costs) if judged else None
        beside = None
        if judged and match.incumbent is not None:
            beside = match.task.measure(labels, match.incumbent[one.inside])
        told.append(
            {
                "dimension": one.dimension,
                "value": one.value,
                "rows": one.rows,
                "level": asdict(one.level) if one.level else None,
                "gap": asdict(one.gap) if one.gap else None,
                "incumbent": beside,
                "rates": rates(metrics) if metrics and pipeline.costs else None,
                "metrics": metrics,
                "reason": one.reason,
            }
        )
    return told
