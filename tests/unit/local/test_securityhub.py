from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.services.securityhub.service import SecurityHub
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OPT_IN_REGION,
    OTHER_MEMBER,
    OTHER_REGION,
    OUTSIDER,
    REGION,
    STRANGER,
    Lab,
    email,
)

if TYPE_CHECKING:
    from tests.support.local_world import Actor

SERVICE = "securityhub"
REJECTED = "The request is rejected because "
ALREADY_MEMBER = (
    REJECTED
    + "the given account ID is already a member or associated member of the current account."
)


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[REGION, OPT_IN_REGION])
    return lab


@pytest.fixture
def admin(lab: Lab) -> Actor:
    return lab.actor(SERVICE, ADMINISTRATOR)


def create(admin: Actor, *account_ids: str) -> dict[str, str]:
    answer = admin(
        "CreateMembers",
        AccountDetails=[{"AccountId": one, "Email": email(one)} for one in account_ids],
    )
    return {one["AccountId"]: one["ProcessingResult"] for one in answer["UnprocessedAccounts"]}


def refused(admin: Actor, operation: str, *account_ids: str) -> dict[str, str]:
    answer = admin(operation, AccountIds=list(account_ids))
    return {one["AccountId"]: one["ProcessingResult"] for one in answer["UnprocessedAccounts"]}


def invitation(member: Actor) -> dict[str, str]:
    [invitation] = member("ListInvitations")["Invitations"]
    return {"AdministratorId": invitation["AccountId"], "InvitationId": invitation["InvitationId"]}


def invited(lab: Lab, admin: Actor, account_id: str = OUTSIDER) -> Actor:
    member = lab.actor(SERVICE, account_id)
    member("EnableSecurityHub")
    create(admin, account_id)
    refused(admin, "InviteMembers", account_id)
    return member


def test_an_organisation_account_is_enabled_without_invitation(lab: Lab, admin: Actor) -> None:
    assert create(admin, MEMBER) == {}
    assert lab.status(SERVICE, MEMBER) == "Created"

    lab.pass_seconds(1)

    [member] = admin("GetMembers", AccountIds=[MEMBER])["Members"]
    assert member["MemberStatus"] == "Enabled"
    assert "InvitedAt" not in member
    assert lab.actor(SERVICE, MEMBER)("DescribeHub")["HubArn"].endswith(f"{MEMBER}:hub/default")
    assert lab.invitations_sent() == 0


def test_a_hub_the_service_enables_has_the_default_standards(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)

    subscriptions = lab.actor(SERVICE, MEMBER)("GetEnabledStandards")["StandardsSubscriptions"]

    assert len(subscriptions) == 2


def test_an_outside_account_goes_from_created_to_invited_to_enabled(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    assert member("GetInvitationsCount") == {"InvitationsCount": 1}

    member("AcceptAdministratorInvitation", **invitation(member))

    assert lab.history(SERVICE, OUTSIDER) == ["Created", "Invited", "Enabled"]
    administrator = member("GetAdministratorAccount")["Administrator"]
    assert (administrator["AccountId"], administrator["MemberStatus"]) == (ADMINISTRATOR, "Enabled")
    assert member("GetMasterAccount")["Master"] == administrator
    assert member("GetInvitationsCount") == {"InvitationsCount": 0}


def test_the_older_names_accept_and_leave_too(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    given = invitation(member)

    member(
        "AcceptInvitation",
        MasterId=given["AdministratorId"],
        InvitationId=given["InvitationId"],
    )
    member("DisassociateFromMasterAccount")

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"


def test_an_owner_accepts_by_itself_when_its_time_has_come(lab: Lab, admin: Actor) -> None:
    lab.do("set_account", account_id=OUTSIDER, accepts_after={SERVICE: 60})
    create(admin, OUTSIDER)
    refused(admin, "InviteMembers", OUTSIDER)

    lab.pass_seconds(59)
    assert lab.status(SERVICE, OUTSIDER) == "Invited"
    lab.pass_seconds(1)
    assert lab.status(SERVICE, OUTSIDER) == "Enabled"


def test_an_owner_may_make_up_its_mind_after_the_invitation(lab: Lab, admin: Actor) -> None:
    invited(lab, admin)
    lab.pass_seconds(100)
    assert lab.status(SERVICE, OUTSIDER) == "Invited"

    lab.do("set_account", account_id=OUTSIDER, accepts_after=30)
    lab.pass_seconds(0)

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"


def test_a_member_that_leaves_has_resigned_and_can_be_invited_again(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    member("AcceptAdministratorInvitation", **invitation(member))

    member("DisassociateFromAdministratorAccount")

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"
    assert create(admin, OUTSIDER) == {OUTSIDER: ALREADY_MEMBER}
    assert refused(admin, "InviteMembers", OUTSIDER) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Invited"


def test_disassociate_then_delete_leaves_nothing(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    member("AcceptAdministratorInvitation", **invitation(member))
    assert "still associated" in refused(admin, "DeleteMembers", OUTSIDER)[OUTSIDER]

    assert admin("DisassociateMembers", AccountIds=[OUTSIDER]) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Removed"
    assert refused(admin, "DeleteMembers", OUTSIDER) == {}

    assert admin("GetMembers", AccountIds=[OUTSIDER]) == {"Members": [], "UnprocessedAccounts": []}
    assert lab.history(SERVICE, OUTSIDER)[-2:] == ["Removed", None]


def test_a_deleted_member_may_be_listed_for_a_while(lab: Lab, admin: Actor) -> None:
    lab.do("set_timings", deleted_visible=10)
    create(admin, OUTSIDER)

    refused(admin, "DeleteMembers", OUTSIDER)

    assert lab.status(SERVICE, OUTSIDER) == "Deleted"
    lab.pass_seconds(10)
    assert lab.status(SERVICE, OUTSIDER) is None


def test_a_removed_organisation_account_is_taken_up_again(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)
    admin("DisassociateMembers", AccountIds=[MEMBER])
    assert "belongs to the organization" in refused(admin, "DeleteMembers", MEMBER)[MEMBER]

    assert create(admin, MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "Enabled"


def test_a_removed_outside_account_is_created_again_and_invited(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    member("AcceptAdministratorInvitation", **invitation(member))
    admin("DisassociateMembers", AccountIds=[OUTSIDER])

    assert create(admin, OUTSIDER) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Created"
    assert refused(admin, "InviteMembers", OUTSIDER) == {}

    assert lab.status(SERVICE, OUTSIDER) == "Invited"


def test_a_former_organisation_account_is_created_before_it_can_be_invited(
    lab: Lab, admin: Actor
) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)
    lab.do("remove_account", account_id=MEMBER)

    assert list(refused(admin, "InviteMembers", MEMBER)) == [MEMBER]
    assert create(admin, MEMBER) == {}
    assert lab.status(SERVICE, MEMBER) == "Created"
    assert refused(admin, "InviteMembers", MEMBER) == {}

    assert lab.status(SERVICE, MEMBER) == "Invited"


@pytest.mark.parametrize("by_invitation", [False, True])
def test_an_account_added_by_hand_before_it_joined_is_taken_up_by_creation(
    lab: Lab, admin: Actor, by_invitation: bool
) -> None:
    create(admin, OUTSIDER)
    if by_invitation:
        refused(admin, "InviteMembers", OUTSIDER)
    lab.do("add_account", account_id=OUTSIDER, organization=MANAGEMENT, joined="INVITED")
    lab.pass_seconds(100)
    assert lab.status(SERVICE, OUTSIDER) == ("Invited" if by_invitation else "Created")

    assert create(admin, OUTSIDER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"


@pytest.mark.parametrize("by_invitation", [False, True])
def test_an_account_added_by_hand_before_the_designation_is_taken_up_by_creation(
    lab: Lab, by_invitation: bool
) -> None:
    admin = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)
    admin("EnableSecurityHub")
    create(admin, MEMBER)
    if by_invitation:
        refused(admin, "InviteMembers", MEMBER)
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[OTHER_REGION])
    lab.pass_seconds(100)
    before = lab.status(SERVICE, MEMBER, region=OTHER_REGION)
    assert before == ("Invited" if by_invitation else "Created")

    assert create(admin, MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=OTHER_REGION) == "Enabled"


def test_a_declined_invitation_can_then_be_deleted(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    assert "not declined" in refused(member, "DeleteInvitations", ADMINISTRATOR)[ADMINISTRATOR]

    assert refused(member, "DeclineInvitations", ADMINISTRATOR) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Resigned"
    assert refused(member, "DeleteInvitations", ADMINISTRATOR) == {}

    assert member("ListInvitations")["Invitations"] == []
    assert "no pending" in refused(member, "DeclineInvitations", STRANGER)[STRANGER]


def test_a_suspended_organisation_account_is_not_enabled(lab: Lab, admin: Actor) -> None:
    lab.do("set_account", account_id=MEMBER, state="SUSPENDED")
    create(admin, MEMBER)
    lab.pass_seconds(1)
    assert lab.status(SERVICE, MEMBER) == "AccountSuspended"
    assert create(admin, MEMBER) == {}
    lab.pass_seconds(1)
    assert lab.status(SERVICE, MEMBER) == "AccountSuspended"

    lab.do("set_account", account_id=MEMBER, state="ACTIVE")
    assert create(admin, MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "Enabled"


def test_nothing_happens_before_the_account_has_the_region(lab: Lab) -> None:
    lab.do("set_account", account_id=ADMINISTRATOR, regions=[OPT_IN_REGION])
    admin = lab.actor(SERVICE, ADMINISTRATOR, OPT_IN_REGION)
    create(admin, MEMBER)
    lab.pass_seconds(100)
    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "Created"
    member = lab.actor(SERVICE, MEMBER, OPT_IN_REGION)
    assert member.fails("DescribeHub").code == "UnrecognizedClientException"

    lab.do("set_account", account_id=MEMBER, regions=[OPT_IN_REGION])
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "Enabled"


def test_the_management_account_enables_its_hub_first(lab: Lab, admin: Actor) -> None:
    assert create(admin, MANAGEMENT) == {
        MANAGEMENT: "Operation failed because your organization master must first enable "
        "SecurityHub to be added as a member"
    }

    lab.actor(SERVICE, MANAGEMENT)("EnableSecurityHub", EnableDefaultStandards=False)
    assert create(admin, MANAGEMENT) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MANAGEMENT) == "Enabled"


def test_accounts_that_cannot_be_created_say_why(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER)

    assert create(admin, ADMINISTRATOR, MEMBER, STRANGER) == {
        ADMINISTRATOR: REJECTED + "an account cannot become a member of itself.",
        MEMBER: ALREADY_MEMBER,
        STRANGER: REJECTED + "an invalid or out-of-range value is specified as an input parameter.",
    }


def test_accounts_that_cannot_be_invited_say_why(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER, OUTSIDER)
    refused(admin, "InviteMembers", OUTSIDER)
    already = (
        REJECTED + "the current account has already invited or is already the SecurityHub master "
        "of the given member account ID."
    )

    answer = refused(admin, "InviteMembers", OUTSIDER, MEMBER, STRANGER, ADMINISTRATOR)

    assert answer[OUTSIDER] == already
    assert answer[MEMBER] == already
    assert "not an associated member" in answer[STRANGER]
    assert "member of itself" in answer[ADMINISTRATOR]
    assert lab.invitations_sent() == 1


def test_accounts_over_fifty_are_left_unprocessed(lab: Lab, admin: Actor) -> None:
    many = [f"{300000000000 + n}" for n in range(52)]
    for account_id in many:
        lab.do("add_account", account_id=account_id)

    unprocessed = create(admin, *many)

    assert unprocessed == dict.fromkeys(many[50:], "Maximum number of results exceeded")


def test_members_over_the_limit_are_left_unprocessed(lab: Lab, admin: Actor) -> None:
    lab.do("set_limits", securityhub_organization=1)
    create(admin, MEMBER)

    assert "maximum number of allowed members" in create(admin, OTHER_MEMBER)[OTHER_MEMBER]
    assert admin("DescribeOrganizationConfiguration")["MemberAccountLimitReached"] is True


def test_invited_members_have_a_limit_of_their_own(lab: Lab, admin: Actor) -> None:
    assert SecurityHub.limits["securityhub_invitation"] == 1_000
    lab.do("set_limits", securityhub_invitation=0)

    assert create(admin, MEMBER) == {}
    assert "maximum number" in create(admin, OUTSIDER)[OUTSIDER]


def test_a_member_of_another_administrator_is_not_taken(lab: Lab, admin: Actor) -> None:
    rival = lab.actor(SERVICE, OUTSIDER)
    rival("EnableSecurityHub")
    create(rival, MEMBER)
    refused(rival, "InviteMembers", MEMBER)
    member = lab.actor(SERVICE, MEMBER)
    member("EnableSecurityHub")
    member("AcceptAdministratorInvitation", **invitation(member))

    assert create(admin, MEMBER) == {
        MEMBER: REJECTED
        + "the given account ID is already an associated member of another master account."
    }
    assert "current account cannot create members" in create(member, STRANGER)[STRANGER]
    assert lab.status(SERVICE, MEMBER, administrator=OUTSIDER) == "Enabled"


def test_only_the_right_invitation_is_accepted(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    right = invitation(member)

    wrong_id = member.fails("AcceptAdministratorInvitation", **right | {"InvitationId": "nope"})
    wrong_account = member.fails(
        "AcceptAdministratorInvitation", **right | {"AdministratorId": STRANGER}
    )
    member("AcceptAdministratorInvitation", **right)
    again = member.fails("AcceptAdministratorInvitation", **right)

    assert {wrong_id.code, wrong_account.code, again.code} == {"InvalidInputException"}
    assert "already an associated member" in again.message


def test_an_account_with_members_accepts_nothing(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    lab.do("add_account", account_id=STRANGER)
    create(member, STRANGER)

    error = member.fails("AcceptAdministratorInvitation", **invitation(member))

    assert "still has created, invited or associated members" in error.message


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeHub", {}),
        ("GetMembers", {"AccountIds": [MEMBER]}),
        ("CreateMembers", {"AccountDetails": [{"AccountId": MEMBER}]}),
        ("ListInvitations", {}),
        ("DisableSecurityHub", {}),
    ],
)
def test_without_a_hub_the_account_is_not_subscribed(
    lab: Lab, operation: str, params: dict[str, object]
) -> None:
    error = lab.actor(SERVICE, OUTSIDER).fails(operation, **params)

    assert error.code == "InvalidAccessException"
    assert error.message == f"Account {OUTSIDER} is not subscribed to AWS Security Hub"


def test_hubs_are_described_changed_tagged_and_disabled(lab: Lab) -> None:
    owner = lab.actor(SERVICE, OUTSIDER)
    owner("EnableSecurityHub", Tags={"team": "blue"}, EnableDefaultStandards=False)
    assert owner.fails("EnableSecurityHub").code == "ResourceConflictException"
    owner("UpdateSecurityHubConfiguration", AutoEnableControls=False)

    hub = owner("DescribeHub")
    assert hub["AutoEnableControls"] is False
    assert owner("DescribeHub", HubArn=hub["HubArn"]) == hub
    assert owner.fails("DescribeHub", HubArn="arn:other").code == "ResourceNotFoundException"
    owner("TagResource", ResourceArn=hub["HubArn"], Tags={"cost": "1"})
    owner("UntagResource", ResourceArn=hub["HubArn"], TagKeys=["team"])
    assert owner("ListTagsForResource", ResourceArn=hub["HubArn"]) == {"Tags": {"cost": "1"}}
    owner("DisableSecurityHub")

    assert owner.fails("DescribeHub").code == "InvalidAccessException"


def test_standards_are_enabled_and_disabled(lab: Lab, admin: Actor) -> None:
    arns = [one["StandardsArn"] for one in admin("DescribeStandards")["Standards"]]

    [enabled] = admin(
        "BatchEnableStandards", StandardsSubscriptionRequests=[{"StandardsArn": arns[2]}]
    )["StandardsSubscriptions"]

    subscription = enabled["StandardsSubscriptionArn"]
    assert enabled["StandardsStatus"] == "PENDING"
    assert admin("GetEnabledStandards", StandardsSubscriptionArns=[subscription])[
        "StandardsSubscriptions"
    ] == [enabled | {"StandardsStatus": "READY"}]
    admin("BatchDisableStandards", StandardsSubscriptionArns=[subscription])
    left = admin("GetEnabledStandards")["StandardsSubscriptions"]
    assert subscription not in [one["StandardsSubscriptionArn"] for one in left]


def test_a_standard_is_enabled_once_and_one_that_there_is_not_is_refused(lab: Lab) -> None:
    owner = lab.actor(SERVICE, OUTSIDER)
    owner("EnableSecurityHub", EnableDefaultStandards=False)
    arn = owner("DescribeStandards")["Standards"][2]["StandardsArn"]

    def enable(*arns: str) -> dict[str, Any]:
        return {"StandardsSubscriptionRequests": [{"StandardsArn": each} for each in arns]}

    error = owner.fails("BatchEnableStandards", **enable(arn, f"{arn}.1"))
    before = owner("GetEnabledStandards")["StandardsSubscriptions"]
    owner("BatchEnableStandards", **enable(arn, arn))
    [again] = owner("BatchEnableStandards", **enable(arn))["StandardsSubscriptions"]

    assert (error.code, before) == ("InvalidInputException", [])
    assert owner("GetEnabledStandards")["StandardsSubscriptions"] == [again]
    assert again["StandardsStatus"] == "READY"


def test_a_new_hub_has_the_default_standards(lab: Lab) -> None:
    owner = lab.actor(SERVICE, OUTSIDER)
    owner("EnableSecurityHub")

    by_default = [
        one["StandardsArn"]
        for one in owner("DescribeStandards")["Standards"]
        if one["EnabledByDefault"]
    ]
    enabled = owner("GetEnabledStandards")["StandardsSubscriptions"]
    assert len(by_default) == 2
    assert [one["StandardsArn"] for one in enabled] == by_default


def test_an_administrator_cannot_disable_its_hub(lab: Lab, admin: Actor) -> None:
    assert admin.fails("DisableSecurityHub").code == "InvalidAccessException"


def test_disabling_the_hub_ends_the_membership(lab: Lab, admin: Actor) -> None:
    member = invited(lab, admin)
    member("AcceptAdministratorInvitation", **invitation(member))

    member("DisableSecurityHub")

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"


def test_an_organisation_account_cannot_leave_by_itself(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)
    member = lab.actor(SERVICE, MEMBER)

    assert member.fails("DisassociateFromAdministratorAccount").code == "InvalidInputException"
    assert "InvitationId" not in member("GetAdministratorAccount")["Administrator"]


def test_lists_show_enabled_members_or_all_of_them_page_by_page(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER, OTHER_MEMBER)
    lab.pass_seconds(1)
    create(admin, OUTSIDER)

    enabled = admin("ListMembers")["Members"]
    first = admin("ListMembers", OnlyAssociated=False, MaxResults=2)
    second = admin("ListMembers", OnlyAssociated=False, NextToken=first["NextToken"])

    assert [one["AccountId"] for one in enabled] == [MEMBER, OTHER_MEMBER]
    assert [one["AccountId"] for one in first["Members"]] == [MEMBER, OTHER_MEMBER]
    assert [one["AccountId"] for one in second["Members"]] == [OUTSIDER]
    assert "NextToken" not in second
    assert admin.fails("ListMembers", NextToken="?").code == "InvalidInputException"


def test_regions_are_apart(lab: Lab, admin: Actor) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)
    elsewhere = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)

    assert elsewhere.fails("ListMembers").code == "InvalidAccessException"
    elsewhere("EnableSecurityHub")

    assert elsewhere("ListMembers", OnlyAssociated=False)["Members"] == []
    assert lab.actor(SERVICE, MEMBER, OTHER_REGION).fails("DescribeHub")


def test_new_accounts_are_enabled_when_the_organisation_says_so(lab: Lab, admin: Actor) -> None:
    assert admin("DescribeOrganizationConfiguration")["AutoEnable"] is False
    admin("UpdateOrganizationConfiguration", AutoEnable=True, AutoEnableStandards="NONE")

    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT)
    lab.pass_seconds(2)

    assert lab.status(SERVICE, STRANGER) == "Enabled"
    assert lab.status(SERVICE, MEMBER) is None
    configuration = admin("DescribeOrganizationConfiguration")
    assert (configuration["AutoEnable"], configuration["AutoEnableStandards"]) == (True, "NONE")


@pytest.mark.parametrize(("setting", "standards"), [("DEFAULT", 2), ("NONE", 0)])
def test_a_hub_that_the_organisation_enables_has_the_standards_that_it_says(
    lab: Lab, admin: Actor, setting: str, standards: int
) -> None:
    admin("UpdateOrganizationConfiguration", AutoEnable=True, AutoEnableStandards=setting)

    create(admin, MEMBER)
    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT)
    lab.pass_seconds(2)

    for account_id in (MEMBER, STRANGER):
        enabled = lab.actor(SERVICE, account_id)("GetEnabledStandards")["StandardsSubscriptions"]
        assert len(enabled) == standards


def test_the_management_account_names_the_administrator(lab: Lab) -> None:
    management = lab.actor(SERVICE, MANAGEMENT, OTHER_REGION)
    management("EnableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)
    management("EnableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)

    [listed] = management("ListOrganizationAdminAccounts")["AdminAccounts"]
    assert listed == {"AccountId": ADMINISTRATOR, "Status": "ENABLED"}
    another = management.fails("EnableOrganizationAdminAccount", AdminAccountId=MEMBER)
    assert another.code == "InvalidInputException"

    management("DisableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)
    [listed] = management("ListOrganizationAdminAccounts")["AdminAccounts"]
    assert listed["Status"] == "DISABLE_IN_PROGRESS"
    lab.pass_seconds(1)
    assert management("ListOrganizationAdminAccounts")["AdminAccounts"] == []


@pytest.mark.parametrize("account_id", [MEMBER, ADMINISTRATOR, OUTSIDER])
def test_others_may_not_name_the_administrator(lab: Lab, account_id: str) -> None:
    actor = lab.actor(SERVICE, account_id)

    assert actor.fails("ListOrganizationAdminAccounts").code == "AccessDeniedException"
    named = actor.fails("EnableOrganizationAdminAccount", AdminAccountId=MEMBER)
    assert named.code == "AccessDeniedException"


def test_only_the_administrator_configures_the_organisation(lab: Lab) -> None:
    member = lab.actor(SERVICE, MEMBER)
    member("EnableSecurityHub")

    error = member.fails("DescribeOrganizationConfiguration")

    assert error.code == "InvalidAccessException"
    assert error.message == f"Account {MEMBER} is not an administrator for this organization"


def test_an_account_that_leaves_the_organisation_is_listed_as_deleted(
    lab: Lab, admin: Actor
) -> None:
    create(admin, MEMBER)
    lab.pass_seconds(1)

    lab.do("remove_account", account_id=MEMBER)

    assert lab.status(SERVICE, MEMBER) == "Deleted"
