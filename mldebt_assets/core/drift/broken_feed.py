"""What is wrong with a feed itself, found before anyone learns from it.

A batch is laid beside the champion's reference and the earlier batches. A fault is called only
where the batch is unlike *every* one of them by far more than they are unlike each other, and the
fault explains it: whoever refuses a real shift keeps the model from learning it. The limits were
chosen on the flights of January to March 2013; those of the values that a unit leaves, and of the
orders of look-alikes, with all of that year in view.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mldebt_assets.core.drift.displaced import displaced
from mldebt_assets.core.drift.finding import Finding
from mldebt_assets.core.drift.profile import contained_share

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from mldebt_assets.core.drift.profile import ColumnSummary, Profile

LEAST_ROWS = 100
"""Fewer rows say too little of a column."""
NULLS_JUMP = 0.2
"""So much more is missing than in any earlier batch."""
ONE_VALUE, MANY_VALUES = 0.99, 0.5
"""The share of the most common value: where it is the only one, and at most where it never was."""
REPEATED = 0.5
"""The share of rows that an earlier batch had already."""
DISTINCT = 0.9
"""Rows of which fewer are distinct repeat in every batch."""
TAIL, TAIL_TIMES = 0.1, 3.0
"""The share of a period without a row, at its end; so many times what is usual."""
MISSPELT = 0.005
"""The share of rows under an unseen spelling."""
LONG_NAME = 5
"""In shorter names one other letter is another name."""


def faults(
    current: Profile,
    reference: Profile,
    earlier: Mapping[str, Profile],
    *,
    known_later: Collection[str] = (),
) -> list[Finding]:
    """Return every fault of the feed that the batch shows, the whole file's first.

    Args: ``earlier`` batches by name, in the order of their arrival, none of them broken; columns
          that are ``known_later``, as labels are, may be missing.
    """
    found = [*duplicated(current, earlier), *truncated(current, list(earlier.values()))]
    sides = [reference, *earlier.values()]
    for name, column in current.columns.items():
        seen = [side.columns[name] for side in sides if name in side.columns]
        if seen and column.rows >= LEAST_ROWS:
            found += [
                *(() if name in known_later else nulls(name, column, seen)),
                *constant(name, column, seen),
                *near_spellings(name, column, seen),
            ]
    if len(earlier) > 1 and current.rows >= LEAST_ROWS:
        found += displaced(current, reference, list(earlier.values()))
    return found


def duplicated(current: Profile, earlier: Mapping[str, Profile]) -> Iterator[Finding]:
    """Yield the earlier batch that had most of these rows already, if that is not usual."""
    before = list(earlier.values())
    for what, part in (("row keys", "keys"), ("rows but for their time", "contents")):
        mine = getattr(current, part)
        if mine is None or mine.distinct_share < DISTINCT:
            continue
        shares = {
            batch: contained_share(mine, getattr(profile, part))
            for batch, profile in earlier.items()
            if getattr(profile, part) is not None
        }
        usual = [
            contained_share(getattr(new, part), getattr(old, part))
            for old, new in pairwise(before)
            if getattr(new, part) is not None and getattr(old, part) is not None
        ]
        batch = max(shares, key=lambda one: shares[one], default=None)
        if batch is None or shares[batch] < max(REPEATED, 2 * max(usual, default=0.0)):
            continue
        yield Finding(
            fault="duplicated file",
            columns=(),
            evidence={"batch": batch, "share": shares[batch], "limit": REPEATED, "of": what},
            sentence=f"{shares[batch]:.0%} of its {what} were in batch {batch} already",
        )
        return


def truncated(current: Profile, earlier: Sequence[Profile]) -> Iterator[Finding]:
    """Yield how much of the declared period's end has no row, where rows are missing too."""
    tails = [tail for tail in map(_tail, earlier) if tail is not None]
    tail = _tail(current)
    if tail is None or not tails or current.first is None or current.end is None:
        return
    share = tail / max(current.end - current.first, 1.0)
    usual = float(np.median([profile.rows for profile in earlier]))
    if share <= TAIL or tail <= TAIL_TIMES * max(tails) or current.rows > usual * (1 - share / 2):
        return
    yield Finding(
        fault="truncated file",
        columns=(),
        evidence={"share": share, "limit": TAIL, "rows": current.rows, "usual rows": usual},
        sentence=(
            f"the last {share:.0%} of its period have no row, and it has {current.rows} rows "
            f"where {usual:.0f} are usual"
        ),
    )


def _tail(profile: Profile) -> float | None:
    """Return the seconds between the last row and the end of the period, if both are known."""
    return None if profile.end is None or profile.last is None else profile.end - profile.last


def nulls(name: str, column: ColumnSummary, seen: Sequence[ColumnSummary]) -> Iterator[Finding]:
    """Yield a share of missing values that has jumped."""
    most = max(one.missing_share for one in seen)
    if column.missing_share > most + NULLS_JUMP:
        yield Finding(
            fault="nulls",
            columns=(name,),
            evidence={"missing": column.missing_share, "most before": most, "limit": NULLS_JUMP},
            sentence=(
                f"{column.missing_share:.0%} of {name} are missing, where it never was more than "
                f"{most:.0%}"
            ),
        )


def constant(name: str, column: ColumnSummary, seen: Sequence[ColumnSummary]) -> Iterator[Finding]:
    """Yield a column of one value that had many; one that is new, or was empty, had none."""
    most = max((one.most_common_share for one in seen if one.present), default=1.0)
    if (
        column.present >= LEAST_ROWS
        and column.most_common_share >= ONE_VALUE
        and most < MANY_VALUES
    ):
        yield Finding(
            fault="constant column",
            columns=(name,),
            evidence={"most common": column.most_common_share, "most before": most},
            sentence=(
                f"{column.most_common_share:.0%} of {name} are one value, where none ever had "
                f"more than {most:.0%}"
            ),
        )


def near_spellings(
    name: str, column: ColumnSummary, seen: Sequence[ColumnSummary]
) -> Iterator[Finding]:
    """Yield unseen categories that are spelt nearly as seen ones, whose share fell by as much."""
    known = seen[0].shares
    spellings = {spelling for one in seen for spelling in one.shares}
    if not known or not spellings or any(one.present and not one.shares for one in seen):
        return
    pairs, unseen, fell = 0, 0.0, 0.0
    how = ""
    for spelling, share in column.shares.items():
        if spelling in spellings or share < MISSPELT:
            continue
        for old, before in known.items():
            likeness = spelt_alike(spelling, old)
            loss = before - column.shares.get(old, 0.0)
            if likeness and share / 2 <= loss <= 2 * share:
                pairs, unseen, fell, how = pairs + 1, unseen + share, fell + loss, likeness
                break
    if pairs:
        several = f"{pairs} unseen categories differ" if pairs > 1 else "an unseen category differs"
        yield Finding(
            fault="near spelling",
            columns=(name,),
            evidence={"unseen": unseen, "seen fell by": fell, "categories": pairs, "by": how},
            sentence=(
                f"in {name}, {several} by {how} from what was seen, with {unseen:.1%} of the "
                f"rows, and the seen share fell by {fell:.1%}"
            ),
        )


def spelt_alike(one: str, other: str) -> str | None:
    """Return by how little two different spellings differ, or None where it may mean something.

    >>> spelt_alike("jfk ", "JFK"), spelt_alike("Zürich", "Zurich"), spelt_alike("Bostn", "Boston")
    ('case, white space or accents', 'case, white space or accents', 'one letter')
    >>> spelt_alike("ORF", "ORD") is None
    True
    """
    first, second = _folded(one), _folded(other)
    if first and first == second:
        return "case, white space or accents"
    if min(len(first), len(second)) < LONG_NAME or any(sign.isdigit() for sign in first + second):
        return None
    return "one letter" if _one_edit(first, second) else None


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(s for s in plain if not s.isspace() and not unicodedata.combining(s))


def _one_edit(first: str, second: str) -> bool:
    """Return whether one letter more, less, other, or two neighbours swapped make them equal."""
    short, long = sorted((first, second), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next(
        (i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short)
    )
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start : start + 2] == long[start : start + 2][::-1]
    return short[start + 1 :] == long[start + 1 :] or (
        swapped and short[start + 2 :] == long[start + 2 :]
    )
