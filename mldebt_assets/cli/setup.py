"""Commands that set up an installation: init, fetch, publish."""

from pathlib import Path

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import PipelineName
from mldebt_assets.cli.opening import opened, say
from mldebt_assets.core.errors import NothingToFetchError, UnlikePointersError
from mldebt_assets.core.periods import how_many
from mldebt_assets.home import Home, initialise, project_root
from mldebt_assets.pipeline import Pipeline


def init() -> None:
    """Make the home directory, with its databases; safe to run again.

    Example: `mldebt init`
    """
    home = Home.locate()
    made = initialise(home, [pipeline.name for pipeline in pipelines.PIPELINES])
    say(f"{'Made' if made else 'Found'} the home {home.root}")


def fetch(pipeline: PipelineName) -> None:
    """Write a demonstration's batches into its landing folder.

    Example: `mldebt fetch flight_delays`
    """
    from mldebt_assets.publishing import unlike_pointers
    from mldebt_assets.sources import FETCHERS
    from mldebt_assets.sources.landing import folder_url

    declared = pipelines.find(pipeline)
    if declared.name not in FETCHERS:
        raise NothingToFetchError.of(declared.name, FETCHERS)
    url = folder_url(declared.source, project_root())
    written = FETCHERS[declared.name](url)
    place = declared.source.url
    say(f"Wrote {how_many(len(written))} to {place}" if written else f"All is there: {place}")
    unlike, compared = unlike_pointers(declared, pointer_folder(declared))
    if unlike:
        raise UnlikePointersError.of(unlike, str(pointer_folder(declared)))
    if compared:
        say(f"{compared} batches are, byte for byte, what the committed pointers name")


def publish(pipeline: PipelineName) -> None:
    """Copy the pointers of the raw snapshots to data/, for you to commit.

    Example: `mldebt publish flight_delays`
    """
    from mldebt_assets.publishing import publish_pointers

    declared = pipelines.find(pipeline)
    with opened() as (platform, instance):
        folder = pointer_folder(declared)
        changed = publish_pointers(instance, platform, declared, folder)
    say(f"{len(changed)} pointers written to {folder}")


def pointer_folder(pipeline: Pipeline) -> Path:
    """Return where the pointers of a pipeline's raw snapshots are committed."""
    return project_root() / "data" / pipeline.name
