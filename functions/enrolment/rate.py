"""How many requests a service accepts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: requests per second, and how many at once after a pause (at least 1)."""

    per_second: float
    burst: int
