"""Pointers of raw snapshots, copied to where a person commits them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mldebt_assets.assets.keys import batches, key
from mldebt_assets.snapshots import newest

if TYPE_CHECKING:
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
    changed, names = [], []
    for batch in sorted(instance.get_dynamic_partitions(batches(pipeline).name or "")):
        stored = newest(instance, key(pipeline, "raw"), batch)
        if stored is None:
            continue
        source = platform.home.root / stored.snapshot.pointer
        names.append(Path(stored.snapshot.path).name)
        target = folder / source.name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.write_bytes(source.read_bytes())
            changed.append(target)
    (folder / ".gitignore").write_text("".join(f"/{name}\n" for name in names))
    return changed
