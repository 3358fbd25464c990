"""What ``mldebt doctor`` looks at: each finding is a verdict whose reason ends with the fix."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import Version

from mldebt_assets import pipelines
from mldebt_assets.core.errors import HomeError, MLDebtError
from mldebt_assets.core.privacy.policy import Pseudonymise
from mldebt_assets.core.verdict import Verdict
from mldebt_assets.home import project_root

if TYPE_CHECKING:
    from mldebt_assets.home import Home
    from mldebt_assets.pipeline import Pipeline

LEAST_FREE_BYTES = 2 * 1024**3
PYTHONS = ((3, 11), (3, 12))
SHOWN = 5
LIBRARIES = ("mldebt-assets", "dagster", "mlflow", "dvc", "great-expectations", "torch")
LEAST_ANTLR = Version("4.10")


def diagnose(home: Home) -> dict[str, list[Verdict]]:
    """Return a verdict on everything that a working installation needs, by what it belongs to."""
    return {
        "Machine": [python_version(), free_space(home)],
        "Packages": [locked_packages(), libraries(), asset_selections()],
        "Home": [complete_home(home)],
        "Landing folders": [landing_folder(pipeline) for pipeline in pipelines.PIPELINES],
        "Production": [production(home, pipeline) for pipeline in pipelines.PIPELINES],
        "Pseudonyms": [pseudonym_key(home, pipeline) for pipeline in pipelines.PIPELINES],
        "Alerts": [alerts()],
    }


def _finding(name: str, problem: str | None, fine: str) -> Verdict:
    return Verdict(
        name=name,
        passed=problem is None,
        measured=None,
        limit=None,
        unit="",
        reason=fine if problem is None else problem,
    )


def python_version() -> Verdict:
    """Python is a version that the lock was resolved for."""
    found = ".".join(map(str, sys.version_info[:3]))
    fits = sys.version_info[:2] in PYTHONS
    problem = None if fits else f"it is {found}. Fix: install Python 3.12 and run `make setup`"
    return _finding("Python", problem, found)


def locked_packages() -> Verdict:
    """The installed packages are those of requirements.lock."""
    lock = project_root() / "requirements.lock"
    if not lock.is_file():
        return _finding("packages", None, "no requirements.lock here; installed as a package")
    wrong = []
    for line in filter(None, map(str.strip, lock.read_text().splitlines())):
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            found = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found == "missing" or found not in wanted.specifier:
            wrong.append(f"{wanted} (found: {found})")
    shown = "; ".join(wrong[:SHOWN])
    problem = f"{len(wrong)} differ: {shown}. Fix: `make clean setup`" if wrong else None
    return _finding("packages", problem, "exactly those of requirements.lock")


def libraries() -> Verdict:
    """The versions of what does the general work, for whoever reads a report of a fault."""
    found = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    return _finding("versions", None, ", ".join(found))


def asset_selections() -> Verdict:
    """Dagster's asset selections work: dvc's hydra-core asks for an antlr that breaks them."""
    found = importlib.metadata.version("antlr4-python3-runtime")
    problem = None
    if Version(found) < LEAST_ANTLR:
        problem = (
            f"antlr4-python3-runtime {found} breaks Dagster's asset selections. Fix: "
            "`pip install --no-deps antlr4-python3-runtime==4.13.2`, or `make clean setup`"
        )
    return _finding("asset selections", problem, f"antlr4-python3-runtime {found}")


def free_space(home: Home) -> Verdict:
    """There is room for snapshots in cache and remote."""
    place = next(p for p in (home.root, *home.root.parents) if p.exists())
    free = shutil.disk_usage(place).free
    problem = None
    if free < LEAST_FREE_BYTES:
        problem = f"{free / 1e9:.1f} GB are free at {place}. Fix: free at least 2 GB"
    return _finding("disk", problem, f"{free / 1e9:.0f} GB are free at {place}")


def complete_home(home: Home) -> Verdict:
    """The home is made, complete and writable."""
    try:
        home.require()
    except HomeError as error:
        return _finding("home", str(error).replace("\n", " "), "")
    return _finding("home", None, str(home.root))


def landing_folder(pipeline: Pipeline) -> Verdict:
    """The pipeline's landing folder can be listed, and what lies there are batches."""
    from mldebt_assets.sources.landing import survey

    try:
        landing = survey(pipeline.source, project_root())
    except MLDebtError as error:
        return _finding(pipeline.name, str(error).replace("\n", " "), "")
    problem = "; ".join(file.problem for file in landing.refused).replace("\n", " ") or None
    return _finding(pipeline.name, problem, f"{len(landing.arrivals)} batches")


def production(home: Home, pipeline: Pipeline) -> Verdict:
    """MLflow has the champion and the version before it: on its pages anybody can delete them."""
    from mldebt_assets.promotions import way_back
    from mldebt_assets.resources import Platform

    platform, name = Platform(home), f"champion of {pipeline.name}"
    try:
        facts = platform.record(pipeline.name).facts()
        stack = way_back(facts)
        if not stack:
            return _finding(name, None, "no champion yet")
        from mldebt_assets.answers.registered import lost

        with platform.registry.reachable():
            problem = " ".join(lost(platform.registry, pipeline.name, facts))
    except MLDebtError as error:
        return _finding(name, str(error).replace("\n", " "), "")
    told = [f"v{champion.version}" for champion in reversed(stack[-2:])]
    fine = f"MLflow has {' and, before it, '.join(told)}"
    return _finding(name, problem.replace("\n", " ") or None, fine)


def pseudonym_key(home: Home, pipeline: Pipeline) -> Verdict:
    """Where a pipeline makes pseudonyms, their key is there, nobody else's, and the one it had."""
    from mldebt_assets.assets.collecting import key_of, pseudonyms_of
    from mldebt_assets.resources import Platform

    platform, name = Platform(home), f"key of {pipeline.name}"
    if not any(isinstance(column.privacy, Pseudonymise) for column in pipeline.columns):
        return _finding(name, None, "none is needed: no column is pseudonymised")
    try:
        found = pseudonyms_of(pipeline, platform).key_id
        pinned = key_of(platform.record(pipeline.name).facts())
    except MLDebtError as error:
        return _finding(name, str(error).replace("\n", " "), "")
    when = "not used yet" if pinned is None else "the one it was begun with"
    return _finding(name, None, f"its id is {found}: {when}")


def alerts() -> Verdict:
    """Somebody is told of what goes wrong, by addresses that can be used; nothing is sent."""
    from mldebt_assets.monitoring.channels import VARIABLE, channels, wanted

    try:
        wanted()
        known = channels()
        for channel in known:
            channel.require()
    except MLDebtError as error:
        return _finding("addresses", str(error).replace("\n", " "), "")
    named = ", ".join(channel.name for channel in known)
    return _finding("addresses", None, named or f"{VARIABLE} is not set: nobody is told")
