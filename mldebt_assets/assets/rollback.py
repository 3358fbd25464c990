"""The way back: which version, whether all that it stands on is whole, and a rehearsal of it.

What goes back is the whole unit of an earlier promotion: the weights, whose file holds the fitted
features, the threshold and the inputs' schema; the ONNX export; the evaluation with the level that
is expected; the training set; the drift reference.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from mldebt_assets.assets.champion_page import headline
from mldebt_assets.assets.evidence import failed
from mldebt_assets.assets.keys import key
from mldebt_assets.assets.predictions import load_model
from mldebt_assets.assets.promoting import stored_bytes
from mldebt_assets.assets.scorer import identity
from mldebt_assets.assets.verdicts import check_result
from mldebt_assets.core.errors import (
    MLDebtError,
    RefusedError,
    SnapshotError,
    SnapshotMissingError,
    UnknownVersionError,
)
from mldebt_assets.core.fingerprint import digest
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.promotions import (
    ACT,
    ADOPTED,
    ROLLBACK,
    Champion,
    Fact,
    champions_of,
    deletions,
    told_of_deletion,
    way_back,
)
from mldebt_assets.resources import Platform

CHECK = "rollback_drill"
MEANING = "The way back to the version before is open: rehearsed, with every digest compared."
LIMIT_SECONDS = 300.0
UNIT = ("model", "onnx", "evaluation", "training_set")
CARRIED = ("version", "weights_sha256", *UNIT, "expected", "reference", ADOPTED)
DRILL_ALIAS = "rollback-drill"
KEPT = ("from", "to", "seconds", "drill", "by")


@dataclass(frozen=True, kw_only=True)
class Move:
    """A way back, gone or rehearsed: between which versions, and the seconds that it took."""

    left: int
    reached: int
    seconds: float
    drill: bool

    @property
    def facts(self) -> dict[str, Any]:
        """The move as the metadata of its evidence."""
        return {
            "from": self.left,
            "to": self.reached,
            "seconds": self.seconds,
            "drill": self.drill,
        }


def build(pipeline: Pipeline) -> list[dg.AssetsDefinition]:
    """Return the check on the champion that rehearses the way back."""
    champion_key = key(pipeline, "champion")

    @dg.asset_check(asset=champion_key, name=CHECK, description=MEANING)
    def rollback_drill(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
    ) -> dg.AssetCheckResult:
        connect(platform, pipeline)
        try:
            return evidence(pipeline, rehearse(context.instance, platform, pipeline))
        except MLDebtError as problem:
            return closed(pipeline, problem)

    return [rollback_drill]


def connect(platform: Platform, pipeline: Pipeline) -> None:
    """Open MLflow and DVC's stores: importing them takes seconds, which are no one's rollback."""
    platform.registry.champion(pipeline.name)
    _ = platform.snapshots.remote_name


def choose(facts: list[Fact], pipeline: Pipeline, to: int | None) -> tuple[Champion, Champion]:
    """Return the champion, and the earlier one to go back to: the version before by default.

    Raises: RefusedError where there is nothing to go back to, or ``to`` was never champion;
            UnknownVersionError for a version on which nothing was decided.
    """
    stack, champions = way_back(facts), {one.version: one for one in champions_of(facts)}
    if not stack:
        said = f"{pipeline.name} has no champion, so there is nothing to go back to."
        raise RefusedError.of(said, f"`mldebt replay {pipeline.name}` brings the first one.")
    champion = stack[-1]
    if to is None and len(stack) == 1:
        gone = deletions(facts)
        before = [one.version for one in champions_of(facts) if one.version in gone]
        if before:
            told = f"v{before[-1]}, the version before, {told_of_deletion(gone[before[-1]])}"
            said = f"{pipeline.name} v{champion.version} has no way back: {told}."
            raise RefusedError.of(said, "promote another by hand.")
        said = f"{pipeline.name} v{champion.version} replaced nothing: there is no version before."
        raise RefusedError.of(said, "name another with --to, or promote one by hand.")
    if to is None:
        return champion, stack[-2]
    if to == champion.version:
        said = f"{pipeline.name} v{to} is the champion already; nothing was changed."
        raise RefusedError.of(said, "leave --to out for the version before it.")
    if to in deletions(facts):
        raise RefusedError.of(*no_more(pipeline, facts, to))
    if to in champions:
        return champion, champions[to]
    decided = {fact.body["version"] for fact in facts if "version" in fact.body}
    if to not in decided:
        raise UnknownVersionError.of(pipeline.name, to, decided)
    said = f"{pipeline.name} v{to} was never champion, so there is no way back to it."
    raise RefusedError.of(said, f"`mldebt promote {pipeline.name} --version {to}` if it is meant.")


def no_more(pipeline: Pipeline, facts: list[Fact], version: int) -> tuple[str, str]:
    """Return what is said of a version that somebody deleted, and how to have its like again."""
    said = f"{pipeline.name} v{version} {told_of_deletion(deletions(facts)[version])}."
    return said, (
        f"train it again from the training set that `mldebt lineage {pipeline.name} "
        f"--version {version}` names, or name another version."
    )


def require_whole(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, target: Champion
) -> None:
    """Compare the digest of everything that a promotion stands on, and what MLflow says of it.

    Its page is made once, too: what could stop the promotion half-way stops it before.

    Raises: RefusedError naming what is gone or damaged; UnreachableError if the remote does not
            answer.
    """
    body, name = target.promotion.body, f"{pipeline.name} v{target.version}"
    with refusing(name):
        for part in (one for one in UNIT if body[one] is not None):
            stored = body[part]
            platform.snapshots.get(
                name=f"{name}'s {part}", sha256_hex=stored["sha256"], md5=stored["md5"]
            )
        for batch, stored in target.reference["batches"].items():
            platform.snapshots.get(
                name=f"{name}'s drift reference {batch}",
                sha256_hex=stored["sha256"],
                md5=stored["md5"],
            )
        registered = platform.registry.version(pipeline.name, target.version)
        if platform.registry.run_tags(registered.run_id) is None:
            raise SnapshotMissingError.of(f"{name}'s run {registered.run_id}", "none", "MLflow")
        headline(instance, platform, pipeline, target.promotion)
    platform.snapshots.examine("remote", body["evaluation"]["md5"])  # the promotion goes there
    hashes = {batch: one["sha256"] for batch, one in target.reference["batches"].items()}
    stated = {
        "the record's own weights": body["model"]["sha256"],
        "MLflow's version": registered.tags.get("weights_sha256"),
    }
    unlike = [who for who, weights in stated.items() if weights != target.weights_sha256]
    unlike += ["the drift reference"] if digest(hashes) != target.reference["hash"] else []
    if unlike:
        said = f"{name} cannot become champion: the promotion record and {unlike[0]} disagree."
        raise RefusedError.of(said, f"`mldebt verify {pipeline.name}` says what and where.")


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn what is gone or damaged into the refusal to let it into production."""
    try:
        yield
    except (SnapshotError, UnknownVersionError) as problem:
        what, _, fix = str(problem).partition("\nFix: ")
        raise RefusedError.of(f"{name} cannot become champion. {what}", fix) from problem


def body_of(
    champion: Champion, target: Champion, *, by: str, reason: str, when: datetime
) -> dict[str, Any]:
    """Return the promotion that goes back: the earlier one's whole unit, with who and why."""
    carried = target.promotion.body
    unit = {name: carried[name] for name in CARRIED if name in carried}
    return {
        **unit,
        ACT: ROLLBACK,
        "previous_version": champion.version,
        "effective_at": when.isoformat(),
        "by": by,
        "reason": reason,
        "asked_because": f"{by} went back from v{champion.version} to v{target.version}",
        "retraining": None,
        "run_id": None,
    }


def rehearse(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, to: int | None = None
) -> Move:
    """Go the way back up to where it would change the champion, and say how long that took.

    Every digest is compared, the weights are loaded, and the alias moves under a name of its own.
    Raises: as ``choose`` and ``require_whole``; RefusedError if the weights are no model.
    """
    started = time.perf_counter()
    champion, target = choose(platform.record(pipeline.name).facts(), pipeline, to)
    require_whole(instance, platform, pipeline, target)
    platform.snapshots.put(
        stored_bytes(target.promotion), folder=f"{pipeline.name}/champion", name="champion.json"
    )
    with drill_alias(platform, pipeline, target.version):
        seconds = time.perf_counter() - started
    with refusing(f"{pipeline.name} v{target.version}"):
        load_model(pipeline, platform, identity(target))
    return Move(
        left=champion.version, reached=target.version, seconds=round(seconds, 3), drill=True
    )


@contextmanager
def drill_alias(platform: Platform, pipeline: Pipeline, version: int) -> Iterator[None]:
    """Point an alias that nobody serves by to a version, and take it away again."""
    client = platform.registry.client
    client.set_registered_model_alias(pipeline.name, DRILL_ALIAS, str(version))
    try:
        yield
    finally:
        client.delete_registered_model_alias(pipeline.name, DRILL_ALIAS)


def evidence(pipeline: Pipeline, move: Move) -> dg.AssetCheckResult:
    """Return a move as the check's result: the evidence that there is a way back, and how fast."""
    verb = "rehearsed" if move.drill else "gone"
    verdict = Verdict(
        name=CHECK,
        passed=move.seconds <= LIMIT_SECONDS,
        measured=move.seconds,
        limit=LIMIT_SECONDS,
        unit="s",
        reason=f"v{move.left} to v{move.reached} in {move.seconds:.2f} s, {verb}",
    )
    return check_result(
        verdict,
        key(pipeline, "champion"),
        severity=dg.AssetCheckSeverity.WARN,
        details=move.facts,
    )


def closed(pipeline: Pipeline, problem: MLDebtError) -> dg.AssetCheckResult:
    """Return the check's result where there is no way back, with the reason."""
    return failed(pipeline, CHECK, f"No way back: {problem}")
