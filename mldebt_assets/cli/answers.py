"""Commands that answer questions: lineage and status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from mldebt_assets.cli.opening import AsJson, PipelineName, opened, out, print_json
from mldebt_assets.pipelines import PIPELINES, find

SHORT = 12


def add_commands(cli: typer.Typer) -> None:
    """Add this module's commands to the command line."""
    for command in (lineage, status):
        cli.command()(command)


def lineage(
    pipeline: PipelineName,
    version: Annotated[
        int | None, typer.Option(help="This version instead of the champion.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(help="The champion at this moment of the data's time (UTC)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which data, code and environment made the production model.

    Example: `mldebt lineage flight_delays --as-of 2013-08-15 --json`
    """
    from mldebt_assets.lineage import decision_on, held_at, trace

    declared = find(pipeline)
    with opened() as (platform, instance):
        facts = platform.record(declared.name).facts()
        if as_of is not None:
            facts = held_at(facts, as_of.replace(tzinfo=UTC))
        decision = decision_on(facts, declared.name, version)
        answer = None if decision is None else trace(instance, platform, declared, decision)
    if as_json:
        print_json(answer or {"pipeline": declared.name, "model": None})
    elif answer is None:
        moment = f" at {as_of:%Y-%m-%d %H:%M}" if as_of else ""
        out.print(f"{declared.name} had no champion{moment}; it comes with a promotion:")
        out.print(f"mldebt replay {declared.name}")
    else:
        show_lineage(answer)
    if answer is None:
        raise typer.Exit(1)


def show_lineage(answer: dict[str, Any]) -> None:
    """Print a lineage as a page: the version, why it is there, and every batch's hashes."""
    model, promotion, code = answer["model"], answer["promotion"], answer["code"]
    training = answer["training_set"]
    state = "champion" if promotion["promoted"] else "[red]refused[/]"
    name = f"[bold]{answer['pipeline']} v{model['version']}[/]"
    out.print(f"{name}  {state}, trained {model['trained_at'][:19]} UTC")
    rows = [
        ("weights", model["weights_sha256"]),
        ("training set", training["hash"]),
        ("", f"{training['rows']:,} rows in {len(training['batches'])} batches"),
        ("code", f"commit {code['commit'] or 'unknown'}" + (" + changes" if code["dirty"] else "")),
        ("", f"digest {code['digest'][:SHORT]}"),
        (
            "environment",
            f"digest {answer['environment']['digest'][:SHORT]}, "
            f"torch {answer['environment']['torch']}, Python {answer['environment']['python']}",
        ),
        ("decided", f"{promotion['recorded_at'][:19]} UTC by the {promotion['by']}"),
        ("because", promotion["reason"]),
        ("asked for by", promotion["asked_because"]),
        (
            "replaced",
            f"v{promotion['previous_version']}" if promotion["previous_version"] else "nothing",
        ),
        ("MLflow run", model["mlflow_run_id"]),
    ]
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for heading, value in rows:
        facts.add_row(heading, escape(value))
    out.print(facts)
    hashes = Table(
        title="What it was trained on (SHA-256)", title_justify="left", box=None, pad_edge=False
    )
    for heading in ("batch", "raw", "validated", "features", "licence"):
        hashes.add_column(heading)
    licences = {source["batch"]: source["licence"] for source in answer["sources"]}
    for entry in training["batches"]:
        shown = [entry[stage]["sha256"][:SHORT] for stage in ("raw", "validated", "features")]
        hashes.add_row(entry["batch"], *shown, escape(licences[entry["batch"]]))
    out.print(hashes)


def status(
    pipeline: Annotated[str | None, typer.Argument(help="All pipelines if left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the champion and the four questions that its owner must be able to answer.

    Example: `mldebt status flight_delays`
    """
    from mldebt_assets.status import status_of

    declared = [find(pipeline)] if pipeline else list(PIPELINES)
    with opened() as (platform, instance):
        answers = [status_of(instance, platform, each, datetime.now(UTC)) for each in declared]
    if as_json:
        print_json(answers[0] if pipeline else answers)
        return
    for answer in answers:
        show_status(answer)


def show_status(answer: dict[str, Any]) -> None:
    """Print one pipeline's champion and the four answers."""
    champion = answer["champion"]
    named = (
        f"v{champion['version']} since {champion['effective_at'][:10]}, "
        f"weights {champion['weights_sha256'][:SHORT]}"
        if champion
        else "none yet"
    )
    out.print(f"[bold]{answer['pipeline']}[/]  champion: {named}")
    table = Table(box=None, show_header=False)
    table.add_column(style="bold", max_width=40)
    table.add_column()
    for question in answer["questions"].values():
        known = escape(question["answer"])
        table.add_row(question["question"], known if question["evidence"] else f"[dim]{known}[/]")
    out.print(table)
