"""The simple model that a network must beat: a linear one, fitted to the very same rows."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix, hstack
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from mldebt_assets.core.encoding import Encoding, encode, fit_encoding
from mldebt_assets.core.tasks.binary import BINARY
from mldebt_assets.core.training import check_learnable

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from mldebt_assets.core.policies import Training
    from mldebt_assets.core.tasks.task import Task

LEAST_SHARE = 0.005


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline:
    """Scaled numbers and one column a frequent code, and the weights of both."""

    encoding: Encoding
    columns: OneHotEncoder | None
    task: Task
    regression: Any

    def predict(self, inputs: pd.DataFrame) -> NDArray[np.float64]:
        """Return the task's scores. Raises: MissingInputError, UnusableInputError."""
        table = _table(self.encoding, self.columns, inputs)
        with threadpool_limits(1):
            return self.task.simple_scores(self.regression, table)


def fit_baseline(
    inputs: pd.DataFrame,
    labels: NDArray[np.float64],
    tuning: NDArray[np.bool_],
    *,
    settings: Training,
    task: Task = BINARY,
) -> Baseline:
    """Return the linear model of the task whose penalty does best on the tuning rows.

    It gets what the network gets: the same rows, features, encoding, and tuning rows. A code has
    a column of its own from a two-hundredth of the rows on; the others share one.
    Raises: UntrainableError or UnusableInputError.
    """
    check_learnable(task, "training", labels[~tuning])
    check_learnable(task, "tuning", labels[tuning])
    encoding = fit_encoding(inputs[~tuning], rare_below=settings.rare_below)
    columns = None
    if encoding.categories:
        columns = OneHotEncoder(
            min_frequency=LEAST_SHARE, handle_unknown="infrequent_if_exist", dtype=np.float32
        ).fit(encode(encoding, inputs[~tuning])[0])
    training_table = _table(encoding, columns, inputs[~tuning])
    tuning_table = _table(encoding, columns, inputs[tuning])
    with threadpool_limits(1):
        candidates = []
        regression, penalties = task.simple_models()
        for penalty in penalties:
            regression.set_params(**penalty).fit(training_table, labels[~tuning])
            loss = task.mean_loss(labels[tuning], task.simple_scores(regression, tuning_table))
            candidates.append((loss, deepcopy(regression)))
    _, best = min(candidates, key=lambda candidate: candidate[0])
    return Baseline(encoding=encoding, columns=columns, task=task, regression=best)


def _table(encoding: Encoding, columns: OneHotEncoder | None, inputs: pd.DataFrame) -> csr_matrix:
    codes, numbers = encode(encoding, inputs)
    if columns is None:
        return csr_matrix(numbers)
    return csr_matrix(hstack([columns.transform(codes), csr_matrix(numbers)]))
