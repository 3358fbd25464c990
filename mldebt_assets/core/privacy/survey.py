"""What scans of several tables tell of every column, beside what is declared of it.

What is stored is held to its declaration too: a column that is declared as pseudonymised has
nothing but pseudonyms, and one that is denied has nothing at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from mldebt_assets.core.privacy.declared import edit, has_value, sentence
from mldebt_assets.core.privacy.policy import Deny, Pseudonymise, in_words
from mldebt_assets.core.privacy.scan import Sample, look, sampled
from mldebt_assets.core.privacy.texts import LINES
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from mldebt_assets.core.privacy.scan import Finding
    from mldebt_assets.core.schema import Column

    Texts = Mapping[str, pa.ChunkedArray]
    Also = Callable[[str, Sample], Sequence[Finding]]

CHECK = "stored_personal_data"
MEANING = "What today's recognisers find in all that is stored is declared, and hidden where it is."
PSEUDONYM = "^[0-9a-f]{32}$"
COLLECT_AGAIN = (
    "land these batches again, so that they are collected as declared, and train again; "
    "`mldebt forget` removes what is stored of a person"
)
SURENESS = ("certain", "likely", "possible")


@dataclass
class ColumnTold:
    """What is told of one column of one stage: every kind once, the surest finding of all tables.

    ``values`` is how many distinct values were looked at in one table, at most.
    """

    column: str
    stage: str
    declared: Column | None
    values: int = 0
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = field(default_factory=dict)
    amiss: dict[str, list[str]] = field(default_factory=dict)

    def add(self, table: str, texts: pa.ChunkedArray, also: Also | None) -> None:
        """Scan the column in one more table."""
        sample = sampled(texts)
        self.values = max(self.values, len(sample.values))
        for one in [*look(self.column, sample), *(also(self.column, sample) if also else ())]:
            known, tables = self.found.get((one.kind, one.by), (one, []))
            surer = SURENESS.index(one.confidence) < SURENESS.index(known.confidence)
            self.found[one.kind, one.by] = (one if surer else known, [*tables, table])
        policy = self.declared.privacy if self.declared is not None else None
        if isinstance(policy, Pseudonymise) and clear_values(texts):
            self.amiss.setdefault("has clear values, and is declared as pseudonymised", []).append(
                table
            )
        if isinstance(policy, Deny) and has_value(texts):
            self.amiss.setdefault("has values, and is declared as never to come", []).append(table)

    @property
    def problem(self) -> str | None:
        """What is wrong with the column; None where nothing is."""
        if self.amiss:
            return "; ".join(f"{said}, in {listed(where)}" for said, where in self.amiss.items())
        if self.declared is not None and self.declared.privacy is not None:
            return None
        sure = [one for one, _ in self.found.values() if one.counts]
        return sentence(sure[0]) if sure else None

    @property
    def fix(self) -> str | None:
        """What mends it; None where nothing is wrong."""
        if self.problem is None:
            return None
        return (
            COLLECT_AGAIN if self.amiss else edit(self.column, is_known=self.declared is not None)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        policy = self.declared.privacy if self.declared is not None else None
        return {
            "column": self.column,
            "stage": self.stage,
            "values": self.values,
            "declared": None if policy is None else in_words(policy),
            "findings": [
                {**{n: v for n, v in one.as_dict().items() if n != "column"}, "batches": tables}
                for one, tables in self.found.values()
            ],
            "problem": self.problem,
            "fix": self.fix,
        }


def survey(
    tables: Iterable[tuple[str, str, Texts]],
    columns: Sequence[Column],
    also: Also | None = None,
) -> list[ColumnTold]:
    """Return what is told of every column of these tables, each with its stage and its name.

    Args: ``also`` finds more in a column's sample, beside our own recognisers.
    """
    declared = {column.name: column for column in columns}
    told: dict[tuple[str, str], ColumnTold] = {}
    for stage, table, texts in tables:
        for name, column in texts.items():
            one = told.setdefault((stage, name), ColumnTold(name, stage, declared.get(name)))
            one.add(table, column, also)
    return list(told.values())


def clear_values(texts: pa.ChunkedArray) -> bool:
    """Return whether a column has values that are no pseudonyms."""
    distinct = pc.unique(texts).drop_null()
    hidden = pc.or_(pc.equal(distinct, ""), pc.match_substring_regex(distinct, PSEUDONYM))
    return not pc.all(hidden, min_count=0).as_py()


def without_header(texts: Texts) -> Texts:
    """Return a file's columns by number where its first line seems to be no header, but a row.

    What would be told as their names are values then, perhaps of a person.
    """
    names = [name for name in texts if name != LINES]
    if not any(one.share is not None for one in look("", Sample.of(names))):
        return texts
    numbered = {name: f"column {number}" for number, name in enumerate(names, start=1)}
    return {numbered.get(name, name): column for name, column in texts.items()}


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return names as a sentence has them.

    >>> listed(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def judge_stored(told: Sequence[ColumnTold], tables: int) -> Verdict:
    """Return whether all that is stored is as it is declared."""
    wrong = [one for one in told if one.problem is not None]
    scanned = "1 stored batch" if tables == 1 else f"{tables} stored batches"
    said = f"{scanned} scanned, {len(told)} columns; "
    said += "; ".join(f"{one.column!r} {one.problem}" for one in wrong) or "none undeclared"
    fixes = "; ".join(dict.fromkeys(one.fix for one in wrong if one.fix))
    return Verdict(
        name=CHECK,
        passed=not wrong,
        measured=len(wrong),
        limit=0,
        unit="columns",
        reason=f"{said}\nFix: {fixes}." if fixes else f"{said}.",
    )
