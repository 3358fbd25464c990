"""`dagster dev` as a test needs it: on a free port, and ended in any case."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from mldebt_assets_tests.world import copy_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mldebt_assets.home import Home

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 120
PATIENCE_SECONDS = 20

LOCATION = """
from pathlib import Path
from mldebt_assets import sensors
sensors.ARRIVALS_INTERVAL_SECONDS = sensors.RETRAINING_INTERVAL_SECONDS = {pause_seconds}
from mldebt_assets.definitions import define
from mldebt_assets_tests.sample import pipeline
defs = define([pipeline(Path(__file__).parent / "landing")])
"""
WORKSPACE = """
load_from:
  - python_file: {relative_path: location.py, location_name: mldebt}
"""


def sample_workspace(folder: Path, pause_seconds: int) -> Path:
    """Declare the sample beside its landing folder as a code location; return the workspace.

    Args: the pause between two ticks of a sensor, which is work in itself.
    """
    (folder / "location.py").write_text(LOCATION.format(pause_seconds=pause_seconds))
    workspace = folder / "workspace.yaml"
    workspace.write_text(WORKSPACE)
    return workspace


def environment() -> dict[str, str]:
    """Return this process's environment, in which other processes find the tests too."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def dagster_dev(workspace: Path, log: Path) -> Iterator[int]:
    """Run `dagster dev` with a workspace and give its port; it may not answer yet."""
    port = free_port()
    address = ["--host", "127.0.0.1", "--port", str(port)]
    with running(["dagster", "dev", "-w", workspace, *address], log):
        yield port


@contextlib.contextmanager
def running(command: list[str | Path], log: Path) -> Iterator[None]:
    """Run one of Dagster's programs beside its log, and end it with all that it started."""
    with log.open("wb") as lines:
        process = subprocess.Popen(
            [Path(sys.executable).parent / command[0], *command[1:]],
            cwd=log.parent,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        end(process)


@contextlib.contextmanager
def serving_copy(home: Home) -> Iterator[int]:
    """Run `dagster dev` of this project on a copy of a home and give its port, once it answers.

    The copy is deleted afterwards, with all that the daemon did to it.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(copy_of(home, Path(folder)).environment())
        with dagster_dev(ROOT / "workspace.yaml", Path(folder) / "dagster.log") as port:
            wait_for_answer(port)
            yield port


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, politely first."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, signal.SIGINT)
    _, alive = psutil.wait_procs(family, timeout=PATIENCE_SECONDS)
    for one in alive:
        one.kill()
    with contextlib.suppress(ProcessLookupError):  # nobody is left, as it should be
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def answers(port: int) -> bool:
    """Return whether the web UI answers on a port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for_answer(port: int) -> None:
    """Wait until the web UI answers.

    Raises: TimeoutError if it does not.
    """
    deadline = time.monotonic() + START_SECONDS
    while not answers(port):
        if time.monotonic() > deadline:
            raise TimeoutError(f"`dagster dev` did not answer on port {port} in {START_SECONDS} s")
        time.sleep(0.2)
