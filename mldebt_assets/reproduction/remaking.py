"""A version made again from its recipe, by the code that is running: every artefact on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mldebt_assets.assets.features import compute
from mldebt_assets.assets.labels import parsed
from mldebt_assets.assets.model import weights_from
from mldebt_assets.assets.training_set import manifest_of
from mldebt_assets.assets.validated import examine, period_end
from mldebt_assets.core.errors import (
    MLDebtError,
    SnapshotError,
    UnreachableError,
)
from mldebt_assets.core.fingerprint import canonical_json, md5, sha256, split_of
from mldebt_assets.core.reproduction import Closeness, largest_distance
from mldebt_assets.store import Blob, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.store import SnapshotStore

OTHER_SEEDS = (1_000, 2_000, 3_000)
"""What is added to the declared seed: far enough for members of an ensemble not to meet."""


class Remaking:
    """One version as it is made again, and what has come of it so far.

    ``store`` has the remote and an empty cache; ``begin`` is told what is made next.
    """

    def __init__(
        self,
        recipe: dict[str, Any],
        pipeline: Pipeline,
        store: SnapshotStore,
        begin: Callable[[str], None],
    ) -> None:
        self._recipe = recipe
        self._pipeline = pipeline
        self._store = store
        self._begin = begin
        self.found: dict[str, str | None] = {}
        self.stopped: str | None = None
        self.closeness: Closeness | None = None

    def run(self) -> None:
        """Make everything again; where that is not possible, ``stopped`` says why.

        Raises: UnreachableError if the remote does not answer.
        """
        try:
            entries, table = self._data()
            manifest = manifest_of(self._pipeline, entries, window=self._recipe["window"])
            self.found["training_set"] = sha256(canonical_json(manifest))
            self._begin("model")
            weights, _ = weights_from(self._pipeline, table)
            self.found["model"] = sha256(weights)
            if any(self.found[name] != one for name, one in self._recipe["artefacts"].items()):
                self.closeness = self._closeness(weights, table)
        except UnreachableError:
            raise
        except (MLDebtError, KeyError, ValueError) as problem:
            self.stopped = f"{type(problem).__name__}: {problem}"

    def _data(self) -> tuple[list[dict[str, Any]], pd.DataFrame]:
        """Return each batch's entry of the manifest, and the features of all."""
        import pandas as pd

        entries, tables = [], []
        for one in self._recipe["batches"]:
            entry, table = self._batch(one)
            entries.append(entry)
            tables.append(table.assign(_batch=one["batch"]))
        return entries, pd.concat(tables, ignore_index=True)

    def _batch(self, one: dict[str, Any]) -> tuple[dict[str, Any], pd.DataFrame]:
        """Make one batch again from its raw bytes."""
        batch, pipeline = one["batch"], self._pipeline
        raw = self._pull(f"raw {batch}", one["raw"])
        labels = None
        if one["labels"] is not None:
            labels = parsed(pipeline, batch, self._pull(f"labels {batch}", one["labels"]))
        released = None
        if one["released"] is not None:
            blob = self._pull(f"released {batch}", one["released"])
            released = decode(blob.data, blob.suffix)
        references = None
        if one["references"] is not None:
            blob = self._pull(f"references {batch}", one["references"])
            references = decode(blob.data, blob.suffix)
        self._begin(f"validated {batch}")
        quality = examine(pipeline, batch, raw, released, references)
        if quality.refusal is not None:
            raise quality.refusal
        effective_at = period_end(pipeline, batch, quality.valid)
        validated = self._made(f"validated {batch}", quality.valid)
        self._begin(f"features {batch}")
        features = self._made(f"features {batch}", compute(pipeline, validated[0], labels))
        arrived = len(quality.valid) + len(quality.quarantine)
        entry = {
            "batch": batch,
            "effective_at": effective_at.isoformat(),
            "raw": {"sha256": sha256(raw.data), "md5": md5(raw.data), "rows": arrived},
            "validated": validated[1],
            "features": features[1],
        }
        return entry, features[0]

    def _pull(self, name: str, address: dict[str, str]) -> Blob:
        """Return the very bytes that were recorded, from the remote: the cache here is empty."""
        self._begin(name)
        try:
            data = self._store.get(name=name, sha256_hex=address["sha256"], md5=address["md5"])
        except SnapshotError:
            there = self._store.examine("remote", address["md5"])
            self.found[name] = None if there is None else there.sha256
            raise
        self.found[name] = sha256(data)
        return Blob(data, Path(address["path"]).suffix)

    def _made(self, name: str, table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return a table as the next step reads it from the store, and its identity."""
        data = encode(table).data
        self.found[name] = sha256(data)
        identity = {"sha256": sha256(data), "md5": md5(data), "rows": len(table)}
        return decode(data, ".parquet"), identity

    def _closeness(self, weights: bytes, table: pd.DataFrame) -> Closeness | None:
        """Return how far the recorded model's predictions lie from those of the one made now.

        None where the recorded weights are not to be had.
        """
        from mldebt_assets.core.features import GROUP, inputs_of
        from mldebt_assets.core.training import from_bytes, predict

        address = self._recipe["weights"]
        try:
            recorded = self._store.get(
                name="the recorded weights", sha256_hex=address["sha256"], md5=address["md5"]
            )
        except SnapshotError:
            return None
        held_out = split_of(table[GROUP], self._pipeline.split) == "held_out"
        rows = inputs_of(table[held_out])
        others = []
        for added in OTHER_SEEDS:
            self._begin(f"model with seed {self._pipeline.training.seed + added}, to compare")
            training = replace(self._pipeline.training, seed=self._pipeline.training.seed + added)
            made, _ = weights_from(replace(self._pipeline, training=training), table)
            others.append(predict(from_bytes(made), rows))
        both = [predict(from_bytes(one), rows) for one in (recorded, weights)]
        return Closeness(
            difference=largest_distance(both), spread=largest_distance(others), rows=len(rows)
        )
