"""``mldebt accept``: a person knows better than the triage."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName, complete_batch
from mldebt_assets.cli.opening import opened, out, print_json


def accept(
    pipeline: PipelineName,
    batch: Annotated[
        str,
        typer.Option(
            help="The batch that was refused.", metavar="BATCH", autocompletion=complete_batch
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the record.", metavar="TEXT")],
    as_json: AsJson = False,
) -> None:
    """Have a batch learned that triage refused as a broken feed, since a person knows it is right.

    Who asks is MLDEBT_USER, else you at this host. It holds for these very rows, from the next
    training on; the refusal stays in the record beside it.

    Example: `mldebt accept flight_delays --batch 2013-05 --reason "the sensor was replaced"`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.acceptance import accept as accepted
    from mldebt_assets.by_hand import who

    with opened() as (platform, instance):
        fact = accepted(
            instance,
            platform,
            declared,
            batch=batch,
            reason=reason,
            by=who(),
            now=datetime.now(UTC),
        )
    body = fact.body
    if not as_json:
        out.print(
            f"[bold]{declared.name}[/]  {escape(batch)} is learned from the next training on, "
            f"accepted by {escape(body['by'])}"
        )
        return
    print_json(
        {
            "pipeline": declared.name,
            "batch": batch,
            "validated": body["validated"]["sha256"],
            "refused_because": body["refused_because"],
            "reason": body["reason"],
            "by": body["by"],
            "recorded_at": fact.recorded_at.isoformat(),
        }
    )
