"""What an alarm is: a broken feed, a changed schema, a season seen before, or a real shift.

Only the last two are anything to learn from. Triage comes before retraining: a model that learned
a broken feed is wrong twice, on the feed and after its repair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mldebt_assets.core.drift.broken_feed import faults
from mldebt_assets.core.drift.displaced import variation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mldebt_assets.core.drift.finding import Finding
    from mldebt_assets.core.drift.profile import ColumnSummary, Profile

AlarmClass = Literal["broken feed", "schema change", "season seen before", "real shift", "no alarm"]
"""In the order in which one goes before another."""

SECONDS_A_DAY = 86_400
YEAR_DAYS, SEASON_DAYS = 365.25, 46
"""A season comes again after whole years, give or take half a quarter."""
NEARER = 0.5
"""So much nearer an earlier batch lies than the reference, at most, where its season came again."""


@dataclass(frozen=True, kw_only=True)
class Triage:
    """The class of a batch, and what it rests on: the findings, and the batch of a season before.

    ``distance`` is the mean distance of the columns to the reference; ``season`` has the batch of
    the same season and its distance, where the class is that.
    """

    alarm: AlarmClass
    sentence: str
    findings: tuple[Finding, ...]
    distance: float | None
    season: tuple[str, float] | None

    def as_dict(self) -> dict[str, Any]:
        """Return the triage as plain JSON values."""
        season = self.season and {"batch": self.season[0], "distance": self.season[1]}
        return {
            "class": self.alarm,
            "sentence": self.sentence,
            "findings": [finding.as_dict() for finding in self.findings],
            "distance": self.distance,
            "season": season,
        }


def triage(
    current: Profile, reference: Profile, earlier: Mapping[str, Profile], *, drifted: bool
) -> Triage:
    """Return the class of a batch.

    Args: ``reference`` is what the champion is held to; ``earlier`` batches by name, in the order
          of their arrival, none of them broken; ``drifted`` is what the drift rule says.
    """
    found = tuple(faults(current, reference, earlier))
    distance = profile_distance(current, reference)
    season = season_before(current, earlier) if drifted and not found else None
    if season is not None and (distance is None or season[1] > NEARER * distance):
        season = None
    if found:
        alarm: AlarmClass = "broken feed"
        sentence = "; ".join(finding.sentence for finding in found)
    elif season is not None:
        alarm = "season seen before"
        sentence = (
            f"batch {season[0]}, of the same season, lies at {season[1]:.3f}, "
            f"the champion's reference at {distance:.3f}"
        )
    elif drifted:
        alarm, sentence = "real shift", "no fault of the feed and no season seen before explains it"
    else:
        alarm, sentence = "no alarm", "the feed shows no fault, and the inputs have not drifted"
    return Triage(alarm=alarm, sentence=sentence, findings=found, distance=distance, season=season)


def season_before(current: Profile, earlier: Mapping[str, Profile]) -> tuple[str, float] | None:
    """Return the nearest batch of this season in an earlier year, with its distance, if any."""
    if current.last is None:
        return None
    distances = {
        batch: profile_distance(current, profile)
        for batch, profile in earlier.items()
        if profile.last is not None and _is_same_season(current.last - profile.last)
    }
    known = {batch: distance for batch, distance in distances.items() if distance is not None}
    nearest = min(known, key=lambda batch: known[batch], default=None)
    return None if nearest is None else (nearest, known[nearest])


def _is_same_season(seconds: float) -> bool:
    """Return whether so much time leads from a season to the same one, a year or more later.

    >>> [_is_same_season(days * 86_400) for days in (0, 30, 300, 340, 365, 400, 500, 730)]
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
