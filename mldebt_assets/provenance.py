"""Which code and which environment made an artefact."""

from __future__ import annotations

import functools
import hashlib
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from mldebt_assets.core.fingerprint import digest, sha256
from mldebt_assets.home import project_root

PACKAGE = Path(__file__).resolve().parent
BESIDE = ("requirements.lock", "pyproject.toml")


@functools.cache
def code() -> dict[str, Any]:
    """Return ``commit`` (None outside git), ``dirty`` and the ``digest`` of what is run.

    The digest covers the package's sources, the lock file and pyproject.toml; ``dirty`` looks at
    those alone, so that a notebook beside them makes nothing dirty. It is taken once a process,
    which is when the code was read.
    """
    hasher = hashlib.sha256()
    root = project_root()
    for file in [*sorted(PACKAGE.rglob("*.py")), *(root / name for name in BESIDE)]:
        if file.is_file():
            name = file.relative_to(PACKAGE.parent if PACKAGE in file.parents else root)
            hasher.update(f"{name.as_posix()}\0{sha256(file.read_bytes())}\n".encode())
    return {"commit": _commit(root), "dirty": _dirty(root), "digest": hasher.hexdigest()}


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _commit(root: Path) -> str | None:
    return _git(root, "rev-parse", "HEAD") or None


def _dirty(root: Path) -> bool | None:
    changed = _git(root, "status", "--porcelain", "--", PACKAGE.name, *BESIDE)
    return None if changed is None else bool(changed)


@functools.cache
def environment() -> dict[str, Any]:
    """Return the facts on which the bits of a training may depend, and their ``digest``."""
    import torch

    packages = sorted(
        {found.stem.lower() for folder in sys.path for found in Path(folder).glob("*.dist-info")}
    )
    facts = {
        "python": platform.python_version(),
        "platform": platform.system(),
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
        "torch": torch.__version__,
        "torch_build": sha256(torch.__config__.show().encode()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "intra_op_threads": 1,
        "packages": digest(packages),
    }
    return {**facts, "digest": digest(facts)}
