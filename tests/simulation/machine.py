"""State machines in virtual time: every execution, children included, on one agenda.

An execution is a generator: it yields the moment at which it goes on, or None while its children
or its step run.

Transitions are counted as Step Functions bills them: every state that is entered, those of children
included, and every retry.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from functools import partial
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
    from collections.abc import Callable, Generator, Iterator, Mapping

    from tests.simulation.agenda import Agenda
    from tests.simulation.definition import Machine, Retrier

    # The next moment at which an execution goes on, None while its children or its step run; at
    # last its output.
    Thread = Generator[float | None, None, Any]
    # Takes a step's result, or how it failed.
    Done = Callable[[Any, "StateError | None"], None]

MOST_BYTES = 256 * 1024
# "Service quotas" of the Step Functions guide.
MOST_HISTORY = 25_000
RUNNING, SUCCEEDED, FAILED, TIMED_OUT = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT"
ABORTED = "ABORTED"
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
    """An execution; times are epoch seconds, ``states`` the names of those it entered.

    ``resumes_at`` is the state that it is in, with its input; ``history`` the number of its events.
    """

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
    resumes_at: tuple[str, Any] | None = None
    history: int = 0

    @property
    def root(self) -> Execution:
        """The execution itself or, of a map's child, that to which the map belongs."""
        return self if self.parent is None else self.parent.root

    @property
    def machine_arn(self) -> str:
        """The ARN of the machine; of a map's child, that of the machine with the map."""
        return self.root.arn.replace(":execution:", ":stateMachine:").rpartition(":")[0]

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
    """The children of a map: those to come, those that run, and those that did not succeed."""

    waiting: deque[Execution]
    running: dict[Execution, None] = field(default_factory=dict)
    count: int = 0
    unsuccessful: list[Execution] = field(default_factory=list)


class StateMachines:
    """State machines by ARN, and their executions.

    ``invoke`` begins a step by its name for a machine, and calls ``Done`` when it has ended.
    ``on_end`` is told every execution that ends, children included; ``on_map`` every map before
    its children begin, which may raise StateError.
    """

    def __init__(
        self,
        agenda: Agenda,
        invoke: Callable[[str, str, Any, Done], object],
        randomness: random.Random,
        on_end: Callable[[Execution], object] = lambda _: None,
        on_map: Callable[[Execution], object] = lambda _: None,
    ) -> None:
        self._agenda = agenda
        self._invoke = invoke
        self._random = randomness
        self._on_end = on_end
        self._on_map = on_map
        self._machines: dict[str, Machine] = {}
        self.executions: dict[str, Execution] = {}
        # Those of maps that have ended.
        self.children: list[Execution] = []
        self.transitions = 0

    def create(self, arn: str, definition: Mapping[str, Any]) -> None:
        """Create a machine, or replace its definition for executions to come.

        Raises:
            Unsupported: the definition has something that is not simulated.
        """
        self._machines[arn] = read_machine(definition)

    def start(self, machine_arn: str, name: str, document: Any) -> Execution | None:
        """Start an execution now; None if the machine had one with that name before."""
        arn = f"{machine_arn.replace(':stateMachine:', ':execution:')}:{name}"
        if arn in self.executions:
            return None
        machine, now = self._machines[machine_arn], self._agenda.now()
        started = Execution(arn, name, machine, copied(document), now)
        self.executions[arn] = started
        self._begin(started)
        return started

    def stop(self, execution: Execution) -> None:
        """StopExecution: its steps that run come to their end, and nothing comes of it."""
        self._stop(execution, ABORTED)

    def redrive(self, execution: Execution) -> None:
        """RedriveExecution: it goes on at the state in which it ended without success; of a map, so
        do the children that did not succeed.
        """
        assert execution.status in (FAILED, TIMED_OUT, ABORTED)
        execution.status, execution.ended_at = RUNNING, None
        execution.error = execution.cause = None
        self._begin(execution)

    def _begin(self, execution: Execution) -> Execution:
        execution.thread = self._states(execution)
        self._at(self._agenda.now(), execution, self._go_on)
        if execution.machine.timeout is not None:
            end = self._agenda.now() + execution.machine.timeout
            self._at(end, execution, partial(self._stop, status=TIMED_OUT))
        return execution

    def _at(self, moment: float, execution: Execution, happen: Callable[[Execution], None]) -> None:
        """Do something with an execution at a moment, unless it has ended or begun again."""
        thread = execution.thread

        def do() -> None:
            if execution.thread is thread and execution.ended_at is None:
                happen(execution)

        self._agenda.at(moment, do)

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

    def _stop(self, execution: Execution, status: str) -> None:
        if execution.ended_at is not None:
            return
        if execution.thread is not None:
            execution.thread.close()
        children = execution.children
        if children is not None:
            for child in tuple(children.running):
                children.unsuccessful.append(child)
                del children.running[child]
                self._stop(child, status)
        self._end(execution, status)

    def _end(self, execution: Execution, status: str) -> None:
        execution.status, execution.ended_at = status, self._agenda.now()
        execution.thread = None
        self._on_end(execution)
        parent = execution.parent
        if parent is not None:
            self.children.append(execution)
        children = parent.children if parent else None
        if parent is None or children is None or execution not in children.running:
            return
        del children.running[execution]
        if status != SUCCEEDED:
            children.unsuccessful.append(execution)
        if children.waiting:
            self._begin_child(children)
        elif not children.running:
            self._at(self._agenda.now(), parent, self._go_on)

    def _states(self, execution: Execution) -> Thread:
        """Runs the states of an execution; returns its output."""
        machine, context = execution.machine, execution.context
        name: str | None
        name, data = execution.resumes_at or (machine.start, execution.input)
        while name is not None:
            state = machine.states[name]
            self.transitions += 1
            execution.states.append(name)
            execution.resumes_at = (name, data)
            _lengthen(execution, 2)
            try:
                match state:
                    case Task() | DistributedMap():
                        name, data = yield from self._work(state, data, execution)
                    case Choice():
                        name = _chosen(state, data, context)
                    case Wait():
                        yield self._agenda.now() + float(state.seconds.get(data, context))
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
                    data = _with(state.place, data, result)
                return state.following, data
            except StateError as error:
                retrier = _matching(state.retriers, error)
                if retrier is None or tries[retrier] == retrier.attempts:
                    catcher = _matching(state.catchers, error)
                    if catcher is None:
                        raise
                    caught = {"Error": error.name, "Cause": error.cause}
                    return catcher.following, _with(catcher.place, data, caught)
                wait = retrier.first_wait * retrier.backoff ** tries[retrier]
                wait = min(wait, retrier.longest_wait)
                tries[retrier] += 1
                self.transitions += 1
                _lengthen(execution, 1)
                yield self._agenda.now() + (
                    self._random.uniform(0, wait) if retrier.jitter else wait
                )

    def _task(
        self, state: Task, data: Any, execution: Execution
    ) -> Generator[float | None, None, Any]:
        payload = state.payload.fill(data, execution.context) if state.payload else data
        ended: list[tuple[Any, StateError | None]] = []
        thread = execution.thread

        def done(result: Any, failure: StateError | None) -> None:
            if execution.thread is thread:
                ended.append((result, failure))
                self._at(self._agenda.now(), execution, self._go_on)

        _lengthen(execution, 3)
        self._invoke(execution.machine_arn, state.step, copied(payload), done)
        yield None
        ((result, failure),) = ended
        if failure is not None:
            raise failure
        return copied(result)

    def _map(
        self, state: DistributedMap, data: Any, execution: Execution
    ) -> Generator[float | None, None, None]:
        self._on_map(execution)
        children = execution.children
        if children is None:
            coming = deque(self._children_of(state, data, execution))
            children = execution.children = _Children(coming, count=len(coming))
        else:
            children.waiting.extendleft(reversed(children.unsuccessful))
            children.unsuccessful.clear()
        for _ in range(min(len(children.waiting), state.most_at_once or children.count)):
            self._begin_child(children)
        if children.running:
            yield None
        failed = len(children.unsuccessful)
        if failed > state.tolerated:
            raise StateError(TOO_MANY_FAILED, f"{failed} of {children.count} items failed")
        execution.children = None

    def _children_of(
        self, state: DistributedMap, data: Any, parent: Execution
    ) -> Iterator[Execution]:
        context = parent.context
        for index, item in enumerate(state.items.get(data, context)):
            item_context = context | {"Map": {"Item": {"Index": index, "Value": item}}}
            given = copied(state.selector.fill(data, item_context))
            name = f"{parent.name}-{index}"
            yield Execution(f"{parent.arn}/{name}", name, state.machine, given, 0, parent)

    def _begin_child(self, children: _Children) -> None:
        child = children.waiting.popleft()
        if child.ended_at is None:
            child.started_at = self._agenda.now()
        child.status, child.ended_at = RUNNING, None
        children.running[child] = None
        self._begin(child)


def at_once(invoke: Callable[[str, Any], Any]) -> Callable[[str, str, Any, Done], None]:
    """Steps that have ended when they have begun; ``invoke`` raises StateError."""

    def begin(_: str, step: str, event: Any, done: Done) -> None:
        try:
            result = invoke(step, event)
        except StateError as error:
            done(None, error)
        else:
            done(result, None)

    return begin


def _with(place: Path | None, data: Any, result: Any) -> Any:
    return data if place is None else copied(place.put(data, result))


def _lengthen(execution: Execution, events: int) -> None:
    execution.history += events
    if execution.history > MOST_HISTORY:
        raise StateError(RUNTIME, f"the history has more than {MOST_HISTORY} events")


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
