"""What is known of personal data in a training set: by the scan of each of its batches."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from mldebt_assets.assets.collecting import SCAN
from mldebt_assets.assets.keys import key
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.snapshots import Reading, Stored, at_storage_ids

COLUMNS_SHOWN = 5


def known_of(instance: dg.DagsterInstance, pipeline: Pipeline, reading: Reading) -> dict[str, Any]:
    """Return what the scans at collection found in the batches whose features were read.

    ``batches`` how many, ``unscanned`` which of them nothing has looked at, and ``columns``
    {name: {``kinds``, ``declared``}}, those found or declared; never a value.
    """
    raws = [one for one in reading.noted if one.asset == key(pipeline, "features")]
    for stage in ("validated", "raw"):
        asset = key(pipeline, stage)
        ids = [int(one.reads[asset.to_user_string()][one.batch or ""][1]) for one in raws]
        raws = list(at_storage_ids(instance, asset, ids).values())
    return together(raws)


def together(raws: Sequence[Stored]) -> dict[str, Any]:
    """Return what the scans of these snapshots found, as one."""
    scans = [one.metadata[SCAN] for one in raws if SCAN in one.metadata]
    kinds: dict[str, set[str]] = {}
    declared: dict[str, str] = {}
    for scan in scans:
        declared |= scan["declared"]
        for finding in scan["findings"]:
            kinds.setdefault(finding["column"], set()).add(finding["kind"])
    return {
        "batches": len(raws),
        "unscanned": sorted(str(one.batch) for one in raws if SCAN not in one.metadata),
        "columns": {
            name: {"kinds": sorted(kinds.get(name, ())), "declared": declared.get(name)}
            for name in sorted({*kinds, *declared})
        },
    }


def in_words(known: dict[str, Any]) -> str:
    """Return what is known, in a sentence.

    >>> in_words({"batches": 3, "unscanned": [], "columns": {
    ...     "contact": {"kinds": ["e-mail address"], "declared": "pseudonymised"}}})
    'declared: contact (e-mail address, pseudonymised); 3 batches scanned, none undeclared'
    """
    scanned = known["batches"] - len(known["unscanned"])
    told = []
    for state, named in (("declared", True), ("perhaps", False)):
        columns = [
            f"{name} ({', '.join([*one['kinds'], *([one['declared']] if named else [])])})"
            for name, one in known["columns"].items()
            if (one["declared"] is not None) is named
        ]
        if columns:
            more = len(columns) - COLUMNS_SHOWN
            also = [f"{more} more"] if more > 0 else []
            told.append(f"{state}: {', '.join([*columns[:COLUMNS_SHOWN], *also])}")
    batches = "1 batch" if scanned == 1 else f"{scanned} batches"
    found = "none undeclared" if known["columns"] else "none found"
    told.append(f"{batches} scanned, {found}")
    return "; ".join(told)
