"""Train a version again where nothing of it is, and compare every hash on the way.

An empty directory, a fresh process, the recorded code, the snapshots by hash from the remote alone.
Nothing is left of it afterwards but the answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldebt_assets.answers.lineage import decision_on
from mldebt_assets.brought import unbundle
from mldebt_assets.core.errors import (
    CodeMissingError,
    RefusedError,
    ReproductionError,
    UnreachableError,
)
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.core.reproduction import (
    Closeness,
    Difference,
    Judgement,
    differing_artefacts,
    differing_facts,
    judge,
)
from mldebt_assets.forgotten import withdrawn
from mldebt_assets.promotions import adopted_by, told_of_adoption
from mldebt_assets.reproduction.checkout import recorded_code
from mldebt_assets.reproduction.recipe import recipe_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import dagster as dg

    from mldebt_assets.forgotten import Withdrawn
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.promotions import Fact
    from mldebt_assets.resources import Platform

REMAKE = "mldebt_assets.cli.remake"
EXIT_UNREACHABLE = 3
OURS = ("MLDEBT_", "DAGSTER_", "MLFLOW_")
LINES_OF_A_FAILURE = 5


def reproduce(
    instance: dg.DagsterInstance,
    platform: Platform,
    pipeline: Pipeline,
    version: int | None,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Train the champion, or a version, again; return the verdict and everything that differs.

    ``report`` is told what is made next.

    Raises: RefusedError before the first champion; UnknownVersionError; RecordError for a broken
            record; CodeMissingError if the recorded code cannot be had; UnreachableError if the
            remote does not answer; ReproductionError if the process fails.
    """
    started = time.perf_counter()
    decision = decision_on(platform.record(pipeline.name).facts(), pipeline.name, version)
    if decision is None:
        raise RefusedError.of(
            f"{pipeline.name} has no champion yet, so there is nothing to reproduce.",
            f"`mldebt replay {pipeline.name}` brings the first one.",
        )
    adopted = adopted_by(decision.body)
    if adopted is not None:
        return made_elsewhere(pipeline, decision, told_of_adoption(adopted))
    recipe = recipe_of(instance, platform, pipeline, decision)
    gone = withdrawn_from(platform, pipeline, recipe)
    if gone:
        return cannot(pipeline, decision, recipe, gone) | {
            "seconds": round(time.perf_counter() - started, 1)
        }
    with empty_directory() as folder:
        report("the recorded code")
        with recorded_code(recipe["code"], platform.snapshots, folder / "code") as code:
            made = remade(recipe, platform, folder, code, report)
    judgement = compared(recipe, made)
    return answer(pipeline, decision, recipe, made, judgement) | {
        "seconds": round(time.perf_counter() - started, 1)
    }


def made_elsewhere(pipeline: Pipeline, decision: Fact, told: str) -> dict[str, Any]:
    """Return the answer about an adopted version: nothing is known that could be tried."""
    return {
        "pipeline": pipeline.name,
        "version": decision.body["version"],
        "verdict": "cannot be reproduced",
        "outcome": "not reproduced",
        "reproduced": False,
        "first_difference": None,
        "differs": [],
        "compared": 0,
        "weights_sha256": decision.body["weights_sha256"],
        "training_set": None,
        "code": dict.fromkeys(("commit", "dirty", "digest")),
        "stopped": f"it was {told}; nothing is known of how it was made",
        "closeness": None,
        "seconds": 0.0,
    }


def withdrawn_from(
    platform: Platform, pipeline: Pipeline, recipe: dict[str, Any]
) -> dict[str, Withdrawn]:
    """Return what of a recipe was withdrawn since somebody is forgotten, by its name in it."""
    gone = withdrawn(platform.record(pipeline.name).facts())
    return {name: gone[sha256] for name, sha256 in recipe["artefacts"].items() if sha256 in gone}


def cannot(
    pipeline: Pipeline, decision: Fact, recipe: dict[str, Any], gone: dict[str, Withdrawn]
) -> dict[str, Any]:
    """Return the answer where what a version was made from was withdrawn: nothing is tried."""
    count = f"{len(gone)} snapshot{' was' if len(gone) == 1 else 's were'}"
    told = "; ".join(sorted({one.told for one in gone.values()}))
    made = {
        "environment": recipe["environment"],
        "configuration": recipe["configuration"],
        "code_digest": recipe["code"]["digest"],
        "found": {n: None if n in gone else sha for n, sha in recipe["artefacts"].items()},
        "stopped": f"{count} withdrawn at the request of their subject: {told}",
        "closeness": None,
    }
    judgement = replace(compared(recipe, made), verdict="cannot be reproduced")
    return answer(pipeline, decision, recipe, made, judgement)


@contextmanager
def empty_directory() -> Iterator[Path]:
    """Give a directory that nobody else can read, and delete it afterwards."""
    with tempfile.TemporaryDirectory(prefix="mldebt-reproduce-") as folder:
        yield Path(folder).resolve()


def remade(
    recipe: dict[str, Any],
    platform: Platform,
    folder: Path,
    code: Path,
    report: Callable[[str], None],
) -> dict[str, Any]:
    """Run the recorded code in a fresh process, and return what it made."""
    if not (code / f"{REMAKE.replace('.', '/')}.py").is_file():
        raise CodeMissingError.of(
            f"The commit {recipe['code']['commit']} is from before `mldebt reproduce`.",
            "train a version with this program; it can be reproduced from then on.",
        )
    home, recipe_file, result_file = folder / "home", folder / "recipe", folder / "result"
    platform.snapshots.lend_remote(home)
    recipe_file.write_bytes(canonical_json(recipe))
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")]))
    kept = {n: v for n, v in os.environ.items() if not n.startswith(OURS)}
    environment = {**kept, "PYTHONPATH": path, "MLDEBT_HOME": str(home)}
    if own := recipe["code"]["pipelines"]:
        unbundle(
            platform.snapshots.get(
                name="the user's own pipelines", sha256_hex=own["sha256"], md5=own["md5"]
            ),
            folder / "pipelines",
        )
        environment["MLDEBT_PIPELINES"] = str(folder / "pipelines")
    command = [sys.executable, "-W", "ignore", "-m", REMAKE, str(recipe_file), str(result_file)]
    ended, told = watched(command, environment, home, report)
    if ended == EXIT_UNREACHABLE:
        raise UnreachableError(told)
    if ended != 0:
        raise ReproductionError.of(ended, told.splitlines()[-LINES_OF_A_FAILURE:])
    made: dict[str, Any] = json.loads(result_file.read_bytes())
    return made


def watched(
    command: list[str], environment: dict[str, str], folder: Path, report: Callable[[str], None]
) -> tuple[int, str]:
    """Run a process to its end, telling each of its lines; return its exit code and its errors.

    It is killed where this one is interrupted.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            for line in process.stdout or ():
                report(line.rstrip("\n"))
            process.wait()
        finally:
            process.kill()
            process.wait()
        errors.seek(0)
        return process.returncode, errors.read().decode(errors="replace").strip()


def compared(recipe: dict[str, Any], made: dict[str, Any]) -> Judgement:
    """Return the verdict on what was made, beside what was recorded."""
    environment = differing_facts("environment", recipe["environment"], made["environment"])
    configuration = differing_facts("configuration", recipe["configuration"], made["configuration"])
    recorded, found = recipe["code"]["digest"], made["code_digest"]
    code = [Difference("code", "digest", recorded, found)] if recorded != found else []
    artefacts = differing_artefacts(recipe["artefacts"], made["found"])
    closeness = made["closeness"] and Closeness(**made["closeness"])
    return judge([*environment, *code, *configuration, *artefacts], closeness)


def answer(
    pipeline: Pipeline,
    decision: Fact,
    recipe: dict[str, Any],
    made: dict[str, Any],
    judgement: Judgement,
) -> dict[str, Any]:
    """Return the verdict as plain JSON values."""
    artefacts = recipe["artefacts"]
    return {
        "pipeline": pipeline.name,
        "version": decision.body["version"],
        "verdict": judgement.verdict,
        "outcome": judgement.outcome,
        "reproduced": judgement.reproduced,
        "first_difference": judgement.first,
        "differs": [asdict(one) for one in judgement.differs],
        "compared": len(artefacts),
        "weights_sha256": artefacts["model"],
        "training_set": artefacts["training_set"],
        "code": {name: recipe["code"][name] for name in ("commit", "dirty", "digest")},
        "stopped": made["stopped"],
        "closeness": made["closeness"],
    }
