"""What is due to happen in the local world."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.facts.clock import Clock


class Agenda:
    """What will happen and when. Nothing runs until `run_due`, which runs it as of its own time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._moment: float | None = None

    def now(self) -> float:
        return self._clock.now() if self._moment is None else self._moment

    def at(self, moment: float, effect: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (max(moment, self.now()), self._count, effect))

    def after(self, seconds: float, effect: Callable[[], None]) -> None:
        self.at(self.now() + seconds, effect)

    def run_due(self) -> None:
        until = self._clock.now()
        try:
            while self._due and self._due[0][0] <= until:
                self._moment, _, effect = heapq.heappop(self._due)
                effect()
        finally:
            self._moment = None

    def clear(self) -> None:
        self._due.clear()
