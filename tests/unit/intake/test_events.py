from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.errors import InvalidInput
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.scope import Scope
from functions.intake.events import read_event, require_publisher
from functions.intake.reader import read_request
from tests.support.builders import ACCOUNT, EMAIL, OTHER, a_configuration
from tests.support.events import sample

MANAGEMENT = AccountId("111122223333")
ADMINISTRATOR = AccountId("222233334444")
ORGANIZATION = "o-aa111bb222"
CONFIGURATION = a_configuration(
    regions=("eu-west-1", "ap-east-1"), scope=Scope(include_paths=("o-aa111bb222/",))
)
ABSENT = object()

STATUS = "detail.serviceEventDetails.createAccountStatus"
HANDSHAKE = "detail.responseElements.handshake"
MANAGED = "detail.serviceEventDetails.createManagedAccountStatus"
UPDATED = "detail.serviceEventDetails.updateManagedAccountStatus"
BASELINE = "detail.serviceEventDetails.enableBaselineStatus.enabledBaselineDetails"


def read(event: Any) -> OnboardingRequest:
    return read_request(event, CONFIGURATION)


def changed(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The sample with other values at dotted paths; ABSENT takes a field away."""
    event = deepcopy(sample(name))
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = event
        for key in parents:
            place = place[key]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return event


def joined(**containers: Any) -> dict[str, Any]:
    """AccountJoinedOrganization with its facts in the given containers."""
    event = sample("account_joined_organization_created.INFERRED")
    event["detail"] |= {"serviceEventDetails": None, **containers}
    return event


@pytest.mark.parametrize(
    ("name", "account_id", "source"),
    [
        ("create_account_result_succeeded", ACCOUNT, "CreateAccountResult"),
        ("create_gov_cloud_account_result_succeeded.INFERRED", ACCOUNT, "CreateAccountResult"),
        ("accept_handshake.INFERRED", OTHER, "AcceptHandshake"),
        ("account_joined_organization_created.INFERRED", ACCOUNT, "AccountJoinedOrganization"),
        ("account_joined_organization_invited.INFERRED", OTHER, "AccountJoinedOrganization"),
        ("controltower_create_managed_account_succeeded", ACCOUNT, "CreateManagedAccount"),
        ("controltower_update_managed_account_succeeded", ACCOUNT, "UpdateManagedAccount"),
        ("controltower_enable_baseline_succeeded", ACCOUNT, "EnableBaseline"),
        ("move_account", ACCOUNT, "MoveAccount"),
    ],
)
@pytest.mark.parametrize(
    "detail_type", ["AWS Service Event via CloudTrail", "AWS API Call via CloudTrail"]
)
def test_an_account_that_came_is_enrolled(
    name: str, account_id: AccountId, source: str, detail_type: str
) -> None:
    request = read(changed(name, {"detail-type": detail_type}))

    assert request == OnboardingRequest(
        (RequestedAccount(account_id),), source, automatic=True, reported_by=MANAGEMENT
    )


def test_an_account_that_opted_in_to_a_region_is_enrolled_there_only() -> None:
    request = read(sample("account_region_opt_in_status_change"))

    assert request == OnboardingRequest(
        (RequestedAccount(ACCOUNT),),
        "Region Opt-In Status Change",
        automatic=True,
        regions=("ap-east-1",),
        reported_by=MANAGEMENT,
    )


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("create_account_api_call", "detail.eventName"),
        ("create_account_result_failed", f"{STATUS}.state"),
        ("controltower_create_managed_account_failed", f"{MANAGED}.state"),
        (
            "controltower_enable_baseline_organizational_unit.INFERRED",
            f"{BASELINE}.targetIdentifier",
        ),
        ("invite_account_to_organization", "detail.eventName"),
        ("close_account_result_succeeded", "detail.eventName"),
        ("remove_account_from_organization", "detail.eventName"),
        ("leave_organization.INFERRED", "detail.eventName"),
        ("account_departed_organization_removed.INFERRED", "detail.eventName"),
    ],
)
def test_an_event_that_brings_no_account_is_refused(name: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(sample(name))

    assert refused.value.field == field


CREATED = "create_account_result_succeeded"
ACCEPTED = "accept_handshake.INFERRED"
MOVED = "move_account"
LANDED = "controltower_create_managed_account_succeeded"
RELANDED = "controltower_update_managed_account_succeeded"
GOVERNED = "controltower_enable_baseline_succeeded"
OPTED_IN = "account_region_opt_in_status_change"
JOINED = "account_joined_organization_created.INFERRED"
THE_ORGANIZATION = {"type": "ORGANIZATION", "id": ORGANIZATION}
AN_EMAIL = {"type": "EMAIL", "id": EMAIL}


def an_account(account_id: object) -> dict[str, Any]:
    return {"type": "ACCOUNT", "id": account_id}


def an_arn(account_id: str) -> str:
    return f"arn:aws:organizations::{MANAGEMENT}:account/{ORGANIZATION}/{account_id}"


WRONG: list[tuple[str, str, Any, str]] = [
    (CREATED, "detail-type", "Scheduled Event", "detail-type: takes one of AWS Service Event"),
    (CREATED, "detail-type", ["AWS API Call via CloudTrail"], "detail-type: takes one of"),
    (CREATED, "detail-type", "Region Opt-In Status Change", "source: takes aws.account"),
    (CREATED, "source", "aws.controltower", "source: takes aws.organizations"),
    (CREATED, "source", "my.application", "source: takes aws.organizations"),
    (CREATED, "source", ABSENT, "source: takes aws.organizations"),
    (CREATED, "detail", None, "detail.eventName: takes one of CreateAccountResult"),
    (CREATED, "detail", [], "detail.eventName: takes one of"),
    (CREATED, "detail.eventSource", "iam.amazonaws.com", "detail.eventSource: takes organiz"),
    (CREATED, "detail.eventName", "createAccountResult", "detail.eventName: takes one of"),
    (CREATED, "detail.eventName", ["CreateAccountResult"], "detail.eventName: takes one of"),
    (CREATED, "detail.eventName", "MoveAccount", "detail.requestParameters.accountId: takes"),
    (CREATED, "detail.errorCode", "AccessDenied", "detail.errorCode: takes nothing"),
    (CREATED, "detail.serviceEventDetails", None, f"{STATUS}.state: takes SUCCEEDED"),
    (CREATED, f"{STATUS}.state", "IN_PROGRESS", f"{STATUS}.state: takes SUCCEEDED"),
    (CREATED, f"{STATUS}.state", ["SUCCEEDED"], f"{STATUS}.state: takes SUCCEEDED"),
    (CREATED, f"{STATUS}.accountId", ABSENT, f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", None, f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", 444455556666, f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", "44445555666", f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", f"{ACCOUNT} ", f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", "\uff14" * 12, f"{STATUS}.accountId: takes an account id"),
    (CREATED, f"{STATUS}.accountId", MANAGEMENT, "account: takes another account"),
    (CREATED, "account", ABSENT, "account: takes an account id"),
    (CREATED, "account", ACCOUNT, "account: takes another account"),
    (ACCEPTED, f"{HANDSHAKE}.action", "ENABLE_ALL_FEATURES", f"{HANDSHAKE}.action: takes INVITE"),
    (ACCEPTED, f"{HANDSHAKE}.state", "OPEN", f"{HANDSHAKE}.state: takes ACCEPTED"),
    (ACCEPTED, "detail.responseElements", None, f"{HANDSHAKE}.action: takes INVITE"),
    (ACCEPTED, "detail.errorCode", "HandshakeNotFoundException", "detail.errorCode: takes"),
    (ACCEPTED, f"{HANDSHAKE}.parties", ABSENT, f"{HANDSHAKE}.parties: takes exactly one party"),
    (ACCEPTED, f"{HANDSHAKE}.parties", [THE_ORGANIZATION], f"{HANDSHAKE}.parties: takes exactly"),
    (ACCEPTED, f"{HANDSHAKE}.parties", [THE_ORGANIZATION, AN_EMAIL], f"{HANDSHAKE}.parties: "),
    (ACCEPTED, f"{HANDSHAKE}.parties", [OTHER], f"{HANDSHAKE}.parties: takes exactly one party"),
    (ACCEPTED, f"{HANDSHAKE}.parties", an_account(OTHER), f"{HANDSHAKE}.parties: takes exactly"),
    (ACCEPTED, f"{HANDSHAKE}.parties", [an_account(ACCOUNT), an_account(OTHER)], HANDSHAKE),
    (ACCEPTED, f"{HANDSHAKE}.parties", [an_account(MANAGEMENT)], "account: takes another account"),
    (ACCEPTED, f"{HANDSHAKE}.parties", [an_account(ORGANIZATION)], f"{HANDSHAKE}.parties[ACC"),
    (ACCEPTED, f"{HANDSHAKE}.parties", [an_account(EMAIL)], f"{HANDSHAKE}.parties[ACCOUNT].id"),
    (JOINED, "source", "aws.health", "source: takes aws.organizations"),
    (JOINED, "detail.eventName", ABSENT, "detail.eventName: takes one of"),
    (JOINED, "detail.errorCode", "AccessDenied", "detail.errorCode: takes nothing"),
    (LANDED, "source", "aws.organizations", "source: takes aws.controltower"),
    (LANDED, "detail.eventSource", "organizations.amazonaws.com", "detail.eventSource: takes"),
    (LANDED, "detail.eventName", "UpdateManagedAccount", f"{UPDATED}.state: takes SUCCEEDED"),
    (LANDED, f"{MANAGED}.account", None, f"{MANAGED}.account.accountId: takes an account id"),
    (LANDED, f"{MANAGED}.account.accountId", MANAGEMENT, "account: takes another account"),
    (RELANDED, "detail.eventName", "CreateManagedAccount", f"{MANAGED}.state: takes SUCCEEDED"),
    (RELANDED, f"{UPDATED}.state", "FAILED", f"{UPDATED}.state: takes SUCCEEDED"),
    (GOVERNED, f"{BASELINE}.statusSummary.status", "FAILED", f"{BASELINE}.statusSummary.status: "),
    (GOVERNED, f"{BASELINE}.targetIdentifier", ABSENT, f"{BASELINE}.targetIdentifier: takes a te"),
    (GOVERNED, f"{BASELINE}.targetIdentifier", an_arn("1"), f"{BASELINE}.targetIdentifier: takes"),
    (GOVERNED, f"{BASELINE}.targetIdentifier", an_arn(EMAIL), f"{BASELINE}.targetIdentifier: tak"),
    (GOVERNED, f"{BASELINE}.targetIdentifier", an_arn(MANAGEMENT), "account: takes another acco"),
    (MOVED, "detail.errorCode", "DuplicateAccountException", "detail.errorCode: takes nothing"),
    (MOVED, "detail.requestParameters", None, "detail.requestParameters.accountId: takes an"),
    (MOVED, "detail.requestParameters.accountId", MANAGEMENT, "account: takes another account"),
    (OPTED_IN, "source", "aws.organizations", "source: takes aws.account"),
    (OPTED_IN, "account", ABSENT, "account: takes an account id"),
    (OPTED_IN, "account", "\uff11" * 12, "account: takes an account id"),
    (OPTED_IN, "detail.status", "ENABLING", "detail.status: takes ENABLED"),
    (OPTED_IN, "detail.status", "DISABLED", "detail.status: takes ENABLED"),
    (OPTED_IN, "detail.accountId", None, "detail.accountId: takes an account id"),
    (OPTED_IN, "detail.regionName", "me-south-1", "detail.regionName: takes one of eu-west-1, ap"),
    (OPTED_IN, "detail.regionName", ["ap-east-1"], "detail.regionName: takes one of eu-west-1"),
    (OPTED_IN, "detail.regionName", ABSENT, "detail.regionName: takes one of eu-west-1"),
]


@pytest.mark.parametrize(("name", "path", "value", "refusal"), WRONG)
def test_a_wrong_field_is_refused_by_what_it_takes(
    name: str, path: str, value: Any, refusal: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(changed(name, {path: value}))

    assert str(refused.value).startswith(refusal)
    assert EMAIL not in str(refused.value)


def test_an_account_is_never_known_by_its_govcloud_id() -> None:
    event = changed(
        "create_gov_cloud_account_result_succeeded.INFERRED", {f"{STATUS}.accountId": ABSENT}
    )

    with pytest.raises(InvalidInput, match=r"createAccountStatus\.accountId"):
        read(event)


@pytest.mark.parametrize("others", [[], [AN_EMAIL], [{"type": "ACCOUNTS", "id": ACCOUNT}, None]])
def test_the_invited_account_is_found_in_any_order(others: list[Any]) -> None:
    parties = [an_account(OTHER), THE_ORGANIZATION, *others]

    for order in (parties, parties[::-1]):
        request = read(changed(ACCEPTED, {f"{HANDSHAKE}.parties": order}))
        assert request.accounts == (RequestedAccount(OTHER),)


@pytest.mark.parametrize(
    "containers",
    [
        {"requestParameters": {"accountId": ACCOUNT}},
        {"responseElements": {"AccountId": ACCOUNT, "joinedMethod": "Invited"}},
        {"additionalEventData": {"memberAccountId": ACCOUNT, "managementAccountId": MANAGEMENT}},
        {"serviceEventDetails": {"member_account_id": ACCOUNT, "master_account_id": MANAGEMENT}},
        {"serviceEventDetails": {"joinedAccountStatus": {"accountId": ACCOUNT}}},
        {"responseElements": {"account": {"id": ACCOUNT, "joinedMethod": "CREATED"}}},
        {"serviceEventDetails": {"accountId": ACCOUNT, "organization": {"id": ORGANIZATION}}},
        {"serviceEventDetails": {"accountId": ACCOUNT, "managementAccount": {"accountId": "1"}}},
        {"serviceEventDetails": {"accountId": ACCOUNT, "joinedMethod": "TRANSFERRED"}},
        {"serviceEventDetails": {"accountId": None}, "requestParameters": {"accountId": ACCOUNT}},
        {
            "serviceEventDetails": {"accountId": ACCOUNT, "joinedMethod": "CREATED"},
            "additionalEventData": {"accountID": ACCOUNT, "joinedMethod": "Created"},
        },
    ],
)
def test_the_account_that_joined_is_found_wherever_it_stands(containers: Any) -> None:
    assert read(joined(**containers)).accounts == (RequestedAccount(ACCOUNT),)


@pytest.mark.parametrize(
    "joined_time",
    ["Jul 17, 2025, 2:53:40 PM", "Nov 20, 2026 8:26:57 AM", 1752763980000, "2026-11-20T08:26:57Z"],
)
@pytest.mark.parametrize("container", ["serviceEventDetails", "requestParameters"])
@pytest.mark.parametrize("method", ["joinedMethod", "joinMethod"])
def test_a_join_is_read_whatever_its_timestamps_and_detail_type_look_like(
    container: str, method: str, joined_time: object
) -> None:
    facts = {"accountId": ACCOUNT, method: "Created", "joinedTime": joined_time}
    event = joined(**{container: facts}) | {"detail-type": "Account Joined Organization"}
    event["detail"] |= {"eventTime": joined_time, "userIdentity": {"type": "AWSService"}}
    del event["detail"]["eventSource"]

    assert read(event).accounts == (RequestedAccount(ACCOUNT),)


@pytest.mark.parametrize(
    ("containers", "refusal"),
    [
        ({}, "detail.serviceEventDetails.accountId: is required"),
        ({"serviceEventDetails": "444455556666"}, "detail.serviceEventDetails.accountId: is req"),
        ({"serviceEventDetails": {"managementAccountId": MANAGEMENT}}, "detail.serviceEventDetail"),
        ({"serviceEventDetails": {"masterAccount": {"id": MANAGEMENT}}}, "detail.serviceEventDet"),
        ({"serviceEventDetails": {"id": ACCOUNT}}, "detail.serviceEventDetails.accountId: is req"),
        ({"serviceEventDetails": {"accountId": MANAGEMENT}}, "account: takes another account"),
        ({"requestParameters": {"accountId": 4444}}, "detail.requestParameters.accountId: takes"),
        (
            {"serviceEventDetails": {"accountId": ACCOUNT}, "responseElements": {"accountId": ""}},
            "detail.responseElements.accountId: takes an account id",
        ),
        (
            {
                "serviceEventDetails": {"accountId": ACCOUNT},
                "responseElements": {"accountId": OTHER},
            },
            "detail: takes the id of one account",
        ),
        (
            {"serviceEventDetails": {"accountId": ACCOUNT, "account": {"id": OTHER}}},
            "detail: takes the id of one account",
        ),
        (
            {
                "serviceEventDetails": {"accountId": ACCOUNT, "joinedMethod": "CREATED"},
                "requestParameters": {"joinedMethod": "INVITED"},
            },
            "detail: takes one joinedMethod",
        ),
    ],
)
def test_an_account_that_joined_is_never_guessed(containers: Any, refusal: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(joined(**containers))

    assert str(refused.value).startswith(refusal)


def test_an_event_replayed_from_an_archive_is_read_like_the_first() -> None:
    assert read(sample(CREATED) | {"replay-name": "after-the-outage"}) == read(sample(CREATED))


@pytest.mark.parametrize("name", [CREATED, ACCEPTED, JOINED, MOVED, LANDED, RELANDED, GOVERNED])
def test_only_the_known_management_account_is_believed(name: str) -> None:
    request = read(sample(name))

    require_publisher(request, MANAGEMENT)
    with pytest.raises(InvalidInput, match=r"^account: takes 999988887777, the management account"):
        require_publisher(request, AccountId("999988887777"))


@pytest.mark.parametrize("publisher", [MANAGEMENT, ADMINISTRATOR, ACCOUNT, OTHER])
def test_an_opt_in_is_taken_from_the_management_account_and_the_administrator(
    publisher: AccountId,
) -> None:
    """In both, a rule forwards it; whoever opts in for itself gets the event in its own account."""
    request = read(changed(OPTED_IN, {"account": publisher}))

    if publisher in (MANAGEMENT, ADMINISTRATOR):
        require_publisher(request, MANAGEMENT, ADMINISTRATOR)
        return
    with pytest.raises(InvalidInput) as refused:
        require_publisher(request, MANAGEMENT, ADMINISTRATOR)
    assert str(refused.value) == (
        f"account: takes {MANAGEMENT}, the management account, or {ADMINISTRATOR}, the"
        " administrator"
    )


def test_an_account_may_be_opted_in_by_itself_if_it_is_one_whose_events_are_taken() -> None:
    request = read(changed(OPTED_IN, {"detail.accountId": MANAGEMENT}))

    require_publisher(request, MANAGEMENT, ADMINISTRATOR)
    assert request.accounts == (RequestedAccount(MANAGEMENT),)


@pytest.mark.parametrize("name", [CREATED, ACCEPTED, JOINED, MOVED, LANDED, RELANDED, GOVERNED])
def test_only_opt_ins_are_taken_from_the_administrator(name: str) -> None:
    request = read(changed(name, {"account": ADMINISTRATOR}))

    with pytest.raises(InvalidInput, match=rf"^account: takes {MANAGEMENT}, the management accoun"):
        require_publisher(request, MANAGEMENT, ADMINISTRATOR)


def test_a_move_matters_only_to_a_scope_that_goes_by_paths() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_event(sample("move_account"), a_configuration())

    assert str(refused.value) == "scope: takes MoveAccount only where it goes by paths"
