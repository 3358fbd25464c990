"""Take the README's pictures: the web UI on a copy of the home that `make run` made.

    python -m docs.pictures

The daemon runs on the copy, which is thrown away, so the home itself stays as it is.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from mldebt_assets.core.errors import MLDebtError
from mldebt_assets.home import Home
from mldebt_assets_tests.browser import (
    CHROMIUM,
    HEIGHT,
    NO_CHROMIUM,
    WIDTH,
    chromium,
    new_tab,
    place_of,
)
from mldebt_assets_tests.servers import serving_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import FloatRect

    from mldebt_assets_tests.browser import Tab

PIPELINE = "flight_delays"
LAST_BATCH = "2013-12"
FOLDER = Path(__file__).parent / "pictures"
# As wide as leaves the text readable in the column of a README; a screen may draw two dots a pixel.
PAGE_WIDTH, WIDE_PAGE = 1150, 1500
SCALE = 2
MARGIN, EDGE = 16, 1


def lineage(tab: Tab) -> FloatRect:
    """Open the whole graph of the pipeline, wide enough for its words; return where it lies."""
    tab.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    return around(tab.open_lineage(PIPELINE).values(), MARGIN)


def champion(tab: Tab) -> FloatRect:
    """Open the newest promotion; return where it says what is in production, and why."""
    tab.page.set_viewport_size({"width": WIDE_PAGE, "height": HEIGHT})
    tab.open(f"/assets/{PIPELINE}/champion?view=events")
    rows = tab.page.locator("tr")
    last = rows.filter(has=tab.page.get_by_text("training_set", exact=True)).last
    last.wait_for()
    return around([place_of(rows.first), place_of(last)], EDGE)


def drift(tab: Tab) -> FloatRect:
    """Open the plot of every column's drift over the batches; return where it is drawn."""
    tab.open(f"/assets/{PIPELINE}/drift_report?view=partitions&partition={LAST_BATCH}")
    return place_of(tab.open_plot("drift over the batches"))


def performance(tab: Tab) -> FloatRect:
    """Open the plot of what was served over the batches; return where it is drawn."""
    tab.open(f"/assets/{PIPELINE}/performance?view=partitions&partition={LAST_BATCH}")
    return place_of(tab.open_plot("batches"))


def sensors(tab: Tab) -> FloatRect:
    """Open the list of sensors and schedules; return where it lies."""
    names = tab.open_automation()
    tab.page.wait_for_load_state("networkidle")  # a switch is drawn as off until it is known
    last = place_of(tab.row_of(names[-1]))
    return top_of_page(last["y"] + last["height"])


def failed_check(tab: Tab) -> FloatRect:
    """Open the check by which the gate refused the newest candidate; return where it says why."""
    tab.open_check(PIPELINE, "evaluation", "beats_incumbent")
    return top_of_page(place_of(tab.page.get_by_text("Plots", exact=True).last)["y"])


PICTURES: dict[str, Callable[[Tab], FloatRect]] = {
    "lineage": lineage,
    "champion": champion,
    "drift": drift,
    "performance": performance,
    "sensors": sensors,
    "failed_check": failed_check,
}


def around(places: Iterable[FloatRect], margin: float) -> FloatRect:
    """Return the smallest rectangle that holds all others, and a margin."""
    corners = [(p["x"], p["y"], p["x"] + p["width"], p["y"] + p["height"]) for p in places]
    lefts, tops, rights, bottoms = zip(*corners, strict=True)
    left, top = min(lefts) - margin, min(tops) - margin
    return {
        "x": left,
        "y": top,
        "width": max(rights) + margin - left,
        "height": max(bottoms) + margin - top,
    }


def top_of_page(height: float) -> FloatRect:
    """Return the part of the page down to a height."""
    return {"x": 0, "y": 0, "width": PAGE_WIDTH, "height": height}


def save(picture: bytes, path: Path) -> None:
    """Write a screenshot with 256 colours, which is a third of its size and looks the same."""
    with Image.open(io.BytesIO(picture)) as opened:
        few = opened.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE)
    few.save(path, optimize=True)


def take_all() -> None:
    """Take every picture anew."""
    with serving_copy(Home.locate().require()) as port, chromium() as browser:
        for name, open_page in PICTURES.items():
            with new_tab(browser, port, width=PAGE_WIDTH, scale=SCALE) as tab:
                frame = open_page(tab)
                save(tab.page.screenshot(clip=frame), FOLDER / f"{name}.png")
            sys.stdout.write(f"docs/pictures/{name}.png\n")


if __name__ == "__main__":
    if CHROMIUM is None:
        sys.exit(NO_CHROMIUM)
    try:
        take_all()
    except MLDebtError as problem:
        sys.exit(str(problem))
