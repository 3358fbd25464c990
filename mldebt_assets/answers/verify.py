"""Whether everything that the champion stands on is still what it was: every byte, every word.

The root is the promotion record, whose facts hash each other. It names the manifest, the weights,
the ONNX export, the evaluation and the drift reference by their hashes; the manifest names every
batch's raw, validated and features bytes. Against those hashes are held the bytes in the cache and
in the remote, the pointers, Dagster's materializations, and MLflow's tags, alias and files.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.answers.findings import Findings
from mldebt_assets.answers.materialized import (
    Events,
    Materialized,
    facts_agree,
    uncommitted_code,
)
from mldebt_assets.answers.registered import check_alias, check_registered, check_versions
from mldebt_assets.answers.standing import (
    named_by_manifest,
    named_by_promotion,
    named_by_reference,
)
from mldebt_assets.answers.walk import STAGES
from mldebt_assets.assets.keys import PIPELINE_TAG, RETRAINING_TAG
from mldebt_assets.assets.promoting import stood_on
from mldebt_assets.core.errors import RecordError
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.forgotten import never_again, open_forgettings, withdrawn
from mldebt_assets.promotions import adopted_by, champion_of, open_deletions, open_intents
from mldebt_assets.store import HASH_DIGITS_IN_PATHS, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mldebt_assets.answers.standing import Artefact
    from mldebt_assets.forgotten import Withdrawn
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Champion, Fact, PromotionRecord
    from mldebt_assets.resources import Platform
    from mldebt_assets.store import Copy, Place, SnapshotStore

PLACES: tuple[Place, ...] = ("cache", "remote")
POINTED_TO = re.compile(rb"md5: ([0-9a-f]{32})\n")
KNOWN = "what a pointer in the home says"


def verify(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, published: Path
) -> dict[str, Any]:
    """Return ``pipeline``, ``version``, ``ok``, what was ``checked``, and the ``problems``.

    ``published`` is the folder of the committed pointers, if there is one. The version is None
    where there is no champion, or the record is too damaged to name one; neither is ``ok``.

    Raises: UnreachableError if the remote or MLflow does not answer.
    """
    findings = Findings()
    facts = chain(findings, platform.record(pipeline.name))
    champion = None
    if facts is not None:
        check_completeness(findings, instance, pipeline, facts)
        champion = champion_of(facts)
        with platform.registry.reachable():
            version = None if champion is None else champion.version
            check_alias(findings, platform.registry, pipeline.name, version)
            check_versions(findings, platform.registry, pipeline.name, facts)
            if champion is None:
                shown = Events(instance, pipeline).newest("champion")
                found = None if shown is None else "a materialization"
                findings.compare("champion (event)", "dagster", None, found)
            else:
                check_champion(
                    findings, instance, platform, pipeline, champion, published=published
                )
    return {
        "pipeline": pipeline.name,
        "version": None if champion is None else champion.version,
        "ok": champion is not None and not findings.problems,
        "forgotten": len(withdrawn(facts or [])),
        "checked": findings.checked(),
        "problems": findings.told(),
    }


def chain(findings: Findings, record: PromotionRecord) -> list[Fact] | None:
    """Return the record's facts, or None where its chain of hashes is broken.

    A last line that is torn was being written when its process was killed: it is no fact, the
    next one takes its place, and until then it is told.
    """
    data = record.path.read_bytes() if record.path.exists() else b""
    try:
        facts = record.facts()
    except RecordError as problem:
        said = str(problem).partition("\n")[0]
        findings.compare("record (chain)", "record", "an unbroken chain", said, read=len(data))
        return None
    findings.compare("record (chain)", "record", len(facts), len(facts), read=len(data))
    torn = len(data) - (data.rfind(b"\n") + 1)
    findings.compare("record (bytes of a torn last line)", "record", 0, torn)
    return facts


def check_completeness(
    findings: Findings, instance: dg.DagsterInstance, pipeline: Pipeline, facts: list[Fact]
) -> None:
    """Compare the record with Dagster's runs: a chain that was cut at its end is whole as well.

    Every retraining's run was asked for by a decision, and one that succeeded was judged.
    """
    decided = {fact.body.get("key") for fact in facts if fact.kind == "decision"}
    judged = {fact.body.get("retraining") for fact in facts if fact.kind != "decision"}
    for run in instance.get_runs(dg.RunsFilter(tags={PIPELINE_TAG: pipeline.name})):
        asked = run.tags.get(RETRAINING_TAG)
        if asked is None:
            continue
        found = asked if asked in decided else None
        findings.compare(f"record (decision before run {run.run_id})", "record", asked, found)
        if run.is_success:
            found = asked if asked in judged else None
            findings.compare(f"record (verdict of run {run.run_id})", "record", asked, found)
    for intent in open_intents(facts):
        what = f"record (promotion of version {intent.body['version']})"
        findings.compare(what, "record", "done or undone", "begun and not finished")
    for forgetting in open_forgettings(facts):
        what = f"record (forgetting by fact {forgetting.sequence})"
        findings.compare(what, "record", "done", "begun and not finished")
    for deletion in open_deletions(facts):
        what = f"record (deletion of version {deletion.body['version']})"
        findings.compare(what, "record", "done", "begun and not finished")


def check_champion(
    findings: Findings,
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    champion: Champion,
    *,
    published: Path,
) -> None:
    """Compare everything that a champion stands on."""
    body, name = champion.promotion.body, pipeline.name
    promoted = named_by_promotion(name, champion)
    reference = named_by_reference(name, champion)
    findings.compare("model (sha256)", "record", body["weights_sha256"], promoted["model"].sha256)
    hashes = {str(one.batch): one.sha256 for one in reference}
    findings.compare("reference (hash)", "record", champion.reference["hash"], digest(hashes))

    adopted = adopted_by(body) is not None
    manifest = None if adopted else manifest_of(platform.snapshots, promoted["training_set"])
    batches: dict[str, dict[str, Artefact]] = {stage: {} for stage in STAGES}
    if manifest is not None:
        batches = named_by_manifest(name, manifest)
    features = {batch: one.sha256 for batch, one in batches["features"].items()}
    whole = {stage: {"": one.sha256} for stage, one in promoted.items()}
    ledger = Materialized(Events(instance, pipeline), pipeline, findings)
    told = {
        "version": champion.version,
        "weights_sha256": champion.weights_sha256,
        "training_set": "unknown" if adopted else promoted["training_set"].sha256,
        "reason": body["reason"],
    }
    of_features = {"features": features} if manifest is not None else {}
    learned = {n: whole[n] for n in ("training_set",) if n in whole}
    reads = {
        "training_set": of_features,
        "model": learned | of_features,
        "evaluation": {"model": whole["model"]} | learned | of_features,
        "champion": {n: whole[n] for n in stood_on(body)},
    }
    events = ledger.check_promotion(promoted, told, reads)
    beside: list[Artefact] = []
    if manifest is not None and "training_set" in events:
        found = ledger.check_batches(batches, events["training_set"])
        beside = [addressed(findings, platform, one) for one in found]
    for one in reference:
        ledger.check_one(one, "validated")
    code: list[Artefact] = []
    if "model" in events:
        facts_agree(events["model"], findings)
        code = uncommitted_code(name, events["model"])
    check_registered(
        findings,
        platform.registry,
        name,
        champion,
        weights=promoted["model"],
        trained=events.get("model"),
    )
    of_batches = [one for stage in reversed(STAGES) for one in batches[stage].values()]
    facts = platform.record(name).facts()
    gone = withdrawn(facts)
    stands = [*of_batches, *beside, *promoted.values(), *reference, *code]
    check_bytes(findings, platform, [one for one in stands if one.sha256 not in gone])
    check_gone(findings, platform, never_again(facts))
    for raw in batches["raw"].values():
        check_published(findings, platform.home.root, raw, published, gone)


def manifest_of(store: SnapshotStore, training_set: Artefact) -> dict[str, Any] | None:
    """Return the manifest, or None where neither cache nor remote has it as it was."""
    data = store.read_sound(sha256_hex=training_set.sha256, md5=training_set.md5)
    if data is None:
        return None
    manifest: dict[str, Any] = json.loads(data)
    return manifest


def addressed(findings: Findings, platform: Platform, beside: Artefact) -> Artefact:
    """Return what was read beside a batch's own, with the address at which it lies.

    No manifest says it: where they do not lie where their event says, their pointer is asked.
    """
    store, digits = platform.snapshots, beside.sha256[:HASH_DIGITS_IN_PATHS]
    if store.read_sound(sha256_hex=beside.sha256, md5=beside.md5) is not None:
        return beside
    for file in (platform.home.root / "snapshots" / beside.folder / digits).glob("*.dvc"):
        stated = POINTED_TO.search(file.read_bytes())
        if stated is None:
            continue
        md5 = stated[1].decode()
        if store.read_sound(sha256_hex=beside.sha256, md5=md5) is not None:
            findings.compare(f"{beside.what} (md5)", "dagster", md5, beside.md5)
            return replace(beside, md5=md5)
    return beside


def check_bytes(findings: Findings, platform: Platform, artefacts: list[Artefact]) -> None:
    """Read every artefact in the cache and in the remote, once each, and compare its pointer."""
    done: set[tuple[str, str]] = set()
    for one in artefacts:
        if (one.md5, one.sha256) in done:
            continue
        done.add((one.md5, one.sha256))
        copies = {place: platform.snapshots.examine(place, one.md5) for place in PLACES}
        for place, copy in copies.items():
            found, read = (None, None) if copy is None else (copy.sha256, copy.bytes)
            findings.compare(one.what, place, one.sha256, found, read=read)
        check_pointer(findings, platform.home.root, one, list(copies.values()))


def check_gone(findings: Findings, platform: Platform, gone: Iterable[Withdrawn]) -> None:
    """Look whether what held somebody's rows is gone, from both places and the pointers."""
    for one in gone:
        what = f"forgotten {one.stage} {one.batch}"
        for place in PLACES:
            copy = platform.snapshots.examine(place, one.snapshot.md5)
            findings.compare(what, place, None, None if copy is None else copy.sha256)
        there = (platform.home.root / one.snapshot.pointer).is_file()
        findings.compare(what, "pointer", False, there)


def check_pointer(
    findings: Findings, home: Path, artefact: Artefact, copies: list[Copy | None]
) -> None:
    """Compare an artefact's pointers in the home with what they were written as.

    Where its name is not known, every pointer beside its hash must be its own, and one must be
    there. Where no copy is sound, nothing says how long it was, and the problem is told already.
    """
    sizes = [copy.bytes for copy in copies if copy and copy.sha256 == artefact.sha256]
    if not sizes:
        return
    folder = f"{artefact.folder}/{artefact.sha256[:HASH_DIGITS_IN_PATHS]}"
    there = sorted((home / "snapshots" / folder).glob("*.dvc"))
    paths = [f"{folder}/{file.stem}" for file in there]
    if artefact.path is not None:
        paths = [artefact.path]
    findings.compare(f"{artefact.what} (pointers)", "pointer", True, bool(paths))
    for path in paths:
        snapshot = Snapshot(path, artefact.sha256, artefact.md5, sizes[0])
        file = home / snapshot.pointer
        found = file.read_bytes().decode(errors="replace") if file.is_file() else None
        findings.compare(
            f"{artefact.what} ({snapshot.pointer})",
            "pointer",
            snapshot.pointer_text,
            found,
            read=None if found is None else file.stat().st_size,
        )


def check_published(
    findings: Findings,
    home: Path,
    raw: Artefact,
    published: Path,
    gone: Mapping[str, Withdrawn],
) -> None:
    """Compare a batch's committed pointer, where there is one, with those of its raw snapshots.

    It may name newer bytes than the champion learned from, or withdrawn ones, but none that the
    home does not know.
    """
    known = sorted((home / "snapshots" / raw.folder).glob("*/*.dvc"))
    before = [one.snapshot.pointer_text.encode() for one in gone.values()]
    for name in sorted({file.name for file in known}):
        committed = published / name
        if not committed.is_file():
            continue
        data = committed.read_bytes()
        same = data in [*(file.read_bytes() for file in known if file.name == name), *before]
        findings.compare(
            f"{raw.what} ({published.name}/{name})",
            "pointer",
            KNOWN,
            KNOWN if same else data.decode(errors="replace"),
            read=len(data),
        )
