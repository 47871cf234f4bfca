"""Rollcall in one process: the synthesised machine on moto's interpreter, the real handlers, the
local services, and one virtual clock that waits and retries push forward."""

from __future__ import annotations

import importlib
import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import botocore.endpoint
from moto import mock_aws
from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)

from functions.aws.ledger import Ledger
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.regions import is_opt_in
from functions.steps import wiring
from infra.local.api import Caller
from infra.local.calls import CallLog
from infra.local.clock import ManualClock
from infra.local.endpoint import Endpoint
from infra.local.faults import Fault, Faults
from infra.local.world import World
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.in_process import local_first
from tests.support.tables import create_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.records import MembershipRecord
    from functions.enrolment.target import Target

REGION = "eu-west-1"
SERVICES = ("securityhub", "guardduty", "detective")


@dataclass(frozen=True, slots=True)
class Execution:
    """How an execution ended; ``states`` are the parent's, in their order."""

    name: str
    status: str
    error: str | None
    cause: str | None
    states: list[str]


@dataclass
class Rollcall:
    """The machine and everything around it. ``actions`` notes each step's AWS calls."""

    configuration: Configuration
    clock: ManualClock
    world: World
    faults: Faults
    calls: CallLog
    session: boto3.Session
    machine_arn: str
    ledger: Ledger
    invoked: list[str] = field(default_factory=list)
    actions: dict[str, set[str]] = field(default_factory=dict)

    def found_organization(self, regions: tuple[str, ...] | None = None) -> None:
        """The administrator as delegated administrator of all services, and set up everywhere."""
        everywhere = list(regions or self.configuration.regions)
        self.world.apply({"do": "create_organization", "management": MANAGEMENT})
        self.add_account(ADMINISTRATOR, regions=[r for r in everywhere if is_opt_in(r)])
        access = {"management": MANAGEMENT, "principal": "account.amazonaws.com"}
        self.world.apply({"do": "trust", **access})
        self.world.services["organizations"].operations["RegisterDelegatedAdministrator"](
            Caller(MANAGEMENT, "us-east-1"),
            {"AccountId": ADMINISTRATOR, "ServicePrincipal": access["principal"]},
        )
        for service in SERVICES:
            place = {"service": service, "account_id": ADMINISTRATOR, "regions": everywhere}
            self.world.apply({"do": "enable", **place})
            self.world.apply({"do": "designate", **place})

    def add_account(self, account_id: AccountId, **facts: object) -> None:
        """An account of the organisation."""
        self.add_outside(account_id, organization=MANAGEMENT, **facts)

    def add_outside(self, account_id: AccountId, **facts: object) -> None:
        """An account outside the organisation."""
        self.world.apply({"do": "add_account", "account_id": account_id, **facts})

    def reconfigure(self, monkeypatch: pytest.MonkeyPatch, configuration: Configuration) -> None:
        """Run the steps with another configuration from now on."""
        wired = wiring.wiring()
        settings = replace(wired.settings, configuration=configuration)
        changed = replace(wired, settings=settings)
        monkeypatch.setattr(wiring, "wiring", lambda: changed)
        self.configuration = configuration

    def fail(self, **fault: object) -> None:
        """Switch a fault of the local services on."""
        self.faults.add(Fault.from_json(dict(fault)))

    def run(self, document: object, name: str = "onboarding-1") -> Execution:
        """Run the machine to its end."""
        machines: Any = self.session.client("stepfunctions")
        arn = machines.start_execution(
            stateMachineArn=self.machine_arn, name=name, input=json.dumps(document)
        )["executionArn"]
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join(timeout=60)
        _until_ended(machines, arn)
        ended = machines.describe_execution(executionArn=arn)
        history = machines.get_execution_history(executionArn=arn)["events"]
        entered = [
            e["stateEnteredEventDetails"] for e in history if "stateEnteredEventDetails" in e
        ]
        states = [state["name"] for state in entered]
        return Execution(name, ended["status"], ended.get("error"), ended.get("cause"), states)

    def memberships(
        self, *accounts: AccountId, name: str = "onboarding-1"
    ) -> dict[tuple[AccountId, Target], MembershipRecord]:
        """What the run remembered."""
        found = self.ledger.memberships(name, accounts)
        return {(record.account_id, record.target): record for record in found}

    def published(self) -> dict[str, list[dict[str, Any]]]:
        """What subscribers of the topic and the bus have received since the last call."""
        sqs: Any = self.session.client("sqs")
        received: dict[str, list[dict[str, Any]]] = {}
        for channel in ("topic", "bus"):
            url = sqs.get_queue_url(QueueName=channel)["QueueUrl"]
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            bodies = [json.loads(message["Body"]) for message in messages]
            received[channel] = [body.get("detail", body) for body in bodies]
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def operations(self, service: str) -> list[str]:
        """The operations called at one of the local services, in order."""
        return [str(call.operation) for call in self.calls.read() if call.service == service]


@contextmanager
def rollcall(
    definition: dict[str, Any],
    configuration: Configuration,
    monkeypatch: pytest.MonkeyPatch,
    roles: dict[str, str],
) -> Iterator[Rollcall]:
    """Everything in place. ``roles`` are the member accounts with a member role, and its ARN."""
    clock = ManualClock()
    world, faults, calls = World(clock), Faults(0), CallLog()
    endpoint = Endpoint(world, clock, faults, calls)
    options: Any = {
        # botocore calls every handler, and moto's would refuse what it does not know.
        "core": {"passthrough": {"services": [*world.services, "sts"]}},
        "stepfunctions": {"execute_state_machine": True},
        "lambda": {"use_docker": False},
    }
    with ExitStack() as stack:
        stack.enter_context(mock_aws(config=options))
        session = boto3.Session(
            aws_access_key_id=ADMINISTRATOR,
            aws_secret_access_key="local",  # noqa: S106  # signatures are not verified
            region_name=REGION,
        )
        monkeypatch.setenv("MOTO_ACCOUNT_ID", ADMINISTRATOR)
        local_first(
            session,
            endpoint,
            may_assume=lambda _, arn, external_id: (
                roles.get(arn.split(":")[4]) == arn
                and external_id == configuration.invitation.external_id
            ),
        )
        settings, ledger = _furnish(session, configuration)
        machine: Any = session.client("stepfunctions")
        machine_arn = machine.create_state_machine(
            name="Rollcall",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{ADMINISTRATOR}:role/machine",
        )["stateMachineArn"]
        built = Rollcall(configuration, clock, world, faults, calls, session, machine_arn, ledger)
        clients = Clients(session, clock.now)
        wired = wiring.Wiring(settings, clients, REGION, clock.now)
        monkeypatch.setattr(wiring, "wiring", lambda: wired)
        _virtual_time(clock, monkeypatch)
        _real_handlers(built, monkeypatch)
        yield built


def _furnish(session: boto3.Session, configuration: Configuration) -> tuple[Settings, Ledger]:
    """Table, bus and topic, each of the last two with a queue behind it."""
    any_session: Any = session
    table = create_table(any_session.resource("dynamodb").Table("RollcallTable"))
    sqs, sns, events = (any_session.client(name) for name in ("sqs", "sns", "events"))
    arns = {}
    for channel in ("topic", "bus"):
        url = sqs.create_queue(QueueName=channel)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        arns[channel] = attributes["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="rollcall")["TopicArn"]
    sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arns["topic"],
        Attributes={"RawMessageDelivery": "true"},
    )
    events.create_event_bus(Name="rollcall")
    pattern = json.dumps({"source": ["rollcall"]})
    events.put_rule(Name="results", EventBusName="rollcall", EventPattern=pattern)
    target = {"Id": "queue", "Arn": arns["bus"]}
    events.put_targets(Rule="results", EventBusName="rollcall", Targets=[target])
    settings = Settings(ADMINISTRATOR, "aws", configuration, table.name, "rollcall", topic)
    return settings, Ledger(table)


def _virtual_time(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_self: WaitFunction, env: object, wait_seconds: int) -> None:
        clock.advance(wait_seconds)

    monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
    for module in (retrier_decl, botocore.endpoint):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=clock.advance))


def _real_handlers(built: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda runs the step that the function is named after, and answers errors as Lambda does."""
    one_at_a_time = threading.Lock()

    def invoke(
        _self: object,
        function_name: str,
        _qualifier: object,
        body: Any,
        _headers: object,
        response_headers: dict[str, str],
    ) -> bytes:
        step = function_name.rpartition(":")[2]
        module = importlib.import_module(f"functions.steps.{step}")
        with one_at_a_time:
            built.invoked.append(step)
            try:
                result = module.handler(json.loads(body), SimpleNamespace(aws_request_id="1"))
            except Exception as error:  # noqa: BLE001  # as Lambda: whatever a handler raises
                response_headers["x-amz-function-error"] = "Unhandled"
                result = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return json.dumps(result).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)


def _until_ended(machines: Any, execution_arn: str) -> None:
    ended = threading.Event()
    for _ in range(6000):
        if machines.describe_execution(executionArn=execution_arn)["status"] != "RUNNING":
            return
        ended.wait(0.01)
    raise AssertionError("the execution did not end")
