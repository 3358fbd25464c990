"""The suite of rules that a pipeline's declaration makes: those of its columns, and its own.

This module is light, since the names of the rules are needed wherever the code location loads.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mldebt_assets.core.schema import Column, Expectation, ForeignKey

COLUMNS = "columns_declared"
TYPES = "types_declared"
ROW_COUNT = "row_count"
COMPLETE = "values_complete"
FINITE = "values_finite"
BOUNDS = "values_within_bounds"
KEY = "row_key_unique"
REPEATED = "repeated_rows"
FOREIGN_KEYS = "foreign_keys"
QUARANTINED = "quarantined_rows"

MEANINGS = {
    COLUMNS: "The file has exactly the declared columns, in their order.",
    TYPES: "Every column is of its declared type.",
    ROW_COUNT: "The batch has at least the declared number of rows.",
    COMPLETE: "No value is missing where one must be, and no column is without any value.",
    FINITE: "Every number is finite.",
    BOUNDS: "Every number and time lies within the declared bounds of its column.",
    KEY: "No two rows have the same row key.",
    REPEATED: "No more than the declared share of rows repeats an earlier row whole.",
    FOREIGN_KEYS: "Every foreign key has the values of a row of the table that it references.",
    QUARANTINED: "No more than the declared share of rows is in quarantine.",
}
CONSEQUENCES = {
    "quarantine": "A row that fails goes to quarantine.",
    "refuse": "A batch that fails is refused.",
}

GX_TYPES = {"string": "str", "int64": "int64", "float64": "float64", "timestamp": "datetime64"}
PREFIX = re.compile(r"^Expect(?:Column|Table|Compound|Multicolumn|Select)?(?:s|Pair)?(?:Values)?")


@dataclass(frozen=True)
class Rule:
    """One expectation of Great Expectations, and the verdict that its result counts towards."""

    verdict: str
    subject: str
    fault: str
    expectation: str
    arguments: Mapping[str, Any]
    failing: Literal["quarantine", "refuse"] = "refuse"


def suite(
    columns: Sequence[Column],
    row_key: Sequence[str],
    expectations: Sequence[Expectation],
    least_rows: int,
) -> list[Rule]:
    """Return every rule, in the order of the verdicts.

    The column set, the types, the row count, completeness, finiteness, bounds and the row key
    are always among them. Rules of one kind share a verdict, so that a wide table does not bury
    its reader, and the event log, in checks; each declared expectation has its own.
    """
    least = max(1, least_rows)
    names = [column.name for column in columns]
    rules = [
        Rule(
            COLUMNS,
            "the table",
            f"does not have exactly the {len(names)} declared columns in their order",
            "ExpectTableColumnsToMatchOrderedList",
            {"column_list": names},
        ),
        *map(_type, columns),
        Rule(
            ROW_COUNT,
            "the table",
            f"has fewer than {least} rows",
            "ExpectTableRowCountToBeBetween",
            {"min_value": least},
        ),
        *map(_completeness, columns),
        *[_finiteness(column) for column in columns if column.dtype == "float64"],
        *[_bounds(column) for column in columns if _bounded(column)],
        *([_uniqueness(row_key)] if row_key else []),
    ]
    taken = {rule.verdict for rule in rules} | {REPEATED, FOREIGN_KEYS, QUARANTINED}
    for expectation in expectations:
        name = _unused(_short_name(expectation), taken)
        taken.add(name)
        fault = f"does not meet {expectation.name}"
        rules.append(
            Rule(
                name,
                _subject(expectation),
                fault,
                expectation.name,
                expectation.arguments,
                expectation.failing,
            )
        )
    return rules


def expectation_names(
    columns: Sequence[Column],
    row_key: Sequence[str],
    expectations: Sequence[Expectation],
    duplicate_limit: float | None = None,
    foreign_keys: Sequence[ForeignKey] = (),
) -> tuple[str, ...]:
    """Return the names of the verdicts that a batch gets, in their order, without judging one.

    They are stable, unique, and made of letters, digits and underscores.

    >>> from mldebt_assets.core.schema import Column, Expectation
    >>> columns = (Column(name="origin", dtype="string", meaning="airport of departure"),)
    >>> in_set = Expectation(
    ...     name="ExpectColumnValuesToBeInSet",
    ...     arguments={"column": "origin", "value_set": ["EWR", "JFK", "LGA"]},
    ... )
    >>> expectation_names(columns, (), [in_set])[4:]
    ('origin_in_set', 'quarantined_rows')
    """
    rules = suite(columns, row_key, expectations, least_rows=1)
    repeated = () if duplicate_limit is None else (REPEATED,)
    referring = (FOREIGN_KEYS,) if foreign_keys else ()
    return (*dict.fromkeys(rule.verdict for rule in rules), *repeated, *referring, QUARANTINED)


def meanings(
    columns: Sequence[Column],
    row_key: Sequence[str],
    expectations: Sequence[Expectation],
    duplicate_limit: float | None = None,
    foreign_keys: Sequence[ForeignKey] = (),
) -> dict[str, str]:
    """Return, for each of ``expectation_names``, what it means that the batch passes it."""
    rules = {rule.verdict: rule for rule in suite(columns, row_key, expectations, least_rows=1)}
    return {
        name: MEANINGS.get(name)
        or f"{rules[name].expectation}, on {rules[name].subject}. "
        f"{CONSEQUENCES[rules[name].failing]}"
        for name in expectation_names(columns, row_key, expectations, duplicate_limit, foreign_keys)
    }


def _type(column: Column) -> Rule:
    return Rule(
        TYPES,
        column.name,
        f"is not of type {column.dtype}",
        "ExpectColumnValuesToBeOfType",
        {"column": column.name, "type_": GX_TYPES[column.dtype]},
    )


def _completeness(column: Column) -> Rule:
    """A gap quarantines its row; where gaps are allowed, there must be one value at least."""
    if not column.nullable:
        return Rule(
            COMPLETE,
            column.name,
            "is missing",
            "ExpectColumnValuesToNotBeNull",
            {"column": column.name},
            "quarantine",
        )
    return Rule(
        COMPLETE,
        column.name,
        "has no value at all",
        "ExpectColumnProportionOfNonNullValuesToBeBetween",
        {"column": column.name, "min_value": 0, "strict_min": True},
    )


def _finiteness(column: Column) -> Rule:
    """Bounds alone would let an infinity pass where one of the two is open."""
    largest = sys.float_info.max
    return Rule(
        FINITE,
        column.name,
        "is not finite",
        "ExpectColumnValuesToBeBetween",
        {"column": column.name, "min_value": -largest, "max_value": largest},
        "quarantine",
    )


def _bounded(column: Column) -> bool:
    return column.dtype != "string" and {column.minimum, column.maximum} != {None}


def _bounds(column: Column) -> Rule:
    if column.maximum is None:
        fault = f"is below {column.minimum}"
    elif column.minimum is None:
        fault = f"is above {column.maximum}"
    else:
        fault = f"is outside {column.minimum} to {column.maximum}"
    return Rule(
        BOUNDS,
        column.name,
        fault,
        "ExpectColumnValuesToBeBetween",
        {
            "column": column.name,
            "min_value": _limit(column.minimum),
            "max_value": _limit(column.maximum),
        },
        "quarantine",
    )


def _limit(bound: float | str | None) -> float | datetime | None:
    """Return a bound as the column's values are compared with it."""
    return datetime.fromisoformat(bound) if isinstance(bound, str) else bound


def _uniqueness(row_key: Sequence[str]) -> Rule:
    several = len(row_key) > 1
    return Rule(
        KEY,
        f"the row key ({', '.join(row_key)})",
        "repeats an earlier row's",
        "ExpectCompoundColumnsToBeUnique" if several else "ExpectColumnValuesToBeUnique",
        {"column_list": list(row_key)} if several else {"column": row_key[0]},
        "quarantine",
    )


def _subject(expectation: Expectation) -> str:
    """Return the columns that an expectation is about, else "the table"."""
    arguments = expectation.arguments
    named = [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    return ", ".join([*named, *arguments.get("column_list", [])]) or "the table"


def _short_name(expectation: Expectation) -> str:
    """Return a name like ``origin_in_set`` for an expectation about a column."""
    rule = re.sub(r"To(?:Be)?(?=[A-Z])", "", PREFIX.sub("", expectation.name))
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", rule).lower()
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{_subject(expectation)}_{words}")


def _unused(name: str, taken: set[str]) -> str:
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *numbered) if one not in taken)
