from __future__ import annotations

from typing import TYPE_CHECKING

import botocore.session
import pytest

from infra.local.facts.regions import DEFAULT_REGIONS, OPT_IN_REGIONS
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OUTSIDER,
    REGION,
    Lab,
)

if TYPE_CHECKING:
    from tests.support.local_world import Actor

SERVICE = "account"
PRINCIPAL = "account.amazonaws.com"


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def trusted(lab: Lab) -> Actor:
    lab.do("trust", management=MANAGEMENT, principal=PRINCIPAL)
    return lab.actor(SERVICE, MANAGEMENT)


def test_the_regions_are_those_of_the_partition() -> None:
    known = set(botocore.session.get_session().get_available_regions("ec2"))

    assert known <= DEFAULT_REGIONS | OPT_IN_REGIONS
    assert not DEFAULT_REGIONS & OPT_IN_REGIONS


def test_an_account_lists_its_own_regions_by_status(lab: Lab) -> None:
    lab.do("set_account", account_id=OUTSIDER, regions=[OPT_IN_REGION])
    own = lab.actor(SERVICE, OUTSIDER)

    usable = own("ListRegions", RegionOptStatusContains=["ENABLED", "ENABLED_BY_DEFAULT"])

    statuses = {one["RegionName"]: one["RegionOptStatus"] for one in usable["Regions"]}
    assert len(statuses) == 18
    assert statuses[REGION] == "ENABLED_BY_DEFAULT"
    assert statuses[OPT_IN_REGION] == "ENABLED"


def test_regions_come_page_by_page(lab: Lab) -> None:
    own = lab.actor(SERVICE, OUTSIDER)

    first = own("ListRegions", MaxResults=30)
    second = own("ListRegions", MaxResults=30, NextToken=first["NextToken"])

    names = [one["RegionName"] for one in first["Regions"] + second["Regions"]]
    assert names == sorted(DEFAULT_REGIONS | OPT_IN_REGIONS)
    assert own.fails("ListRegions", NextToken="?").code == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "before", "during", "after"),
    [
        ("EnableRegion", [], "ENABLING", "ENABLED"),
        ("DisableRegion", [OPT_IN_REGION], "DISABLING", "DISABLED"),
    ],
)
def test_opting_takes_a_while(
    lab: Lab, operation: str, before: list[str], during: str, after: str
) -> None:
    lab.do("set_account", account_id=OUTSIDER, regions=before)
    own = lab.actor(SERVICE, OUTSIDER)
    other = "DisableRegion" if operation == "EnableRegion" else "EnableRegion"

    own(operation, RegionName=OPT_IN_REGION)

    assert own("GetRegionOptStatus", RegionName=OPT_IN_REGION)["RegionOptStatus"] == during
    assert own.fails(other, RegionName=OPT_IN_REGION).code == "ConflictException"
    lab.pass_seconds(1)
    assert own("GetRegionOptStatus", RegionName=OPT_IN_REGION)["RegionOptStatus"] == after


@pytest.mark.parametrize(
    ("region", "reason"),
    [(REGION, "invalidRegionOptTarget"), ("xx-nowhere-1", "fieldValidationFailed")],
)
def test_a_region_that_cannot_be_opted_in_is_invalid(lab: Lab, region: str, reason: str) -> None:
    error = lab.actor(SERVICE, OUTSIDER).fails("EnableRegion", RegionName=region)

    assert (error.code, error.members["reason"]) == ("ValidationException", reason)


def test_another_accounts_regions_need_trusted_access(lab: Lab) -> None:
    error = lab.actor(SERVICE, MANAGEMENT).fails("ListRegions", AccountId=MEMBER)

    assert error.code == "AccessDeniedException"
    assert "must first enable trusted access with AWS Account Management" in error.message


def test_management_manages_its_members(lab: Lab, trusted: Actor) -> None:
    trusted("EnableRegion", AccountId=MEMBER, RegionName=OPT_IN_REGION)
    lab.pass_seconds(1)

    own = lab.actor(SERVICE, MEMBER)
    assert own("GetRegionOptStatus", RegionName=OPT_IN_REGION)["RegionOptStatus"] == "ENABLED"


def test_a_delegate_manages_members_too(lab: Lab, trusted: Actor) -> None:
    delegate = lab.actor(SERVICE, ADMINISTRATOR)
    assert delegate.fails("ListRegions", AccountId=MEMBER).code == "AccessDeniedException"

    lab.actor("organizations", MANAGEMENT)(
        "RegisterDelegatedAdministrator", AccountId=ADMINISTRATOR, ServicePrincipal=PRINCIPAL
    )

    assert delegate("ListRegions", AccountId=MEMBER)["Regions"]


@pytest.mark.parametrize(
    ("caller", "target"),
    [(OUTSIDER, OUTSIDER), (MANAGEMENT, MEMBER), (ADMINISTRATOR, MEMBER), (MEMBER, MEMBER)],
)
@pytest.mark.parametrize(
    ("operation", "statuses"),
    [("EnableRegion", ["ENABLING", "ENABLED"]), ("DisableRegion", ["DISABLING", "DISABLED"])],
)
def test_the_account_that_calls_gets_the_events(
    lab: Lab, trusted: Actor, caller: str, target: str, operation: str, statuses: list[str]
) -> None:
    lab.actor("organizations", MANAGEMENT)(
        "RegisterDelegatedAdministrator", AccountId=ADMINISTRATOR, ServicePrincipal=PRINCIPAL
    )
    before = [OPT_IN_REGION] if operation == "DisableRegion" else []
    lab.do("set_account", account_id=target, regions=before)
    whose = {} if caller == target else {"AccountId": target}
    lab.world.drain_events()

    lab.actor(SERVICE, caller)(operation, RegionName=OPT_IN_REGION, **whose)
    lab.pass_seconds(1)

    events = lab.world.drain_events()
    assert [event["detail"] for event in events] == [
        {"accountId": target, "regionName": OPT_IN_REGION, "status": status} for status in statuses
    ]
    assert {(event["account"], event["region"], event["source"]) for event in events} == {
        (caller, "us-east-1", "aws.account")
    }


@pytest.mark.parametrize("account_id", [OUTSIDER, MANAGEMENT])
def test_accounts_out_of_reach_are_denied(trusted: Actor, account_id: str) -> None:
    assert trusted.fails("ListRegions", AccountId=account_id).code == "AccessDeniedException"
