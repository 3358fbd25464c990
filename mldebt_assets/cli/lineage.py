"""``mldebt lineage``: which data, code and environment made a version."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import EXIT_NO, facts, opened, out, print_json, say, short, table

STAGES = ("raw", "validated", "features")
CLOCKS = {False: "of the data's time", True: "by the wall clock"}


def moment(text: str) -> datetime:
    """Return the moment that a user wrote; without an offset it is UTC."""
    try:
        written = datetime.fromisoformat(text)
        return written.replace(tzinfo=UTC) if written.tzinfo is None else written.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is no moment: write 2013-08-15, 2013-08-15T06:00 or 2013-08-15T06:00+02:00."
        ) from None


def lineage(
    pipeline: PipelineName,
    version: Annotated[
        int | None, typer.Option(help="This version instead of the champion.", metavar="V")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            help="The champion at this moment of the data's time, such as 2013-08-15 or "
            "2013-08-15T06:00+02:00; without an offset it is UTC.",
            metavar="TIME",
            parser=moment,
        ),
    ] = None,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Take --as-of by the wall clock of the record.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which data, code and environment made the production model.

    Example: `mldebt lineage flight_delays --as-of 2013-08-15 --json`
    """
    declared = pipelines.find(pipeline)
    if as_of is not None and version is not None:
        raise typer.BadParameter("--as-of and --version ask for two different things: give one.")
    if recorded and as_of is None:
        raise typer.BadParameter("--recorded says how --as-of is meant: give a TIME too.")
    from mldebt_assets.answers.lineage import decision_on, held_at, trace

    with opened() as (platform, instance):
        known = platform.record(declared.name).facts()
        if as_of is not None:
            known = held_at(known, as_of, recorded=recorded)
        decision = decision_on(known, declared.name, version)
        answer = None if decision is None else trace(instance, platform, declared, decision)
    if as_json:
        print_json(answer or {"pipeline": declared.name, "model": None})
    elif answer is None:
        when = f" at {as_of:%Y-%m-%d %H:%M} UTC {CLOCKS[recorded]}" if as_of else ""
        say(f"{declared.name} had no champion{when}.")
        say(f"One comes with a promotion: mldebt replay {declared.name}")
    else:
        show(answer)
    if answer is None:
        raise typer.Exit(EXIT_NO)


def show(answer: dict[str, Any]) -> None:
    """Print a lineage as a page: the version, why it is there, and every batch's hashes."""
    model, training, promotion = answer["model"], answer["training_set"], answer["promotion"]
    state = "[green]champion[/]" if promotion["promoted"] else "[red]refused[/]"
    name = f"[bold]{answer['pipeline']} v{model['version']}[/]"
    out.print(f"{name}  {state}, trained {model['trained_at'][:19]} UTC")
    rows = [
        ("weights", model["weights_sha256"]),
        ("training set", training["hash"]),
        ("", f"{training['rows']:,} rows in {len(training['batches'])} batches"),
        *made_by(answer["code"], answer["environment"]),
        *decided(promotion),
        ("MLflow run", model["mlflow_run_id"]),
    ]
    out.print(facts([(heading, escape(value)) for heading, value in rows]))
    out.print()
    hashes = table(("batch", *STAGES, "licence"), title="What it was trained on (SHA-256)")
    licences = {source["batch"]: source["licence"] for source in answer["sources"]}
    for entry in training["batches"]:
        digests = [short(entry[stage]["sha256"]) for stage in STAGES]
        hashes.add_row(escape(entry["batch"]), *digests, escape(licences[entry["batch"]]))
    out.print(hashes)


def made_by(code: dict[str, Any], environment: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say which program trained the version, and where it ran."""
    changes = " + changes" if code["dirty"] else ""
    return [
        ("code", f"commit {code['commit'] or 'unknown'}{changes}"),
        ("", f"digest {short(code['digest'])}"),
        (
            "environment",
            f"digest {short(environment['digest'])}, torch {environment['torch']}, "
            f"Python {environment['python']}",
        ),
    ]


def decided(promotion: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say who decided on the version, when and why."""
    replaced = promotion["previous_version"]
    return [
        ("decided", f"{promotion['recorded_at'][:19]} UTC by the {promotion['by']}"),
        ("because", promotion["reason"]),
        ("asked for by", promotion["asked_because"]),
        ("replaced", f"v{replaced}" if replaced else "nothing"),
    ]
