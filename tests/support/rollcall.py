"""Rollcall in one process: the synthesised machine on moto's interpreter, the real handlers, the
local services, and one virtual clock that waits and retries push forward."""

from __future__ import annotations

import importlib
import json
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
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
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from functions.aws.ledger import Ledger
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.enrolment.results import Result
from functions.services import registry
from functions.steps import wiring
from functions.steps.execution_end import STATUS_CHANGE
from infra.local.api import Caller
from infra.local.facts.clock import ManualClock
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Fault, Faults
from infra.local.services.registry import SERVICES as LOCAL_SERVICES
from infra.local.world import World
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.in_process import local_first
from tests.support.lambda_context import CONTEXT
from tests.support.made_once import make_clients_once
from tests.support.organization import add_account, found_organization
from tests.support.permissions import UsedActions
from tests.support.schemas import ONBOARDING_SCHEMA, RECONCILE_SCHEMA
from tests.support.tables import copy_tables_cheaply, create_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from functions.enrolment.account import AccountId
    from functions.enrolment.configuration import Configuration
    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target
    from functions.services.record import ServiceRecord
    from infra.local.services.service import LocalService

REGION = "eu-west-1"
RESULTS = "rollcall-results"
TABLE = "RollcallTable"


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
    """The machine and everything around it; ``invoked`` are the steps, in their order.

    ``used`` are the IAM actions that the steps, and the member role, have used.
    """

    configuration: Configuration
    clock: ManualClock
    world: World
    faults: Faults
    calls: CallLog
    session: boto3.Session
    machine_arn: str
    ledger: Ledger
    used: UsedActions
    invoked: list[str] = field(default_factory=list)
    given: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    killed_by: type[BaseException] | None = None
    stopping: bool = False
    planned: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    begun: list[str] = field(default_factory=list)
    held: frozenset[str] = frozenset()
    passing: threading.Condition = field(default_factory=threading.Condition)

    def found_organization(self, regions: tuple[str, ...] | None = None) -> None:
        """The administrator as delegated administrator of all services, and set up everywhere."""
        found_organization(self.world, self.configuration, regions)

    def add_account(self, account_id: AccountId, **facts: object) -> None:
        """An account of the organisation."""
        add_account(self.world, account_id, **facts)

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
        self.faults.add(Fault.from_json(dict(fault), self.world.services))

    def meanwhile(self, after: float, do: Callable[[], object]) -> None:
        """Do something once, when ``after`` seconds have passed, while whatever runs waits."""
        self.planned.append((self.clock.now() + after, do))
        self.planned.sort(key=lambda entry: entry[0])

    def pass_seconds(self, seconds: float, execution: str = "") -> None:
        """Let time pass, for an execution unless for whoever tests, and do what was planned for it.

        Meanwhile the executions that had begun are held: on a slow machine their waits, of hours,
        would otherwise pass within the seconds of an execution that is started then.
        """
        end = self.clock.now() + seconds
        while True:
            with self.passing:
                self.passing.wait_for(lambda: self.stopping or execution not in self.held)
                if self.stopping:
                    return
                at, do = self.planned[0] if self.planned else (end, None)
                self.clock.advance(max(0.0, min(at, end) - self.clock.now()))
                if do is None or at > end:
                    return
                del self.planned[0]
                before, self.held = self.held, frozenset(self.begun)
            try:
                do()
            finally:
                with self.passing:
                    self.held = before
                    self.passing.notify_all()

    def run(self, document: object, name: str = "onboarding-1") -> Execution:
        """Run the machine to its end."""
        return self.ended(self.start(document, name))

    def start(self, document: object, name: str = "onboarding-1") -> str:
        """Start the machine; the execution's ARN."""
        self.stopping = False
        self.begun.append(name)
        machines: Any = self.session.client("stepfunctions")
        arn: str = machines.start_execution(
            stateMachineArn=self.machine_arn, name=name, input=json.dumps(document)
        )["executionArn"]
        return arn

    def stop(self, name: str = "onboarding-1") -> None:
        """Ask for an execution to be stopped; until another is started, time stands still."""
        with self.passing:
            self.stopping = True
            self.passing.notify_all()
        self.session.client("stepfunctions").stop_execution(executionArn=self.execution_arn(name))

    def execution_arn(self, name: str) -> str:
        """The ARN of an execution."""
        return self.machine_arn.replace(":stateMachine:", ":execution:") + f":{name}"

    def status_change(self, arn: str) -> dict[str, Any]:
        """Step Functions' event about an execution that has ended."""
        machines: Any = self.session.client("stepfunctions")
        told = machines.describe_execution(executionArn=arn)
        detail = {
            "executionArn": arn,
            "stateMachineArn": self.machine_arn,
            "name": told["name"],
            "status": told["status"],
            "startDate": told["startDate"].timestamp() * 1000,
            "stopDate": self.clock.now() * 1000,
            "input": told["input"],
            "inputDetails": {"included": True},
            "error": told.get("error"),
            "cause": told.get("cause"),
        }
        return {"source": "aws.states", "detail-type": STATUS_CHANGE, "detail": detail}

    def organizations(self, operation: str, **parameters: object) -> dict[str, Any]:
        """A call of Organizations by the management account."""
        call = self.world.services["organizations"].operations[operation]
        return call(Caller(MANAGEMENT, "us-east-1"), parameters)

    def step(self, module: str, event: dict[str, Any]) -> dict[str, Any]:
        """One invocation of a step's handler."""
        handler = importlib.import_module(f"functions.steps.{module}").handler
        with self.used.of(module):
            result: dict[str, Any] = handler(event, CONTEXT)
        return result

    def document(self, uri: str) -> dict[str, Any]:
        """A complete document in the bucket."""
        s3: Any = self.session.client("s3")
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        document: dict[str, Any] = json.loads(body)
        return document

    def ended(self, arn: str) -> Execution:
        """An execution once it has ended."""
        machines: Any = self.session.client("stepfunctions")
        name = arn.rpartition(":")[2]
        _until_ended(arn)
        ended = machines.describe_execution(executionArn=arn)
        history = machines.get_execution_history(executionArn=arn)["events"]
        entered = [
            e["stateEnteredEventDetails"] for e in history if "stateEnteredEventDetails" in e
        ]
        states = [state["name"] for state in entered]
        return Execution(name, ended["status"], ended.get("error"), ended.get("cause"), states)

    def memberships(
        self, *accounts: AccountId, name: str = "onboarding-1"
    ) -> dict[tuple[AccountId, Target], Membership]:
        """The accounts' memberships as the run's result has them."""
        found = self.ledger.findings(name)
        if found is None:
            return {}
        result = Result(found.onboarding, found.own, self.clock.now(), left=found.left)
        return {m.key: m for m in result.all if m.account_id in accounts}

    def published(self) -> dict[str, list[dict[str, Any]]]:
        """What subscribers of the topic and the bus have received since the last call.

        Each document is as its schema says.
        """
        sqs: Any = self.session.client("sqs")
        received: dict[str, list[dict[str, Any]]] = {}
        for channel in ("topic", "bus"):
            url = sqs.get_queue_url(QueueName=channel)["QueueUrl"]
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            bodies = [json.loads(message["Body"]) for message in messages]
            received[channel] = [body.get("detail", body) for body in bodies]
            for document in received[channel]:
                self._hold_to_its_schema(document)
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return received

    def _hold_to_its_schema(self, document: dict[str, Any]) -> None:
        """A published document, and the complete one in the bucket, are as the schema says."""
        schema = RECONCILE_SCHEMA if "surveyed_at" in document else ONBOARDING_SCHEMA
        schema.validate(document)
        uri = document["complete_document"]
        if uri is not None:
            complete = self.document(uri)
            schema.validate(complete)
            assert "complete_document" not in complete

    def published_finally(self) -> list[dict[str, Any]]:
        """The final results on the bus, in their order."""
        return [result for result in self.published()["bus"] if result["final"]]

    def loops(self, target: Target) -> list[dict[str, Any]]:
        """The inputs of the children of one target."""
        found = []
        for step, event in self.given:
            if step == "get_members" and "next" not in event:
                place = event["target"]
                if (place["service"], place["region"]) == (target.service.name, target.region):
                    found.append(event)
        return found

    def cuts_short(self, kind: type[BaseException]) -> None:
        """Let a step that raises this end as Lambda reports a function that was killed."""
        self.killed_by = kind

    def operations(self, service: str) -> list[str]:
        """The operations called at one of the local services, in order."""
        return [str(call.operation) for call in self.calls.read() if call.service == service]


@contextmanager
def rollcall(
    definition: dict[str, Any],
    configuration: Configuration,
    monkeypatch: pytest.MonkeyPatch,
    roles: dict[str, str],
    services: tuple[ServiceRecord, ...] = registry.SERVICES,
    local_services: tuple[type[LocalService], ...] = LOCAL_SERVICES,
) -> Iterator[Rollcall]:
    """Everything in place. ``roles`` are the member accounts with a member role, and its ARN;
    ``services`` are those that Rollcall knows, ``local_services`` their counterparts.
    """
    clock = ManualClock()
    world, faults, calls = World(clock, services=local_services), Faults(0), CallLog()
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
        make_clients_once(session, monkeypatch)
        monkeypatch.setenv("MOTO_ACCOUNT_ID", ADMINISTRATOR)
        local_first(
            session,
            endpoint,
            may_assume=lambda _, arn, external_id: (
                roles.get(arn.split(":")[4]) == arn
                and external_id == configuration.invitation.external_id
            ),
        )
        furnished, ledger = _furnish(session, configuration, services)
        machine: Any = session.client("stepfunctions")
        machine_arn = machine.create_state_machine(
            name="Rollcall",
            definition=json.dumps(definition),
            roleArn=f"arn:aws:iam::{ADMINISTRATOR}:role/machine",
        )["stateMachineArn"]
        settings = replace(furnished, onboarding_machine_arn=machine_arn)
        used = UsedActions(session, ADMINISTRATOR)
        built = Rollcall(
            configuration, clock, world, faults, calls, session, machine_arn, ledger, used
        )
        clients = Clients(session, clock.now)
        wired = wiring.Wiring(settings, clients, REGION, clock.now, services)
        monkeypatch.setattr(wiring, "wiring", lambda: wired)
        unpaced = partial(Pacing, now=clock.now, sleep=lambda _: None)
        monkeypatch.setattr(wiring, "Pacing", unpaced)
        _virtual_time(built, monkeypatch)
        copy_tables_cheaply(monkeypatch)
        _real_handlers(built, monkeypatch)
        yield built


def _furnish(
    session: boto3.Session, configuration: Configuration, services: tuple[ServiceRecord, ...]
) -> tuple[Settings, Ledger]:
    """Table, bus and topic, each of the last two with a queue behind it."""
    any_session: Any = session
    rows = create_table(any_session.client("dynamodb"), TABLE)
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
    any_session.client("s3").create_bucket(
        Bucket=RESULTS, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    settings = Settings(ADMINISTRATOR, "aws", configuration, TABLE, "rollcall", topic, RESULTS)
    return settings, Ledger(rows, services)


def _virtual_time(built: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_self: WaitFunction, env: Any, wait_seconds: int) -> None:
        execution = env.states.context_object.context_object_data["Execution"]["Name"]
        built.pass_seconds(wait_seconds, execution)
        if built.stopping:
            env.program_state_event.wait(1)

    monkeypatch.setattr(WaitFunction, "_wait_interval", wait)
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=built.pass_seconds))
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=built.clock.advance))


def _real_handlers(built: Rollcall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda runs the step that the function is named after, and answers errors as Lambda does."""

    def invoke(
        _self: object,
        function_name: str,
        _qualifier: object,
        body: Any,
        _headers: object,
        response_headers: dict[str, str],
    ) -> bytes:
        step = function_name.partition(":function:")[2].partition(":")[0]
        module = importlib.import_module(f"functions.steps.{step}")
        with built.one_at_a_time, built.used.of(step):
            built.invoked.append(step)
            built.given.append((step, json.loads(body)))
            try:
                result = module.handler(json.loads(body), CONTEXT)
            except Exception as error:  # noqa: BLE001  # as Lambda: whatever a handler raises
                response_headers["x-amz-function-error"] = "Unhandled"
                killed = built.killed_by is not None and isinstance(error, built.killed_by)
                name = "Lambda.Unknown" if killed else type(error).__name__
                result = {"errorType": name, "errorMessage": str(error)}
            return json.dumps(result).encode()

    monkeypatch.setattr(LambdaSimpleBackend, "invoke", invoke)


def _until_ended(execution_arn: str) -> None:
    """Asks moto itself: a call through botocore every few milliseconds slows the execution down."""
    backend: Any = stepfunctions_parser_backends[ADMINISTRATOR][REGION]
    ended = threading.Event()
    for _ in range(6000):
        if backend.describe_execution(execution_arn).status != "RUNNING":
            return
        ended.wait(0.01)
    raise AssertionError("the execution did not end")
