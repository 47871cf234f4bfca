"""How many requests a service accepts, and when batches begin so that they stay within that.

Of the services, AWS documents Security Hub's rate only; the others' are inferred, low enough. What
is throttled all the same is retried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

# The fewest calls that a run makes at one target: one that creates, one that verifies. A service
# that enables within seconds rarely takes a third (measured, tests/workflow/test_reconciles.py).
CALLS_OF_A_BATCH = 2
# How many times as long as these calls take at the service's rate is between two batches: for third
# calls, and for everybody else who calls the service.
MARGIN = 1.25
# The longest time, in seconds, that a run may be told to wait before it plans.
MOST_BEGIN_AFTER = 3600


@dataclass(frozen=True, slots=True)
class Rate:
    """A token bucket: requests per second, and how many at once after a pause (at least 1)."""

    per_second: float
    burst: int


def begin_after(number: int, rates: Collection[Rate]) -> int:
    """After how many whole seconds a batch begins; ``number`` counts from 0.

    Batches that begin in the same second call at once: they are as few as every burst has room for.
    """
    slowest = min(rate.per_second for rate in rates)
    at_once = max(1, min(rate.burst for rate in rates) // CALLS_OF_A_BATCH)
    in_time = int(number * CALLS_OF_A_BATCH * MARGIN / slowest)
    return min(max(in_time, number // at_once), MOST_BEGIN_AFTER)
