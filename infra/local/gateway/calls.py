"""What was asked of the local services, for tests and for people to read."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# More than any local run makes; the oldest go first.
_KEPT = 100_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``at`` in seconds since the epoch, ``error`` the code it was answered with.

    ``operation`` is None for a request that names none. Parameters are not kept, so no e-mail is.
    """

    at: float
    account_id: str
    region: str
    service: str
    operation: str | None
    status: int
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class CallLog:
    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=_KEPT)

    def record(self, call: Call) -> None:
        self._calls.append(call)

    def read(self) -> Sequence[Call]:
        """All calls since the last ``clear``, oldest first."""
        return tuple(self._calls)

    def clear(self) -> None:
        self._calls.clear()
