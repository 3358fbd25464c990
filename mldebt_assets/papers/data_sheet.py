"""The data sheet: where the data come from, under which terms, and what became of each batch.

Its questions follow Gebru et al., Datasheets for datasets, 2021.
"""

from __future__ import annotations

from typing import Any

from mldebt_assets.papers.limits import total
from mldebt_assets.papers.page import Cell, Code, Facts, Page, Section, Table, Text
from mldebt_assets.papers.wording import (
    NOT_DECLARED,
    named,
    number,
    personal_data,
    retention,
    sources,
    trained_on,
)

COUNTS = {
    "raw_rows": "rows that came",
    "quarantined": "in quarantine",
    "rows": "valid",
    "labelled": "with a label",
}


def data_sheet(dossier: dict[str, Any]) -> Page:
    """Return the data sheet of the training set that a promotion stands on."""
    return Page(
        kind="Data sheet",
        title=f"training set of {named(dossier)}",
        lead=dossier["pipeline"]["source"]["description"],
        figures=(
            ("batches", f"{len(dossier['batches']):,}"),
            *(
                (name, number(total(dossier["batches"], count)))
                for count, name in COUNTS.items()
                if total(dossier["batches"], count) is not None
            ),
        ),
        sections=(
            Section("What it is", (what(dossier),)),
            *(
                Section("Where it comes from" if of == "batches" else f"Where its {of} come from",
                        (source(declared),))
                for of, declared in sources(dossier)
            ),
            Section("Personal data and retention", (privacy(dossier),)),
            Section("Columns", (columns(dossier),)),
            Section("How it is checked", (Text(checks(dossier)), expectations(dossier))),
            Section("Batches", (batches(dossier),)),
            Section("Raw bytes (SHA-256)", (hashes(dossier),)),
        ),
    )  # fmt: skip


def what(dossier: dict[str, Any]) -> Facts:
    """Return what the training set is."""
    declared, training_set = dossier["pipeline"], dossier["lineage"]["training_set"]
    split = declared["split"]
    groups = split["group"] or "equal rows"
    return Facts(
        (
            ("holds", trained_on(dossier)),
            ("one row is", f"named by {', '.join(declared['row_key']) or 'all of its values'}"),
            ("time of a row", Code(declared["time"] or "none: the batch's name says when")),
            ("label", declared["target"]["description"]),
            ("label reads", ", ".join(declared["target"]["reads"])),
            (
                "split",
                f"whole groups of {groups}: {split['held_out_fraction']:.0%} held out, "
                f"{split['tuning_fraction']:.0%} of the others for tuning",
            ),
            ("owner", declared["owner"]),
            ("manifest, SHA-256", Code(training_set["hash"] or "unknown")),
        )
    )


def source(declared: dict[str, Any]) -> Facts:
    """Return what is declared of a source."""
    told = {
        "what": declared["description"],
        "folder": declared["url"],
        "licence": declared["licence"],
        "consent": declared["consent"],
    }
    return Facts(tuple((name, value or NOT_DECLARED) for name, value in told.items()))


def privacy(dossier: dict[str, Any]) -> Facts:
    """Return what is known of personal data; what is not known is said to be so."""
    known = dossier["personal_data"] or {"columns": {}}
    return Facts(
        (
            ("personal data", personal_data(dossier)),
            *(
                (name, ", ".join([*one["kinds"], one["declared"] or "perhaps, and not declared"]))
                for name, one in known["columns"].items()
            ),
            ("how rows hide", dossier["anonymity"] or NOT_DECLARED),
            ("retention", retention(dossier)),
        )
    )


def columns(dossier: dict[str, Any]) -> Table:
    """Return the declared columns."""
    rows = tuple(
        (
            Code(one["name"]),
            one["dtype"],
            one["meaning"],
            bounds(one["minimum"], one["maximum"]),
            "yes" if one["nullable"] else "no",
        )
        for one in dossier["pipeline"]["columns"]
    )
    return Table(("column", "type", "meaning", "bounds", "may be missing"), rows)


def bounds(minimum: float | None, maximum: float | None) -> str:
    """Return the declared bounds of a column.

    >>> bounds(0, 100), bounds(1, None), bounds(None, None)
    ('0 to 100', 'from 1', '')
    """
    if minimum is None and maximum is None:
        return ""
    if minimum is None or maximum is None:
        return f"from {minimum:g}" if minimum is not None else f"up to {maximum:g}"
    return f"{minimum:g} to {maximum:g}"


def checks(dossier: dict[str, Any]) -> str:
    """Return how rows and batches are refused."""
    limit, least = (dossier["pipeline"][name] for name in ("quarantine_limit", "least_rows"))
    repeated = dossier["pipeline"].get("duplicate_limit")
    told = (
        "Each row must have the declared type, lie within the bounds, and be there once. Rows that "
        "fail go to quarantine with their reason; a batch with more than "
        f"{limit:.1%} of such rows, or fewer than {least:,} rows, is refused as a whole."
    )
    if repeated is None:
        return told
    return f"{told} So is one where more than {repeated:.1%} of the rows repeat an earlier one."


def expectations(dossier: dict[str, Any]) -> Table:
    """Return the declared expectations beyond the columns' own."""
    rows = tuple(
        (
            one["name"],
            Code(", ".join(f"{name}={value}" for name, value in one["arguments"].items())),
            one["failing"],
        )
        for one in dossier["pipeline"]["expectations"]
    )
    return Table(("expectation", "of", "what fails"), rows)


def batches(dossier: dict[str, Any]) -> Table:
    """Return each batch's rows and licence."""
    licences = {one["batch"]: one["licence"] for one in dossier["lineage"]["sources"]}
    rows = tuple(
        (
            entry["batch"],
            entry["effective_at"][:10],
            *(number(entry[count]) for count in COUNTS),
            licences[entry["batch"]] or NOT_DECLARED,
        )
        for entry in dossier["batches"]
    )
    headings = ("batch", "in force from", *COUNTS.values(), "licence")
    return Table(headings, rows, right=tuple(COUNTS.values()))


def hashes(dossier: dict[str, Any]) -> Table:
    """Return the hash of each batch's very bytes; late labels have one of their own."""
    entries = dossier["lineage"]["training_set"]["batches"]
    rows: list[tuple[Cell, ...]] = []
    for entry in entries:
        rows.append((entry["batch"], "batch", Code(entry["raw"]["sha256"])))
        if "labels" in entry:
            rows.append((entry["batch"], "labels", Code(entry["labels"]["sha256"])))
    return Table(("batch", "file", "SHA-256"), tuple(rows))
