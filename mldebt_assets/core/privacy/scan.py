"""A scan for personal data: every column rated on distinct values, and no value ever told.

A number that passes a check digit proves nothing: one random number in ten does. So a column is
found where more of its values pass than chance explains. How likely chance is to do that is
bounded after Hoeffding, Probability inequalities for sums of bounded random variables, JASA 58,
1963, theorem 1. What is called after personal data, and cannot be told by its values (names of
persons, dates of birth, addresses), is found by its name.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import asdict, dataclass
from itertools import accumulate
from string import ascii_lowercase, ascii_uppercase, digits
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mldebt_assets.core.privacy.masks import commonest
from mldebt_assets.core.privacy.names import ADDRESS, BIRTH, PERSON, SPECIAL, kind_by_name
from mldebt_assets.core.privacy.patterns import Pattern, patterns
from mldebt_assets.core.privacy.texts import LONGEST_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SAMPLED_VALUES = 10_000
CANDIDATES = 2_000
OURS = "mldebt"
CERTAIN = 1e-9
BY_NAME = {PERSON, BIRTH, ADDRESS}
LEAST_TEXT_SHARE = 0.5
SHAPES = str.maketrans(digits + ascii_uppercase + ascii_lowercase, "9" * 10 + "A" * 26 + "a" * 26)

Confidence = Literal["certain", "likely", "possible"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a column seems to hold, and why; never a value of it.

    ``share`` is the share of its sampled distinct values that hold one, ``chance`` the share of
    random values, written alike, that would pass the same check; None where the name alone tells.
    ``possible`` is too little to act on. ``looks`` is how most of them are written, masked;
    ``by`` is whose recogniser found it.
    """

    column: str
    kind: str
    share: float | None
    chance: float | None
    confidence: Confidence
    why: str
    looks: str | None = None
    by: str = OURS

    @property
    def counts(self) -> bool:
        """Whether it is sure enough to be acted on."""
        return self.confidence != "possible"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """The distinct values of a column that are looked at, in lines of one text.

    ``shapes`` are their distinct shapes: 9 for every digit, A and a for every letter.
    """

    values: tuple[str, ...]
    text: str
    starts: tuple[int, ...]
    shapes: str

    @classmethod
    def of(cls, values: Sequence[str]) -> Sample:
        """Return these values as a sample; what is very long is looked at in its beginning."""
        lines = tuple(re.sub(r"[\r\n]", " ", value[:LONGEST_VALUE]) for value in values)
        starts = accumulate((len(line) + 1 for line in lines[:-1]), initial=0)
        text = "\n".join(lines)
        shapes = "\n".join(sorted(set(text.translate(SHAPES).split("\n"))))
        return cls(lines, text, tuple(starts) if lines else (), shapes)


def scan(columns: Mapping[str, pa.ChunkedArray]) -> list[Finding]:
    """Return what the columns of a table, as text, seem to hold of personal data.

    The sample of a column are its distinct values with the smallest hashes, so that neither the
    order of rows nor how often a value comes changes what is found.
    """
    found: list[Finding] = []
    for name, column in columns.items():
        found += look(name, sampled(column))
    return found


def sampled(column: pa.ChunkedArray) -> Sample:
    """Return the distinct values of a column of text with the smallest hashes."""
    distinct = pc.unique(column).drop_null()
    distinct = distinct.filter(pc.not_equal(distinct, ""))
    if len(distinct) > SAMPLED_VALUES:
        hashes = pd.util.hash_array(distinct.to_numpy(zero_copy_only=False), categorize=False)
        smallest = np.argpartition(hashes, SAMPLED_VALUES)[:SAMPLED_VALUES]
        distinct = distinct.take(pa.array(smallest[np.argsort(hashes[smallest])]))
    return Sample.of(distinct.to_pylist())


def look(name: str, sample: Sample) -> list[Finding]:
    """Return what one column seems to hold, the surest kind first, each kind once."""
    if not sample.values:
        return []
    called = kind_by_name(name)
    found = [
        finding
        for pattern in patterns()
        if (finding := rated(name, called, sample, pattern)) is not None
    ]
    kinds: dict[str, Finding] = {}
    for finding in sorted(found, key=lambda one: (one.confidence, -(one.share or 0))):
        kinds.setdefault(finding.kind, finding)
    if called is not None and called not in kinds:
        kinds[called] = by_name(name, called, sample)
    return list(kinds.values())


def rated(name: str, called: str | None, sample: Sample, pattern: Pattern) -> Finding | None:
    """Return whether a column holds what is written so, more often than chance explains."""
    hinted = called == pattern.kind
    if (pattern.only_by_name and not hinted) or not pattern.shape.search(sample.shapes):
        return None
    tested, lines, looked_at = candidates(sample, pattern)
    if not tested:
        return None
    passed = sum(tested.values())
    luck = probability_of_chance(passed, len(tested), pattern.chance)
    beyond_chance = (passed / len(tested) - pattern.chance) / (1 - pattern.chance)
    if not passed or beyond_chance < pattern.least_share:
        return None
    holding = {line for text, held in lines.items() if tested[text] for line in held}
    share = len(holding) / looked_at
    enough = luck <= (pattern.hinted if hinted else pattern.limit)
    if pattern.only_by_name:
        enough = share >= pattern.least_share
    confidence: Confidence = "likely" if enough else "possible"
    also = ", and its name says so" if hinted else ""
    return Finding(
        column=name,
        kind=pattern.kind,
        share=share,
        chance=pattern.chance,
        confidence="certain" if enough and luck <= CERTAIN else confidence,
        why=f"{pattern.name}: {passed} of {len(tested)} distinct candidates pass{also}",
        looks=commonest(text for text, is_one in tested.items() if is_one),
    )


def candidates(
    sample: Sample, pattern: Pattern
) -> tuple[dict[str, bool], dict[str, set[int]], int]:
    """Return what is written so and whether it passes, and the lines in which each stands.

    The last is how many lines were looked at until there were enough of them.
    """
    tested: dict[str, bool] = {}
    lines: dict[str, set[int]] = {}
    silent: set[str] = set()
    for match in pattern.written.finditer(sample.text):
        text, line = match.group(), bisect_right(sample.starts, match.start())
        if text not in tested and text not in silent:
            if len(tested) >= CANDIDATES:
                return tested, lines, line - 1
            passed = pattern.check(text)
            if passed is None:
                silent.add(text)
            else:
                tested[text] = passed
        if text in tested:
            lines.setdefault(text, set()).add(line)
    return tested, lines, len(sample.values)


def probability_of_chance(passed: int, tested: int, chance: float) -> float:
    """Return an upper bound of the probability that chance alone passes so many, or more.

    >>> round(probability_of_chance(3, 3, 0.1), 6), probability_of_chance(1, 100, 0.1)
    (0.001, 1.0)
    """
    share = passed / tested
    if share <= chance:
        return 1.0
    rest = (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else 0.0
    return math.exp(-tested * (share * math.log(share / chance) + rest))


def by_name(name: str, kind: str, sample: Sample) -> Finding:
    """Return what a column is called after, and whether its values may be that."""
    plausible = kind in BY_NAME and plausible_share(kind, sample.values) >= LEAST_TEXT_SHARE
    said = "its values may be that" if plausible else "its values do not look like it"
    if kind == SPECIAL:
        said = "whether it is of persons, nothing here can tell"
    return Finding(
        column=name,
        kind=kind,
        share=None,
        chance=None,
        confidence="likely" if plausible else "possible",
        why=f"its name says so; {said}",
        looks=commonest(sample.values),
    )


def plausible_share(kind: str, values: Iterable[str]) -> float:
    """Return the share of values that may be of a kind: dates have digits, names have letters.

    >>> plausible_share("name of a person", ["Ada", "17", "B2"])
    0.3333333333333333
    """
    signs = re.compile(r"\d{4}|\d+[./-]\d+") if kind == BIRTH else re.compile(r"[^\W\d_]{2}")
    digits = re.compile(r"\d")
    judged = [
        signs.search(value) is not None and (kind != PERSON or digits.search(value) is None)
        for value in values
    ]
    return sum(judged) / len(judged)
