"""Values as Python source writes them, whatever a user's table calls its columns."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def literal(value: Any) -> str:
    """Return a value as Python writes it, texts in double quotes."""
    plain = value.item() if hasattr(value, "item") else value
    return json.dumps(plain, ensure_ascii=True) if isinstance(plain, str) else repr(plain)


def listed(names: Sequence[Any]) -> str:
    """Return values as a list."""
    return f"[{', '.join(map(literal, names))}]"


def tupled(names: Sequence[str]) -> str:
    """Return texts as a tuple.

    >>> tupled(["a"])
    '("a",)'
    """
    return f"({', '.join(map(literal, names))}{',' if len(names) == 1 else ''})"


def number(bound: float, dtype: str) -> str:
    """Return a bound with four digits that matter, or as a whole number."""
    if dtype == "int64":
        return str(int(bound))
    digits = 0 if bound == 0 else 3 - math.floor(math.log10(abs(bound)))
    return repr(round(bound, digits))


def prose(text: str) -> str:
    """Return a text that may stand in a comment or a docstring, whatever it holds.

    >>> prose('a' + chr(10) + 'b')
    'a b'
    """
    kept = "".join(sign if sign.isprintable() else " " for sign in text)
    return kept.replace("\\", "/").replace('"""', "'''").strip() or "(blank)"
