"""At most so many at once, and one more at a time where none gets on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from infra.local.ministack.turns import Turns

PATIENCE = 0.1


def test_where_no_turn_ends_one_more_is_given_at_a_time() -> None:
    turns, all_have_one = Turns(2, PATIENCE), Barrier(5)

    def take(_: int) -> None:
        with turns.turn():
            # Each waits until all others have a turn, too.
            all_have_one.wait(10)

    began = time.monotonic()
    with ThreadPoolExecutor(5) as pool:
        list(pool.map(take, range(5)))

    assert time.monotonic() - began >= 3 * PATIENCE


def test_turns_beyond_the_most_are_given_back() -> None:
    turns = Turns(1, PATIENCE)
    with turns.turn(), turns.turn():
        pass

    began = time.monotonic()
    with turns.turn(), turns.turn():
        pass

    assert time.monotonic() - began >= PATIENCE
