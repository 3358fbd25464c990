"""Runs servers side by side, and ends all of them together, with whatever they started."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import FrameType

HOST = "127.0.0.1"
LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 20.0
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Server:
    """A program that serves ``path`` on a port of this machine; its output goes to ``log``."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    port: int
    path: str
    log: Path | None = None


@dataclass
class Supervisor:
    """Starts servers one after another, each once the one before answers, and watches them.

    Each is the leader of a session of its own, so that what it started ends with it, and Ctrl-C
    reaches it through us alone, once.
    """

    servers: Sequence[Server]
    answered: Callable[[Server], None]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    asked_to_stop: int = 0

    def run(self) -> Server | None:
        """Run until a signal asks for the end (None), or until a server ends by itself."""
        with self.listening():
            try:
                return self.watch()
            finally:
                self.stop()

    def watch(self) -> Server | None:
        """Start what is due and look after what runs, until something ends."""
        waiting = list(self.servers)
        starting: Server | None = None
        while not self.asked_to_stop:
            for server in self.servers:
                if server.name in self.running and self.running[server.name].poll() is not None:
                    return server
            if starting is None and waiting:
                starting = waiting.pop(0)
                self.running[starting.name] = start(starting)
            elif starting is not None and answers(starting):
                self.answered(starting)
                starting = None
            time.sleep(LOOK_SECONDS)
        return None

    def stop(self) -> None:
        """End every server as Ctrl-C would; kill what is left after a while, or if asked again."""
        asked = self.asked_to_stop
        for process in self.running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (
            any(process.poll() is None for process in self.running.values())
            and time.monotonic() < deadline
            and self.asked_to_stop <= max(asked, 1)
        ):
            time.sleep(LOOK_SECONDS)
        for process in self.running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Count the signals that ask for the end instead of dying of them."""

        def note(_number: int, _frame: FrameType | None) -> None:
            self.asked_to_stop += 1

        before = {number: signal.signal(number, note) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def start(server: Server) -> subprocess.Popen[bytes]:
    """Start a server as the leader of a session of its own."""
    with contextlib.ExitStack() as stack:
        log = None if server.log is None else stack.enter_context(server.log.open("wb"))
        return subprocess.Popen(
            server.command,
            env={**os.environ, **server.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=None if log is None else subprocess.STDOUT,
            start_new_session=True,
        )


def answers(server: Server) -> bool:
    """Return whether the server serves its page; no proxy is asked."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=1)
    try:
        connection.request("GET", server.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
