"""``mldebt delete``: a version's model goes for good; what it was, and who deleted it, stays."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import facts, opened, out, print_json, short

WHATS = {"model": "weights", "onnx": "ONNX export"}


def delete(
    pipeline: PipelineName,
    version: Annotated[int, typer.Option(help="The version to delete.", metavar="V")],
    reason: Annotated[str, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")],
    as_json: AsJson = False,
) -> None:
    """Delete a version's model for good: in MLflow, and its bytes where nothing else needs them.

    The promotion record keeps what it was, who deleted it and why; training set, evaluation and
    lineage stay. Refused for the champion, the version before it, and one that awaits approval.

    Example: `mldebt delete flight_delays --version 2 --reason "trained on withdrawn rows"`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets import deletion
    from mldebt_assets.by_hand import who

    now, by = datetime.now(UTC), who()
    with opened() as (platform, instance):
        done = deletion.delete(
            instance, platform, declared, version=version, reason=reason, by=by, now=now
        )
    answer = {
        "pipeline": declared.name,
        "version": version,
        "weights_sha256": done.fact.body["weights_sha256"],
        "by": done.fact.body["by"],
        "reason": done.fact.body["reason"],
        "removed": [told(one) for one in done.removed],
        "kept": [told(one) | {"because": one["because"]} for one in done.kept],
    }
    if as_json:
        print_json(answer)
    else:
        show(answer)


def told(artefact: dict[str, Any]) -> dict[str, Any]:
    """Return what of a stored artefact a caller is told."""
    return {name: artefact[name] for name in ("what", "sha256")}


def show(answer: dict[str, Any]) -> None:
    """Print what was removed, and what stays for whom."""
    by = escape(answer["by"])
    out.print(f"[bold]{answer['pipeline']}[/]  v{answer['version']} is deleted, by {by}")
    rows = [("removed", "MLflow's version and its files")]
    rows += [("", f"{WHATS[one['what']]} {short(one['sha256'])}") for one in answer["removed"]]
    rows += [
        ("kept", f"{WHATS[one['what']]} {short(one['sha256'])}: {one['because']}")
        for one in answer["kept"]
    ]
    out.print(facts([(heading, escape(value)) for heading, value in rows]))
    out.print("Training set, evaluation and lineage stay as they are.", style="dim")
