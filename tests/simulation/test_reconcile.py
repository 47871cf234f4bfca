"""A reconcile and all its runs in virtual time, each service and Region at its rate."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.configuration import Configuration
from functions.enrolment.rate import Rate
from functions.services import registry
from infra.local.gateway.faults import Fault
from tests.simulation.rollcall import RECONCILE, simulated
from tests.support.organization import add_account, found_organization

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.rollcall import SimulatedRollcall

CONFIGURATION = Configuration(("eu-west-1", "us-east-1"), registry.SERVICES)
ACCOUNTS = [AccountId(f"{200_000_000_000 + number}") for number in range(108)]
RATES = {
    "organizations:ListAccounts": Rate(1, 2),
    "securityhub": Rate(1, 1),
    "guardduty": Rate(0.5, 1),
}
MEMBERS: dict[str, Any] = {"services": ["securityhub", "guardduty"], "most_changes": 200}


@pytest.fixture
def running(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedRollcall]:
    """The management account, where nothing is enabled, and 108 accounts that are no members."""
    with simulated(template, CONFIGURATION, monkeypatch, rates=RATES) as running:
        found_organization(running.world, CONFIGURATION)
        for account in ACCOUNTS:
            add_account(running.world, account)
        running.calls.clear()
        yield running


def enabled(running: SimulatedRollcall) -> Counter[tuple[str, str]]:
    """How many of the accounts are Enabled, by service and Region."""
    return Counter(
        (each["service"], each["region"])
        for each in running.world.snapshot()["memberships"]
        if each["account_id"] in ACCOUNTS and each["status"].lower() == "enabled"
    )


def test_every_account_becomes_a_member_of_every_target(running: SimulatedRollcall) -> None:
    running.run(MEMBERS, "first", RECONCILE)

    (result,) = [d for kind, d in running.channels.events if kind == "Reconcile Completed"]
    assert sorted(run["accounts"] for run in result["runs"]) == [9, 50, 50]
    assert enabled(running) == dict.fromkeys(
        ((s, r) for s in MEMBERS["services"] for r in CONFIGURATION.regions), len(ACCOUNTS)
    )


def test_calls_wait_for_the_rate_of_their_service_and_region(running: SimulatedRollcall) -> None:
    began = running.clock.now()

    running.run(MEMBERS, "first", RECONCILE)

    at: dict[tuple[str, str], list[float]] = {}
    for call in running.calls.read():
        if call.service in RATES:
            at.setdefault((call.service, call.region), []).append(call.at)
    assert len(at) == 4
    for (service, _), moments in at.items():
        apart = 1 / RATES[service].per_second
        pairs = zip(sorted(moments), sorted(moments)[1:], strict=False)
        assert all(later - before >= apart - 1e-6 for before, later in pairs)
    # Six pages of accounts, two of them at once, one second for each other; then every target is
    # listed at the same time, with three calls of which the first does not wait.
    first = [call.at - began for call in running.calls.read() if call.operation == "ListAccounts"]
    listed = [at - began for at in at["guardduty", "us-east-1"][:3]]
    assert first[:6] == [0, 0, 1, 2, 3, 4]
    assert listed == [4, 6, 8]


def test_a_reconcile_is_the_same_each_time(
    template: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def histories() -> list[Any]:
        with simulated(template, CONFIGURATION, monkeypatch, seed=3) as running:
            found_organization(running.world, CONFIGURATION)
            for account in ACCOUNTS[:5]:
                add_account(running.world, account)
            fault = {"kind": "server_error", "operation": "CreateMembers", "times": 7}
            running.faults.add(Fault.from_json(fault, running.world.services))
            running.run(MEMBERS, "first", RECONCILE)
            return [(call.at, call.service, call.operation) for call in running.calls.read()]

    assert histories() == histories()
