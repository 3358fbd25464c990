"""What is put beside the papers so that nobody has to take their word: the evidence, as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.lineage import trace
from mldebt_assets.answers.status import status_of
from mldebt_assets.answers.verify import verify
from mldebt_assets.assets.keys import key
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.snapshots import at_storage_id

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion
    from mldebt_assets.resources import Platform

RECORD = "evidence/promotion_record.jsonl"
LINEAGE = "evidence/lineage.json"
EVALUATION = "evidence/evaluation.json"
VERIFY = "evidence/verify.json"
STATUS = "evidence/status.json"


def evidence(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    champion: Champion,
    *,
    published: Path,
    now: datetime,
) -> dict[str, Any]:
    """Return the evidence by file name, as JSON values; of a former champion, what still holds.

    What stands in production is verified now, every byte, and the four questions are answered now.
    """
    evaluated = at_storage_id(
        instance,
        key(pipeline, "evaluation"),
        champion.promotion.body["evaluation"]["storage_id"],
    )
    found = {
        LINEAGE: trace(instance, platform, pipeline, champion.promotion),
        EVALUATION: platform.snapshots.load(evaluated.snapshot),
    }
    in_production = platform.record(pipeline.name).champion()
    if in_production is not None and in_production.promotion.hash == champion.promotion.hash:
        found[VERIFY] = verify(instance, platform, pipeline, published)
        found[STATUS] = status_of(instance, platform, pipeline, now)
    return found


def as_files(platform: Platform, pipeline: Pipeline, found: dict[str, Any]) -> dict[str, bytes]:
    """Return the evidence as bytes, with the record itself, whose facts hash each other."""
    lines = platform.record(pipeline.name).path.read_bytes().rpartition(b"\n")
    exact = {EVALUATION}  # its bytes are those that its hash names
    return {
        name: canonical_json(value)
        if name in exact
        else (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
        for name, value in found.items()
    } | {RECORD: lines[0] + lines[1]}
