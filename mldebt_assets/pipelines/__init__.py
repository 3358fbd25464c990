"""Every pipeline of the project. Adding one is one file here and one line below."""

from mldebt_assets.core.errors import UnknownPipelineError
from mldebt_assets.pipeline import Pipeline
from mldebt_assets.pipelines.flight_delays import flight_delays

PIPELINES: tuple[Pipeline, ...] = (flight_delays,)


def find(name: str) -> Pipeline:
    """Return the pipeline called ``name``; UnknownPipelineError lists those that exist."""
    by_name = {pipeline.name: pipeline for pipeline in PIPELINES}
    if name not in by_name:
        raise UnknownPipelineError.of(name, by_name)
    return by_name[name]
