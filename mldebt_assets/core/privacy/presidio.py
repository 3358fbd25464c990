"""Presidio's pattern recognisers beside our own, where presidio-analyzer is installed.

No engine, no language model and no network: each recogniser is asked by itself. They say nothing of
how often chance passes their checks, and a tenth of random numbers passes most of them; so what
they find in most values of a column is told as possible, and decides nothing.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mldebt_assets.core.errors import MissingExtraError
from mldebt_assets.core.privacy.masks import commonest
from mldebt_assets.core.privacy.scan import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mldebt_assets.core.privacy.scan import Sample

PRESIDIO = "presidio"
ASKED_VALUES = 500
LEAST_SHARE = 0.5
LEAST_SCORE = 0.5  # a pattern that its own check has passed has 1
NOT_PERSONAL = {"DATE_TIME", "URL", "UUID"}


@dataclass(frozen=True)
class Recogniser:
    """One of presidio's: what it finds, and where."""

    kind: str
    name: str
    asked: Any

    def found_in(self, values: Sequence[str]) -> list[str]:
        """Return what it finds in each value that has some, the first of each."""
        found = []
        for value in values:
            spans = self.asked.analyze(value, self.asked.supported_entities)
            sure = [span for span in spans if span.score >= LEAST_SCORE]
            if sure:
                found.append(value[sure[0].start : sure[0].end])
        return found


def presidio_findings(column: str, sample: Sample) -> list[Finding]:
    """Return the kinds that presidio finds in half of a column's sampled values or more.

    Raises: MissingExtraError if presidio-analyzer is not installed.
    """
    values = sample.values[:ASKED_VALUES]
    told = []
    for recogniser in recognisers():
        found = recogniser.found_in(values)
        if values and len(found) / len(values) >= LEAST_SHARE:
            told.append(
                Finding(
                    column=column,
                    kind=recogniser.kind,
                    share=len(found) / len(values),
                    chance=None,
                    confidence="possible",
                    why=f"{recogniser.name} finds it; how often by chance, it does not say",
                    looks=commonest(found),
                    by=PRESIDIO,
                )
            )
    return told


@functools.cache
def recognisers() -> tuple[Recogniser, ...]:
    """Return every pattern recogniser that presidio has, in the order of their names.

    Raises: MissingExtraError if presidio-analyzer is not installed.
    """
    try:
        from presidio_analyzer import PatternRecognizer, predefined_recognizers
    except ImportError as missing:
        raise MissingExtraError.of("presidio-analyzer", PRESIDIO) from missing
    kinds: list[Any] = [
        kind
        for _, kind in sorted(vars(predefined_recognizers).items())
        if isinstance(kind, type)
        and issubclass(kind, PatternRecognizer)
        and kind not in {PatternRecognizer, predefined_recognizers.EmailRecognizer}
    ]
    made = [kind() for kind in kinds] + [offline(predefined_recognizers.EmailRecognizer)]
    return tuple(
        Recogniser(one.supported_entities[0], type(one).__name__, one)
        for one in made
        if one.supported_entities[0] not in NOT_PERSONAL
    )


def offline(email_recogniser: type[Any]) -> Any:
    """Return presidio's recogniser of e-mail addresses with the list of domains that is installed.

    By itself it fetches the newest one.
    """
    from tldextract import TLDExtract

    domains = TLDExtract(suffix_list_urls=(), cache_dir=None)

    class EmailRecognizer(email_recogniser):  # type: ignore[misc]
        def validate_result(self, pattern_text: str) -> bool:
            """Return whether what follows the @ is a domain."""
            return bool(domains(pattern_text).fqdn)

    return EmailRecognizer()
