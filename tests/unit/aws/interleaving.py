"""Every order in which the accesses of several contenders can reach one table.

A contender is a function of the answers that its accesses get. It need not be stopped and resumed:
it is run again from its beginning with the answers it has got so far, up to its next access. All
orders are walked depth first; a state that several orders lead to is walked once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from functions.enrolment.errors import ServiceUnavailable
from tests.support.memory_rows import Items, Key, MemoryRows

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
# Which of the accesses that might have come next was done, and its answer.
Answer = tuple[int, Hashable]
LOST = "the access was done, and its answer was lost"


@dataclass
class World:
    """What all contenders share: the table, and what has happened, in its order."""

    items: Items
    happened: tuple[Any, ...] = ()


class Table(MemoryRows):
    """The table as one contender sees it."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        super().__init__()
        self._answers = iter(answers)

    def any_of(self, accesses: Sequence[Callable[[Items], T]]) -> tuple[int, T]:
        return self._next([_on_items(access) for access in accesses])

    def happens(self, event: Hashable) -> None:
        """Do something that does not concern the table, in its turn."""

        def do(world: World) -> None:
            world.happened += (event,)

        self._next([do])

    def _next(self, accesses: Sequence[Callable[[World], Any]]) -> tuple[int, Any]:
        for number, answer in self._answers:
            if answer is LOST:
                raise ServiceUnavailable(LOST)
            return number, answer
        raise _NextAccess(accesses)


Contender = Callable[[Table], Any]


@dataclass(frozen=True)
class Walked:
    """How many orders there are, and how many states they lead through."""

    orders: int
    states: int


def walk_every_order(
    items: Mapping[Key, str],
    contenders: Sequence[Contender],
    *,
    check: Callable[[int, World, World], None],
    check_end: Callable[[World, list[Any]], None],
    losses: int = 0,
) -> Walked:
    """Walk every order from this table to its end.

    ``check`` is given every access: the number of its contender, the world before and after, to
    which it may add what happened. ``check_end`` is given every end: the world, and what each
    contender returned. Each contender may lose the answers to ``losses`` of its writes.
    """
    walk = _Walk(check, check_end, losses)
    try:
        orders = walk.on(World(dict(items)), tuple(_Point(each) for each in contenders))
    except Exception as error:
        error.add_note(f"after the accesses of {walk.order}")
        raise
    return Walked(orders, len(walk.states))


class _NextAccess(BaseException):
    """A contender has come to an access that has no answer yet: one of these, in any order."""

    def __init__(self, accesses: Sequence[Callable[[World], Any]]) -> None:
        super().__init__()
        self.accesses = accesses


class _Point:
    """How far a contender has come: what it may do next, or what it returned."""

    def __init__(self, contender: Contender, answers: tuple[Answer, ...] = ()) -> None:
        self._contender = contender
        self._answers = answers
        self._later: dict[Answer, _Point] = {}
        self.accesses: Sequence[Callable[[World], Any]] = ()
        self.result: Any = None
        try:
            self.result = contender(Table(answers))
        except _NextAccess as waits:
            self.accesses = waits.accesses
        self.losses = sum(answer is LOST for _, answer in answers)

    def after(self, number: int, answer: Hashable) -> _Point:
        """The point after one of the accesses got this answer."""
        if (number, answer) not in self._later:
            answers = (*self._answers, (number, answer))
            self._later[number, answer] = _Point(self._contender, answers)
        return self._later[number, answer]


class _Walk:
    def __init__(
        self,
        check: Callable[[int, World, World], None],
        check_end: Callable[[World, list[Any]], None],
        losses: int,
    ) -> None:
        self._check = check
        self._check_end = check_end
        self._losses = losses
        self.states: dict[Hashable, int] = {}
        self.order: list[int] = []

    def on(self, world: World, points: tuple[_Point, ...]) -> int:
        """Walk every order from here; how many there are."""
        state = (points, frozenset(world.items.items()), world.happened)
        if state not in self.states:
            orders = 0
            for who in range(len(points)):
                self.order.append(who)
                for after, point in self._steps(who, points[who], world):
                    orders += self.on(after, (*points[:who], point, *points[who + 1 :]))
                self.order.pop()
            if not orders:
                self._check_end(world, [point.result for point in points])
            self.states[state] = orders or 1
        return self.states[state]

    def _steps(self, who: int, point: _Point, world: World) -> Iterator[tuple[World, _Point]]:
        """What the next access of a contender may lead to."""
        for number, access in enumerate(point.accesses):
            after = World(dict(world.items), world.happened)
            answer = access(after)
            self._check(who, world, after)
            yield after, point.after(number, answer)
            if point.losses < self._losses and after.items != world.items:
                yield after, point.after(number, LOST)


def _on_items(access: Callable[[Items], T]) -> Callable[[World], T]:
    return lambda world: access(world.items)
