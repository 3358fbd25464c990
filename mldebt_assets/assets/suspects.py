"""The checks on ``p/champion`` that what it has learned from, and what came since, is not poisoned.

Looked at are the batches of its training set, and those that arrived later and are no broken feed.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.evidence import failed, report
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.standing import standing_rows
from mldebt_assets.assets.training_set import arrived, effective_at, training_features
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import MLDebtError, RefusedError, UnknownBatchError
from mldebt_assets.core.features import GROUP, LABEL, ROW_ID, inputs_of
from mldebt_assets.core.suspects import (
    DEPENDENCE,
    DUPLICATES,
    LABELS,
    OUTLIERS,
)
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Reading, at_storage_id
from mldebt_assets.store import encode

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from mldebt_assets.core.suspects.finding import Finding
    from mldebt_assets.core.suspects.rows import Rows

MEANINGS = {
    LABELS: "No batch has labels that contradict what its rows say more often than the others'.",
    DUPLICATES: "No batch is flooded with near duplicates of a few rows.",
    OUTLIERS: "No batch has more rows far from all others than the other batches have.",
    DEPENDENCE: "In no batch do labels depend on the features in a way that is new.",
}
CHECKS = tuple(MEANINGS)
MOST_ROWS = 120_000
"""So many rows are looked at, the same number of each batch, in whole groups."""
SHOWN = 20
BATCH = "_batch"


@dataclass(frozen=True)
class Looked:
    """What the checks look at: rows as numbers, and the whole table that says which these are."""

    version: int
    rows: "Rows"
    table: "pd.DataFrame"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the four checks on the champion."""
    return [check(pipeline, name) for name in CHECKS]


def check(pipeline: Pipeline, name: str) -> dg.AssetsDefinition:
    """Return one of the checks."""

    @dg.asset_check(asset=key(pipeline, "champion"), name=name, description=MEANINGS[name])
    def suspected(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        try:
            looked = look(context.instance, platform, pipeline)
            found = finders()[name](looked.rows, seed=pipeline.training.seed)
        except MLDebtError as problem:
            return failed(pipeline, name, f"Not shown: {problem}")
        return result(pipeline, platform, looked, found)

    return suspected


def finders() -> "dict[str, Callable[..., Finding]]":
    """Return what finds each check's suspects."""
    from mldebt_assets.core.suspects.dependence import new_dependence
    from mldebt_assets.core.suspects.duplicates import duplicate_flood
    from mldebt_assets.core.suspects.labels import label_noise
    from mldebt_assets.core.suspects.outliers import outlier_rows

    return {
        LABELS: label_noise,
        DUPLICATES: duplicate_flood,
        OUTLIERS: outlier_rows,
        DEPENDENCE: new_dependence,
    }


def look(instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline) -> Looked:
    """Return the rows that the champion has learned from, and those that came since.

    Of an adopted champion nobody knows the former: every batch that came is looked at. Where
    somebody was forgotten in the former, what took their place is.

    Raises: RefusedError before there is a champion; NothingSuspectedError for too few rows.
    """
    from mldebt_assets.core.suspects.rows import rows_of

    record = platform.record(pipeline.name)
    champion = record.champion()
    if champion is None:
        said = f"{pipeline.name} has no champion yet, so there is nothing that it stands on."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}`.")
    body, reading = champion.promotion.body, Reading(instance, platform.snapshots)
    stored, ends = {}, {}
    if body["training_set"] is not None:
        manifest = at_storage_id(
            instance, key(pipeline, "training_set"), body["training_set"]["storage_id"]
        )
        learned = training_features(instance, pipeline, manifest)
        there = standing_rows(instance, platform, pipeline, learned)
        stored = {str(one.batch): one for one in there}
        ends = {one["batch"]: one["effective_at"] for one in reading.load(manifest)["batches"]}
    refused = unlearnable(record.facts())
    for features, validated in arrived(instance, pipeline, None):
        name = str(features.batch)
        if name not in stored and validated.snapshot.sha256 not in refused:
            stored[name], ends[name] = features, effective_at(validated).isoformat()
    order = tuple(sorted(stored, key=lambda name: (ends[name], name)))
    table = reading.load_together([stored[name] for name in order])
    task = pipeline.task
    rows = rows_of(
        inputs_of(table),
        task.numbers(table[LABEL]),
        classes=0 if task.kind == "regression" else max(len(task.classes), 2),
        groups=table[GROUP].to_numpy(),
        batches=table[BATCH].to_numpy(),
        order=order,
        rare_below=pipeline.training.rare_below,
        most=MOST_ROWS,
        seed=pipeline.training.seed,
    )
    return Looked(champion.version, rows, table)


def named(looked: Looked, found: "Finding") -> "pd.DataFrame":
    """Return the suspected rows, the worst first: batch, place in it from 1, id and score."""
    batch = looked.table[BATCH]
    number = (batch.groupby(batch, sort=False).cumcount() + 1).to_numpy()
    suspects: pd.DataFrame = looked.table.iloc[found.place][[BATCH, ROW_ID]].set_axis(
        ["batch", "row_id"], axis=1
    )
    suspects.insert(1, "row", number[found.place])
    return suspects.assign(score=found.score).reset_index(drop=True)


def result(
    pipeline: Pipeline, platform: Platform, looked: Looked, found: "Finding"
) -> dg.AssetCheckResult:
    """Return a finding as its check's result; all suspects are stored as one table."""
    name, suspects = found.verdict.name, named(looked, found)
    details: dict[str, Any] = {
        "version": looked.version,
        "batches": dg.MetadataValue.json([one.as_dict() for one in found.batches]),
        "suspected": len(suspects),
    }
    if len(suspects):
        blob = encode(suspects)
        stored = platform.snapshots.put(
            blob.data, folder=f"{pipeline.name}/suspects", name=name + blob.suffix
        )
        shown = suspects.head(SHOWN).to_dict("records")
        details |= {
            "worst": dg.MetadataValue.table(
                [dg.TableRecord({str(name): said for name, said in one.items()}) for one in shown]
            ),
            "all of them": stored.path,
            "all of them, SHA-256": stored.sha256,
        }
    return check_result(
        found.verdict,
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details=details,
    )


def suspected(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    by: str,
    *,
    rows: int,
    batch: str | None = None,
) -> "tuple[dict[str, Any], pd.DataFrame]":
    """Look because a person asks, keep what was found as the checks; return it, and all suspects.

    ``rows`` are how many of each check's worst rows are in the answer. All batches are looked at;
    with ``batch`` the answer speaks of that one alone.
    Raises: as :func:`look`; UnknownBatchError if none of these is called so.
    """
    import pandas as pd

    from mldebt_assets.core.suspects.finding import verdict_on

    started = time.monotonic()
    looked = look(instance, platform, pipeline)
    if batch is not None and batch not in looked.rows.batches:
        raise UnknownBatchError.of(pipeline.name, batch, looked.rows.batches)
    checks, every = {}, []
    for name, find in finders().items():
        found = find(looked.rows, seed=pipeline.training.seed)
        report(instance, result(pipeline, platform, looked, found), by)
        suspects, verdict, batches = named(looked, found), found.verdict, list(found.batches)
        if batch is not None:
            batches = [one for one in batches if one.batch == batch]
            verdict = verdict_on(name, batches, verdict.unit, found.what)
            suspects = suspects[suspects["batch"] == batch]
        every.append(suspects.assign(check=name))
        checks[name] = {
            **{part: value for part, value in verdict.as_dict().items() if part != "name"},
            "suspected": len(suspects),
            "batches": [one.as_dict() for one in batches],
            "worst": suspects.head(rows).to_dict("records"),
        }
    answer = {
        "pipeline": pipeline.name,
        "version": looked.version,
        "passed": all(one["passed"] for one in checks.values()),
        "looked_at": len(looked.rows),
        "rows_in_all": len(looked.table),
        "checks": checks,
        "file": None,
        "seconds": time.monotonic() - started,
    }
    return answer, pd.concat(every, ignore_index=True)
