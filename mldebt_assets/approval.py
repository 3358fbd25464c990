"""What a person decides on a candidate: approve or reject what the gate proposed, or overrule it.

An override carries an expiry date in the data's time: when the data reach it, the champion before
comes back (see :mod:`mldebt_assets.automation.reconcile`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg

from mldebt_assets.assets.champion import export, no_longer_champion
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.promoting import data_time, promote
from mldebt_assets.assets.rollback import CARRIED, no_more, require_whole
from mldebt_assets.by_hand import require_reason, settled
from mldebt_assets.core.errors import CallError, RefusedError, UnknownVersionError
from mldebt_assets.promotions import (
    ACT,
    Champion,
    Fact,
    champion_of,
    champions_of,
    deletions,
    judged_by_gate,
    open_proposals,
)
from mldebt_assets.snapshots import Reading, at_storage_id, snapshot_metadata

if TYPE_CHECKING:
    from datetime import datetime

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform


def approve(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    version: int | None,
    reason: str,
    by: str,
    now: datetime,
) -> Fact:
    """Promote a candidate that the gate proposed, the newest by default; return the promotion.

    Raises: RefusedError where none waits, where it was judged beside another champion, or where
            its bytes are not what they were; CallError, BusyError as a rollback.
    """
    reason = require_reason(reason)
    with settled(instance, platform, pipeline, now) as facts:
        proposal = waiting(facts, pipeline, version)
        overtaken = no_longer_champion(champion_of(facts), proposal.body)
        if overtaken is not None:
            candidate = proposal.body["version"]
            said = f"{pipeline.name} v{candidate} cannot be approved: {overtaken}."
            fix = f"`mldebt reject {pipeline.name} --version {candidate}`; the next one is judged."
            raise RefusedError.of(said, fix)
        require_whole(instance, platform, pipeline, as_champion(proposal))
        told = {"by": by, "reason": reason, "approves": proposal.sequence}
        body = body_of(proposal, "approve", data_time(instance, pipeline, facts), told)
        return promote(instance, platform, pipeline, body, f"Approved by {by}.")


def reject(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    version: int | None,
    reason: str,
    by: str,
    now: datetime,
) -> Fact:
    """Refuse a candidate that the gate proposed, the newest by default; return the refusal.

    Raises: RefusedError where none waits; CallError, BusyError as a rollback.
    """
    reason = require_reason(reason)
    with settled(instance, platform, pipeline, now) as facts:
        proposal = waiting(facts, pipeline, version)
        when = data_time(instance, pipeline, facts)
        told = {"by": by, "reason": reason, "rejects": proposal.sequence}
        body = body_of(proposal, "reject", when, told)
        return platform.record(pipeline.name).append("refused", body, effective_at=when)


def promote_by_hand(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    *,
    version: int,
    reason: str,
    expires: datetime | None,
    by: str,
    now: datetime,
) -> Fact:
    """Promote a version that was judged, whatever the gate said; return the promotion.

    Where the gate did not let it through beside today's champion, this overrules it, and needs a
    date at which that ends.

    Raises: CallError where the date is missing or past; UnknownVersionError for a version that was
            never judged; RefusedError, BusyError as a rollback.
    """
    reason = require_reason(reason)
    judged = judgement_on(platform.record(pipeline.name).facts(), pipeline, version)
    onnx = judged.body.get("onnx") or exported(instance, platform, pipeline, judged)
    with settled(instance, platform, pipeline, now) as facts:
        champion, when = champion_of(facts), data_time(instance, pipeline, facts)
        refuse_former(facts, pipeline, version)
        let_through = judged.body["evaluation"]["promote"]
        overrules = not let_through or no_longer_champion(champion, judged.body) is not None
        require_expiry(pipeline, judged, overrules=overrules, expires=expires, when=when)
        unit = replace(judged, body={**judged.body, "onnx": onnx})
        require_whole(instance, platform, pipeline, as_champion(unit))
        told = {
            "by": by,
            "reason": reason,
            "overrules": judged.sequence if overrules else None,
            "expires": expires.isoformat() if expires else None,
            "previous_version": champion.version if champion else None,
        }
        body = body_of(unit, "promote", when, told)
        return promote(instance, platform, pipeline, body, f"Promoted by {by}.")


def waiting(facts: list[Fact], pipeline: Pipeline, version: int | None) -> Fact:
    """Return the newest proposal on which nobody has decided, or that of a version.

    Raises: RefusedError where none waits; UnknownVersionError where nothing was decided on it.
    """
    proposals = {fact.body["version"]: fact for fact in open_proposals(facts)}
    if version is None and proposals:
        return list(proposals.values())[-1]
    if version in proposals:
        return proposals[version]
    what = f"No candidate of {pipeline.name}" if version is None else f"{pipeline.name} v{version}"
    decided = {fact.body["version"] for fact in facts if "version" in fact.body}
    if version is not None and version not in decided:
        raise UnknownVersionError.of(pipeline.name, version, decided)
    waits = ", ".join(f"v{one}" for one in proposals) or "none does"
    verb = "waits" if version is None else "does not wait"
    said = f"{what} {verb} for a person's approval; waiting: {waits}."
    fix = "the gate decides alone unless the pipeline declares Gate(approval=True)."
    raise RefusedError.of(said, f"name one that waits; {fix}")


def judgement_on(facts: list[Fact], pipeline: Pipeline, version: int) -> Fact:
    """Return the gate's newest decision on a version.

    Raises: UnknownVersionError where there is none; RefusedError where somebody deleted it, or
            where it was champion without any.
    """
    judged = {fact.body["version"]: fact for fact in judged_by_gate(facts)}
    if version in deletions(facts):
        raise RefusedError.of(*no_more(pipeline, facts, version))
    if version not in judged:
        refuse_former(facts, pipeline, version)  # an adopted champion was never judged
        raise UnknownVersionError.of(pipeline.name, version, judged)
    return judged[version]


def refuse_former(facts: list[Fact], pipeline: Pipeline, version: int) -> None:
    """Raise RefusedError where the version is or was champion: there is another command for it."""
    champions = [one.version for one in champions_of(facts)]
    if version in champions:
        is_now = champions[-1] == version
        said = f"{pipeline.name} v{version} {'is' if is_now else 'was'} champion already."
        fix = f"`mldebt rollback {pipeline.name} --to {version}` goes back to an earlier one."
        raise RefusedError.of(said, fix)


def require_expiry(
    pipeline: Pipeline,
    judged: Fact,
    *,
    overrules: bool,
    expires: datetime | None,
    when: datetime,
) -> None:
    """Raise CallError where an override has no date, or one that the data have passed."""
    name = f"{pipeline.name} v{judged.body['version']}"
    if overrules and expires is None:
        raise CallError(
            f"The gate did not let {name} through beside today's champion "
            f"({judged.body['reason']}), so promoting it is an override.\n"
            "Fix: say with --expires DATE, in the data's time, when the champion before comes back."
        )
    if expires is not None and expires <= when:
        raise CallError(
            f"The override of {name} would end on {expires:%Y-%m-%d}, but the data reach "
            f"{when:%Y-%m-%d} already.\nFix: name a later date."
        )


def exported(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, judged: Fact
) -> dict[str, Any]:
    """Store a refused version as ONNX, as the gate's promotions are; return where it is.

    Raises: RefusedError if it does not agree with PyTorch.
    """
    reading = Reading(instance, platform.snapshots)
    model = at_storage_id(instance, key(pipeline, "model"), judged.body["model"]["storage_id"])
    newest_batch = list(judged.body["reference"]["batches"])[-1]
    try:
        onnx = export(pipeline, platform, reading, model, newest_batch)
    except dg.Failure as problem:
        what, _, fix = str(problem.description).partition("\nFix: ")
        raise RefusedError.of(what, fix) from problem
    return snapshot_metadata(onnx)


def as_champion(fact: Fact) -> Champion:
    """Return the champion that a fact's version would be."""
    return Champion(fact.body["version"], fact.body["weights_sha256"], fact)


def body_of(judged: Fact, act: str, when: datetime, told: dict[str, Any]) -> dict[str, Any]:
    """Return what the record keeps of a person's decision on what the gate judged."""
    return {
        **{name: judged.body[name] for name in CARRIED if name in judged.body},
        ACT: act,
        "previous_version": judged.body["previous_version"],
        "asked_because": judged.body["asked_because"],
        "gate": judged.body["reason"],
        "retraining": None,
        "run_id": None,
        "effective_at": when.isoformat(),
        **told,
    }
