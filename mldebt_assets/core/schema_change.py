"""Columns that are not the declared ones: what changed, how that shows, and which edit accepts it.

A column that came, went, has another name or another type is a change of the schema, and a person
says whether it is meant. Columns in another order are none: they are read by their names. Nor are
a few values of another type, which are faults of their rows. No sentence holds a value.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Literal

from mldebt_assets.core.drift.units import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from mldebt_assets.core.schema import Column, DType, Written

SCHEMA_CHANGE = "schema change"
ALIKE = 0.8
"""Names that agree in so much are near spellings."""
NUMBERS = {"int64", "float64"}
TIMES: dict[Written, str] = {
    "local": "ISO 8601 local times",
    "with_zone": "ISO 8601 times with a zone",
    "epoch_seconds": "seconds since 1970",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A column of a file, and the type that its values are of, None where none can hold them.

    ``shape`` is how a value that may be a time is written, with 9 for each digit.
    """

    name: str
    dtype: DType | None
    stored: str
    gaps: bool
    shape: str | None = None
    written: Written = "local"


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """One change of a declared column, or a new one, with its evidence.

    ``edit`` is what to do to a line of the pipeline's file so that this is as declared.
    """

    change: Literal["added", "missing", "renamed", "retyped"]
    column: str
    sentence: str
    edit: str
    evidence: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values."""
        return asdict(self)


def renamed_or_gone(
    missing: Sequence[Column], new: Sequence[Found], batch: str
) -> list[ColumnChange]:
    """Return which columns came, went, or are called otherwise now.

    Args: the declared columns that a file lacks, those of its own that are not declared, and which
          batch it is.
    """
    renamed = {column.name: (one, why) for column, one, why in _renamed(missing, new)}
    changes = [
        _rename(column, *renamed[column.name]) if column.name in renamed else _loss(column)
        for column in missing
    ]
    taken = {one.name for one, _ in renamed.values()}
    return changes + [_addition(one, batch) for one in new if one.name not in taken]


def retyped(column: Column, found: Found, sentence: str) -> ColumnChange:
    """Return that a column is of another type; ``sentence`` says how that shows."""
    evidence = {"declared": column.dtype, "found": found.stored}
    if column.dtype == "timestamp" and found.shape:
        evidence["written as"] = found.shape
        sentence += f", but are written as {found.shape}"
    if column.dtype == found.dtype == "timestamp" and column.written != found.written:
        edit = f'in `{_start(column.name)}` write `written="{found.written}"`'
    elif column.dtype == "timestamp" or found.dtype in {None, column.dtype}:
        edit = (
            f"no declaration reads {column.name!r} so, and the source must write "
            f"{TIMES[column.written] if column.dtype == 'timestamp' else column.dtype}"
        )
    else:
        edit = f'in `{_start(column.name)}` write `dtype="{found.dtype}"`'
        if column.dtype in NUMBERS and found.dtype not in NUMBERS:
            edit += " without bounds"
    return ColumnChange(
        change="retyped", column=column.name, sentence=sentence, edit=edit, evidence=evidence
    )


def _loss(column: Column) -> ColumnChange:
    return ColumnChange(
        change="missing",
        column=column.name,
        sentence=f"{column.name!r} is gone",
        edit=f"delete `{_start(column.name)}`",
        evidence={"declared": column.dtype},
    )


def _addition(found: Found, batch: str) -> ColumnChange:
    if found.dtype is None:
        edit = f"no declaration holds {found.name!r}, and the source must store it as text"
    else:
        gaps = ", nullable=True" if found.gaps else ""
        gaps += f', written="{found.written}"' if found.written != "local" else ""
        gaps += f', since="{batch}"'
        meaning = re.sub(r"[^0-9A-Za-z]+", " ", found.name).strip()
        name = found.name.replace("\\", "\\\\").replace('"', '\\"')
        edit = (
            f'add `Column(name="{name}", dtype="{found.dtype}", meaning="{meaning}"{gaps}),` to '
            "`columns`"
        )
    return ColumnChange(
        change="added",
        column=found.name,
        sentence=f"{found.name!r} is new ({found.stored})",
        edit=edit,
        evidence={"stored": found.stored},
    )


def _rename(column: Column, found: Found, why: str) -> ColumnChange:
    units = _units(column.name, found.name)
    sentence = f"{column.name!r} seems to be called {found.name!r} now ({why})"
    evidence = {"called now": found.name, "by": why}
    edit = f'in `{_start(column.name)}` write `name="{found.name}"`'
    if units:
        sentence += f", and to be in {units[1]} instead of {units[0]}"
        evidence |= {"unit declared": units[0], "unit now": units[1]}
        edit += f" and have `features` convert {units[1]} to {units[0]}"
    return ColumnChange(
        change="renamed", column=column.name, sentence=sentence, edit=edit, evidence=evidence
    )


def _start(name: str) -> str:
    """Return how a column's line begins in the pipeline's file."""
    return f'Column(name="{name}", …)'


def _renamed(
    missing: Sequence[Column], new: Sequence[Found]
) -> Iterator[tuple[Column, Found, str]]:
    """Yield each missing column with the new one that took its place, the likeliest first."""
    likely = [
        (likeness, column, one, why)
        for column in missing
        for one in new
        if _holds(column, one)
        for likeness, why in [_likeness(column.name, one.name)]
        if likeness
    ]
    if not likely and len(missing) == len(new) == 1 and _holds(missing[0], new[0]):
        likely = [(0.0, missing[0], new[0], "the only new column, for the only one gone")]
    taken: set[str] = set()
    for _, column, one, why in sorted(likely, key=lambda entry: -entry[0]):
        if {column.name, f"new {one.name}"} & taken:
            continue
        taken |= {column.name, f"new {one.name}"}
        yield column, one, why


def _holds(column: Column, found: Found) -> bool:
    """Return whether the found column may be what the declared one was."""
    return found.dtype == column.dtype or {found.dtype, column.dtype} <= NUMBERS


def _likeness(one: str, other: str) -> tuple[float, str]:
    """Return how alike two names are, and in what; 0 where they are not.

    >>> _likeness("delay_minutes", "Delay Minutes")[1], _likeness("distance_mi", "distance_km")[1]
    ('near spelling', 'the same name with another unit')
    >>> _likeness("weight_kg", "colour")
    (0.0, '')
    """
    first, second = _words(one), _words(other)
    if first == second:
        return 1.0, "near spelling"
    if _units(one, other):
        return 0.95, "the same name with another unit"
    if "".join(first) == "".join(second):
        return 0.9, "near spelling"
    if set(first) < set(second) or set(second) < set(first):
        return 0.85, "part of the name"
    ratio = SequenceMatcher(None, "".join(first), "".join(second)).ratio()
    return (ratio * ALIKE, "near spelling") if ratio >= ALIKE else (0.0, "")


def _units(one: str, other: str) -> tuple[str, str] | None:
    """Return the two units that else equal names end with, if they are two."""
    *stem, last = _words(one)
    *other_stem, other_last = _words(other)
    if not stem or stem != other_stem:
        return None
    before, now = _unit(last), _unit(other_last)
    return (before, now) if before and now and before != now else None


def _unit(word: str) -> str | None:
    return next((unit for unit, words in SUFFIXES.items() if word in words), None)


def _words(name: str) -> list[str]:
    """Return a name's words in lower case.

    >>> _words("delayMinutes"), _words("Delay Minutes")
    (['delay', 'minutes'], ['delay', 'minutes'])
    """
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"\w+", parted.lower().replace("_", " "))
