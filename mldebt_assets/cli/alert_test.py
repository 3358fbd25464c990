"""``mldebt alert-test``: one message to each service that alerts go to."""

import time
from datetime import UTC, datetime
from typing import Any

import typer
from rich.markup import escape

from mldebt_assets.cli.arguments import AsJson
from mldebt_assets.cli.opening import EXIT_NO, out, print_json, table

TITLE = "mldebt: a test message"
BODY = "Alerts of mldebt arrive here. Sent by `mldebt alert-test` on {when:%Y-%m-%d %H:%M} UTC."


def alert_test(as_json: AsJson = False) -> None:
    """Send one test message to each service that MLDEBT_ALERTS names, and say which took it.

    The addresses hold credentials, and are not shown.

    Example: `mldebt alert-test`
    """
    from mldebt_assets.core.errors import AlertAddressError
    from mldebt_assets.monitoring.channels import VARIABLE, channels, wanted

    known = channels()
    if not known:
        raise AlertAddressError.of_none(VARIABLE)
    wanted()
    for channel in known:
        channel.require()  # all of them, before anything is sent
    sent: list[dict[str, Any]] = []
    body = BODY.format(when=datetime.now(UTC))
    for channel in known:
        started = time.monotonic()
        delivered = channel.deliver(TITLE, body, "info")
        seconds = round(time.monotonic() - started, 3)
        said = {"number": channel.number, "service": channel.service}
        sent.append({**said, "delivered": delivered, "seconds": seconds})
    ok = all(one["delivered"] for one in sent)
    if as_json:
        print_json({"ok": ok, "channels": sent})
    else:
        show(sent)
    if not ok:
        raise typer.Exit(EXIT_NO)


def show(sent: list[dict[str, Any]]) -> None:
    """Print a row a service: whether it took the message, and in what time."""
    made = table(("address", "service", "", "seconds"), right=("seconds",))
    for one in sent:
        took = "[green]took it[/]" if one["delivered"] else "[bold red]did not take it[/]"
        made.add_row(str(one["number"]), escape(one["service"]), took, f"{one['seconds']:.1f}")
    out.print(made)
    if not all(one["delivered"] for one in sent):
        out.print("Fix: check the address, its credentials, and that this machine reaches it.")
