"""How many may do something at once."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """At most ``most`` have a turn at once. What has one may itself wait for others to have theirs:
    if no turn has begun or ended for ``patience`` seconds, one more is given."""

    def __init__(self, most: int, patience: float) -> None:
        self._free = most
        self._patience = patience
        self._changed = Condition()
        self._changed_at = time.monotonic()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn, and have it for as long as the context lasts."""
        with self._changed:
            while self._free <= 0 and (left := self._left()) > 0:
                self._changed.wait(left)
            self._change(-1)
        try:
            yield
        finally:
            with self._changed:
                self._change(1)
                self._changed.notify()

    def _left(self) -> float:
        """Seconds until one more is given."""
        return self._changed_at + self._patience - time.monotonic()

    def _change(self, free: int) -> None:
        self._free += free
        self._changed_at = time.monotonic()
