"""The recorded code, as it was: a git worktree of its commit, or the package that is installed."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.errors import CodeMissingError
from mldebt_assets.provenance import BUILT, PACKAGE, code_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldebt_assets.store import SnapshotStore

WITHOUT_HOOKS = ("-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false")


@contextmanager
def recorded_code(code: dict[str, Any], store: SnapshotStore, into: Path) -> Iterator[Path]:
    """Give the folder in which the recorded code's package lies.

    In a checkout that is a worktree of the commit, with what was not committed then; it is taken
    away again. What is installed, or was unpacked without git, has itself alone: the digest says
    whether it is the same.

    Raises: CodeMissingError if git no longer has the commit, or the diff is gone or does not fit;
            DigestMismatchError if the diff is damaged.
    """
    root, commit = PACKAGE.parent, code["commit"]
    installed = (PACKAGE / BUILT).is_dir() or not (root / ".git").exists()
    if installed or commit is None:
        yield root
        return
    if not has_commit(root, commit):
        if code["digest"] == code_digest():  # history was rewritten, and the code is still this
            yield root
            return
        raise CodeMissingError.of(
            f"The commit {commit}, whose code trained it, is not in {root}.",
            f"`git fetch origin {commit}`, or get a clone that has it.",
        )
    try:
        git(root, "worktree", "add", "--detach", "--quiet", "--force", str(into), commit)
        apply(code, store, into)
        yield into
    finally:
        git(root, "worktree", "remove", "--force", str(into), may_fail=True)


def has_commit(root: Path, commit: str) -> bool:
    """Return whether a repository has a commit."""
    return git(root, "cat-file", "-e", f"{commit}^{{commit}}", may_fail=True) is not None


def apply(code: dict[str, Any], store: SnapshotStore, into: Path) -> None:
    """Lay over a worktree what was not committed when the version was trained."""
    if not code["dirty"]:
        return
    if code["uncommitted"] is None:
        raise CodeMissingError.of(
            f"It was trained from {code['commit']} with changes that were not committed, and these "
            "were not recorded: the files changed again while the program ran.",
            "train it again from a commit.",
        )
    at = code["uncommitted"]
    diff = store.get(name="the uncommitted code", sha256_hex=at["sha256"], md5=at["md5"])
    if git(into, "apply", "--binary", "--whitespace=nowarn", "-", data=diff, may_fail=True) is None:
        raise CodeMissingError.of(
            f"The recorded diff {at['sha256']} does not fit to {code['commit']}.",
            "`mldebt verify` says whether the record is whole.",
        )


def git(
    root: Path, *arguments: str, data: bytes | None = None, may_fail: bool = False
) -> bytes | None:
    """Return what git prints; None where it fails and may.

    Raises: CodeMissingError with git's own words where it may not fail.
    """
    done = subprocess.run(
        ["git", "-C", str(root), *WITHOUT_HOOKS, *arguments],
        input=data,
        capture_output=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    if may_fail:
        return None
    told = done.stderr.decode(errors="replace").strip()
    raise CodeMissingError.of(f"git {arguments[0]} failed: {told}.", "mend the repository.")
