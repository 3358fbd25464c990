"""Equal input, no work: a step takes the result that the same work made before, and says so.

Work is the same where the hashes of all inputs, the code and the configuration are. What is taken
is the snapshot of an earlier materialization, with its facts and its checks; what was read, and at
which events, is recorded anew.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mldebt_assets.core.fingerprint import digest
from mldebt_assets.costs import COSTS
from mldebt_assets.pipeline import Pipeline, as_configuration
from mldebt_assets.provenance import code_digest
from mldebt_assets.snapshots import Reading, Stored, as_stored

WORK = "work"
RESULT = "result"
RESULTS_LOOKED_THROUGH = 20
NOT_CARRIED = {"sha256", "md5", "bytes", "snapshot", "pointer", *COSTS}

Made = dg.AssetCheckResult | dg.Output[Any]


@dataclass(frozen=True)
class Earlier:
    """What an earlier run made of the same work: a snapshot an output, and its checks."""

    results: dict[str, Stored]
    checks: list[dg.AssetCheckResult]


def once(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    reading: Reading,
    make: Callable[[], Iterator[Made]],
    *,
    of_any_batch: bool = False,
    **also: Any,
) -> Iterator[Made]:
    """Yield what equal work made before, else what ``make`` makes now.

    Everything that decides the result must be noted in ``reading`` beforehand, or be named in
    ``also`` as plain values; ``of_any_batch`` says that ``also`` alone decides it, so that what was
    made for another batch is taken too.
    """
    work = work_of(pipeline, {} if of_any_batch else reading.hashes(), also)
    earlier = find(context, reading, work, of_any_batch=of_any_batch)
    if earlier is not None:
        yield from again(context, reading, earlier)
        return
    for made in make():
        if isinstance(made, dg.Output):
            facts = {WORK: work, RESULT: "made by this run", **reading.metadata()}
            context.add_output_metadata(facts, output_name=made.output_name)
        yield made


def work_of(pipeline: Pipeline, reads: dict[str, dict[str, str]], also: dict[str, Any]) -> str:
    """Return the digest that names this work: inputs by their hashes, code and configuration."""
    return digest(
        {
            "reads": reads,
            "also": also,
            "code": code_digest(),
            "configuration": as_configuration(pipeline),
        }
    )


def find(
    context: dg.AssetExecutionContext, reading: Reading, work: str, *, of_any_batch: bool
) -> Earlier | None:
    """Return what one earlier run made of the same work, if all of it is still stored."""
    results: dict[str, Stored] = {}
    batch = context.partition_key if context.has_partition_key and not of_any_batch else None
    for output, asset in context.assets_def.keys_by_output_name.items():
        records = context.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[batch] if batch else None),
            limit=RESULTS_LOOKED_THROUGH,
        ).records
        equal = [one for one in map(as_stored, records) if one.metadata.get(WORK) == work]
        if not equal or not reading.has(equal[0]):
            return None
        results[output] = equal[0]
    run_id, *other_runs = {one.run_id for one in results.values()}
    expected = set(context.assets_def.check_keys)
    checks = checks_of(context.instance, run_id, expected, batch) if expected else {}
    if other_runs or set(checks) != expected:
        return None
    return Earlier(results, list(checks.values()))


def checks_of(
    instance: dg.DagsterInstance, run_id: str, expected: set[dg.AssetCheckKey], batch: str | None
) -> dict[dg.AssetCheckKey, dg.AssetCheckResult]:
    """Return those of the expected checks that a run evaluated on this batch, as its events say."""
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    evaluations = [
        event.dagster_event.asset_check_evaluation_data for event in events if event.dagster_event
    ]
    return {
        evaluation.asset_check_key: dg.AssetCheckResult(
            passed=evaluation.passed,
            asset_key=evaluation.asset_key,
            check_name=evaluation.check_name,
            severity=evaluation.severity,
            description=evaluation.description,
            metadata=evaluation.metadata,
        )
        for evaluation in evaluations
        if evaluation.asset_check_key in expected and evaluation.partition == batch
    }


def again(context: dg.AssetExecutionContext, reading: Reading, earlier: Earlier) -> Iterator[Made]:
    """Yield an earlier run's checks and snapshots as this run's."""
    yield from earlier.checks
    for output, stored in earlier.results.items():
        when = datetime.fromtimestamp(stored.timestamp, UTC)
        said = f"taken from run {stored.run_id} of {when:%Y-%m-%d %H:%M} UTC, nothing was computed"
        context.log.info(
            "%s: equal inputs, code and configuration; %s", stored.asset.to_user_string(), said
        )
        carried = {n: v for n, v in stored.described.items() if n not in NOT_CARRIED}
        metadata: dict[str, Any] = {**carried, RESULT: said, **reading.metadata()}
        yield dg.Output(stored.snapshot, output_name=output, metadata=metadata)
