"""Pointers of raw snapshots, copied to where a person commits them, and compared with files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.core.fingerprint import md5
from mldebt_assets.home import project_root
from mldebt_assets.snapshots import newest
from mldebt_assets.sources.landing import read, survey

if TYPE_CHECKING:
    from pathlib import Path

    import dagster as dg

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform


def publish_pointers(
    instance: dg.DagsterInstance, platform: Platform, pipeline: Pipeline, folder: Path
) -> list[Path]:
    """Copy the newest raw pointer of every batch to ``folder``; return those that changed.

    The data itself is named in the folder's ``.gitignore``, so that ``dvc pull`` brings it there
    without git seeing it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for batch in sorted(instance.get_dynamic_partitions(batches(pipeline).name or "")):
        stored = newest(instance, key(pipeline, "raw"), batch)
        if stored is None:
            continue
        source = platform.home.root / stored.snapshot.pointer
        target = folder / source.name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.write_bytes(source.read_bytes())
            changed.append(target)
    named = sorted(pointer.stem for pointer in folder.glob("*.dvc"))
    (folder / ".gitignore").write_text("".join(f"/{name}\n" for name in named))
    return changed


def unlike_pointers(pipeline: Pipeline, folder: Path) -> tuple[list[str], int]:
    """Return the landed batches whose bytes are not those of the pointer in ``folder``.

    Returns: their names, and how many batches were compared; a batch without a pointer is not.
    """
    unlike, compared = [], 0
    for arrival in survey(pipeline.source, project_root()).arrivals:
        pointer = folder / f"{arrival.batch}{arrival.suffix}.dvc"
        if not pointer.is_file():
            continue
        compared += 1
        (stated,) = yaml.safe_load(pointer.read_text())["outs"]
        if md5(read(arrival)) != stated["md5"]:
            unlike.append(arrival.batch)
    return unlike, compared
