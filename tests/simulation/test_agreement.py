"""The interpreter does what moto's does with the same definition, handlers and local services.

Without Detective: it reads what the child of GuardDuty has recorded, maybe at the same moment, and
with moto's threads it is a matter of luck which of them comes first.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.archive import survey_key
from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.enrolment.handover import Batch, batch_to_json
from functions.services import registry
from functions.services.survey import make_survey
from functions.steps import wiring
from infra.local.gateway.faults import Fault
from tests.bench.in_process import metered
from tests.simulation.rollcall import ONBOARDING, simulated
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.events import create_account_result
from tests.support.organization import add_account, found_organization

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.gateway.faults import Faults
    from infra.local.world import World

    # Prepares the world and its faults; the input of the run.
    Prepare = Callable[[World, Faults], object]

REGIONS = ("eu-west-1", "us-east-1")
CONFIGURATION = Configuration(REGIONS, (registry.SECURITYHUB, registry.GUARDDUTY))
NAME = "onboarding-1"
Target = tuple[str, str]


@dataclass
class Ran:
    """What a run did: the steps and their events in order, by target, None for those of no target;
    the run's own states; how it ended; and what became of the memberships at the services."""

    steps: dict[Target | None, list[tuple[str, Any]]]
    states: list[str]
    end: tuple[str, str | None, str | None]
    transitions: int
    memberships: list[Any]


def a_new_account(world: World, _: Faults) -> object:
    add_account(world, ACCOUNT)
    return create_account_result(ACCOUNT)


def two_accounts_of_which_a_service_refuses_both(world: World, faults: Faults) -> object:
    add_account(world, ACCOUNT)
    add_account(world, OTHER)
    place = {"service": "guardduty", "region": "us-east-1", "operation": "CreateMembers"}
    faults.add(Fault.from_json({"kind": "access_denied", **place}, world.services))
    return {"accounts": [{"id": ACCOUNT}, {"id": OTHER}]}


def slow_services(world: World, _: Faults) -> object:
    add_account(world, ACCOUNT)
    timings = {"securityhub_enable": 400, "guardduty_enable": 100}
    world.apply({"do": "set_timings", **timings})
    return {"accounts": [{"id": ACCOUNT}]}


def an_invalid_input(_: World, __: Faults) -> object:
    return {"accounts": []}


def a_batch_of_a_reconcile(world: World, _: Faults) -> object:
    accounts = {AccountId(f"{200_000_000_000 + n}"): f"{n}@example.com" for n in range(3)}
    for account, email in accounts.items():
        add_account(world, account, email=email)
    wired = wiring.wiring()
    found = make_survey(
        wired.configuration.targets,
        wired.configuration,
        wired.services,
        wired.directory,
        ADMINISTRATOR,
        wired.service,
        clock=wired.now,
    )
    facts = Batch("r", 1, wired.now(), "", found.facts, ()).facts_with(accounts)
    batch = Batch("r", 1, wired.now(), f"{ONBOARDING}:r", facts, found.listings)
    wired.archive.persist(survey_key("r", "batches/1"), batch_to_json(batch))
    entries = [{"id": account, "email": email} for account, email in accounts.items()]
    return {"reconcile": {"id": "r", "batch": 1}, "accounts": entries, "begin_after": 40}


def by_moto(prepare: Prepare, configuration: Configuration) -> Ran:
    with metered(configuration) as (running, meter):
        execution = running.run(prepare(running.world, running.faults), NAME)
        return Ran(
            _by_target(running.given),
            execution.states,
            (execution.status, execution.error, execution.cause),
            meter.entered,
            _memberships(running.world),
        )


def by_simulation(prepare: Prepare, configuration: Configuration, template: dict[str, Any]) -> Ran:
    with (
        pytest.MonkeyPatch.context() as patch,
        simulated(template, configuration, patch) as running,
    ):
        found_organization(running.world, configuration)
        given: list[tuple[str, Any]] = []
        running.functions.on_invoke = lambda step, event: given.append((step, event))
        execution = running.run(prepare(running.world, running.faults), NAME)
        return Ran(
            _by_target(given),
            execution.states,
            (execution.status, execution.error, execution.cause),
            running.machines.transitions,
            _memberships(running.world),
        )


def _memberships(world: World) -> list[Any]:
    """Without an order: targets go on at the same time."""
    found: list[Any] = world.snapshot()["memberships"]
    return sorted(found, key=lambda each: (each["account_id"], each["region"], each["service"]))


def _by_target(given: list[tuple[str, Any]]) -> dict[Target | None, list[tuple[str, Any]]]:
    found: dict[Target | None, list[tuple[str, Any]]] = defaultdict(list)
    for step, event in given:
        place = event.get("target")
        key = (place["service"], place["region"]) if isinstance(place, dict) else None
        found[key].append((step, json.loads(json.dumps(event))))
    return found


@pytest.mark.parametrize(
    ("prepare", "configuration", "last"),
    [
        pytest.param(a_new_account, CONFIGURATION, "Complete", id="a new account"),
        pytest.param(slow_services, CONFIGURATION, "Complete", id="slow services"),
        pytest.param(
            two_accounts_of_which_a_service_refuses_both,
            CONFIGURATION,
            "Incomplete",
            id="a refused service",
        ),
        pytest.param(an_invalid_input, CONFIGURATION, "Failed", id="an invalid input"),
        pytest.param(a_batch_of_a_reconcile, CONFIGURATION, "Complete", id="of a reconcile"),
    ],
)
def test_it_runs_the_same_steps_on_the_same_documents(
    prepare: Prepare, configuration: Configuration, last: str, template: dict[str, Any]
) -> None:
    expected = by_moto(prepare, configuration)
    found = by_simulation(prepare, configuration, template)

    assert expected.states[-1] == last
    assert found == expected
