"""``mldebt rollback``: what a person does to production, by name and with a reason."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import opened, out, print_json

DRILL_REASON = "drill"

Reason = Annotated[
    str | None, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")
]


def rollback(
    pipeline: PipelineName,
    reason: Reason = None,
    to: Annotated[
        int | None,
        typer.Option(help="This earlier champion instead of the one before.", metavar="V"),
    ] = None,
    is_drill: Annotated[
        bool, typer.Option("--drill", help="Rehearse it: the champion stays as it is.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an earlier champion the champion again: weights, threshold, schema, drift reference.

    Everything that it stands on is read and compared with its digest first; nothing is changed
    where anything is gone or damaged. Who asks is MLDEBT_USER, else you at this host. With
    `--drill` no reason is needed, and what was shown answers the third question of `mldebt status`.

    Example: `mldebt rollback flight_delays --to 4 --reason "v5 misses the evening delays"`
    """
    declared = pipelines.find(pipeline)
    if reason is None and not is_drill:
        raise typer.BadParameter("say why: the record is read by those who were not there.")
    from mldebt_assets.by_hand import drill, roll_back, who

    by, why = who(), reason or DRILL_REASON
    with opened() as (platform, instance):
        if is_drill:
            move = drill(instance, platform, declared, to=to, by=by)
        else:
            now = datetime.now(UTC)
            move = roll_back(instance, platform, declared, to=to, reason=why, by=by, now=now)
    if as_json:
        print_json(
            {
                "pipeline": declared.name,
                "from": move.left,
                "to": move.reached,
                "reason": why,
                "by": by,
                "drill": is_drill,
                "seconds": move.seconds,
            }
        )
        return
    said = "rehearsed" if is_drill else "gone back"
    out.print(
        f"[bold]{declared.name}[/]  {said} from v{move.left} to [green]v{move.reached}[/] "
        f"in {move.seconds:.2f} s, by {escape(by)}"
    )
    if is_drill:
        out.print(f"v{move.left} is still the champion.", style="dim")
    else:
        out.print(f"The next batch is scored by v{move.reached}.", style="dim")
