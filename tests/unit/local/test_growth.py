"""What a request takes does not grow with accounts and memberships that it is not about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OTHER_MEMBER,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
    email,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from tests.support.local_world import Actor

    Request = Callable[["Crowd"], object]

SERVICES = ("securityhub", "guardduty", "detective")
# The sizes differ by this factor, and no request may take this much more work.
FEW, MANY, TOLERATED = 60, 600, 1.1


class Crowd:
    """An organisation where ``size`` accounts are members of the administrator in every service,
    and that has invited as many others.

    MEMBER and OTHER_MEMBER are alone in an organizational unit; STRANGER, who came last, has
    invited OUTSIDER to a behavior graph; Security Hub has central configuration.
    """

    def __init__(self, size: int) -> None:
        self.lab = Lab()
        self.accounts = [f"{300_000_000_000 + number}" for number in range(size)]
        for service in SERVICES:
            place = {"service": service, "account_id": ADMINISTRATOR, "regions": [REGION]}
            self.lab.do("enable", **place)
            self.lab.do("designate", **place)
        (self.detector,) = self.call("guardduty", "ListDetectors")["DetectorIds"]
        self.graph: str = self.call("detective", "ListGraphs")["GraphList"][0]["Arn"]
        self.root: str = self.manage("ListRoots")["Roots"][0]["Id"]
        unit = self.manage("CreateOrganizationalUnit", ParentId=self.root, Name="Apart")
        self.unit: str = unit["OrganizationalUnit"]["Id"]
        for account in self.accounts:
            self.lab.do("add_account", account_id=account, organization=MANAGEMENT)
        for account in (MEMBER, OTHER_MEMBER):
            self.manage(
                "MoveAccount",
                AccountId=account,
                SourceParentId=self.root,
                DestinationParentId=self.unit,
            )
        for first in range(0, size, 50):
            for service in SERVICES:
                self.create(service, self.accounts[first : first + 50])
        self.lab.pass_seconds(60)
        self.call("securityhub", "CreateFindingAggregator", RegionLinkingMode="NO_REGIONS")
        self.call(
            "securityhub",
            "UpdateOrganizationConfiguration",
            AutoEnable=False,
            OrganizationConfiguration={"ConfigurationType": "CENTRAL"},
        )
        for number in range(size):
            invited = {"Type": "ACCOUNT", "Id": f"{400_000_000_000 + number}"}
            self.manage("InviteAccountToOrganization", Target=invited)
        self.lab.do("add_account", account_id=STRANGER, email=email(STRANGER))
        self.strangers_graph: str = self.actor("detective", STRANGER)("CreateGraph")["GraphArn"]
        self.actor("detective", STRANGER)(
            "CreateMembers",
            GraphArn=self.strangers_graph,
            Accounts=[{"AccountId": OUTSIDER, "EmailAddress": email(OUTSIDER)}],
        )
        self.pass_time()

    def actor(self, service: str, account: str = ADMINISTRATOR) -> Actor:
        return self.lab.actor(service, account)

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        return self.actor(service)(operation, **params)

    def manage(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.actor("organizations", MANAGEMENT)(operation, **params)

    def create(self, service: str, accounts: list[str]) -> dict[str, Any]:
        if service == "detective":
            details = [{"AccountId": one, "EmailAddress": email(one)} for one in accounts]
            return self.members(service, "CreateMembers", Accounts=details)
        details = [{"AccountId": one, "Email": email(one)} for one in accounts]
        return self.members(service, "CreateMembers", AccountDetails=details)

    def members(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """One of the operations for which GuardDuty and Detective name the resource."""
        match service:
            case "guardduty":
                params["DetectorId"] = self.detector
            case "detective":
                params["GraphArn"] = self.graph
        return self.call(service, operation, **params)

    def pass_time(self) -> None:
        self.lab.pass_seconds(60)
        self.lab.world.drain_events()


def _create_in(service: str) -> Request:
    def create(crowd: Crowd) -> None:
        crowd.create(service, [MEMBER])
        crowd.pass_time()

    return create


def _get_in(service: str) -> Request:
    return lambda crowd: crowd.members(service, "GetMembers", AccountIds=crowd.accounts[:5])


def _list_in(service: str) -> Request:
    return lambda crowd: crowd.members(service, "ListMembers", MaxResults=5)


def _create_account(crowd: Crowd) -> None:
    crowd.manage("CreateAccount", Email="new@example.com", AccountName="New")
    crowd.pass_time()


REQUESTS: dict[str, Request] = {
    **{f"{name} CreateMembers, until Enabled": _create_in(name) for name in SERVICES},
    **{f"{name} GetMembers": _get_in(name) for name in SERVICES},
    **{f"{name} ListMembers": _list_in(name) for name in SERVICES},
    "no request": Crowd.pass_time,
    "add_account": lambda crowd: crowd.lab.do(
        "add_account", account_id="200000000001", organization=MANAGEMENT
    ),
    "AcceptInvitation": lambda crowd: crowd.actor("detective", OUTSIDER)(
        "AcceptInvitation", GraphArn=crowd.strangers_graph
    ),
    "StartConfigurationPolicyAssociation": lambda crowd: crowd.call(
        "securityhub",
        "StartConfigurationPolicyAssociation",
        ConfigurationPolicyIdentifier="SELF_MANAGED_SECURITY_HUB",
        Target={"AccountId": MEMBER},
    ),
    "ListAccounts": lambda crowd: crowd.manage("ListAccounts", MaxResults=5),
    "ListAccountsForParent": lambda crowd: crowd.manage(
        "ListAccountsForParent", ParentId=crowd.unit
    ),
    "ListChildren": lambda crowd: crowd.manage(
        "ListChildren", ParentId=crowd.root, ChildType="ACCOUNT"
    ),
    "CreateAccount, until it is there": _create_account,
    "InviteAccountToOrganization": lambda crowd: crowd.manage(
        "InviteAccountToOrganization", Target={"Type": "EMAIL", "Id": email(STRANGER)}
    ),
    "ListHandshakesForAccount": lambda crowd: crowd.actor("organizations", STRANGER)(
        "ListHandshakesForAccount"
    ),
    "MoveAccount": lambda crowd: crowd.manage(
        "MoveAccount",
        AccountId=MEMBER,
        SourceParentId=crowd.unit,
        DestinationParentId=crowd.root,
    ),
}


@pytest.fixture(scope="module")
def work() -> dict[str, tuple[int, int]]:
    """The work of each request among few accounts, and among many."""
    models_read, few, many = Crowd(FEW), Crowd(FEW), Crowd(MANY)
    for ask in REQUESTS.values():
        ask(models_read)
    return {name: (_work(ask, few), _work(ask, many)) for name, ask in REQUESTS.items()}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_takes_no_more_among_many_accounts(
    name: str, work: dict[str, tuple[int, int]]
) -> None:
    few, many = work[name]

    assert many <= few * TOLERATED


def test_work_is_what_grows_with_what_is_looked_at() -> None:
    few, many = Crowd(5), Crowd(50)

    assert _work(_look_at_all, many) > 5 * _work(_look_at_all, few)


def _look_at_all(crowd: Crowd) -> int:
    return sum(account == MEMBER for account in crowd.accounts)


def _work(ask: Request, crowd: Crowd) -> int:
    """The instructions that the interpreter executes for it: what it looks at, not how long."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        ask(crowd)
    finally:
        sys.settrace(before)
    return count
