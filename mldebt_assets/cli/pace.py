"""How long a replay still takes: what its last batches took says it best."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WEIGHED = 2
ENOUGH = 3


@dataclass
class Pace:
    """The seconds of the batches settled so far. The clock is an argument, for tests.

    Batches take longer as more is learned from, and most of the time is training. So only the
    last ``WEIGHED`` count (over the flights' year this errs by a sixth; the mean of all by a
    third), and nothing is said before one was trained or ``ENOUGH`` went without.
    """

    clock: Callable[[], float] = time.monotonic
    seconds: list[float] = field(default_factory=list)
    trained: bool = False
    _since: float = field(init=False)

    def __post_init__(self) -> None:
        self._since = self.clock()

    def settle(self, *, trained: bool) -> None:
        """Note that the batch that was being settled is settled now."""
        now = self.clock()
        self.seconds.append(now - self._since)
        self.trained |= trained
        self._since = now

    def remaining(self, batches: int) -> float | None:
        """Return about how many seconds ``batches`` still take, the one at work among them.

        None where nothing like them was seen yet.
        """
        if not batches or not (self.trained or len(self.seconds) >= ENOUGH):
            return None
        last = self.seconds[-WEIGHED:]
        each = sum(last) / len(last)
        at_work = max(each - (self.clock() - self._since), 0.0)
        return at_work + each * (batches - 1)
