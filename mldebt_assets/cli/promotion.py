"""``mldebt rollback``, ``promote``, ``approve``, ``reject``: a person changes production."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from mldebt_assets import pipelines
from mldebt_assets.cli.arguments import AsJson, PipelineName
from mldebt_assets.cli.opening import opened, out, print_json

if TYPE_CHECKING:
    from mldebt_assets.promotions import Fact

DRILL_REASON = "drill"

Why = Annotated[str, typer.Option(help="Why; kept in the promotion record.", metavar="TEXT")]
Candidate = Annotated[
    int | None, typer.Option(help="This candidate instead of the newest.", metavar="V")
]

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


def promote(
    pipeline: PipelineName,
    version: Annotated[int, typer.Option(help="The version to promote.", metavar="V")],
    reason: Why,
    expires: Annotated[
        datetime | None,
        typer.Option(
            help="When the champion before comes back, in the data's time (UTC).", metavar="DATE"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Promote a version that was judged, whatever the gate said of it.

    Where the gate did not let it through beside today's champion, this is an override, and needs
    a date: when the data reach it, the champion before comes back by itself.

    Example: `mldebt promote flight_delays --version 8 --reason "airport" --expires 2014-03-01`
    """
    declared = pipelines.find(pipeline)
    from mldebt_assets.approval import promote_by_hand
    from mldebt_assets.by_hand import who

    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    with opened() as (platform, instance):
        promotion = promote_by_hand(
            instance,
            platform,
            declared,
            version=version,
            reason=reason,
            expires=expires,
            by=who(),
            now=datetime.now(UTC),
        )
    until = f" until {expires:%Y-%m-%d}, in the data's time" if expires else ""
    tell(declared.name, promotion, f"[green]v{version}[/] is the champion{until}", as_json)


def approve(
    pipeline: PipelineName, reason: Why, version: Candidate = None, as_json: AsJson = False
) -> None:
    """Promote a candidate that the gate let through and proposed, as `Gate(approval=True)` asks.

    Example: `mldebt approve flight_delays --reason "as agreed in the review"`
    """
    fact = decided("approve", pipeline, version, reason)
    tell(pipeline, fact, f"[green]v{fact.body['version']}[/] is the champion", as_json)


def reject(
    pipeline: PipelineName, reason: Why, version: Candidate = None, as_json: AsJson = False
) -> None:
    """Refuse a candidate that the gate let through and proposed; the champion stays.

    Example: `mldebt reject flight_delays --reason "not before the holidays"`
    """
    fact = decided("reject", pipeline, version, reason)
    said = f"v{fact.body['version']} is rejected, the champion stays"
    tell(pipeline, fact, said, as_json)


def decided(
    decision: Literal["approve", "reject"], pipeline: str, version: int | None, reason: str
) -> "Fact":
    """Decide on a candidate that was proposed; return the fact that says so."""
    declared = pipelines.find(pipeline)
    from mldebt_assets import approval
    from mldebt_assets.by_hand import who

    decide = {"approve": approval.approve, "reject": approval.reject}[decision]
    now, by = datetime.now(UTC), who()
    with opened() as (platform, instance):
        return decide(instance, platform, declared, version=version, reason=reason, by=by, now=now)


def tell(name: str, fact: "Fact", said: str, as_json: bool) -> None:
    """Print what was decided, and by whom: as a sentence, or as one JSON document."""
    body = fact.body
    if not as_json:
        out.print(f"[bold]{name}[/]  {said}, by {escape(body['by'])}")
        return
    print_json(
        {
            "pipeline": name,
            "version": body["version"],
            "weights_sha256": body["weights_sha256"],
            "promoted": fact.kind == "intent",
            "previous_version": body["previous_version"],
            "reason": body["reason"],
            "by": body["by"],
            "gate": body["gate"],
            "expires": body.get("expires"),
            "effective_at": fact.effective_at.isoformat(),
            "recorded_at": fact.recorded_at.isoformat(),
        }
    )
