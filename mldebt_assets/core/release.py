"""Rows that a person releases from quarantine, judged anew together with those that passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from mldebt_assets.core.errors import BatchRefusedError, RefusedError
from mldebt_assets.core.formula_cells import defused, restored
from mldebt_assets.core.quality import REASON
from mldebt_assets.core.quarantine import MARK, marked, widened
from mldebt_assets.core.schema import Column
from mldebt_assets.core.tables import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mldebt_assets.core.policies import Limits
    from mldebt_assets.core.quality import Quality

NAMED = 5


@dataclass(frozen=True)
class Admission:
    """A batch judged with its released rows; ``stays`` says why some of these stay apart."""

    quality: Quality
    admitted: tuple[str, ...]
    stays: dict[str, str]


def admitted(
    frame: pd.DataFrame,
    released: pd.DataFrame,
    *,
    batch: str,
    columns: Sequence[Column],
    judged: Callable[..., Quality],
) -> Admission:
    """Return what becomes of a batch's rows where some are released from its quarantine.

    A released row takes the place of the one in quarantine that has its mark, behind the rows that
    passed. Whoever released it answers for the declared expectations and the foreign keys that it
    breaks; types, completeness, bounds and the row key are no matter of opinion: what breaks them
    stays.
    """
    first = judged(frame)
    apart = marked(first.quarantine, batch, columns)
    chosen, stays = released[released[MARK].isin(set(apart[MARK]))], dict[str, str]()
    if first.refused:
        return Admission(first, (), stays)
    while len(chosen):
        others = apart[~apart[MARK].isin(set(chosen[MARK]))]
        parts = [widened(part, columns) for part in (first.valid, chosen, others) if len(part)]
        begin = len(first.valid)
        places = range(begin, begin + len(chosen))
        quality = judged(pd.concat(parts, ignore_index=True), vouched=places)
        reasons = dict(zip(quality.apart, quality.quarantine[REASON], strict=True))
        failing = [place in reasons for place in places]
        stays |= {
            mark: reasons[place]
            for mark, place in zip(chosen[MARK], places, strict=True)
            if place in reasons
        }
        if not any(failing):
            return Admission(quality, tuple(chosen[MARK]), stays)
        chosen = chosen[[not one for one in failing]]
    return Admission(first, (), stays)


def mended(data: bytes, *, batch: str, columns: Sequence[Column], limits: Limits) -> pd.DataFrame:
    """Return the rows of a file that was exported from quarantine and mended, each by its mark.

    Raises: RefusedError where it is not of the exported columns and types, or has a row twice.
    """
    named = [
        Column(name=MARK, dtype="string", meaning="which row it is", nullable=True),
        *(
            Column(name=defused(c.name), dtype=c.dtype, meaning=c.meaning, nullable=True)
            for c in columns
        ),
        Column(name=REASON, dtype="string", meaning="every rule that it broke", nullable=True),
    ]
    try:
        rows = parse(data, batch=batch, columns=named, limits=limits)
    except BatchRefusedError as problem:
        said = str(problem).partition("\nFix: ")[0]
        said = said.replace(f"The batch {batch!r} is refused", "The mended file cannot be read")
        raise RefusedError.of(
            f"{said} Nothing was released.",
            "keep the columns as they were exported, and mend the values alone.",
        ) from None
    rows = rows.rename(columns={defused(c.name): c.name for c in columns})
    for column in columns:
        if column.dtype == "string":
            texts = [None if one is None else restored(one) for one in rows[column.name]]
            rows[column.name] = pd.Series(texts, rows.index, object)
    twice = rows[MARK].duplicated(keep="first")
    if twice.any():
        raise RefusedError.of(
            f"The mended file has {numbered(twice)} more than once; nothing was released.",
            f"keep each row of the column {MARK!r} once.",
        )
    wide = widened(rows, columns)
    wide.insert(0, MARK, rows[MARK])
    return wide


def require_own(
    rows: pd.DataFrame, apart: pd.DataFrame, *, batch: str, row_key: Sequence[str]
) -> None:
    """Raise RefusedError where rows are not in this quarantine, or are other rows by their key.

    A key is only mended where it is what was wrong.
    """
    strangers = ~rows[MARK].isin(set(apart[MARK]))
    if strangers.any():
        raise RefusedError.of(
            f"The mended file has {numbered(strangers)} that are not in the quarantine of {batch}; "
            "nothing was released.",
            f"release what was exported from {batch}, with its column {MARK!r} unchanged, or "
            "export it again: `--export FILE`.",
        )
    if not row_key:
        return
    before = apart.set_index(MARK).loc[rows[MARK]]
    at_fault = pd.Series([key_is_at_fault(one, row_key) for one in before[REASON]], rows.index)
    changed = pd.Series(False, rows.index)
    for name in row_key:
        was = pd.Series(before[name].to_numpy(), rows.index)
        same = (rows[name].astype(object) == was.astype(object)).fillna(False)
        changed |= ~(same.astype(bool) | was.isna())
    if (changed & ~at_fault).any():
        raise RefusedError.of(
            f"The mended file has {numbered(changed & ~at_fault)} with another row key than in "
            "quarantine, where the key was not what was wrong; nothing was released.",
            f"leave {', '.join(row_key)} as they were exported.",
        )


def key_is_at_fault(reason: str, row_key: Sequence[str]) -> bool:
    """Return whether a row is in quarantine for its key.

    >>> key_is_at_fault("weight is missing; day is missing", ["day"])
    True
    """
    beginnings = ("the row key ", *(f"{name} " for name in row_key))
    return any(part.startswith(beginnings) for part in reason.split("; "))


def unlike(rows: pd.DataFrame, apart: pd.DataFrame, columns: Sequence[Column]) -> int:
    """Return how many of these rows are not as they lie in quarantine: how many were mended."""
    before = widened(apart.set_index(MARK).loc[rows[MARK]], columns).reset_index(drop=True)
    now = widened(rows, columns).reset_index(drop=True)
    same = (now == before).fillna(False).astype(bool) | (now.isna() & before.isna())
    return int((~same.all(axis=1)).sum())


def numbered(chosen: Any) -> str:
    """Return which rows of a file are meant, counted from 1 below the header."""
    places = [place for place, one in enumerate(chosen, start=1) if one]
    more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    return f"row{'s' * (len(places) > 1)} {', '.join(map(str, places[:NAMED]))}{more}"
