"""The page on top: what a customer's security questionnaire asks, each with where it is proved."""

from __future__ import annotations

from typing import Any

from mldebt_assets.papers.evidence import EVALUATION, LINEAGE, RECORD, STATUS, VERIFY
from mldebt_assets.papers.model_card import seen
from mldebt_assets.papers.page import Cell, Code, Page, Section, Table, Text
from mldebt_assets.papers.wording import (
    NOT_DECLARED,
    candidate,
    decided,
    level,
    named,
    number,
    personal_data,
    retention,
    sources,
    trained_on,
)

FORMER = "not asked: another version is in production by now"
ASKED = {
    "reproducible": "Can it be trained again, exactly?",
    "rollback": "How fast can you go back to the version before?",
    "input_change": "Do you watch its inputs for drift?",
}


def questionnaire(dossier: dict[str, Any], found: dict[str, Any], made_at: str) -> Page:
    """Return the questions with their answers; ``found`` is the evidence by its file name."""
    whole = found.get(VERIFY)
    return Page(
        kind="Answers for a security review",
        title=named(dossier),
        lead=dossier["pipeline"]["description"],
        figures=(
            ("in production", "yes" if whole else "no longer"),
            ("every byte verified", "no longer asked" if whole is None else yes(whole["ok"])),
            ("owner", dossier["pipeline"]["owner"]),
            ("put together", f"{made_at[:16].replace('T', ' ')} UTC"),
        ),
        sections=(
            Section("The model", (answers(of_the_model(dossier)),)),
            Section("Its data", (answers(of_the_data(dossier)),)),
            Section("Change and control", (answers(of_the_control(dossier, found)),)),
            Section(
                "How to check this",
                (
                    Text(
                        "SHA256SUMS holds the digest of every other file here: run sha256sum "
                        "--check SHA256SUMS. Each line of the promotion record holds the hash of "
                        "the line before, so none can be changed or removed unseen."
                    ),
                ),
            ),
        ),
    )


def answers(rows: list[tuple[str, str, str]]) -> Table:
    """Return questions, answers and files as a table."""
    cells: tuple[tuple[Cell, ...], ...] = tuple(
        (question, answer, Code(file)) for question, answer, file in rows
    )
    return Table(("question", "answer", "see"), cells)


def of_the_model(dossier: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is asked of the model."""
    metrics, card = candidate(dossier), "model_card.html"
    told = level(dossier)
    good = f"{told.name} {number(metrics[told.key])}" if metrics else "not measured"
    judged = sum(one["metrics"] is not None for one in dossier["evaluation"]["slices"])
    return [
        ("What does it decide?", dossier["pipeline"]["description"], card),
        ("Who owns it?", dossier["pipeline"]["owner"], card),
        ("Which bytes are it?", dossier["promotion"]["weights_sha256"], card),
        ("How good is it?", f"{good} on rows {seen(dossier)}", EVALUATION),
        ("Is it measured by group?", f"in {judged} slices, each with its interval", card),
        ("What are its limits?", "listed, each with its reason", card),
        (
            "Which software is in it?",
            f"{len(dossier['packages']['list'])} packages with versions and licences, in CycloneDX",
            "bill_of_materials.cdx.json",
        ),
    ]


def of_the_data(dossier: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is asked of the data."""
    sheet = "data_sheet.html"
    declared = [one for _, one in sources(dossier)]
    terms = {name: "; ".join(dict.fromkeys(one[name] for one in declared if one[name]))
             for name in ("description", "licence", "consent")}  # fmt: skip
    return [
        ("What was it trained on?", trained_on(dossier), LINEAGE),
        ("Where do the data come from?", terms["description"] or NOT_DECLARED, sheet),
        ("Under which licence?", terms["licence"] or NOT_DECLARED, sheet),
        ("With whose consent?", terms["consent"] or NOT_DECLARED, sheet),
        ("Is there personal data in it?", personal_data(dossier), sheet),
        ("How long are the data kept?", retention(dossier), sheet),
    ]


def of_the_control(dossier: dict[str, Any], found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return what is asked of how it came into production, and whether it could leave it."""
    whole, status = found.get(VERIFY), found.get(STATUS)
    questions = (status or {}).get("questions", {})
    return [
        ("Who approved it, and when?", decided(dossier), RECORD),
        ("Why?", dossier["promotion"]["reason"], RECORD),
        (
            "Is every byte it stands on still what it was?",
            FORMER if whole is None else verified(whole),
            VERIFY if whole is not None else "",
        ),
        *(
            (asked, answer_of(questions.get(name)), STATUS if status is not None else "")
            for name, asked in ASKED.items()
        ),
    ]


def verified(whole: dict[str, Any]) -> str:
    """Return what verifying said."""
    compared = sum(one["count"] for one in whole["checked"])
    if whole["ok"]:
        return f"yes: {compared:,} comparisons in cache, remote, Dagster, MLflow and the record"
    return f"no: {len(whole['problems'])} of {compared:,} comparisons disagree"


def answer_of(question: dict[str, Any] | None) -> str:
    """Return one of the four answers with the age of its evidence."""
    if question is None:
        return FORMER
    if question["age_seconds"] is None:
        return str(question["answer"])
    return f"{question['answer']} ({question['age_seconds'] / 86_400:.1f} days ago)"


def yes(is_so: bool) -> str:
    """Return yes or no."""
    return "yes" if is_so else "no"
