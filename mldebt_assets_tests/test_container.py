"""The container's files say what was tried: their own commands run here, without an engine.

Nothing is typed a second time: commands, health checks, environment and users are read from the
Dockerfile and compose.yaml. Only what an engine would provide is put in its place: folders, host
names and free ports of this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import requests
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from mldebt_assets.home import STORAGE_VARIABLE, Home
from mldebt_assets_tests.composition import (
    COMPOSE,
    DEADLINE_SECONDS,
    IMAGE,
    PASSWORD,
    ROOT,
    SERVICES,
    Cluster,
    cluster_of_this_machine,
    health_check,
    stages,
    wait_until,
)
from mldebt_assets_tests.servers import end, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = Path(sys.executable).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
LANDED = b"not,flights\n1,2\n"
EXACT_IMAGE = re.compile(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z]+)*")


def command(service: str) -> list[str]:
    """Return what a service runs: its own command, else the image's."""
    return list(SERVICES[service].get("command") or json.loads(IMAGE.last("CMD")))


def linter(name: str) -> str:
    """Return the path of a linter's program; skip where it is not built for this platform."""
    found = shutil.which(name, path=str(BIN))
    if found is None:
        pytest.skip(f"{name} is not installed: it has no build for this platform")
    return found


def test_the_dockerfile_passes_its_linter():
    """Hadolint knows which lines age badly, and checks the shell in them."""
    done = subprocess.run(
        [linter("hadolint"), "--no-color", "--failure-threshold", "info", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compose_file_is_of_the_specification():
    """Compose passes over a key that it does not know at some places, and stops at others."""
    done = subprocess.run(
        [
            linter("check-jsonschema"),
            *("--builtin-schema", "vendor.compose-spec"),
            ROOT / "compose.yaml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "image",
    sorted({stage.base for stage in stages()} | {each["image"] for each in SERVICES.values()}),
)
def test_every_image_has_an_exact_version(image):
    """What `latest` or `17` means tomorrow was not what ran here."""
    assert EXACT_IMAGE.fullmatch(image)


def test_every_stage_has_a_python_that_the_project_declares():
    """And the same one: an environment is copied from one stage to the next."""
    [version] = {re.search(r"python:([\d.]+)", stage.base)[1] for stage in stages()}
    assert version in SpecifierSet(PROJECT["requires-python"])


def test_the_image_has_the_version_of_the_project():
    """An upgrade is a new tag; the old one is there to go back to."""
    assert {service["image"] for service in OURS.values()} == {f"mldebt:{PROJECT['version']}"}


def test_what_is_installed_is_locked_and_the_wheel():
    """Whatever pip may choose by itself differs from one build to the next."""
    runs = [value for name, value in stages()[1].instructions if name == "RUN"]
    asked = [re.sub(r"\s+", " ", run.split("pip install ")[1]) for run in runs]
    [torch] = [line for line in PROJECT["dependencies"] if line.startswith("torch")]
    assert asked == [
        f"${{PIP_TORCH_ARGS}} {torch}",
        "--no-deps --requirement requirements.lock --constraint requirements-dev.lock setuptools",
        "--no-deps ./*.whl",
    ]


@pytest.mark.parametrize("declared", PROJECT["optional-dependencies"]["postgres"])
def test_what_postgresql_needs_is_in_the_lock_of_the_image(declared):
    """The image has no other list of packages."""
    wanted = Requirement(declared)
    lock = [Requirement(x) for x in (ROOT / "requirements.lock").read_text().splitlines()]
    [locked] = [each for each in lock if each.name == wanted.name]
    [version] = [each.version for each in locked.specifier]
    assert version in wanted.specifier


def test_the_images_environment_is_that_of_its_home():
    """Dagster's own commands find the home, and report to nobody, without mldebt before them."""
    home = Home(Path(IMAGE.environment["MLDEBT_HOME"]))
    assert home.environment().items() <= IMAGE.environment.items()


def test_the_build_gets_what_it_copies_and_no_password():
    """`.git/config` may hold one, in the address of the origin."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    assert {name for name in let_in if not (ROOT / name).exists()} - {".git"} == set()
    assert {"mldebt_assets", "pyproject.toml", "requirements.lock", "setup.py", ".git"} <= let_in
    assert ".git/config" in rules[-5:]


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_as_little_as_it_needs(name):
    """What breaks out of one finds no root, no capability and no file to change."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - a path in the container
    assert not {"privileged", "cap_add", "network_mode", "pid", "env_file"} & set(service)
    user = service.get("user") or IMAGE.last("USER")
    assert user.split(":")[0] not in {"", "0", "root"}


def test_only_the_web_server_is_reached_from_outside_and_from_this_machine_alone():
    """Dagster asks nobody who they are, and its gRPC server runs what it is told."""
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert list(published) == ["webserver"]
    assert all(port.startswith("127.0.0.1:") for port in published["webserver"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert {name for name, s in SERVICES.items() if s["networks"] != ["inside"]} == {"webserver"}
    assert "--read-only" in command("webserver")


def test_only_what_runs_the_code_can_change_the_state():
    """The web server and the daemon read it: for Dagster's settings and the runs' logs."""
    mounts = {name: service["volumes"] for name, service in OURS.items()}
    assert {name for name, volumes in mounts.items() if volumes == ["state:/state"]} == {
        "init",
        "code",
    }
    assert mounts["daemon"] == mounts["webserver"] == ["state:/state:ro"]


def test_no_password_is_written_down():
    """A default would be everybody's."""
    values = [
        value
        for service in SERVICES.values()
        for name, value in service["environment"].items()
        if "PASSWORD" in name
    ]
    assert len(values) == len(SERVICES)
    assert all(re.fullmatch(r"\$\{MLDEBT_POSTGRES_PASSWORD:\?[\w .]+\}", each) for each in values)
    assert "/.env" in (ROOT / ".gitignore").read_text().splitlines()


def test_everything_waits_for_the_one_process_that_makes_the_home():
    """Several processes racing on fresh databases damage them for good."""
    conditions = {
        name: {other: each["condition"] for other, each in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert conditions == {
        "postgres": {},
        "init": {"postgres": "service_healthy"},
        "code": {"init": "service_completed_successfully"},
        "daemon": {"code": "service_healthy"},
        "webserver": {"code": "service_healthy"},
    }
    assert [name for name in OURS if command(name) == ["mldebt", "init"]] == ["init"]
    assert SERVICES["init"]["restart"] == "no"


@pytest.fixture(scope="module")
def cluster():
    """PostgreSQL, as compose.yaml asks for it."""
    with cluster_of_this_machine() as ready:
        yield ready


class Composed:
    """The services of compose.yaml as processes, in folders, on ports and as hosts of here."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        self.root, self.cluster = root, cluster
        self.ports = {3000: free_port(), 4000: free_port()}
        self.state, scratch, settings = root / "state", root / "tmp", root / "settings"
        for folder in (self.state, scratch, settings):
            folder.mkdir()
        # Apart from the checkout, as it is when installed: then the current directory counts.
        self.packages = root / "packages"
        hidden = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "mldebt_assets", self.packages / "mldebt_assets", ignore=hidden)
        self.places = {"/state": self.state, "/tmp": scratch, "/etc/mldebt": settings}  # noqa: S108
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        workspace = (ROOT / "container" / "workspace.yaml").read_text(encoding="utf-8")
        (settings / "workspace.yaml").write_text(self.here(workspace))

    def here(self, text: str) -> str:
        """Return a text of the container's files with the addresses and folders of here."""
        for port, free in self.ports.items():
            text = re.sub(rf"\b{port}\b", str(free), text)
        text = self.cluster.here(text.replace("0.0.0.0", "127.0.0.1"))  # noqa: S104
        text = text.replace("host: code\n", "host: 127.0.0.1\n")
        there = "|".join(self.places)
        return re.sub(rf"(?<![\w/])({there})(?=/|$)", lambda m: str(self.places[m[1]]), text)

    def start(self, service: str, words: list[str]) -> subprocess.Popen[bytes]:
        """Start a service's words with the environment of the image and of compose.yaml alone.

        Nothing but Python's own folder is on its path, as in a slim image: no git, no compiler.
        """
        stated = {**IMAGE.environment, **SERVICES[service]["environment"]}
        unset = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for name, value in stated.items()}
        environment = {name: self.here(value) for name, value in unset.items()}
        environment |= {"PATH": str(BIN), "PGPASSWORD": PASSWORD, "PYTHONPATH": str(self.packages)}
        with (self.root / f"{service}.log").open("ab") as log:
            return subprocess.Popen(
                [BIN / words[0], *map(self.here, words[1:])],
                cwd=self.here(IMAGE.last("WORKDIR")),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def up(self, service: str) -> None:
        """Start a service, and wait until its own health check is content."""
        self.processes[service] = self.start(service, command(service))
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.is_healthy(service):
            alive = self.processes[service].poll() is None
            if not alive or time.monotonic() > deadline:
                log = (self.root / f"{service}.log").read_text()[-4000:]
                pytest.fail(f"{service} {'is not healthy' if alive else 'ended'}:\n{log}")

    def is_healthy(self, service: str) -> bool:
        """Run a service's health check, as an engine would."""
        return self.start(service, health_check(service)).wait() == 0

    def down(self) -> None:
        """End every service."""
        for process in self.processes.values():
            end(process)

    @contextlib.contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Open Dagster's storage as the services do."""
        url = self.cluster.here(OURS["code"]["environment"][STORAGE_VARIABLE])
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(STORAGE_VARIABLE, url)
            patch.setenv("PGPASSWORD", PASSWORD)
            home = Home(self.state / "home")
            with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
                yield instance

    def ask(self, query: str, *, by: str = "POST") -> Any:
        """Send a GraphQL document to the web server, by POST or in the address."""
        url, document = f"http://127.0.0.1:{self.ports[3000]}/graphql", {"query": query}
        sent = {"json": document} if by == "POST" else {"params": document}
        return requests.request(by, url, timeout=DEADLINE_SECONDS, **sent).json()["data"]


@pytest.fixture(scope="module")
def composed(cluster, tmp_path_factory):
    """Everything up, in the order that compose.yaml asks for."""
    stack = Composed(tmp_path_factory.mktemp("composed"), cluster)
    landing = stack.state / "data" / "landing" / "flight_delays"
    landing.mkdir(parents=True)
    (landing / "2013-01.csv").write_bytes(LANDED)
    made = stack.start("init", command("init")).wait()
    assert made == 0, (stack.root / "init.log").read_text()
    try:
        for service in ("code", "daemon", "webserver"):
            assert not stack.is_healthy(service)
            stack.up(service)
        yield stack
    finally:
        stack.down()


def test_the_services_are_healthy_by_their_own_health_checks(composed):
    """Compose starts the next one when they say so, and restarts nothing that answers."""
    assert all(composed.is_healthy(name) for name in ("code", "daemon", "webserver"))
    assert all(process.poll() is None for process in composed.processes.values())


def test_init_again_finds_the_home(composed):
    """`docker compose up` runs it every time."""
    assert composed.start("init", command("init")).wait() == 0
    assert "Found the home" in (composed.root / "init.log").read_text()


def test_the_web_server_shows_the_code_that_the_code_server_loaded(composed):
    """They meet by name and port alone, from three files."""
    entries = composed.ask(
        "{ workspaceOrError { ... on Workspace { locationEntries {"
        " name loadStatus locationOrLoadError { __typename } } } } }"
    )["workspaceOrError"]["locationEntries"]
    location = {"__typename": "RepositoryLocation"}
    assert entries == [{"name": "mldebt", "loadStatus": "LOADED", "locationOrLoadError": location}]


@pytest.mark.parametrize("by", ["POST", "GET"])
def test_the_web_server_refuses_changes(composed, by):
    """Any page that a browser opens can send it one, by an address alone."""
    selector = '{repositoryName: "__repository__", repositoryLocationName: "mldebt"}'
    answer = composed.ask(
        'mutation { addDynamicPartition(partitionsDefName: "flight_delays_batches",'
        f' partitionKey: "2099-01", repositorySelector: {selector}) {{ __typename }} }}',
        by=by,
    )
    assert answer["addDynamicPartition"]["__typename"] == "UnauthorizedError"
    with composed.instance() as instance:
        assert "2099-01" not in instance.get_dynamic_partitions("flight_delays_batches")


def test_a_landed_file_is_taken_in_by_a_run_of_the_code_server(composed):
    """The daemon asks, the code server runs, PostgreSQL keeps it, and the volume has the bytes."""
    asset = dg.AssetKey(["flight_delays", "raw"])
    with composed.instance() as instance:
        wait_until(
            lambda: {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.FAILURE},
            "the end of the run that takes in what landed",
        )
        [taken] = instance.fetch_materializations(asset, limit=1).records
    assert taken.partition_key == "2013-01"
    digest = hashlib.md5(LANDED, usedforsecurity=False).hexdigest()
    stored = f"files/md5/{digest[:2]}/{digest[2:]}"
    assert (composed.state / ".mldebt-remote" / stored).read_bytes() == LANDED


def test_the_services_write_where_the_container_lets_them(composed):
    """The rest of a container's files is mounted read-only: writing there ends a service."""
    made = {path.name for path in composed.root.iterdir() if path.is_dir()}
    assert made == {"state", "tmp", "settings", "packages"}
    assert [path.name for path in (composed.root / "settings").iterdir()] == ["workspace.yaml"]
    assert [path.name for path in composed.packages.iterdir()] == ["mldebt_assets"]
