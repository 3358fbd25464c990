"""The arguments that many commands take, and what the shell completes them with."""

from pathlib import Path
from typing import Annotated

import typer

from mldebt_assets import pipelines
from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.home import project_root


def complete_pipeline(incomplete: str) -> list[tuple[str, str]]:
    """Return the pipelines whose names begin so, each with its description."""
    return [
        (pipeline.name, pipeline.description)
        for pipeline in pipelines.PIPELINES
        if pipeline.name.startswith(incomplete)
    ]


def complete_batch(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the landed batches of the pipeline named before; nothing where none can be listed."""
    from mldebt_assets.sources.landing import survey

    unparsed = next(iter(ctx.args), "")  # what stood before an option that still has no value
    try:
        source = pipelines.find(ctx.params.get("pipeline") or unparsed).source
        landed = survey(source, project_root()).arrivals
    except MLDebtError:
        return []  # a shell that completes is no place for an error
    return [arrival.batch for arrival in landed if arrival.batch.startswith(incomplete)]


PipelineName = Annotated[
    str,
    typer.Argument(
        help="The pipeline's name.", metavar="PIPELINE", autocompletion=complete_pipeline
    ),
]
OptionalPipelineName = Annotated[
    str | None,
    typer.Argument(
        help="The pipeline's name; all if left out.",
        metavar="PIPELINE",
        autocompletion=complete_pipeline,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document, nothing else.")]
HtmlFile = Annotated[
    Path | None,
    typer.Option("--html", help="Write one page that stands alone, too.", metavar="FILE"),
]
OneBatch = Annotated[
    str | None,
    typer.Option(
        "--batch", help="Tell of this batch alone.", metavar="BATCH", autocompletion=complete_batch
    ),
]
