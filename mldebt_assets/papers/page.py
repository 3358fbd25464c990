"""A page of words and tables, written once and rendered as Markdown and as HTML.

Whatever a pipeline or its data say of themselves is text here: it is escaped, never markup.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from mldebt_assets.page import in_markdown, stand_alone
from mldebt_assets.papers.look import CSS


@dataclass(frozen=True)
class Code:
    """Text of a machine: a hash, the name of a column or a file, a command."""

    text: str


Cell = str | Code


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Items:
    """A list, one line an item."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and what they are, in two columns."""

    rows: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Table:
    """Rows below headings; the columns in ``right`` hold numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: tuple[str, ...] = ()


Block = Text | Items | Facts | Table


@dataclass(frozen=True)
class Section:
    """A heading, and what stands below it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole paper: ``kind`` above its ``title``, the figures that matter most, the sections."""

    kind: str
    title: str
    lead: str
    figures: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]


def to_markdown(page: Page) -> str:
    """Return the page as Markdown, with GitHub's tables."""
    parts = [f"# {marked(page.kind)}: {marked(page.title)}", marked(page.lead)]
    parts += [markdown_table(("", ""), page.figures, ())] if page.figures else []
    for section in page.sections:
        parts += [f"## {marked(section.heading)}", *map(markdown_block, section.blocks)]
    return "\n\n".join(parts) + "\n"


def markdown_block(block: Block) -> str:
    """Return one block as Markdown."""
    if isinstance(block, Text):
        return marked(block.text)
    if isinstance(block, Items):
        return "\n".join(f"- {marked(item)}" for item in block.items)
    if isinstance(block, Facts):
        return markdown_table(("", ""), block.rows, ())
    return markdown_table(block.headings, block.rows, block.right)


def markdown_table(
    headings: tuple[str, ...], rows: tuple[tuple[Cell, ...], ...], right: tuple[str, ...]
) -> str:
    """Return a table as GitHub's Markdown."""
    lines = [
        [marked(heading) for heading in headings],
        ["---:" if heading in right else "---" for heading in headings],
        *([marked(cell) for cell in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def marked(cell: Cell) -> str:
    r"""Return a cell in which Markdown and HTML find no markup, in one line.

    >>> marked("a *b*"), marked(Code("f2")), marked(Code("a|b"))
    ('a \\*b\\*', '`f2`', 'a\\|b')
    """
    if isinstance(cell, str):
        return in_markdown(cell)
    text = " ".join(cell.text.split())
    return f"`{text}`" if text and not re.search(r"[`|]", text) else in_markdown(text)


def to_html(page: Page) -> str:
    """Return the page as one HTML file that needs nothing else, and may load nothing else."""
    title = f"{page.kind}: {page.title}"
    figures = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>"
        for name, value in page.figures
    )
    sections = "\n".join(
        f"<section>\n<h2>{html.escape(section.heading)}</h2>\n"
        + "\n".join(map(html_block, section.blocks))
        + "\n</section>"
        for section in page.sections
    )
    body = f"""<header>
<p class="kind">{html.escape(page.kind)}</p>
<h1>{html.escape(page.title)}</h1>
<p class="lead">{html.escape(page.lead)}</p>
</header>
<dl class="figures">{figures}</dl>
{sections}"""
    return stand_alone(title, CSS, body)


def html_block(block: Block) -> str:
    """Return one block as HTML."""
    if isinstance(block, Text):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Items):
        return f"<ul>{''.join(f'<li>{html.escape(item)}</li>' for item in block.items)}</ul>"
    if isinstance(block, Facts):
        rows = "".join(
            f'<tr><th scope="row">{html.escape(name)}</th>{html_cell(value)}</tr>'
            for name, value in block.rows
        )
        return f'<div class="wide"><table class="facts">{rows}</table></div>'
    kinds = ["number" if heading in block.right else "" for heading in block.headings]
    heads = "".join(
        f'<th scope="col"{css(kind)}>{html.escape(heading)}</th>'
        for heading, kind in zip(block.headings, kinds, strict=True)
    )
    rows = "".join(f"<tr>{''.join(map(html_cell, row, kinds))}</tr>" for row in block.rows)
    return (
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def html_cell(cell: Cell, kind: str = "") -> str:
    """Return one cell of a table as HTML."""
    if isinstance(cell, Code):
        return f"<td{css(kind)}><code>{html.escape(cell.text)}</code></td>"
    return f"<td{css(kind)}>{html.escape(cell)}</td>"


def css(kind: str) -> str:
    """Return the attribute that names a class, or nothing."""
    return f' class="{kind}"' if kind else ""
