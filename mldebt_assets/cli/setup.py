"""Commands that set up and look after an installation: init, fetch, publish, doctor, ui."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from mldebt_assets.cli.opening import AsJson, PipelineName, opened, out, print_json, say
from mldebt_assets.core.errors import NothingToFetchError, UnlikePointersError
from mldebt_assets.home import Home, initialise, project_root
from mldebt_assets.pipelines import PIPELINES, find

if TYPE_CHECKING:
    from mldebt_assets.pipeline import Pipeline

FIRST_PORT = 3000
PORTS_TRIED = 100


def add_commands(cli: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (init, fetch, publish, doctor, ui):
        cli.command()(command)


def init() -> None:
    """Make the home directory, with its databases; safe to run again.

    Example: `mldebt init`
    """
    home = Home.locate()
    made = initialise(home, [pipeline.name for pipeline in PIPELINES])
    say(f"{'Made' if made else 'Found'} the home {home.root}")


def fetch(pipeline: PipelineName) -> None:
    """Write a demonstration's batches into its landing folder.

    Example: `mldebt fetch flight_delays`
    """
    from mldebt_assets.publishing import unlike_pointers
    from mldebt_assets.sources import FETCHERS
    from mldebt_assets.sources.landing import folder_url

    declared = find(pipeline)
    if declared.name not in FETCHERS:
        raise NothingToFetchError.of(declared.name, FETCHERS)
    url = folder_url(declared.source, project_root())
    written = FETCHERS[declared.name](url)
    place = declared.source.url
    say(f"Wrote {len(written)} batches to {place}" if written else f"All is there: {place}")
    unlike, compared = unlike_pointers(declared, pointer_folder(declared))
    if unlike:
        raise UnlikePointersError.of(unlike, str(pointer_folder(declared)))
    if compared:
        say(f"{compared} batches are, byte for byte, what the committed pointers name")


def publish(pipeline: PipelineName) -> None:
    """Copy the pointers of the raw snapshots to data/, for you to commit.

    Example: `mldebt publish flight_delays`
    """
    from mldebt_assets.publishing import publish_pointers

    declared = find(pipeline)
    with opened() as (platform, instance):
        folder = pointer_folder(declared)
        changed = publish_pointers(instance, platform, declared, folder)
    say(f"{len(changed)} pointers written to {folder}")


def pointer_folder(pipeline: Pipeline) -> Path:
    """Return where the pointers of a pipeline's raw snapshots are committed."""
    return project_root() / "data" / pipeline.name


def doctor(as_json: AsJson = False) -> None:
    """Say what is missing or wrong on this machine, each with its fix.

    Example: `mldebt doctor`
    """
    from mldebt_assets.diagnosis import diagnose

    findings = diagnose(Home.locate())
    if as_json:
        print_json(
            {"ok": all(f.passed for f in findings), "checks": [f.as_dict() for f in findings]}
        )
    else:
        for finding in findings:
            mark = "[green]ok[/]  " if finding.passed else "[red]FAIL[/]"
            out.print(f"{mark} {finding.name}: {escape(finding.reason)}")
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def ui(
    port: Annotated[int, typer.Option(help="The first port to try.")] = FIRST_PORT,
) -> None:
    """Open Dagster's web UI with the daemon, on 127.0.0.1; a taken port is replaced.

    Example: `mldebt ui --port 3001`
    """
    home = Home.locate().require()
    chosen = free_port(port)
    if chosen != port:
        out.print(f"Port {port} is taken; using {chosen}")
    out.print(f"Dagster's web UI: http://127.0.0.1:{chosen}  (Ctrl-C stops it)")
    sys.stdout.flush()
    dagster = shutil.which("dagster", path=str(Path(sys.executable).parent)) or "dagster"
    os.environ.update(home.environment())
    workspace = project_root() / "workspace.yaml"
    target = ["-w", str(workspace)] if workspace.is_file() else ["-m", "mldebt_assets.definitions"]
    address = ["--host", "127.0.0.1", "--port", str(chosen)]
    os.execv(dagster, [dagster, "dev", *target, *address])  # noqa: S606 - a list, no shell


def free_port(first: int) -> int:
    """Return the first port from ``first`` on that is free on 127.0.0.1, else any free one."""
    for port in [*range(first, min(first + PORTS_TRIED, 65536)), 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return first
