"""A program that replays the sample below a folder, and is killed at one moment after another.

First it replays another folder undisturbed, so that all is imported once; then each replay is a
process of its own, forked from this one and killed with SIGKILL at its moment. The last one is
left to end. It prints, as JSON, the signal by which each process ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import dagster as dg

from mldebt_assets.assets import champion
from mldebt_assets.core import network
from mldebt_assets.promotions import PromotionRecord
from mldebt_assets.registry import Registry
from mldebt_assets.replay import Progress, replay
from mldebt_assets.store import SnapshotStore
from mldebt_assets_tests.sample import BATCHES
from mldebt_assets_tests.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


def die(*_: Any, **__: Any) -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def die_when(owner: object, name: str, condition: Callable[..., bool]) -> None:
    """Make a call of ``owner.name`` whose arguments meet the condition the process's last."""
    real = getattr(owner, name)

    def deadly(*arguments: Any, **named: Any) -> Any:
        if condition(*arguments, **named):
            die()
        return real(*arguments, **named)

    setattr(owner, name, deadly)


def nothing(_: Progress) -> None:
    pass


def report_that_dies(kind: str, batch: str) -> Callable[[Progress], None]:
    return lambda step: die() if (step.kind, step.batch) == (kind, batch) else None


def always(*_: Any, **__: Any) -> bool:
    return True


# In the order in which they come, from the first batch to the last.
MOMENTS: dict[str, Callable[[], Callable[[Progress], None] | None]] = {
    "the first batch is settled": lambda: report_that_dies("settled", BATCHES[0]),
    "a run is made, and has not begun": lambda: die_when(
        dg.DagsterInstance, "add_run_tags", always
    ),
    "features are stored, and not recorded": lambda: die_when(
        SnapshotStore, "_write_pointer", lambda _, snapshot: "/features/" in snapshot.path
    ),
    "a retraining is asked for, and has no run": lambda: report_that_dies("retraining", BATCHES[2]),
    "the network is training": lambda: die_when(network, "train_member", always),
    "the first promotion is intended": lambda: die_when(Registry, "set_champion", always),
    "MLflow's alias is set": lambda: die_when(champion, "headline", always),
    "the promotion is shown, and not done": lambda: die_when(
        PromotionRecord, "append", lambda _, kind, *__, **___: kind == "done"
    ),
}


def run(root: Path, report: Callable[[Progress], None]) -> None:
    world = World.make(root)
    repository = world.definitions.get_repository_def()
    replay(world.pipeline, world.platform, world.instance, repository, report=report)
    world.instance.dispose()


def run_apart(root: Path, arm: Callable[[], Callable[[Progress], None] | None]) -> int:
    """Replay in a process of its own; return the status with which it ended."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    status = 1
    try:
        run(root, arm() or nothing)
        status = 0
    finally:
        os._exit(status)


def main(whole: Path, killed: Path) -> None:
    """Replay below ``whole`` undisturbed, and below ``killed`` with a kill at each moment."""
    for root in (whole, killed):
        World.make(root).land(*BATCHES)
    run(whole, nothing)
    killed_by = {moment: os.WTERMSIG(run_apart(killed, arm)) for moment, arm in MOMENTS.items()}
    last = run_apart(killed, lambda: None)
    sys.stdout.write(json.dumps({"killed_by": killed_by, "last": last}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
