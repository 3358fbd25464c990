"""What a batch's scorer still stands on, once somebody who is in its data was forgotten.

A reference's batch whose rows were withdrawn is stood in for by the rows that took their place;
models that had learned of somebody are gone, so nothing is held against them any more.
"""

from collections.abc import Iterable
from typing import Any

import dagster as dg

from mldebt_assets.assets.keys import key
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.forgotten import forgettings, gone_weights, withdrawn
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import Fact
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored, newest

OTHERS = ("replaced", "first")
MODEL_IS_GONE = "model is forgotten"


def standing(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, scorer: dict[str, Any]
) -> dict[str, Any]:
    """Return a scorer's answer as it still holds: the very same where nobody was forgotten.

    ``model is forgotten`` is there, and true, where the weights that it names were removed.
    """
    facts = platform.record(pipeline.name).facts()
    if scorer["version"] is None or not forgettings(facts):
        return scorer
    gone = gone_weights(facts)
    others = {
        role: None if (one := scorer.get(role)) and one["weights_sha256"] in gone else one
        for role in OTHERS
    }
    reference = standing_reference(instance, pipeline, facts, scorer["reference"])
    held = {**scorer, **others, "reference": reference}
    return {**held, MODEL_IS_GONE: True} if scorer["weights_sha256"] in gone else held


def standing_reference(
    instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact], named: dict[str, Any]
) -> dict[str, Any]:
    """Return a promotion's drift reference, with other rows where those it names are withdrawn.

    A batch of which nothing came in their place is left out.
    """
    gone = withdrawn(facts)
    if not any(one["sha256"] in gone for one in named["batches"].values()):
        return named
    batches = {}
    for batch, snapshot in named["batches"].items():
        if snapshot["sha256"] not in gone:
            batches[batch] = snapshot
            continue
        now = newest(instance, key(pipeline, "validated"), batch)
        if now is not None and now.snapshot.sha256 not in gone:
            batches[batch] = {**now.identity, "storage_id": now.storage_id}
    hashes = {batch: snapshot["sha256"] for batch, snapshot in batches.items()}
    return {"hash": digest(hashes), "batches": batches}


def still_there(platform: Platform, pipeline: Pipeline, made: Iterable[Stored]) -> list[Stored]:
    """Return those that were made of validated rows which are not withdrawn."""
    facts = platform.record(pipeline.name).facts()
    if not forgettings(facts):
        return list(made)
    gone, asset = withdrawn(facts), key(pipeline, "validated").to_user_string()
    return [one for one in made if one.reads[asset][str(one.batch)][0] not in gone]


def standing_rows(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, tables: list[Stored]
) -> list[Stored]:
    """Return stored tables, with the newest of the same batch where one was withdrawn."""
    gone = withdrawn(platform.record(pipeline.name).facts())
    if not any(one.snapshot.sha256 in gone for one in tables):
        return tables
    now = [
        newest(instance, one.asset, one.batch) if one.snapshot.sha256 in gone else one
        for one in tables
    ]
    return [one for one in now if one is not None and one.snapshot.sha256 not in gone]


def references(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline
) -> dict[str, tuple[int, dict[str, Any]]]:
    """Return every promotion's version and drift reference by its hash, and by what it is now."""
    facts = platform.record(pipeline.name).facts()
    found = {}
    for fact in facts:
        if fact.kind == "intent":
            named = fact.body["reference"]
            now = standing_reference(instance, pipeline, facts, named)
            found[named["hash"]] = found[now["hash"]] = (fact.body["version"], now)
    return found
