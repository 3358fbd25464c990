"""What a model card must warn of, each derived from a recorded fact; none is a stock phrase."""

from __future__ import annotations

from typing import Any

from mldebt_assets.papers.wording import baseline, level, named, number, personal_data, span
from mldebt_assets.promotions import told_of_adoption


def limits(dossier: dict[str, Any]) -> tuple[str, ...]:
    """Return the limits of a version, one sentence or two each, most important first."""
    return (
        *of_the_adoption(dossier),
        *of_the_judgement(dossier),
        *of_the_slices(dossier),
        *of_the_groups(dossier),
        *of_the_data(dossier),
        *of_the_promotion(dossier),
        *of_the_environment(dossier),
    )


def of_the_adoption(dossier: dict[str, Any]) -> list[str]:
    """Return what nobody knows of an adopted model."""
    if dossier["adopted"] is None:
        return []
    return [
        f"It was {told_of_adoption(dossier['adopted'])}. Its lineage begins there: how it was made "
        "is not known, it cannot be trained again, and it may have learned from the rows that it "
        "was judged on."
    ]


def of_the_judgement(dossier: dict[str, Any]) -> list[str]:
    """Return what the evaluation cannot tell."""
    evaluation, declared = dossier["evaluation"], dossier["pipeline"]
    on, incumbent = evaluation["judged_on"], evaluation["incumbent"]
    models = evaluation["models"]
    found = [
        f"Judged on {on['rows']:,} held-out rows in {on['groups']} groups of "
        f"{declared['split']['group']}, from {span(on['batches'])}. It says nothing of other times."
    ]
    if not models:
        return [*found, "No metric could be measured on these rows."]
    found.append(
        "The gate decided on these same rows, so what they show of a version that it let through "
        "is a little flattering."
        if incumbent
        else "There was no champion to compare it with: it was held against chance and a "
        f"{baseline(dossier)}."
    )
    told = level(dossier)
    ours, simple = (models[role]["metrics"][told.key] for role in ("candidate", "baseline"))
    if ours <= simple:
        found.append(
            f"A {baseline(dossier)} on the same rows does no worse: {told.name} {number(simple)} "
            f"against {number(ours)}."
        )
    return found


def of_the_slices(dossier: dict[str, Any]) -> list[str]:
    """Return which slices had too few rows to be judged."""
    slices = dossier["evaluation"]["slices"]
    small = [f"{one['dimension']} {one['value']}" for one in slices if one["metrics"] is None]
    if not slices:
        return ["No slices are declared, so nothing is known of groups within the data."]
    if not small:
        return []
    least = dossier["pipeline"]["gate"]["slice_rows"]
    return [
        f"{len(small)} of {len(slices)} slices have fewer than {least:,} rows, or equal labels, "
        f"and were not judged: {', '.join(small)}."
    ]


def of_the_groups(dossier: dict[str, Any]) -> list[str]:
    """Return which promised groups had too few rows to be judged, and why."""
    found = dossier["evaluation"].get("groups", [])
    small = [
        f"{one['dimension']} {one['value']} ({one['reason']})" for one in found if one["reason"]
    ]
    if not found:
        return ["No groups are declared, so no one is promised to be served as well as the others."]
    if not small:
        return []
    return [f"{len(small)} of {len(found)} promised groups were not judged: {', '.join(small)}."]


def of_the_data(dossier: dict[str, Any]) -> list[str]:
    """Return what the data leave out."""
    batches = dossier["batches"]
    found = [f"Personal data: {personal_data(dossier)}."]
    labelled, rows = (total(batches, name) for name in ("labelled", "rows"))
    if labelled is not None and rows is not None and labelled < rows:
        found.append(
            f"{rows - labelled:,} of {rows:,} rows have no label; they are scored, and count in no "
            "metric."
        )
    quarantined = total(batches, "quarantined")
    if quarantined:
        found.append(f"{quarantined:,} rows failed validation and were not learned from.")
    return found


def of_the_promotion(dossier: dict[str, Any]) -> list[str]:
    """Return where a person overruled the gate."""
    promotion = dossier["promotion"]
    if promotion["overrules"] is None:
        return []
    until = f", until {promotion['expires'][:10]}" if promotion["expires"] else ""
    return [
        f"{promotion['by']} promoted {named(dossier)} against the gate{until}. The gate said: "
        f"{promotion['gate']}."
    ]


def of_the_environment(dossier: dict[str, Any]) -> list[str]:
    """Return what the bits may depend on."""
    code, where = dossier["lineage"]["code"], dossier["lineage"]["environment"]
    if dossier["adopted"] is not None:
        return []
    found = []
    if code["dirty"]:
        found.append("It was trained by code with changes that were not committed.")
    if code["commit"] is None:
        found.append("No commit is recorded for the code that trained it.")
    found.append(
        f"Trained with torch {where['torch']} and Python {where['python']} on {where['platform']} "
        f"{where['machine']} ({where['cpu_capability']}); elsewhere the last bits may differ."
    )
    return found


def total(batches: list[dict[str, Any]], name: str) -> int | None:
    """Return a sum over batches; None where one of them did not record it."""
    values = [entry[name] for entry in batches]
    return None if None in values else sum(values)
