"""Virtual time: each invocation has its own, and threads of one invocation are simulated."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

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


class VirtualPool:
    """In the place of a ``ThreadPoolExecutor``: tasks run one after the other, each at the time at
    which the first of ``workers`` threads would be free for it.

    At the end of the ``with`` block it is as late as the last thread's end.
    """

    def __init__(self, clock: VirtualClock, workers: int) -> None:
        self._clock = clock
        self._free_at = [clock.now()] * workers

    def __enter__(self) -> VirtualPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._clock.at(max(self._free_at))

    def map(self, do: Callable[..., T], *given: Iterable[Any]) -> Iterator[T]:
        return iter([self._run(do, each) for each in zip(*given, strict=False)])

    def _run(self, do: Callable[..., T], given: tuple[Any, ...]) -> T:
        self._clock.at(heapq.heappop(self._free_at))
        try:
            return do(*given)
        finally:
            heapq.heappush(self._free_at, self._clock.now())
