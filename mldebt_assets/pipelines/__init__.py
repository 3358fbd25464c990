"""Every pipeline of the project. Adding one is one file here and one line below.

Or else one file in the folder that ``MLDEBT_PIPELINES`` names, which declares a pipeline of the
file's own name.
"""

import importlib.util
import sys
from pathlib import Path

from mldebt_assets.core.errors import DeclarationError, UnknownPipelineError
from mldebt_assets.home import pipelines_folder
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.pipelines.flight_delays import flight_delays

PIPELINES: tuple[Pipeline, ...] = (flight_delays,)


def of_folder(folder: Path | None) -> tuple[Pipeline, ...]:
    """Return the pipelines that the files of a folder declare, in the order of their names.

    Raises: DeclarationError if a file declares no pipeline of its own name.
    """
    if folder is None or not folder.is_dir():
        return ()
    return tuple(loaded(file) for file in sorted(folder.glob("[a-z]*.py")))


def loaded(file: Path) -> Pipeline:
    """Return the pipeline that a file declares; DeclarationError if it declares none."""
    name = f"mldebt_pipelines.{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        declared = getattr(module, file.stem, None)
        if isinstance(declared, Pipeline) and declared.name == file.stem:
            return declared
    raise DeclarationError.of(
        file.stem, f"{file} declares no pipeline of that name.", f"write {file.stem} = Pipeline(…)."
    )


PIPELINES += of_folder(pipelines_folder())


def find(name: str) -> Pipeline:
    """Return the pipeline called ``name``; UnknownPipelineError lists those that exist."""
    by_name = {pipeline.name: pipeline for pipeline in PIPELINES}
    if name not in by_name:
        raise UnknownPipelineError.of(name, by_name)
    return by_name[name]
