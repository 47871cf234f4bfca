from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.session
import pytest

from infra.local.api import Caller
from infra.local.facts.clock import ManualClock
from infra.local.world import World
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
    email,
)

HUB = "securityhub"


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.do("designate", service=HUB, account_id=ADMINISTRATOR, regions=[REGION])
    return lab


def create(lab: Lab, *account_ids: str) -> list[dict[str, str]]:
    answer = lab.actor(HUB, ADMINISTRATOR)(
        "CreateMembers",
        AccountDetails=[{"AccountId": one, "Email": email(one)} for one in account_ids],
    )
    unprocessed: list[dict[str, str]] = answer["UnprocessedAccounts"]
    return unprocessed


@pytest.mark.parametrize(
    "service", ["securityhub", "guardduty", "detective", "organizations", "account"]
)
def test_every_operation_is_one_of_the_services_model(lab: Lab, service: str) -> None:
    modelled = botocore.session.get_session().get_service_model(service).operation_names

    assert lab.world.services[service].name == service
    assert set(lab.world.services[service].operations) <= set(modelled)


def test_the_snapshot_tells_what_is_true_and_what_was_sent(lab: Lab) -> None:
    create(lab, OUTSIDER)
    lab.pass_seconds(2)
    lab.actor(HUB, ADMINISTRATOR)("InviteMembers", AccountIds=[OUTSIDER])

    snapshot = json.loads(json.dumps(lab.world.snapshot()))

    [membership] = snapshot["memberships"]
    assert membership == {
        "service": HUB,
        "region": REGION,
        "administrator": ADMINISTRATOR,
        "account_id": OUTSIDER,
        "status": "Invited",
        "disabled_reason": None,
        "organization": False,
        "history": [
            {"status": "Created", "at": 1_800_000_000.0, "time": "2027-01-15T08:00:00.000Z"},
            {"status": "Invited", "at": 1_800_000_002.0, "time": "2027-01-15T08:00:02.000Z"},
        ],
    }
    assert snapshot["invitations"] == [
        {
            "service": HUB,
            "region": REGION,
            "administrator": ADMINISTRATOR,
            "account_id": OUTSIDER,
            "sent": 1,
        }
    ]
    assert {
        "service": HUB,
        "account_id": ADMINISTRATOR,
        "region": REGION,
        "id": "default",
        "enabled": True,
    } in snapshot["enabled"]


def test_what_is_due_happens_at_its_own_time(lab: Lab) -> None:
    create(lab, MEMBER)

    lab.pass_seconds(1_000)

    [membership] = lab.world.snapshot()["memberships"]
    assert membership["history"][-1]["at"] == 1_800_000_001.0


def test_a_forced_text_comes_as_often_as_said(lab: Lab) -> None:
    lab.do(
        "unprocess",
        service=HUB,
        operation="CreateMembers",
        account_id=MEMBER,
        text="Internal error",
        times=2,
        region=REGION,
    )

    answers = [create(lab, MEMBER, OUTSIDER) for _ in range(3)]

    forced = {"AccountId": MEMBER, "ProcessingResult": "Internal error"}
    assert [forced in answer for answer in answers] == [True, True, False]
    assert lab.status(HUB, MEMBER) == "Created"


def test_reads_may_lag_behind_writes(lab: Lab) -> None:
    lab.do("stale_reads", seconds=5)
    administrator = lab.actor(HUB, ADMINISTRATOR)
    create(lab, MEMBER)

    lab.pass_seconds(4)
    assert administrator("GetMembers", AccountIds=[MEMBER])["Members"] == []
    assert lab.status(HUB, MEMBER) == "Enabled"
    lab.pass_seconds(1)
    [created] = administrator("GetMembers", AccountIds=[MEMBER])["Members"]
    lab.pass_seconds(1)
    [enabled] = administrator("ListMembers")["Members"]

    assert (created["MemberStatus"], enabled["MemberStatus"]) == ("Created", "Enabled")


def test_a_service_can_be_switched_off_under_its_administrator(lab: Lab) -> None:
    lab.do("disable", service=HUB, account_id=ADMINISTRATOR, regions=[REGION])

    assert lab.actor(HUB, ADMINISTRATOR).fails("ListMembers").code == "InvalidAccessException"


def test_auto_enable_can_be_set_with_the_administrator(lab: Lab) -> None:
    lab.do(
        "designate",
        service="guardduty",
        account_id=ADMINISTRATOR,
        regions=[REGION],
        auto_enable="ALL",
    )

    lab.pass_seconds(2)

    assert lab.status("guardduty", MEMBER) == "Enabled"


def test_an_account_is_created_with_its_event_by_command(lab: Lab) -> None:
    made = lab.do("create_account", management=MANAGEMENT, email="new@example.com", name="New")

    lab.pass_seconds(1)

    event = lab.world.drain_events()[0]
    status = event["detail"]["serviceEventDetails"]["createAccountStatus"]
    assert status["id"] == made["request"]


def test_units_hold_accounts(lab: Lab) -> None:
    made = lab.do("add_unit", management=MANAGEMENT, name="Workloads")

    lab.do(
        "add_account",
        account_id=STRANGER,
        organization=MANAGEMENT,
        parent=made["unit"],
        tags={"team": "blue"},
    )

    organizations = lab.actor("organizations", MANAGEMENT)
    [account] = organizations("ListAccountsForParent", ParentId=made["unit"])["Accounts"]
    assert account["Id"] == STRANGER
    assert organizations("ListTagsForResource", ResourceId=STRANGER)["Tags"] == [
        {"Key": "team", "Value": "blue"}
    ]


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ({}, "do"),
        ({"do": "dance"}, "do"),
        ({"do": "create_organization", "management": "1"}, "management"),
        ({"do": "create_organization", "management": MANAGEMENT}, "management"),
        ({"do": "add_account", "account_id": 5}, "account_id"),
        ({"do": "add_account", "account_id": MEMBER}, "account_id"),
        ({"do": "add_account", "account_id": "\u0661" * 12}, "account_id"),
        ({"do": "add_account", "account_id": STRANGER, "organization": MEMBER}, MEMBER),
        ({"do": "add_account", "account_id": STRANGER, "state": "GONE"}, "state"),
        ({"do": "add_account", "account_id": STRANGER, "accepts_after": -1}, "accepts_after"),
        ({"do": "add_account", "account_id": STRANGER, "accepts_after": {"s3": 1}}, "s3"),
        ({"do": "add_account", "account_id": STRANGER, "regions": [REGION]}, "regions"),
        ({"do": "add_account", "account_id": STRANGER, "tags": []}, "tags"),
        ({"do": "add_account", "account_id": STRANGER, "mail": "x"}, "mail"),
        ({"do": "set_account", "account_id": STRANGER}, "account_id"),
        ({"do": "remove_account", "account_id": OUTSIDER}, "account_id"),
        ({"do": "remove_account", "account_id": ADMINISTRATOR}, "delegated administrator"),
        (
            {
                "do": "invite",
                "service": HUB,
                "administrator": OUTSIDER,
                "account_id": MEMBER,
                "regions": [REGION],
            },
            f"administrator: {OUTSIDER} has not enabled Security Hub",
        ),
        ({"do": "add_unit", "management": MANAGEMENT, "name": "a", "parent": "r-0"}, "parent"),
        ({"do": "enable", "service": "s3", "account_id": MEMBER, "regions": []}, "service"),
        ({"do": "enable", "service": HUB, "account_id": MEMBER}, "regions"),
        (
            {"do": "designate", "service": HUB, "account_id": OUTSIDER, "regions": [REGION]},
            "account_id",
        ),
        (
            {"do": "designate", "service": HUB, "account_id": MEMBER, "regions": [REGION]},
            "account_id",
        ),
        ({"do": "set_timings", "coffee": 1}, "coffee"),
        ({"do": "set_timings", "region_opt": None}, "region_opt"),
        ({"do": "set_limits", "detective": "many"}, "detective"),
        ({"do": "set_switches", "events_target_identity": "user"}, "events_target_identity"),
        ({"do": "stale_reads", "seconds": True}, "seconds"),
        (
            {
                "do": "unprocess",
                "service": HUB,
                "operation": "Dance",
                "account_id": MEMBER,
                "text": "no",
            },
            "operation",
        ),
    ],
)
def test_a_bad_command_says_what_is_wrong_and_changes_nothing(
    lab: Lab, command: dict[str, Any], named: str
) -> None:
    before = lab.world.snapshot()

    with pytest.raises(ValueError, match=named):
        lab.world.apply(command)

    assert lab.world.snapshot() == before


def test_a_command_is_not_used_up_by_being_applied(lab: Lab) -> None:
    command = {"do": "set_account", "account_id": MEMBER, "name": "Renamed"}

    lab.world.apply(command)

    assert command["name"] == "Renamed"


def test_resetting_empties_the_world_but_keeps_its_timings() -> None:
    world = World(ManualClock(), {"securityhub_enable": 9})
    world.apply({"do": "create_organization", "management": MANAGEMENT})
    world.apply({"do": "set_timings", "securityhub_enable": 1})
    first = world.snapshot()["organizations"][0]["id"]

    world.reset()

    assert world.snapshot()["organizations"] == []
    world.apply({"do": "create_organization", "management": MANAGEMENT})
    world.apply({"do": "add_account", "account_id": MEMBER, "organization": MANAGEMENT})
    assert world.snapshot()["organizations"][0]["id"] == first


def test_the_same_seed_makes_the_same_ids() -> None:
    def detector(seed: int) -> str:
        world = World(ManualClock(), seed=seed)
        world.apply(
            {"do": "enable", "service": "guardduty", "account_id": MEMBER, "regions": [REGION]}
        )
        return str(world.snapshot()["enabled"][0]["id"])

    assert detector(1) == detector(1)
    assert detector(1) != detector(2)


def test_many_threads_may_call_at_once(lab: Lab) -> None:
    accounts = [f"{300000000000 + number}" for number in range(100)]
    for account_id in accounts:
        lab.do("add_account", account_id=account_id, organization=MANAGEMENT)
    operations = lab.world.services[HUB].operations

    def enrol(account_id: str) -> dict[str, Any]:
        details = [{"AccountId": account_id}]
        who = Caller(ADMINISTRATOR, REGION)
        return operations["CreateMembers"](who, {"AccountDetails": details})

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(enrol, accounts))
    lab.pass_seconds(1)

    assert answers == [{"UnprocessedAccounts": []}] * 100
    assert {lab.status(HUB, account_id) for account_id in accounts} == {"Enabled"}


def test_an_account_nobody_described_is_one_of_its_own(lab: Lab) -> None:
    lab.actor(HUB, STRANGER)("EnableSecurityHub")

    assert lab.actor("organizations", STRANGER).fails("DescribeOrganization").code == (
        "AWSOrganizationsNotInUseException"
    )


@pytest.mark.parametrize("state", ["PENDING_ACTIVATION", "SUSPENDED", "CLOSED"])
@pytest.mark.parametrize(
    ("service", "operation"),
    [("securityhub", "DescribeHub"), ("account", "ListRegions")],
)
def test_an_account_that_is_not_open_is_denied_everything(
    lab: Lab, state: str, service: str, operation: str
) -> None:
    lab.do("enable", service="securityhub", account_id=MEMBER, regions=[REGION])
    lab.do("set_account", account_id=MEMBER, state=state)

    denied = lab.actor(service, MEMBER).fails(operation)
    lab.do("set_account", account_id=MEMBER, state="ACTIVE")

    assert denied.code == "AccessDeniedException"
    assert denied.message == (
        f"User: arn:aws:iam::{MEMBER}:root is not authorized to perform: {service}:{operation}"
    )
    assert lab.actor(service, MEMBER)(operation)


@pytest.mark.parametrize(("switch", "is_open"), [("usable", True), ("denied", False)])
def test_an_account_that_is_being_closed_can_be_used_as_the_switch_says(
    lab: Lab, switch: str, *, is_open: bool
) -> None:
    lab.do("set_switches", organizations_pending_closure=switch)
    lab.actor("organizations", MANAGEMENT)("CloseAccount", AccountId=MEMBER)

    assert lab.world.is_open(MEMBER) is is_open
    if is_open:
        assert lab.actor("account", MEMBER)("ListRegions")
    else:
        assert lab.actor("account", MEMBER).fails("ListRegions").code == "AccessDeniedException"


def test_facts_about_an_account_can_be_asked_for_without_making_it(lab: Lab) -> None:
    lab.do("set_account", account_id=MEMBER, state="CLOSED", regions=[OPT_IN_REGION])
    before = lab.world.snapshot()

    assert lab.world.organization_of(MEMBER) == before["organizations"][0]["id"]
    assert lab.world.organization_of(STRANGER) is None
    assert not lab.world.is_open(MEMBER)
    assert lab.world.is_open(STRANGER)
    assert lab.world.can_use(MEMBER, OPT_IN_REGION)
    assert not lab.world.can_use(STRANGER, OPT_IN_REGION)
    assert lab.world.can_use(STRANGER, REGION)
    assert lab.world.snapshot()["accounts"] == before["accounts"]
