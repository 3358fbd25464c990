"""What comes before the first snapshot: the scan for personal data, and the pseudonyms.

What nobody declared, or a policy denies, is never stored; of what is pseudonymised, no clear value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import BatchRefusedError, PersonalDataError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.intake import Format, opened, unpacks_beyond
from mldebt_assets.core.policies import Limits
from mldebt_assets.core.privacy.declared import (
    CHECK,
    findings_of,
    judge,
    pseudonymised,
    require_declared,
    summary,
    texts_of,
)
from mldebt_assets.core.privacy.policy import Deny
from mldebt_assets.core.privacy.pseudonyms import Pseudonyms, protect
from mldebt_assets.core.privacy.scan import Finding
from mldebt_assets.core.privacy.texts import LINES
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Column, Pipeline
from mldebt_assets.promotions import Fact
from mldebt_assets.pseudonym_key import pseudonyms_of_this_machine, require_pinned
from mldebt_assets.resources import Platform
from mldebt_assets.snapshots import Stored
from mldebt_assets.store import Blob

SCAN = "personal data"
LANDED = "landed_sha256"
KEY_ID = "pseudonym key"
REPLACED = "takes the place of"
MADE_FROM = "made from"
CARRIED = ("source", "licence", "consent", MADE_FROM, KEY_ID)


@dataclass(frozen=True)
class Collected:
    """A batch as it may be stored, the check on it, and what its snapshot says of it."""

    blob: Blob
    check: dg.AssetCheckResult
    facts: dict[str, Any]


def collected_again(
    pipeline: Pipeline, platform: Platform, stored: Stored, columns: Sequence[Column]
) -> Collected:
    """Return a stored batch without the rows of those who are forgotten since.

    It says of which snapshot it takes the place, and has the check that this one had.
    """
    batch, blob = str(stored.batch), platform.snapshots.blob(stored.snapshot)
    data, found = opened_or_not(blob.data, batch, pipeline.source.limits)
    texts = texts_of(data, found, columns)
    findings = findings_of(texts)
    verdict = judge(findings, columns, len(texts))
    carried = {name: stored.described[name] for name in CARRIED if name in stored.described}
    facts: dict[str, Any] = {
        **carried,
        LANDED: stored.metadata.get(LANDED, stored.snapshot.sha256),
        SCAN: dg.MetadataValue.json(summary(findings, columns, len(texts))),
        REPLACED: stored.snapshot.sha256,
    }
    check = check_result(verdict, stored.asset, details=told(findings))
    return Collected(blob, check, facts)


def collect(
    pipeline: Pipeline,
    platform: Platform,
    *,
    asset: dg.AssetKey,
    columns: Sequence[Column],
    batch: str,
    blob: Blob,
    limits: Limits,
) -> Collected:
    """Return what may be stored of a batch's bytes; without declared privacy, these very bytes.

    Packed ones are stored unpacked where values are replaced in them.

    Raises: PersonalDataError; BatchRefusedError where the columns to protect cannot be told apart,
            or memory does not suffice for what the bytes unpack to; PseudonymKeyError where the key
            is missing, unsafe, or not the one there was.
    """
    require_room(batch, blob.data)
    data, found = opened_or_not(blob.data, batch, limits)
    texts = texts_of(data, found, columns)
    columns = [one for one in columns if one.name in texts or not one.came_after(batch)]
    findings = findings_of(texts)
    require_declared(batch, texts, findings, columns)
    verdict = judge(findings, columns, len(texts))
    facts: dict[str, Any] = {SCAN: dg.MetadataValue.json(summary(findings, columns, len(texts)))}
    replaced = pseudonymised(columns)
    dropped = [c.name for c in columns if isinstance(c.privacy, Deny) and c.name in texts]
    check = check_result(verdict, asset, details=told(findings))
    if not replaced and not dropped:
        return Collected(blob, check, facts)
    require_columns(batch, texts, replaced)
    pseudonyms = pinned_pseudonyms(pipeline, platform) if replaced else None
    made = protect(
        data,
        batch=batch,
        suffix=f".{found}",
        replaced=replaced,
        dropped=dropped,
        pseudonyms=pseudonyms,
    )
    facts[LANDED] = sha256(blob.data)
    if pseudonyms is not None:
        facts[KEY_ID] = pseudonyms.key_id
    return Collected(Blob(made, f".{found}"), check, facts)


def require_room(batch: str, data: bytes) -> None:
    """Raise BatchRefusedError where packed data unpack to more than memory suffices for."""
    from mldebt_assets.sources import memory

    allowed, name = memory.room_for_a_csv()
    if unpacks_beyond(data, allowed):
        raise BatchRefusedError.of(
            batch,
            f"its file unpacks to more than the {allowed:,} bytes that {name} leaves room for.",
            "land it in several batches, or give this process more memory.",
        )


def opened_or_not(data: bytes, batch: str, limits: Limits) -> tuple[bytes, Format | None]:
    """Return the bytes that are to be parsed, out of gzip, and their format; None if nobody can."""
    try:
        return opened(data, batch=batch, limits=limits)
    except BatchRefusedError:
        return data, None


def require_columns(batch: str, texts: Any, replaced: Sequence[str]) -> None:
    """Raise BatchRefusedError where what is to be pseudonymised cannot be found in a file.

    Its clear values would be stored under another name.
    """
    missing = [name for name in replaced if name not in texts]
    if not missing and LINES not in texts:
        return
    problem = (
        f"its file has no column {', '.join(map(repr, missing))}, which is to be pseudonymised"
        if missing
        else "its rows have not as many fields as its header line, so none can be pseudonymised"
    )
    fix = "land the file again with the declared columns, or declare the column's new name."
    raise BatchRefusedError.of(batch, f"{problem}; nothing of it is stored.", fix)


def pinned_pseudonyms(pipeline: Pipeline, platform: Platform) -> Pseudonyms:
    """Return the pseudonyms of this pipeline's key; the first one ever used is its key for good.

    Raises: PseudonymKeyError where the key is missing, unsafe, or another one.
    """
    pseudonyms = pseudonyms_of(pipeline, platform)
    record = platform.record(pipeline.name)
    if key_of(record.facts()) is None:
        record.append("key_pinned", {"key_id": pseudonyms.key_id}, effective_at=datetime.now(UTC))
    return pseudonyms


def pseudonyms_of(pipeline: Pipeline, platform: Platform) -> Pseudonyms:
    """Return the pseudonyms of this machine's key, which is the pipeline's, once that has one.

    Raises: PseudonymKeyError where the key is missing, unsafe, or another one.
    """
    pseudonyms = pseudonyms_of_this_machine()
    pinned = key_of(platform.record(pipeline.name).facts())
    require_pinned(pseudonyms.key_id, pinned, pipeline.name)
    return pseudonyms


def key_of(facts: Sequence[Fact]) -> str | None:
    """Return the id of the key that a pipeline's pseudonyms are made with; None before any."""
    pinned = [str(fact.body["key_id"]) for fact in facts if fact.kind == "key_pinned"]
    return pinned[0] if pinned else None


def refused_check(asset: dg.AssetKey, problem: BatchRefusedError) -> dg.AssetCheckResult:
    """Return the check that a batch fails which is not stored."""
    return check_result(
        Verdict(
            name=CHECK,
            passed=False,
            measured=problem.columns if isinstance(problem, PersonalDataError) else None,
            limit=0,
            unit="columns",
            reason=str(problem),
        ),
        asset,
    )


def told(findings: Sequence[Finding]) -> dict[str, dg.TableMetadataValue]:
    """Return what was found as a check's metadata; no value is among it."""
    if not findings:
        return {}
    records = [
        dg.TableRecord(
            {
                "column": one.column,
                "kind": one.kind,
                "share": "by its name" if one.share is None else f"{one.share:.2%}",
                "confidence": one.confidence,
                "why": one.why,
            }
        )
        for one in findings
    ]
    columns = [dg.TableColumn(name) for name in records[0].data]
    return {"findings": dg.MetadataValue.table(records, dg.TableSchema(columns))}
