"""The same work with no platform: one plain script that reads, validates, trains and scores.

It takes the twelve months of flights one after another, as ``mldebt replay flight_delays`` does,
with the same model code, the same checks and the same gate, but with no lineage, no stored
snapshots, no records and no registry: what it learned is gone when it ends. ``replay.py`` compares
the two.

    python benchmarks/bare_script.py LANDING_FOLDER OUTPUT_FOLDER
"""

from __future__ import annotations

import json
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from mldebt_assets.core.baseline import fit_baseline
from mldebt_assets.core.drift.rule import judge as judge_drift
from mldebt_assets.core.evaluation import calibration_curve, metrics, metrics_by_slice, roc_curve
from mldebt_assets.core.features import GROUP, LABEL, feature_table, inputs_of, slices_of
from mldebt_assets.core.fingerprint import split_of
from mldebt_assets.core.gate import Contest
from mldebt_assets.core.gate import judge as judge_gate
from mldebt_assets.core.onnx_export import onnx_disagreement, to_onnx
from mldebt_assets.core.quality import judge as judge_quality
from mldebt_assets.core.tables import parse
from mldebt_assets.core.training import FittedModel, fit, predict, to_bytes
from mldebt_assets.core.verdict import all_passed
from mldebt_assets.pipelines.flight_delays import flight_delays as pipeline
from mldebt_assets.plots import evaluation_figure


def main(landing: Path, out: Path) -> dict[str, float]:
    """Work through the months; return the ROC AUC of every month that was served."""
    champion: FittedModel | None = None
    reference: list[pd.DataFrame] = []
    history: list[pd.DataFrame] = []
    validated: list[pd.DataFrame] = []
    served: dict[str, float] = {}
    for path in sorted(landing.glob("*.csv")):
        rows = read(path)
        table = features(rows).assign(_batch=path.stem)
        history.append(table)
        validated.append(rows)
        drifted = False
        if champion is not None:
            served[path.stem] = score(champion, table)
            report = judge_drift(
                pd.concat(reference), rows, columns=pipeline.watched, limits=pipeline.drift
            )
            drifted = report.drifted
        if len(history) >= pipeline.retraining.first_batches and (champion is None or drifted):
            candidate = train(history, champion, out / path.stem)
            if candidate is not None:
                champion = candidate
                (out / f"{path.stem}.onnx").write_bytes(export(champion, table))
                reference = validated[-pipeline.drift.reference_batches :]
    return served


def read(path: Path) -> pd.DataFrame:
    """Return the rows of a month that pass the declared expectations."""
    rows = parse(path.read_bytes(), batch=path.stem, columns=pipeline.columns)
    quality = judge_quality(
        rows,
        batch=path.stem,
        columns=pipeline.columns,
        row_key=pipeline.row_key,
        expectations=pipeline.expectations,
        least_rows=pipeline.least_rows,
        quarantine_limit=pipeline.quarantine_limit,
    )
    if quality.refusal is not None:
        raise quality.refusal
    return quality.valid


def features(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the feature table of a month."""
    return feature_table(
        rows,
        pipeline=pipeline.name,
        row_key=pipeline.row_key,
        group=pipeline.split.group,
        label=pipeline.target.label,
        task=pipeline.task,
        features=pipeline.features,
        slices=pipeline.slices,
    )


def score(model: FittedModel, table: pd.DataFrame) -> float:
    """Return the ROC AUC of a month that the model has not seen."""
    known = table[table[LABEL].notna()]
    scores = predict(model, inputs_of(known))
    labels = known[LABEL].to_numpy()
    found = metrics(labels, scores, threshold=model.threshold, costs=pipeline.costs)
    return found["roc_auc"]


def train(
    history: list[pd.DataFrame], champion: FittedModel | None, out: Path
) -> FittedModel | None:
    """Train on all history; return the candidate if the gate lets it through."""
    table = pd.concat(history, ignore_index=True)
    place = split_of(table[GROUP], pipeline.split)
    learn = (place != "held_out") & table[LABEL].notna()
    rows, tuning = table[learn], (place[learn] == "tuning").to_numpy()
    labels = rows[LABEL].to_numpy()
    model = fit(inputs_of(rows), labels, tuning, settings=pipeline.training, costs=pipeline.costs)
    out.with_suffix(".safetensors").write_bytes(to_bytes(model))
    baseline = fit_baseline(inputs_of(rows), labels, tuning, settings=pipeline.training)
    recent = list(dict.fromkeys(table["_batch"]))[-pipeline.gate.recent_batches :]
    held_out = (place == "held_out") & table[LABEL].notna() & table["_batch"].isin(recent)
    judged = table[held_out]
    inputs = inputs_of(judged)
    contest = Contest(
        labels=judged[LABEL].to_numpy(),
        groups=judged[GROUP].to_numpy(),
        candidate=predict(model, inputs),
        incumbent=None if champion is None else predict(champion, inputs),
        baseline=baseline.predict(inputs),
        slices={name: values.to_numpy() for name, values in slices_of(judged).items()},
        seed=pipeline.training.seed,
    )
    evaluate(contest, model.threshold, out)
    return model if all_passed(judge_gate(contest, pipeline.gate)) else None


def evaluate(contest: Contest, threshold: float, out: Path) -> None:
    """Write metrics, slices and the picture of a candidate."""
    models = {}
    for name in ("candidate", "incumbent", "baseline"):
        scores = getattr(contest, name)
        if scores is None:
            continue
        curves = {
            "roc": roc_curve(contest.labels, scores),
            "calibration": calibration_curve(contest.labels, scores),
        }
        found = metrics(contest.labels, scores, threshold=threshold, costs=pipeline.costs)
        models[name] = {"threshold": threshold, "metrics": found, "curves": curves}

    def measured(inside: Any) -> dict[str, float]:
        labels, scores = contest.labels[inside], contest.candidate[inside]
        return metrics(labels, scores, threshold=threshold, costs=pipeline.costs)

    metrics_by_slice(contest.slices, measured, least_rows=pipeline.gate.slice_rows)
    picture = evaluation_figure({"models": models, "costs": asdict(pipeline.costs)})
    out.with_suffix(".png").write_bytes(picture.png)
    text = json.dumps({name: model["metrics"] for name, model in models.items()})
    out.with_suffix(".json").write_text(text)


def export(model: FittedModel, table: pd.DataFrame) -> bytes:
    """Return the model as ONNX, once it agrees with PyTorch on a month's rows."""
    exported = to_onnx(model)
    if onnx_disagreement(model, exported, inputs_of(table)) > 1e-5:
        raise ArithmeticError("ONNX and PyTorch disagree")
    return exported


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    started = time.monotonic()
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    target.mkdir(parents=True, exist_ok=True)
    aucs = main(folder, target)
    print(json.dumps({"served": aucs, "seconds": time.monotonic() - started}))
