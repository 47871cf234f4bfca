"""How another execution ended, as Step Functions tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from functions.aws.executions import Ended, Execution, Executions, machine_of
from functions.enrolment.errors import AccessDenied, RollcallError, ServiceUnavailable, Throttled
from tests.support.builders import NOW
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_stepfunctions import SFNClient

EXECUTION = f"arn:aws:states:{REGION}:111122223333:execution:Rollcall:one"
ASKED = {"executionArn": EXECUTION}


@pytest.fixture
def states() -> SFNClient:
    client: SFNClient = a_session().client("stepfunctions", region_name=REGION)
    return client


@pytest.fixture
def stubber(states: SFNClient) -> Iterator[Stubber]:
    with Stubber(states) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def described(status: str, **more: Any) -> dict[str, Any]:
    machine = f"arn:aws:states:{REGION}:111122223333:stateMachine:Rollcall"
    began = datetime.fromtimestamp(NOW - 60, UTC)
    return {**ASKED, "stateMachineArn": machine, "status": status, "startDate": began, **more}


@pytest.mark.parametrize(
    ("status", "stopped"),
    [("SUCCEEDED", False), ("FAILED", False), ("TIMED_OUT", True), ("ABORTED", True)],
)
def test_an_execution_ended_at_a_time_and_may_have_been_stopped(
    states: SFNClient, stubber: Stubber, status: str, stopped: bool
) -> None:
    answer = described(status, stopDate=datetime.fromtimestamp(NOW, UTC))
    stubber.add_response("describe_execution", answer, ASKED)

    ended = Executions(states).ended(EXECUTION)

    assert ended == Ended(status, NOW)
    assert ended is not None
    assert ended.stopped is stopped


@pytest.mark.parametrize("status", ["RUNNING", "PENDING_REDRIVE"])
def test_an_execution_that_goes_on_has_not_ended(
    states: SFNClient, stubber: Stubber, status: str
) -> None:
    stubber.add_response("describe_execution", described(status), ASKED)

    assert Executions(states).ended(EXECUTION) is None


def test_of_an_execution_that_step_functions_has_forgotten_nothing_is_known(
    states: SFNClient, stubber: Stubber
) -> None:
    stubber.add_client_error("describe_execution", "ExecutionDoesNotExist")
    stubber.add_client_error("describe_execution", "ExecutionDoesNotExist")

    assert Executions(states).ended(EXECUTION) is None
    assert Executions(states).execution(EXECUTION) is None


@pytest.mark.parametrize(("status", "ended_at"), [("RUNNING", None), ("FAILED", NOW)])
def test_an_execution_is_found_with_its_times(
    states: SFNClient, stubber: Stubber, status: str, ended_at: float | None
) -> None:
    times = {} if ended_at is None else {"stopDate": datetime.fromtimestamp(ended_at, UTC)}
    stubber.add_response("describe_execution", described(status, **times), ASKED)

    assert Executions(states).execution(EXECUTION) == Execution(
        EXECUTION, status, NOW - 60, ended_at
    )


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDeniedException", 400, AccessDenied),
        ("ThrottlingException", 400, Throttled),
        ("InternalFailure", 500, ServiceUnavailable),
    ],
)
def test_what_cannot_be_looked_up_is_an_error(
    states: SFNClient, stubber: Stubber, code: str, status: int, error: type[RollcallError]
) -> None:
    stubber.add_client_error("describe_execution", code, http_status_code=status)

    with pytest.raises(error, match=f"^Step Functions DescribeExecution: {code}"):
        Executions(states).ended(EXECUTION)


def test_what_ended_without_success_is_listed_from_the_newest_on(
    states: SFNClient, stubber: Stubber
) -> None:
    machine = machine_of(EXECUTION)

    def page(status: str, *ages: float, after: str = "", more: str = "") -> None:
        listed = [
            {
                "executionArn": f"{EXECUTION}-{age}",
                "stateMachineArn": machine,
                "name": f"one-{age}",
                "status": status,
                "startDate": datetime.fromtimestamp(NOW - age, UTC),
                "stopDate": datetime.fromtimestamp(NOW, UTC),
            }
            for age in ages
        ]
        asked = {"stateMachineArn": machine, "statusFilter": status, "maxResults": 1000}
        stubber.add_response(
            "list_executions",
            {"executions": listed} | ({"nextToken": more} if more else {}),
            asked | ({"nextToken": after} if after else {}),
        )

    page("FAILED", 1, 2, more="t")
    page("FAILED", 3, 99, after="t", more="never asked for")
    page("ABORTED")
    page("TIMED_OUT", 4)

    found = list(Executions(states).unsuccessful(machine, NOW - 10))

    assert [(each.name, each.status) for each in found] == [
        *[(f"one-{age}", "FAILED") for age in (1, 2, 3)],
        ("one-4", "TIMED_OUT"),
    ]
    assert {(each.arn, each.started_at, each.ended_at) for each in found} == {
        (f"{EXECUTION}-{age}", NOW - age, NOW) for age in (1, 2, 3, 4)
    }


def test_an_execution_is_started_with_its_name(states: SFNClient, stubber: Stubber) -> None:
    machine = f"arn:aws:states:{REGION}:111122223333:stateMachine:Rollcall"
    asked = {"stateMachineArn": machine, "name": "one", "input": '{"accounts": []}'}
    answer = {"executionArn": EXECUTION, "startDate": datetime.fromtimestamp(NOW, UTC)}
    stubber.add_response("start_execution", answer, asked)
    stubber.add_client_error("start_execution", "ExecutionAlreadyExists", expected_params=asked)

    assert Executions(states).start(machine, "one", {"accounts": []})
    assert not Executions(states).start(machine, "one", {"accounts": []})


@pytest.mark.parametrize(
    ("answer", "over"),
    [
        (described("RUNNING"), False),
        (described("ABORTED", stopDate=datetime.fromtimestamp(NOW, UTC)), True),
        (None, True),
    ],
    ids=["running", "ended", "unknown"],
)
def test_an_execution_is_over_if_it_has_ended_or_does_not_exist(
    states: SFNClient, stubber: Stubber, answer: dict[str, Any] | None, over: bool
) -> None:
    if answer is None:
        stubber.add_client_error("describe_execution", "ExecutionDoesNotExist")
    else:
        stubber.add_response("describe_execution", answer, ASKED)

    assert Executions(states).is_over(EXECUTION) is over
