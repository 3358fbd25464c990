"""Where batches come from: landing folders, and the demo data that can be fetched into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _flight_delays(folder_url: str) -> list[str]:
    """Write the flights' twelve months; return the names of the files that were written."""
    from mldebt_assets.sources import nycflights

    return nycflights.write_batches(folder_url)


FETCHERS: Mapping[str, Callable[[str], list[str]]] = {"flight_delays": _flight_delays}
"""By pipeline: what writes its batches into a landing folder and returns the names it wrote."""
