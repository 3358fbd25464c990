"""What an alarm is: a broken feed, a changed schema, a season seen before, or a real shift.

Only the last two are anything to learn from. Triage comes before retraining: a model that learned
a broken feed is wrong twice, on the feed and after its repair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mldebt_assets.core.drift.broken_feed import faults
from mldebt_assets.core.drift.finding import Finding
from mldebt_assets.core.drift.past import variation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from mldebt_assets.core.drift.profile import ColumnSummary, Profile

AlarmClass = Literal["broken feed", "schema change", "season seen before", "real shift", "no alarm"]
"""In the order in which one goes before another."""

SECONDS_A_DAY = 86_400
YEAR_DAYS, SEASON_DAYS = 365.25, 46
"""A season comes again after whole years, give or take half a quarter."""
NEARER = 0.5
"""So much nearer an earlier batch lies than the reference, at most, where its season came again."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What a batch is, and why, in a sentence for a human."""

    name: AlarmClass
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Triage:
    """What a batch looks like beside the reference and the earlier batches.

    ``distance`` is the mean distance of the columns to the reference; ``season`` the nearest batch
    of the same season in an earlier year, and its distance, if there is one.
    """

    findings: tuple[Finding, ...]
    distance: float | None
    season: tuple[str, float] | None

    def alarm(self, *, drifted: bool) -> Alarm:
        """Return the class of the batch; ``drifted`` is what the drift rule says."""
        if self.findings:
            told = "; ".join(finding.sentence for finding in self.findings)
            return Alarm(name="broken feed", sentence=told)
        if not drifted:
            return Alarm(name="no alarm", sentence="the feed shows no fault, and has not drifted")
        if self.season is None or self.distance is None:
            return Alarm(
                name="real shift",
                sentence="the feed shows no fault, and no earlier year has this season",
            )
        batch, distance = self.season
        seen = distance <= NEARER * self.distance
        return Alarm(
            name="season seen before" if seen else "real shift",
            sentence=(
                f"batch {batch}, of the same season, lies at a distance of {distance:.3f}, "
                f"the champion's reference at {self.distance:.3f}"
            ),
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the triage as plain JSON values."""
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "distance": self.distance,
            "season": None if self.season is None else list(self.season),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Triage:
        """Return the triage that ``as_dict`` wrote."""
        findings = [Finding(**{**f, "columns": tuple(f["columns"])}) for f in plain["findings"]]
        season = plain["season"]
        return cls(
            findings=tuple(findings),
            distance=plain["distance"],
            season=None if season is None else (season[0], season[1]),
        )


def triage(
    current: Profile,
    reference: Profile,
    earlier: Mapping[str, Profile],
    *,
    known_later: Collection[str] = (),
) -> Triage:
    """Return what a batch looks like.

    Args: ``reference`` is what the champion is held to; ``earlier`` batches by name, in the order
          of their arrival, none of them broken; columns that are ``known_later``, as labels are,
          may be missing.
    """
    return Triage(
        findings=tuple(faults(current, reference, earlier, known_later=known_later)),
        distance=profile_distance(current, reference),
        season=season_before(current, earlier),
    )


def season_before(current: Profile, earlier: Mapping[str, Profile]) -> tuple[str, float] | None:
    """Return the nearest batch of this season in an earlier year, with its distance, if any."""
    if current.last is None:
        return None
    distances = {
        batch: profile_distance(current, profile)
        for batch, profile in earlier.items()
        if profile.last is not None and is_same_season(current.last - profile.last)
    }
    known = {batch: distance for batch, distance in distances.items() if distance is not None}
    nearest = min(known, key=lambda batch: known[batch], default=None)
    return None if nearest is None else (nearest, known[nearest])


def is_same_season(seconds: float) -> bool:
    """Return whether so much time leads from a season to the same one, a year or more later.

    >>> [is_same_season(days * 86_400) for days in (0, 30, 300, 340, 365, 400, 500, 730)]
    [False, False, False, True, True, True, False, True]
    """
    years = round(seconds / SECONDS_A_DAY / YEAR_DAYS)
    return years > 0 and abs(seconds / SECONDS_A_DAY - years * YEAR_DAYS) <= SEASON_DAYS


def profile_distance(one: Profile, other: Profile) -> float | None:
    """Return the mean distance of the columns that both have, in [0, 1]; None if there is none."""
    both = [(c, other.columns[name]) for name, c in one.columns.items() if name in other.columns]
    distances = [column_distance(*pair) for pair in both]
    known = [distance for distance in distances if distance is not None]
    return float(np.mean(known)) if known else None


def column_distance(one: ColumnSummary, other: ColumnSummary) -> float | None:
    """Return the distance of two columns: Kolmogorov's of numbers, total variation of categories.

    None where the two cannot be compared.
    """
    if one.quantiles and other.quantiles:
        first, second = np.array(one.quantiles), np.array(other.quantiles)
        places = np.concatenate([first, second])
        shares = [
            np.searchsorted(side, places, side="right") / side.size for side in (first, second)
        ]
        return float(np.abs(shares[0] - shares[1]).max())
    return variation(one.shares, other.shares) if one.shares and other.shares else None
