"""Dagster's pages in a headless Chromium: what the browser test reads and the README shows."""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, FloatRect, Locator, Page

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = "chromium is not on the PATH (Debian: apt-get install chromium)"
PATIENCE_MILLISECONDS = 30_000
# Every asset of a pipeline's graph, from top to bottom, fits with its box in full.
WIDTH, HEIGHT = 2600, 3000
# What a person sets once in the web UI, and the browser keeps. The boxes of the graph say what is
# there and of which kind, and nothing that changes by the minute.
PREFERENCES = {
    "asset-graph-direction": "vertical",
    "asset-node-facets": ["status", "kind-tag"],
    "dagster-nav-collapsed": True,
    "dagster-theme": "Light",
}
# Any other host has no address, whoever asks for it: a page, or Chromium itself.
ONLY_THIS_MACHINE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
MARKDOWN_LINK = "[Show Markdown]"
DIALOG = ".dagster-dialog"
DECODED = "async picture => { await picture.decode(); return picture.naturalWidth; }"


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, with a profile that is gone afterwards."""
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--disable-quic", ONLY_THIS_MACHINE]
        )
        try:
            yield started
        finally:
            started.close()


@dataclass
class Tab:
    """A page of the web UI at ``address``, and each URL of another server that it asked for."""

    address: str
    page: Page
    strangers: list[str] = field(default_factory=list)

    def note(self, url: str) -> None:
        """Keep a URL that leads elsewhere; what is written inside the page asks nobody."""
        parts = urlsplit(url)
        inline = parts.scheme in {"data", "blob"}
        if not inline and parts.netloc != urlsplit(self.address).netloc:
            self.strangers.append(url)

    def open(self, path: str) -> None:
        """Go to a page; what it shows may still be loading."""
        self.page.goto(self.address + path)

    def open_lineage(self, pipeline: str) -> dict[str, FloatRect]:
        """Open a pipeline's graph; return the place of every asset's box, once all are loaded."""
        self.open(f"/locations/mldebt/asset-groups/{pipeline}/lineage")
        boxes = self.page.locator("svg foreignObject")
        boxes.first.wait_for()
        expect(boxes.filter(has_text="Loading")).to_have_count(0)
        return {name_in(box): place_of(box) for box in boxes.all()}

    def open_champion(self, pipeline: str, training_set: str) -> list[int]:
        """Open the champion's page and each of its plots; return the plots' widths in pixels.

        It has come when the hash of its training set can be read and every plot is drawn.
        """
        self.open(f"/assets/{pipeline}/champion?view=overview")
        self.page.get_by_text(training_set).first.wait_for()
        widths: list[int] = []
        for position, link in enumerate(self.page.get_by_text(MARKDOWN_LINK, exact=True).all()):
            if position:
                self.page.get_by_text("Close", exact=True).click()
                self.page.locator(DIALOG).wait_for(state="hidden")
            link.click()
            widths += [plot.evaluate(DECODED) for plot in self.plots().all()]
        return widths

    def open_plot(self, name: str) -> Locator:
        """On an asset's page, open the plot of a name; return it, once it is drawn."""
        row = self.page.locator("tr").filter(has=self.page.get_by_text(name, exact=True)).last
        row.get_by_text(MARKDOWN_LINK, exact=True).click()
        plot = self.plots().first
        plot.evaluate(DECODED)
        return plot

    def plots(self) -> Locator:
        """Return the plots in the window that is open, once its text is there."""
        self.page.locator(f"{DIALOG} .dagster-markdown").wait_for()
        return self.page.locator(f"{DIALOG} img")

    def open_check(self, pipeline: str, asset: str, check: str) -> str:
        """Open a check's page; return what it says of the latest execution."""
        self.open(f"/assets/{pipeline}/{asset}?view=checks&checkDetail={check}")
        # Named once in the list, and once over what is shown of it: Dagster may show another first.
        self.page.get_by_text(check, exact=True).filter(visible=True).nth(1).wait_for()
        self.page.get_by_text("Evaluation result", exact=True).wait_for()
        return self.page.locator("body").inner_text()

    def open_automation(self) -> list[str]:
        """Open the page of all sensors and schedules; return their names."""
        self.open("/automation")
        links = self.page.locator("a:is([href*='/sensors/'], [href*='/schedules/'])")
        links.first.wait_for()
        return [link.locator("span").first.inner_text() for link in links.all()]

    def row_of(self, name: str) -> Locator:
        """Return the row of a sensor or schedule on the automation page."""
        return self.page.locator(f"a[href$='/{name}']").locator("..")

    def switch_of(self, name: str) -> Locator:
        """Return what switches a sensor or schedule on the automation page on and off."""
        return self.row_of(name).get_by_role("checkbox").nth(1)

    def show_latest_tick(self, name: str) -> str:
        """On the automation page, show and return what was said at the latest tick."""
        self.row_of(name).get_by_label("status").hover()
        said = self.page.locator(".dagster-popover").filter(has_text="Latest tick")
        said.wait_for()
        return said.inner_text()


def name_in(box: Locator) -> str:
    """Return the name of the asset that a box of the graph stands for."""
    return box.locator("[data-tooltip]").first.inner_text()


def place_of(element: Locator) -> FloatRect:
    """Return where an element is drawn, in pixels of the page."""
    place = element.bounding_box()
    assert place is not None
    return place


@contextlib.contextmanager
def new_tab(browser: Browser, port: int, width: int = WIDTH, scale: float = 1) -> Iterator[Tab]:
    """Open an empty tab for the web UI on a port; nothing is cached from any other tab."""
    context = browser.new_context(
        viewport={"width": width, "height": HEIGHT}, device_scale_factor=scale, timezone_id="UTC"
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    kept = {name: json.dumps(value) for name, value in PREFERENCES.items()}
    context.add_init_script(f"Object.assign(localStorage, {json.dumps(kept)})")
    try:
        tab = Tab(f"http://127.0.0.1:{port}", context.new_page())
        context.on("request", lambda request: tab.note(request.url))
        yield tab
    finally:
        context.close()
