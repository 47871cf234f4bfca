"""What the services' organisation configuration says they do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.automation import Automatic
from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import AccessDenied, Permanent, Throttled
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from tests.unit.services.stubs import ADMINISTRATOR, ONE, TWO, asked, refused, stubbed

if TYPE_CHECKING:
    from functions.enrolment.account import AccountId
    from functions.enrolment.automation import Automation
    from functions.services.record import ServiceRecord
    from tests.unit.services.stubs import Exchange

DESCRIBE = "describe_organization_configuration"
GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'a' * 32}"
RESOURCES = {SECURITYHUB: "", GUARDDUTY: "d" * 32, DETECTIVE: GRAPH}
NAMES = {GUARDDUTY: {"DetectorId": "d" * 32}, DETECTIVE: {"GraphArn": GRAPH}}
DENIED = "User: arn:aws:sts::1:assumed-role/delegated administrator is not authorized to perform: x"


def automation(
    service: ServiceRecord, *exchanges: Exchange, accounts: tuple[AccountId, ...] = (ONE, TWO)
) -> dict[AccountId, Automation]:
    with stubbed(service.name, *exchanges) as client:
        adapter = service.adapter(client, Invitation(), lambda _: client)
        return dict(adapter.automation(RESOURCES[service], accounts))


def described(service: ServiceRecord, **response: Any) -> Exchange:
    if service is GUARDDUTY:
        response = {"MemberAccountLimitReached": False, **response}
    return asked(DESCRIBE, NAMES.get(service, {}), **response)


@pytest.mark.parametrize(
    ("service", "response", "kind", "said"),
    [
        (SECURITYHUB, {"AutoEnable": True}, Automatic.NEW, "auto-enable NEW"),
        (SECURITYHUB, {"AutoEnable": False}, Automatic.NONE, "auto-enable NONE"),
        (
            SECURITYHUB,
            {
                "AutoEnable": False,
                "OrganizationConfiguration": {"ConfigurationType": "CENTRAL", "Status": "DISABLED"},
            },
            Automatic.NONE,
            "auto-enable NONE",
        ),
        (
            SECURITYHUB,
            {
                "AutoEnable": True,
                "OrganizationConfiguration": {"ConfigurationType": "CENTRAL", "Status": "FAILED"},
            },
            Automatic.NEW,
            "auto-enable NEW",
        ),
        (
            GUARDDUTY,
            {"AutoEnableOrganizationMembers": "ALL", "AutoEnable": True},
            Automatic.ALL,
            "auto-enable ALL",
        ),
        (GUARDDUTY, {"AutoEnableOrganizationMembers": "NEW"}, Automatic.NEW, "auto-enable NEW"),
        (GUARDDUTY, {"AutoEnable": True}, Automatic.NEW, "auto-enable NEW"),
        (GUARDDUTY, {"AutoEnable": False}, Automatic.NONE, "auto-enable NONE"),
        (
            GUARDDUTY,
            {"AutoEnableOrganizationMembers": "SOME"},
            Automatic.UNKNOWN,
            "its auto-enable setting SOME is not known",
        ),
        (DETECTIVE, {"AutoEnable": True}, Automatic.NEW, "auto-enable NEW"),
        (DETECTIVE, {}, Automatic.NONE, "auto-enable NONE"),
    ],
)
def test_the_setting_is_the_same_for_every_account(
    service: ServiceRecord, response: dict[str, Any], kind: Automatic, said: str
) -> None:
    found = automation(service, described(service, **response))

    assert {(each.kind, each.said) for each in found.values()} == {(kind, said)}
    assert set(found) == {ONE, TWO}


@pytest.mark.parametrize(
    ("service", "code", "text"),
    [
        (
            SECURITYHUB,
            "InvalidAccessException",
            f"Account {ADMINISTRATOR} is not an administrator for this organization",
        ),
        (
            GUARDDUTY,
            "BadRequestException",
            "The request failed because you do not have required AWS Organization master"
            " permission.",
        ),
        (DETECTIVE, "AccessDeniedException", "Caller is not the Detective administrator account"),
    ],
)
def test_another_caller_than_the_administrator_of_the_region_is_told_so(
    service: ServiceRecord, code: str, text: str
) -> None:
    found = automation(service, refused(DESCRIBE, code, text))

    assert {each.kind for each in found.values()} == {Automatic.NOT_DELEGATED}
    assert all(text in each.said for each in found.values())


@pytest.mark.parametrize("service", RESOURCES, ids=str)
@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("AccessDeniedException", DENIED, AccessDenied),
        ("BadRequestException", "The request is rejected.", Permanent),
        ("ThrottlingException", "Rate exceeded", Throttled),
    ],
)
def test_any_other_refusal_is_an_error(
    service: ServiceRecord, code: str, text: str, error: type[Exception]
) -> None:
    words = f"^{service.label} DescribeOrganizationConfiguration: {code}: "
    with pytest.raises(error, match=words):
        automation(service, refused(DESCRIBE, code, text))
