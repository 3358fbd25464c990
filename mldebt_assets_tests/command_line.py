"""The command line as a test runs it: in this process, on an installation with the sample."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import typer

from mldebt_assets import cli, definitions, pipelines
from mldebt_assets.cli import remake
from mldebt_assets.core.errors import UnreachableError
from mldebt_assets.core.fingerprint import canonical_json
from mldebt_assets.reproduction import prove
from mldebt_assets_tests import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mldebt_assets_tests.world import World

COMMANDS = typer.main.get_command(cli.cli).commands
COLUMNS = 80


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout; anything else there is an error."""
        return json.loads(self.out)


def mldebt(*arguments: str) -> Said:
    """Run the command line in this process, as the installed program would."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["mldebt", *arguments])
        patch.setenv("COLUMNS", str(COLUMNS))
        with pytest.raises(SystemExit) as ended:
            cli.app()
    return Said(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def installation(root: Path, *, like: World | None = None) -> Iterator[World]:
    """Make an installation whose only pipeline is the sample, and point this process to it."""
    with world.installation(root, like=like) as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipelines, "PIPELINES", (made.pipeline,))
        patch.setattr(definitions, "defs", made.definitions)
        patch.setattr(prove, "remade", remade_here)
        yield made


def remade_here(recipe, platform, folder, _code, _report):
    """Train a version again in this process: another one knows nothing of the sample."""
    home, recipe_file, result_file = folder / "home", folder / "recipe", folder / "result"
    platform.snapshots.lend_remote(home)
    recipe_file.write_bytes(canonical_json(recipe))
    told = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()),
        redirect_stderr(told),
    ):
        patch.setenv("MLDEBT_HOME", str(home))
        code = remake.main(recipe_file, result_file)
    if code == prove.EXIT_UNREACHABLE:
        raise UnreachableError(told.getvalue().strip())
    assert code == 0, told.getvalue()
    return json.loads(result_file.read_bytes())
