"""What a step costs in wall and CPU seconds, memory and bytes, in the process that runs it."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

COSTS = ("wall_seconds", "cpu_seconds", "run_wall_seconds", "run_cpu_seconds", "peak_memory_bytes")
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Moment:
    """What has passed in this process so far, in seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> Moment:
        """Return this moment."""
        return cls(time.monotonic(), time.process_time())


class Meter:
    """Measures a run's steps, one lap a step: steps of one process follow one another.

    ``peak_memory_bytes`` is the most that the process ever held, which is the run's own peak where
    every run has a process of its own (under the daemon), and that of all runs in a replay.
    """

    def __init__(self) -> None:
        self._run = self._lap = Moment.now()

    def lap(self) -> dict[str, float | int]:
        """Return the cost since the last lap, and since the run began; names as in ``COSTS``."""
        now, last = Moment.now(), self._lap
        self._lap = now
        return {
            "wall_seconds": round(now.wall - last.wall, 4),
            "cpu_seconds": round(now.cpu - last.cpu, 4),
            "run_wall_seconds": round(now.wall - self._run.wall, 4),
            "run_cpu_seconds": round(now.cpu - self._run.cpu, 4),
            "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT,
        }
