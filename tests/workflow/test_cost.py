"""How many calls of the services a run costs, with every account verified Enabled at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

MEMBER_SERVICES = ("securityhub", "guardduty", "detective")
FIFTY = tuple(AccountId(f"{200_000_000_000 + number}") for number in range(50))
FIVE = FIFTY[:5]


def calls_per_account_and_target(rollcall: Rollcall, accounts: int) -> float:
    calls = sum(len(rollcall.operations(service)) for service in MEMBER_SERVICES)
    targets = len(MEMBER_SERVICES) * len(rollcall.configuration.regions)
    return calls / (accounts * targets)


def test_enrolling_fifty_accounts_of_the_organisation_costs_at_most_a_tenth_of_a_call_each(
    rollcall: Rollcall,
) -> None:
    rollcall.found_organization()
    for account_id in FIFTY:
        rollcall.add_account(account_id)
    rollcall.calls.clear()

    execution = rollcall.run({"accounts": [{"id": account_id} for account_id in FIFTY]})

    assert execution.status == "SUCCEEDED", execution
    assert rollcall.published()["bus"][0]["counts"]["enabled"] == 300
    assert calls_per_account_and_target(rollcall, 50) <= 0.10


@pytest.mark.member_role(*FIVE)
def test_inviting_and_accepting_costs_at_most_five_calls_each(rollcall: Rollcall) -> None:
    rollcall.found_organization()
    for account_id in FIVE:
        rollcall.add_outside(account_id, email=f"{account_id}@example.com")
    rollcall.calls.clear()
    accounts = [{"id": a, "email": f"{a}@example.com"} for a in FIVE]

    execution = rollcall.run({"accounts": accounts})

    assert execution.status == "SUCCEEDED", execution
    assert calls_per_account_and_target(rollcall, 5) <= 5
    assert {i["sent"] for i in rollcall.world.snapshot()["invitations"]} == {1}
