"""What another administrator sends to an account: nothing of it is accepted, ours is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.membership import Outcome
from tests.support.builders import ACCOUNT, ADMINISTRATOR, OTHER
from tests.support.event_samples import BROUGHT_BY
from tests.support.events import from_management
from tests.workflow.hands import HERE, at, email, entry, invite, outside

if TYPE_CHECKING:
    from tests.support.rollcall import Rollcall

SERVICES = ("securityhub", "guardduty", "detective")
FIRST, SECOND = AccountId("000011112222"), AccountId("999900001111")


def an_administrator(rollcall: Rollcall, service: str, account: AccountId) -> None:
    """Another organisation's administrator of the service."""
    rollcall.add_outside(account, email=email(account))
    rollcall.world.apply(
        {"do": "enable", "service": service, "account_id": account, "regions": [HERE]}
    )


def by_administrator(rollcall: Rollcall, service: str) -> dict[str, str]:
    """The account's status at each administrator's, in capitals."""
    return {
        one["administrator"]: str(one["status"]).upper()
        for one in rollcall.world.snapshot()["memberships"]
        if (one["service"], one["account_id"], one["region"]) == (service, ACCOUNT, HERE)
    }


@pytest.mark.member_role(ACCOUNT)
@pytest.mark.parametrize("service", SERVICES)
def test_ours_is_accepted_and_neither_a_strangers_earlier_nor_a_later_invitation(
    rollcall: Rollcall, service: str
) -> None:
    rollcall.found_organization()
    rollcall.add_outside(ACCOUNT, email=email(ACCOUNT), volume="known")
    for administrator in (FIRST, SECOND):
        an_administrator(rollcall, service, administrator)
    invite(rollcall, service, ACCOUNT, administrator=FIRST)

    rollcall.run(outside(ACCOUNT, **at(service)))
    assert entry(rollcall, service)["outcome"] == Outcome.ENABLED
    invite(rollcall, service, ACCOUNT, administrator=SECOND)
    rollcall.run(outside(ACCOUNT, **at(service)), "onboarding-2")

    assert entry(rollcall, service)["outcome"] == Outcome.ALREADY_ENABLED
    theirs = by_administrator(rollcall, service)
    assert theirs.pop(ADMINISTRATOR) == "ENABLED"
    assert theirs[FIRST] == "INVITED"
    # Security Hub and GuardDuty may refuse to invite a member of another administrator.
    assert set(theirs.values()) <= {"INVITED", "CREATED"}


@pytest.mark.parametrize("name", BROUGHT_BY)
@pytest.mark.configured(regions=(HERE, "ap-east-1"))
def test_an_event_from_a_stranger_is_refused_and_calls_no_service(
    rollcall: Rollcall, name: str
) -> None:
    rollcall.found_organization()
    for account in (ACCOUNT, OTHER):
        rollcall.add_account(account)
    rollcall.calls.clear()

    execution = rollcall.run(from_management(name) | {"account": FIRST})

    assert execution.error == "InvalidInput"
    called = [(call.service, call.operation) for call in rollcall.calls.read()]
    assert called in ([], [("organizations", "DescribeOrganization")])
    (result,) = rollcall.published_finally()
    assert (result["source"], result["memberships"]) == (BROUGHT_BY[name], [])
    assert result["failure"].startswith("refused: ")
