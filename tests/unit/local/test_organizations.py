from __future__ import annotations

from typing import Any

import pytest

from infra.local.facts.clock import ManualClock
from infra.local.facts.state import NewRole
from infra.local.world import World
from tests.support.local_world import (
    ADMINISTRATOR,
    MANAGEMENT,
    MEMBER,
    OTHER_MEMBER,
    OUTSIDER,
    REGION,
    STRANGER,
    Actor,
    Lab,
    email,
)

SERVICE = "organizations"
PRINCIPAL = "guardduty.amazonaws.com"


@pytest.fixture
def lab() -> Lab:
    return Lab()


@pytest.fixture
def management(lab: Lab) -> Actor:
    return lab.actor(SERVICE, MANAGEMENT)


@pytest.fixture
def delegate(lab: Lab) -> Actor:
    lab.do("designate", service="guardduty", account_id=ADMINISTRATOR, regions=[REGION])
    return lab.actor(SERVICE, ADMINISTRATOR)


def root(management: Actor) -> str:
    [root] = management("ListRoots")["Roots"]
    return str(root["Id"])


def unit(management: Actor, name: str, parent: str) -> str:
    created = management("CreateOrganizationalUnit", ParentId=parent, Name=name)
    return str(created["OrganizationalUnit"]["Id"])


def test_an_account_is_described_with_its_state(lab: Lab, management: Actor) -> None:
    account = management("DescribeAccount", AccountId=MEMBER)["Account"]

    organization = management("DescribeOrganization")["Organization"]["Id"]
    assert account["State"] == "ACTIVE"
    assert "Status" not in account
    assert account["Email"] == email(MEMBER)
    assert account["JoinedMethod"] == "CREATED"
    assert account["Paths"] == [f"{organization}/{root(management)}/{MEMBER}/"]


@pytest.mark.parametrize(
    ("state", "legacy"),
    [
        ("PENDING_ACTIVATION", "ACTIVE"),
        ("SUSPENDED", "SUSPENDED"),
        ("PENDING_CLOSURE", "PENDING_CLOSURE"),
        ("CLOSED", "SUSPENDED"),
    ],
)
def test_every_state_has_a_legacy_status(
    lab: Lab, management: Actor, state: str, legacy: str
) -> None:
    lab.do("set_account", account_id=MEMBER, state=state)
    lab.do("set_switches", organizations_account_status="present")

    account = management("DescribeAccount", AccountId=MEMBER)["Account"]

    assert (account["State"], account["Status"]) == (state, legacy)


def test_policy_types_are_enabled_in_the_root(management: Actor, delegate: Actor) -> None:
    both = {"RootId": root(management), "PolicyType": "SECURITYHUB_CSPM_POLICY"}

    enabled = management("EnablePolicyType", **both)["Root"]

    assert enabled["PolicyTypes"] == [{"Type": "SECURITYHUB_CSPM_POLICY", "Status": "ENABLED"}]
    assert delegate("ListRoots")["Roots"] == [enabled]
    again = management.fails("EnablePolicyType", **both)
    assert again.code == "PolicyTypeAlreadyEnabledException"
    assert delegate.fails("DisablePolicyType", **both).code == "AccessDeniedException"
    assert management("DisablePolicyType", **both)["Root"]["PolicyTypes"] == []
    assert management.fails("DisablePolicyType", **both).code == "PolicyTypeNotEnabledException"
    elsewhere = both | {"RootId": "r-none"}
    assert management.fails("EnablePolicyType", **elsewhere).code == "RootNotFoundException"


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("DescribeAccount", {"AccountId": MEMBER}),
        ("ListAccounts", {}),
        ("ListRoots", {}),
        ("ListDelegatedAdministrators", {}),
        ("ListParents", {"ChildId": MEMBER}),
    ],
)
def test_reading_is_for_management_and_delegates(
    lab: Lab, management: Actor, delegate: Actor, operation: str, params: dict[str, Any]
) -> None:
    assert management(operation, **params) == delegate(operation, **params)

    denied = lab.actor(SERVICE, MEMBER).fails(operation, **params)
    outside = lab.actor(SERVICE, OUTSIDER).fails(operation, **params)

    assert denied.code == "AccessDeniedException"
    assert denied.message == "You don't have permissions to access this resource."
    assert outside.code == "AWSOrganizationsNotInUseException"
    assert outside.message == "Your account is not a member of an organization."


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CreateAccount", {"Email": "new@example.com", "AccountName": "new"}),
        ("EnableAWSServiceAccess", {"ServicePrincipal": PRINCIPAL}),
        (
            "RegisterDelegatedAdministrator",
            {"AccountId": MEMBER, "ServicePrincipal": PRINCIPAL},
        ),
        ("RemoveAccountFromOrganization", {"AccountId": MEMBER}),
        ("CloseAccount", {"AccountId": MEMBER}),
    ],
)
def test_changing_is_for_management_only(
    delegate: Actor, operation: str, params: dict[str, Any]
) -> None:
    assert delegate.fails(operation, **params).code == "AccessDeniedException"


def test_any_member_describes_the_organisation(lab: Lab) -> None:
    organization = lab.actor(SERVICE, MEMBER)("DescribeOrganization")["Organization"]

    assert organization["MasterAccountId"] == MANAGEMENT
    assert organization["MasterAccountEmail"] == email(MANAGEMENT)


def test_accounts_are_listed_twenty_at_a_time(lab: Lab, management: Actor) -> None:
    for number in range(21):
        lab.do("add_account", account_id=f"{300000000000 + number}", organization=MANAGEMENT)

    first = management("ListAccounts")
    second = management("ListAccounts", NextToken=first["NextToken"])

    ids = [one["Id"] for one in first["Accounts"] + second["Accounts"]]
    assert (len(first["Accounts"]), len(ids), len(set(ids))) == (20, 25, 25)
    assert "NextToken" not in second
    assert len(management("ListAccounts", MaxResults=3)["Accounts"]) == 3
    assert management.fails("ListAccounts", NextToken="?").code == "InvalidInputException"


def test_an_unknown_account_is_not_found(management: Actor) -> None:
    error = management.fails("DescribeAccount", AccountId=OUTSIDER)

    assert error.code == "AccountNotFoundException"
    assert error.message == "You specified an account that doesn't exist."


def test_accounts_move_between_units(management: Actor) -> None:
    top = root(management)
    workloads = unit(management, "Workloads", top)
    production = unit(management, "Production", workloads)

    management("MoveAccount", AccountId=MEMBER, SourceParentId=top, DestinationParentId=production)

    organization = management("DescribeOrganization")["Organization"]["Id"]
    path = f"{organization}/{top}/{workloads}/{production}/"
    account = management("DescribeAccount", AccountId=MEMBER)["Account"]
    described = management("DescribeOrganizationalUnit", OrganizationalUnitId=production)
    assert account["Paths"] == [f"{path}{MEMBER}/"]
    assert described["OrganizationalUnit"]["Path"] == path
    assert management("ListParents", ChildId=MEMBER)["Parents"] == [
        {"Id": production, "Type": "ORGANIZATIONAL_UNIT"}
    ]
    assert management("ListParents", ChildId=workloads)["Parents"] == [{"Id": top, "Type": "ROOT"}]
    [account] = management("ListAccountsForParent", ParentId=production)["Accounts"]
    assert account["Id"] == MEMBER
    [listed] = management("ListOrganizationalUnitsForParent", ParentId=top)["OrganizationalUnits"]
    assert listed["Name"] == "Workloads"
    children = management("ListChildren", ParentId=workloads, ChildType="ORGANIZATIONAL_UNIT")
    assert [one["Id"] for one in children["Children"]] == [production]


def test_an_account_is_listed_in_one_place_only(lab: Lab, management: Actor) -> None:
    top = root(management)
    apart = unit(management, "Apart", top)
    for account in (MEMBER, OTHER_MEMBER):
        management("MoveAccount", AccountId=account, SourceParentId=top, DestinationParentId=apart)
    management("RemoveAccountFromOrganization", AccountId=OTHER_MEMBER)
    lab.do("add_account", account_id=OTHER_MEMBER, organization=MANAGEMENT)

    def listed(parent: str) -> list[str]:
        children = management("ListChildren", ParentId=parent, ChildType="ACCOUNT")["Children"]
        accounts = management("ListAccountsForParent", ParentId=parent)["Accounts"]
        assert [one["Id"] for one in children] == [one["Id"] for one in accounts]
        return [one["Id"] for one in children]

    assert listed(apart) == [MEMBER]
    assert listed(top) == [MANAGEMENT, ADMINISTRATOR, OTHER_MEMBER]


@pytest.mark.parametrize(
    ("source", "destination", "code"),
    [
        ("Workloads", "root", "SourceParentNotFoundException"),
        ("root", "nowhere", "DestinationParentNotFoundException"),
        ("root", "root", "DuplicateAccountException"),
    ],
)
def test_a_move_that_cannot_be_is_refused(
    management: Actor, source: str, destination: str, code: str
) -> None:
    top = root(management)
    places = {
        "root": top,
        "Workloads": unit(management, "Workloads", top),
        "nowhere": "ou-abcd-12345678",
    }

    error = management.fails(
        "MoveAccount",
        AccountId=MEMBER,
        SourceParentId=places[source],
        DestinationParentId=places[destination],
    )

    assert error.code == code


def test_a_second_unit_of_the_same_name_is_a_duplicate(management: Actor) -> None:
    top = root(management)
    unit(management, "Workloads", top)

    error = management.fails("CreateOrganizationalUnit", ParentId=top, Name="Workloads")

    assert error.code == "DuplicateOrganizationalUnitException"


def test_a_created_account_comes_after_a_while_with_its_event(lab: Lab, management: Actor) -> None:
    request = management(
        "CreateAccount",
        Email="new@example.com",
        AccountName="New account",
        Tags=[{"Key": "team", "Value": "blue"}],
    )["CreateAccountStatus"]
    assert (request["State"], "AccountId" in request) == ("IN_PROGRESS", False)
    assert lab.world.drain_events() == []

    lab.pass_seconds(1)

    status = management("DescribeCreateAccountStatus", CreateAccountRequestId=request["Id"])[
        "CreateAccountStatus"
    ]
    account_id = status["AccountId"]
    assert status["State"] == "SUCCEEDED"
    assert management("DescribeAccount", AccountId=account_id)["Account"]["Name"] == "New account"
    assert management("ListTagsForResource", ResourceId=account_id)["Tags"] == [
        {"Key": "team", "Value": "blue"}
    ]
    created, joined = lab.world.drain_events()
    assert (created["account"], created["region"], created["source"]) == (
        MANAGEMENT,
        "us-east-1",
        "aws.organizations",
    )
    assert created["detail-type"] == "AWS Service Event via CloudTrail"
    assert created["detail"]["eventName"] == "CreateAccountResult"
    assert created["detail"]["eventType"] == "AwsServiceEvent"
    assert created["detail"]["serviceEventDetails"] == {
        "createAccountStatus": {
            "id": request["Id"],
            "state": "SUCCEEDED",
            "accountName": "****",
            "accountId": account_id,
            "requestedTimestamp": "Jan 15, 2027 8:00:00 AM",
            "completedTimestamp": "Jan 15, 2027 8:00:01 AM",
        }
    }
    assert joined["detail"]["eventName"] == "AccountJoinedOrganization"
    assert joined["detail"]["serviceEventDetails"]["joinedMethod"] == "CREATED"
    assert lab.world.drain_events() == []


@pytest.mark.parametrize("role", [None, "Admin"])
def test_a_created_account_gets_its_role_with_it(role: str | None) -> None:
    made: list[NewRole] = []
    world = World(ManualClock(), {"account_creation": 0}, make_role=made.append)
    world.apply({"do": "create_organization", "management": MANAGEMENT})
    management = Actor(world, SERVICE, MANAGEMENT)
    given = {"RoleName": role} if role else {}

    for _ in range(2):  # The second fails: its e-mail address is in use.
        management("CreateAccount", Email="new@example.com", AccountName="new", **given)
    [created, failed] = management("ListCreateAccountStatus")["CreateAccountStatuses"]

    name = role or "OrganizationAccountAccessRole"
    assert failed["State"] == "FAILED"
    assert made == [NewRole.of_organization(created["AccountId"], MANAGEMENT, name)]


def test_an_email_in_use_fails_the_creation(lab: Lab, management: Actor) -> None:
    request = management("CreateAccount", Email=email(MEMBER).upper(), AccountName="Twice")

    lab.pass_seconds(1)

    [status] = management("ListCreateAccountStatus", States=["FAILED"])["CreateAccountStatuses"]
    assert status["Id"] == request["CreateAccountStatus"]["Id"]
    assert (status["State"], status["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    [event] = lab.world.drain_events()
    details = event["detail"]["serviceEventDetails"]["createAccountStatus"]
    assert (details["state"], details["failureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert "accountId" not in details


def test_an_account_is_found_by_the_email_it_has_now(lab: Lab, management: Actor) -> None:
    lab.do("set_account", account_id=MEMBER, email="now@example.com")
    management("CreateAccount", Email="NOW@example.com", AccountName="Twice")
    management("CreateAccount", Email=email(MEMBER), AccountName="Free again")
    lab.pass_seconds(1)

    statuses = management("ListCreateAccountStatus")["CreateAccountStatuses"]

    assert [one["State"] for one in statuses] == ["FAILED", "SUCCEEDED"]


def test_a_full_organisation_fails_the_creation(lab: Lab, management: Actor) -> None:
    lab.do("set_limits", organization_accounts=4)
    management("CreateAccount", Email="new@example.com", AccountName="New")

    lab.pass_seconds(1)

    [status] = management("ListCreateAccountStatus")["CreateAccountStatuses"]
    assert status["FailureReason"] == "ACCOUNT_LIMIT_EXCEEDED"


def test_an_unknown_creation_is_not_found(management: Actor) -> None:
    error = management.fails("DescribeCreateAccountStatus", CreateAccountRequestId="car-12345678")

    assert error.code == "CreateAccountStatusNotFoundException"


def test_a_removed_account_is_on_its_own(lab: Lab, management: Actor) -> None:
    management("RemoveAccountFromOrganization", AccountId=MEMBER)

    assert lab.actor(SERVICE, MEMBER).fails("DescribeOrganization")
    [event] = lab.world.drain_events()
    assert event["detail"]["serviceEventDetails"]["departureMethod"] == "REMOVED"


def test_an_account_may_leave(lab: Lab) -> None:
    lab.actor(SERVICE, MEMBER)("LeaveOrganization")

    [event] = lab.world.drain_events()
    assert event["detail"]["serviceEventDetails"]["departureMethod"] == "LEFT"


def test_management_and_delegates_stay(management: Actor, delegate: Actor) -> None:
    own = management.fails("RemoveAccountFromOrganization", AccountId=MANAGEMENT)
    delegated = management.fails("RemoveAccountFromOrganization", AccountId=ADMINISTRATOR)

    assert own.code == "MasterCannotLeaveOrganizationException"
    assert delegated.members["Reason"] == "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG"


def test_a_closed_account_is_pending_first(lab: Lab, management: Actor) -> None:
    management("CloseAccount", AccountId=MEMBER)
    pending = management("DescribeAccount", AccountId=MEMBER)["Account"]["State"]
    again = management.fails("CloseAccount", AccountId=MEMBER)

    lab.pass_seconds(1)

    closed = management("DescribeAccount", AccountId=MEMBER)["Account"]["State"]
    assert (pending, again.code, closed) == ("PENDING_CLOSURE", "ConflictException", "CLOSED")
    assert (
        management.fails("CloseAccount", AccountId=MEMBER).code == "AccountAlreadyClosedException"
    )
    assert management.fails("CloseAccount", AccountId=MANAGEMENT).code == (
        "ConstraintViolationException"
    )
    [event] = lab.world.drain_events()
    assert event["detail"]["serviceEventDetails"]["closeAccountStatus"]["accountId"] == MEMBER


def test_a_service_registers_its_administrator_itself(management: Actor, delegate: Actor) -> None:
    [listed] = management("ListDelegatedAdministrators", ServicePrincipal=PRINCIPAL)[
        "DelegatedAdministrators"
    ]
    [service] = management("ListDelegatedServicesForAccount", AccountId=ADMINISTRATOR)[
        "DelegatedServices"
    ]
    [access] = management("ListAWSServiceAccessForOrganization")["EnabledServicePrincipals"]

    assert (listed["Id"], listed["State"]) == (ADMINISTRATOR, "ACTIVE")
    assert service["ServicePrincipal"] == access["ServicePrincipal"] == PRINCIPAL
    assert delegate("ListDelegatedAdministrators", ServicePrincipal="other.amazonaws.com") == {
        "DelegatedAdministrators": []
    }


def test_registering_alone_makes_nobody_administrator_of_the_service(
    lab: Lab, management: Actor
) -> None:
    given = {"AccountId": MEMBER, "ServicePrincipal": PRINCIPAL}
    assert management.fails("RegisterDelegatedAdministrator", **given).members["Reason"] == (
        "SERVICE_ACCESS_NOT_ENABLED"
    )
    management("EnableAWSServiceAccess", ServicePrincipal=PRINCIPAL)
    management("RegisterDelegatedAdministrator", **given)

    guardduty = lab.actor("guardduty", MANAGEMENT)
    assert guardduty("ListOrganizationAdminAccounts") == {"AdminAccounts": []}
    assert management.fails("RegisterDelegatedAdministrator", **given).code == (
        "AccountAlreadyRegisteredException"
    )
    # The service's administrator has to be the registered one.
    guardduty.fails("EnableOrganizationAdminAccount", AdminAccountId=OTHER_MEMBER)
    guardduty("EnableOrganizationAdminAccount", AdminAccountId=MEMBER)


def test_management_cannot_be_a_delegate(management: Actor) -> None:
    error = management.fails(
        "RegisterDelegatedAdministrator", AccountId=MANAGEMENT, ServicePrincipal=PRINCIPAL
    )

    assert error.members["Reason"] == "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"


def test_deregistering_ends_the_services_administrator(
    lab: Lab, management: Actor, delegate: Actor
) -> None:
    error = management.fails("DisableAWSServiceAccess", ServicePrincipal=PRINCIPAL)
    assert error.code == "ConstraintViolationException"

    given = {"AccountId": ADMINISTRATOR, "ServicePrincipal": PRINCIPAL}
    management("DeregisterDelegatedAdministrator", **given)
    lab.pass_seconds(1)

    assert lab.actor("guardduty", MANAGEMENT)("ListOrganizationAdminAccounts") == {
        "AdminAccounts": []
    }
    assert management.fails("DeregisterDelegatedAdministrator", **given).code == (
        "AccountNotRegisteredException"
    )
    assert management.fails("ListDelegatedServicesForAccount", AccountId=ADMINISTRATOR).code == (
        "AccountNotRegisteredException"
    )
    management("DisableAWSServiceAccess", ServicePrincipal=PRINCIPAL)
    assert management("ListAWSServiceAccessForOrganization") == {"EnabledServicePrincipals": []}


def test_tags_are_set_and_taken_off(management: Actor) -> None:
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    management("TagResource", ResourceId=MEMBER, Tags=tags)

    management("UntagResource", ResourceId=MEMBER, TagKeys=["a"])

    assert management("ListTagsForResource", ResourceId=MEMBER) == {"Tags": tags[1:]}
    assert management.fails("ListTagsForResource", ResourceId=OUTSIDER).code == (
        "TargetNotFoundException"
    )


def test_an_invited_account_joins_when_it_accepts(lab: Lab, management: Actor) -> None:
    target = {"Id": email(OUTSIDER), "Type": "EMAIL"}
    sent = management("InviteAccountToOrganization", Target=target)["Handshake"]
    assert management.fails("InviteAccountToOrganization", Target=target).code == (
        "DuplicateHandshakeException"
    )
    invitee = lab.actor(SERVICE, OUTSIDER)
    [received] = invitee("ListHandshakesForAccount")["Handshakes"]

    accepted = invitee("AcceptHandshake", HandshakeId=received["Id"])["Handshake"]

    assert (received["Id"], accepted["State"]) == (sent["Id"], "ACCEPTED")
    account = management("DescribeAccount", AccountId=OUTSIDER)["Account"]
    assert account["JoinedMethod"] == "INVITED"
    [event] = lab.world.drain_events()
    assert event["detail"]["serviceEventDetails"]["joinedMethod"] == "INVITED"
    assert invitee.fails("AcceptHandshake", HandshakeId=sent["Id"]).code == (
        "InvalidHandshakeTransitionException"
    )


@pytest.mark.parametrize(
    ("actor", "operation", "state"),
    [(OUTSIDER, "DeclineHandshake", "DECLINED"), (MANAGEMENT, "CancelHandshake", "CANCELED")],
)
def test_a_handshake_may_come_to_nothing(
    lab: Lab, management: Actor, actor: str, operation: str, state: str
) -> None:
    target = {"Id": OUTSIDER, "Type": "ACCOUNT"}
    sent = management("InviteAccountToOrganization", Target=target)["Handshake"]

    lab.actor(SERVICE, actor)(operation, HandshakeId=sent["Id"])

    [listed] = management("ListHandshakesForOrganization")["Handshakes"]
    described = management("DescribeHandshake", HandshakeId=sent["Id"])["Handshake"]
    assert listed["State"] == described["State"] == state
    assert lab.actor(SERVICE, STRANGER).fails("DescribeHandshake", HandshakeId=sent["Id"])


def test_a_handshake_expires(lab: Lab, management: Actor) -> None:
    target = {"Id": OUTSIDER, "Type": "ACCOUNT"}
    sent = management("InviteAccountToOrganization", Target=target)["Handshake"]

    lab.pass_seconds(15 * 86_400)

    described = management("DescribeHandshake", HandshakeId=sent["Id"])["Handshake"]
    assert described["State"] == "EXPIRED"


def test_an_account_of_its_own_founds_an_organisation(lab: Lab) -> None:
    founder = lab.actor(SERVICE, OUTSIDER)

    organization = founder("CreateOrganization", FeatureSet="ALL")["Organization"]

    assert organization["MasterAccountId"] == OUTSIDER
    assert founder.fails("CreateOrganization").code == "AlreadyInOrganizationException"
    assert lab.actor(SERVICE, MANAGEMENT)("DescribeOrganization")["Organization"] != organization


def test_an_invitation_is_cancelled_by_the_management_account_alone(lab: Lab) -> None:
    management = lab.actor(SERVICE, MANAGEMENT)
    target = {"Type": "ACCOUNT", "Id": OUTSIDER}
    sent = management("InviteAccountToOrganization", Target=target)["Handshake"]

    refused = [
        lab.actor(SERVICE, one).fails("CancelHandshake", HandshakeId=sent["Id"])
        for one in (MEMBER, OUTSIDER, STRANGER)
    ]

    assert {one.code for one in refused} == {"AccessDeniedException"}
