"""``mldebt lineage``: which data, code and environment made a version, or one prediction."""

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName, complete_batch
from mldebt_assets.cli.opening import EXIT_NO, facts, opened, out, print_json, say, short, table
from mldebt_assets.core.periods import how_many
from mldebt_assets.promotions import decider

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from mldebt_assets.pipeline import Pipeline
    from mldebt_assets.resources import Platform

STAGES = ("raw", "validated", "features")
SCORED_FROM = (*STAGES, "scorer", "predictions")
ROW_ID = re.compile(r"[0-9a-f]{16}")
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


def row_id(text: str) -> str:
    """Return the id of a row that a user wrote."""
    if not ROW_ID.fullmatch(text.lower()):
        raise typer.BadParameter(f"{text!r} is no row id, which has 16 hexadecimal digits.")
    return text.lower()


def lineage(
    pipeline: PipelineName,
    *,
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
    prediction: Annotated[
        str | None,
        typer.Option(
            help="What scored the row with this `_row_id`, and how.", metavar="ID", parser=row_id
        ),
    ] = None,
    row: Annotated[
        str | None,
        typer.Option(
            help="The same for the row with this key: column=value,column=value.", metavar="KEY"
        ),
    ] = None,
    batch: Annotated[
        str | None,
        typer.Option(
            help="Look for the row in this batch alone.",
            metavar="BATCH",
            autocompletion=complete_batch,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say which data, code and environment made the production model, or one prediction.

    Example: `mldebt lineage flight_delays --as-of 2013-08-15 --json`
    """
    declared = pipelines.find(pipeline)
    refuse_contradictions(
        {"--version": version, "--as-of": as_of, "--prediction": prediction, "--row": row},
        {"--recorded": (recorded or None, "--as-of"), "--batch": (batch, "--prediction or --row")},
    )
    with opened() as (platform, instance):
        if prediction is None and row is None:
            answer = of_version(instance, platform, declared, version, as_of, recorded=recorded)
        else:
            answer = of_row(
                instance, platform, declared, prediction=prediction, row=row, batch=batch
            )
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


def of_version(
    instance: "DagsterInstance",
    platform: "Platform",
    declared: "Pipeline",
    version: int | None,
    as_of: datetime | None,
    *,
    recorded: bool,
) -> dict[str, Any] | None:
    """Return the lineage of a version, of the champion, or of the champion at a moment."""
    from mldebt_assets.answers.lineage import decision_on, deletion_of, held_at, trace

    known = platform.record(declared.name).facts()
    held = known if as_of is None else held_at(known, as_of, recorded=recorded)
    decision = decision_on(held, declared.name, version)
    if decision is None:
        return None
    deleted = deletion_of(known, decision.body["version"])
    return trace(instance, platform, declared, decision) | {"deleted": deleted}


def of_row(
    instance: "DagsterInstance",
    platform: "Platform",
    declared: "Pipeline",
    *,
    prediction: str | None,
    row: str | None,
    batch: str | None,
) -> dict[str, Any]:
    """Return what scored a row, and the lineage of that version."""
    from mldebt_assets.answers.lineage import deletion_of, trace
    from mldebt_assets.answers.prediction import ids_of_key, prediction_of

    ids = {prediction} if prediction else ids_of_key(platform, declared, row or "")
    found, decision = prediction_of(instance, platform, declared, ids, batch)
    known = platform.record(declared.name).facts()
    said = {"deleted": deletion_of(known, decision.body["version"]), "prediction": found}
    return trace(instance, platform, declared, decision) | said


def refuse_contradictions(
    questions: dict[str, object], refinements: dict[str, tuple[object, str]]
) -> None:
    """Refuse two questions at once, and what refines a question that is not asked."""
    asked = [name for name, value in questions.items() if value is not None]
    if len(asked) > 1:
        raise typer.BadParameter(f"{' and '.join(asked)} ask for different things: give one.")
    for name, (value, of) in refinements.items():
        if value is not None and not {*asked} & {*of.split(" or ")}:
            raise typer.BadParameter(f"{name} goes with {of}: give that too.")


def show(answer: dict[str, Any]) -> None:
    """Print a lineage as a page: the version, why it is there, and every batch's hashes."""
    model, training, promotion = answer["model"], answer["training_set"], answer["promotion"]
    state = "[green]champion[/]" if promotion["promoted"] else "[red]refused[/]"
    if answer["deleted"] is not None:
        state = "[red]deleted[/]"
    if "prediction" in answer:
        out.print(predicted(answer["pipeline"], answer["prediction"]))
        out.print()
    name = f"[bold]{answer['pipeline']} v{model['version']}[/]"
    adopted = model["adopted"]
    came = "adopted" if adopted else f"trained {model['trained_at'][:19]} UTC"
    out.print(f"{name}  {state}, {came}")
    rows = [
        ("weights", model["weights_sha256"]),
        *(adoption(adopted) if adopted else made(answer)),
        *decided(promotion),
        *accepted(answer["accepted"]),
        *forgotten(answer["forgotten"]),
        *gone(answer["deleted"]),
        ("MLflow run", model["mlflow_run_id"]),
    ]
    out.print(facts([(heading, escape(value)) for heading, value in rows]))
    if adopted:
        return
    out.print()
    hashes = table(("batch", *STAGES, "licence"), title="What it was trained on (SHA-256)")
    licences = {source["batch"]: source["licence"] for source in answer["sources"]}
    for entry in training["batches"]:
        digests = [short(entry[stage]["sha256"]) for stage in STAGES]
        hashes.add_row(escape(entry["batch"]), *digests, escape(licences[entry["batch"]]))
    out.print(hashes)


def made_from(sources: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return which tables `mldebt new` made the batches from, each once; nothing where none."""
    lines = []
    for one in (origin for source in sources for origin in source["made_from"]):
        rows_of = f" ({one['rows_of']})" if one["rows_of"] else ""
        digest = f", SHA-256 {short(one['sha256'])}" if one["sha256"] else ""
        joined = f", joined on {one['joined_on']}" if one["joined_on"] else ""
        lines.append(f"{one['uri']}{rows_of}: {one['rows']:,} rows{digest}{joined}")
    return [("" if place else "made from", line) for place, line in enumerate(dict.fromkeys(lines))]


def adoption(adopted: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is said of an adopted model, and that nothing shows it: lineage begins there."""
    return [
        ("trained on", f"{adopted['trained_on'] or 'unknown: nobody has said'}"),
        ("", "as whoever adopted it says: nothing here shows it"),
        ("code", "unknown"),
        ("environment", "unknown"),
        ("lineage", f"begins on {adopted['adopted_at'][:19]} UTC, when {adopted['by']}"),
        ("", f"adopted {adopted['file']}, SHA-256"),
        ("", adopted["sha256"]),
    ]


def made(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines that say what a version was trained on, what it is, and by what program."""
    training = answer["training_set"]
    return [
        ("training set", training["hash"]),
        ("", f"{training['rows']:,} rows in {how_many(len(training['batches']))}"),
        *made_from(answer["sources"]),
        *own_model(answer["model"]["estimator"]),
        *made_by(answer["code"], answer["environment"]),
    ]


def own_model(estimator: dict[str, Any]) -> list[tuple[str, str]]:
    """Return which class a user's own model was of; nothing where it is our network."""
    if estimator["name"] is None:
        return []
    return [("model", f"{estimator['name']} ({estimator['package'] or 'own code'}), as ONNX")]


def scored(prediction: dict[str, Any]) -> str:
    """Return a row's score, and what was decided on it: an alarm, a class, or an interval."""
    score, decision = prediction["score"], prediction["decision"]
    if prediction["interval"] is not None:
        lower, upper = prediction["interval"]
        return f"{score:,.6g}, between {lower:,.6g} and {upper:,.6g}"
    if isinstance(decision, str):
        return f"{decision}, with a probability of {score:.6f}"
    sign, word = (">=", "yes") if decision else ("<", "no")
    return f"{score:.6f} {sign} {prediction['threshold']:.6f}: {word}"


def predicted(pipeline: str, prediction: dict[str, Any]) -> Group:
    """Return a prediction as a page: what was said of the row, and which bytes that came from."""
    rows = [
        ("score", scored(prediction)),
        ("scored by", f"v{prediction['version']}, under promotion {prediction['promotion']}"),
        ("", prediction["weights_sha256"]),
        ("scored", f"{prediction['scored_at'][:19]} UTC, in Dagster run"),
        ("", prediction["dagster_run_id"]),
        *((stage, prediction[stage]["sha256"]) for stage in SCORED_FROM),
    ]
    heading = f"[bold]{pipeline}[/]  row {prediction['row']} of {escape(prediction['batch'])}"
    return Group(heading, facts([(name, escape(value)) for name, value in rows]))


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
        ("decided", f"{promotion['recorded_at'][:19]} UTC by {decider(promotion['by'])}"),
        ("because", promotion["reason"]),
        ("asked for by", promotion["asked_because"]),
        ("replaced", f"v{replaced}" if replaced else "nothing"),
    ]


def accepted(acceptances: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return who had refused rows learned, and why."""
    return [
        (
            f"accepted {one['batch']}",
            f"by {one['by']}, {one['recorded_at'][:19]} UTC: {one['reason']} "
            f"({one['refused_because']})",
        )
        for one in acceptances
    ]


def forgotten(tombstones: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the lines that say what of the training set was withdrawn, by whom, when and why."""
    by_batch: dict[tuple[str, str, str, str], list[str]] = {}
    for one in tombstones:
        who = (one["batch"], one["recorded_at"][:10], one["by"], one["reason"])
        by_batch.setdefault(who, []).append(f"{one['stage']} {short(one['sha256'])}")
    return [
        (f"forgotten {batch}", f"{', '.join(what)}: on {when} by {by} ({reason})")
        for (batch, when, by, reason), what in by_batch.items()
    ]


def gone(deleted: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return the lines that say who deleted the version's model, if somebody did, and why."""
    if deleted is None:
        return []
    return [
        ("deleted", f"{deleted['recorded_at'][:19]} UTC by {deleted['by']}"),
        ("because", deleted["reason"]),
    ]
