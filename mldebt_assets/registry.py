"""MLflow: the runs, the registered versions and the champion's alias."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.errors import UnknownVersionError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mldebt_assets.home import Home

CHAMPION_ALIAS = "champion"
WEIGHTS_FILE = "weights.safetensors"
FACTS_FILE = "model.json"
MODEL_FOLDER = "model"
LOADER = "mldebt_assets.serving"
CREDENTIALS = re.compile(r"//[^/@\s]*@")
RETRIES_VARIABLE = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
PROGRESS_VARIABLE = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version with its tags, all of them strings."""

    version: int
    run_id: str
    tags: Mapping[str, str]
    source: str


class Registry:
    """The MLflow server or database that the home names."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @functools.cached_property
    def client(self) -> Any:
        """MLflow's client; importing MLflow takes seconds, so it is made when first used."""
        from mlflow import MlflowClient

        return MlflowClient(self._home.mlflow_uri)

    def register(
        self, pipeline: str, *, run_id: str, weights: bytes, tags: Mapping[str, str]
    ) -> ModelVersion:
        """Store the weights with their run and register them as the pipeline's next version.

        The model is an MLflow pyfunc that loads through :mod:`mldebt_assets.serving`: it holds
        weights and facts, and nothing that is unpickled.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.models import Model
        from mlflow.pyfunc import add_to_model

        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir()
            (data / WEIGHTS_FILE).write_bytes(weights)
            (data / FACTS_FILE).write_text(served_facts(pipeline, tags["weights_sha256"]))
            model = Model(run_id=run_id)
            add_to_model(model, loader_module=LOADER, data="data")
            model.save(str(Path(folder) / "MLmodel"))
            self.client.log_artifacts(run_id, folder, MODEL_FOLDER)
        try:
            self.client.get_registered_model(pipeline)
        except MlflowException:
            self.client.create_registered_model(pipeline)
        source = f"{self.artefacts_of(run_id)}/{MODEL_FOLDER}"
        created = self.client.create_model_version(
            pipeline, source=source, run_id=run_id, tags=dict(tags)
        )
        return _as_version(created)

    def run_url(self, run_id: str) -> str:
        """Return the page of a run in MLflow's web UI."""
        experiment = self.client.get_run(run_id).info.experiment_id
        return f"{self._home.mlflow_ui}/#/experiments/{experiment}/runs/{run_id}"

    def artefacts_of(self, run_id: str) -> str:
        """Return the URI below which MLflow keeps a run's files."""
        return str(self.client.get_run(run_id).info.artifact_uri)

    def run_tags(self, run_id: str) -> dict[str, str] | None:
        """Return what a run is tagged with, or None where there is no such run."""
        from mlflow.exceptions import MlflowException

        try:
            return dict(self.client.get_run(run_id).data.tags)
        except MlflowException as problem:
            if problem.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise

    def read(self, uri: str) -> bytes | None:
        """Return the bytes of one file that MLflow keeps, or None where it cannot give them."""
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        os.environ.setdefault(PROGRESS_VARIABLE, "false")
        with tempfile.TemporaryDirectory() as folder:
            try:
                file = download_artifacts(
                    artifact_uri=uri, dst_path=folder, tracking_uri=self._home.mlflow_uri
                )
                return Path(file).read_bytes()
            except (OSError, MlflowException):
                return None

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """Turn a server or a database that does not answer into UnreachableError.

        By itself MLflow tries for minutes. It is not imported here: that takes seconds.
        """
        os.environ.setdefault(RETRIES_VARIABLE, "1")
        try:
            yield
        except _mlflow_error() as problem:
            reason = CREDENTIALS.sub("//", str(problem).partition("\n")[0])
            raise UnreachableError.of("MLflow", reason) from problem

    def log_file(self, run_id: str, path: str, data: bytes) -> None:
        """Keep bytes with a run, under ``path`` among its artefacts."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as made:
            file = Path(made) / name
            file.write_bytes(data)
            self.client.log_artifact(run_id, str(file), folder or None)

    def find(self, pipeline: str, *, training_key: str) -> ModelVersion | None:
        """Return the version that this manifest, code and configuration made before, if any."""
        found = [
            version
            for version in self.versions(pipeline)
            if version.tags.get("training_key") == training_key
        ]
        return found[-1] if found else None

    def versions(self, pipeline: str) -> list[ModelVersion]:
        """Return every registered version, oldest first."""
        pages = self.client.search_model_versions(f"name='{pipeline}'", max_results=10_000)
        return sorted(map(_as_version, pages), key=lambda version: version.version)

    def version(self, pipeline: str, number: int) -> ModelVersion:
        """Return one version; UnknownVersionError lists those that exist."""
        versions = {version.version: version for version in self.versions(pipeline)}
        if number not in versions:
            raise UnknownVersionError.of(pipeline, number, versions)
        return versions[number]

    def set_champion(self, pipeline: str, version: int) -> None:
        """Point the alias ``champion`` to a version; a projection of the promotion record."""
        self.client.set_registered_model_alias(pipeline, CHAMPION_ALIAS, str(version))

    def champion(self, pipeline: str) -> int | None:
        """Return the version that the alias points to, or None where there is no alias."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version_by_alias(pipeline, CHAMPION_ALIAS)
        except MlflowException:
            return None
        return int(found.version)

    def delete(self, pipeline: str, version: int, run_id: str | None) -> None:
        """Delete a registered version and the model among its run's files; gone already is fine.

        The run stays, with its parameters and metrics. MLflow gives no version this number again.
        """
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        if version in {one.version for one in self.versions(pipeline)}:
            self.client.delete_model_version(pipeline, str(version))
        if run_id is not None and self.run_tags(run_id) is not None:
            files = get_artifact_repository(self.artefacts_of(run_id), self._home.mlflow_uri)
            files.delete_artifacts(MODEL_FOLDER)

    def end_dead_runs(self, dead: set[str]) -> list[str]:
        """End as KILLED every RUNNING run of these Dagster runs; return the runs' ids."""
        ended = []
        for experiment in self.client.search_experiments():
            running = self.client.search_runs(
                [experiment.experiment_id], "attributes.status = 'RUNNING'"
            )
            for run in running:
                if run.data.tags.get("dagster_run_id") in dead:
                    self.client.set_terminated(run.info.run_id, "KILLED")
                    ended.append(str(run.info.run_id))
        return ended


def _mlflow_error() -> type[Exception] | tuple[()]:
    """Return the class of MLflow's errors; nothing where MLflow was not imported."""
    exceptions = sys.modules.get("mlflow.exceptions")
    error: type[Exception] | tuple[()] = () if exceptions is None else exceptions.MlflowException
    return error


def served_facts(pipeline: str, weights_sha256: str) -> str:
    """Return what stands beside registered weights: whose they are, and their digest."""
    return json.dumps({"pipeline": pipeline, "weights_sha256": weights_sha256})


def _as_version(found: Any) -> ModelVersion:
    return ModelVersion(
        version=int(found.version),
        run_id=str(found.run_id),
        tags=dict(found.tags),
        source=str(found.source),
    )
