"""What all pictures of a year's replay cost: drawing, keeping them, and what only they need.

    python -m benchmarks.pictures

A real replay in a fresh home and a process of its own, in which every function that draws, the
intervals of slices that only a picture shows, and the copies kept in MLflow are timed, with the
import of the plotting library. Writes benchmarks/results/pictures.json. Ends with 1 where they
take more than a tenth of the replay.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import keep
from benchmarks.replay import BIN, run

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST_SHARE = 0.1


def timed_replay(out: Path) -> None:
    """Replay the year in this process, and write what its pictures took to ``out``."""
    took: dict[str, list[float]] = defaultdict(list)
    base64_bytes: list[int] = []

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def measured(*arguments: Any, **named: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **named)
            took[name].append(time.perf_counter() - started)
            if name.endswith("_figure"):
                base64_bytes.append(len(result.markdown))
            return result

        return measured

    plots = timed("import", __import__)("mldebt_assets.plots", fromlist=["Picture"])
    for name in plots.__all__:
        if name.endswith("_figure"):
            setattr(plots, name, timed(name, getattr(plots, name)))
    from mldebt_assets.cli import app
    from mldebt_assets.core import slices
    from mldebt_assets.registry import Registry

    slices.slice_intervals = timed("slice_intervals", slices.slice_intervals)
    Registry.log_file = timed("kept_in_mlflow", Registry.log_file)  # type: ignore[method-assign]
    started = time.perf_counter()
    sys.argv = ["mldebt", "replay", "flight_delays"]
    try:
        app()
    except SystemExit as ended:
        if ended.code:
            raise
    seconds = time.perf_counter() - started + took["import"][0]
    out.write_text(
        json.dumps({"seconds": seconds, "took": took, "largest": max(base64_bytes, default=0)})
    )


def main() -> int:
    """Measure, keep the figures, and return 1 where the pictures take too large a share."""
    with tempfile.TemporaryDirectory() as folder:
        home, out = Path(folder) / "home", Path(folder) / "took.json"
        run(BIN / "mldebt", "init", home=home)
        run(BIN / "mldebt", "fetch", "flight_delays", home=home)
        run(sys.executable, "-m", "benchmarks.pictures", "--replay-into", out, home=home)
        measured = json.loads(out.read_text())
    total = sum(sum(times) for times in measured["took"].values())
    share = total / measured["seconds"]
    keep(
        "pictures",
        {
            "replay_seconds": round(measured["seconds"], 1),
            "pictures_seconds": round(total, 2),
            "share": round(share, 3),
            "limit": LARGEST_SHARE,
            "pictures": sum(len(t) for n, t in measured["took"].items() if n.endswith("_figure")),
            "largest_markdown_bytes": measured["largest"],
            "parts": {
                name: {"calls": len(times), "seconds": round(sum(times), 3)}
                for name, times in measured["took"].items()
            },
        },
    )
    return int(share > LARGEST_SHARE)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--replay-into", type=Path, metavar="FILE", help=argparse.SUPPRESS)
    into = parser.parse_args().replay_into
    if into is None:
        sys.exit(main())
    timed_replay(into)
