"""How many requests AWS takes: token buckets on the services' clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests a second, and how many at once after a pause."""

    per_second: float
    burst: float


class Buckets:
    def __init__(self) -> None:
        # How full each was, and when.
        self._levels: dict[tuple[str, ...], tuple[float, float]] = {}

    def take(self, rates: Mapping[tuple[str, ...], Rate], now: float) -> bool:
        """One token from every bucket, or none from any where one of them is empty."""
        levels = {key: self._level(key, rate, now) for key, rate in rates.items()}
        if any(level < 1 for level in levels.values()):
            return False
        self._levels |= {key: (level - 1, now) for key, level in levels.items()}
        return True

    def _level(self, key: tuple[str, ...], rate: Rate, now: float) -> float:
        level, then = self._levels.get(key, (rate.burst, now))
        return min(rate.burst, level + (now - then) * rate.per_second)
