"""What is measured of a candidate, its incumbent and the baseline, and what the gate says of it.

All of it follows from the rows and the models alone: nothing is read or written here.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.model import training_rows
from mldebt_assets.core.features import GROUP, LABEL, inputs_of, slices_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.verdict import Verdict, all_passed

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.core.gate import Contest
    from mldebt_assets.core.intervals import Interval
    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.pipeline import Pipeline


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
    baseline = fit_baseline(
        inputs_of(learned), learned[LABEL].to_numpy(), tuning, settings=pipeline.training
    )
    match = Contest(
        labels=judged[LABEL].to_numpy(),
        groups=judged[GROUP].to_numpy(),
        candidate=predict(candidate, inputs),
        incumbent=None if incumbent is None else predict(incumbent, inputs),
        baseline=baseline.predict(inputs),
        slices={name: values.to_numpy() for name, values in slices_of(judged).items()},
        forward=forward,
        seed=pipeline.training.seed,
    )
    verdicts = judge(match, pipeline.gate)
    thresholds = {
        "candidate": candidate.threshold,
        "incumbent": incumbent.threshold if incumbent else None,
        "baseline": candidate.threshold,
    }
    models = measure(pipeline, match, thresholds)
    if models:
        models["candidate"]["interval"] = asdict(own_interval(match, pipeline.gate))
    measured = {
        "promote": all_passed(verdicts),
        "reason": reason_of(verdicts),
        "judged_on": {"batches": recent, "rows": len(judged), "groups": judged[GROUP].nunique()},
        "models": models,
        "slices": slices(pipeline, match, candidate.threshold),
        "costs": asdict(pipeline.costs),
        "forward": forward,
        "verdicts": [verdict.as_dict() for verdict in verdicts],
    }
    return measured, verdicts


def reason_of(verdicts: tuple[Verdict, ...]) -> str:
    """Return why the candidate was refused, else what it won by."""
    against = [f"{v.name}: {v.reason}" for v in verdicts if not v.passed]
    if against:
        return "; ".join(against)
    by_name = {verdict.name: verdict for verdict in verdicts}
    contested = by_name["beats_incumbent"].measured is not None
    return by_name["beats_incumbent" if contested else "holds_against_baseline"].reason


def measure(
    pipeline: Pipeline, match: Contest, thresholds: dict[str, float | None]
) -> dict[str, Any]:
    """Return each model's metrics and curves on the judged rows."""
    from mldebt_assets.core.evaluation import (
        calibration_curve,
        metrics,
        roc_curve,
        score_histogram,
    )

    models: dict[str, Any] = {}
    for name, threshold in ({} if match.unjudgeable else thresholds).items():
        scores = getattr(match, name)
        if scores is None or threshold is None:
            continue
        curves = {
            "roc": roc_curve(match.labels, scores),
            "calibration": calibration_curve(match.labels, scores),
        }
        histogram = score_histogram(scores, match.labels)
        models[name] = {
            "threshold": threshold,
            "metrics": metrics(match.labels, scores, threshold=threshold, costs=pipeline.costs),
            "curves": {
                curve: {axis: values.tolist() for axis, values in points.items()}
                for curve, points in curves.items()
            },
            "scores": {name: counts.tolist() for name, counts in histogram.items()},
        }
    return models


def slices(pipeline: Pipeline, match: Contest, threshold: float) -> list[dict[str, Any]]:
    """Return the candidate's metrics in every slice.

    Beside them stand the ``interval`` of its ROC AUC over groups and the ``incumbent``'s ROC AUC;
    each is None where it is not known.
    """
    from mldebt_assets.core.evaluation import auc_by_slice, metrics_by_slice
    from mldebt_assets.core.intervals import slice_intervals

    limits, enough = pipeline.gate, {"least_rows": pipeline.gate.slice_rows}
    found = metrics_by_slice(
        match.labels,
        match.candidate,
        match.slices,
        threshold=threshold,
        costs=pipeline.costs,
        **enough,
    )
    beside: dict[tuple[str, str], float] = {}
    intervals: dict[tuple[str, str], Interval] = {}
    if not match.unjudgeable:
        intervals = slice_intervals(
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
            beside = auc_by_slice(match.labels, match.incumbent, match.slices, **enough)
    return [
        {
            **asdict(one),
            "interval": asdict(intervals[place]) if place in intervals else None,
            "incumbent": beside.get(place),
        }
        for one in found
        for place in [(one.dimension, one.value)]
    ]
