"""What is handed over: the stored papers, the evidence, the answers on top, and all checksums."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.errors import SnapshotMissingError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.papers.bundle import DOSSIER, SUMS, both, checksums, unzipped, zipped
from mldebt_assets.papers.evidence import VERIFY, as_files, evidence
from mldebt_assets.papers.questionnaire import questionnaire
from mldebt_assets.papers.stage import find, store

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion
    from mldebt_assets.resources import Platform
    from mldebt_assets.snapshots import Stored


def hand_over(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    champion: Champion,
    *,
    published: Path,
    now: datetime,
) -> tuple[bytes, dict[str, Any]]:
    """Return the zip, and what is in it; papers that are missing are written and stored first.

    Raises: SnapshotMissingError, DigestMismatchError, UnreachableError where what they tell of is
            gone, damaged or cannot be reached.
    """
    there = find(instance, platform, pipeline, champion)
    stored = there or made(instance, platform, pipeline, champion)
    papers = unzipped(platform.snapshots.load(stored.snapshot).data)
    found = evidence(instance, platform, pipeline, champion, published=published, now=now)
    top = questionnaire(json.loads(papers[DOSSIER]), found, now.isoformat())
    files = {**both("index", top), **papers, **as_files(platform, pipeline, found)}
    files[SUMS] = checksums(files)
    answer = {
        "pipeline": pipeline.name,
        "version": champion.version,
        "promotion": champion.promotion.hash,
        "verified": found[VERIFY]["ok"] if VERIFY in found else None,
        "written_now": there is None,
        "file": None,
        "files": [
            {"name": name, "sha256": sha256(data), "bytes": len(data)}
            for name, data in files.items()
        ],
    }
    return zipped(files, champion.promotion.recorded_at), answer


def made(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, champion: Champion
) -> Stored:
    """Return the papers of a promotion after storing them."""
    store(instance, platform, pipeline, champion)
    stored = find(instance, platform, pipeline, champion)
    if stored is None:
        name = f"{pipeline.name}/papers"
        raise SnapshotMissingError.of(name, "unknown", platform.snapshots.remote_name)
    return stored
