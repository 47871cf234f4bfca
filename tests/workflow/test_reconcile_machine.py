"""The machine of reconciles by itself, with what its steps answer: which steps run, and how it
ends."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)

from tests.support.builders import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"
START, WAIT, PUBLISH = (
    {"next": "start"},
    {"next": "wait", "wait_seconds": 20},
    {"next": "publish"},
)
COMPLETE = {"complete": True}


class Failed(Exception):
    """A step raises this; the text is the error's name."""


@dataclass
class Machine:
    """``answers`` are those of each step, in their order; ``events`` what the steps were given."""

    arn: str
    states: Any
    answers: dict[str, list[dict[str, Any] | Failed]] = field(default_factory=dict)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waited: list[int] = field(default_factory=list)

    @property
    def invoked(self) -> list[str]:
        """The steps, in the order in which they were invoked."""
        return [step for step, _ in self.events]

    def run(self, document: object = None, **answers: list[Any]) -> dict[str, Any]:
        """Run an execution named ``one`` to its end."""
        self.answers = {"close_run": [{"closed": 0, "failed": 0}], **answers}
        execution = self.states.start_execution(
            stateMachineArn=self.arn, name="one", input=json.dumps(document or {})
        )["executionArn"]
        for _ in range(1000):
            told: dict[str, Any] = self.states.describe_execution(executionArn=execution)
            if told["status"] != "RUNNING":
                return told
            threading.Event().wait(0.02)
        raise AssertionError("the execution did not end")


@pytest.fixture
def machine(
    reconcile_definition: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    options: Any = {
        "stepfunctions": {"execute_state_machine": True},
        "lambda": {"use_docker": False},
    }
    monkeypatch.setenv("MOTO_ACCOUNT_ID", ADMINISTRATOR)
    with mock_aws(config=options):
        states: Any = boto3.client(
            "stepfunctions",
            region_name=REGION,
            aws_access_key_id=ADMINISTRATOR,
            aws_secret_access_key="local",  # noqa: S106  # signatures are not verified
        )
        arn = states.create_state_machine(
            name="Reconcile",
            definition=json.dumps(reconcile_definition),
            roleArn=f"arn:aws:iam::{ADMINISTRATOR}:role/machine",
        )["stateMachineArn"]
        built = Machine(arn, states)

        def invoke(
            _self: object,
            function_name: str,
            _qualifier: object,
            body: Any,
            _headers: object,
            response_headers: dict[str, str],
        ) -> bytes:
            step = function_name.partition(":function:")[2].partition(":")[0]
            built.events.append((step, json.loads(body)))
            answer = built.answers[step].pop(0)
            if isinstance(answer, Failed):
                response_headers["x-amz-function-error"] = "Unhandled"
                answer = {"errorType": str(answer), "errorMessage": "for a test"}
            return json.dumps(answer).encode()

        monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)

        def wait(_self: WaitFunction, env: Any, wait_seconds: int) -> None:
            built.waited.append(wait_seconds)

        monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
        monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda _: None))
        yield built


def test_runs_are_started_and_awaited_and_the_reconcile_is_published(machine: Machine) -> None:
    document = {"source": "schedule"}

    ended = machine.run(
        document,
        survey_organization=[START],
        start_runs=[WAIT],
        await_runs=[{"next": "wait", "wait_seconds": 40}, PUBLISH],
        publish_reconcile=[COMPLETE],
    )

    assert ended["status"] == "SUCCEEDED"
    assert machine.invoked == [
        "close_run",
        "survey_organization",
        "start_runs",
        "await_runs",
        "await_runs",
        "publish_reconcile",
    ]
    assert machine.waited == [20, 40]
    assert json.loads(ended["output"]) == COMPLETE
    runs = "arn:aws:states:eu-west-1:111122223333:stateMachine:Rollcall"
    assert machine.events[0][1] == {"left_open": runs}
    for _, event in machine.events[1:]:
        assert event.keys() == {"input", "onboarding_id", "started_at", "execution_arn"}
        assert (event["input"], event["onboarding_id"]) == (document, "one")
        assert event["execution_arn"] == ended["executionArn"]


def test_if_there_is_nothing_to_start_it_is_published_at_once(machine: Machine) -> None:
    ended = machine.run(survey_organization=[PUBLISH], publish_reconcile=[COMPLETE])

    assert ended["status"] == "SUCCEEDED"
    assert machine.invoked == ["close_run", "survey_organization", "publish_reconcile"]


def test_a_survey_is_made_even_if_nothing_can_be_closed(machine: Machine) -> None:
    ended = machine.run(
        close_run=[Failed("AccessDenied")],
        survey_organization=[PUBLISH],
        publish_reconcile=[COMPLETE],
    )

    assert ended["status"] == "SUCCEEDED"
    assert machine.invoked == ["close_run", "survey_organization", "publish_reconcile"]


@pytest.mark.parametrize("failing", ["survey_organization", "start_runs", "await_runs"])
@pytest.mark.parametrize("document", [{"source": "schedule"}, ["anything"]], ids=["object", "list"])
def test_a_step_that_fails_for_good_is_published_with_its_failure(
    machine: Machine, failing: str, document: object
) -> None:
    answers: dict[str, list[Any]] = {
        "survey_organization": [START],
        "start_runs": [WAIT],
        "await_runs": [PUBLISH],
    }
    answers[failing] = [Failed("AccessDenied")]

    ended = machine.run(
        document,
        **answers,
        publish_reconcile=[{"complete": False, "error": "ReconcileFailed", "cause": "no access"}],
    )

    assert (ended["status"], ended["error"], ended["cause"]) == (
        "FAILED",
        "ReconcileFailed",
        "no access",
    )
    assert machine.invoked[-2:] == [failing, "publish_reconcile"]
    published = machine.events[-1][1]
    assert published["failure"]["Error"] == "AccessDenied"
    assert published["input"] == document


def test_what_heals_is_retried(machine: Machine) -> None:
    ended = machine.run(
        survey_organization=[Failed("Throttled"), Failed("Lambda.Unknown"), PUBLISH],
        publish_reconcile=[Failed("ServiceUnavailable"), COMPLETE],
    )

    assert ended["status"] == "SUCCEEDED"
    assert machine.invoked[1:] == ["survey_organization"] * 3 + ["publish_reconcile"] * 2


def test_a_reconcile_that_is_not_complete_fails_with_its_error(machine: Machine) -> None:
    ended = machine.run(
        survey_organization=[PUBLISH],
        publish_reconcile=[
            {"complete": False, "error": "ConfirmationRequired", "cause": "120 accounts"}
        ],
    )

    assert (ended["status"], ended["error"], ended["cause"]) == (
        "FAILED",
        "ConfirmationRequired",
        "120 accounts",
    )


def test_a_reconcile_that_cannot_be_published_fails_too(machine: Machine) -> None:
    ended = machine.run(survey_organization=[PUBLISH], publish_reconcile=[Failed("ServiceRefused")])

    # Its event runs the step once more: see tests/infra.
    assert (ended["status"], ended["error"]) == ("FAILED", "ServiceRefused")
