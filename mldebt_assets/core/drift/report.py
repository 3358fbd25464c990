"""What the drift rule found, and how it is said to a human."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mldebt_assets.core.policies import Drift


@dataclass(frozen=True, kw_only=True)
class ColumnDrift:
    """How one column changed.

    ``distance`` is the Kolmogorov distance D of a number and the total variation of a category;
    it and ``p_value`` are None where either side has no value at all. ``underpowered`` says that
    a distance at the limit could not be told from chance with so few values.
    """

    name: str
    kind: Literal["number", "category"]
    statistics: Mapping[str, float]
    distance: float | None
    p_value: float | None
    missing_p_value: float
    moved: bool
    missing_moved: bool
    underpowered: bool

    @property
    def drifted(self) -> bool:
        """Whether the distribution or the share of missing values moved too far."""
        return self.moved or self.missing_moved

    @property
    def missing_change(self) -> float:
        """The absolute change of the missing share, in [0, 1]."""
        return abs(self.statistics["missing_current"] - self.statistics["missing_reference"])

    @property
    def missing_shares(self) -> str:
        """The missing share before and after, for a human."""
        before, after = self.statistics["missing_reference"], self.statistics["missing_current"]
        return f"{before:.3f} -> {after:.3f}"

    @property
    def reason(self) -> str:
        """What was found, in one line."""
        if self.distance is None:
            found = "no finite value on one side, so the distributions cannot be compared"
        else:
            found = "drift" if self.moved else "underpowered" if self.underpowered else "no drift"
            found += f": D {self.distance:.3f}, p {self.p_value:.2g}"
        if self.missing_moved:
            found += f"; drift: missing share {self.missing_shares}, p {self.missing_p_value:.2g}"
        return found


@dataclass(frozen=True, kw_only=True)
class CorrelationDrift:
    """How the correlation of two numeric columns changed; ``change`` is absolute."""

    first: str
    second: str
    reference: float
    current: float
    change: float
    p_value: float
    drifted: bool


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What the rule says of one current sample.

    ``correlations`` holds the pairs that changed most, at most ten, drifted ones first;
    ``summary`` is one sentence for a human; ``calibration_reason`` says what the p-values rest on.
    """

    drifted: bool
    summary: str
    rule: str
    calibration: Literal["calibrated", "uncalibrated"]
    calibration_reason: str
    underpowered: bool
    reference_rows: int
    current_rows: int
    columns: tuple[ColumnDrift, ...]
    correlations: tuple[CorrelationDrift, ...]
    verdicts: tuple[Verdict, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        plain = asdict(self)
        plain["columns"] = [
            asdict(column) | {"drifted": column.drifted, "reason": column.reason}
            for column in self.columns
        ]
        plain["correlations"] = list(plain["correlations"])
        plain["verdicts"] = list(plain["verdicts"])
        return plain


@dataclass(frozen=True)
class Furthest:
    """The column that is told of first, and the least distance of it that could be told."""

    distance: float
    column: ColumnDrift
    reach: float

    @property
    def untold(self) -> bool:
        """Whether it lies further and still was not told: its values are too few or too rare."""
        return self.column.underpowered and not self.column.moved and self.distance > self.reach


def furthest(columns: Sequence[ColumnDrift], reaches: Sequence[float]) -> Furthest | None:
    """Return the column with the largest distance, of those that moved if any did.

    ``reaches`` are the least distances that could be told from chance, by column. One of which
    nothing could be told is passed over where there is another.
    """
    known = [
        Furthest(column.distance, column, reach)
        for column, reach in zip(columns, reaches, strict=True)
        if column.distance is not None
    ]
    moved = [one for one in known if one.column.moved]
    told = [one for one in known if not one.untold]
    return max(moved or told or known, key=lambda one: one.distance, default=None)


def distribution_verdict(
    columns: Sequence[ColumnDrift],
    limits: Drift,
    worst: Furthest | None,
    *,
    parts: Literal["rows", "blocks"] = "rows",
) -> Verdict:
    """Return whether a distribution drifted; ``parts`` is what the p-values count."""
    moved = [column for column in columns if column.moved]
    weak = [column.name for column in columns if column.underpowered and not column.moved]
    if worst is None:
        reason = "no column has values on both sides, so no distribution could be compared"
    elif moved:
        change = f"{worst.column.name} (D {worst.distance:.2f})"
        reason = f"drift in {_and_more(change, len(moved), 'column')}"
    elif worst.untold:
        reason = (
            f"underpowered: the largest distance is {worst.distance:.3f}, of {worst.column.name}, "
            "whose values are too few or too rare to tell it from chance"
        )
    elif worst.reach > limits.distance:
        reason = (
            f"underpowered: with so few {parts} only a distance above {worst.reach:.3f} could be "
            f"told from chance; the largest is {worst.distance:.3f}, of {worst.column.name}"
        )
    else:
        reason = f"no drift: the largest distance is {worst.distance:.3f}, of {worst.column.name}"
        if weak:
            reason += f"; underpowered: {', '.join(weak)}"
    return Verdict(
        name="distributions",
        passed=not moved,
        measured=worst.distance if worst else None,
        limit=limits.distance,
        unit="Kolmogorov distance or total variation",
        reason=reason,
    )


def missing_verdict(columns: Sequence[ColumnDrift], limits: Drift) -> Verdict:
    """Return whether the share of missing values of a column drifted."""
    moved = [column for column in columns if column.missing_moved]
    worst = max(moved or columns, key=lambda column: column.missing_change, default=None)
    if worst is None:
        reason = "no column is watched"
    elif moved:
        change = f"{worst.name} ({worst.missing_shares})"
        reason = f"drift in the missing share of {_and_more(change, len(moved), 'column')}"
    else:
        reason = f"the missing share changed most in {worst.name} ({worst.missing_shares})"
    return Verdict(
        name="missing_values",
        passed=not moved,
        measured=worst.missing_change if worst else None,
        limit=limits.distance,
        unit="change of the missing share",
        reason=reason,
    )


def correlation_verdict(pairs: Sequence[CorrelationDrift], limits: Drift) -> Verdict:
    """Return whether a correlation drifted; the worst pair comes first."""
    drifted = sum(pair.drifted for pair in pairs)
    if not pairs:
        reason = "no pair of columns has a correlation on both sides"
    else:
        worst = pairs[0]
        change = (
            f"{worst.first} with {worst.second} (r {worst.reference:.2f} -> {worst.current:.2f})"
        )
        reason = (
            f"drift in the correlation of {_and_more(change, drifted, 'pair')}"
            if drifted
            else f"the correlation changed most of {change}"
        )
    return Verdict(
        name="correlations",
        passed=not drifted,
        measured=pairs[0].change if pairs else None,
        limit=limits.correlation,
        unit="change of the correlation",
        reason=reason,
    )


def _and_more(first: str, count: int, noun: str) -> str:
    more = count - 1
    return first + (f" and {more} more {noun}{'s' * (more > 1)}" if more else "")
