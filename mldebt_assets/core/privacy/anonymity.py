"""How well rows hide among each other: k-anonymity and l-diversity of declared columns.

Sources: Sweeney, k-anonymity: a model for protecting privacy, 2002; Machanavajjhala et al.,
l-diversity: privacy beyond k-anonymity, 2007, of which distinct l-diversity is measured. A missing
value is a value of its own: who has none can be told by that too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from mldebt_assets.core.privacy.policy import Privacy

    Codes = NDArray[np.int64]

CHECK = "k_anonymous"
MEANING = "As many rows as declared share each combination of the declared quasi-identifiers."
SMALLEST_TOLD = 10


@dataclass(frozen=True, kw_only=True)
class Anonymity:
    """What was measured; of groups only sizes are told, never values.

    ``k`` is the size of the smallest group, ``smallest`` are the sizes of some, ``rows_below`` are
    those in groups smaller than declared. ``diversity`` has, for each sensitive column, the fewest
    different values in a group, and ``groups_below`` how many groups have fewer than declared.
    ``too_fine`` are the columns with so many values that fewer rows than declared share one, on
    average, even before they are combined.
    """

    rows: int
    groups: int
    k: int
    smallest: tuple[int, ...]
    rows_below: int
    diversity: Mapping[str, int]
    groups_below: Mapping[str, int]
    too_fine: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


def measure(table: pd.DataFrame, declared: Privacy) -> Anonymity:
    """Return how well the rows of a table hide among each other; of no row at all, k is 0.

    >>> from mldebt_assets.core.privacy.policy import Privacy
    >>> rows = pd.DataFrame({"zip": [1, 1, 2], "flu": ["yes", "no", "no"]})
    >>> found = measure(rows, Privacy(quasi_identifiers=("zip",), sensitive=("flu",)))
    >>> found.k, found.groups, found.diversity
    (1, 2, {'flu': 1})
    """
    group, groups, too_fine = np.zeros(len(table), dtype=np.int64), min(len(table), 1), []
    for name in declared.quasi_identifiers:
        codes, values = coded(binned(table[name], declared.bins.get(name)))
        if values * declared.k > len(table):
            too_fine.append(name)
        group, groups = coded(pd.Series(group * max(values, 1) + codes))
    sizes = np.bincount(group, minlength=groups)
    diversity, groups_below = {}, {}
    for name in declared.sensitive:
        different = values_in(group, groups, table[name])
        diversity[name] = int(different.min()) if groups else 0
        groups_below[name] = int((different < declared.l).sum())
    return Anonymity(
        rows=len(table),
        groups=groups,
        k=int(sizes.min()) if groups else 0,
        smallest=tuple(int(size) for size in np.sort(sizes)[:SMALLEST_TOLD]),
        rows_below=int(sizes[sizes < declared.k].sum()),
        diversity=diversity,
        groups_below=groups_below,
        too_fine=tuple(too_fine),
    )


def coded(values: pd.Series[Any]) -> tuple[Codes, int]:
    """Return each value's number, the same for equal ones, and how many different ones there are.

    What is missing is one value.
    """
    codes, different = pd.factorize(values)
    codes, missing = codes.astype(np.int64), codes < 0
    codes[missing] = len(different)
    return codes, len(different) + int(missing.any())


def binned(values: pd.Series[Any], width: float | None) -> pd.Series[Any]:
    """Return the interval in which each value lies; the values themselves without a width."""
    if width is None:
        return values
    if pd.api.types.is_datetime64_any_dtype(values):
        values = (values - pd.Timestamp(0, tz=values.dt.tz)) / pd.Timedelta(days=1)
    intervals: pd.Series[Any] = np.floor(values / width)
    return intervals


def values_in(group: Codes, groups: int, column: pd.Series[Any]) -> Codes:
    """Return how many different values of a column each group has."""
    codes, values = coded(column)
    pairs = pd.unique(group * max(values, 1) + codes)
    return np.bincount(pairs // max(values, 1), minlength=groups).astype(np.int64)


def judge(found: Anonymity, declared: Privacy) -> Verdict:
    """Return whether the rows hide as well as declared, and what to do where they do not."""
    few = {name: least for name, least in found.diversity.items() if least < declared.l}
    passed = found.k >= declared.k and not few
    sizes = ", ".join(map(str, found.smallest))
    by = ", ".join(declared.quasi_identifiers)
    said = [
        f"k is {found.k} of {declared.k} declared: {found.rows:,} rows in {found.groups:,} groups "
        f"by {by}, the smallest of {sizes or 'no'} rows"
    ]
    if found.rows_below:
        said.append(f"{found.rows_below:,} rows in groups that are too small")
    said += [
        f"l of {name} is {least} of {declared.l} declared, {found.groups_below[name]:,} groups "
        "below"
        for name, least in found.diversity.items()
    ]
    return Verdict(
        name=CHECK,
        passed=passed,
        measured=found.k,
        limit=declared.k,
        unit="rows",
        reason="; ".join(said) + ("." if passed else f"\nFix: {advice(found, declared)}"),
    )


def advice(found: Anonymity, declared: Privacy) -> str:
    """Return what makes groups larger."""
    unbinned = [name for name in found.too_fine if name not in declared.bins]
    if found.too_fine:
        named = ", ".join(unbinned or found.too_fine)
        return (
            f"{named} alone has too many values to hide in: land it coarser (a year for a date, "
            "fewer digits of a postal code, intervals for a number), or, if nobody knows it so "
            f"exactly, declare how exactly: Privacy(bins={{'{found.too_fine[0]}': …}})."
        )
    return "land coarser values, or leave out the rows that stand alone, and train again."
