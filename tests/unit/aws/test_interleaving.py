"""The walk goes through every order, and finds what only one of them brings out."""

from __future__ import annotations

from math import comb
from typing import TYPE_CHECKING

import pytest

from functions.enrolment.errors import ServiceUnavailable
from tests.unit.aws.interleaving import Walked, walk_every_order

if TYPE_CHECKING:
    from typing import Any

    from tests.unit.aws.interleaving import Contender, Table, World

COUNTER = {"pk": "counter", "sk": "1"}


def writes(name: str, times: int) -> Contender:
    def work(table: Table) -> None:
        for number in range(times):
            table.put({"pk": name, "sk": str(number)})

    return work


def counts(table: Table) -> int:
    """Adds one to the counter, as one must not: nothing makes sure that it is as it was read."""
    item = table.get(COUNTER)
    count = int(item["count"]) + 1 if item else 1
    table.put(COUNTER | {"count": count})
    return count


def nothing(*_: object) -> None:
    """No check."""


def test_two_contenders_have_as_many_orders_as_there_are_ways_to_merge_them() -> None:
    walked = walk_every_order(
        {}, [writes("a", 5), writes("b", 4)], check=nothing, check_end=nothing
    )

    assert walked == Walked(orders=comb(9, 4), states=6 * 5)


def test_a_batch_is_read_in_every_order() -> None:
    seen: list[list[Any]] = []

    def reads(table: Table) -> list[str]:
        return [item["sk"] for item in table.get_all([{"pk": "a", "sk": sk} for sk in "012"])]

    walk_every_order(
        {("a", sk): f'{{"pk": "a", "sk": "{sk}"}}' for sk in "012"},
        [reads],
        check=nothing,
        check_end=lambda _, results: seen.extend(results),
    )

    assert sorted(seen) == [[*"012"], [*"021"], [*"102"], [*"120"], [*"201"], [*"210"]]


def test_a_lost_update_is_found_and_the_order_is_told() -> None:
    def nothing_is_lost(_: World, results: list[int]) -> None:
        assert sorted(results) == [1, 2]

    with pytest.raises(AssertionError) as caught:
        walk_every_order({}, [counts, counts], check=nothing, check_end=nothing_is_lost)

    assert caught.value.__notes__ == ["after the accesses of [0, 1, 0, 1]"]


def test_an_answer_may_be_lost_of_a_write_that_was_done() -> None:
    ends: list[tuple[int, bool]] = []

    def counts_or_fails(table: Table) -> bool:
        try:
            counts(table)
        except ServiceUnavailable:
            return False
        return True

    walk_every_order(
        {},
        [counts_or_fails],
        check=nothing,
        check_end=lambda world, results: ends.append((len(world.items), results[0])),
        losses=1,
    )

    assert ends == [(1, True), (1, False)]
