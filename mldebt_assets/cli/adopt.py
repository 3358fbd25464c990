"""``mldebt adopt``: a model that was trained elsewhere becomes the first champion."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import facts, opened, out, print_json

if TYPE_CHECKING:
    from mldebt_assets.promotions import Fact


def adopt(
    pipeline: PipelineName,
    *,
    model: Annotated[Path, typer.Option(help="The ONNX file.", metavar="FILE")],
    reason: Annotated[str, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")],
    trained_on: Annotated[
        str | None,
        typer.Option(help="What it was trained on, as far as you know.", metavar="TEXT"),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="The features of its one table, in order; by default all numeric ones.",
            metavar="NAME,NAME",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Its answer, where it has several.", metavar="NAME")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(help="From which score on it is a yes; by default what costs least."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an existing model, an ONNX file, the first champion; its lineage begins there.

    What made it stays unknown, and every answer says so. Who asks is MLDEBT_USER, else you at this
    host. The file is judged, and tried on the newest batch, before anything is changed.

    Example: `mldebt adopt flight_delays --model old.onnx --reason "served since 2011"`
    """
    declared = pipelines.find(pipeline)
    if threshold is not None and declared.target.task != "binary":
        raise typer.BadParameter(f"--threshold is for yes and no, not {declared.target.task}.")
    if not model.is_file():
        raise typer.BadParameter(f"--model {model} is no file.")
    from mldebt_assets.adoption import Offer
    from mldebt_assets.adoption import adopt as adopted
    from mldebt_assets.by_hand import who
    from mldebt_assets.core.adopting import check_size

    check_size(model.stat().st_size)
    offer = Offer(
        name=model.name,
        data=model.read_bytes(),
        trained_on=trained_on,
        columns=tuple(one.strip() for one in columns.split(",")) if columns else (),
        output=output,
        threshold=threshold,
    )
    with opened() as (platform, instance):
        fact = adopted(
            instance, platform, declared, offer, reason=reason, by=who(), now=datetime.now(UTC)
        )
    answer = document(declared.name, fact)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def document(name: str, fact: "Fact") -> dict[str, Any]:
    """Return what was adopted as one JSON document."""
    body = fact.body
    said = body["adopted"]
    told = ("file", "sha256", "trained_on", "by", "reason", "adopted_at", "rule_from", "inputs")
    return {
        "pipeline": name,
        "version": body["version"],
        "weights_sha256": body["weights_sha256"],
        **{one: said[one] for one in (*told, "output", "threshold", "half_width", "tried_on")},
        "reference": list(body["reference"]["batches"]),
        "measured": body["expected"],
        "effective_at": fact.effective_at.isoformat(),
        "recorded_at": fact.recorded_at.isoformat(),
    }


def show(answer: dict[str, Any]) -> None:
    """Print what was adopted, how it is used, and what nobody knows."""
    name, version = answer["pipeline"], answer["version"]
    out.print(f"[bold]{name}[/]  [green]v{version}[/] is the champion, by {escape(answer['by'])}")
    given = [f"{one['name']}: {', '.join(one['columns'])}" for one in answer["inputs"]]
    rows = [
        ("file", f"{answer['file']}, SHA-256"),
        ("", answer["sha256"]),
        ("trained on", f"{answer['trained_on'] or 'nobody has said'}; nothing here can show it"),
        *((("inputs" if place == 0 else ""), one) for place, one in enumerate(given)),
        ("answer", f"{answer['output']}, tried on {answer['tried_on']}"),
        ("decides", answer["rule_from"]),
        ("drift against", ", ".join(answer["reference"])),
    ]
    out.print(facts([(heading, escape(value)) for heading, value in rows]))
    out.print(f"Its lineage begins here: mldebt lineage {name}", style="dim")
