"""A service that no file of infra/local knows is served and commanded like the others."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.gateway.calls import CallLog
from infra.local.gateway.endpoint import Endpoint
from infra.local.gateway.faults import Fault, FaultKind, Faults
from infra.local.services.registry import SERVICES
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
from tests.support.macie.local import Macie

MACIE = "macie2"


class MacieLab(Lab):
    """The organisation has a Macie administrator; its clients talk to an endpoint with faults."""

    def __init__(self) -> None:
        super().__init__(services=(*SERVICES, Macie))
        self.faults = Faults()
        self._endpoint = Endpoint(self.world, self.clock, self.faults, CallLog())
        self.do("designate", service=MACIE, account_id=ADMINISTRATOR, regions=[REGION])

    def macie(self, account_id: str = ADMINISTRATOR, region: str = REGION) -> Any:
        return local_client(self._endpoint, MACIE, account_id, region)

    def create(self, account_id: str) -> None:
        self.macie().create_member(account={"accountId": account_id, "email": email(account_id)})

    def shown(self, account_id: str) -> str:
        status: str = self.macie().get_member(id=account_id)["relationshipStatus"]
        return status


@pytest.fixture
def lab() -> MacieLab:
    return MacieLab()


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return caught.value.response["Error"]["Code"]


def test_an_account_of_the_organization_is_enabled_after_a_while(lab: MacieLab) -> None:
    lab.do("set_timings", macie2_enable=5)
    lab.create(MEMBER)
    lab.pass_seconds(4)
    before = lab.shown(MEMBER)

    lab.pass_seconds(1)

    assert (before, lab.shown(MEMBER)) == ("Created", "Enabled")
    assert [one["accountId"] for one in lab.macie().list_members()["members"]] == [MEMBER]
    assert lab.macie(MEMBER).get_macie_session()["status"] == "ENABLED"
    administrator = lab.macie(MEMBER).get_administrator_account()["administrator"]
    assert administrator["accountId"] == ADMINISTRATOR


def test_an_account_outside_is_invited_and_accepts(lab: MacieLab) -> None:
    lab.do("enable", service=MACIE, account_id=OUTSIDER, regions=[REGION])
    lab.create(OUTSIDER)
    assert lab.macie().create_invitations(accountIds=[OUTSIDER])["unprocessedAccounts"] == []
    verifying = lab.shown(OUTSIDER)
    lab.pass_seconds(1)
    [invitation] = lab.macie(OUTSIDER).list_invitations()["invitations"]

    lab.macie(OUTSIDER).accept_invitation(
        administratorAccountId=ADMINISTRATOR, invitationId=invitation["invitationId"]
    )

    assert (verifying, invitation["relationshipStatus"]) == (
        "EmailVerificationInProgress",
        "Invited",
    )
    assert lab.shown(OUTSIDER) == "Enabled"


def test_an_owner_accepts_in_time(lab: MacieLab) -> None:
    lab.do("set_account", account_id=OUTSIDER, accepts_after={MACIE: 60})
    lab.create(OUTSIDER)
    lab.macie().create_invitations(accountIds=[OUTSIDER])

    lab.pass_seconds(61)

    assert lab.shown(OUTSIDER) == "Enabled"


def test_a_member_is_disassociated_before_it_is_deleted(lab: MacieLab) -> None:
    lab.create(MEMBER)
    lab.pass_seconds(1)
    with pytest.raises(ClientError) as too_early:
        lab.macie().delete_member(id=MEMBER)

    lab.macie().disassociate_member(id=MEMBER)
    removed = lab.shown(MEMBER)
    lab.macie().delete_member(id=MEMBER)

    assert code(too_early) == "ValidationException"
    assert removed == "Removed"
    with pytest.raises(ClientError) as gone:
        lab.macie().get_member(id=MEMBER)
    assert code(gone) == "ResourceNotFoundException"


def test_without_a_session_nothing_is_answered(lab: MacieLab) -> None:
    with pytest.raises(ClientError, match="Macie is not enabled") as caught:
        lab.macie(STRANGER).list_members()

    lab.macie(STRANGER).enable_macie()

    assert code(caught) == "AccessDeniedException"
    assert lab.macie(STRANGER).list_members()["members"] == []


def test_the_management_account_names_the_administrator(lab: MacieLab) -> None:
    elsewhere = lab.macie(MANAGEMENT, OTHER_REGION)

    elsewhere.enable_organization_admin_account(adminAccountId=ADMINISTRATOR)

    [organization] = lab.world.snapshot()["organizations"]
    assert organization["administrators"] == [
        {"service": MACIE, "region": region, "account_id": ADMINISTRATOR}
        for region in (REGION, OTHER_REGION)
    ]


def test_accounts_are_enrolled_unasked(lab: MacieLab) -> None:
    arguments = {"account_id": ADMINISTRATOR, "regions": [REGION], "auto_enable": "ALL"}
    lab.do("designate", service=MACIE, **arguments)

    lab.pass_seconds(2)

    assert lab.shown(MEMBER) == "Enabled"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (FaultKind.THROTTLING, "ThrottlingException"),
        (FaultKind.SERVER_ERROR, "InternalServerException"),
        (FaultKind.ACCESS_DENIED, "AccessDeniedException"),
    ],
)
def test_faults_strike_in_its_own_words(lab: MacieLab, kind: FaultKind, said: str) -> None:
    lab.faults.add(Fault.from_json({"kind": kind, "service": MACIE}, lab.world.services))

    with pytest.raises(ClientError) as caught:
        lab.macie().list_members()

    assert code(caught) == said


def test_what_the_model_forbids_is_refused_in_its_own_words(lab: MacieLab) -> None:
    with pytest.raises(ClientError) as caught:
        lab.macie().list_members(maxResults=99)

    assert code(caught) == "ValidationException"


def test_a_forced_text_and_a_limit(lab: MacieLab) -> None:
    forced = {"operation": "CreateInvitations", "account_id": OUTSIDER, "text": "not today"}
    lab.do("unprocess", service=MACIE, **forced)
    lab.create(OUTSIDER)
    lab.do("set_limits", macie2_organization=0)

    [unprocessed] = lab.macie().create_invitations(accountIds=[OUTSIDER])["unprocessedAccounts"]
    with pytest.raises(ClientError) as full:
        lab.create(MEMBER)

    assert unprocessed["errorMessage"] == "not today"
    assert code(full) == "ValidationException"


def test_the_snapshot_has_it(lab: MacieLab) -> None:
    lab.create(MEMBER)

    [membership] = lab.world.snapshot()["memberships"]

    assert (membership["service"], membership["status"]) == (MACIE, "Created")


def test_long_lists_have_pages(lab: MacieLab) -> None:
    for number in range(3):
        account_id = f"{300000000000 + number}"
        lab.do("add_account", account_id=account_id, organization=MANAGEMENT)
        lab.create(account_id)
    lab.pass_seconds(1)

    pages = lab.macie().get_paginator("list_members").paginate(PaginationConfig={"PageSize": 2})

    assert [len(page["members"]) for page in pages] == [2, 1]
