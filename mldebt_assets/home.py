"""Where everything lives: the home directory, and how it is made once, by one process.

``mldebt init`` makes Dagster's and MLflow's databases before anything parallel starts, since
several processes racing on a fresh database corrupt it for good. ``home.json`` is written last:
a home without it is half made.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from mldebt_assets.core.errors import HomeError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlflow import MlflowClient

LAYOUT_VERSION = 1
DVC_FOLDERS = ("files", "md5")  # a disk that is not mounted has its folder, but not these
# MLflow would show an experiment as one of its generative models, without this.
KIND = {"mlflow.experimentKind": "custom_model_development"}
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
MLFLOW_PORT = 5000
MLFLOW_UI = f"http://127.0.0.1:{MLFLOW_PORT}"
DAGSTER_PORT = 3000
DAGSTER_VARIABLE = "MLDEBT_DAGSTER_UI"
STORAGE_VARIABLE = "MLDEBT_DAGSTER_STORAGE"

TELEMETRY_OFF = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}

DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
# One run of a pipeline at a time: a batch is scored before anyone learns from it.
concurrency:
  runs:
    max_concurrent_runs: 4
    tag_concurrency_limits:
      - key: mldebt/pipeline
        limit: 1
        value:
          applyLimitPerUniqueValue: true
"""

# The URL, perhaps with a password, stays in the environment and comes into no file.
POSTGRES_YAML = f"""\
storage:
  postgres:
    postgres_url:
      env: {STORAGE_VARIABLE}
"""


def project_root() -> Path:
    """Return the checkout that this package runs from, or the current directory if installed."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "workspace.yaml").is_file() else Path.cwd()


def pipelines_folder() -> Path | None:
    """Return the folder of a user's own pipeline files; None in a checkout, whose package has them.

    ``MLDEBT_PIPELINES`` names it; for an installed package it is ``pipelines/`` in the current
    directory.
    """
    if named := os.environ.get("MLDEBT_PIPELINES"):
        return Path(named).expanduser().resolve()
    root = project_root()
    return None if (root / "workspace.yaml").is_file() else root / "pipelines"


@dataclass(frozen=True)
class Home:
    """The paths of one installation. Nothing in here is touched by constructing it."""

    root: Path

    @classmethod
    def locate(cls) -> Home:
        """Return the home that ``MLDEBT_HOME`` names, else ``.mldebt/`` in the project."""
        named = os.environ.get("MLDEBT_HOME")
        return cls(Path(named).expanduser().resolve() if named else project_root() / ".mldebt")

    @property
    def marker(self) -> Path:
        """The file that says the home is complete."""
        return self.root / "home.json"

    @property
    def dagster(self) -> Path:
        """Dagster's home: its configuration, event log and run storage."""
        return self.root / "dagster"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's tracking database, as a SQLAlchemy URL."""
        return os.environ.get(TRACKING_VARIABLE) or f"sqlite:///{self.root}/mlflow/mlflow.db"

    @property
    def mlflow_ui(self) -> str:
        """Where MLflow's pages are: the tracking server, else what ``mldebt ui`` starts."""
        return self.mlflow_uri.rstrip("/") if self.mlflow_uri.startswith("http") else MLFLOW_UI

    @property
    def dagster_ui(self) -> str:
        """Where Dagster's pages are: as ``MLDEBT_DAGSTER_UI`` says, else what ``mldebt ui`` opens.

        Whatever is no web address is left out, since pages link to it.
        """
        named = os.environ.get(DAGSTER_VARIABLE, "").strip().rstrip("/")
        web = named.startswith(("http://", "https://"))
        return named if web else f"http://127.0.0.1:{DAGSTER_PORT}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where MLflow keeps the files of its runs."""
        return self.root / "mlflow" / "artifacts"

    @property
    def records(self) -> Path:
        """The folder of the promotion records, one file a pipeline."""
        return self.root / "records"

    @property
    def remote_url(self) -> str:
        """The DVC remote that a new home gets: ``MLDEBT_REMOTE``, else a folder beside the home."""
        named = os.environ.get("MLDEBT_REMOTE")
        if named and "://" in named:
            return named
        return str(Path(named or self.root.parent / ".mldebt-remote").expanduser().resolve())

    def require(self) -> Home:
        """Return this home if it is complete and can be written.

        Raises: HomeError saying which of the two it is not, with the fix.
        """
        self.require_complete().require_writable()
        return self

    def require_complete(self) -> Home:
        """Return this home if it is complete; nothing is written, so reading is enough.

        Raises: HomeError saying what is missing, with the fix.
        """
        if not self.root.is_dir():
            raise HomeError.of(str(self.root), "does not exist.")
        if not self.marker.is_file():
            raise HomeError.of(
                str(self.root),
                "is half made: its home.json is missing.",
                "run `mldebt init`, which completes it and keeps what is there",
            )
        layout = self._layout()
        if layout != LAYOUT_VERSION:
            raise HomeError.of(
                str(self.root),
                f"has layout {layout}, but this version reads layout {LAYOUT_VERSION}.",
                "install the version that made it, or point MLDEBT_HOME to a new directory",
            )
        settings = self.dagster / "dagster.yaml"
        needs_url = settings.is_file() and STORAGE_VARIABLE in settings.read_text(encoding="utf-8")
        if needs_url and not os.environ.get(STORAGE_VARIABLE):
            raise HomeError.of(
                str(self.root),
                f"keeps Dagster's storage in PostgreSQL, but {STORAGE_VARIABLE} is not set.",
                "set it to the URL that the home was made with",
            )
        return self

    def _layout(self) -> object:
        """Return what the marker says; ``unknown`` where it is damaged."""
        try:
            return json.loads(self.marker.read_text())["layout"]
        except (ValueError, TypeError, KeyError):
            return "unknown"

    def require_writable(self) -> None:
        """Raise HomeError if nothing can be written into the home."""
        probe = self.root / f".probe-{os.getpid()}"
        try:
            probe.touch()
            probe.unlink()
        except OSError as problem:
            raise HomeError.of(
                str(self.root),
                f"cannot be written ({problem.strerror}).",
                "give yourself write permission, or point MLDEBT_HOME to another directory",
            ) from problem

    def environment(self) -> dict[str, str]:
        """Return the environment variables under which Dagster and the rest find this home."""
        return {
            **TELEMETRY_OFF,
            "DAGSTER_HOME": str(self.dagster),
            "MLDEBT_HOME": str(self.root),
        }


def initialise(home: Home, pipelines: Iterable[str]) -> bool:
    """Make the home, or complete a half-made one; return whether there was anything to do.

    Whatever is there stays as it is: snapshots, records, databases, settings.

    Raises: HomeError where the directory cannot be made or written, UnreachableError where a
            PostgreSQL that the environment names does not answer.
    """
    if home.marker.is_file():
        home.require()
        return False
    try:
        for folder in (home.dagster, home.mlflow_artifacts, home.records, home.root / ".dvc"):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise HomeError.of(
            str(home.root),
            f"cannot be made ({problem.strerror}: {problem.filename}).",
            "give yourself write permission, or point MLDEBT_HOME to another directory",
        ) from problem
    home.require_writable()
    with FileLock(home.root / "init.lock"):
        if home.marker.is_file():
            return False
        os.environ.update(home.environment())
        for variable in (STORAGE_VARIABLE, TRACKING_VARIABLE):
            _require_postgres(variable)
        storage = POSTGRES_YAML if os.environ.get(STORAGE_VARIABLE) else ""
        _write_once(home.dagster / "dagster.yaml", DAGSTER_YAML + storage)
        _initialise_dvc(home)
        _initialise_dagster(home)
        _initialise_mlflow(home, pipelines)
        _write_once(home.marker, json.dumps({"layout": LAYOUT_VERSION}) + "\n")
    return True


def _write_once(file: Path, text: str) -> None:
    """Write a file whole or not at all, unless it is there."""
    if not file.exists():
        partial = file.with_suffix(".partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)


def _require_postgres(variable: str) -> None:
    """Connect once to the PostgreSQL that a variable names, if it names one.

    Dagster and MLflow would try for minutes, and end in a traceback.
    """
    url = os.environ.get(variable, "")
    if not url.startswith("postgres"):
        return
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    try:
        create_engine(url).connect().close()
    except ImportError as problem:
        reason = f"{problem}. Install mldebt-assets[postgres], and write postgresql+psycopg2://."
        raise UnreachableError.of(f"The database of {variable}", reason) from problem
    except SQLAlchemyError as problem:
        reason = str(getattr(problem, "orig", problem)).strip()
        raise UnreachableError.of(f"The database of {variable}", reason) from problem


def _initialise_dvc(home: Home) -> None:
    """Write DVC's settings; DVC itself writes ASCII alone, and its init deletes a cache."""
    from configobj import ConfigObj

    settings = {
        "core": {"no_scm": True, "analytics": False, "remote": "store"},
        'remote "store"': {"url": home.remote_url, "verify": True},
    }
    if "://" not in home.remote_url:
        try:
            Path(home.remote_url, *DVC_FOLDERS).mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            reason = f"it cannot be made ({problem.strerror})"
            raise UnreachableError.of(f"The remote {home.remote_url}", reason) from problem
    _write_once(home.root / ".dvc" / "config", "\n".join(ConfigObj(settings).write()) + "\n")
    _write_once(home.root / ".dvcignore", "/dagster\n/mlflow\n/records\n")


def _initialise_dagster(home: Home) -> None:
    from dagster import DagsterInstance

    with DagsterInstance.from_config(str(home.dagster)) as instance:
        instance.get_runs_count()
        instance.event_log_storage.get_maximum_record_id()
        instance.all_instigator_state()


def _initialise_mlflow(home: Home, pipelines: Iterable[str]) -> None:
    from mlflow import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.ERROR)  # importing MLflow sets it to INFO
    client = MlflowClient(home.mlflow_uri)
    for pipeline in pipelines:
        require_experiment(home, client, pipeline)


def require_experiment(home: Home, client: MlflowClient, pipeline: str) -> None:
    """Make a pipeline's MLflow experiment, with its artefacts in the home, unless it is there.

    Without a place of its own MLflow would put them into the current directory.
    """
    if client.get_experiment_by_name(pipeline) is None:
        place = (home.mlflow_artifacts / pipeline).as_uri()
        client.create_experiment(pipeline, artifact_location=place, tags=KIND)
