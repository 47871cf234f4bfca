"""When batches begin, so that what they call stays within the rates of the services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.enrolment.rate import CALLS_OF_A_BATCH, MOST_BEGIN_AFTER, Rate, begin_after

MANY = 200
# A batch creates, and verifies after the first wait of whatever length. A burst of 1 has no room
# for the one call of a batch and the other of an earlier one at once.
rates = st.builds(Rate, st.integers(1, 1000), st.integers(CALLS_OF_A_BATCH, 1000))


@given(st.lists(rates, min_size=1, max_size=3), st.integers(1, 60))
def test_no_call_of_a_batch_finds_a_bucket_empty(limits: list[Rate], first_wait: int) -> None:
    begins = [begin_after(number, limits) for number in range(MANY)]
    calls = sorted([*begins, *(begin + first_wait for begin in begins)])

    for limit in limits:
        left, last = float(limit.burst), 0
        for at in calls:
            left = min(left + (at - last) * limit.per_second, limit.burst) - 1
            last = at
            assert left >= 0


@pytest.mark.parametrize("limit", [Rate(10, 30), Rate(5, 10), Rate(1, 1), Rate(7, 7)], ids=str)
def test_batches_take_little_longer_than_the_rate_allows(limit: Rate) -> None:
    fewest = (MANY - 1) * CALLS_OF_A_BATCH / limit.per_second

    assert fewest <= begin_after(MANY - 1, [limit]) <= 1.25 * fewest


def test_a_small_burst_leaves_few_to_begin_at_once() -> None:
    assert [begin_after(number, [Rate(100, 4)]) for number in range(5)] == [0, 0, 1, 1, 2]


def test_no_run_begins_later_than_a_run_may() -> None:
    assert begin_after(1439, [Rate(1, 1)]) == 3597
    assert begin_after(100_000, [Rate(1, 1)]) == MOST_BEGIN_AFTER
