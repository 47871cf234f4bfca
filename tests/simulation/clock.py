"""Virtual time: each invocation has its own, and threads of one invocation are simulated."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class VirtualClock:
    """Epoch seconds, as whatever runs now sees them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def at(self, moment: float) -> None:
        """Go to a moment, which may be earlier than what another invocation has seen."""
        self._now = moment

    def advance(self, seconds: float) -> None:
        """Let time pass for what runs now: it takes the place of ``time.sleep``."""
        self._now += seconds


class VirtualThreads:
    """Threads of one invocation: tasks run one after the other, each at the time at which the first
    of the threads would be free for it. Afterwards it is as late as the last thread's end.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def map(self, workers: int, do: Callable[..., T], given: Iterable[tuple[Any, ...]]) -> list[T]:
        """What ``do`` returns for each, run by so many threads."""
        free_at = [self._clock.now()] * workers
        found = []
        try:
            for arguments in given:
                self._clock.at(heapq.heappop(free_at))
                try:
                    found.append(do(*arguments))
                finally:
                    heapq.heappush(free_at, self._clock.now())
        finally:
            self._clock.at(max(free_at))
        return found
