"""Units that feeds confuse, and how one becomes the other: ``other = factor * unit + offset``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Conversion:
    """What turns numbers in one unit into numbers in another."""

    source: str
    target: str
    factor: float
    offset: float = 0.0

    @property
    def named(self) -> str:
        """What a sentence calls it."""
        return f"{self.source} to {self.target}"

    @property
    def inverse(self) -> Conversion:
        """The way back."""
        return Conversion(self.target, self.source, 1 / self.factor, -self.offset / self.factor)

    def undo(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return converted values in the unit that they had.

        >>> import numpy as np
        >>> Conversion("F", "C", 5 / 9, -160 / 9).undo(np.array([0.0, 100.0])).round(6).tolist()
        [32.0, 212.0]
        """
        return (values - self.offset) / self.factor


# Factors: NIST Special Publication 811, appendix B; the international mile, foot and pound.
CONVERSIONS = (
    Conversion("miles", "kilometres", 1.609344),
    Conversion("kilometres", "metres", 1000),
    Conversion("feet", "metres", 0.3048),
    Conversion("inches", "millimetres", 25.4),
    Conversion("inches", "centimetres", 2.54),
    Conversion("mph", "km/h", 1.609344),
    Conversion("mph", "knots", 1609.344 / 1852),
    Conversion("knots", "km/h", 1.852),
    Conversion("mph", "m/s", 0.44704),
    Conversion("km/h", "m/s", 1 / 3.6),
    Conversion("minutes", "seconds", 60),
    Conversion("hours", "minutes", 60),
    Conversion("hours", "seconds", 3600),
    Conversion("days", "hours", 24),
    Conversion("seconds", "milliseconds", 1000),
    Conversion("kilograms", "grams", 1000),
    Conversion("kilograms", "pounds", 1 / 0.45359237),
    Conversion("euros", "cents", 100),
    Conversion("fractions", "percent", 100),
    Conversion("Fahrenheit", "Celsius", 5 / 9, -160 / 9),
    Conversion("millibars", "pascals", 100),
    Conversion("millibars", "kilopascals", 0.1),
    Conversion("millibars", "inches of mercury", 1 / 33.86389),
)
"""Each is tried both ways."""

OF_TEMPERATURE = {"temp", "temperature", "dewp", "dewpoint"}
"""Names that say what is measured and not in which unit: one of the two that are converted."""

SUFFIXES = {
    "miles": {"miles", "mile", "mi"},
    "kilometres": {"km", "kilometres", "kilometers"},
    "metres": {"m", "metres", "meters"},
    "feet": {"ft", "feet"},
    "inches": {"in", "inch", "inches"},
    "millimetres": {"mm", "millimetres", "millimeters"},
    "centimetres": {"cm", "centimetres", "centimeters"},
    "mph": {"mph"},
    "km/h": {"kmh", "kph"},
    "knots": {"kn", "kt", "kts", "knots"},
    "m/s": {"mps"},
    "minutes": {"min", "minute", "minutes"},
    "seconds": {"s", "sec", "second", "seconds"},
    "milliseconds": {"ms", "milliseconds"},
    "hours": {"h", "hour", "hours"},
    "days": {"d", "day", "days"},
    "kilograms": {"kg", "kilograms"},
    "grams": {"g", "grams"},
    "pounds": {"lb", "lbs", "pounds"},
    "euros": {"eur", "euro", "euros", "usd", "dollars"},
    "cents": {"cent", "cents"},
    "fractions": {"fraction", "share", "rate", "humidity"},
    "percent": {"percent", "pct"},
    "Fahrenheit": {"f", "fahrenheit", *OF_TEMPERATURE},
    "Celsius": {"c", "celsius", *OF_TEMPERATURE},
    "millibars": {"mbar", "hpa", "millibars"},
    "pascals": {"pa", "pascals"},
    "kilopascals": {"kpa"},
    "inches of mercury": {"inhg"},
}
"""How a column's name ends where it says its unit."""


def candidates(column: str) -> list[Conversion]:
    """Return the conversions that a column may have gone through, by the unit that its name says.

    A name without a unit may have had any.

    >>> [one.named for one in candidates("distance_miles")]
    ['miles to kilometres']
    >>> [one.named for one in candidates("temp")]
    ['Fahrenheit to Celsius', 'Celsius to Fahrenheit']
    """
    last = column.lower().rsplit("_", 1)[-1]
    units = {unit for unit, suffixes in SUFFIXES.items() if last in suffixes}
    return [one for one in _both_ways() if not units or one.source in units]


def _both_ways() -> Iterator[Conversion]:
    for one in CONVERSIONS:
        yield one
        yield one.inverse
