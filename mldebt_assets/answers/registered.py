"""What MLflow says of a champion, held against the record and Dagster's word on its training."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import yaml

from mldebt_assets.answers.materialized import FACTS, said, without_digest
from mldebt_assets.assets.model import BROUGHT, BROUGHT_MD5, UNCOMMITTED, UNCOMMITTED_MD5
from mldebt_assets.core.errors import UnknownVersionError
from mldebt_assets.core.fingerprint import digest, sha256
from mldebt_assets.promotions import deletions, way_back
from mldebt_assets.registry import FACTS_FILE, LOADER, MODEL_FOLDER, WEIGHTS_FILE, served_facts

if TYPE_CHECKING:
    import dagster as dg

    from mldebt_assets.answers.findings import Findings, Where
    from mldebt_assets.answers.standing import Artefact
    from mldebt_assets.promotions import Champion, Fact
    from mldebt_assets.registry import ModelVersion, Registry

DECIDES = ("training_set", "code_digest", "configuration", "training_key")
LOST = {
    "model (version)": (
        "`mldebt rollback {pipeline}` goes back to the version before, whose files are checked "
        "first; or train v{version} again from the training set that `mldebt lineage {pipeline}` "
        "names, and promote it by hand."
    ),
    "previous (version)": (
        '`mldebt delete {pipeline} --version {version} --reason "gone from MLflow"` lets the '
        "record say so, and `mldebt rollback` then leads to the version before it."
    ),
}
BESIDE = (
    "code_commit",
    "code_dirty",
    UNCOMMITTED,
    UNCOMMITTED_MD5,
    BROUGHT,
    BROUGHT_MD5,
    "environment",
)


def check_alias(findings: Findings, registry: Registry, pipeline: str, version: int | None) -> None:
    """Compare the alias ``champion`` with the record; None where there is to be none."""
    findings.compare("champion (alias)", "mlflow", version, registry.champion(pipeline))


def check_versions(
    findings: Findings, registry: Registry, pipeline: str, facts: list[Fact]
) -> None:
    """Compare which versions MLflow has with what the record says of the way back and deletions.

    MLflow's own pages delete any version without asking: nobody is refused there.
    """
    versions = {one.version for one in registry.versions(pipeline)}
    for champion in way_back(facts)[-2:-1]:
        number = champion.version
        found = number if number in versions else None
        findings.compare("previous (version)", "mlflow", number, found)
    for number in deletions(facts):
        found = number if number in versions else None
        findings.compare(f"deleted (version {number})", "mlflow", None, found)


def lost(registry: Registry, pipeline: str, facts: list[Fact]) -> list[str]:
    """Return what production stands on and MLflow no longer has, each as a message with its fix."""
    versions = {one.version for one in registry.versions(pipeline)}
    roles = zip(("model (version)", "previous (version)"), reversed(way_back(facts)), strict=False)
    called = {"model (version)": "the champion", "previous (version)": "the version before it"}
    return [
        f"MLflow no longer has {pipeline} v{champion.version}, {called[what]}.\n"
        f"Fix: {mend(what, pipeline, champion.version)}"
        for what, champion in roles
        if champion.version not in versions
    ]


def mend(what: str, pipeline: str, version: int | str) -> str:
    """Return what to do where MLflow has lost a version on which production stands."""
    return LOST[what].format(pipeline=pipeline, version=version)


def check_registered(
    findings: Findings,
    registry: Registry,
    pipeline: str,
    champion: Champion,
    *,
    weights: Artefact,
    trained: dg.AssetMaterialization | None,
) -> None:
    """Compare the registered version: its tags, its run's, and the files that MLflow keeps of it.

    ``trained`` is Dagster's materialization of the model, if it is still there.
    """
    try:
        version = registry.version(pipeline, champion.version)
    except UnknownVersionError:
        findings.compare("model (version)", "mlflow", champion.version, None)
        return
    findings.compare("model (version)", "mlflow", champion.version, version.version)
    run = registry.run_tags(version.run_id)
    findings.compare("model (run)", "mlflow", "a run", None if run is None else "a run")
    witnesses = {"version": dict(version.tags), "run": run or {}}
    known = {"weights_sha256": weights.sha256, "weights_md5": weights.md5}
    training_set = champion.promotion.body["training_set"]
    if training_set is not None:
        known["training_set"] = training_set["sha256"]
    for witness, tags in witnesses.items():
        for name, expected in known.items():
            findings.compare(f"model ({witness} tag {name})", "mlflow", expected, tags.get(name))
    check_training(findings, witnesses, version, trained, known)
    if run is not None:
        kept = {name for name in FACTS if trained and said(trained, f"{name}_facts") is not None}
        check_files(findings, registry, pipeline, version=version, weights=weights, kept=kept)


def check_training(
    findings: Findings,
    witnesses: dict[str, dict[str, str]],
    version: ModelVersion,
    trained: dg.AssetMaterialization | None,
    known: dict[str, str],
) -> None:
    """Compare what Dagster, the version and its run each say of the training.

    No hash names these words, so where one of the three differs, the other two are believed.
    A model that was taken from an earlier version need not have been taken by the same commit,
    nor in the same environment.
    """
    names = [name for name in (*DECIDES, *BESIDE) if name not in known]
    if trained is not None:
        for name, expected in {**known, "mlflow_run_id": version.run_id}.items():
            if name != "weights_md5":
                findings.compare(f"model ({name})", "dagster", expected, said(trained, name))
        findings.compare("model (version)", "dagster", version.version, said(trained, "version"))
    taken = trained is not None and bool(said(trained, "reused"))
    for name in names:
        told: dict[tuple[str, Where], Any] = {
            (f"model ({witness} tag {name})", "mlflow"): tags.get(name)
            for witness, tags in witnesses.items()
        }
        if trained is not None and not (taken and name in BESIDE):
            told[f"model ({name})", "dagster"] = said(trained, name)
        expected, _ = Counter(told.values()).most_common(1)[0]
        for (what, where), found in told.items():
            findings.compare(what, where, expected, found)


def check_files(
    findings: Findings,
    registry: Registry,
    pipeline: str,
    *,
    version: ModelVersion,
    weights: Artefact,
    kept: set[str],
) -> None:
    """Compare the files from which MLflow would load the version, and the facts ``kept`` by it."""
    run_files = registry.artefacts_of(version.run_id)
    model = f"{run_files}/{MODEL_FOLDER}"
    findings.compare("model (source)", "mlflow", model, version.source)
    files = {
        WEIGHTS_FILE: weights.sha256,
        FACTS_FILE: sha256(served_facts(pipeline, weights.sha256).encode()),
    }
    for name, expected in files.items():
        data = registry.read(f"{model}/data/{name}")
        found = None if data is None else sha256(data)
        read = None if data is None else len(data)
        findings.compare(f"model ({name})", "mlflow", expected, found, read=read)
    data = registry.read(f"{model}/MLmodel")
    findings.compare("model (MLmodel's loader)", "mlflow", LOADER, data and loader_of(data))
    for name in FACTS:
        data = registry.read(f"{run_files}/{name}.json")
        if data is None and name not in kept:
            continue
        found = None if data is None else digest_of(data)
        read = None if data is None else len(data)
        stated = version.tags.get(name)
        findings.compare(f"model ({name}.json)", "mlflow", stated, found, read=read)


def loader_of(description: bytes) -> str | None:
    """Return the module by which MLflow loads a model, or None where its file does not say."""
    try:
        found = yaml.safe_load(description)["flavors"]["python_function"]["loader_module"]
    except (yaml.YAMLError, UnicodeDecodeError, LookupError, TypeError):
        return None
    return str(found)


def digest_of(facts: bytes) -> str | None:
    """Return the digest of an environment's facts, or None where they are no JSON object."""
    try:
        found = json.loads(facts)
    except ValueError:
        return None
    return digest(without_digest(found)) if isinstance(found, dict) else None
