"""State machines in virtual time: every execution, children included, in one heap of events.

One thread runs the event with the earliest time, and of those of one time the one that was added
first. An execution is a generator: it yields the moment at which it goes on, or None while its
children run. A step runs as a whole at the moment at which its state is entered; the time that it
lets pass meanwhile delays what comes after it, and other executions do not wait for it.

Transitions are counted as Step Functions bills them: every state that is entered, those of children
included, and every retry.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.wire.paging import iso
from tests.simulation.definition import (
    ALL,
    Choice,
    DistributedMap,
    Fail,
    Pass,
    Succeed,
    Task,
    Wait,
    read_machine,
)
from tests.simulation.paths import NoSuchPath, Path

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator, Mapping

    from tests.simulation.clock import VirtualClock
    from tests.simulation.definition import Machine, Retrier

    # The next moment at which an execution goes on, None while its children run; at last its
    # output.
    Thread = Generator[float | None, None, Any]

MOST_BYTES = 256 * 1024
RUNNING, SUCCEEDED, FAILED, TIMED_OUT = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT"
TOO_LARGE = "States.DataLimitExceeded"
RUNTIME = "States.Runtime"
TOO_MANY_FAILED = "States.ExceedToleratedFailureThreshold"
# States.ALL does not catch or retry these (Step Functions guide, "Error names").
TERMINAL = frozenset({TOO_LARGE, RUNTIME})


class StateError(Exception):
    """A state has failed, with an error's name and a cause."""

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"{name}: {cause}")
        self.name = name
        self.cause = cause


@dataclass(eq=False)
class Execution:
    """An execution; times are epoch seconds, ``states`` the names of those it entered."""

    arn: str
    name: str
    machine: Machine
    input: Any
    started_at: float
    parent: Execution | None = None
    states: list[str] = field(default_factory=list)
    status: str = RUNNING
    ended_at: float | None = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    thread: Thread | None = None
    children: _Children | None = None

    @property
    def context(self) -> dict[str, Any]:
        """The context object, as far as it is known."""
        execution = {
            "Id": self.arn,
            "Name": self.name,
            "Input": self.input,
            "StartTime": iso(self.started_at),
        }
        return {"Execution": execution}


@dataclass
class _Children:
    """The children of a map that runs: the inputs of those to come, and what became of others."""

    waiting: deque[Any]
    machine: Machine
    running: set[Execution] = field(default_factory=set)
    begun: int = 0
    failed: int = 0


class StateMachines:
    """State machines by ARN, and their executions.

    ``invoke`` runs a step by its name: it returns its result, and raises StateError. It may let
    time pass on ``clock``.
    """

    def __init__(
        self,
        clock: VirtualClock,
        invoke: Callable[[str, Any], Any],
        randomness: random.Random,
    ) -> None:
        self._clock = clock
        self._invoke = invoke
        self._random = randomness
        self._machines: dict[str, Machine] = {}
        self._events: list[tuple[float, int, Execution, Callable[[Execution], None]]] = []
        self._count = 0
        self.executions: dict[str, Execution] = {}
        self.transitions = 0

    def create(self, arn: str, definition: Mapping[str, Any]) -> None:
        """Raises Unsupported: the definition has something that is not simulated."""
        self._machines[arn] = read_machine(definition)

    def start(self, machine_arn: str, name: str, document: Any) -> Execution | None:
        """Start an execution now; None if the machine had one with that name before."""
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        if arn in self.executions:
            return None
        started = self._begin(Execution(arn, name, *self._of(machine_arn, document)))
        self.executions[arn] = started
        if started.machine.timeout is not None:
            self._at(started.started_at + started.machine.timeout, started, self._time_out)
        return started

    def run(self, until: float = math.inf) -> None:
        """Run until every execution has ended, or what is due by ``until`` has happened."""
        while self._events and self._events[0][0] <= until:
            moment, _, execution, happen = heapq.heappop(self._events)
            if execution.ended_at is None:
                self._clock.at(moment)
                happen(execution)

    def _of(self, machine_arn: str, document: Any) -> tuple[Machine, Any, float]:
        return self._machines[machine_arn], copied(document), self._clock.now()

    def _begin(self, execution: Execution) -> Execution:
        execution.thread = self._states(execution)
        self._at(execution.started_at, execution, self._go_on)
        return execution

    def _at(self, moment: float, execution: Execution, happen: Callable[[Execution], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, execution, happen))

    def _go_on(self, execution: Execution) -> None:
        assert execution.thread is not None
        try:
            moment = next(execution.thread)
        except StopIteration as end:
            execution.output = end.value
            self._end(execution, SUCCEEDED)
        except StateError as error:
            execution.error, execution.cause = error.name, error.cause
            self._end(execution, FAILED)
        else:
            if moment is not None:
                self._at(moment, execution, self._go_on)

    def _time_out(self, execution: Execution) -> None:
        if execution.thread is not None:
            execution.thread.close()
        for child in execution.children.running if execution.children else ():
            child.ended_at, child.status = self._clock.now(), TIMED_OUT
        self._end(execution, TIMED_OUT)

    def _end(self, execution: Execution, status: str) -> None:
        execution.status, execution.ended_at = status, self._clock.now()
        execution.thread = execution.children = None
        parent = execution.parent
        if parent is None or parent.children is None:
            return
        children = parent.children
        children.running.remove(execution)
        children.failed += status != SUCCEEDED
        if children.waiting:
            self._begin_child(parent, children)
        elif not children.running:
            self._at(self._clock.now(), parent, self._go_on)

    def _states(self, execution: Execution) -> Thread:
        """Runs the states of an execution; returns its output."""
        machine, context, data = execution.machine, execution.context, execution.input
        name: str | None = machine.start
        while name is not None:
            state = machine.states[name]
            self.transitions += 1
            execution.states.append(name)
            try:
                match state:
                    case Task() | DistributedMap():
                        name, data = yield from self._work(state, data, execution)
                    case Choice():
                        name = _chosen(state, data, context)
                    case Wait():
                        yield self._clock.now() + float(state.seconds.get(data, context))
                        name = state.following
                    case Pass():
                        filled = state.template.fill(data, context) if state.template else None
                        data = copied(state.result if filled is None else filled)
                        name = state.following
                    case Succeed():
                        return state.output.get(data, context)
                    case Fail():
                        texts = (state.error, state.cause)
                        raise StateError(*(_text(text, data, context) for text in texts))
            except NoSuchPath as error:
                raise StateError(RUNTIME, f"no {error} in the input of {name}") from error
        return data

    def _work(
        self, state: Task | DistributedMap, data: Any, execution: Execution
    ) -> Generator[float | None, None, tuple[str | None, Any]]:
        """A state that may fail; the next state and its input."""
        tries: Counter[Retrier] = Counter()
        while True:
            try:
                if isinstance(state, DistributedMap):
                    yield from self._map(state, data, execution)
                else:
                    result = yield from self._task(state, data, execution)
                    data = copied(state.place.put(data, result))
                return state.following, data
            except StateError as error:
                retrier = _matching(state.retriers, error)
                if retrier is None or tries[retrier] == retrier.attempts:
                    catcher = _matching(state.catchers, error)
                    if catcher is None:
                        raise
                    caught = {"Error": error.name, "Cause": error.cause}
                    return catcher.following, copied(catcher.place.put(data, caught))
                wait = retrier.first_wait * retrier.backoff ** tries[retrier]
                wait = min(wait, retrier.longest_wait)
                tries[retrier] += 1
                self.transitions += 1
                yield self._clock.now() + (
                    self._random.uniform(0, wait) if retrier.jitter else wait
                )

    def _task(
        self, state: Task, data: Any, execution: Execution
    ) -> Generator[float | None, None, Any]:
        payload = state.payload.fill(data, execution.context) if state.payload else data
        failure = result = None
        try:
            result = copied(self._invoke(state.step, copied(payload)))
        except StateError as error:
            failure = error
        yield self._clock.now()
        if failure is not None:
            raise failure
        return result

    def _map(
        self, state: DistributedMap, data: Any, execution: Execution
    ) -> Generator[float | None, None, None]:
        inputs = []
        for index, item in enumerate(state.items.get(data, execution.context)):
            context = execution.context | {"Map": {"Item": {"Index": index, "Value": item}}}
            inputs.append(copied(state.selector.fill(data, context)))
        children = execution.children = _Children(deque(inputs), state.machine)
        for _ in range(min(len(inputs), state.most_at_once or len(inputs))):
            self._begin_child(execution, children)
        if inputs:
            yield None
        execution.children = None
        if children.failed > state.tolerated:
            raise StateError(TOO_MANY_FAILED, f"{children.failed} of {len(inputs)} items failed")

    def _begin_child(self, parent: Execution, children: _Children) -> None:
        name = f"{parent.name}-{children.begun}"
        given, now = children.waiting.popleft(), self._clock.now()
        arn = f"{parent.arn}/{name}"
        child = Execution(arn, name, children.machine, given, now, parent)
        children.begun += 1
        children.running.add(self._begin(child))


def copied(document: Any) -> Any:
    """The document as the next state gets it.

    Raises:
        StateError: it is larger than Step Functions passes on.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode(errors="surrogatepass"))
    if size > MOST_BYTES:
        raise StateError(TOO_LARGE, f"{size} bytes; {MOST_BYTES} is the most there may be")
    return json.loads(text)


def _chosen(state: Choice, data: Any, context: Mapping[str, Any]) -> str:
    for holds, following in state.rules:
        if holds(data, context):
            return following
    if state.default is None:
        raise StateError("States.NoChoiceMatched", "no choice matches")
    return state.default


def _text(text: str | Path, data: Any, context: Mapping[str, Any]) -> str:
    return str(text.get(data, context)) if isinstance(text, Path) else text


def _matching(handlers: Any, error: StateError) -> Any:
    for handler in handlers:
        named = error.name in handler.errors
        if named or (ALL in handler.errors and error.name not in TERMINAL):
            return handler
    return None
