"""List operations that clients call to see whether a service is on, or on their way."""

from __future__ import annotations

import pytest

from tests.support.local_world import ADMINISTRATOR, MANAGEMENT, MEMBER, OUTSIDER, Lab

HUB_OFF = ("InvalidAccessException", f"Account {MEMBER} is not subscribed to AWS Security Hub")
DETECTOR_OFF = (
    "BadRequestException",
    "The request is rejected because the input detectorId is not owned by the current account.",
)
UNREADABLE = (
    "The request is rejected because an invalid or out-of-range value is specified as an input "
    "parameter."
)
GUARDDUTY = "guardduty"
SECURITYHUB = "securityhub"


def switched_on(lab: Lab, service: str, account_id: str) -> dict[str, str]:
    """Switch the service on, and what its operations take to name it."""
    if service == GUARDDUTY:
        return {
            "DetectorId": lab.actor(service, account_id)("CreateDetector", Enable=True)[
                "DetectorId"
            ]
        }
    lab.actor(service, account_id)("EnableSecurityHub")
    return {}


@pytest.mark.parametrize(
    ("service", "operation", "empty", "off", "invalid"),
    [
        (SECURITYHUB, "GetFindings", {"Findings": []}, HUB_OFF, "InvalidInputException"),
        (
            SECURITYHUB,
            "ListFindingAggregators",
            {"FindingAggregators": []},
            HUB_OFF,
            "InvalidInputException",
        ),
        (
            GUARDDUTY,
            "ListPublishingDestinations",
            {"Destinations": []},
            DETECTOR_OFF,
            "BadRequestException",
        ),
    ],
)
def test_nothing_is_listed_where_the_service_is_on_and_its_absence_is_told_where_it_is_off(
    service: str, operation: str, empty: dict[str, list[str]], off: tuple[str, str], invalid: str
) -> None:
    lab = Lab()
    named = switched_on(lab, service, OUTSIDER)
    on = lab.actor(service, OUTSIDER)

    assert on(operation, **named) == empty
    assert on(operation, **named, MaxResults=1) == empty
    refused = on.fails(operation, **named, NextToken="no token")
    assert (refused.code, refused.message) == (invalid, UNREADABLE)

    refused = lab.actor(service, MEMBER).fails(operation, **named)
    assert (refused.code, refused.message) == off


def test_findings_can_be_asked_for_with_filters_and_an_order() -> None:
    lab = Lab()
    switched_on(lab, SECURITYHUB, OUTSIDER)

    answer = lab.actor(SECURITYHUB, OUTSIDER)(
        "GetFindings",
        Filters={
            "RecordState": [{"Value": "ACTIVE", "Comparison": "EQUALS"}],
            "SeverityNormalized": [{"Gte": 70.5}],
            "UpdatedAt": [{"DateRange": {"Value": 1, "Unit": "DAYS"}}],
        },
        SortCriteria=[{"Field": "UpdatedAt", "SortOrder": "desc"}],
    )

    assert answer == {"Findings": []}


MACIE_OFF = ("AccessDeniedException", "Macie is not enabled.")
NO_ACCESS = "Invoking account does not have access to "


@pytest.mark.parametrize(
    ("service", "operation", "params", "refusal"),
    [
        ("macie2", "GetMacieSession", {}, MACIE_OFF),
        ("macie2", "ListMembers", {"onlyAssociated": "false"}, MACIE_OFF),
        ("macie2", "GetAdministratorAccount", {}, MACIE_OFF),
        ("macie2", "ListClassificationJobs", {"maxResults": 5}, MACIE_OFF),
        (
            "inspector2",
            "ListMembers",
            {"onlyAssociated": True},
            ("AccessDeniedException", f"{NO_ACCESS}list member accounts."),
        ),
        (
            "inspector2",
            "GetMember",
            {"accountId": MEMBER},
            ("AccessDeniedException", f"{NO_ACCESS}get member account."),
        ),
        (
            "inspector2",
            "ListFindings",
            {},
            ("AccessDeniedException", "Invoking account is not enabled."),
        ),
    ],
)
def test_a_service_that_is_not_switched_on_says_so(
    service: str, operation: str, params: dict[str, object], refusal: tuple[str, str]
) -> None:
    refused = Lab().actor(service, ADMINISTRATOR).fails(operation, **params)

    assert (refused.code, refused.message) == refusal


@pytest.mark.parametrize(
    ("service", "operation", "answer"),
    [
        ("macie2", "ListOrganizationAdminAccounts", "adminAccounts"),
        ("inspector2", "ListDelegatedAdminAccounts", "delegatedAdminAccounts"),
    ],
)
def test_the_management_account_finds_no_administrator(
    service: str, operation: str, answer: str
) -> None:
    lab = Lab()

    assert lab.actor(service, MANAGEMENT)(operation) == {answer: []}
    assert lab.actor(service, MEMBER).fails(operation).code == "AccessDeniedException"


def test_inspector_is_disabled_and_tells_nothing_of_other_accounts() -> None:
    inspector = Lab().actor("inspector2", MEMBER)

    [own] = inspector("BatchGetAccountStatus")["accounts"]
    both = inspector("BatchGetAccountStatus", accountIds=[OUTSIDER, MEMBER])

    assert own["state"]["status"] == own["resourceState"]["ec2"]["status"] == "DISABLED"
    assert both["accounts"] == [own]
    [failed] = both["failedAccounts"]
    assert (failed["accountId"], failed["errorCode"]) == (OUTSIDER, "ACCESS_DENIED")
    assert inspector.fails("GetDelegatedAdminAccount").code == "ResourceNotFoundException"
