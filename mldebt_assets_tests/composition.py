"""What compose.yaml and the Dockerfile say, and the PostgreSQL that they ask for, run here."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from mldebt_assets_tests.servers import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
PASSWORD = "not the one of anybody"  # noqa: S105 - of a cluster that lives as long as a test
DEADLINE_SECONDS = 240


@dataclass
class Stage:
    """One stage of a Dockerfile: what it starts from, and its instructions in order."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def last(self, instruction: str) -> str:
        """Return what stands after the last instruction of that name."""
        return [value for name, value in self.instructions if name == instruction][-1]

    @property
    def environment(self) -> dict[str, str]:
        """Every variable that ENV sets."""
        values = [value for name, value in self.instructions if name == "ENV"]
        return dict(word.split("=", 1) for value in values for word in shlex.split(value))


def stages() -> list[Stage]:
    """Return the Dockerfile's stages."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "FROM":
            found.append(Stage(value.split()[0]))
        elif name:
            found[-1].instructions.append((name, value.strip()))
    return found


IMAGE = stages()[-1]


def health_check(service: str) -> list[str]:
    """Return the health check of a service, else the image's."""
    if "healthcheck" in SERVICES[service]:
        kind, *words = SERVICES[service]["healthcheck"]["test"]
    else:
        kind, _, text = IMAGE.last("HEALTHCHECK").split("CMD")[-1].strip().partition("[")
        kind, words = "CMD", json.loads("[" + text)
    assert kind == "CMD"
    return list(words)


class Cluster:
    """A PostgreSQL of this machine, with the user, password and databases of compose.yaml."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self.programs, self.port = folder, programs, free_port()
        service = SERVICES["postgres"]["environment"]
        self.user, self.database = service["POSTGRES_USER"], service["POSTGRES_DB"]
        # The server refuses to run as root, and tests in a container often do.
        self.unprivileged: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.unprivileged = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(folder, "nobody", "nogroup")

    def run(self, program: str, *arguments: str | Path, **more: Any) -> None:
        """Run one of PostgreSQL's programs to its end."""
        account = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": self.user}
        subprocess.run(
            [self.programs / program, *arguments],
            env={**os.environ, **account, "PGPASSWORD": PASSWORD},
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            **more,
        )

    @contextlib.contextmanager
    def serving(self) -> Iterator[Cluster]:
        """Make the cluster as the image does, and serve it by TCP until the end."""
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        method = ("--auth=scram-sha-256", "--no-sync", f"--pwfile={secret}")
        self.run("initdb", "-D", "data", "-U", self.user, *method, **self.unprivileged)
        listening = ("-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-k", self.folder)
        server = subprocess.Popen(
            [self.programs / "postgres", "-D", "data", *listening, "-c", "fsync=off"],
            cwd=self.folder,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
            **self.unprivileged,
        )
        try:
            wait_until(self.is_ready, "PostgreSQL's first answer")
            self.run("createdb", self.database)
            self.run("psql", "-d", self.database, "-f", ROOT / "container" / "databases.sql")
            yield self
        finally:
            os.killpg(server.pid, signal.SIGINT)
            server.wait()

    def is_ready(self) -> bool:
        """Run the health check of compose.yaml at this cluster's port."""
        program, *words = health_check("postgres")
        words = [*words, "--port", str(self.port)]
        done = subprocess.run(
            [self.programs / program, *words], stdout=subprocess.DEVNULL, check=False
        )
        return done.returncode == 0

    def here(self, text: str) -> str:
        """Return a URL of compose.yaml with this cluster's address."""
        return text.replace("@postgres/", f"@127.0.0.1:{self.port}/")


def wait_until(reached: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {DEADLINE_SECONDS} s")
        time.sleep(0.2)


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs: Debian keeps its server's off the PATH."""
    found = shutil.which("postgres")
    places = [
        *([Path(found).resolve()] if found else []),
        *Path("/usr/lib/postgresql").glob("*/bin/postgres"),
    ]
    whole = [place.parent for place in places if (place.parent / "initdb").is_file()]
    return whole[0] if whole else None


@contextlib.contextmanager
def cluster_of_this_machine() -> Iterator[Cluster]:
    """Serve PostgreSQL from a folder that an unprivileged user may reach; skip without one."""
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL is not installed: no server on the PATH or in /usr/lib/postgresql")
    with tempfile.TemporaryDirectory() as folder, Cluster(Path(folder), found).serving() as ready:
        yield ready
