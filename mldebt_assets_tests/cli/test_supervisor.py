"""Servers that run side by side end together, with all that they started. Real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from mldebt_assets.cli import supervisor
from mldebt_assets.cli.supervisor import Server, Supervisor
from mldebt_assets_tests.servers import free_port

# Serves a page, and has a child that nothing but a signal ends.
SERVER = """
import http.server, signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
started = subprocess.Popen([sys.executable, "-c", child])
with open(sys.argv[2], "w") as file:
    file.write(str(started.pid))
if sys.argv[3] == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
if sys.argv[3] == "brief":
    time.sleep(0.5)
    sys.exit(7)
http.server.HTTPServer(
    ("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler
).serve_forever()
"""


@pytest.fixture
def serving(tmp_path):
    """Make servers; whatever they started and left behind is killed at the end, and named."""
    pids = []

    def make(name, manner="polite"):
        port, note = free_port(), tmp_path / f"{name}.child"
        pids.append(note)
        command = [sys.executable, "-c", SERVER, str(port), str(note), manner]
        return Server(name, command, {}, port, "/", tmp_path / f"{name}.log")

    make.children = pids
    yield make
    for note in pids:
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.NoSuchProcess):
            psutil.Process(int(note.read_text())).kill()


def ended(note):
    """Return whether the child that a server started is gone."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if psutil.Process(int(note.read_text())).status() == psutil.STATUS_ZOMBIE:
                return True  # nobody has asked for its exit code yet
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_all_of_them_and_what_they_started(serving, number):
    """Ctrl-C, a service manager's stop, and a closed terminal."""
    answered = []

    def note(server):
        answered.append(server.name)
        if len(answered) == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    both = Supervisor([serving("first"), serving("second")], note)
    assert both.run() is None
    assert answered == ["first", "second"]
    assert all(process.poll() is not None for process in both.running.values())
    assert all(map(ended, serving.children))
    assert signal.getsignal(number) is before


def test_one_that_ends_by_itself_ends_the_other(serving):
    """Half a UI whose other half is gone without a word is worse than none."""
    first, brief = serving("first"), serving("brief", "brief")
    both = Supervisor([first, brief], lambda _: None)
    assert both.run() is brief
    assert both.running["brief"].returncode == 7
    assert both.running["first"].poll() is not None
    assert all(map(ended, serving.children))


def test_the_second_is_started_once_the_first_answers(serving):
    """Two that start at once on two cores are both late."""
    brief = serving("brief", "brief")
    both = Supervisor([brief, serving("second")], lambda _: None)
    assert both.run() is brief
    assert both.running.keys() == {"brief"}


def test_one_that_does_not_listen_is_killed_after_a_while(serving, monkeypatch):
    """A server that hangs must not keep the terminal."""
    monkeypatch.setattr(supervisor, "PATIENCE_SECONDS", 0.5)
    stubborn = Supervisor(
        [serving("stubborn", "stubborn")], lambda _: os.kill(os.getpid(), signal.SIGINT)
    )
    assert stubborn.run() is None
    assert stubborn.running["stubborn"].returncode == -signal.SIGKILL
    assert all(map(ended, serving.children))


def test_asking_twice_ends_it_at_once(serving):
    """Whoever presses Ctrl-C again has waited long enough."""
    one = Supervisor([serving("stubborn", "stubborn")], lambda _: None)

    def ask_twice(_server):
        again = f"import os, time; time.sleep(1); os.kill({os.getpid()}, {signal.SIGINT:d})"
        subprocess.Popen([sys.executable, "-c", again])
        os.kill(os.getpid(), signal.SIGINT)

    one.answered = ask_twice
    started = time.monotonic()
    assert one.run() is None
    assert time.monotonic() - started < supervisor.PATIENCE_SECONDS / 2
    assert one.running["stubborn"].returncode == -signal.SIGKILL


def test_a_server_that_is_not_there_does_not_answer():
    """It is asked before it listens."""
    assert not supervisor.answers(Server("none", [], {}, free_port(), "/"))
