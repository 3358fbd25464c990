"""What a model's answer is: one of two, one of several, or a number. A task knows everything else.

A pipeline declares its task, ``Target(task="multiclass", classes=…)``; nothing is inferred from
the labels. Whoever trains, judges, serves or draws asks the task, and no one else knows which
there are:

============  ==========================  ==========================  ========================
              binary                      multiclass                  regression
============  ==========================  ==========================  ========================
a label is    1.0, 0.0                    the name of a class         a finite number
its number    1.0, 0.0                    its place in ``classes``    the number
scores        a probability               one a class, summing to 1   a value
              shape (rows,)               shape (rows, classes)       shape (rows,)
loss          cross-entropy               cross-entropy               squared error
calibration   Platt's line                a temperature               none
decides by    the cheapest threshold      the likeliest class         an interval around it
level         ROC AUC                     1 - log loss / that of the  1 - squared error / that
                                          shares of the classes       of the mean, R²
baseline      logistic regression         multinomial logistic        ridge regression
costs         false alarms, missed rows   none                        none
============  ==========================  ==========================  ========================

No label is NaN or None, and counts nowhere. The *level* is what models are compared by: higher is
better, 1 is perfect, and a model that knows nothing of the inputs is at ``level.chance`` or below.
A drop, a gain and a margin are told in it. Small samples are no special case of a task: an
interval over groups says how little is known, and where no level is defined at all, ``lacking``
says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mldebt_assets.core.tasks.task import Task


def task_of(kind: str, classes: tuple[str, ...] = ()) -> Task:
    """Return the task of this kind; ``classes`` are those of a multi-class one, in their order.

    >>> task_of("regression").level.name
    'R²'
    """
    from mldebt_assets.core.tasks.binary import Binary
    from mldebt_assets.core.tasks.multiclass import MultiClass
    from mldebt_assets.core.tasks.regression import Regression

    if kind == "multiclass":
        return MultiClass(classes)
    return Binary() if kind == "binary" else Regression()
