"""Which code and which environment made an artefact.

The code is that of a checkout, which git knows, or of a built package: `setup.py` puts into it
which commit it was built from, and a copy of what the digest covers beside the package.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mldebt_assets.brought import pipeline_files
from mldebt_assets.core.fingerprint import digest, sha256

PACKAGE = Path(__file__).resolve().parent
BESIDE = ("requirements.lock", "pyproject.toml")
BUILT = "built"  # the folder in a built package; a checkout has none
BUILT_FACTS = "code.json"


@functools.cache
def code() -> dict[str, Any]:
    """Return ``commit`` (None where unknown), ``dirty`` and the ``digest`` of what is run.

    ``dirty`` looks at what the digest covers alone, so that a notebook beside it makes nothing
    dirty. A built package is dirty if its checkout was, or if it is no longer what was built.
    """
    facts = PACKAGE / BUILT / BUILT_FACTS
    if not facts.is_file():
        root = PACKAGE.parent
        return {"commit": _commit(root), "dirty": _dirty(root), "digest": code_digest()}
    built = json.loads(facts.read_text(encoding="utf-8"))
    changed = code_digest() != built["digest"]
    return {**built, "dirty": changed or built["dirty"], "digest": code_digest()}


@functools.cache
def code_digest() -> str:
    """Return the digest of the package's sources, the lock file and pyproject.toml.

    A user's own pipeline files, which lie outside the package, count where there are any.
    It is taken once a process, which is when the code was read; the same in a checkout and in the
    package built from it.
    """
    files = pipeline_files()
    if not files:
        return package_digest()
    brought = {name: sha256(text) for name, text in files.items()}
    return digest({"package": package_digest(), "pipelines": brought})


@functools.cache
def package_digest() -> str:
    """Return the digest of the package as this process read it."""
    return digest_of(PACKAGE)


def digest_of(package: Path) -> str:
    """Return the digest of the package that lies in a folder, as it is now."""
    hasher = hashlib.sha256()
    carried = package / BUILT
    beside = carried if (carried / BESIDE[0]).is_file() else package.parent
    sources = [(file.relative_to(package.parent), file) for file in package.rglob("*.py")]
    for name, file in [*sorted(sources), *((Path(name), beside / name) for name in BESIDE)]:
        if file.is_file():
            hasher.update(f"{name.as_posix()}\0{sha256(file.read_bytes())}\n".encode())
    return hasher.hexdigest()


def uncommitted() -> bytes | None:
    """Return what a checkout has beyond its commit, as a binary diff that `git apply` takes.

    New files are in it. None where there is nothing, no git, or a file that is not the one that
    this process runs any more. Git's own objects and index stay as they are.
    """
    root = PACKAGE.parent
    if not _dirty(root) or digest_of(PACKAGE) != package_digest():
        return None
    objects = _git(root, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory() as folder:
        apart = {
            "GIT_INDEX_FILE": f"{folder}/index",
            "GIT_OBJECT_DIRECTORY": folder,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects or "",
        }
        for arguments in (("read-tree", "HEAD"), ("add", "--all", "--", PACKAGE.name, *BESIDE)):
            if _run_git(root, *arguments, **apart) is None:
                return None
        shown = ("--cached", "--binary", "--no-color", "--no-ext-diff", "--no-renames")
        return _run_git(root, "diff", *shown, "HEAD", "--", PACKAGE.name, *BESIDE, **apart)


def _run_git(root: Path, *arguments: str, **environment: str) -> bytes | None:
    """Return what git prints, byte for byte; None where it fails or is not there."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "-c", "core.autocrlf=false", *arguments],
            env={**os.environ, **environment},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return None
    return answer.stdout if answer.returncode == 0 else None


def _git(root: Path, *arguments: str) -> str | None:
    told = _run_git(root, *arguments) if (root / ".git").exists() else None
    return None if told is None else told.decode(errors="replace").strip()


def _commit(root: Path) -> str | None:
    return _git(root, "rev-parse", "HEAD") or None


def _dirty(root: Path) -> bool | None:
    changed = _git(root, "status", "--porcelain", "--", PACKAGE.name, *BESIDE)
    return None if changed is None else bool(changed)


def changed_files(before: str | None, after: str | None) -> list[str] | None:
    """Return the files of the program that differ between two commits, each as git writes it.

    A line is a letter (A added, D deleted, M modified), a tab and the path. None where git cannot
    say: no checkout, or a commit that it does not have.
    """
    if before is None or after is None:
        return None
    told = _git(
        PACKAGE.parent,
        *("diff", "--name-status", "--no-renames", before, after, "--", PACKAGE.name, *BESIDE),
    )
    return None if told is None else told.splitlines()


@functools.cache
def environment() -> dict[str, Any]:
    """Return the facts on which the bits of a training may depend, and their ``digest``.

    ``blas`` names the kernels that numpy and scipy chose for this processor: with others, the line
    that calibrates the scores differs in its last bit.
    """
    import numpy as np  # noqa: F401 - loads its BLAS
    import scipy.linalg  # noqa: F401 - loads another
    import torch
    from threadpoolctl import threadpool_info

    kernels = {
        f"{pool['internal_api']} {pool['version']} {pool['architecture']}"
        for pool in threadpool_info()
        if pool["user_api"] == "blas" and "architecture" in pool
    }
    facts = {
        "python": platform.python_version(),
        "platform": platform.system(),
        "os": operating_system(),
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
        "torch": torch.__version__,
        "torch_build": sha256(torch.__config__.show().encode()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "blas": sorted(kernels),
        "intra_op_threads": 1,
        "packages": packages(),
    }
    return {**facts, "digest": digest(facts)}


def operating_system() -> str:
    """Return the distribution and its release, or the system's own release where it has none.

    A kernel is left out: its updates change no bit of a training.
    """
    try:
        told = platform.freedesktop_os_release()
    except OSError:
        return f"{platform.system()} {platform.release()}"
    return f"{told['ID']} {told.get('VERSION_ID', 'rolling')}"


def packages() -> dict[str, str]:
    """Return every installed package's version; where a name is there twice, that imported."""
    found: dict[str, str] = {}
    for folder in sys.path:
        for one in sorted(Path(folder).glob("*.dist-info")):
            name, _, version = one.stem.lower().rpartition("-")
            found.setdefault(name, version)
    return dict(sorted(found.items()))
