"""The champion and the four questions as one page of HTML that stands alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from mldebt_assets.page import MARKS, stand_alone
from mldebt_assets.plots.look import COLOURS, GRID, INK, MUTED, PAPER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

WORDS = {"ok": "ok", "warning": "attention", "unknown": "unknown"}
NOTHING = "Nothing has shown it yet."
SHOWN_REPORTS = 4

# A standing has a mark and a word beside its colour. In the dark the colours are the lighter ones
# of the same palette: Okabe and Ito, Color Universal Design, 2008.
STYLE = f"""
:root {{ color-scheme: light dark; --paper: {PAPER}; --card: #FFFFFF; --ink: {INK};
  --muted: {MUTED}; --line: {GRID}; --ok: {COLOURS["candidate"]};
  --warning: {COLOURS["incumbent"]}; --unknown: {COLOURS["baseline"]}; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #14191F; --card: #1C232B;
  --ink: #E7EBEF; --muted: #A3AEB9; --line: #323C47; --ok: #56B4E9; --warning: #E69F00;
  --unknown: #A9B2BB; }} }}
* {{ box-sizing: border-box; }}
body {{ margin: 0 auto; max-width: 66rem; padding: 2.5rem 1.5rem 3rem; background: var(--paper);
  color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }}
h1 {{ margin: 0; font-size: 1.9rem; line-height: 1.2; }}
h1 b {{ color: var(--ok); margin-left: .35rem; }}
.since {{ margin: .4rem 0 0; }}
.refused {{ margin: 1rem 0 0; border-left: .4rem solid var(--warning); padding: .2rem .9rem; }}
.why {{ margin: .15rem 0 0; color: var(--muted); max-width: 50rem; }}
section + section {{ margin-top: 3.5rem; }}
.cards {{ display: grid; gap: 1rem; margin-top: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }}
article {{ background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  border-left: .4rem solid var(--tone); padding: 1.1rem 1.3rem 1rem; display: flex;
  flex-direction: column; }}
.ok {{ --tone: var(--ok); }}
.warning {{ --tone: var(--warning); }}
.unknown {{ --tone: var(--unknown); }}
.head {{ display: flex; gap: .8rem; align-items: start; justify-content: space-between; }}
h2 {{ margin: 0; font-size: 1.05rem; line-height: 1.4; }}
.mark {{ flex: none; border: 1.5px solid var(--tone); border-radius: 1rem; padding: .05rem .65rem;
  font-size: .82rem; font-weight: 650; white-space: nowrap; }}
.answer {{ margin: .6rem 0 .9rem; font-size: 1.02rem; }}
.unknown .answer {{ color: var(--muted); }}
dl {{ margin: auto 0 0; padding-top: .7rem; border-top: 1px solid var(--line); font-size: .86rem;
  display: grid; grid-template-columns: max-content 1fr; gap: .2rem .9rem; }}
dt {{ color: var(--muted); }}
dd {{ margin: 0; }}
code {{ font: .92em ui-monospace, "Liberation Mono", Menlo, monospace; }}
a {{ color: var(--ok); }}
.none {{ margin: auto 0 0; padding-top: .7rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: .86rem; }}
footer {{ margin-top: 2rem; color: var(--muted); font-size: .86rem; }}
@media print {{ :root {{ --paper: #FFF; --card: #FFF; --ink: #000; --muted: #444; }}
  body {{ padding: 0; max-width: none; font-size: 10pt; }}
  article, section {{ break-inside: avoid; }}
  .cards {{ grid-template-columns: 1fr 1fr; }} }}
"""


def page(statuses: Sequence[Mapping[str, Any]], now: datetime, ages: Mapping[str, str]) -> str:
    """Return the page of some pipelines.

    ``ages`` says how old the evidence of an answer was ``now``, by pipeline and question.
    """
    title = ", ".join(status["pipeline"] for status in statuses) or "no pipeline"
    sections = "\n".join(section(status, ages) for status in statuses)
    body = f"""{sections}
<footer>As of {now:%Y-%m-%d %H:%M} UTC, by mldebt status. Links lead to Dagster's web UI.
</footer>"""
    return stand_alone(f"{title}: the champion and the four questions", STYLE, body)


def section(status: Mapping[str, Any], ages: Mapping[str, str]) -> str:
    """Return one pipeline's champion and its four questions."""
    name = status["pipeline"]
    cards = "\n".join(
        card(question, ages.get(f"{name}/{key}", ""))
        for key, question in status["questions"].items()
    )
    return (
        f"<section>\n<header>{champion(name, status['champion'])}</header>\n"
        f"{''.join(refused(one) for one in status['refused'])}{waiting(name, status)}"
        f'<div class="cards">\n{cards}\n</div>\n</section>'
    )


def refused(one: Mapping[str, Any]) -> str:
    """Return that a batch stands refused, as what, and what mends it."""
    mark = "scored, and learned by nobody" if one["scored"] else "learned by nobody"
    return (
        f'<p class="refused"><b>{escape(one["batch"])}: {escape(one["alarm"])}</b>, {mark}. '
        f"{escape(one['reason'])} Fix: {escape(one['fix'])}</p>\n"
    )


def waiting(name: str, status: Mapping[str, Any]) -> str:
    """Return how many rows wait in quarantine, and what tells of them; nothing where none does."""
    rows = sum(status["quarantined"].values())
    if not rows:
        return ""
    told = f"In quarantine: {rows:,} rows of {', '.join(status['quarantined'])}"
    return f'<p class="refused">{escape(told)}: <code>mldebt quarantine {escape(name)}</code></p>\n'


def champion(name: str, found: Mapping[str, Any] | None) -> str:
    """Return what is in production, since when and why."""
    if found is None:
        return (
            f"<h1>{escape(name)}</h1>\n"
            f'<p class="since">no champion yet: <code>mldebt replay {escape(name)}</code></p>'
        )
    return (
        f"<h1>{escape(name)} <b>v{found['version']}</b></h1>\n"
        f'<p class="since">in production since {escape(found["effective_at"][:10])}, in the '
        f"data's time; weights <code>{escape(found['weights_sha256'])}</code></p>\n"
        f'<p class="why">{escape(found["reason"])}</p>'
    )


def card(question: Mapping[str, Any], age: str) -> str:
    """Return one question with its answer, its standing, and what proves it."""
    standing = question["standing"]
    return (
        f'<article class="{escape(standing)}">\n'
        f'<div class="head"><h2>{escape(question["question"])}</h2>'
        f'<span class="mark">{MARKS[standing]} {WORDS[standing]}</span></div>\n'
        f'<p class="answer">{escape(question["answer"])}</p>\n{proof(question, age)}\n</article>'
    )


def proof(question: Mapping[str, Any], age: str) -> str:
    """Return what proves an answer: where it is kept, its hashes, when it was shown."""
    evidence = question["evidence"]
    if evidence is None:
        return f'<p class="none">{NOTHING}</p>'
    where = escape(evidence["asset"])
    if "check" in evidence:
        where += f", check <code>{escape(evidence['check'])}</code>"
    rows = [
        ("evidence", f'<a href="{escape(question["link"])}">{where}</a>'),
        ("shown", f"{escape(age)} ({escape(question['shown_at'][:16].replace('T', ' '))} UTC)"),
    ]
    if evidence.get("run_id"):
        rows.append(("run", f"<code>{escape(evidence['run_id'])}</code>"))
    if evidence.get("by"):
        rows.append(("by", escape(evidence["by"])))
    reports = evidence.get("reports", [])
    rows += [
        (escape(report["batch"]), f"<code>{escape(report['sha256'])}</code>")
        for report in reports[-SHOWN_REPORTS:]
    ]
    if len(reports) > SHOWN_REPORTS:
        rows.append(("before", f"{len(reports) - SHOWN_REPORTS} more reports, named by --json"))
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows) + "</dl>"
