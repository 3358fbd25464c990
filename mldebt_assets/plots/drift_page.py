"""Drift as one page that stands alone: the verdict and the decision first, then every column.

The reference is a filled shape and the current side a line, so that no eye needs their colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from mldebt_assets.page import MARKS, stand_alone
from mldebt_assets.plots.drift_bars import bars_svg, trend_svg
from mldebt_assets.plots.page_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mldebt_assets.core.drift.histogram import Histogram

MISSING = ("missing_reference", "missing_current")
NAMES = {
    "ks": "KS",
    "total_variation": "TV",
    "psi": "PSI",
    "jensen_shannon": "JS",
    "wasserstein": "Wasserstein",
    "unseen_current": "unseen",
    "vanished_reference": "vanished",
}
STANDING = {"drift": "warning", "calm": "ok", "unknown": "unknown"}


@dataclass(frozen=True)
class Batch:
    """One batch of the trend: what was found, what was decided, and each column's distance."""

    name: str
    drifted: bool | None
    decision: str
    distances: Mapping[str, tuple[float | None, bool]]


@dataclass(frozen=True)
class Outcome:
    """How scores or labels moved: in a sentence, and each column that there is of them."""

    what: str
    summary: str
    columns: Mapping[str, Mapping[str, Any]]
    histograms: Mapping[str, Histogram]


@dataclass(frozen=True)
class DriftPage:
    """What stands on the page.

    ``found`` is the verdict in two or three words, ``standing`` drift, calm or unknown;
    ``decision`` what came of it, and why; ``columns`` as ``mldebt drift --json`` has them;
    ``histograms`` by column; ``batches`` oldest first, the last of them the page's own;
    ``outcomes`` what is told of scores and labels, which are no part of the verdict;
    ``refused`` the class of a refused batch, why it is, and whether it was scored all the same.
    """

    kind: str
    title: str
    standing: str
    found: str
    summary: str
    facts: Sequence[tuple[str, str]]
    columns: Mapping[str, Mapping[str, Any]]
    histograms: Mapping[str, Histogram]
    limit: float
    rule: str
    decision: tuple[str, str] | None = None
    batches: Sequence[Batch] = ()
    together: str = ""
    outcomes: Sequence[Outcome] = ()
    refused: tuple[str, str, bool] | None = None


def drift_page(shown: DriftPage) -> str:
    """Return the page as HTML."""
    parts: dict[str, list[str]] = {"drift": [], "unknown": [], "calm": []}
    for name in sorted(shown.columns, key=lambda name: -(shown.columns[name]["distance"] or 0.0)):
        parts[standing_of(shown.columns[name])].append(name)
    drifted, unknown, calm = (
        [card(name, shown.columns[name], shown.histograms.get(name), shown) for name in names]
        for names in (parts["drift"], parts["unknown"], parts["calm"])
    )
    body = "\n".join(
        [
            header(shown),
            timeline(shown.batches, shown.together),
            section(f"Drifted: {len(drifted)} of {len(shown.columns)} columns", drifted, key=True),
            section(f"Not known: {len(unknown)}", unknown),
            folded(f"Calm: {len(calm)}", calm),
            outcomes(shown.outcomes),
            f"<footer>{escape(shown.rule)}</footer>",
        ]
    )
    return stand_alone(f"{shown.title}: {shown.found}", STYLE, body)


def standing_of(column: Mapping[str, Any]) -> str:
    """Return whether a column drifted, is calm, or cannot be known to be either."""
    if column["drifted"]:
        return "drift"
    return "calm" if column["reason"].startswith("no drift") else "unknown"


def header(shown: DriftPage) -> str:
    """Return the verdict, what was decided, and what was compared."""
    tone = STANDING[shown.standing]
    decision = ""
    if shown.decision is not None:
        what, why = shown.decision
        decision = (
            f'<div class="decision"><p class="label">Decided</p><p class="what">{escape(what)}</p>'
            f"<p>{escape(why)}</p></div>"
        )
    if shown.refused is not None:
        alarm, why, scored = shown.refused
        what = f"{alarm}, {'scored all the same, ' if scored else ''}never learned"
        refused = (
            f'<div class="verdict warning"><p class="label">Refused</p>'
            f'<p class="what">{MARKS["warning"]} {escape(what)}</p><p>{escape(why)}</p></div>'
        )
        decision = refused + decision
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in shown.facts
    )
    return (
        f'<header><p class="label">{escape(shown.kind)}</p><h1>{escape(shown.title)}</h1>'
        f'<div class="first"><div class="verdict {tone}"><p class="label">Found</p>'
        f'<p class="what">{MARKS[tone]} {escape(shown.found)}</p><p>{escape(shown.summary)}</p>'
        f'</div>{decision}</div><dl class="facts">{facts}</dl></header>'
    )


def timeline(batches: Sequence[Batch], together: str) -> str:
    """Return a line a batch: what was found, what was decided; and what all rows together say."""
    if len(batches) <= 1:
        return ""
    words = {True: ("warning", "drift"), False: ("ok", "calm"), None: ("unknown", "not judged")}
    rows = "".join(
        f'<tr><th scope="row">{escape(batch.name)}</th><td class="{words[batch.drifted][0]}">'
        f'<span class="mark">{MARKS[words[batch.drifted][0]]} {words[batch.drifted][1]}</span></td>'
        f"<td>{escape(batch.decision)}</td></tr>"
        for batch in reversed(batches)
    )
    said = f'<p class="together">Taken together: {escape(together)}</p>' if together else ""
    ends = f"{escape(batches[0].name)} to {escape(batches[-1].name)}"
    return f"<section><h2>{ends}</h2><table>{rows}</table>{said}</section>"


def section(heading: str, cards: Sequence[str], *, key: bool = False) -> str:
    """Return a group of columns; ``key`` says what fill and line are, and stays without any."""
    if not cards and not key:
        return ""
    says = '<p class="key"><i class="fill"></i> reference <i class="line"></i> current</p>'
    grid = f'<div class="cards">{"".join(cards)}</div>' if cards else ""
    return (
        f'<section><div class="heads"><h2>{heading}</h2>{says if key else ""}</div>{grid}</section>'
    )


def folded(heading: str, cards: Sequence[str]) -> str:
    """Return a group of columns that is opened by a click."""
    if not cards:
        return ""
    return (
        f"<details><summary><h2>{heading}</h2></summary>"
        f'<div class="cards">{"".join(cards)}</div></details>'
    )


def outcomes(told: Sequence[Outcome]) -> str:
    """Return scores and labels: they ask for nothing, and stand last."""
    if not told:
        return ""
    said = "".join(
        f'<p class="together">{one.what.capitalize()}: {escape(one.summary)}</p>' for one in told
    )
    cards = "".join(
        card(name, column, one.histograms.get(name))
        for one in told
        for name, column in one.columns.items()
    )
    heading = "Scores and labels, beside those of the champion&#x27;s held-out rows"
    return f'<section><h2>{heading}</h2>{said}<div class="cards">{cards}</div></section>'


def card(
    name: str,
    column: Mapping[str, Any],
    histogram: Histogram | None,
    trends: DriftPage | None = None,
) -> str:
    """Return one column: both sides, its trend, its statistics, and why."""
    distance = column["distance"]
    told = "" if distance is None else f"D&nbsp;{distance:.2f}"
    drawn = bars_svg(histogram, name, dates=column["kind"] == "date") if histogram else ""
    if trends is not None and len(trends.batches) > 1:
        trend = [(one.name, *one.distances.get(name, (None, False))) for one in trends.batches]
        drawn += trend_svg(trend, name, trends.limit)
    tone = STANDING[standing_of(column)]
    return (
        f'<article class="{tone}"><div class="head"><h3>{escape(name)}</h3>'
        f'<span class="distance">{told}</span></div>{drawn}{numbers(column)}'
        f'<p class="reason">{escape(column["reason"])}</p></article>'
    )


def numbers(column: Mapping[str, Any]) -> str:
    """Return a column's statistics, in one line."""
    statistics = column["statistics"]
    told = [(label, f"{statistics[at]:.3g}") for at, label in NAMES.items() if at in statistics]
    if any(statistics.get(share) for share in MISSING):
        told.append(("missing", " → ".join(f"{statistics[share]:.1%}" for share in MISSING)))
    said = "".join(f"<span><b>{label}</b> {value}</span>" for label, value in told)
    return f'<p class="numbers">{said}</p>' if said else ""
