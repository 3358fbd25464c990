"""The check on ``p/champion`` that its decisions hold within the noise of the data."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evidence import failed, report
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.predictions import load_model
from mldebt_assets.assets.training_set import arrived
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError, RefusedError
from mldebt_assets.core.features import ROW_ID, inputs_of
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import adopted_by, refused_feeds, told_of_adoption
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading

if TYPE_CHECKING:
    import pandas as pd

    from mldebt_assets.core.noise import Noise
    from mldebt_assets.core.robustness import Worst
    from mldebt_assets.core.training import FittedModel
    from mldebt_assets.core.verdict import Verdict

CHECK = "stable_under_noise"
MEANING = "Clear decisions of the champion hold wherever within their noise the inputs lie."
SHOWN = 5


@dataclass(frozen=True)
class Found:
    """What was found of the champion: its verdict, and what it rests on."""

    version: int
    verdict: "Verdict"
    worst: "Worst"
    facts: dict[str, Any]


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check on the champion that looks for its worst case."""

    @dg.asset_check(asset=key(pipeline, "champion"), name=CHECK, description=MEANING)
    def stable_under_noise(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            found = searched(context.instance, platform, pipeline)
        except MLDebtError as problem:
            return failed(pipeline, CHECK, f"Not shown: {problem}")
        return result(pipeline, found)

    return [stable_under_noise]


def robustness_of(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, by: str
) -> dict[str, Any]:
    """Look for the worst case because a person asks, and keep what was found as the check.

    Raises: RefusedError before there is a champion, and for one that was adopted; SnapshotError if
            what it reads is damaged.
    """
    started = time.monotonic()
    found = searched(instance, platform, pipeline)
    report(instance, result(pipeline, found), by)
    verdict = found.verdict
    return {
        "pipeline": pipeline.name,
        "version": found.version,
        "passed": verdict.passed,
        "measured": verdict.measured,
        "limit": verdict.limit,
        "reason": verdict.reason,
        **found.facts,
        "seconds": time.monotonic() - started,
    }


def searched(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> Found:
    """Return the worst that was found within the noise of the newest rows."""
    from mldebt_assets.core.gradients import gradient_of
    from mldebt_assets.core.graphs import scorer
    from mldebt_assets.core.noise import boxes_of, noises
    from mldebt_assets.core.robustness import Search, clear_rows, verdict_on

    champion = platform.record(pipeline.name).champion()
    if champion is None:
        said = f"{pipeline.name} has no champion yet, so nothing decides."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}`.")
    body, policy = champion.promotion.body, pipeline.robustness
    adopted = adopted_by(body)
    if adopted is not None:
        raise RefusedError.of(
            f"{pipeline.name} v{champion.version} was {told_of_adoption(adopted)}: what it makes "
            "of its inputs is not known, so none can be moved.",
            "ask again once a version that was trained here is champion.",
        )
    model = load_model(pipeline, platform, body)
    table = newest_rows(instance, platform, pipeline)
    declared = {one.name: one.noise for one in pipeline.columns if one.noise is not None}
    known = noises(model.encoding, inputs_of(table), declared, assumed=policy.assumed)
    seen = table.sample(min(policy.rows, len(table)), random_state=pipeline.training.seed)
    graph = platform.snapshots.get(
        name=f"{pipeline.name}/onnx version {champion.version}",
        sha256_hex=body["onnx"]["sha256"],
        md5=body["onnx"]["md5"],
    )
    search = Search(
        boxes=boxes_of(model.encoding, inputs_of(seen), known),
        score=scorer(graph, pipeline.task.answer),
        rule=model.rule,
        seed=pipeline.training.seed,
        gradient=gradient_of(model),
    )
    worst = search.run()
    clear = clear_rows(worst.nearness, policy.undecided)
    return Found(
        champion.version,
        verdict_on(CHECK, worst, policy),
        worst,
        {
            "batches": list(dict.fromkeys(table["_batch"])),
            "rows": len(seen),
            "clear": int(clear.sum()),
            "flips": int((worst.flips & clear).sum()),
            "change": changes(worst),
            "inputs": sensitive(model, known, worst, search.boxes.movable().tolist()),
            "worst": shaky(pipeline, seen, worst, model),
        },
    )


def newest_rows(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> "pd.DataFrame":
    """Return the newest batches, as many as hold the rows that are looked at; no broken feed."""
    reading = Reading(instance, platform.snapshots)
    refused = refused_feeds(platform.record(pipeline.name).facts())
    taken, rows = [], 0
    for features, validated in reversed(arrived(instance, pipeline, None)):
        if validated.snapshot.sha256 in refused:
            continue
        taken.append(features)
        rows += len(reading.load(features))
        if rows >= pipeline.robustness.rows:
            break
    return reading.load_together(taken[::-1])


def changes(worst: "Worst") -> dict[str, float]:
    """Return the median, the 99th percentile and the maximum of the changes."""
    import numpy as np

    half, most, maximum = (float(one) for one in np.quantile(worst.change, [0.5, 0.99, 1.0]))
    return {"median": half, "percentile_99": most, "maximum": maximum}


def sensitive(
    model: "FittedModel", known: "list[Noise]", worst: "Worst", movable: list[int]
) -> list[dict[str, Any]]:
    """Return every number with its noise and the change that it makes alone, the most first."""
    import numpy as np

    alone = dict(zip(movable, worst.by_input.T, strict=True))
    still = np.zeros(len(worst.change))
    told = [
        {
            **one.as_dict(),
            "change": float(alone.get(place, still).mean()),
            "most": float(alone.get(place, still).max()),
        }
        for place, (one, _) in enumerate(zip(known, model.encoding.numbers, strict=True))
    ]
    return sorted(told, key=lambda one: (-one["change"], one["name"]))


def shaky(
    pipeline: Pipeline, seen: "pd.DataFrame", worst: "Worst", model: "FittedModel"
) -> list[dict[str, Any]]:
    """Return the rows whose score can be moved farthest, by their ids."""
    import numpy as np

    from mldebt_assets.core.training import predict

    order = np.argsort(-worst.change, kind="stable")[:SHOWN]
    rows = seen.iloc[order]
    scores = pipeline.task.served(predict(model, inputs_of(rows)), model.rule)["score"]
    return [
        {
            "batch": str(batch),
            "row_id": str(row_id),
            "score": float(score),
            "change": float(worst.change[place]),
            "flips": bool(worst.flips[place]),
        }
        for place, batch, row_id, score in zip(
            order, rows["_batch"], rows[ROW_ID], scores, strict=True
        )
    ]


def result(pipeline: Pipeline, found: Found) -> dg.AssetCheckResult:
    """Return what was found as the check's result."""
    tables = {
        name: dg.MetadataValue.table([dg.TableRecord(one) for one in found.facts[name]])
        for name in ("inputs", "worst")
        if found.facts[name]
    }
    return check_result(
        found.verdict,
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details={
            "version": found.version,
            "rows": found.facts["rows"],
            "clear": found.facts["clear"],
            "change": dg.MetadataValue.json(found.facts["change"]),
            **tables,
        },
    )
