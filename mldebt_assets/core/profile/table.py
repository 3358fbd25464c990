"""A user's table as the first declaration of a pipeline: what could be inferred, and how."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import pandas as pd
import pyarrow as pa

from mldebt_assets.core.column_types import typed
from mldebt_assets.core.errors import TableUnfitError
from mldebt_assets.core.privacy.scan import scan
from mldebt_assets.core.profile.columns import (
    FEW_LEVELS,
    IDENTIFIER_SHARE,
    LEAST_ROWS,
    Found,
    bounds,
    levels_of,
    plain,
    seconds_since_1970,
    type_of,
)
from mldebt_assets.core.profile.goal import goal_of
from mldebt_assets.core.profile.leaks import SUSPECT, disguised, told_alone
from mldebt_assets.core.profile.spelling import spelled
from mldebt_assets.core.schema import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.privacy.scan import Finding
    from mldebt_assets.core.profile.goal import Goal, Task

Every = Literal["month", "week", "day", "file"]

MOST_COLUMNS = 2000
FIRST_BATCHES = 3
KEY_CANDIDATES = 10
KEY_COLUMNS = 3
FORMS: dict[Every, str] = {"month": "%Y-%m", "week": "%G-W%V", "day": "%Y-%m-%d"}
LEAST_DAYS: dict[Every, int] = {"month": 85, "week": 21, "day": 3}
"""A table whose times reach so far is cut so: into at least three batches."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What a table is: enough to write its pipeline file, and to tell a person why it is so.

    ``batches`` names the batch of each row.
    """

    goal: Goal
    columns: tuple[Found, ...]
    row_key: tuple[str, ...]
    time: str | None
    every: Every
    batches: pd.Series[str]
    unusable: tuple[str, ...] = ()
    personal: tuple[Finding, ...] = ()
    table: pa.Table = field(repr=False)

    @property
    def target(self) -> str:
        """The column that is to be predicted."""
        return self.goal.column

    @property
    def inputs(self) -> tuple[Found, ...]:
        """The columns that the model may see."""
        return tuple(one for one in self.columns if not one.left_out)

    @property
    def names(self) -> list[str]:
        """The batches, in their order."""
        return sorted(self.batches.unique())

    @property
    def days(self) -> int:
        """How many days the rows are of; 0 where no column says them."""
        times = next((one.values for one in self.columns if one.name == self.time), None)
        return 0 if times is None else int(times.dt.normalize().nunique())


def profile(
    table: pa.Table,
    *,
    target: str,
    time: str | None,
    every: Every | None,
    name: str,
    task: Task | None = None,
) -> Profile:
    """Return what a table holds, with ``target`` to be predicted.

    Args:   ``time``, the column that says when a row came to be, else the only timestamp;
            ``every``, how it is cut, else by how far its times reach; ``name`` of a lone batch;
            ``task``, else what the target's values say.
    Raises: TableUnfitError where no pipeline can be made of it.
    """
    if table.num_columns > MOST_COLUMNS:
        said = f"it has {table.num_columns:,} columns, and {MOST_COLUMNS:,} are the most"
        raise TableUnfitError.of(f"{said}.", "name a table with the columns that matter.")
    for wanted in filter(None, (target, time)):
        if wanted not in table.column_names:
            raise TableUnfitError.lacks(wanted, table.column_names)
    taken = {one: plain(table.column(one)) for one in table.column_names}
    unusable = tuple(
        one
        for one, values in taken.items()
        if values is None or (values.null_count == len(values) and one not in {target, time})
    )
    if target in unusable:
        raise TableUnfitError.of(f"{target!r} is no text or number.", "name another --target.")
    left = [(one, values) for one, values in taken.items() if one not in unusable]
    usable = {one: values for one, values in left if values is not None}
    whole = pa.table(usable)
    texts = {one: values.cast(pa.string()) for one, values in usable.items()}
    personal = tuple(one for one in scan(texts) if one.counts and one.column != target)
    hidden = {one.column: one for one in reversed(personal)}
    columns = [
        _found(one, texts[one] if one in hidden else values, personal=one in hidden, time=time)
        for one, values in usable.items()
    ]
    moment = time_of(columns, time)
    named, cut = cut_by(columns, moment, every, name)
    goal = goal_of(next(one for one in columns if one.name == target), task)
    row_key = key_of([one for one in columns if one.name != target], moment)
    early = named.isin(sorted(named.unique())[:FIRST_BATCHES])
    told = [
        _judged(
            one,
            goal=goal,
            early=early,
            books={target: "it is the target", **({moment: "it is the time"} if moment else {})},
            personal=hidden,
        )
        for one in columns
    ]
    if moment is None and all(one.left_out for one in told):
        why = "; ".join(f"{one.name}: {one.left_out}" for one in told if one.name != target)
        fix = "mend what is said of one of them, or name a table that says more."
        said = f"no column besides {target!r} can be an input"
        raise TableUnfitError.of(f"{said}{f' ({why})' if why else ''}.", fix)
    return Profile(
        goal=goal,
        columns=tuple(told),
        row_key=row_key,
        time=moment,
        every=cut,
        batches=named,
        unusable=unusable,
        personal=personal,
        table=whole,
    )


def _found(name: str, values: pa.ChunkedArray, *, personal: bool, time: str | None) -> Found:
    dtype, written = type_of(name, values)
    if personal:
        dtype, written = "string", "local"
    elif name == time and dtype in {"int64", "float64"} and seconds_since_1970(name, values):
        dtype, written = "timestamp", "epoch_seconds"
    declared = Column(name=name, dtype=dtype, meaning="", nullable=True, written=written)
    series, _, _ = typed(pa.table({name: values}), [declared])
    return Found(
        name=name,
        dtype=dtype,
        values=series[name],
        nullable=bool(values.null_count),
        written=written,
        personal=personal,
        spelled=spelled(series[name]) if dtype == "string" and not personal else "",
    )


def time_of(columns: Sequence[Found], asked: str | None) -> str | None:
    """Return the column that says when a row came to be: the one asked for, or the only one."""
    times = [one.name for one in columns if one.dtype == "timestamp"]
    if asked is not None and asked not in times:
        raise TableUnfitError.of(
            f"its column {asked!r} holds values that are no ISO 8601 times, all with a zone or all "
            "without one, nor seconds since 1970.",
            "write them as 2024-05-31, 2024-05-31T12:00:00 or 2024-05-31T12:00:00+02:00, or leave "
            "--time out.",
        )
    if asked is None and len(times) > 1:
        raise TableUnfitError.of(
            f"it has {len(times)} columns of times: {', '.join(times)}.",
            "say with --time which of them says when a row came to be.",
        )
    return asked or next(iter(times), None)


def cut_by(
    columns: Sequence[Found], time: str | None, every: Every | None, name: str
) -> tuple[pd.Series[str], Every]:
    """Return the batch of each row, and how they are cut; a row without a time is in the first."""
    rows = len(columns[0].values)
    if time is None:
        if every not in {None, "file"}:
            raise TableUnfitError.of(
                f"it has no column of times, so it cannot be cut by the {every}.",
                "name one with --time, or leave --batch out.",
            )
        return pd.Series([name] * rows), "file"
    times = next(one.values for one in columns if one.name == time)
    reach = (times.max() - times.min()).days
    fitting: list[Every] = [one for one, least in LEAST_DAYS.items() if reach >= least]
    cut = every if every is not None else [*fitting, "file"][0]
    form = FORMS.get(cut)
    if form is None:
        return pd.Series([name] * rows), cut
    named = times.dt.strftime(form)
    return named.fillna(named.min()).reset_index(drop=True), cut


def key_of(columns: Sequence[Found], time: str | None) -> tuple[str, ...]:
    """Return the fewest columns that are unique together, those called like a key first.

    A number with decimals is never one, nor is a number that only happens to be unique.
    """
    whole = [one for one in columns if not one.nullable and not one.spelled]
    complete = [one for one in whole if one.dtype != "float64"]
    named = [one for one in complete if one.id_like]
    others = [one for one in complete if not one.id_like and one.values.nunique() > 1]
    ordered = [*named, *others][:KEY_CANDIDATES]
    for size in range(1, KEY_COLUMNS + 1):
        for chosen in combinations(ordered, size):
            meant = any(one.id_like or (size > 1 and one.name == time) for one in chosen)
            if not meant and not (size == 1 and _is_list(chosen[0])):
                continue
            together = pd.concat([one.values for one in chosen], axis=1)
            if not together.duplicated().any():
                return tuple(one.name for one in chosen)
    return ()


def _is_list(one: Found) -> bool:
    """Whether a column numbers or names the rows, so that each has another value."""
    unique = bool(one.values.is_unique) and len(one.values) >= LEAST_ROWS
    return unique and (one.dtype == "string" or bool(one.values.is_monotonic_increasing))


def _judged(
    one: Found,
    *,
    goal: Goal,
    early: pd.Series[bool],
    books: dict[str, str],
    personal: dict[str, Finding],
) -> Found:
    """Return a column with what is expected of it, and why it is no input, where it is none."""
    values = one.values.reset_index(drop=True)
    seen = values[early]
    number = one.dtype in {"int64", "float64"}
    minimum, maximum = bounds(seen, one.dtype) if number else (None, None)
    nullable = bool((values if one.name in books else seen).isna().any())
    expected = replace(
        one,
        nullable=nullable and books.get(one.name) != "it is the time",
        minimum=None if one.name in books or one.id_like else minimum,
        maximum=None if one.name in books or one.id_like else maximum,
        levels=levels_of(seen) if one.dtype == "string" and not one.personal else (),
    )
    why = books.get(one.name) or _why_no_input(expected, goal, personal)
    alone = 0.0 if why else told_alone(expected, goal)
    asked = f"it tells the target almost by itself ({alone:.3f})" if alone >= SUSPECT else ""
    return replace(expected, left_out=why, suspected=asked)


def _why_no_input(one: Found, goal: Goal, personal: dict[str, Finding]) -> str:
    distinct = one.values.nunique()
    if distinct <= 1:
        return "it is constant"
    if one.name in personal:
        found = personal[one.name]
        return f"it seems to hold personal data: {found.kind} ({found.confidence})"
    if one.spelled and distinct > FEW_LEVELS:
        return one.spelled
    discrete = one.dtype != "float64" and len(one.values) >= LEAST_ROWS
    many = distinct >= IDENTIFIER_SHARE * one.values.notna().sum()
    if discrete and many and (one.dtype == "string" or one.id_like or _is_list(one)):
        return "it names its row, as an identifier does"
    if one.dtype == "timestamp":
        return "it is a time, which never comes back"
    return disguised(one, goal)
