"""`mldebt ui`: which page, on which ports, opened for whom, and nothing left behind."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

import psutil
import pytest
import yaml

from mldebt_assets.cli import ui
from mldebt_assets.cli.ui import free_port
from mldebt_assets.home import Home, initialise
from mldebt_assets_tests import servers
from mldebt_assets_tests.command_line import installation, mldebt

ROOT = Path(__file__).resolve().parent.parent.parent
LOCAL = "127.0.0.1"
SECONDS = 180


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """An installation whose only pipeline is the sample."""
    with installation(tmp_path_factory.mktemp("ui")) as made:
        yield made


@pytest.fixture
def started(world, monkeypatch):
    """What would be started; every server answers at once and goes on till Ctrl-C."""
    found = []

    class Started:
        def __init__(self, given, answered):
            self.given, self.answered = given, answered

        def run(self):
            found.extend(self.given)
            for server in self.given:
                self.answered(server)

    monkeypatch.setattr(ui, "Supervisor", Started)
    return found


@pytest.fixture
def taken():
    """A port that somebody listens on."""
    with socket.socket() as listening:
        listening.bind((LOCAL, 0))
        listening.listen()
        yield listening.getsockname()[1]


def option(server, name):
    return server.command[server.command.index(name) + 1]


def test_a_pipelines_page_is_its_lineage(started):
    """The name of the code location is in the address, and workspace.yaml gives it."""
    port = servers.free_port()
    said = mldebt("ui", "parcels", "--port", str(port), "--mlflow-port", str(servers.free_port()))
    assert (said.code, said.err) == (0, "")
    assert f"http://{LOCAL}:{port}/locations/mldebt/asset-groups/parcels/lineage" in said.out
    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["location_name"] == ui.LOCATION


def test_both_servers_listen_on_this_machine_alone(started, taken):
    """Neither has a password."""
    said = mldebt("ui", "--port", str(taken), "--mlflow-port", str(servers.free_port()))
    assert said.code == 0
    assert [server.name for server in started] == ["Dagster", "MLflow"]
    assert {option(server, "--host") for server in started} == {LOCAL}
    assert [option(server, "--port") for server in started] == [str(s.port) for s in started]
    assert f"Port {taken} is taken; using {started[0].port}" in said.out


def test_mlflow_reads_the_homes_runs_and_its_database_is_in_no_command_line(started, world):
    """Anybody on the machine can read a command line, and a URL may hold a password."""
    mldebt("ui", "--mlflow-port", str(servers.free_port()))
    [_, mlflow] = started
    assert mlflow.environment["MLFLOW_BACKEND_STORE_URI"] == world.home.mlflow_uri
    assert world.home.mlflow_uri not in mlflow.command
    assert mlflow.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert mlflow.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_taken_port_of_mlflow_is_said_and_dagster_runs_without_it(started, taken):
    """Links from runs name that port, so another one would not help."""
    said = mldebt("ui", "--mlflow-port", str(taken))
    assert [server.name for server in started] == ["Dagster"]
    assert f"Port {taken} is taken, so MLflow's UI is left out" in said.err
    assert "\nFix: " in said.err


def test_a_server_of_mlflow_that_is_there_already_is_named(started, monkeypatch):
    """A team has one."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    said = mldebt("ui")
    assert [server.name for server in started] == ["Dagster"]
    assert "MLflow's UI: https://mlflow.example.org" in said.out


def test_without_mlflow_there_is_none(started):
    """It takes 0.4 GB."""
    said = mldebt("ui", "--no-mlflow")
    assert [server.name for server in started] == ["Dagster"]
    assert "MLflow" not in said.out


@pytest.mark.parametrize(
    ("display", "terminal", "wish"),
    [(True, True, "--open"), (True, True, "--no-open"), (True, False, "--open"),
     (False, True, "--open")],
)  # fmt: skip
def test_the_page_is_opened_for_a_person_alone(started, monkeypatch, display, terminal, wish):
    """A service or a remote shell has no browser; text browsers would take the terminal."""
    pages = []
    monkeypatch.setattr(webbrowser, "open", pages.append)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ui.out, "_force_terminal", terminal)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    port = servers.free_port()
    mldebt("ui", "parcels", "--port", str(port), "--no-mlflow", wish)
    page = f"http://{LOCAL}:{port}/locations/mldebt/asset-groups/parcels/lineage"
    assert pages == ([page] if display and terminal and wish == "--open" else [])


def test_a_server_that_ends_by_itself_is_said(world, monkeypatch):
    """Exit code 3: what was asked for is not there any more."""

    class Ended:
        def __init__(self, given, _answered):
            self.given = given

        def run(self):
            return self.given[-1]

    monkeypatch.setattr(ui, "Supervisor", Ended)
    said = mldebt("ui", "--mlflow-port", str(servers.free_port()))
    assert said.code == 3
    assert "MLflow has ended by itself, so everything was stopped." in said.err
    assert f"Fix: mend what it says in {world.home.root}/mlflow/server.log" in said.err


def test_a_taken_port_is_replaced_by_a_free_one(taken):
    """Port 3000 is everybody's favourite."""
    chosen = free_port(taken)
    assert chosen != taken
    with socket.socket() as probe:
        probe.bind((LOCAL, chosen))


def test_the_last_port_has_no_next_one():
    """Then the system is asked for any."""
    with socket.socket() as taken:
        taken.bind((LOCAL, 65535))
        taken.listen()
        assert 0 < free_port(65535) < 65535


def page(port, path):
    """Return a page's status, or None while nobody answers."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def test_the_real_servers_answer_and_end_without_a_trace(tmp_path, monkeypatch):
    """Dagster with its daemon, and MLflow: seven processes that Ctrl-C must end."""
    home = Home(tmp_path / "home")
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    initialise(home, ["flight_delays"])
    ports = servers.free_port(), servers.free_port()
    options = ["--port", str(ports[0]), "--mlflow-port", str(ports[1])]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("mldebt"), "ui", "flight_delays", *options],
            cwd=tmp_path,
            env={**os.environ, **home.environment()},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    family = []
    try:
        deadline = time.monotonic() + SECONDS
        while "MLflow answers" not in (tmp_path / "out").read_text() and process.poll() is None:
            assert time.monotonic() < deadline, (tmp_path / "out").read_text()
            time.sleep(0.3)
        assert page(ports[0], "/server_info") == http.HTTPStatus.OK
        assert page(ports[1], "/ajax-api/2.0/mlflow/experiments/get?experiment_id=1") == 200
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) >= 6
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
        _, alive = psutil.wait_procs(family, timeout=5)
        assert [one for one in alive if one.status() != psutil.STATUS_ZOMBIE] == []
    finally:
        process.terminate()
        process.wait()
        for one in family:
            if one.is_running():
                one.kill()
    said = (tmp_path / "out").read_text()
    assert f"Dagster answers: http://{LOCAL}:{ports[0]}/locations/mldebt/asset-groups" in said
    assert f"MLflow answers: http://{LOCAL}:{ports[1]}" in said
    assert "Traceback" not in said
    assert "SupersessionWarning" not in said
    assert [f.name for f in tmp_path.iterdir() if f.name.startswith("mlruns")] == []
