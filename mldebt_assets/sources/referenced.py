"""The tables that foreign keys reference, as they are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldebt_assets.core.foreign_keys import referenced_values
from mldebt_assets.home import project_root
from mldebt_assets.sources.gathering import read_anywhere, read_database

if TYPE_CHECKING:
    from mldebt_assets.core.foreign_keys import References
    from mldebt_assets.core.schema import ForeignKey
    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.sources.gathering import Gathered
    from mldebt_assets.sources.origins import Origin


def read_references(pipeline: Pipeline) -> tuple[References, list[Origin]]:
    """Return the values that each foreign key may have now, and what tables were read for them.

    Raises: NoSuchFileError, UnreachableError, TableFileError where one cannot be read, or lacks
            what is referenced.
    """
    values, origins = {}, []
    for one in pipeline.foreign_keys:
        read = _read(one)
        [origin] = read.origins
        values[one.name] = referenced_values(
            read.table, one, pipeline.batch_columns, one.table or origin["uri"]
        )
        origins.append(origin)
    return values, origins


def _read(key: ForeignKey) -> Gathered:
    if key.table is not None:
        return read_database(key.url, table=key.table, query=None)
    return read_anywhere(key.url if "://" in key.url else str(project_root() / key.url))
