"""Rollcall as it is deployed: both state machines, the steps as Lambda functions, and every request
of theirs over a simulated network to simulated services.

What a person or AWS does is done here, too: events, the daily schedule, starts, aborts.
"""

from __future__ import annotations

import json
import random
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import botocore.endpoint

from functions.aws import reconciles
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.intake.pattern import matches
from functions.services import registry, survey
from functions.steps import step, survey_organization, wiring
from functions.steps.execution_end import STATUS_CHANGE
from infra.local.api import Caller
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.world import World
from infra.organization import wanted_patterns
from tests.simulation.agenda import Agenda
from tests.simulation.clock import VirtualClock
from tests.simulation.lambda_functions import Functions
from tests.simulation.machine import SUCCEEDED, StateMachines
from tests.simulation.machine_roles import MachineRoles
from tests.simulation.network import REGION, Network, Verdict, session
from tests.simulation.permissions import Permissions, Wanted
from tests.simulation.processes import Pool, Processes
from tests.simulation.services.around import S3, EventBridge, Sns, StepFunctions, Sts
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.troubles import Kind, Troubles
from tests.simulation.watch import Watch
from tests.simulation.writes import Writes
from tests.support.builders import ADMINISTRATOR, MANAGEMENT
from tests.support.organization import found_organization

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import boto3

    from functions.enrolment.configuration import Configuration
    from tests.simulation.deployed import Deployed
    from tests.simulation.machine import Execution
    from tests.simulation.troubles import Trouble

BEGIN = 1_800_000_000.0
DAY = 86400.0
_HERE = f"{REGION}:{ADMINISTRATOR}"
_MACHINES = f"arn:aws:states:{_HERE}:stateMachine"
ONBOARDING, RECONCILE = f"{_MACHINES}:Rollcall", f"{_MACHINES}:RollcallReconcile"
TABLE = f"arn:aws:dynamodb:{_HERE}:table/Rollcall"
BUS = f"arn:aws:events:{_HERE}:event-bus/Rollcall"
TOPIC, BUCKET = f"arn:aws:sns:{_HERE}:Rollcall", "rollcall-results"
# Who has the roles that start executions.
RULES, SCHEDULE = "rules", "schedule"
# 04:23 UTC, and the window in which the schedule starts a reconcile.
_DAILY, _WINDOW = 4 * 3600 + 23 * 60, 900
_WITH_POOLS = (survey, survey_organization, reconciles)
_DELIVERY = frozenset({Kind.EVENT_LOST, Kind.EVENT_TWICE, Kind.EVENT_LATE})


@dataclass(frozen=True)
class _Wiring(wiring.Wiring):
    agenda: Agenda
    processes: Processes

    @property
    def paced(self) -> _Wiring:
        """All requests of the invocation are paced from now on."""
        process = self.processes.current
        if process is not None:
            process.pacing = Pacing(self.rates, self.agenda.now, self.processes.sleep)
        return self


@dataclass(frozen=True, slots=True)
class Published:
    """A document that was put on the bus, or sent to the topic."""

    at: float
    channel: str
    kind: str
    document: Mapping[str, Any]


class Log:
    """In the place of standard output: ``broken`` are lines that may not be there."""

    def __init__(self) -> None:
        self.lines = 0
        self.broken: list[str] = []

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if not line:
                continue
            self.lines += 1
            if "@" in line or not (line.startswith("{") and line.endswith("}")):
                self.broken.append(line)
        return len(text)

    def flush(self) -> None:
        pass


@dataclass
class Site:
    """Everything there is in one simulation."""

    configuration: Configuration
    clock: VirtualClock
    agenda: Agenda
    processes: Processes
    troubles: Troubles
    world: World
    network: Network
    functions: Functions
    machines: StateMachines
    table: DynamoDb
    bucket: S3
    randomness: random.Random
    watch: Watch
    permissions: Permissions
    log: Log = field(default_factory=Log)
    published: list[Published] = field(default_factory=list)
    writes: Writes = field(init=False)
    # What the schedule, people and events have started.
    started: list[Execution] = field(default_factory=list)
    member_roles: set[str] = field(default_factory=set)
    _names: int = 0

    def __post_init__(self) -> None:
        self.writes = Writes(self)

    def now(self) -> float:
        return self.agenda.now()

    def management(self, operation: str, **parameters: object) -> dict[str, Any]:
        """A call of Organizations by people of the management account."""
        return self.call(MANAGEMENT, "organizations", operation, "us-east-1", **parameters)

    def call(
        self, account: str, service: str, operation: str, region: str, **parameters: object
    ) -> dict[str, Any]:
        """A call of an account's people. Raises ServiceError."""
        call = self.world.services[service].operations[operation]
        result = call(Caller(account, region), parameters)
        self.deliver()
        return result

    def deliver(self) -> None:
        """Send the events that the services have emitted."""
        for event in self.world.drain_events():
            self.arrive(event)

    def arrive(self, event: dict[str, Any]) -> None:
        """Deliver an event of the organisation, as far as nothing goes wrong with that."""
        name = event["detail"].get("eventName", event["detail-type"])
        trouble = self.troubles.of(name, self.now(), _DELIVERY)
        kind = None if trouble is None else trouble.kind
        if kind is Kind.EVENT_LOST:
            return
        late = trouble.amount if trouble and kind is Kind.EVENT_LATE else 0.0
        for _ in range(2 if kind is Kind.EVENT_TWICE else 1):
            delay = late + 0.5 + 4 * self.randomness.random()
            self.agenda.after(delay, partial(self._forward, event))

    def _forward(self, event: dict[str, Any]) -> None:
        for name, pattern in wanted_patterns(self.configuration).items():
            if matches(pattern, event):
                self.start_as(RULES, ONBOARDING, event, name.replace(" ", "-"))

    def start_as(self, who: str, machine: str, document: object, kind: str) -> None:
        """Start an execution with the role of the rules or of the schedule, if it may."""
        if self.permissions.refusal(who, (Wanted("states:StartExecution", machine),)) is None:
            self.start(machine, document, kind)

    def start(self, machine: str, document: object, kind: str) -> Execution:
        """Start an execution with a name of its own."""
        self._names += 1
        started = self.machines.start(machine, f"{kind}-{self._names}", document)
        assert started is not None
        self.started.append(started)
        return started

    def every_day(self, until: float) -> None:
        """Start reconciles as the schedule does."""
        day = self.now() // DAY
        while (moment := day * DAY + _DAILY) < until:
            if moment > self.now():
                late = _WINDOW * self.randomness.random()
                given = (RECONCILE, {"source": "schedule"}, "daily")
                start = partial(self.start_as, SCHEDULE, *given)
                self.agenda.at(moment + late, start)
            day += 1

    def ended(self, execution: Execution) -> None:
        """Send Step Functions' event about an execution that ended."""
        if execution.status == SUCCEEDED:
            return
        machine = execution.machine_arn
        arn = execution.arn
        if execution.parent is not None:
            machine = f"{machine}/Targets"
            arn = f"{machine.replace(':stateMachine:', ':execution:')}:{execution.name}"
        given = json.dumps(execution.input)
        detail = {
            "executionArn": arn,
            "stateMachineArn": machine,
            "name": execution.name,
            "status": execution.status,
            "startDate": execution.started_at * 1000,
            "stopDate": self.now() * 1000,
            "input": given,
            "inputDetails": {"included": True},
            "error": execution.error,
            "cause": execution.cause,
        }
        event = {"source": "aws.states", "detail-type": STATUS_CHANGE, "detail": detail}
        if self.troubles.of(STATUS_CHANGE, self.now(), frozenset({Kind.EVENT_LOST})):
            return
        if machine == RECONCILE:
            handler = "publish_reconcile"
        elif execution.parent is not None or machine == ONBOARDING:
            handler = "close_run"
        delay = 1 + 10 * self.randomness.random()
        self.agenda.after(delay, lambda: self.functions.invoke_for_event(handler, event))

    def put(self, entry: Mapping[str, Any]) -> None:
        document = json.loads(entry["Detail"])
        self.published.append(Published(self.now(), "bus", entry["DetailType"], document))

    def send(self, form: Mapping[str, Any]) -> None:
        document = json.loads(json.loads(form["Message"])["default"])
        self.published.append(Published(self.now(), "topic", form["Subject"], document))

    def may_assume(self, account: str, arn: str, external_id: str | None) -> bool:
        invitation = self.configuration.invitation
        process = self.processes.current
        assert process is not None
        right = arn == f"arn:aws:iam::{account}:role/{invitation.member_role}"
        there = account in self.member_roles and self.world.is_open(account)
        return right and there and self.permissions.trusts_step(process.step, external_id)

    def configure(self, configuration: Configuration) -> None:
        """Deploy another configuration: invocations from now on have it."""
        self.configuration = configuration


@contextmanager
def site(
    deployed: Deployed,
    configuration: Configuration,
    seed: int = 0,
    troubles: Sequence[tuple[int, Trouble]] = (),
    page: int = 3,
) -> Iterator[Site]:
    """Everything in place: an organisation with its administrator, and no other account.

    Everything is done with the roles that are ``deployed``. ``seed`` decides about everything that
    is drawn while it runs.
    """
    randomness = random.Random(f"site {seed}")  # noqa: S311  # no secret
    clock = VirtualClock(BEGIN)
    agenda = Agenda(clock)
    processes = Processes(agenda)
    strikes = Troubles(seed, troubles, BEGIN)
    world, verdict = World(clock, seed=seed), Verdict()
    endpoint = Endpoint(world, clock, cast("Any", verdict), CallLog())
    functions = Functions(agenda, processes, strikes, randomness)

    def ended(execution: Execution) -> None:
        here.ended(execution)

    permissions = Permissions(deployed.roles)
    roles = MachineRoles(deployed.definitions, permissions, functions, agenda)
    machines = StateMachines(agenda, roles.invoke, randomness, ended, roles.begin_map)
    for arn, definition in deployed.definitions.items():
        machines.create(arn, definition)

    def lag() -> float:
        return strikes.amount(Kind.STALE, "dynamodb", clock.now())

    table = DynamoDb(TABLE, clock.now, lag, page)
    bucket = S3(BUCKET)
    services: dict[str, Any] = {
        "dynamodb": table,
        "s3": bucket,
        "eventbridge": EventBridge(BUS, lambda entry: here.put(entry)),
        "sns": Sns(lambda form: here.send(form)),
        "sfn": StepFunctions(machines),
        "sts": Sts(clock.now, lambda *asked: here.may_assume(*asked)),
    }
    watch = Watch(world, table)
    network = Network(
        agenda, processes, endpoint, verdict, services, strikes, randomness, permissions, watch
    )
    here = Site(
        configuration,
        clock,
        agenda,
        processes,
        strikes,
        world,
        network,
        functions,
        machines,
        table,
        bucket,
        randomness,
        watch,
        permissions,
    )
    with world.at_once():
        found_organization(world, configuration)
    with _wired(here):
        yield here


@contextmanager
def _wired(here: Site) -> Iterator[None]:
    """The steps work with this site, and every time that passes for them is its time."""
    connected = session()
    processes, clock = here.processes, here.clock

    def now() -> float:
        process = processes.current
        return clock.now() + (process.skew if process else 0.0)

    clients = Clients(cast("boto3.Session", connected), now)

    def wired() -> _Wiring:
        places = ("Rollcall", "Rollcall", TOPIC, BUCKET, ONBOARDING)
        settings = Settings(ADMINISTRATOR, "aws", here.configuration, *places)
        return _Wiring(settings, clients, REGION, now, registry.SERVICES, here.agenda, processes)

    patch, pool = mock.patch.object, partial(Pool, processes)
    with ExitStack() as stack:
        for each in (
            patch(wiring, "wiring", wired),
            patch(botocore.endpoint, "time", SimpleNamespace(sleep=processes.sleep)),
            patch(connected, "network", here.network),
            patch(connected, "draw", here.randomness.random),
            patch(step.logger.handlers[0], "stream", here.log),
            redirect_stdout(cast("Any", here.log)),
            *(patch(module, "ThreadPoolExecutor", pool) for module in _WITH_POOLS),
        ):
            stack.enter_context(cast("Any", each))
        yield
