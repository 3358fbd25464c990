"""What every page that stands alone has in common: its frame, and text that is never markup.

Whatever a pipeline or its data say of themselves is text here: a column may have any name.
"""

from __future__ import annotations

import html
import re

# How an answer stands: its mark beside its colour.
MARKS = {"ok": "✓", "warning": "!", "unknown": "?"}

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
MARKDOWN_SIGNS = re.compile(r"([\\`*\[\]|~])|(?<!\w)(_)|(_)(?!\w)")
LINE_START = re.compile(r"^(\d+)([.)])(?!\S)|^([#+=-]+)(?!\S)")


def stand_alone(title: str, style: str, body: str) -> str:
    """Return one HTML file that needs nothing else, and may load nothing else.

    ``title`` is text; ``style`` and ``body`` are markup already.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""


def in_markdown(text: str) -> str:
    r"""Return text in which Markdown and HTML find no markup, in one line.

    >>> in_markdown("a *b* <i> #1 flight_delays"), in_markdown("# no")
    ('a \\*b\\* &lt;i&gt; #1 flight_delays', '\\# no')
    """
    escaped = MARKDOWN_SIGNS.sub(lambda found: "\\" + found[0], " ".join(text.split()))
    escaped = LINE_START.sub(
        lambda found: f"{found[1]}\\{found[2]}" if found[1] else "\\" + found[0], escaped
    )
    return html.escape(escaped, quote=False)
