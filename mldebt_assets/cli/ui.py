"""``mldebt ui``: Dagster's web UI with the daemon, and MLflow's beside it, until Ctrl-C."""

import os
import shutil
import socket
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import OptionalPipelineName
from mldebt_assets.cli.opening import EXIT_NO_ANSWER, out, progress, say
from mldebt_assets.cli.supervisor import HOST, Server, Supervisor
from mldebt_assets.home import DAGSTER_PORT, MLFLOW_PORT, Home, project_root

PORTS_TRIED = 100
MODULE = "mldebt_assets.definitions"
LOCATION = "mldebt"
SUPERSEDED = "ignore:Function `dev_command` is superseded"  # by `dg dev`, for development alone
DAGSTER = "Dagster"
MLFLOW = "MLflow"

Port = Annotated[int, typer.Option(help="The first port to try.", min=1, max=65535, metavar="P")]
MLflowPort = Annotated[
    int, typer.Option(help="MLflow's port, to which runs link.", min=1, max=65535, metavar="P")
]
WithMLflow = Annotated[bool, typer.Option("--mlflow/--no-mlflow", help="MLflow's UI beside it.")]
OpenPage = Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")]


def ui(
    pipeline: OptionalPipelineName = None,
    port: Port = DAGSTER_PORT,
    mlflow: WithMLflow = True,
    mlflow_port: MLflowPort = MLFLOW_PORT,
    open_page: OpenPage = True,
) -> None:
    """Open Dagster's web UI with the daemon, and MLflow's beside it, on 127.0.0.1.

    With PIPELINE, at its lineage. Dagster's port is replaced where it is taken. Ctrl-C stops all.

    Example: `mldebt ui flight_delays --port 3001 --no-open`
    """
    group = None if pipeline is None else pipelines.find(pipeline).name
    home = Home.locate().require()
    chosen = free_port(port)
    target, location = workspace()
    page = f"http://{HOST}:{chosen}" + (
        f"/locations/{location}/asset-groups/{group}/lineage" if group else ""
    )
    if chosen != port:
        say(f"Port {port} is taken; using {chosen}")
    pages = {DAGSTER: page, MLFLOW: f"http://{HOST}:{mlflow_port}"}
    say(f"Dagster's web UI: {page}  (Ctrl-C stops it)")
    servers = [dagster_server(home, target, chosen)]
    if mlflow:
        servers += mlflow_server(home, mlflow_port)
    sys.stdout.flush()

    def answered(server: Server) -> None:
        say(f"{server.name} answers: {pages[server.name]}")
        sys.stdout.flush()
        if server.name == DAGSTER and open_page and can_open():
            webbrowser.open(page)

    ended = Supervisor(servers, answered).run()
    if ended is not None:
        said = f"in {ended.log}, or leave it out with --no-mlflow" if ended.log else "above"
        progress.print(
            f"{ended.name} has ended by itself, so everything was stopped.\n"
            f"Fix: mend what it says {said}.",
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_NO_ANSWER)


def workspace() -> tuple[Sequence[str], str]:
    """Return what Dagster loads, and what it calls that code location."""
    file = project_root() / "workspace.yaml"
    return (["-w", str(file)], LOCATION) if file.is_file() else (["-m", MODULE], MODULE)


def dagster_server(home: Home, target: Sequence[str], port: int) -> Server:
    """Return Dagster's web server with the daemon and the code server."""
    command = [program("dagster"), "dev", *target, "--host", HOST, "--port", str(port)]
    quiet = filter(None, (os.environ.get("PYTHONWARNINGS"), SUPERSEDED))
    environment = {**home.environment(), "PYTHONWARNINGS": ",".join(quiet)}
    return Server(DAGSTER, command, environment, port, "/server_info")


def mlflow_server(home: Home, port: int) -> list[Server]:
    """Return MLflow's server, or none where the runs have one already or the port is taken.

    It is one worker without MLflow's job runners: 0.4 GB and 4 s instead of 1.1 GB and 10 s.
    """
    if home.mlflow_uri.startswith("http"):
        say(f"MLflow's UI: {home.mlflow_uri}")
        return []
    if free_port(port) != port:
        progress.print(
            f"Port {port} is taken, so MLflow's UI is left out, and links to runs do not open.\n"
            f"Fix: stop what listens there, or leave it out with --no-mlflow.",
            soft_wrap=True,
        )
        return []
    say(f"MLflow's UI: http://{HOST}:{port}  (a few seconds later)")
    environment = {
        **home.environment(),
        "MLFLOW_BACKEND_STORE_URI": home.mlflow_uri,  # not an argument: it may hold a password
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": home.mlflow_artifacts.as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    options = ["--host", HOST, "--port", str(port), "--workers", "1", "--no-serve-artifacts"]
    command = [program("mlflow"), "server", *options]
    log = home.root / "mlflow" / "server.log"
    return [Server(MLFLOW, command, environment, port, "/health", log)]


def program(name: str) -> str:
    """Return the program of this very environment, else the one on the PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


def can_open() -> bool:
    """Return whether somebody sits at a terminal of a machine with a display."""
    display = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    return bool(display) and out.is_terminal


def free_port(first: int) -> int:
    """Return the first port from ``first`` on that is free on 127.0.0.1, else any free one."""
    for port in [*range(first, min(first + PORTS_TRIED, 65536)), 0]:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return first
