"""The time the local services live in."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since the epoch."""

    def now(self) -> float: ...


class WallClock:
    """Real time, optionally run faster: ``speed`` local seconds pass in one real second."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._origin = time.time()
        self._ahead = 0.0

    def now(self) -> float:
        return self._origin + (time.time() - self._origin) * self._speed + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def reset(self) -> None:
        """Back to the real time."""
        self._origin, self._ahead = time.time(), 0.0


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._start = self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def reset(self) -> None:
        self._now = self._start
