"""What happens when, in virtual time: the earliest first, and of one time what was added first."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.clock import VirtualClock


class Agenda:
    """Moments are epoch seconds of ``clock``, which is set to that of whatever happens."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def now(self) -> float:
        return self._clock.now()

    def at(self, moment: float, do: Callable[[], object]) -> None:
        """Do something at a moment."""
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, do))

    def after(self, seconds: float, do: Callable[[], object]) -> None:
        """Do something later."""
        self.at(self.now() + seconds, do)

    def run(self, until: float = math.inf) -> None:
        """Let everything happen that is due until then, and what comes of it."""
        while self._events and self._events[0][0] <= until:
            moment, _, do = heapq.heappop(self._events)
            self._clock.at(moment)
            do()
        if until < math.inf:
            self._clock.at(until)
