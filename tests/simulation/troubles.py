"""What goes wrong: for how long, how often, and with which requests. A seed decides which of them.

Troubles are data, so that a failing world can be played again with fewer of them.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Kind(StrEnum):
    """What becomes of a request, an invocation or an event."""

    # Requests.
    THROTTLED = "throttled"
    FAILED = "failed"
    FAILED_AFTER = "failed after it took effect"
    DENIED = "denied"
    DROPPED = "connection closed before it took effect"
    LOST = "connection closed after it took effect"
    TIMED_OUT = "timed out after it took effect"
    SLOW = "answered late"
    PARTIAL = "done for a part of the batch"
    CONFLICT = "another transaction in progress"
    STALE = "reads lag behind writes"
    # Invocations.
    KILLED = "function killed before a request"
    KILLED_AFTER = "function killed after a request"
    REPLY_LOST = "function's result lost"
    CLOCK = "function's clock wrong"
    # Events.
    EVENT_LOST = "event lost"
    EVENT_TWICE = "event delivered twice"
    EVENT_LATE = "event late"


OF_REQUESTS = frozenset(Kind) - {
    Kind.STALE,
    Kind.REPLY_LOST,
    Kind.CLOCK,
    Kind.EVENT_LOST,
    Kind.EVENT_TWICE,
    Kind.EVENT_LATE,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """``share`` is the part of what it matches that it strikes, from ``start`` on (seconds since
    the beginning) for ``seconds``. ``amount`` is of seconds: how late, stale or wrong.

    ``where`` is ``<service>:<operation>`` for requests, a step's name for invocations, and an
    event's name for events; with ``*`` for any text.
    """

    kind: Kind
    start: float
    seconds: float
    share: float = 1.0
    where: str = "*"
    amount: float = 0.0

    @property
    def end(self) -> float:
        return self.start + self.seconds

    def __str__(self) -> str:
        return (
            f"{self.kind} ({self.where}, {self.share:.0%}, {self.amount:.0f} s)"
            f" at {self.start / 3600:.2f} h for {self.seconds / 3600:.2f} h"
        )


class Troubles:
    """``numbered`` are the troubles with their numbers, on which depends what each strikes.

    ``struck`` counts what they struck, by kind.
    """

    def __init__(self, seed: int, numbered: Sequence[tuple[int, Trouble]], began: float) -> None:
        self._troubles = [
            (trouble, random.Random(f"{seed} {number}"))  # noqa: S311  # no secret
            for number, trouble in numbered
        ]
        self._began = began
        self.struck: Counter[Kind] = Counter()

    def of(self, where: str, now: float, kinds: frozenset[Kind]) -> Trouble | None:
        """The first of these kinds that strikes now."""
        moment = now - self._began
        for trouble, draws in self._troubles:
            if not trouble.start <= moment < trouble.end or trouble.kind not in kinds:
                continue
            if fnmatchcase(where, trouble.where) and draws.random() < trouble.share:
                self.struck[trouble.kind] += 1
                return trouble
        return None

    def amount(self, kind: Kind, where: str, now: float) -> float:
        """The amount of the first trouble of a kind that strikes now, else 0."""
        found = self.of(where, now, frozenset({kind}))
        return 0.0 if found is None else found.amount
