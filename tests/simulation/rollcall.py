"""Rollcall in virtual time: both synthesised state machines with the real handlers and adapters,
on the local services in process."""

from __future__ import annotations

import importlib
import json
import random
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import botocore.endpoint
from botocore.retries import standard

from functions.aws import reconciles
from functions.aws.pacing import Pacing
from functions.aws.sessions import Clients
from functions.aws.settings import Settings
from functions.services import registry, survey
from functions.steps import survey_organization, wiring
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from infra.local.world import World
from tests.conftest import definition_of, reconcile_definition_of
from tests.simulation.agenda import Agenda
from tests.simulation.around import Channels, MemoryArchive, SimulatedWiring
from tests.simulation.clock import VirtualClock, VirtualThreads
from tests.simulation.machine import StateError, StateMachines, at_once
from tests.simulation.processes import Pool
from tests.support.builders import ADMINISTRATOR
from tests.support.in_process import local_session
from tests.support.lambda_context import CONTEXT
from tests.support.memory_rows import MemoryRows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pytest

    from functions.enrolment.configuration import Configuration
    from functions.enrolment.rate import Rate
    from tests.simulation.machine import Execution

REGION = "eu-west-1"
_MACHINES = f"arn:aws:states:{REGION}:{ADMINISTRATOR}:stateMachine"
ONBOARDING, RECONCILE = f"{_MACHINES}:Rollcall", f"{_MACHINES}:RollcallReconcile"
# Each imports its pool of threads by this name.
_WITH_POOLS = (survey, survey_organization, reconciles)


@dataclass
class SimulatedRollcall:
    """The state machines and everything around them."""

    configuration: Configuration
    clock: VirtualClock
    agenda: Agenda
    world: World
    faults: Faults
    calls: CallLog
    machines: StateMachines
    rows: MemoryRows
    archive: MemoryArchive
    channels: Channels
    functions: Functions

    def run(self, document: object, name: str, machine: str = ONBOARDING) -> Execution:
        """Run an execution, and all that it starts, to the end."""
        started = self.machines.start(machine, name, document)
        assert started is not None
        self.agenda.run()
        return started


class Functions:
    """The Lambda functions. ``on_invoke`` is told every step that is invoked, and its event;
    ``on_return`` every step that has returned, and the seconds of virtual time that it took."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.on_invoke: Callable[[str, dict[str, Any]], object] = lambda _, __: None
        self.on_return: Callable[[str, float], object] = lambda _, __: None

    def invoke(self, step: str, event: dict[str, Any]) -> Any:
        """One invocation of a step's function.

        Raises:
            StateError: as Lambda reports what the handler raises. An invocation that takes longer
                than its function may fails, and what it has done stays done.
        """
        self.on_invoke(step, event)
        module = importlib.import_module(f"functions.steps.{step}")
        began = self._clock.now()
        try:
            result = module.handler(event, CONTEXT)
        except Exception as error:  # as Lambda: whatever a handler raises
            name = type(error).__name__
            cause = {"errorType": name, "errorMessage": str(error)}
            text = json.dumps(cause, separators=(",", ":"))
            raise StateError(name, text) from error
        took = self._clock.now() - began
        if took > module.NEEDS.timeout:
            raise StateError("Sandbox.Timedout", f"{step} took {took:.0f} s")
        self.on_return(step, took)
        return result


@contextmanager
def simulated(
    template: dict[str, Any],
    configuration: Configuration,
    patch: pytest.MonkeyPatch,
    *,
    rates: Mapping[str, Rate] | None = None,
    rows: MemoryRows | None = None,
    seed: int = 0,
) -> Iterator[SimulatedRollcall]:
    """Everything in place, on ``rows`` if they are given, with the machines of the template.

    Calls take no time, but wait for ``rates`` (see ``Pacing``), each service and Region for its
    own: all invocations share the buckets. Of a survey's threads each has its own time, so that
    targets that are read at once take as long as the slowest; the accounts are listed before.

    The local services see the time of the invocation that calls them. One that waited for a rate is
    ahead of others; what has become due by its time has happened for those, too.

    ``seed`` decides about every wait that is drawn, of Step Functions and of boto3.
    """
    clock, rows = VirtualClock(), rows or MemoryRows()
    agenda = Agenda(clock)
    world, faults, calls = World(clock, seed=seed), Faults(seed), CallLog()
    endpoint = Endpoint(world, clock, faults, calls)
    session = local_session(endpoint, ADMINISTRATOR, REGION)
    pacing = Pacing(rates or {}, clock.now, clock.advance)
    clients = Clients(session, clock.now, pacing=pacing)
    settings = Settings(
        ADMINISTRATOR, "aws", configuration, "table", "bus", "topic", "results", ONBOARDING
    )
    functions, randomness = Functions(clock), random.Random(seed)  # noqa: S311  # no secret
    machines = StateMachines(agenda, at_once(functions.invoke), randomness)
    archive, channels = MemoryArchive(), Channels()
    machines.create(ONBOARDING, definition_of(template))
    machines.create(RECONCILE, reconcile_definition_of(template))
    wired = SimulatedWiring(
        settings,
        clients,
        REGION,
        clock.now,
        registry.SERVICES,
        rows=rows,
        bucket=archive,
        channels=channels,
        machines=machines,
    )
    patch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Rollcall")
    patch.setattr(wiring, "wiring", lambda: wired)
    patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=clock.advance))
    backoff = partial(standard.ExponentialBackoff, random=randomness.random)
    patch.setattr(standard, "ExponentialBackoff", backoff)
    pool = partial(Pool, VirtualThreads(clock))
    for module in _WITH_POOLS:
        patch.setattr(module, "ThreadPoolExecutor", pool)
    around = (machines, rows, archive, channels, functions)
    yield SimulatedRollcall(configuration, clock, agenda, world, faults, calls, *around)
