"""The interpreter by itself: what each part of a definition does, when, and what is refused."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulation.agenda import Agenda
from tests.simulation.clock import VirtualClock, VirtualThreads
from tests.simulation.definition import read_machine
from tests.simulation.machine import MOST_BYTES, StateError, StateMachines, at_once
from tests.simulation.paths import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.machine import Execution

MACHINE = "arn:aws:states:eu-west-1:111122223333:stateMachine:M"
START = 1_800_000_000.0
PASS: dict[str, Any] = {"Type": "Pass", "Result": {}, "End": True}
DONE: dict[str, Any] = {"Type": "Succeed"}
RETRY: dict[str, Any] = {
    "ErrorEquals": ["Throttled"],
    "IntervalSeconds": 2,
    "MaxAttempts": 3,
    "BackoffRate": 2,
    "MaxDelaySeconds": 5,
}


def task(step: str = "step", following: str | None = "Done", **more: Any) -> dict[str, Any]:
    resource = f"arn:aws:lambda:eu-west-1:111122223333:function:{step}:live"
    after = {"Next": following} if following else {"End": True}
    return {"Type": "Task", "Resource": resource, **after, **more}


def definition(first: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "First", "States": {"First": first, "Done": DONE, **others}}


@dataclass
class Lab:
    """State machines whose steps answer what ``says`` has for them, in order, then with ``{}``.

    ``events`` are the steps, the time since the beginning, and what they were given.
    """

    says: Mapping[str, list[Any]] = field(default_factory=dict)
    takes: Mapping[str, float] = field(default_factory=dict)
    events: list[tuple[str, float, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = VirtualClock(START)
        self.agenda = Agenda(self.clock)
        invoke = at_once(self._invoke)
        self.machines = StateMachines(self.agenda, invoke, random.Random(7))  # noqa: S311  # no secret

    def run(self, states: dict[str, Any], document: Any = None) -> Execution:
        self.machines.create(MACHINE, states)
        execution = self.machines.start(MACHINE, "one", {} if document is None else document)
        assert execution is not None
        self.agenda.run()
        return execution

    @property
    def times(self) -> list[float]:
        """When steps were invoked."""
        return [at for _, at, _ in self.events]

    def _invoke(self, step: str, event: Any) -> Any:
        self.events.append((step, self.clock.now() - START, event))
        self.clock.advance(self.takes.get(step, 0))
        said = self.says.get(step, [])
        answer = said.pop(0) if said else {}
        if isinstance(answer, StateError):
            raise answer
        return answer


def throttled(times: int) -> list[Any]:
    return [StateError("Throttled", "slow down") for _ in range(times)]


@pytest.mark.parametrize(
    ("first", "given", "output"),
    [
        pytest.param(task(), {"a": 1}, {"r": 2}, id="a result replaces the input"),
        pytest.param(
            task(ResultPath="$.x.y"), {"a": 1}, {"a": 1, "x": {"y": {"r": 2}}}, id="or is added"
        ),
        pytest.param(
            {"Type": "Pass", "Result": {"b": [1]}, "Next": "Done"}, {}, {"b": [1]}, id="Pass"
        ),
        pytest.param(
            {
                "Type": "Pass",
                "Parameters": {"whole.$": "$", "name.$": "$$.Execution.Name", "k": 1},
                "Next": "Done",
            },
            {"a": 1},
            {"whole": {"a": 1}, "name": "one", "k": 1},
            id="a template",
        ),
        pytest.param({"Type": "Succeed", "OutputPath": "$.a"}, {"a": 1}, 1, id="OutputPath"),
        pytest.param({**PASS, "Result": {"z": 1}}, {}, {"z": 1}, id="End"),
    ],
)
def test_what_a_state_passes_on(first: dict[str, Any], given: Any, output: Any) -> None:
    execution = Lab({"step": [{"r": 2}]}).run(definition(first), given)

    assert (execution.status, execution.output) == ("SUCCEEDED", output)


def test_a_step_gets_the_input_or_what_its_parameters_say() -> None:
    lab = Lab()
    parameters = {
        "a.$": "$.deep.a",
        "input.$": "$$.Execution.Input",
        "id.$": "$$.Execution.Id",
        "at.$": "$$.Execution.StartTime",
    }
    given = {"deep": {"a": 1}}

    lab.run(definition(task(Parameters=parameters), Done=task("second", None)), given)

    arn = "arn:aws:states:eu-west-1:111122223333:execution:M:one"
    first, second = (event for _, _, event in lab.events)
    assert first == {"a": 1, "input": given, "id": arn, "at": "2027-01-15T08:00:00.000Z"}
    assert second == {}


@pytest.mark.parametrize(
    ("rule", "matching", "others"),
    [
        ({"StringEquals": "b"}, ["b"], ["a", 1, None]),
        ({"BooleanEquals": True}, [True], [False, 1, "true"]),
        ({"IsNumeric": True}, [1, 0.5], ["1", True, None]),
        ({"NumericGreaterThanEquals": 2}, [2, 3.5], [1.9, "3", True]),
        ({"NumericLessThanEquals": 2}, [2, -1], [2.1, "1", False]),
        ({"IsPresent": True}, [None, 0], []),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_where_a_choice_leads(rule: dict[str, Any], matching: list[Any], others: list[Any]) -> None:
    def chosen(document: dict[str, Any]) -> str:
        choices = [{"Variable": "$.v", **rule, "Next": "Done"}]
        first = {"Type": "Choice", "Choices": choices, "Default": "Other"}
        return Lab().run(definition(first, Other=DONE), document).states[-1]

    assert {chosen({"v": value}) for value in matching} == {"Done"}
    assert {chosen({"v": value}) for value in others} <= {"Other"}
    if "IsPresent" in rule:
        assert chosen({}) == "Other"


def test_all_parts_of_a_choice_have_to_hold_and_later_ones_are_not_looked_at() -> None:
    parts = [{"Variable": "$.v", "IsPresent": True}, {"Variable": "$.v", "IsNumeric": True}]
    first = {"Type": "Choice", "Choices": [{"And": parts, "Next": "Done"}], "Default": "Other"}

    states = [
        Lab().run(definition(first, Other=DONE), given).states[-1]
        for given in ({}, {"v": "x"}, {"v": 1})
    ]

    assert states == ["Other", "Other", "Done"]


def test_what_a_path_does_not_find_fails_the_execution_even_if_errors_are_caught() -> None:
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]
    first = task(Parameters={"a.$": "$.missing"}, Catch=catch)

    execution = Lab().run(definition(first))

    assert (execution.status, execution.error) == ("FAILED", "States.Runtime")


def test_waits_and_what_steps_take_let_time_pass() -> None:
    lab = Lab(takes={"step": 30})
    waiting = {"Type": "Wait", "SecondsPath": "$.s", "Next": "Then"}

    execution = lab.run(
        definition(waiting, Then=task(following="Last"), Last=task("last")), {"s": 2.5}
    )

    assert lab.times == [2.5, 32.5]
    assert execution.ended_at == START + 32.5


@pytest.mark.parametrize(
    ("errors", "times", "status"),
    [
        pytest.param(throttled(2), [0, 2, 6], "SUCCEEDED", id="until it succeeds"),
        pytest.param(throttled(9), [0, 2, 6, 11], "FAILED", id="as often as allowed"),
        pytest.param([StateError("Denied", "")], [0], "FAILED", id="of named errors only"),
    ],
)
def test_retries_wait_longer_each_time_and_are_transitions(
    errors: list[Any], times: list[float], status: str
) -> None:
    lab = Lab({"step": list(errors)})

    execution = lab.run(definition(task(Retry=[RETRY])))

    assert (lab.times, execution.status) == (times, status)
    assert lab.machines.transitions == len(times) + (status == "SUCCEEDED")


def test_waits_with_jitter_are_drawn_below_their_length() -> None:
    lab = Lab({"step": throttled(3)})

    lab.run(definition(task(Retry=[{**RETRY, "JitterStrategy": "FULL"}])))

    waits = [later - before for before, later in zip(lab.times, lab.times[1:], strict=False)]
    assert all(0 <= wait <= most for wait, most in zip(waits, (2, 4, 5), strict=True))
    assert len(set(waits)) == 3


@pytest.mark.parametrize(
    ("place", "output"),
    [
        ({}, {"Error": "Denied", "Cause": "no"}),
        ({"ResultPath": "$.why"}, {"a": 1, "why": {"Error": "Denied", "Cause": "no"}}),
    ],
    ids=["in place of the input", "beside the input"],
)
def test_a_caught_error_leads_on(place: dict[str, str], output: Any) -> None:
    lab = Lab({"step": [StateError("Denied", "no")]})
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "Done", **place}]

    execution = lab.run(definition(task(following="Other", Catch=catch), Other=PASS), {"a": 1})

    assert (execution.status, execution.output) == ("SUCCEEDED", output)


@pytest.mark.parametrize(
    "fail",
    [{"Error": "E", "Cause": "c"}, {"ErrorPath": "$.e", "CausePath": "$.d.c"}],
    ids=["texts", "paths"],
)
def test_a_failed_execution_has_an_error_and_a_cause(fail: dict[str, str]) -> None:
    execution = Lab().run(definition({"Type": "Fail", **fail}), {"e": "E", "d": {"c": "c"}})

    assert (execution.status, execution.error, execution.cause) == ("FAILED", "E", "c")


HALF = "x" * (MOST_BYTES // 2 + 1)
CAUGHT: dict[str, Any] = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]}


@pytest.mark.parametrize(
    ("first", "answer"),
    [
        pytest.param(task(**CAUGHT), [HALF, HALF], id="a result"),
        pytest.param(task(ResultPath="$.r", **CAUGHT), HALF, id="a result with its input"),
        pytest.param(
            {"Type": "Pass", "Parameters": {"a.$": "$", "b.$": "$"}, "End": True},
            "",
            id="a template",
        ),
    ],
)
def test_what_is_too_large_to_pass_on_fails_the_execution(
    first: dict[str, Any], answer: Any
) -> None:
    execution = Lab({"step": [answer]}).run(definition(first), {"text": HALF})

    assert (execution.status, execution.error) == ("FAILED", "States.DataLimitExceeded")


def a_map(*, most: int = 0, tolerated: int = 0, **states: dict[str, Any]) -> dict[str, Any]:
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Each",
        "States": states or {"Each": task("each", None)},
    }
    return {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"item.$": "$$.Map.Item.Value", "all.$": "$.k", "fixed": True},
        "ItemProcessor": processor,
        "MaxConcurrency": most,
        "ToleratedFailureCount": tolerated,
        "ResultPath": None,
        "Label": "Each",
        "Next": "Done",
    }


ITEMS = {"items": [5, 1, 3], "k": 7}


@pytest.mark.parametrize(
    ("most", "starts", "end"),
    [pytest.param(0, [0, 0, 0], 5, id="all"), pytest.param(2, [0, 0, 1], 5, id="two")],
)
def test_the_children_of_a_map_run_at_once_up_to_its_limit(
    most: int, starts: list[float], end: float
) -> None:
    waiting = {"Type": "Wait", "SecondsPath": "$.item", "Next": "After"}
    lab = Lab()

    execution = lab.run(
        definition(
            a_map(most=most, Each=task("each", "W", ResultPath="$.r"), W=waiting, After=PASS)
        ),
        ITEMS,
    )

    assert lab.times == starts
    assert [event for _, _, event in lab.events] == [
        {"item": item, "all": 7, "fixed": True} for item in (5, 1, 3)
    ]
    assert (execution.output, execution.ended_at) == (ITEMS, START + end)
    assert lab.machines.transitions == 2 + 3 * 3


@pytest.mark.parametrize(
    ("tolerated", "status"), [(1, "FAILED"), (2, "SUCCEEDED")], ids=["one", "two"]
)
def test_a_map_fails_if_more_children_fail_than_it_tolerates(tolerated: int, status: str) -> None:
    lab = Lab({"each": [StateError("Denied", "no"), {}, StateError("Denied", "no")]})

    execution = lab.run(definition(a_map(tolerated=tolerated)), ITEMS)

    assert len(lab.events) == 3
    assert execution.status == status
    assert execution.error in (None, "States.ExceedToleratedFailureThreshold")


def test_a_child_that_takes_long_does_not_hold_up_another() -> None:
    lab = Lab(takes={"each": 10})

    execution = lab.run(definition(a_map()), ITEMS)

    assert (lab.times, execution.ended_at) == ([0, 0, 0], START + 10)


def test_an_execution_that_takes_too_long_ends_with_its_children() -> None:
    lab = Lab()
    waiting = {"Type": "Wait", "SecondsPath": "$.item", "Next": "Each"}
    states = definition(a_map(Each=task("each", "W", ResultPath="$.r"), W=waiting))
    states["TimeoutSeconds"] = 7

    execution = lab.run(states, ITEMS)

    assert (execution.status, execution.ended_at) == ("TIMED_OUT", START + 7)
    assert max(lab.times) <= 7


@pytest.mark.parametrize(("given", "whole"), [(1, 1), (1.4, 1), (1.5, 2)])
def test_a_sum_is_a_whole_number(given: float, whole: int) -> None:
    adding = {"Type": "Pass", "Parameters": {"sum.$": "States.MathAdd($.a, 0)"}, "Next": "Done"}

    execution = Lab().run(definition(adding), {"a": given})

    assert execution.output == {"sum": whole}


def test_a_name_is_used_once() -> None:
    lab = Lab()
    lab.run(definition(PASS))

    assert lab.machines.start(MACHINE, "one", {}) is None


def changed(**changes: Any) -> dict[str, Any]:
    return definition(task(**changes))


@pytest.mark.parametrize(
    ("states", "named"),
    [
        (changed(TimeoutSeconds=3), "First: TimeoutSeconds"),
        (changed(Parameters={"a.$": "States.UUID()"}), r"path States.UUID\(\)"),
        (changed(Parameters={"a.$": "$.a[0]"}), "path"),
        (changed(Parameters={"a": {"b.$": "$.b"}}), "object or list a"),
        (changed(Resource="arn:aws:states:::sns:publish"), "Resource arn:aws:states:::sns"),
        (changed(Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Done"}]), "States.Timeout"),
        (changed(Retry=[{**RETRY, "JitterStrategy": "HALF"}]), "JitterStrategy HALF"),
        (changed(Retry=[{"ErrorEquals": ["E"]}]), "without IntervalSeconds"),
        (definition({"Type": "Parallel", "Branches": []}), "First: Type Parallel"),
        (definition({"Type": "Wait", "Seconds": 3, "Next": "Done"}), "without SecondsPath"),
        (
            definition({"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": True}]}),
            "without Next",
        ),
        (
            definition(
                {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "Done"}],
                }
            ),
            "IsNull",
        ),
        (definition({**a_map(), "ResultPath": "$.r"}), "ResultPath"),
        (definition({**a_map(), "ItemReader": {}}), "First: ItemReader"),
        ({**definition(PASS), "QueryLanguage": "JSONata"}, "QueryLanguage JSONata"),
        ({**definition(PASS), "Version": "1.0"}, "Version"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_simulated_is_refused_by_its_name(states: dict[str, Any], named: str) -> None:
    with pytest.raises(Unsupported, match=named):
        read_machine(states)


def test_threads_of_a_pool_have_a_time_of_their_own() -> None:
    clock = VirtualClock(START)
    began: dict[int, float] = defaultdict(float)

    def work(number: int, seconds: float) -> int:
        began[number] = clock.now() - START
        clock.advance(seconds)
        return number

    clock.advance(1)
    found = VirtualThreads(clock).map(2, work, enumerate((5.0, 1.0, 1.0, 4.0)))

    assert found == [0, 1, 2, 3]
    assert list(began.values()) == [1, 1, 2, 3]
    assert clock.now() == START + 7
