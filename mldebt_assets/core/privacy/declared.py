"""What a scan found beside what is declared: the verdict, and the edit that declares the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from mldebt_assets.core.errors import PersonalDataError
from mldebt_assets.core.privacy.policy import Deny, Pseudonymise, in_words
from mldebt_assets.core.privacy.scan import Finding, scan
from mldebt_assets.core.privacy.texts import LINES, columns_as_text, lines_of
from mldebt_assets.core.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from mldebt_assets.core.intake import Format
    from mldebt_assets.core.schema import Column

CHECK = "personal_data_declared"
MEANING = "Whatever looks like personal data is declared: allowed with a reason, or pseudonymised."
PERSONAL_DATA = "personal data"


def texts_of(
    data: bytes, found: Format | None, columns: Sequence[Column]
) -> Mapping[str, pa.ChunkedArray]:
    """Return the columns of a batch's bytes as text, by their names.

    Args: ``found`` is their format; None where nobody can open them, which are looked at as lines.
          Where no column is declared, the first line may be no header: its "names"
          may be personal, so that is only lines too.
    """
    if found is None:
        return {LINES: lines_of(data)}
    texts = columns_as_text(data, f".{found}")
    known = {column.name for column in columns} & set(texts)
    return texts if known or found == "parquet" else {LINES: lines_of(data)}


def findings_of(texts: Mapping[str, pa.ChunkedArray]) -> list[Finding]:
    """Return what the columns seem to hold of personal data."""
    return scan(texts)


def undeclared(findings: Iterable[Finding], columns: Sequence[Column]) -> list[Finding]:
    """Return the findings that are sure enough, in columns whose privacy nobody has declared."""
    declared = {column.name for column in columns if column.privacy is not None}
    return [one for one in findings if one.counts and one.column not in declared]


def denied(texts: Mapping[str, pa.ChunkedArray], columns: Sequence[Column]) -> list[str]:
    """Return the denied columns that have a value all the same."""
    never = [column.name for column in columns if isinstance(column.privacy, Deny)]
    return [name for name in never if name in texts and has_value(texts[name])]


def has_value(texts: pa.ChunkedArray) -> bool:
    """Return whether a column of text has anything in it but blanks."""
    return bool(pc.any(pc.not_equal(pc.utf8_trim_whitespace(texts), "")).as_py())


def require_declared(
    batch: str,
    texts: Mapping[str, pa.ChunkedArray],
    findings: Sequence[Finding],
    columns: Sequence[Column],
) -> None:
    """Raise PersonalDataError where a batch has personal data that nobody declared, or denied."""
    told = {one.column: sentence(one) for one in reversed(undeclared(findings, columns))}
    refused = denied(texts, columns)
    told |= dict.fromkeys(refused, "has values, and is declared as never to come")
    if told:
        known = {column.name for column in columns}
        fixes = [edit(name, is_known=name in known) for name in told if name not in refused]
        fixes += [f"take `privacy=Deny()` from {name!r}" for name in refused]
        raise PersonalDataError.of_columns(batch, dict(sorted(told.items())), sorted(fixes))


def sentence(finding: Finding) -> str:
    """Return what a finding says of its column, as a sentence goes on."""
    share = "" if finding.share is None else f" in {finding.share:.2%} of its distinct values"
    return f"seems to hold a kind of personal data, {finding.kind}{share} ({finding.why})"


def edit(column: str, *, is_known: bool) -> str:
    """Return the edit of the pipeline's file that declares a column.

    >>> edit("contact", is_known=False)
    "add `Column(name='contact', dtype='string', meaning='…', privacy=Pseudonymise())`"
    """
    if column == LINES:
        return "its text is no table with the declared columns, so no column can be declared"
    if is_known:
        return (
            f"write `privacy=Pseudonymise()` or `privacy=Allow(reason='…')` into "
            f"`Column(name={column!r}, …)`"
        )
    return f"add `Column(name={column!r}, dtype='string', meaning='…', privacy=Pseudonymise())`"


def judge(findings: Sequence[Finding], columns: Sequence[Column], scanned: int) -> Verdict:
    """Return whether everything that was found is declared."""
    open_ones = sorted({one.column for one in undeclared(findings, columns)})
    told = declared_in_words(columns)
    said = f"{scanned} columns scanned; "
    said += (
        f"personal data in {', '.join(open_ones)}, not declared" if open_ones else "none undeclared"
    )
    if told:
        said += f"; declared: {', '.join(f'{name} ({what})' for name, what in told.items())}"
    return Verdict(
        name=CHECK,
        passed=not open_ones,
        measured=len(open_ones),
        limit=0,
        unit="columns",
        reason=said,
    )


def declared_in_words(columns: Iterable[Column]) -> dict[str, str]:
    """Return what is declared of each column that has a privacy."""
    return {c.name: in_words(c.privacy) for c in columns if c.privacy is not None}


def pseudonymised(columns: Iterable[Column]) -> list[str]:
    """Return the names of the columns whose values are replaced."""
    return [column.name for column in columns if isinstance(column.privacy, Pseudonymise)]


def summary(findings: Sequence[Finding], columns: Sequence[Column], scanned: int) -> dict[str, Any]:
    """Return a scan as plain JSON values: how much was looked at, found and declared."""
    return {
        "columns": scanned,
        "findings": [one.as_dict() for one in findings],
        "declared": declared_in_words(columns),
    }
