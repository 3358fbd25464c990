"""``p/triage``: whether a batch is a broken feed, before anybody learns from it.

A batch is laid beside the reference of the champion that scores it and beside earlier batches;
before the first champion, beside the earlier batches alone. A broken feed is a fact in the
promotion record: nothing is trained on it, or because of it, and no drift is measured against it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import pandas as pd

from mldebt_assets.assets.keys import batches, common, key
from mldebt_assets.assets.reuse import Made, once
from mldebt_assets.assets.sketch import as_declared
from mldebt_assets.assets.standing import standing
from mldebt_assets.assets.training_set import effective_at
from mldebt_assets.assets.verdicts import check_result, check_spec
from mldebt_assets.core.schema import Column
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.forgotten import unlearnable
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import judged_feeds
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import READ_PREFIX, Reading, Stored, newest_of_each, read_metadata

if TYPE_CHECKING:
    from mldebt_assets.core.drift.profile import Profile
    from mldebt_assets.core.drift.triage import Triage

CHECK = "no_broken_feed"
MEANING = "No fault of the feed explains how the batch differs from all before it."
RECENT_BATCHES = 36
"""So many earlier batches are laid beside a new one, and those of its season in earlier years."""
SHA256, EFFECTIVE_AT = "validated sha256", "effective_at"


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the asset that looks for faults of the feed, with its check."""
    asset_key = key(pipeline, "triage")

    @dg.asset(
        **common(pipeline, "triage", kinds={"numpy", "json"}, partitioned=True),
        deps=[key(pipeline, stage) for stage in ("validated", "scorer")],
        check_specs=[check_spec(CHECK, asset_key, MEANING, partitions=batches(pipeline))],
        description="Whether the batch is a broken feed, which nothing may learn from.",
    )
    def triage(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> Iterator[Made]:
        reading = Reading(context.instance, platform.snapshots)
        pinned = reading.load(reading.newest(key(pipeline, "scorer"), context.partition_key))
        scorer = standing(context.instance, platform, pipeline, pinned)
        validated = reading.take(key(pipeline, "validated"), context.partition_key)
        earlier = earlier_batches(context.instance, pipeline, platform, validated)

        def make() -> Iterator[Made]:
            rows = reading.load(validated)
            profile = profile_of(pipeline, rows, end=declared_end(pipeline, validated))
            found = examine(pipeline, platform, scorer, profile, earlier)
            refuse(context, pipeline, platform, validated, found)
            yield check_result(verdict_of(found), asset_key)
            facts = {
                "broken feed": bool(found and found.findings),
                "summary": verdict_of(found).reason,
                SHA256: validated.snapshot.sha256,
                EFFECTIVE_AT: effective_at(validated).isoformat(),
                **evidence_of(found),
                **read_metadata(earlier, part="earlier"),
                **read_of_reference(pipeline, scorer),
            }
            judged = None if found is None else found.as_dict()
            yield dg.Output({"triage": judged, "profile": profile.as_dict()}, metadata=facts)

        history = {str(one.batch): one.snapshot.sha256 for one in earlier}
        yield from once(context, pipeline, reading, make, earlier=history)

    return [triage]


def judged_columns(pipeline: Pipeline) -> tuple[Column, ...]:
    """Return the columns that triage looks at: the watched ones, and what the target reads."""
    watched = {column.name for column in pipeline.watched} | {*pipeline.target.reads}
    return tuple(
        column
        for column in pipeline.batch_columns
        if column.name in watched and column.dtype != "timestamp"
    )


def earlier_batches(
    instance: dg.DagsterInstance, pipeline: Pipeline, platform: Platform, validated: Stored
) -> list[Stored]:
    """Return the triage of the last batches that arrived before this one, and of its season.

    Broken feeds are left out: the next broken one would look like them.
    """
    from mldebt_assets.core.drift.triage import is_same_season

    names = list(instance.get_dynamic_partitions(batches(pipeline).name or ""))
    before = names[: names.index(str(validated.batch))]
    found = newest_of_each(instance, key(pipeline, "triage"), before)
    refused = unlearnable(platform.record(pipeline.name).facts())
    sound = [one for one in found.values() if one.metadata[SHA256] not in refused]
    now = effective_at(validated)
    ages = [now - datetime.fromisoformat(one.metadata[EFFECTIVE_AT]) for one in sound]
    return [
        one
        for place, (one, age) in enumerate(zip(sound, ages, strict=True))
        if place >= len(sound) - RECENT_BATCHES or is_same_season(age.total_seconds())
    ]


def examine(
    pipeline: Pipeline,
    platform: Platform,
    scorer: dict[str, Any],
    profile: "Profile",
    earlier: Sequence[Stored],
) -> "Triage | None":
    """Return what the batch looks like; None where there is nothing to lay it beside."""
    from mldebt_assets.core.drift.profile import Profile, pooled
    from mldebt_assets.core.drift.triage import triage

    names = {column.name for column in judged_columns(pipeline)}
    known = {
        str(one.batch): Profile.from_dict(platform.snapshots.load(one.snapshot)["profile"])
        for one in earlier
    }
    known = {batch: one for batch, one in known.items() if one.columns.keys() == names}
    reference = reference_profiles(pipeline, platform, scorer, known, earlier)
    sides = {**reference, **known}
    if not sides:
        return None
    against = pooled(list((reference or known).values()))
    return triage(profile, against, sides, known_later=pipeline.target.reads)


def reference_profiles(
    pipeline: Pipeline,
    platform: Platform,
    scorer: dict[str, Any],
    known: dict[str, "Profile"],
    earlier: Sequence[Stored],
) -> dict[str, "Profile"]:
    """Return the profile of each batch of the champion's reference; none without a champion.

    One whose bytes were not triaged, since they came before triage, is read again.
    """
    from mldebt_assets.core.tables import from_parquet

    if scorer["version"] is None:
        return {}
    judged = {str(one.batch): one.metadata[SHA256] for one in earlier}
    profiles = {}
    for batch, snapshot in scorer["reference"]["batches"].items():
        if batch in known and judged[batch] == snapshot["sha256"]:
            profiles[batch] = known[batch]
            continue
        name = f"{pipeline.name}/validated/{batch}"
        data = platform.snapshots.get(name=name, sha256_hex=snapshot["sha256"], md5=snapshot["md5"])
        end = None if pipeline.batch_end is None else pipeline.batch_end(batch)
        rows = as_declared(pipeline, from_parquet(data))
        profiles[batch] = profile_of(pipeline, rows, end=end)
    return profiles


def declared_end(pipeline: Pipeline, validated: Stored) -> datetime | None:
    """Return when the batch's period ends, where the pipeline declares it."""
    return None if pipeline.batch_end is None else effective_at(validated)


def profile_of(pipeline: Pipeline, rows: pd.DataFrame, *, end: datetime | None) -> "Profile":
    """Return the profile of a batch's valid rows."""
    from mldebt_assets.core.drift.profile import profile_of_rows

    return profile_of_rows(
        rows,
        columns=judged_columns(pipeline),
        row_key=pipeline.row_key,
        time=pipeline.time,
        group=pipeline.split.group,
        end=end,
    )


def refuse(
    context: dg.AssetExecutionContext,
    pipeline: Pipeline,
    platform: Platform,
    validated: Stored,
    found: "Triage | None",
) -> None:
    """Record a broken feed, once for its bytes: what a person accepted stays accepted."""
    record = platform.record(pipeline.name)
    if found is None or not found.findings:
        return
    if validated.snapshot.sha256 in judged_feeds(record.facts()):
        return
    body = {
        "batch": context.partition_key,
        "validated": validated.identity,
        "class": "broken feed",
        "reason": refusal_of(context.partition_key, found),
        "findings": found.as_dict()["findings"],
        "run_id": context.run.run_id,
    }
    record.append("feed_refused", body, effective_at=effective_at(validated))


def refusal_of(batch: str, found: "Triage") -> str:
    """Return why a batch is refused, and what to do about it."""
    faults = ", ".join(dict.fromkeys(finding.fault for finding in found.findings))
    told = "; ".join(finding.sentence for finding in found.findings)
    return (
        f"The batch {batch!r} is a broken feed ({faults}): {told}. Nothing learns from it.\n"
        "Fix: correct the batch at its source and land it again; if it is right, "
        "`mldebt accept` with --batch and --reason has it learned."
    )


def verdict_of(found: "Triage | None") -> Verdict:
    """Return the findings as the one verdict that the check shows."""
    if found is None:
        reason = "there is no earlier batch to lay this one beside"
    else:
        reason = found.alarm(drifted=False).sentence if found.findings else "the feed has no fault"
    return Verdict(
        name=CHECK,
        passed=found is None or not found.findings,
        measured=None if found is None else len(found.findings),
        limit=0,
        unit="faults",
        reason=reason,
    )


def evidence_of(found: "Triage | None") -> dict[str, dg.TableMetadataValue]:
    """Return each fault's numbers as a table, where there is one."""
    if found is None or not found.findings:
        return {}
    records = [
        dg.TableRecord(
            {
                "fault": finding.fault,
                "columns": ", ".join(finding.columns) or "the whole file",
                "evidence": name,
                "value": value if isinstance(value, str) else round(value, 5),
            }
        )
        for finding in found.findings
        for name, value in finding.evidence.items()
    ]
    schema = dg.TableSchema([dg.TableColumn(name) for name in records[0].data])
    return {"faults": dg.MetadataValue.table(records, schema)}


def read_of_reference(pipeline: Pipeline, scorer: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata that says which validated snapshots the reference is, if there is one."""
    if scorer["version"] is None:
        return {}
    read = {
        batch: [snapshot["sha256"], snapshot["storage_id"]]
        for batch, snapshot in scorer["reference"]["batches"].items()
    }
    return {f"{READ_PREFIX}reference:{pipeline.name}/validated": dg.MetadataValue.json(read)}
