"""Retraining as one page that stands alone: what an old champion costs, and every decision."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mldebt_assets.page import MARKS, stand_alone
from mldebt_assets.plots.page_style import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, BELOW, ABOVE = 640, 150, 34, 18
WIDEST_BAR = 46
OWN_STYLE = """
.curve svg { max-width: 46rem; } .curve svg text { font-size: 12px; }
.scroll { overflow-x: auto; } .matrix td, .matrix th { text-align: right; padding: .25rem .6rem;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.matrix th:first-child { text-align: left; } .matrix .best { font-weight: 700; }
.evidence { color: var(--muted); font-size: .86rem; }
"""


def retraining_page(answer: Mapping[str, Any]) -> str:
    """Return the page of what ``mldebt retraining --json`` tells."""
    name = answer["pipeline"]
    body = "\n".join(
        [
            f'<header><p class="label">Retraining</p><h1>{escape(name)}</h1>'
            f"{first(answer)}</header>",
            curve(answer["staleness"], answer["champion"], answer["metric"]),
            matrix(answer["backtests"], answer["metric"]),
            decisions(answer["decisions"]),
        ]
    )
    return stand_alone(f"{name}: retraining", STYLE + OWN_STYLE, body)


def first(answer: Mapping[str, Any]) -> str:
    """Return the champion's age with what it costs, and the newest decision."""
    champion, taken = answer["champion"], answer["decisions"]
    cards = ""
    if champion is not None and champion["age"] is None:
        unknown = "What it was trained on is not known, so it has no age that could cost."
        cards += two_lines("Champion", f"v{champion['version']}, adopted", unknown, "verdict ok")
    elif champion is not None:
        next_age = champion["age"] + 1
        here = next((one for one in answer["staleness"] if one["age"] == next_age), None)
        cost = "What this age costs was not measured yet."
        if next_age == 1:
            cost = "No version has learned from newer data."
        elif here is not None and here["lost"] is not None:
            cost = (
                f"On the next batch it will be of age {next_age}: so old, versions have lost "
                f"{here['lost']:.3f} of {answer['metric']}."
            )
        cards += two_lines(
            "Champion",
            f"v{champion['version']}, {champion['age_days']:.0f} days old",
            f"It learned from data up to {champion['learned_until'][:10]}. {cost}",
            "verdict ok",
        )
    if taken:
        cards += two_lines("Newest decision", decided(taken[-1]), taken[-1]["reason"], "decision")
    return f'<div class="first">{cards}</div>'


def two_lines(label: str, what: str, why: str, tone: str) -> str:
    """Return a card that says something in a few words, and then why."""
    return (
        f'<div class="{tone}"><p class="label">{escape(label)}</p><p class="what">{escape(what)}'
        f"</p><p>{escape(why)}</p></div>"
    )


def decided(decision: Mapping[str, Any]) -> str:
    """Return a decision in a few words, with what the gate made of it."""
    about = decision["batch"] or decision["about"]
    if not decision["asked"]:
        return f"{about}: no retraining"
    outcome = decision["outcome"]
    said = "not judged yet" if outcome is None else f"v{outcome['version']} {outcome['gate']}"
    return f"{about}: retrained, {said}"


def curve(
    ages: Sequence[Mapping[str, Any]], champion: Mapping[str, Any] | None, metric: str
) -> str:
    """Return the staleness curve: what versions of each age have lost; the champion's is marked."""
    if not ages:
        return ""
    lost = [one["lost"] or 0.0 for one in ages]
    top, low = max(*lost, 0.001), min(*lost, 0.0)
    per_unit = HEIGHT / (top - low)
    zero = ABOVE + top * per_unit
    step = WIDTH / len(ages)
    drawn = ""
    for place, (one, value) in enumerate(zip(ages, lost, strict=True)):
        middle = (place + 0.5) * step
        width = min(step - 6, WIDEST_BAR)
        end = zero - value * per_unit
        marked = champion is not None and champion["age"] + 1 == one["age"]
        unknown = one["lost"] is None
        label = "?" if unknown else f"{value:.3f}"
        drawn += (
            f'<rect class="{"over" if marked else "fill"}" x="{middle - width / 2:.1f}" '
            f'y="{min(end, zero):.1f}" width="{width:.1f}" height="{max(abs(zero - end), 1):.1f}">'
            f"<title>age {one['age']}: mean {escape(metric)} {one['value']:.3f} over "
            f"{one['backtests']} backtests</title></rect>"
            f'<text x="{middle:.1f}" y="{min(end, zero) - 5:.1f}" text-anchor="middle">{label}'
            f'</text><text x="{middle:.1f}" y="{ABOVE + HEIGHT + 16}" text-anchor="middle">'
            f"{one['age']}</text>"
        )
    height = ABOVE + HEIGHT + BELOW
    says = "" if champion is None else f" Filled in orange: v{champion['version']} on the next one."
    return (
        '<section class="curve"><h2>What waiting costs</h2><p class="key">'
        f"{escape(metric)} by which the "
        "youngest version was better on the same batches, by age: batches since the newest that "
        f"a version learned from.{escape(says)}</p>"
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(metric)} lost by age">{drawn}'
        f'<path class="axis" d="M0 {zero:.1f}H{WIDTH}"/>'
        f'<text x="{WIDTH}" y="{height - 2}" text-anchor="end">age, in batches</text></svg>'
        "</section>"
    )


def matrix(backtests: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Return every version on every later batch; the best of each batch is bold."""
    if not backtests:
        return ""
    batches = sorted({one["batch"] for one in backtests})
    found = {(one["version"], one["batch"]): one["value"] for one in backtests}
    best = {
        batch: max(value for (_, of), value in found.items() if of == batch) for batch in batches
    }
    head = "".join(f'<th scope="col">{escape(batch)}</th>' for batch in batches)
    rows = ""
    for version in sorted({one["version"] for one in backtests}):
        cells = ""
        for batch in batches:
            value = found.get((version, batch))
            mark = ' class="best"' if value == best[batch] else ""
            cells += f"<td{mark}>{'' if value is None else f'{value:.3f}'}</td>"
        rows += f'<tr><th scope="row">v{version}</th>{cells}</tr>'
    return (
        "<section><h2>Every version on every later batch</h2>"
        f'<p class="key">{escape(metric)}; the best of each batch is bold.</p><div class="scroll">'
        f'<table class="matrix"><tr><th></th>{head}</tr>{rows}</table></div></section>'
    )


def decisions(taken: Sequence[Mapping[str, Any]]) -> str:
    """Return a row a decision, the newest first: what was decided, why, on what evidence."""
    rows = ""
    for one in reversed(taken):
        tone = "warning" if one["asked"] else "ok"
        evidence = "".join(
            f'<p class="evidence">{escape(report["what"])}: {escape(report["summary"])}</p>'
            for report in one["evidence"]
        )
        came = one["outcome"]
        gate = f'<p class="evidence">the gate: {escape(came["reason"])}</p>' if came else ""
        rows += (
            f'<tr><td class="{tone}"><span class="mark">{MARKS[tone]} {escape(decided(one))}</span>'
            f"</td><td>{escape(one['reason'])}{evidence}{gate}</td></tr>"
        )
    return f"<section><h2>Decisions, the newest first</h2><table>{rows}</table></section>"
