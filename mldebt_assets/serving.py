"""How MLflow loads a registered version: ``mlflow.pyfunc.load_model("models:/NAME@champion")``.

What is loaded is weights and facts; nothing is unpickled. The features are computed by the
pipeline's own function, the one that made the training set.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mldebt_assets.core.errors import DigestMismatchError, MissingInputError
from mldebt_assets.core.fingerprint import sha256
from mldebt_assets.core.tables import parse, to_parquet
from mldebt_assets.core.training import FittedModel, from_bytes, predict
from mldebt_assets.pipelines import find
from mldebt_assets.registry import FACTS_FILE, WEIGHTS_FILE

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.pipeline import Pipeline


@dataclass(frozen=True)
class ServedModel:
    """A version with its pipeline: raw rows in, the task's scores out."""

    pipeline: Pipeline
    model: FittedModel

    def predict(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        """Return the task's scores: a probability a row, one a class, or a value.

        Args:    the declared columns, without those that the target is read from; others are
                 ignored. Text is read as the declared type, as in a landed file.
        Raises:  MissingInputError for a column that is not there, BatchRefusedError for values
                 that are not of their column's type.
        """
        known = [c for c in self.pipeline.kept_columns if c.name not in self.pipeline.target.reads]
        names = [column.name for column in known]
        missing = [name for name in names if name not in rows]
        if missing:
            raise MissingInputError.of(
                missing, map(str, rows), fix="give the columns that the pipeline declares"
            )
        typed = parse(to_parquet(rows[names]), batch="request", columns=known)
        return predict(self.model, self.pipeline.features(typed))


def _load_pyfunc(path: str) -> ServedModel:
    """Return the model whose files lie in the folder ``path``; MLflow calls this by its name.

    Raises: DigestMismatchError if the weights are not those that were registered.
    """
    folder = Path(path)
    facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
    weights = (folder / WEIGHTS_FILE).read_bytes()
    found = sha256(weights)
    if found != facts["weights_sha256"]:
        raise DigestMismatchError.of(
            str(folder / WEIGHTS_FILE), expected=facts["weights_sha256"], found=found
        )
    return ServedModel(find(facts["pipeline"]), from_bytes(weights))
