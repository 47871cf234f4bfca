from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

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
    from infra.local.api import ServiceError
    from tests.support.local_world import Actor

SERVICE = "guardduty"
REJECTED = "The request is rejected because "
NOT_MEMBER = (
    REJECTED + "the given account ID is not an associated member of account the current account."
)


class WithDetector:
    """An actor that passes its own detector's id to every call."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        detectors = actor("ListDetectors")["DetectorIds"]
        self.detector = (
            detectors[0] if detectors else actor("CreateDetector", Enable=True)["DetectorId"]
        )

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.actor(operation, DetectorId=self.detector, **params)

    def fails(self, operation: str, **params: Any) -> ServiceError:
        return self.actor.fails(operation, DetectorId=self.detector, **params)

    def refused(self, operation: str, *account_ids: str, **params: Any) -> dict[str, str]:
        answer = self(operation, AccountIds=list(account_ids), **params)
        return {one["AccountId"]: one["Result"] for one in answer["UnprocessedAccounts"]}

    def create(self, *account_ids: str, **emails: str) -> dict[str, str]:
        answer = self(
            "CreateMembers",
            AccountDetails=[
                {"AccountId": one, "Email": emails.get("email", email(one))} for one in account_ids
            ],
        )
        return {one["AccountId"]: one["Result"] for one in answer["UnprocessedAccounts"]}


@pytest.fixture
def lab() -> Lab:
    lab = Lab()
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[REGION, OPT_IN_REGION])
    return lab


@pytest.fixture
def admin(lab: Lab) -> WithDetector:
    return WithDetector(lab.actor(SERVICE, ADMINISTRATOR))


def owner(lab: Lab, account_id: str, region: str = REGION) -> WithDetector:
    return WithDetector(lab.actor(SERVICE, account_id, region))


def invitation(member: WithDetector) -> dict[str, str]:
    [invitation] = member.actor("ListInvitations")["Invitations"]
    return {"AdministratorId": invitation["AccountId"], "InvitationId": invitation["InvitationId"]}


def invited(lab: Lab, admin: WithDetector, account_id: str = OUTSIDER) -> WithDetector:
    admin.create(account_id)
    admin.refused("InviteMembers", account_id, DisableEmailNotification=True, Message="Welcome")
    lab.pass_seconds(1)
    return owner(lab, account_id)


def member_of(lab: Lab, admin: WithDetector) -> WithDetector:
    member = invited(lab, admin)
    member("AcceptAdministratorInvitation", **invitation(member))
    return member


def test_an_organisation_account_is_enabled_without_invitation(
    lab: Lab, admin: WithDetector
) -> None:
    assert admin.create(MEMBER) == {}
    assert lab.status(SERVICE, MEMBER) == "Created"

    lab.pass_seconds(1)

    [member] = admin("GetMembers", AccountIds=[MEMBER])["Members"]
    assert member["RelationshipStatus"] == "Enabled"
    assert member["DetectorId"] == owner(lab, MEMBER).detector
    assert member["UpdatedAt"].endswith("Z")
    assert lab.invitations_sent() == 0


def test_an_outside_account_is_verified_invited_and_accepts(lab: Lab, admin: WithDetector) -> None:
    member = invited(lab, admin)
    assert member.actor("GetInvitationsCount") == {"InvitationsCount": 1}

    member("AcceptAdministratorInvitation", **invitation(member))

    assert lab.history(SERVICE, OUTSIDER) == [
        "Created",
        "EmailVerificationInProgress",
        "Invited",
        "Enabled",
    ]
    administrator = member("GetAdministratorAccount")["Administrator"]
    assert administrator["AccountId"] == ADMINISTRATOR
    assert administrator["RelationshipStatus"] == "Enabled"
    assert member("GetMasterAccount")["Master"] == administrator
    assert member.actor("GetInvitationsCount") == {"InvitationsCount": 0}


def test_the_older_names_accept_and_leave_too(lab: Lab, admin: WithDetector) -> None:
    member = invited(lab, admin)
    given = invitation(member)

    member(
        "AcceptInvitation", MasterId=given["AdministratorId"], InvitationId=given["InvitationId"]
    )
    member("DisassociateFromMasterAccount")

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"


@pytest.mark.parametrize("account_id", [OUTSIDER, STRANGER])
def test_an_email_that_is_not_the_accounts_fails_verification(
    lab: Lab, admin: WithDetector, account_id: str
) -> None:
    admin.create(account_id, email="wrong@example.com")
    admin.refused("InviteMembers", account_id)

    lab.pass_seconds(1)

    assert lab.status(SERVICE, account_id) == "EmailVerificationFailed"
    assert lab.invitations_sent() == 0
    assert "already invited" in admin.refused("InviteMembers", account_id)[account_id]
    assert admin.refused("DisassociateMembers", account_id) == {}
    assert admin.refused("DeleteMembers", account_id) == {}


def test_an_owner_accepts_by_itself_and_gets_a_detector(lab: Lab, admin: WithDetector) -> None:
    lab.do("set_account", account_id=OUTSIDER, accepts_after=10)
    admin.create(OUTSIDER)
    admin.refused("InviteMembers", OUTSIDER)

    lab.pass_seconds(11)

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"
    assert len(lab.actor(SERVICE, OUTSIDER)("ListDetectors")["DetectorIds"]) == 1


def test_monitoring_stops_and_starts_again(lab: Lab, admin: WithDetector) -> None:
    member = member_of(lab, admin)

    assert admin.refused("StopMonitoringMembers", OUTSIDER) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Disabled"
    assert member("GetDetector")["Status"] == "DISABLED"
    assert admin.refused("StartMonitoringMembers", OUTSIDER) == {}

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"
    assert member("GetDetector")["Status"] == "ENABLED"


def test_a_member_that_suspends_its_detector_is_disabled(lab: Lab, admin: WithDetector) -> None:
    member = member_of(lab, admin)

    member("UpdateDetector", Enable=False)
    assert lab.status(SERVICE, OUTSIDER) == "Disabled"
    member("UpdateDetector", Enable=True, FindingPublishingFrequency="ONE_HOUR")

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"
    assert member("GetDetector")["FindingPublishingFrequency"] == "ONE_HOUR"


@pytest.mark.parametrize(
    "operation", ["StartMonitoringMembers", "StopMonitoringMembers", "UpdateMemberDetectors"]
)
def test_monitoring_is_refused_for_accounts_that_are_no_members(
    lab: Lab, admin: WithDetector, operation: str
) -> None:
    admin.create(OUTSIDER)

    assert admin.refused(operation, OUTSIDER, STRANGER) == {
        OUTSIDER: NOT_MEMBER,
        STRANGER: NOT_MEMBER,
    }


def test_disassociating_takes_an_associated_member(lab: Lab, admin: WithDetector) -> None:
    member_of(lab, admin)
    assert "still associated" in admin.refused("DeleteMembers", OUTSIDER)[OUTSIDER]

    assert admin.refused("DisassociateMembers", OUTSIDER) == {}

    assert lab.status(SERVICE, OUTSIDER) == "Removed"
    again = admin.refused("DisassociateMembers", OUTSIDER, STRANGER)
    assert all(text.endswith("is not yet associated to it.") for text in again.values())
    assert len(again) == 2


def test_a_removed_outside_account_keeps_its_details_for_an_invitation(
    lab: Lab, admin: WithDetector
) -> None:
    member_of(lab, admin)
    admin.refused("DisassociateMembers", OUTSIDER)

    assert admin.refused("InviteMembers", OUTSIDER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, OUTSIDER) == "Invited"
    assert lab.invitations_sent() == 2


def test_a_removed_outside_account_is_created_again_too(lab: Lab, admin: WithDetector) -> None:
    member_of(lab, admin)
    admin.refused("DisassociateMembers", OUTSIDER)

    assert admin.create(OUTSIDER) == {}
    assert lab.status(SERVICE, OUTSIDER) == "Created"

    assert admin.refused("InviteMembers", OUTSIDER) == {}
    lab.pass_seconds(1)
    assert lab.status(SERVICE, OUTSIDER) == "Invited"


def test_a_former_organisation_account_is_created_before_it_can_be_invited(
    lab: Lab, admin: WithDetector
) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)
    lab.do("remove_account", account_id=MEMBER)
    assert lab.status(SERVICE, MEMBER) == "Removed"

    assert list(admin.refused("InviteMembers", MEMBER)) == [MEMBER]
    assert lab.status(SERVICE, MEMBER) == "Removed"
    assert admin.create(MEMBER) == {}
    assert lab.status(SERVICE, MEMBER) == "Created"
    assert admin.refused("InviteMembers", MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "Invited"
    assert lab.invitations_sent() == 1


@pytest.mark.parametrize("invited", [False, True])
def test_an_account_added_by_hand_before_it_joined_is_taken_up_by_creation(
    lab: Lab, admin: WithDetector, invited: bool
) -> None:
    admin.create(OUTSIDER)
    if invited:
        admin.refused("InviteMembers", OUTSIDER)
        lab.pass_seconds(1)
    lab.do("add_account", account_id=OUTSIDER, organization=MANAGEMENT, joined="INVITED")
    lab.pass_seconds(100)
    assert lab.status(SERVICE, OUTSIDER) == ("Invited" if invited else "Created")

    assert admin.create(OUTSIDER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, OUTSIDER) == "Enabled"


@pytest.mark.parametrize("invited", [False, True])
def test_an_account_added_by_hand_before_the_designation_is_taken_up_by_creation(
    lab: Lab, invited: bool
) -> None:
    admin = owner(lab, ADMINISTRATOR, OTHER_REGION)
    admin.create(MEMBER)
    if invited:
        admin.refused("InviteMembers", MEMBER)
        lab.pass_seconds(1)
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[OTHER_REGION])
    lab.pass_seconds(100)
    before = lab.status(SERVICE, MEMBER, region=OTHER_REGION)
    assert before == ("Invited" if invited else "Created")

    assert admin.create(MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=OTHER_REGION) == "Enabled"


def test_a_removed_organisation_account_takes_only_creation(lab: Lab, admin: WithDetector) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)
    admin.refused("DisassociateMembers", MEMBER)

    assert "belongs to the organization" in admin.refused("InviteMembers", MEMBER)[MEMBER]
    assert admin.create(MEMBER) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "Enabled"
    assert lab.invitations_sent() == 0


def test_deleting_leaves_nothing(lab: Lab, admin: WithDetector) -> None:
    admin.create(OUTSIDER)

    assert admin.refused("DeleteMembers", OUTSIDER) == {}

    answer = admin("GetMembers", AccountIds=[OUTSIDER, STRANGER])
    assert answer == {"Members": [], "UnprocessedAccounts": []}
    assert admin.refused("DeleteMembers", OUTSIDER) == {OUTSIDER: NOT_MEMBER}


def test_a_declined_invitation_can_then_be_deleted(lab: Lab, admin: WithDetector) -> None:
    member = invited(lab, admin).actor
    both = {"AccountIds": [ADMINISTRATOR]}

    [refusal] = member("DeleteInvitations", **both)["UnprocessedAccounts"]
    assert "has not declined" in refusal["Result"]
    assert member("DeclineInvitations", **both) == {"UnprocessedAccounts": []}
    assert member("DeleteInvitations", **both) == {"UnprocessedAccounts": []}

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"
    assert member("ListInvitations") == {"Invitations": []}


def test_a_suspended_organisation_account_is_not_enabled(lab: Lab, admin: WithDetector) -> None:
    lab.do("set_account", account_id=MEMBER, state="SUSPENDED")

    admin.create(MEMBER)
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == "AccountSuspended"


@pytest.mark.parametrize(
    ("state", "status"), [("ACTIVE", "Enabled"), ("SUSPENDED", "AccountSuspended")]
)
def test_a_suspended_member_is_taken_up_again(
    lab: Lab, admin: WithDetector, state: str, status: str
) -> None:
    lab.do("set_account", account_id=MEMBER, state="SUSPENDED")
    admin.create(MEMBER)
    lab.pass_seconds(1)
    lab.do("set_account", account_id=MEMBER, state=state)
    lab.pass_seconds(100)
    assert lab.status(SERVICE, MEMBER) == "AccountSuspended"

    assert admin.create(MEMBER) == {}
    assert lab.status(SERVICE, MEMBER) == "Created"
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER) == status


@pytest.mark.parametrize(("opted_in", "status"), [(True, "Enabled"), (False, "RegionDisabled")])
def test_a_member_whose_region_was_disabled_is_taken_up_again(
    lab: Lab, opted_in: bool, status: str
) -> None:
    lab.do("set_account", account_id=ADMINISTRATOR, regions=[OPT_IN_REGION])
    admin = owner(lab, ADMINISTRATOR, OPT_IN_REGION)
    admin.create(MEMBER)
    lab.pass_seconds(1)
    lab.do("set_account", account_id=MEMBER, regions=[OPT_IN_REGION] if opted_in else [])

    assert admin.create(MEMBER) == {}
    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "Created"
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == status


def test_a_region_the_account_lacks_is_its_status(lab: Lab) -> None:
    lab.do("set_account", account_id=ADMINISTRATOR, regions=[OPT_IN_REGION])
    admin = owner(lab, ADMINISTRATOR, OPT_IN_REGION)
    admin.create(MEMBER)
    lab.pass_seconds(1)
    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "RegionDisabled"

    lab.do("set_account", account_id=MEMBER, regions=[OPT_IN_REGION])
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MEMBER, region=OPT_IN_REGION) == "Enabled"


def test_the_management_account_enables_guardduty_first(lab: Lab, admin: WithDetector) -> None:
    assert admin.create(MANAGEMENT) == {
        MANAGEMENT: "Operation failed because your organization master must first enable "
        "GuardDuty to be added as a member"
    }

    owner(lab, MANAGEMENT)
    assert admin.create(MANAGEMENT) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MANAGEMENT) == "Enabled"


def test_accounts_that_cannot_be_created_say_why(lab: Lab, admin: WithDetector) -> None:
    admin.create(MEMBER)

    assert admin.create(ADMINISTRATOR, MEMBER) == {
        ADMINISTRATOR: REJECTED + "an account cannot become a member of itself.",
        MEMBER: REJECTED + "the given account ID is already a member or associated member of the "
        "current account.",
    }


def test_accounts_that_cannot_be_invited_say_why(lab: Lab, admin: WithDetector) -> None:
    admin.create(MEMBER, OUTSIDER)
    admin.refused("InviteMembers", OUTSIDER)
    already = (
        REJECTED + "the current account has already invited or is already the GuardDuty master "
        "of the given member account ID."
    )

    answer = admin.refused("InviteMembers", OUTSIDER, MEMBER, STRANGER)

    assert answer == {
        OUTSIDER: already,
        MEMBER: already,
        STRANGER: REJECTED + "the member account's email address is missing.",
    }


def test_members_over_the_limit_are_left_unprocessed(lab: Lab, admin: WithDetector) -> None:
    lab.do("set_limits", guardduty=1)
    admin.create(MEMBER)

    text = admin.create(OTHER_MEMBER)[OTHER_MEMBER]

    assert text.endswith("since it cannot exceed the maximum number of allowed members.")
    assert admin("DescribeOrganizationConfiguration")["MemberAccountLimitReached"] is True


def test_a_member_of_another_administrator_is_not_taken(lab: Lab, admin: WithDetector) -> None:
    rival = owner(lab, OUTSIDER)
    member = invited(lab, rival, MEMBER)
    member("AcceptAdministratorInvitation", **invitation(member))

    assert "member of another master account" in admin.create(MEMBER)[MEMBER]
    cannot = member.create(STRANGER)[STRANGER]
    assert cannot == (
        REJECTED + "the current account cannot create members since it is already an associated "
        "member of another master account."
    )


def test_invitations_of_two_administrators_compete(lab: Lab, admin: WithDetector) -> None:
    rival = owner(lab, MANAGEMENT)
    member = invited(lab, admin)
    rival.create(OUTSIDER)
    rival.refused("InviteMembers", OUTSIDER)
    lab.pass_seconds(1)
    both = member.actor("ListInvitations")["Invitations"]
    mine, theirs = (
        {one["AccountId"]: one for one in both}[one] for one in (ADMINISTRATOR, MANAGEMENT)
    )

    member(
        "AcceptAdministratorInvitation",
        AdministratorId=ADMINISTRATOR,
        InvitationId=mine["InvitationId"],
    )
    error = member.fails(
        "AcceptAdministratorInvitation",
        AdministratorId=MANAGEMENT,
        InvitationId=theirs["InvitationId"],
    )

    assert "already an associated member" in error.message
    assert lab.status(SERVICE, OUTSIDER, administrator=MANAGEMENT) == "Invited"


def test_a_wrong_invitation_is_refused(lab: Lab, admin: WithDetector) -> None:
    member = invited(lab, admin)

    error = member.fails(
        "AcceptAdministratorInvitation", **invitation(member) | {"InvitationId": "nope"}
    )

    assert error.code == "BadRequestException"
    assert "has no pending invitation" in error.message
    assert error.members["Type"] == "InvalidInputException"


@pytest.mark.parametrize("detector", ["0" * 32, "another's"])
def test_a_detector_that_is_not_ones_own_is_a_bad_request(
    lab: Lab, admin: WithDetector, detector: str
) -> None:
    detector = owner(lab, OUTSIDER).detector if detector == "another's" else detector

    error = admin.actor.fails("GetMembers", DetectorId=detector, AccountIds=[MEMBER])

    assert error.code == "BadRequestException"
    assert error.message == (REJECTED + "the input detectorId is not owned by the current account.")


def test_detectors_are_made_described_tagged_and_deleted(lab: Lab) -> None:
    actor = lab.actor(SERVICE, OUTSIDER)
    assert actor("ListDetectors") == {"DetectorIds": []}
    detector = actor(
        "CreateDetector",
        Enable=True,
        Tags={"team": "blue"},
        Features=[{"Name": "RUNTIME_MONITORING", "Status": "ENABLED"}],
        DataSources={"S3Logs": {"Enable": False}},
    )["DetectorId"]
    again = actor.fails("CreateDetector", Enable=True)
    assert again.message == REJECTED + "a detector already exists for the current account."

    described = actor("GetDetector", DetectorId=detector)
    features = {one["Name"]: one["Status"] for one in described["Features"]}
    assert described["Tags"] == {"team": "blue"}
    assert described["DataSources"]["S3Logs"]["Status"] == "DISABLED"
    assert (features["RUNTIME_MONITORING"], features["RDS_LOGIN_EVENTS"]) == ("ENABLED", "ENABLED")
    arn = f"arn:aws:guardduty:{REGION}:{OUTSIDER}:detector/{detector}"
    assert actor("ListTagsForResource", ResourceArn=arn) == {"Tags": {"team": "blue"}}
    actor("DeleteDetector", DetectorId=detector)

    assert actor("ListDetectors") == {"DetectorIds": []}


def test_additional_configuration_is_kept_in_detectors_members_and_the_organisation(
    lab: Lab, admin: WithDetector
) -> None:
    def parts(answer: dict[str, Any], key: str) -> dict[str, str]:
        [runtime] = [one for one in answer["Features"] if one["Name"] == "RUNTIME_MONITORING"]
        return {part["Name"]: part[key] for part in runtime.get("AdditionalConfiguration", [])}

    def runtime(key: str, value: str, **given: str) -> list[dict[str, Any]]:
        additional = [{"Name": name, key: its} for name, its in given.items()]
        return [{"Name": "RUNTIME_MONITORING", key: value, "AdditionalConfiguration": additional}]

    assert parts(admin("GetDetector"), "Status") == {}
    admin("UpdateDetector", Features=runtime("Status", "ENABLED", EKS_ADDON_MANAGEMENT="ENABLED"))
    admin("UpdateDetector", Features=runtime("Status", "ENABLED", EC2_AGENT_MANAGEMENT="DISABLED"))
    assert parts(admin("GetDetector"), "Status") == {
        "EKS_ADDON_MANAGEMENT": "ENABLED",
        "EC2_AGENT_MANAGEMENT": "DISABLED",
    }

    automatic = {"EKS_ADDON_MANAGEMENT": "NEW", "ECS_FARGATE_AGENT_MANAGEMENT": "NONE"}
    admin(
        "UpdateOrganizationConfiguration",
        AutoEnable=True,
        Features=runtime("AutoEnable", "NEW", **automatic),
    )
    assert parts(admin("DescribeOrganizationConfiguration"), "AutoEnable") == automatic
    admin.create(MEMBER)
    lab.pass_seconds(1)
    [member] = admin("GetMemberDetectors", AccountIds=[MEMBER])["MemberDataSourceConfigurations"]
    assert parts(member, "Status") == {"EKS_ADDON_MANAGEMENT": "ENABLED"}

    admin(
        "UpdateMemberDetectors",
        AccountIds=[MEMBER],
        Features=runtime("Status", "ENABLED", EKS_ADDON_MANAGEMENT="DISABLED"),
    )
    [member] = admin("GetMemberDetectors", AccountIds=[MEMBER])["MemberDataSourceConfigurations"]
    assert parts(member, "Status") == {"EKS_ADDON_MANAGEMENT": "DISABLED"}


def test_an_additional_configuration_has_a_name(admin: WithDetector) -> None:
    feature = {"Name": "RUNTIME_MONITORING", "AdditionalConfiguration": [{"Status": "ENABLED"}]}

    assert admin.fails("UpdateDetector", Features=[feature]).code == "BadRequestException"


def test_both_runtime_features_at_once_are_an_error(lab: Lab, admin: WithDetector) -> None:
    names = ("EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING")

    error = admin.fails(
        "UpdateDetector", Features=[{"Name": name, "Status": "ENABLED"} for name in names]
    )

    assert error.code == "BadRequestException"


@pytest.mark.parametrize(
    ("region", "missing"),
    [
        (REGION, set()),
        ("ap-south-1", {"AI_ANALYST"}),
        ("ap-east-2", {"AI_ANALYST", "RDS_LOGIN_EVENTS"}),
    ],
)
def test_a_detector_has_the_features_that_its_region_offers(
    lab: Lab, region: str, missing: set[str]
) -> None:
    lab.do("set_account", account_id=OUTSIDER, regions=["ap-east-2"])
    actor = lab.actor(SERVICE, OUTSIDER, region)

    def features(*names: str) -> list[dict[str, str]]:
        return [{"Name": name, "Status": "DISABLED"} for name in names]

    refused = {
        name
        for name in missing
        if actor.fails("CreateDetector", Enable=True, Features=features(name))
    }
    offered = sorted({"AI_ANALYST", "AI_PROTECTION", "RDS_LOGIN_EVENTS"} - missing)
    detector = actor("CreateDetector", Enable=True, Features=features(*offered))["DetectorId"]

    described = actor("GetDetector", DetectorId=detector)["Features"]
    off = sorted(one["Name"] for one in described if one["Status"] == "DISABLED")
    assert refused == missing
    assert off == sorted([*offered, "EKS_RUNTIME_MONITORING", "RUNTIME_MONITORING"])


def test_a_detector_with_members_is_not_deleted(lab: Lab, admin: WithDetector) -> None:
    invited(lab, admin)

    assert "invited or associated members" in admin.fails("DeleteDetector").message


def test_deleting_a_members_detector_ends_the_membership(lab: Lab, admin: WithDetector) -> None:
    member = member_of(lab, admin)

    member("DeleteDetector")

    assert lab.status(SERVICE, OUTSIDER) == "Resigned"


def test_members_detectors_are_read_and_updated(lab: Lab, admin: WithDetector) -> None:
    member_of(lab, admin)

    admin("UpdateMemberDetectors", AccountIds=[OUTSIDER], DataSources={"S3Logs": {"Enable": False}})
    answer = admin("GetMemberDetectors", AccountIds=[OUTSIDER, STRANGER])

    [one] = answer["MemberDataSourceConfigurations"]
    assert one["DataSources"]["S3Logs"] == {"Status": "DISABLED"}
    assert answer["UnprocessedAccounts"] == [{"AccountId": STRANGER, "Result": NOT_MEMBER}]


def test_an_account_without_administrator_gets_no_content(lab: Lab, admin: WithDetector) -> None:
    assert admin("GetAdministratorAccount") == {}
    error = owner(lab, OUTSIDER).fails("DisassociateFromAdministratorAccount")
    assert error.message == REJECTED + "the current account is not associated to a master account."


def test_lists_show_associated_members_or_all_page_by_page(lab: Lab, admin: WithDetector) -> None:
    admin.create(MEMBER, OTHER_MEMBER)
    lab.pass_seconds(1)
    admin.create(OUTSIDER)

    associated = admin("ListMembers")["Members"]
    first = admin("ListMembers", OnlyAssociated="false", MaxResults=2)
    second = admin("ListMembers", OnlyAssociated="FALSE", NextToken=first["NextToken"])

    assert [one["AccountId"] for one in associated] == [MEMBER, OTHER_MEMBER]
    assert [one["AccountId"] for one in first["Members"]] == [MEMBER, OTHER_MEMBER]
    assert [one["AccountId"] for one in second["Members"]] == [OUTSIDER]
    assert "NextToken" not in second


def test_regions_are_apart(lab: Lab, admin: WithDetector) -> None:
    admin.create(MEMBER)
    elsewhere = owner(lab, ADMINISTRATOR, OTHER_REGION)

    assert elsewhere.detector != admin.detector
    assert elsewhere("ListMembers", OnlyAssociated="false")["Members"] == []


@pytest.mark.parametrize(
    ("setting", "expected", "old"),
    [
        ({"AutoEnableOrganizationMembers": "NONE"}, {STRANGER: None, MEMBER: None}, False),
        ({"AutoEnableOrganizationMembers": "NEW"}, {STRANGER: "Enabled", MEMBER: None}, True),
        ({"AutoEnableOrganizationMembers": "ALL"}, {STRANGER: "Enabled", MEMBER: "Enabled"}, True),
        ({"AutoEnable": True}, {STRANGER: "Enabled", MEMBER: None}, True),
    ],
)
def test_auto_enable_takes_the_accounts_it_says(
    lab: Lab,
    admin: WithDetector,
    setting: dict[str, Any],
    expected: dict[str, str | None],
    old: bool,
) -> None:
    admin("UpdateOrganizationConfiguration", **setting)

    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT)
    lab.pass_seconds(2)

    assert {one: lab.status(SERVICE, one) for one in expected} == expected
    assert admin("DescribeOrganizationConfiguration")["AutoEnable"] is old


@pytest.mark.parametrize("setting", ["NEW", "ALL"])
def test_auto_enable_does_nothing_while_the_policy_type_is_enabled(
    lab: Lab, admin: WithDetector, setting: str
) -> None:
    """It is still described as it was set (inferred)."""
    management = lab.actor("organizations", MANAGEMENT)
    policies = {"RootId": management("ListRoots")["Roots"][0]["Id"]}
    policies["PolicyType"] = "GUARDDUTY_POLICY"
    management("EnablePolicyType", **policies)
    admin("UpdateOrganizationConfiguration", AutoEnableOrganizationMembers=setting)

    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT)
    lab.pass_seconds(2)
    assert [lab.status(SERVICE, one) for one in (STRANGER, MEMBER)] == [None, None]
    described = admin("DescribeOrganizationConfiguration")
    assert described["AutoEnableOrganizationMembers"] == setting

    management("DisablePolicyType", **policies)
    lab.pass_seconds(2)
    restored = "Enabled" if setting == "ALL" else None
    assert [lab.status(SERVICE, one) for one in (STRANGER, MEMBER)] == [restored, restored]


def test_auto_enable_all_finds_the_management_account_unready(
    lab: Lab, admin: WithDetector
) -> None:
    admin("UpdateOrganizationConfiguration", AutoEnableOrganizationMembers="ALL")
    lab.pass_seconds(2)
    assert lab.status(SERVICE, MANAGEMENT) == "CannotCreateDetectorInOrganizationMasterAccount"

    owner(lab, MANAGEMENT)
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MANAGEMENT) == "Enabled"


@pytest.mark.parametrize(
    "operation", ["DisassociateMembers", "DeleteMembers", "StopMonitoringMembers"]
)
def test_auto_enable_all_keeps_its_members(lab: Lab, admin: WithDetector, operation: str) -> None:
    admin("UpdateOrganizationConfiguration", AutoEnableOrganizationMembers="ALL")
    lab.pass_seconds(2)

    assert "set to ALL" in admin.refused(operation, MEMBER)[MEMBER]
    assert lab.status(SERVICE, MEMBER) == "Enabled"


def test_the_organisation_configuration_holds_features(lab: Lab, admin: WithDetector) -> None:
    admin(
        "UpdateOrganizationConfiguration",
        AutoEnable=False,
        DataSources={"Kubernetes": {"AuditLogs": {"AutoEnable": True}}},
        Features=[{"Name": "RDS_LOGIN_EVENTS", "AutoEnable": "ALL"}],
    )

    configuration = admin("DescribeOrganizationConfiguration", MaxResults=4)
    rest = admin("DescribeOrganizationConfiguration", NextToken=configuration["NextToken"])

    features = {
        one["Name"]: one["AutoEnable"] for one in configuration["Features"] + rest["Features"]
    }
    assert (features["EKS_AUDIT_LOGS"], features["RDS_LOGIN_EVENTS"]) == ("NEW", "ALL")
    assert features["S3_DATA_EVENTS"] == "NONE"
    assert configuration["DataSources"]["Kubernetes"] == {"AuditLogs": {"AutoEnable": True}}


@pytest.mark.parametrize("both", [{}, {"AutoEnable": True, "AutoEnableOrganizationMembers": "NEW"}])
def test_auto_enable_is_given_one_way(admin: WithDetector, both: dict[str, Any]) -> None:
    assert admin.fails("UpdateOrganizationConfiguration", **both).code == "BadRequestException"


def test_new_members_get_the_organisations_features(lab: Lab, admin: WithDetector) -> None:
    admin(
        "UpdateOrganizationConfiguration",
        AutoEnable=False,
        Features=[{"Name": "RUNTIME_MONITORING", "AutoEnable": "ALL"}],
    )

    admin.create(MEMBER)
    lab.pass_seconds(1)

    [one] = admin("GetMemberDetectors", AccountIds=[MEMBER])["MemberDataSourceConfigurations"]
    features = {feature["Name"]: feature["Status"] for feature in one["Features"]}
    assert features["RUNTIME_MONITORING"] == "ENABLED"


def test_the_management_account_names_the_administrator(lab: Lab) -> None:
    management = lab.actor(SERVICE, MANAGEMENT, OTHER_REGION)
    management("EnableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)

    [listed] = management("ListOrganizationAdminAccounts")["AdminAccounts"]
    assert listed == {"AdminAccountId": ADMINISTRATOR, "AdminStatus": "ENABLED"}
    assert len(lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)("ListDetectors")["DetectorIds"]) == 1
    another = management.fails("EnableOrganizationAdminAccount", AdminAccountId=MEMBER)
    assert "another account is already enabled" in another.message

    management("DisableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)
    [listed] = management("ListOrganizationAdminAccounts")["AdminAccounts"]
    assert listed["AdminStatus"] == "DISABLE_IN_PROGRESS"
    lab.pass_seconds(1)
    assert management("ListOrganizationAdminAccounts")["AdminAccounts"] == []


@pytest.mark.parametrize("account_id", [MEMBER, ADMINISTRATOR, OUTSIDER])
def test_others_may_not_name_the_administrator(lab: Lab, account_id: str) -> None:
    error = lab.actor(SERVICE, account_id).fails("ListOrganizationAdminAccounts")

    assert error.code == "BadRequestException"


def test_only_the_administrator_configures_the_organisation(lab: Lab) -> None:
    error = owner(lab, MEMBER).fails("DescribeOrganizationConfiguration")

    assert "not the GuardDuty delegated administrator" in error.message


def test_ending_the_administrator_removes_its_organisation_members(
    lab: Lab, admin: WithDetector
) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)

    lab.actor(SERVICE, MANAGEMENT)("DisableOrganizationAdminAccount", AdminAccountId=ADMINISTRATOR)

    assert lab.status(SERVICE, MEMBER) == "Removed"
