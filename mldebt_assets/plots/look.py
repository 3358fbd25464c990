"""The one look of every picture: colours, sizes, and how a figure becomes few bytes.

A picture is an opaque near-white panel, so that it reads the same in a light and in a dark page.
It is 720 dots wide, as wide as a dialog of Dagster's shows whole in a browser of 900, and its
smallest text is 13 dots high. Models differ by colour and by line, never by colour alone.
"""

from __future__ import annotations

import base64
import functools
import io
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.text import Text

WIDTH_INCHES = 6.0
DOTS_PER_INCH = 120
PALETTE_STEPS = 4
KEY_INCHES = 0.26
NAME_INCHES, NAME_APART, NAME_DROP = 0.95, 0.1, 0.17
EDGE = 0.05
MANY, MILLION, BILLION = 10_000, 1_000_000, 1_000_000_000

PAPER = "#FBFBF9"
INK = "#1F2933"
MUTED = "#56616C"
GRID = "#DDE1E5"
SHADE = "#BFC6CD"
PALE = "#A9CDE3"

# Source: Okabe and Ito, Color Universal Design, 2008; the baseline is a grey, dark enough to see.
COLOURS = {"candidate": "#0072B2", "incumbent": "#D55E00", "baseline": "#6F6F6F"}
DOTS = (0, (2, 2))
LINES = {"candidate": "-", "incumbent": (0, (5, 1.5)), "baseline": (0, (1, 1.2))}
MARKERS = {"candidate": "o", "incumbent": "s", "baseline": "^"}

# How many times its limit: calm greys below 1, then darker with each step. Source of the four
# darker ones: ColorBrewer's OrRd, which lightness alone orders.
HEAT = ("#EDF0F2", "#DCE1E5", "#FDD49E", "#FC8D59", "#D7301F", "#7F0000")
HEAT_FROM = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)

LOOK = {
    "font.family": "DejaVu Sans",  # it comes with matplotlib: the same bytes on every machine
    "font.size": 8,
    "text.color": INK,
    "text.parse_math": False,  # a column may be called cost_$
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.labelsize": 8,
    "axes.labelpad": 3,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 3.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.borderaxespad": 0.2,
    "legend.labelspacing": 0.3,
    "figure.facecolor": PAPER,
}


@dataclass(frozen=True)
class Picture:
    """A drawn picture: PNG bytes, and in words what is seen on it."""

    png: bytes
    alt: str

    @property
    def markdown(self) -> str:
        """The picture as Markdown that needs no file beside it."""
        text = self.alt.translate({ord(sign): None for sign in "[]\n"})
        return f"![{text}](data:image/png;base64,{base64.b64encode(self.png).decode()})"


@dataclass(frozen=True)
class Entry:
    """One entry of a key: a name, and the line, marker or patch that stands for it."""

    text: str
    colour: str
    line: Any = "none"
    marker: str = "none"
    thickness: float = 1.5


class Sheet:
    """One picture in the making; all places are inches from its top left corner."""

    def __init__(self, height_inches: float) -> None:
        self.height_inches = height_inches
        self.figure = Figure(figsize=(WIDTH_INCHES, height_inches), dpi=DOTS_PER_INCH)
        # What matplotlib says of its types leaves out most of this canvas.
        canvas: Any = FigureCanvasAgg(self.figure)
        self._canvas = canvas
        self._renderer = canvas.get_renderer()

    def panel(self, *, left: float, top: float, right: float, bottom: float) -> Axes:
        """Return axes whose frame lies between these places."""
        return self.figure.add_axes(
            (
                left / WIDTH_INCHES,
                1 - bottom / self.height_inches,
                (right - left) / WIDTH_INCHES,
                (bottom - top) / self.height_inches,
            )
        )

    def text(self, left: float, top: float, text: str, **style: Any) -> Text:
        """Write one line of text whose baseline is at ``top``."""
        place = left / WIDTH_INCHES, 1 - top / self.height_inches
        return self.figure.text(*place, text, **{"va": "baseline", **style})

    def title(self, left: float, top: float, text: str) -> None:
        """Write the title of a panel."""
        self.text(left, top, text, size=9, weight="bold")

    def width_of(self, text: str, size: float = 8, weight: str = "normal") -> float:
        """Return how many inches a line of text takes."""
        style = FontProperties(size=size, weight=weight, family=mpl.rcParams["font.family"])
        dots, *_ = self._renderer.get_text_width_height_descent(text, style, ismath=False)
        return float(dots) / DOTS_PER_INCH

    def fitted(self, text: str, width: float, size: float = 8) -> str:
        """Return the text, cut with an ellipsis where it is wider than ``width`` inches."""
        if self.width_of(text, size) <= width:
            return text
        kept = len(text) - 1
        while kept > 1 and self.width_of(text[:kept] + "…", size) > width:
            kept -= 1
        return text[:kept] + "…"

    def key(self, right: float, top: float, entries: Sequence[Entry]) -> None:
        """Write what colours and lines mean, in a row that ends at ``right``."""
        steps = [KEY_INCHES + 0.06 + self.width_of(entry.text) + 0.18 for entry in entries]
        left = right - sum(steps) + 0.18
        for entry, step in zip(entries, steps, strict=True):
            across = [left / WIDTH_INCHES, (left + KEY_INCHES) / WIDTH_INCHES]
            up = 1 - (top - 0.04) / self.height_inches
            handle = Line2D(
                [across[0], sum(across) / 2, across[1]],
                [up, up, up],
                color=entry.colour,
                linestyle=entry.line,
                linewidth=entry.thickness,
                marker=entry.marker,
                markevery=[1],
                solid_capstyle="butt",
            )
            self.figure.add_artist(handle)
            self.text(left + KEY_INCHES + 0.06, top, entry.text)
            left += step

    def name_places(self, axes: Axes, names: Sequence[str], *, first: float = 0.0) -> None:
        """Write names below a panel, the last and as many before it as stand there untouched.

        ``first`` is where the axes have the first of them; each next one is 1 further on.
        """
        frame = axes.get_position()
        least, most = axes.get_xlim()
        inches = frame.width * WIDTH_INCHES / (most - least)
        below = (1 - frame.y0) * self.height_inches + NAME_DROP
        free, marked = WIDTH_INCHES, []
        for place in reversed(range(len(names))):
            name = self.fitted(names[place], NAME_INCHES)
            half = self.width_of(name) / 2
            middle = frame.x0 * WIDTH_INCHES + (first + place - least) * inches
            middle = max(min(middle, WIDTH_INCHES - half - EDGE), half + EDGE)
            if middle + half <= free:
                free = middle - half - NAME_APART
                self.text(middle, below, name, ha="center", color=MUTED)
                marked.append(first + place)
        axes.set_xticks(marked, [""] * len(marked))

    def mark(self, axes: Axes, places: Sequence[float]) -> None:
        """Draw a dotted line through a panel at each of these places."""
        if places:
            everywhere = axes.get_xaxis_transform()
            axes.vlines(
                places, 0, 1, transform=everywhere, color=INK, linewidth=0.8, linestyle=DOTS
            )

    def picture(self, alt: str) -> Picture:
        """Draw everything, once, and return it in few bytes."""
        self._canvas.draw()
        size = self._canvas.get_width_height()
        drawn = Image.frombuffer("RGBA", size, self._canvas.buffer_rgba()).convert("RGB")
        png = io.BytesIO()
        drawn.quantize(palette=_palette(), dither=Image.Dither.NONE).save(png, "PNG")
        return Picture(png.getvalue(), alt)


@functools.cache
def _palette() -> Image.Image:
    """Return the look's own colours, and what lies between each and the paper."""
    paper = np.array(to_rgb(PAPER))
    colours = [INK, MUTED, GRID, SHADE, PALE, *COLOURS.values(), *HEAT]
    steps = np.linspace(0, 1, PALETTE_STEPS + 1)[:, None]
    blends = np.concatenate([paper + steps * (to_rgb(colour) - paper) for colour in colours])
    image = Image.new("P", (1, 1))
    image.putpalette(np.unique(np.round(blends * 255).astype(np.uint8), axis=0).tobytes())
    return image


def short(number: float) -> str:
    """Return a number in at most seven signs.

    >>> [short(number) for number in (0, 12.5, 9_999, 123_456, 7_890_123)]
    ['0', '12.5', '9,999', '123.5k', '7.89M']
    """
    if abs(number) >= BILLION:
        return f"{number / BILLION:,.2f}bn"
    if abs(number) >= MILLION:
        return f"{number / MILLION:,.2f}M"
    if abs(number) >= MANY:
        return f"{number / 1000:,.1f}k"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}"


@contextmanager
def sheet(height_inches: float) -> Iterator[Sheet]:
    """Give an empty sheet, with the common look in force while it is drawn.

    What the user's own matplotlibrc says is of no account: equal data are equal bytes.
    """
    own = {name: value for name, value in mpl.rcParamsDefault.items() if "backend" not in name}
    look: Any = {**own, **LOOK}
    with mpl.rc_context(look):
        yield Sheet(height_inches)


def spaced(positions: Sequence[float], least: float) -> list[int]:
    """Return the places of those positions that lie ``least`` apart, the first among them.

    >>> spaced([0, 1, 2, 3, 4], least=2)
    [0, 2, 4]
    """
    kept: list[int] = []
    for place, position in enumerate(positions):
        if not kept or position - positions[kept[-1]] >= least:
            kept.append(place)
    return kept
