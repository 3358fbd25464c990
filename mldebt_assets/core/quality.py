"""A batch judged by its declaration: what is wrong with which rows, or with the batch as a whole.

Great Expectations is the engine of every rule but two, which it cannot judge: the share of rows
that repeat an earlier one whole, and foreign keys. Rows that break a row-wise rule go to quarantine
with the reason; too many of them, or a broken rule about the whole batch, refuse the batch. A
verdict is "not passed" only where it refuses. No reason holds a value of the data, which might be
personal.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import pandas as pd

from mldebt_assets.core.errors import BatchRefusedError
from mldebt_assets.core.foreign_keys import References, without_match
from mldebt_assets.core.suite import (
    COLUMNS,
    COMPLETE,
    FOREIGN_KEYS,
    KEY,
    MEANINGS,
    QUARANTINED,
    REPEATED,
    TYPES,
    suite,
)
from mldebt_assets.core.verdict import Verdict, all_passed

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from mldebt_assets.core.schema import Column, Expectation, ForeignKey
    from mldebt_assets.core.suite import Rule

REASON = "reason"
"""The column that quarantine has besides the batch's own: every rule that the row broke."""

FRACTION = "fraction of rows"


@dataclass(frozen=True)
class Observation:
    """What one expectation observed of its subject, a column or the table.

    ``observed`` is the fraction of rows that break a row-wise expectation, else the observed
    number or type; None where it is a text or a list, which may hold values of the data.
    """

    subject: str
    expectation: str
    observed: float | int | str | None


@dataclass(frozen=True)
class Quality:
    """What became of a batch: ``valid`` and ``quarantine`` hold each of its rows once, in order.

    ``apart`` are the places in the batch of the rows in quarantine, in their order.
    ``duplicate_rate`` is the fraction of rows that repeat an earlier one whole.
    ``observations`` has, by verdict, one entry for each expectation that counts towards it.
    """

    verdicts: tuple[Verdict, ...]
    observations: dict[str, tuple[Observation, ...]]
    valid: pd.DataFrame
    quarantine: pd.DataFrame
    apart: tuple[int, ...]
    duplicate_rate: float
    refusal: BatchRefusedError | None

    @property
    def refused(self) -> bool:
        """Whether the batch is refused as a whole, so that nothing may be built on it."""
        return self.refusal is not None


@dataclass
class Findings:
    """What the rules of one verdict have found.

    ``rows`` are to be quarantined, by reason; ``faults`` refuse the batch. ``unit`` stays a
    fraction of rows unless a rule about the whole batch has measured something else.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    measured: float | int | None = None
    limit: float | int | str | None = None
    unit: str = FRACTION
    observations: list[Observation] = field(default_factory=list)


def judge(
    frame: pd.DataFrame,
    *,
    batch: str,
    columns: Sequence[Column],
    row_key: Sequence[str],
    expectations: Sequence[Expectation],
    least_rows: int,
    quarantine_limit: float,
    duplicate_limit: float | None = None,
    foreign_keys: Sequence[ForeignKey] = (),
    references: References | None = None,
    vouched: Container[int] = (),
) -> Quality:
    """Return the batch's verdicts, its valid rows, and those for quarantine.

    Args:    ``frame`` as :func:`mldebt_assets.core.tables.parse` returns it; ``quarantine_limit``
             is the fraction of rows that may be quarantined, by one rule and by all together.
             ``duplicate_limit`` is the fraction of rows that may repeat an earlier one whole; they
             stay, since equal rows may be of different things. None where any may.
             ``references`` are the values that each of the ``foreign_keys`` may have, by its
             name.
             ``vouched`` are the places of rows that a person released: no declared expectation
             and no foreign key puts them apart.
    Returns: verdicts in the order of :func:`mldebt_assets.core.suite.expectation_names`;
             ``measured`` is the fraction of rows that break a row-wise rule, else the observed
             value where it is a number. A row that repeats an earlier one's key is quarantined,
             the earlier one is not.
    """
    frame = frame.reset_index(drop=True)
    rules = suite(columns, row_key, expectations, least_rows)
    findings = {rule.verdict: Findings() for rule in rules}
    silent = {c.name for c in columns if c.came_after(batch) and frame[c.name].isna().all()}
    rules = [rule for rule in rules if not silent.intersection(rule.subject.split(", "))]
    for rule, result in zip(rules, _validate(frame, rules), strict=True):
        _note(rule, result, findings[rule.verdict], len(frame))
    _spare_the_first(findings.get(KEY), frame, row_key)
    duplicate_rate = float(frame.duplicated(keep="first").sum()) / max(len(frame), 1)
    if duplicate_limit is not None:
        findings[REPEATED] = _repeated(duplicate_rate, duplicate_limit)
    if foreign_keys:
        findings[FOREIGN_KEYS] = Findings(rows=without_match(frame, foreign_keys, references or {}))
    _spare_vouched(findings, vouched)
    reasons: dict[int, list[str]] = {}
    every_row = Findings()
    for found in findings.values():
        for reason, rows in found.rows.items():
            every_row.rows[reason] = [*{*every_row.rows.get(reason, ()), *rows}]
            for row in rows:
                reasons.setdefault(row, []).append(reason)
    every_row = Findings(
        rows={n: rows for found in findings.values() for n, rows in found.rows.items()}
    )
    verdicts = [
        _verdict(name, found, len(frame), quarantine_limit)
        for name, found in [*findings.items(), (QUARANTINED, every_row)]
    ]
    apart = frame.index.isin(list(reasons))
    quarantine = frame[apart].copy()
    told = ["; ".join(reasons[row]) for row in quarantine.index]
    quarantine.insert(len(frame.columns), REASON, pd.Series(told, quarantine.index, object))
    return Quality(
        verdicts=tuple(verdicts),
        observations={name: tuple(found.observations) for name, found in findings.items()},
        valid=_without_gaps(frame[~apart].reset_index(drop=True), columns),
        quarantine=quarantine.reset_index(drop=True),
        apart=tuple(int(place) for place in quarantine.index),
        duplicate_rate=duplicate_rate,
        refusal=_refusal(batch, verdicts),
    )


@cache
def _batch_definition() -> Any:
    """Return what validates a table; made once a process, without progress bars or telemetry."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("rows")


def _validate(frame: pd.DataFrame, rules: Sequence[Rule]) -> list[Any]:
    """Return Great Expectations' result of each rule, in one run; None where it knows none such."""
    definition = _batch_definition()
    import great_expectations as gx
    import great_expectations.expectations as known
    from great_expectations.compatibility.pydantic import ValidationError

    made = []
    for position, rule in enumerate(rules):
        expectation = getattr(known, rule.expectation, None)
        if expectation is None:
            continue
        try:
            made.append(expectation(**{**rule.arguments, "meta": {"rule": position}}))
        except ValidationError:
            continue
    validation = definition.get_batch({"dataframe": frame}).validate(
        gx.ExpectationSuite(name="declared", expectations=made),
        result_format={"result_format": "COMPLETE"},
    )
    # Great Expectations returns the results in an order of its own.
    by_rule = {one.expectation_config.meta["rule"]: one for one in validation.results}
    return [by_rule.get(position) for position in range(len(rules))]


def _note(rule: Rule, result: Any, found: Findings, rows_in_batch: int) -> None:
    """Add what a rule's result says to the findings of its verdict."""
    if result is None:
        found.faults.append(f"{rule.expectation} does not exist, or not with these arguments")
        return
    rows = result.result.get("unexpected_index_list")
    if rows is None and "observed_value" not in result.result:
        # The exception's own message may hold a value of the data.
        found.faults.append(f"{rule.subject}: {rule.expectation} could not be evaluated")
        return
    seen = len(rows) / max(rows_in_batch, 1) if rows is not None else _observed(rule, result)
    found.observations.append(Observation(rule.subject, rule.expectation, seen))
    if rows is not None and rule.failing == "quarantine":
        if rows:
            found.rows[f"{rule.subject} {rule.fault}"] = rows
        return
    if not result.success:
        found.faults.append(f"{rule.subject} {rule.fault}")
    if rule.verdict == TYPES:
        found.measured, found.limit, found.unit = len(found.faults), 0, "columns"
    elif rule.verdict == COLUMNS:
        found.measured = len(result.result["observed_value"])
        found.limit, found.unit = len(rule.arguments["column_list"]), "columns"
    elif rows is not None:
        found.measured = len(rows) / max(rows_in_batch, 1)
        found.limit = 1 - rule.arguments.get("mostly", 1)
    elif rule.verdict != COMPLETE:
        found.measured = _number(result.result["observed_value"])
        found.limit, found.unit = _range(rule), "observed value"


def _observed(rule: Rule, result: Any) -> float | int | str | None:
    """Return what a rule about the whole batch observed, as far as it may be told."""
    observed = result.result["observed_value"]
    if rule.verdict == TYPES:
        return str(observed)
    return len(observed) if rule.verdict == COLUMNS else _number(observed)


def _number(observed: object) -> float | int | None:
    """Return an observed number; a text or a list may hold values of the data, and is not told."""
    if isinstance(observed, Integral):
        return int(observed)
    if isinstance(observed, Real) and math.isfinite(observed):
        return float(observed)
    return None


def _range(rule: Rule) -> str | None:
    """Return the limits that an expectation is declared with, if it has any."""
    ends = [("at least", "min_value"), ("at most", "max_value")]
    told = [f"{word} {rule.arguments[key]}" for word, key in ends if key in rule.arguments]
    return ", ".join(told) or None


def _spare_the_first(found: Findings | None, frame: pd.DataFrame, row_key: Sequence[str]) -> None:
    """Take from the findings the first row of each repeated key: only later ones are too many."""
    if found is None:
        return
    for reason, rows in found.rows.items():
        repeated = frame.duplicated(list(row_key), keep="first")
        found.rows[reason] = [row for row in rows if repeated[row]]


def _repeated(rate: float, limit: float) -> Findings:
    """Return what the share of rows that repeat an earlier one says of the whole batch."""
    told = f"{rate:.2%} of the rows repeat an earlier one whole, more than the limit of {limit:.2%}"
    return Findings(faults=[told] if rate > limit else [], measured=rate, limit=limit)


def _spare_vouched(findings: dict[str, Findings], vouched: Container[int]) -> None:
    """Take what a person answers for from findings of what the pipeline declares of values."""
    for name, found in findings.items():
        if name == FOREIGN_KEYS or name not in MEANINGS:
            kept = {
                r: [row for row in rows if row not in vouched] for r, rows in found.rows.items()
            }
            found.rows = {reason: rows for reason, rows in kept.items() if rows}


def _verdict(name: str, found: Findings, rows_in_batch: int, quarantine_limit: float) -> Verdict:
    """Return the verdict of what was found: it fails where the batch must be refused."""
    broken = len({row for rows in found.rows.values() for row in rows})
    measured, limit = found.measured, found.limit
    faults = list(found.faults)
    if found.unit == FRACTION and measured is None:
        measured, limit = broken / max(rows_in_batch, 1), quarantine_limit
    told = [f"{reason} in {_rows(len(rows))}" for reason, rows in found.rows.items()]
    if broken / max(rows_in_batch, 1) > quarantine_limit:
        faults.append(
            f"{broken} of {_rows(rows_in_batch)} are more than the limit of {quarantine_limit:.2%}"
        )
    elif broken:
        told.append(f"{broken} of {_rows(rows_in_batch)} quarantined")
    return Verdict(
        name=name,
        passed=not faults,
        measured=measured,
        limit=limit,
        unit=found.unit,
        reason="; ".join([*faults, *told]) or "as declared",
    )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _without_gaps(valid: pd.DataFrame, columns: Sequence[Column]) -> pd.DataFrame:
    """Return the rows with whole numbers as int64 again, now that rows with gaps are gone."""
    whole = [
        column.name
        for column in columns
        if column.name in valid
        and valid[column.name].dtype == "Int64"
        and not (column.nullable or valid[column.name].isna().any())
    ]
    return valid.astype(dict.fromkeys(whole, "int64"))


def _refusal(batch: str, verdicts: Sequence[Verdict]) -> BatchRefusedError | None:
    if all_passed(verdicts):
        return None
    problems = ". ".join(f"{one.name}: {one.reason}" for one in verdicts if not one.passed)
    referenced = any(one.name == FOREIGN_KEYS and not one.passed for one in verdicts)
    fix = (
        "correct the batch at its source and land it again, or, if it is right, change what the "
        f"pipeline declares{' or complete the table that it references' if referenced else ''}."
    )
    return BatchRefusedError.of(batch, f"{problems}.", fix)
