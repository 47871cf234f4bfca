"""Reads a definition in the Amazon States Language, as far as Rollcall's definitions use it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.paths import NoSuchPath, Path, Template, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Condition = Callable[[Any, Mapping[str, Any]], bool]

ALL = "States.ALL"


@dataclass(frozen=True, slots=True)
class Retrier:
    """Waits are in seconds; with ``jitter``, each is drawn between 0 and its length."""

    errors: frozenset[str]
    first_wait: float
    longest_wait: float
    backoff: float
    attempts: int
    jitter: bool


@dataclass(frozen=True, slots=True)
class Catcher:
    """Where an error leads, and where its name and cause are put in the input, if at all."""

    errors: frozenset[str]
    place: Path | None
    following: str


@dataclass(frozen=True, slots=True)
class Task:
    """``step`` is the name of the function, ``place`` that of its result, None to discard it."""

    step: str
    payload: Template | None
    place: Path | None
    retriers: tuple[Retrier, ...]
    catchers: tuple[Catcher, ...]
    following: str | None


@dataclass(frozen=True, slots=True)
class DistributedMap:
    """Each item is a child execution; their outputs are discarded."""

    items: Path
    selector: Template
    machine: Machine
    most_at_once: int
    tolerated: int
    retriers: tuple[Retrier, ...]
    catchers: tuple[Catcher, ...]
    following: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    rules: tuple[tuple[Condition, str], ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    seconds: Path
    following: str | None


@dataclass(frozen=True, slots=True)
class Pass:
    """The output is a filled template or, without one, ``result``."""

    template: Template | None
    result: Any
    following: str | None


@dataclass(frozen=True, slots=True)
class Succeed:
    output: Path


@dataclass(frozen=True, slots=True)
class Fail:
    """Name and cause are texts, or paths to texts."""

    error: str | Path
    cause: str | Path


State = Task | DistributedMap | Choice | Wait | Pass | Succeed | Fail


@dataclass(frozen=True, slots=True)
class Machine:
    """``timeout`` in seconds."""

    start: str
    states: Mapping[str, State]
    timeout: float | None = None


def read_machine(definition: Mapping[str, Any]) -> Machine:
    """Raises Unsupported: it has a state type, a field or a value that is not simulated."""
    fields = _Fields("the state machine", definition)
    fields.fixed("QueryLanguage", "JSONPath")
    fields.optional("Comment")
    machine = _machine(fields, fields.optional("TimeoutSeconds"))
    fields.end()
    return machine


class _Fields:
    """The fields of an object, each of which has to be taken."""

    def __init__(self, owner: str, given: Mapping[str, Any]) -> None:
        self.owner = owner
        self._left = dict(given)

    def required(self, name: str) -> Any:
        if name not in self._left:
            raise Unsupported(f"{self.owner} without {name}")
        return self._left.pop(name)

    def optional(self, name: str, default: Any = None) -> Any:
        return self._left.pop(name, default)

    def fixed(self, name: str, *values: object) -> None:
        """One of these, or not given."""
        given = self.optional(name, values[0])
        if given not in values:
            raise Unsupported(f"{self.owner}: {name} {given}")

    def following(self) -> str | None:
        end = self.optional("End", False)
        following: str | None = None if end else self.required("Next")
        return following

    def place(self, name: str = "ResultPath") -> Path | None:
        given = self.optional(name, "$")
        return None if given is None else Path.read(given)

    def template(self, name: str) -> Template | None:
        given = self.optional(name)
        return None if given is None else Template(given)

    def text(self, name: str) -> str | Path:
        if f"{name}Path" in self._left:
            return Path.read(self.required(f"{name}Path"))
        text: str = self.required(name)
        return text

    def end(self) -> None:
        if self._left:
            raise Unsupported(f"{self.owner}: {', '.join(sorted(self._left))}")


def _machine(fields: _Fields, timeout: float | None = None) -> Machine:
    states = {name: _state(name, given) for name, given in fields.required("States").items()}
    return Machine(fields.required("StartAt"), states, timeout)


def _state(name: str, given: Mapping[str, Any]) -> State:
    fields = _Fields(name, given)
    kind = fields.required("Type")
    if kind not in _READERS:
        raise Unsupported(f"{name}: Type {kind}")
    state = _READERS[kind](fields)
    fields.end()
    return state


def _task(fields: _Fields) -> Task:
    resource = fields.required("Resource")
    function = re.fullmatch(r"arn:aws:lambda:[^:]+:\d+:function:(\w+):\w+", resource)
    if function is None:
        raise Unsupported(f"{fields.owner}: Resource {resource}")
    return Task(
        function[1],
        fields.template("Parameters"),
        fields.place(),
        _retriers(fields),
        _catchers(fields),
        fields.following(),
    )


def _map(fields: _Fields) -> DistributedMap:
    processor = _Fields(f"processor of {fields.owner}", fields.required("ItemProcessor"))
    processor.fixed("ProcessorConfig", {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"})
    fields.optional("Label")
    if fields.required("ResultPath") is not None:
        raise Unsupported(f"{fields.owner}: a ResultPath that is not null")
    state = DistributedMap(
        Path.read(fields.required("ItemsPath")),
        Template(fields.required("ItemSelector")),
        _machine(processor),
        fields.required("MaxConcurrency"),
        fields.optional("ToleratedFailureCount", 0),
        _retriers(fields),
        _catchers(fields),
        fields.following(),
    )
    processor.end()
    return state


def _choice(fields: _Fields) -> Choice:
    rules = []
    for given in fields.required("Choices"):
        rule = _Fields(f"a choice of {fields.owner}", given)
        following = rule.required("Next")
        rules.append((_condition(rule), following))
    return Choice(tuple(rules), fields.optional("Default"))


def _condition(rule: _Fields) -> Condition:
    parts = rule.optional("And")
    if parts is not None:
        rule.end()
        conditions = [_condition(_Fields(rule.owner, part)) for part in parts]
        return lambda data, context: all(each(data, context) for each in conditions)
    variable = Path.read(rule.required("Variable"))
    for name, holds in _OPERATORS.items():
        wanted = rule.optional(name)
        if wanted is not None:
            rule.end()
            return lambda data, context: holds(variable.get(data, context), wanted)
    present = rule.optional("IsPresent")
    rule.end()
    if present is None:
        raise Unsupported(f"{rule.owner} without an operator")
    return lambda data, context: _is_present(variable, data, context) is present


def _is_present(variable: Path, data: Any, context: Mapping[str, Any]) -> bool:
    try:
        variable.get(data, context)
    except NoSuchPath:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Of the value and what it is compared with; a value of another type is no match.
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "StringEquals": lambda value, wanted: isinstance(value, str) and value == wanted,
    "BooleanEquals": lambda value, wanted: value is wanted,
    "IsNumeric": lambda value, wanted: _is_number(value) is wanted,
    "NumericGreaterThanEquals": lambda value, wanted: _is_number(value) and value >= wanted,
    "NumericLessThanEquals": lambda value, wanted: _is_number(value) and value <= wanted,
}


def _wait(fields: _Fields) -> Wait:
    return Wait(Path.read(fields.required("SecondsPath")), fields.following())


def _pass(fields: _Fields) -> Pass:
    template = fields.template("Parameters")
    result = fields.required("Result") if template is None else None
    return Pass(template, result, fields.following())


def _succeed(fields: _Fields) -> Succeed:
    return Succeed(Path.read(fields.optional("OutputPath", "$")))


def _fail(fields: _Fields) -> Fail:
    return Fail(fields.text("Error"), fields.text("Cause"))


def _retriers(fields: _Fields) -> tuple[Retrier, ...]:
    found = []
    for given in fields.optional("Retry", ()):
        retry = _Fields(f"a retrier of {fields.owner}", given)
        errors = _errors(retry)
        jitter = retry.optional("JitterStrategy", "NONE")
        if jitter not in ("FULL", "NONE"):
            raise Unsupported(f"{retry.owner}: JitterStrategy {jitter}")
        found.append(
            Retrier(
                errors,
                retry.required("IntervalSeconds"),
                retry.required("MaxDelaySeconds"),
                retry.required("BackoffRate"),
                retry.required("MaxAttempts"),
                jitter == "FULL",
            )
        )
        retry.end()
    return tuple(found)


def _catchers(fields: _Fields) -> tuple[Catcher, ...]:
    found = []
    for given in fields.optional("Catch", ()):
        catch = _Fields(f"a catcher of {fields.owner}", given)
        found.append(Catcher(_errors(catch), catch.place(), catch.required("Next")))
        catch.end()
    return tuple(found)


def _errors(fields: _Fields) -> frozenset[str]:
    errors: list[str] = fields.required("ErrorEquals")
    for name in errors:
        if name.startswith("States.") and name != ALL:
            raise Unsupported(f"{fields.owner}: ErrorEquals {name}")
    return frozenset(errors)


_READERS: Mapping[str, Callable[[_Fields], State]] = {
    "Task": _task,
    "Map": _map,
    "Choice": _choice,
    "Wait": _wait,
    "Pass": _pass,
    "Succeed": _succeed,
    "Fail": _fail,
}
