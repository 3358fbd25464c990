"""``mldebt metrics``: what Prometheus scrapes, served on 127.0.0.1 or printed once."""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from mldebt_assets.cli.opening import end_unread, say
from mldebt_assets.cli.supervisor import HOST, STOPPING
from mldebt_assets.home import Home

if TYPE_CHECKING:
    from mldebt_assets.monitoring.metrics import Exporter

METRICS_PORT = 9464  # the port that OpenTelemetry's exporters of Prometheus take by default

Port = Annotated[int, typer.Option(help="The port.", min=1, max=65535, metavar="P")]
Once = Annotated[bool, typer.Option("--once", help="Print one scrape instead, and end.")]


def metrics(port: Port = METRICS_PORT, once: Once = False) -> None:
    """Serve what Prometheus scrapes, on 127.0.0.1: drift, performance, age, retraining, gate.

    Reads only. A home that is missing or damaged is said by a metric. Ctrl-C stops it.

    Example: `mldebt metrics --port 9464`
    """
    home = Home.locate()
    os.environ.update(home.environment())
    from mldebt_assets import pipelines
    from mldebt_assets.definitions import defs
    from mldebt_assets.monitoring.metrics import Exporter, exposition

    checks = defs.get_repository_def().asset_graph.asset_check_keys
    exporter = Exporter(home, pipelines.PIPELINES, checks)
    first = exposition(exporter)  # what is slow the first time is loaded before anybody waits
    if once:
        try:
            sys.stdout.write(first)
            sys.stdout.flush()
        except BrokenPipeError:
            end_unread()
        return
    serve(exporter, port)


def serve(exporter: "Exporter", port: int) -> None:
    """Serve until a signal asks for the end.

    Raises: PortError if the port cannot be listened on.
    """
    from prometheus_client import start_http_server

    from mldebt_assets.core.errors import PortError
    from mldebt_assets.monitoring.metrics import registry_of

    try:
        server, thread = start_http_server(port, addr=HOST, registry=registry_of(exporter))
    except OSError as problem:
        raise PortError.of(port, problem.strerror or "it cannot be opened") from problem
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in STOPPING}
    try:
        say(f"Metrics: http://{HOST}:{port}/metrics  (Ctrl-C stops it)")
        sys.stdout.flush()
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        server.shutdown()
        server.server_close()
        thread.join()
