"""Every pipeline of the project. Adding one is one file here and one line below.

Or else one file in the folder that ``MLDEBT_PIPELINES`` names, which declares a pipeline of the
file's own name.
"""

import sys
import traceback
from pathlib import Path
from types import ModuleType

from mldebt_assets.brought import pipeline_files
from mldebt_assets.core.errors import DeclarationError, MLDebtError, UnknownPipelineError
from mldebt_assets.home import pipelines_folder
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.pipelines.flight_delays import flight_delays

PIPELINES: tuple[Pipeline, ...] = (flight_delays,)

MEND = "mend the file, or move it out of its folder."
PROBLEMS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


def of_folder() -> tuple[Pipeline, ...]:
    """Return the pipelines that the user's own files declare, in the order of their names.

    Raises: DeclarationError if a file declares no pipeline of its own name, or cannot be run.
    """
    folder = pipelines_folder()
    if folder is None:
        return ()
    return tuple(declared(folder / name, text) for name, text in pipeline_files().items())


def loaded(file: Path) -> Pipeline:
    """Return the pipeline that a file declares; DeclarationError if it declares none."""
    return declared(file, file.read_bytes())


def declared(file: Path, text: bytes) -> Pipeline:
    """Return the pipeline that a file of this text declares; DeclarationError if it does not."""
    module = ModuleType(f"mldebt_pipelines.{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        exec(compile(text, str(file), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    except MLDebtError:
        raise
    except PROBLEMS as problem:
        said = f"{file}{_line(problem, file)}: {type(problem).__name__}: {problem}."
        raise DeclarationError.of(file.stem, said, MEND) from problem
    found = getattr(module, file.stem, None)
    if isinstance(found, Pipeline) and found.name == file.stem:
        return found
    said = f"{file} declares no pipeline of that name."
    raise DeclarationError.of(file.stem, said, f"write {file.stem} = Pipeline(…).")


def _line(problem: BaseException, file: Path) -> str:
    """Return in which line of a file it broke off, where that is known."""
    at = [one.lineno for one in traceback.extract_tb(problem.__traceback__)
          if one.filename == str(file)]  # fmt: skip
    line = problem.lineno if isinstance(problem, SyntaxError) else at[-1] if at else None
    return f", line {line}" if line else ""


PROBLEM: DeclarationError | None = None
"""Why the user's own files declare no pipelines: commands and the code location then say it."""

try:
    PIPELINES += of_folder()
except DeclarationError as problem:
    PROBLEM = problem


def require_sound() -> None:
    """Raise DeclarationError where a file of the user's own is broken."""
    if PROBLEM is not None:
        raise PROBLEM


def find(name: str) -> Pipeline:
    """Return the pipeline called ``name``; UnknownPipelineError lists those that exist.

    Raises: DeclarationError where a file of the user's own is broken.
    """
    require_sound()
    by_name = {pipeline.name: pipeline for pipeline in PIPELINES}
    if name not in by_name:
        raise UnknownPipelineError.of(name, by_name)
    return by_name[name]
