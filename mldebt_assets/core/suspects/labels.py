"""Labels that are wrong: those that a model which has not seen them holds for another's.

Confident learning (cleanlab) ranks and counts them. Its count cannot be judged as it is: where
the features say little, most labels are surprising, and it names thousands that are right. A row
that is only unlikely is no error. So two numbers are judged that natural noise hardly moves:

- the share of labels that contradict the model *where it is surest*, batch beside batch: wrong
  labels fall there as often as elsewhere, natural noise least;
- the same over the whole table, wherever features tell the classes apart (half the mistakes of a
  model that knows none): there almost nothing contradicts on clean data, and the contradictions
  that there are become rarer still where it is surer. Wrong labels stay equally many.

Of a number, wrong is what lies more than four robust deviations from what is said of it; how
many that are is judged batch beside batch alone.

Source: Northcutt, Jiang and Chuang, Confident Learning, JAIR 70, 2021; cleanlab 2.9; Zhou et al.,
        Detecting Errors in a Numerical Response via any Regression Model, DMLR 2024.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from mldebt_assets.core.suspects import LABELS
from mldebt_assets.core.suspects.finding import Finding, judged
from mldebt_assets.core.suspects.predicted import FOLDS, out_of_fold
from mldebt_assets.core.suspects.rise import NORMAL_DEVIATION, against_the_others, share_error
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mldebt_assets.core.suspects.rise import Measured
    from mldebt_assets.core.suspects.rows import Flags, Numbers, Rows


UNIT = "of the labels contradict a model that is sure of another"
SUREST = 0.4
"""The share of rows, per batch, of which the model is surest."""
NEXT = 0.2
TOLERATED = 0.01
LEAST_FLATNESS = 1 / 3
"""So many times as often as in the next rows contradictions are found in the surest, at least."""
LEAST_SKILL = 0.5
LEVEL = 0.05
MARGIN = 0.01
FAR = 4.0
"""Robust standard deviations: a normal error lies farther once in 16,000."""
LEAST_ROWS = 100


def label_noise(rows: Rows, *, seed: int, folds: int = FOLDS) -> Finding:
    """Return how many labels seem wrong, and which; rows without a label are in no count."""
    known = rows.labelled
    said = out_of_fold(known, folds=folds, seed=seed)
    if known.classes:
        wrong, score = confident(known.labels.astype(np.int64), said)
        contradicts = said.argmax(axis=1) != known.labels
        sure = _surest(known, said)
        batches = _by_batch(known, contradicts & sure, sure)
        also = _floor(contradicts, said, known.labels)
    else:
        wrong, score = far_off(known.labels, said[:, 0])
        batches = _by_batch(known, wrong, np.ones(len(known), dtype=bool))
        also = None
    return judged(
        LABELS,
        batches,
        unit=UNIT,
        what="contradict",
        place=known.place[wrong],
        score=score[wrong],
        batch=np.array(known.batches)[known.batch[wrong]],
        also=also,
    )


def confident(labels: NDArray[np.int64], chances: Numbers) -> tuple[Flags, Numbers]:
    """Return which labels cleanlab holds for wrong, and how little each is believed, in [0, 1]."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    wrong = find_label_issues(labels, chances, filter_by="prune_by_noise_rate", n_jobs=1)
    return np.asarray(wrong, dtype=bool), 1.0 - get_label_quality_scores(labels, chances)


def far_off(labels: Numbers, said: Numbers) -> tuple[Flags, Numbers]:
    """Return which numbers lie too far from what is said of them, and how little each is believed.

    cleanlab ranks them; which are too many is a matter of the robust deviation of the errors.
    """
    from cleanlab.regression.rank import get_label_quality_scores

    errors = labels - said
    deviation = NORMAL_DEVIATION * np.median(np.abs(errors - np.median(errors)))
    wrong = np.abs(errors - np.median(errors)) > FAR * max(deviation, np.finfo(float).tiny)
    return wrong, 1.0 - np.asarray(get_label_quality_scores(labels, said), dtype=np.float64)


def _surest(rows: Rows, chances: Numbers) -> Flags:
    """Return the share of each batch's rows of which the model is surest."""
    certain = chances.max(axis=1)
    sure = np.zeros(len(rows), dtype=bool)
    for batch in np.unique(rows.batch):
        of_batch = np.flatnonzero(rows.batch == batch)
        order = of_batch[np.argsort(-certain[of_batch], kind="stable")]
        sure[order[: int(len(order) * SUREST)]] = True
    return sure


def _by_batch(rows: Rows, wrong: Flags, counted: Flags) -> list[Measured]:
    places = [np.flatnonzero(counted & (rows.batch == b)) for b in range(len(rows.batches))]
    kept = [
        (name, at)
        for name, at in zip(rows.batches, places, strict=True)
        if len(at) >= LEAST_ROWS * SUREST
    ]
    return against_the_others(
        [name for name, _ in kept],
        [len(at) for _, at in kept],
        [float(wrong[at].mean()) for _, at in kept],
        [share_error(wrong[at], rows.group[at]) for _, at in kept],
        margin=MARGIN,
    )


def _floor(contradicts: Flags, chances: Numbers, labels: Numbers) -> Verdict | None:
    """Return the verdict on what stays wrong where the model is surest of the whole table.

    None where the features do not tell the classes apart, so that nothing can be said.
    """
    most_frequent = np.bincount(labels.astype(np.int64)).max() / len(labels)
    if contradicts.mean() > LEAST_SKILL * (1 - most_frequent):
        return None
    order = np.argsort(-chances.max(axis=1), kind="stable")
    surest, after = np.split(contradicts[order], [int(len(order) * SUREST)])
    found, size = int(surest.sum()), len(surest)
    lower = float(stats.beta.ppf(LEVEL, found, size - found + 1)) if found else 0.0
    then = float(after[: int(len(order) * NEXT)].mean())
    limit = max(TOLERATED, LEAST_FLATNESS * then)
    passed = lower <= limit
    return Verdict(
        name=LABELS,
        passed=passed,
        measured=lower,
        limit=limit,
        unit=f"{UNIT}, lower end",
        reason=f"{found} of {size:,} labels contradict a model where it is surest of another "
        f"({found / size:.2%}, at least {lower:.2%}; {then:.2%} where it is less sure)"
        + (
            ""
            if passed
            else f": about {found / size:.1%} of all labels seem wrong, or come by chance alone"
        ),
    )
