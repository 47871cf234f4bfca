from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.wire.paging import when
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

SERVICE = "detective"
DAY = 86_400.0


class WithGraph:
    """An administrator that passes its own graph's ARN to every call."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.graph: str = actor("CreateGraph")["GraphArn"]

    def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return self.actor(operation, GraphArn=self.graph, **params)

    def fails(self, operation: str, **params: Any) -> ServiceError:
        return self.actor.fails(operation, GraphArn=self.graph, **params)

    def create(self, *account_ids: str, address: str | None = None) -> dict[str, Any]:
        accounts = [
            {"AccountId": one, "EmailAddress": address or email(one)} for one in account_ids
        ]
        return self("CreateMembers", Accounts=accounts)

    def refused(self, *account_ids: str) -> dict[str, str]:
        unprocessed = self.create(*account_ids)["UnprocessedAccounts"]
        return {one["AccountId"]: one["Reason"] for one in unprocessed}

    def details(self, account_id: str) -> dict[str, Any]:
        [details] = self("GetMembers", AccountIds=[account_id])["MemberDetails"]
        assert isinstance(details, dict)
        return details


@pytest.fixture
def lab() -> Lab:
    lab = Lab({"detective_volume": 2 * DAY, "detective_recheck": DAY})
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[REGION])
    for account_id in (MEMBER, OUTSIDER):
        lab.do("set_account", account_id=account_id, volume="known")
    return lab


@pytest.fixture
def admin(lab: Lab) -> WithGraph:
    return WithGraph(lab.actor(SERVICE, ADMINISTRATOR))


def invited(lab: Lab, admin: WithGraph) -> Actor:
    admin.create(OUTSIDER)
    lab.pass_seconds(1)
    return lab.actor(SERVICE, OUTSIDER)


def test_an_organisation_account_is_enabled_without_invitation(lab: Lab, admin: WithGraph) -> None:
    [created] = admin.create(MEMBER)["Members"]
    assert (created["Status"], created["InvitationType"]) == (
        "VERIFICATION_IN_PROGRESS",
        "ORGANIZATION",
    )

    lab.pass_seconds(1)

    details = admin.details(MEMBER)
    assert details["Status"] == "ENABLED"
    assert details["DatasourcePackageIngestStates"] == {"DETECTIVE_CORE": "STARTED"}
    assert "InvitedTime" not in details
    assert lab.invitations_sent() == 0


def test_an_outside_account_is_invited_by_its_creation(lab: Lab, admin: WithGraph) -> None:
    member = invited(lab, admin)
    [invitation] = member("ListInvitations")["Invitations"]
    assert (invitation["Status"], invitation["GraphArn"]) == ("INVITED", admin.graph)

    member("AcceptInvitation", GraphArn=admin.graph)

    assert lab.history(SERVICE, OUTSIDER) == ["VERIFICATION_IN_PROGRESS", "INVITED", "ENABLED"]
    [accepted] = member("ListInvitations")["Invitations"]
    assert accepted["Status"] == "ENABLED"
    assert admin.details(OUTSIDER)["InvitationType"] == "INVITATION"


def test_an_email_that_is_not_the_accounts_fails_verification(lab: Lab, admin: WithGraph) -> None:
    admin.create(OUTSIDER, STRANGER, address="wrong@example.com")

    lab.pass_seconds(1)

    assert admin.details(OUTSIDER)["Status"] == "VERIFICATION_FAILED"
    assert admin.details(STRANGER)["Status"] == "VERIFICATION_FAILED"
    assert lab.invitations_sent() == 0
    admin("DeleteMembers", AccountIds=[OUTSIDER])
    assert admin.refused(OUTSIDER) == {}


def test_an_owner_accepts_by_itself(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_account", account_id=OUTSIDER, accepts_after={"*": None, SERVICE: 5})
    invited(lab, admin)

    lab.pass_seconds(5)

    assert lab.status(SERVICE, OUTSIDER) == "ENABLED"


def test_a_volume_nobody_knows_disables_until_guardduty_has_run(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_account", account_id=MEMBER, volume="measured")
    admin.create(MEMBER)
    lab.pass_seconds(10 * DAY)
    details = admin.details(MEMBER)
    assert (details["Status"], details["DisabledReason"]) == (
        "ACCEPTED_BUT_DISABLED",
        "VOLUME_UNKNOWN",
    )

    lab.do("enable", service="guardduty", account_id=MEMBER, regions=[REGION])
    lab.pass_seconds(2 * DAY)
    assert lab.status(SERVICE, MEMBER) == "ACCEPTED_BUT_DISABLED"
    lab.pass_seconds(DAY)

    assert admin.details(MEMBER)["Status"] == "ENABLED"
    assert "DisabledReason" not in admin.details(MEMBER)


def test_starting_a_member_need_not_wait_for_the_recheck(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_timings", detective_recheck=None)
    lab.do("set_account", account_id=MEMBER, volume="measured")
    lab.do("enable", service="guardduty", account_id=MEMBER, regions=[REGION])
    admin.create(MEMBER)
    lab.pass_seconds(DAY)

    admin("StartMonitoringMember", AccountId=MEMBER)
    assert lab.status(SERVICE, MEMBER) == "ACCEPTED_BUT_DISABLED"
    lab.pass_seconds(DAY)
    assert lab.status(SERVICE, MEMBER) == "ACCEPTED_BUT_DISABLED"
    admin("StartMonitoringMember", AccountId=MEMBER)

    assert lab.status(SERVICE, MEMBER) == "ENABLED"


def test_too_much_volume_stays_disabled_until_there_is_less(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_account", account_id=MEMBER, volume="too_high")
    admin.create(MEMBER)
    lab.pass_seconds(30 * DAY)
    admin("StartMonitoringMember", AccountId=MEMBER)
    assert admin.details(MEMBER)["DisabledReason"] == "VOLUME_TOO_HIGH"

    lab.do("set_account", account_id=MEMBER, volume="known")
    lab.pass_seconds(DAY)

    assert lab.status(SERVICE, MEMBER) == "ENABLED"


def test_an_accepted_invitation_waits_for_the_volume_too(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_account", account_id=OUTSIDER, volume="unknown")
    member = invited(lab, admin)

    member("AcceptInvitation", GraphArn=admin.graph)

    assert admin.details(OUTSIDER)["DisabledReason"] == "VOLUME_UNKNOWN"
    assert member.fails("AcceptInvitation", GraphArn=admin.graph).code == "ConflictException"


@pytest.mark.parametrize(
    ("operation", "accepted"), [("RejectInvitation", False), ("DisassociateMembership", True)]
)
def test_a_member_that_says_no_is_gone(
    lab: Lab, admin: WithGraph, operation: str, accepted: bool
) -> None:
    member = invited(lab, admin)
    if accepted:
        member("AcceptInvitation", GraphArn=admin.graph)

    member(operation, GraphArn=admin.graph)

    assert lab.status(SERVICE, OUTSIDER) is None
    assert admin("ListMembers") == {"MemberDetails": []}
    assert member("ListInvitations") == {"Invitations": []}
    assert admin.refused(OUTSIDER) == {}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("DisassociateMembership", "ConflictException"),
        ("AcceptInvitation", None),
    ],
)
def test_an_invitation_is_answered_before_it_is_left(
    lab: Lab, admin: WithGraph, operation: str, code: str | None
) -> None:
    member = invited(lab, admin)

    if code is None:
        assert member(operation, GraphArn=admin.graph) == {}
    else:
        assert member.fails(operation, GraphArn=admin.graph).code == code


@pytest.mark.parametrize("operation", ["AcceptInvitation", "RejectInvitation"])
def test_only_an_invited_account_answers(lab: Lab, admin: WithGraph, operation: str) -> None:
    admin.create(OUTSIDER)
    graph = f"arn:aws:detective:{REGION}:{STRANGER}:graph:{'a' * 32}"

    verifying = lab.actor(SERVICE, OUTSIDER).fails(operation, GraphArn=admin.graph)
    unknown = lab.actor(SERVICE, OUTSIDER).fails(operation, GraphArn=graph)

    assert {verifying.code, unknown.code} == {"ResourceNotFoundException"}


def test_an_organisation_account_cannot_leave_by_itself(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)

    error = lab.actor(SERVICE, MEMBER).fails("DisassociateMembership", GraphArn=admin.graph)

    assert error.code == "ValidationException"


def test_an_account_invited_by_hand_before_it_joined_is_taken_up_by_creation(
    lab: Lab, admin: WithGraph
) -> None:
    invited(lab, admin)
    lab.do("add_account", account_id=OUTSIDER, organization=MANAGEMENT, volume="known")
    lab.pass_seconds(100)
    assert admin.details(OUTSIDER)["Status"] == "INVITED"

    assert admin.refused(OUTSIDER) == {}
    lab.pass_seconds(1)

    assert admin.details(OUTSIDER)["Status"] == "ENABLED"


def test_an_account_invited_by_hand_before_the_designation_is_taken_up_by_creation(
    lab: Lab,
) -> None:
    admin = WithGraph(lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION))
    admin.create(MEMBER)
    lab.pass_seconds(1)
    lab.do("designate", service=SERVICE, account_id=ADMINISTRATOR, regions=[OTHER_REGION])
    assert admin.details(MEMBER)["Status"] == "INVITED"

    assert admin.refused(MEMBER) == {}
    lab.pass_seconds(1)

    assert admin.details(MEMBER)["Status"] == "ENABLED"


def test_accounts_that_cannot_be_created_say_why(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER, OUTSIDER)
    lab.do("set_account", account_id=OTHER_MEMBER, state="SUSPENDED")

    answer = admin.refused(MEMBER, OUTSIDER, ADMINISTRATOR, OTHER_MEMBER)

    assert answer[MEMBER] == answer[OUTSIDER] == "Account is already a member"
    assert "administrator" in answer[ADMINISTRATOR]
    assert "suspended" in answer[OTHER_MEMBER]


def test_members_over_the_limit_are_a_quota_error(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_limits", detective=1)
    admin.create(MEMBER)

    assert admin.refused(MEMBER) == {MEMBER: "Account is already a member"}
    error = admin.fails(
        "CreateMembers", Accounts=[{"AccountId": OUTSIDER, "EmailAddress": email(OUTSIDER)}]
    )
    assert error.code == "ServiceQuotaExceededException"
    assert lab.status(SERVICE, OUTSIDER) is None


def test_members_are_got_deleted_and_missed(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER)

    answer = admin("GetMembers", AccountIds=[MEMBER, STRANGER])
    deleted = admin("DeleteMembers", AccountIds=[MEMBER, STRANGER])

    assert [one["AccountId"] for one in answer["MemberDetails"]] == [MEMBER]
    assert [one["AccountId"] for one in answer["UnprocessedAccounts"]] == [STRANGER]
    assert deleted["AccountIds"] == [MEMBER]
    assert [one["AccountId"] for one in deleted["UnprocessedAccounts"]] == [STRANGER]
    assert lab.status(SERVICE, MEMBER) is None


@pytest.mark.parametrize(
    ("account_id", "code"),
    [(MEMBER, "ConflictException"), (STRANGER, "ResourceNotFoundException")],
)
def test_only_a_disabled_member_is_started(
    lab: Lab, admin: WithGraph, account_id: str, code: str
) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)

    assert admin.fails("StartMonitoringMember", AccountId=account_id).code == code


def test_graphs_are_made_once_listed_tagged_and_deleted(lab: Lab) -> None:
    owner = WithGraph(lab.actor(SERVICE, OUTSIDER))
    assert owner.actor("CreateGraph", Tags={"a": "b"}) == {"GraphArn": owner.graph}
    [listed] = owner.actor("ListGraphs")["GraphList"]
    assert listed["Arn"] == owner.graph
    owner.actor("TagResource", ResourceArn=owner.graph, Tags={"team": "blue"})
    assert owner.actor("ListTagsForResource", ResourceArn=owner.graph) == {"Tags": {"team": "blue"}}
    owner("UpdateDatasourcePackages", DatasourcePackages=["EKS_AUDIT"])
    packages = owner("ListDatasourcePackages")["DatasourcePackages"]
    assert set(packages) == {"DETECTIVE_CORE", "EKS_AUDIT"}
    owner.create(STRANGER)

    owner("DeleteGraph")

    assert owner.actor("ListGraphs") == {"GraphList": []}
    assert lab.status(SERVICE, STRANGER, administrator=OUTSIDER) is None
    assert owner.fails("ListMembers").code == "ResourceNotFoundException"


def test_the_administrator_sees_since_when_its_members_contribute(
    lab: Lab, admin: WithGraph
) -> None:
    lab.do("set_account", account_id=OTHER_MEMBER, volume="too_high")
    admin.create(MEMBER, OTHER_MEMBER)
    lab.pass_seconds(1)
    enabled = lab.clock.now()
    lab.pass_seconds(10)
    admin("UpdateDatasourcePackages", DatasourcePackages=["EKS_AUDIT"])

    answer = admin(
        "BatchGetGraphMemberDatasources",
        AccountIds=[MEMBER, OTHER_MEMBER, STRANGER, ADMINISTRATOR, MEMBER],
    )

    contributing, disabled = answer["MemberDatasources"]
    assert (contributing["AccountId"], contributing["GraphArn"]) == (MEMBER, admin.graph)
    assert contributing["DatasourcePackageIngestHistory"] == {
        "DETECTIVE_CORE": {"STARTED": {"Timestamp": when(enabled)}},
        "EKS_AUDIT": {"STARTED": {"Timestamp": when(enabled + 10)}},
    }
    assert disabled["DatasourcePackageIngestHistory"]["DETECTIVE_CORE"] == {
        "DISABLED": {"Timestamp": when(enabled)}
    }
    assert answer["UnprocessedAccounts"] == [
        {"AccountId": one, "Reason": "Account is not a member"} for one in (STRANGER, ADMINISTRATOR)
    ]


def test_a_member_sees_since_when_it_contributes(lab: Lab, admin: WithGraph) -> None:
    member = invited(lab, admin)
    elsewhere = admin.graph.replace(REGION, OTHER_REGION)
    [open_] = member("BatchGetMembershipDatasources", GraphArns=[admin.graph])[
        "MembershipDatasources"
    ]
    assert open_["DatasourcePackageIngestHistory"] == {}
    member("AcceptInvitation", GraphArn=admin.graph)

    answer = member("BatchGetMembershipDatasources", GraphArns=[admin.graph, elsewhere])

    [contributing] = answer["MembershipDatasources"]
    assert (contributing["AccountId"], contributing["GraphArn"]) == (OUTSIDER, admin.graph)
    assert list(contributing["DatasourcePackageIngestHistory"]) == ["DETECTIVE_CORE"]
    [unprocessed] = answer["UnprocessedGraphs"]
    assert unprocessed["GraphArn"] == elsewhere
    assert unprocessed["Reason"]
    stranger = lab.actor(SERVICE, STRANGER)
    answer = stranger("BatchGetMembershipDatasources", GraphArns=[admin.graph])
    assert answer["MembershipDatasources"] == []


def test_another_accounts_graph_is_denied(lab: Lab, admin: WithGraph) -> None:
    error = lab.actor(SERVICE, OUTSIDER).fails("ListMembers", GraphArn=admin.graph)

    assert error.code == "AccessDeniedException"


def test_an_account_may_belong_to_several_graphs(lab: Lab, admin: WithGraph) -> None:
    rival = WithGraph(lab.actor(SERVICE, STRANGER))
    member = invited(lab, admin)
    rival.create(OUTSIDER)
    lab.pass_seconds(1)

    for graph in (admin.graph, rival.graph):
        member("AcceptInvitation", GraphArn=graph)

    assert lab.status(SERVICE, OUTSIDER) == "ENABLED"
    assert lab.status(SERVICE, OUTSIDER, administrator=STRANGER) == "ENABLED"


def test_members_are_listed_page_by_page(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER, OTHER_MEMBER, OUTSIDER)

    first = admin("ListMembers", MaxResults=2)
    second = admin("ListMembers", NextToken=first["NextToken"])

    assert [one["AccountId"] for one in first["MemberDetails"]] == [MEMBER, OTHER_MEMBER]
    assert [one["AccountId"] for one in second["MemberDetails"]] == [OUTSIDER]
    assert "NextToken" not in second
    assert admin.fails("ListMembers", NextToken="?").code == "ValidationException"


def test_regions_are_apart(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER)
    elsewhere = WithGraph(lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION))

    assert elsewhere.graph != admin.graph
    assert elsewhere("ListMembers") == {"MemberDetails": []}


def test_the_owner_of_an_account_without_the_region_cannot_accept(lab: Lab) -> None:
    lab.do("set_account", account_id=OTHER_MEMBER, regions=[OPT_IN_REGION])
    admin = WithGraph(lab.actor(SERVICE, OTHER_MEMBER, OPT_IN_REGION))
    lab.do("set_account", account_id=OUTSIDER, accepts_after=1)
    admin.create(OUTSIDER)
    lab.pass_seconds(10)

    assert (
        lab.status(SERVICE, OUTSIDER, administrator=OTHER_MEMBER, region=OPT_IN_REGION) == "INVITED"
    )


def test_new_accounts_are_enabled_when_the_organisation_says_so(lab: Lab, admin: WithGraph) -> None:
    assert admin("DescribeOrganizationConfiguration") == {"AutoEnable": False}
    admin("UpdateOrganizationConfiguration", AutoEnable=True)

    lab.do("add_account", account_id=STRANGER, organization=MANAGEMENT, volume="known")
    lab.pass_seconds(2)

    assert lab.status(SERVICE, STRANGER) == "ENABLED"
    assert lab.status(SERVICE, MEMBER) is None
    assert admin("DescribeOrganizationConfiguration") == {"AutoEnable": True}


def test_the_management_account_is_enabled_like_any_other(lab: Lab, admin: WithGraph) -> None:
    lab.do("set_account", account_id=MANAGEMENT, volume="known")

    assert admin.refused(MANAGEMENT) == {}
    lab.pass_seconds(1)

    assert lab.status(SERVICE, MANAGEMENT) == "ENABLED"


def test_the_management_account_names_the_administrator(lab: Lab) -> None:
    management = lab.actor(SERVICE, MANAGEMENT, OTHER_REGION)
    management("EnableOrganizationAdminAccount", AccountId=ADMINISTRATOR)

    [listed] = management("ListOrganizationAdminAccounts")["Administrators"]
    graphs = lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)("ListGraphs")["GraphList"]
    assert (listed["AccountId"], listed["GraphArn"]) == (ADMINISTRATOR, graphs[0]["Arn"])
    another = management.fails("EnableOrganizationAdminAccount", AccountId=MEMBER)
    assert another.code == "ValidationException"

    management("DisableOrganizationAdminAccount")
    lab.pass_seconds(1)

    assert management("ListOrganizationAdminAccounts") == {"Administrators": []}
    assert lab.actor(SERVICE, ADMINISTRATOR, OTHER_REGION)("ListGraphs") == {"GraphList": []}


@pytest.mark.parametrize("account_id", [MEMBER, OUTSIDER])
def test_others_may_not_name_the_administrator(lab: Lab, account_id: str) -> None:
    error = lab.actor(SERVICE, account_id).fails("ListOrganizationAdminAccounts")

    assert error.code == "AccessDeniedException"
    assert error.message == "Caller is not an organization manager or delegated administrator"


def test_only_the_administrator_configures_the_organisation(lab: Lab) -> None:
    owner = WithGraph(lab.actor(SERVICE, MEMBER))

    assert owner.fails("DescribeOrganizationConfiguration").code == "AccessDeniedException"


def test_an_account_that_leaves_the_organisation_is_gone(lab: Lab, admin: WithGraph) -> None:
    admin.create(MEMBER)
    lab.pass_seconds(1)

    lab.do("remove_account", account_id=MEMBER)

    assert lab.history(SERVICE, MEMBER)[-2:] == ["ENABLED", None]
