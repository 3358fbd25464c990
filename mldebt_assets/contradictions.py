"""What contradicts itself in a pipeline's declaration: refused before anything runs."""

from __future__ import annotations

from collections import Counter
from types import FunctionType
from typing import TYPE_CHECKING

from mldebt_assets.core.errors import DeclarationError
from mldebt_assets.core.privacy.policy import Deny, Pseudonymise
from mldebt_assets.core.tasks.level import LEVELS

if TYPE_CHECKING:
    from mldebt_assets.pipeline import Pipeline

FEWEST_CLASSES = 2


def require_sound(pipeline: Pipeline) -> None:
    """Raise DeclarationError where a pipeline contradicts itself, with what to write instead."""
    names = [column.name for column in pipeline.columns]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DeclarationError.of(
            pipeline.name, f"it declares {', '.join(twice)} twice.", "remove one of the two."
        )
    books = filter(None, (pipeline.time, pipeline.split.group, pipeline.subject))
    used = {
        *pipeline.row_key,
        *books,
        *pipeline.target.reads,
        *pipeline.drift.ignore,
        *pipeline.group_columns,
    }
    used |= pipeline.referring_columns
    unknown = sorted(used - set(names))
    if unknown:
        raise DeclarationError.of(
            pipeline.name,
            f"it uses {', '.join(unknown)}, but its columns are {', '.join(names)}.",
            "declare the column, or correct the name.",
        )
    if pipeline.time is None and pipeline.batch_end is None:
        raise DeclarationError.of(
            pipeline.name,
            "nothing says of what time its data are.",
            "declare `time`, or a `batch_end` that reads it from the batch's name.",
        )
    if pipeline.duplicate_limit is not None and not 0 <= pipeline.duplicate_limit <= 1:
        raise DeclarationError.of(
            pipeline.name,
            f"its duplicate_limit is {pipeline.duplicate_limit:g}, which is no share of rows.",
            "declare a fraction from 0 to 1: 0.05 is five rows of a hundred.",
        )
    _refuse_late_columns(pipeline)
    _refuse_columns_of_later(pipeline)
    _refuse_hidden_columns(pipeline, used)
    _refuse_half_a_task(pipeline)
    _refuse_noise_of_no_number(pipeline)
    _refuse_keys_of_nothing(pipeline)


def _refuse_late_columns(pipeline: Pipeline) -> None:
    """Refuse what needs, when a batch arrives, a column that comes with its labels."""
    if pipeline.labels is None:
        return
    if not pipeline.row_key:
        raise DeclarationError.of(
            pipeline.name,
            "its labels come later, and nothing says of which row each is.",
            "declare the `row_key`, or land labels with their batch.",
        )
    judged = {str(rule.arguments.get("column")) for rule in pipeline.expectations}
    books = filter(None, (pipeline.time, pipeline.split.group, pipeline.subject))
    needed = {
        *pipeline.row_key,
        *books,
        *judged,
        *pipeline.group_columns,
    } | pipeline.referring_columns
    needed &= set(pipeline.target.reads)
    if needed:
        raise DeclarationError.of(
            pipeline.name,
            f"it needs {', '.join(sorted(needed))} when a batch arrives, but reads the target "
            "from there, which comes later.",
            "read the target from columns of its own, or land labels with their batch.",
        )


def _refuse_columns_of_later(pipeline: Pipeline) -> None:
    """Refuse what every batch needs where the earlier ones lack it."""
    books = filter(None, (pipeline.time, pipeline.split.group, pipeline.subject))
    later = {column.name for column in pipeline.columns if column.since is not None}
    needed = sorted({*pipeline.row_key, *books} & later)
    if needed:
        raise DeclarationError.of(
            pipeline.name,
            f"{', '.join(needed)} came with a later batch, and says which row each is, when it "
            "came to be, how it is split or whose it is.",
            "leave `since` out, or use a column that every batch has.",
        )


def _refuse_hidden_columns(pipeline: Pipeline, used: set[str]) -> None:
    """Refuse what needs a column that never comes, or the clear values of a pseudonymised."""
    if pipeline.privacy is not None:
        dtypes = {column.name: column.dtype for column in pipeline.batch_columns}
        told = pipeline.privacy.contradiction(dtypes)
        if told is not None:
            raise DeclarationError.of(pipeline.name, *told)
    denied = sorted(c.name for c in pipeline.columns if isinstance(c.privacy, Deny))
    needed = sorted(used & set(denied))
    if needed:
        raise DeclarationError.of(
            pipeline.name,
            f"it uses {', '.join(needed)}, which its privacy denies.",
            "use another column, or declare another privacy.",
        )
    for column in pipeline.columns:
        if not isinstance(column.privacy, Pseudonymise):
            continue
        if column.dtype != "string" or column.name in pipeline.target.reads:
            raise DeclarationError.of(
                pipeline.name,
                f"{column.name} is pseudonymised, so it is text that says nothing but who.",
                "declare it as `string`, and read the target from other columns.",
            )
        if column.name in pipeline.group_columns:
            raise DeclarationError.of(
                pipeline.name,
                f"{column.name} is pseudonymised, so each of its values is a group of one.",
                "name a column whose values many rows share in `groups`.",
            )


def _refuse_noise_of_no_number(pipeline: Pipeline) -> None:
    """Refuse a noise that is none, or that no value of its column can have."""
    for column in pipeline.columns:
        if column.noise is None:
            continue
        if column.noise < 0 or column.dtype not in {"int64", "float64"}:
            raise DeclarationError.of(
                pipeline.name,
                f"the noise of {column.name} ({column.dtype}) is {column.noise:g}.",
                "declare it of numbers, and not below 0.",
            )


def _refuse_keys_of_nothing(pipeline: Pipeline) -> None:
    """Refuse foreign keys that cannot be compared, or that would tell who the rows are of."""
    twice = [n for n, count in Counter(k.name for k in pipeline.foreign_keys).items() if count > 1]
    if twice:
        raise DeclarationError.of(
            pipeline.name, f"{twice[0]} is a foreign key twice.", "keep one of the two."
        )
    hidden = {c.name for c in pipeline.columns if isinstance(c.privacy, Pseudonymise)}
    dtypes = {column.name: column.dtype for column in pipeline.columns}
    for one in pipeline.foreign_keys:
        told = one.contradiction(dtypes, who={pipeline.subject_column, *hidden})
        if told is not None:
            raise DeclarationError.of(pipeline.name, *told)


def _refuse_half_a_task(pipeline: Pipeline) -> None:
    """Refuse a task that lacks what it needs, or has what another would."""
    kind, classes = pipeline.target.task, pipeline.target.classes
    told: tuple[str, str] | None = None
    if kind not in LEVELS:
        told = f"its task is {kind!r}.", f"make it one of {', '.join(LEVELS)}."
    elif kind == "multiclass" and len(set(classes)) != max(len(classes), FEWEST_CLASSES):
        told = (
            f"its {len(classes)} classes are {', '.join(classes) or 'not declared'}.",
            "declare each class once, two at least: Target(classes=('a', 'b')).",
        )
    elif kind != "multiclass" and classes:
        told = f"it has classes, but its task is {kind}.", "make it Target(task='multiclass')."
    elif (kind == "binary") != (pipeline.costs is not None):
        told = (
            f"its task is {kind}, and costs are {'' if pipeline.costs else 'not '}declared.",
            "declare Costs for a binary target, and for no other.",
        )
    elif not isinstance(pipeline.training.estimator, FunctionType | type | None):
        told = (
            f"its estimator is {type(pipeline.training.estimator).__name__}, which has no name.",
            "declare a function that returns the model: Training(estimator=make_model).",
        )
    if told is not None:
        raise DeclarationError.of(pipeline.name, *told)
