"""Where AWS's behaviour is not certain, a switch chooses it."""

from __future__ import annotations

import pytest

from infra.local.api import ServiceError
from infra.local.facts.switches import SWITCHES
from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Faults
from tests.support.in_process import local_client
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OTHER_REGION,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
    email,
)

SECURITYHUB = "securityhub"
ORGANIZATIONS = "organizations"


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    for service in (SECURITYHUB, "guardduty", "detective"):
        lab.do("designate", service=service, account_id=ADMINISTRATOR, regions=[REGION])
    return lab


def taken(lab: Lab, service: str, operation: str, account_id: str = ADMINISTRATOR) -> int:
    """How many calls are answered before the first that is throttled."""
    actor = lab.actor(service, account_id)
    for number in range(1_000):
        try:
            actor(operation)
        except ServiceError:
            return number
    return 1_000


def test_security_hub_takes_ten_requests_a_second_with_bursts_of_thirty(lab: Lab) -> None:
    assert taken(lab, SECURITYHUB, "DescribeHub") == 1_000
    lab.do("set_switches", securityhub_rate_limits="on")

    assert taken(lab, SECURITYHUB, "DescribeHub") == 30
    assert taken(lab, SECURITYHUB, "ListMembers") == 0
    assert taken(lab, SECURITYHUB, "GetFindings") == 6
    refused = lab.actor(SECURITYHUB, ADMINISTRATOR).fails("ListMembers")
    assert refused.code == "LimitExceededException"
    lab.actor(SECURITYHUB, OUTSIDER)("EnableSecurityHub")
    lab.actor(SECURITYHUB, ADMINISTRATOR, OTHER_REGION)("EnableSecurityHub")
    lab.pass_seconds(2)
    assert taken(lab, SECURITYHUB, "ListMembers") == 20


def test_organizations_limits_an_account_and_its_whole_organization(lab: Lab) -> None:
    lab.do("set_switches", organizations_rate_limits="on")

    assert taken(lab, ORGANIZATIONS, "ListAccounts", MANAGEMENT) == 12
    assert taken(lab, ORGANIZATIONS, "ListAccounts", ADMINISTRATOR) == 15 - 12
    refused = lab.actor(ORGANIZATIONS, MANAGEMENT).fails("ListAccounts")
    assert refused.code == "TooManyRequestsException"
    lab.pass_seconds(1)
    assert taken(lab, ORGANIZATIONS, "ListAccounts", MANAGEMENT) == 8
    assert taken(lab, ORGANIZATIONS, "DescribeOrganization", MEMBER) == 2


@pytest.mark.parametrize("value", list(SWITCHES["securityhub_over_fifty"]))
def test_more_than_fifty_accounts_are_cut_or_refused(lab: Lab, value: str) -> None:
    many = [f"{300000000000 + n}" for n in range(52)]
    for account_id in many:
        lab.do("add_account", account_id=account_id)
    lab.do("set_switches", securityhub_over_fifty=value)
    endpoint = Endpoint(lab.world, lab.clock, Faults(), CallLog())
    client = local_client(endpoint, SECURITYHUB, ADMINISTRATOR, REGION)
    details = [{"AccountId": one} for one in many]

    for operation, params in (
        (client.create_members, {"AccountDetails": details}),
        (client.get_members, {"AccountIds": many}),
    ):
        if value == "cut":
            unprocessed = operation(**params)["UnprocessedAccounts"]
            assert [one["AccountId"] for one in unprocessed] == many[50:]
        else:
            with pytest.raises(client.exceptions.InvalidInputException):
                operation(**params)


@pytest.mark.parametrize(
    ("service", "value", "status"),
    [
        (SECURITYHUB, "refused", None),
        (SECURITYHUB, "taken", "Invited"),
        ("guardduty", "taken", "EmailVerificationFailed"),
        ("guardduty", "refused", None),
        ("detective", "taken", "VERIFICATION_FAILED"),
        ("detective", "refused", None),
    ],
)
def test_an_account_nobody_has_described_is_taken_or_refused(
    lab: Lab, service: str, value: str, status: str | None
) -> None:
    lab.do("set_switches", **{f"{service}_unknown_account": value})
    admin = lab.actor(service, ADMINISTRATOR)
    account = {"AccountId": STRANGER}
    if service == "detective":
        [graph] = admin("ListGraphs")["GraphList"]
        account["EmailAddress"] = email(STRANGER)
        answer = admin("CreateMembers", GraphArn=graph["Arn"], Accounts=[account])
    else:
        named = {}
        if service == "guardduty":
            [named["DetectorId"]] = admin("ListDetectors")["DetectorIds"]
            account["Email"] = email(STRANGER)
        answer = admin("CreateMembers", **named, AccountDetails=[account])
        admin("InviteMembers", **named, AccountIds=[STRANGER])
    lab.pass_seconds(1)

    assert bool(answer["UnprocessedAccounts"]) is (value == "refused")
    assert lab.status(service, STRANGER) == status


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"coffee": "on"}, "coffee: one of securityhub_rate_limits, "),
        ({"securityhub_over_fifty": "maybe"}, "securityhub_over_fifty: one of cut, refused"),
        ({"securityhub_over_fifty": None}, "securityhub_over_fifty: one of cut, refused"),
    ],
)
def test_what_no_switch_has_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Lab().do("set_switches", **given)


def test_reset_puts_the_switches_back(lab: Lab) -> None:
    lab.do("set_switches", securityhub_rate_limits="on")
    lab.world.reset()
    lab.do("add_account", account_id=OUTSIDER)
    lab.actor(SECURITYHUB, OUTSIDER)("EnableSecurityHub")

    assert taken(lab, SECURITYHUB, "DescribeHub", OUTSIDER) == 1_000
