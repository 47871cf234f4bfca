"""How long things take in the local world, and how many it allows: amounts by name.

A service brings its own as its `timings` and `limits`. Those here belong to none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER = math.inf
# JSON has numbers that no time can be: infinity, and integers of any length.
MOST = 10**12


class OrNever(float):
    """A default that None may replace: what it delays then never happens."""


# Seconds of the world's clock; AWS takes minutes to days for most of these.
TIMINGS: Mapping[str, float] = {
    # From an account joining, or the setting changing, until auto-enable starts.
    "organization_auto_enable": 1.0,
    # How long a removed administrator is listed as DISABLE_IN_PROGRESS.
    "administrator_removal": 0.5,
    # How long services that can say Deleted still return a deleted member.
    "deleted_visible": 0.0,
    # How far member reads lag behind writes.
    "stale_reads": 0.0,
}


class Amounts(Mapping[str, float]):
    """Read-only: `replaced` gives others."""

    def __init__(self, amounts: Mapping[str, float]) -> None:
        self._amounts = amounts

    def __getitem__(self, name: str) -> float:
        return self._amounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def replaced(self, given: Mapping[str, object]) -> Amounts:
        """The same with some others. Raises ValueError that names the key and what it takes."""
        return Amounts({**self._amounts, **{name: self._read(name, given[name]) for name in given}})

    def _read(self, name: str, value: object) -> float:
        if name not in self._amounts:
            raise ValueError(f"{name}: one of {', '.join(sorted(self._amounts))}")
        optional = isinstance(self._amounts[name], OrNever)
        if value is None and optional:
            return OrNever(NEVER)
        if not is_amount(value):
            raise ValueError(f"{name}: a number, not negative")
        return OrNever(value) if optional else value


def is_amount(value: object) -> TypeGuard[float]:
    """Whether it is a number that is not negative, and that clocks can count with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST
