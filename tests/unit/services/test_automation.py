"""What the services' organisation configuration says they do by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.automation import Automatic
from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import AccessDenied, Permanent, Throttled
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB
from tests.unit.services.stubs import ADMINISTRATOR, ONE, THREE, TWO, asked, refused, stubbed

if TYPE_CHECKING:
    from functions.enrolment.automation import Automation
    from functions.services.record import ServiceRecord
    from tests.unit.services.stubs import Exchange

DESCRIBE = "describe_organization_configuration"
GRAPH = f"arn:aws:detective:eu-west-1:{ADMINISTRATOR}:graph:{'a' * 32}"
RESOURCES = {SECURITYHUB: "", GUARDDUTY: "d" * 32, DETECTIVE: GRAPH}
NAMES = {GUARDDUTY: {"DetectorId": "d" * 32}, DETECTIVE: {"GraphArn": GRAPH}}
AGGREGATOR = f"arn:aws:securityhub:us-east-1:{ADMINISTRATOR}:finding-aggregator/1"
POLICY, OTHER_POLICY = "policy-1", "policy-2"
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


def centrally(*associations: dict[str, Any], unread: tuple[dict[str, Any], ...] = ()) -> Exchange:
    targets = [{"Target": {"AccountId": account}} for account in (ONE, TWO, THREE)]
    return asked(
        "batch_get_configuration_policy_associations",
        {"ConfigurationPolicyAssociationIdentifiers": targets},
        ConfigurationPolicyAssociations=list(associations),
        UnprocessedConfigurationPolicyAssociations=list(unread),
    )


def policy(policy_id: str, *, enabled: bool) -> Exchange:
    return asked(
        "get_configuration_policy",
        {"Identifier": policy_id},
        Id=policy_id,
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": enabled}},
    )


def test_a_central_configuration_says_it_for_each_account_from_the_home_region() -> None:
    """Each policy is read once."""
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )
    aggregators = asked(
        "list_finding_aggregators", {}, FindingAggregators=[{"FindingAggregatorArn": AGGREGATOR}]
    )
    here = (central, aggregators)
    home = (
        centrally(
            {
                "TargetId": ONE,
                "ConfigurationPolicyId": POLICY,
                "AssociationStatus": "FAILED",
                "AssociationStatusMessage": "Config does not record,\nask jane@example.com",
            },
            {"TargetId": TWO, "ConfigurationPolicyId": POLICY, "AssociationStatus": "PENDING"},
            {"TargetId": THREE, "ConfigurationPolicyId": OTHER_POLICY},
        ),
        policy(POLICY, enabled=True),
        policy(OTHER_POLICY, enabled=False),
    )
    regions: list[str] = []
    with stubbed("securityhub", *here, *home) as client:

        def client_in(region: str) -> Any:
            regions.append(region)
            return client

        adapter = SECURITYHUB.adapter(client, Invitation(), client_in)
        found = adapter.automation("", (ONE, TWO, THREE))

    assert regions == ["us-east-1"]
    assert {account: (each.kind, each.said) for account, each in found.items()} == {
        ONE: (
            Automatic.POLICY,
            "configuration policy policy-1 FAILED: Config does not record, ask (e-mail)",
        ),
        TWO: (Automatic.POLICY, "configuration policy policy-1 PENDING"),
        THREE: (Automatic.LEFT_OUT, "configuration policy policy-2 disables it"),
    }


def test_an_account_that_no_policy_configures_is_self_managed_unassociated_or_unknown() -> None:
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )
    unread = [
        {
            "ConfigurationPolicyAssociationIdentifiers": {"Target": {"AccountId": account}},
            "ErrorCode": code,
            # A status of three digits may also be part of an account's id.
            "ErrorReason": "why of 404040404040",
        }
        for account, code in ((TWO, "404"), (THREE, "500"))
    ]
    found = automation(
        SECURITYHUB,
        central,
        asked("list_finding_aggregators", {}, FindingAggregators=[]),
        centrally(
            {"TargetId": ONE, "ConfigurationPolicyId": "SELF_MANAGED_SECURITY_HUB"},
            unread=tuple(unread),
        ),
        accounts=(ONE, TWO, THREE),
    )

    assert {account: each.kind for account, each in found.items()} == {
        ONE: Automatic.NONE,
        TWO: Automatic.UNASSOCIATED,
        THREE: Automatic.POLICY_UNKNOWN,
    }
    assert found[THREE].said.endswith("500 why of 404040404040")


@pytest.mark.parametrize(
    ("code", "text"), [("AccessDeniedException", DENIED), ("InvalidInputException", "no")]
)
def test_policies_that_cannot_be_read_are_unknown_for_every_account(code: str, text: str) -> None:
    """For example while central configuration is PENDING."""
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "PENDING"},
    )
    batch = "batch_get_configuration_policy_associations"
    none = asked("list_finding_aggregators", {}, FindingAggregators=[])

    found = automation(SECURITYHUB, central, none, refused(batch, code, text))

    assert {each.kind for each in found.values()} == {Automatic.POLICY_UNKNOWN}
    assert all(code in each.said for each in found.values())


def test_a_batch_that_is_refused_for_an_account_without_an_association_is_asked_for_each() -> None:
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )
    batch = "batch_get_configuration_policy_associations"
    one = {"ConfigurationPolicyAssociationIdentifiers": [{"Target": {"AccountId": ONE}}]}
    associated = {"TargetId": ONE, "ConfigurationPolicyId": POLICY, "AssociationStatus": "PENDING"}

    found = automation(
        SECURITYHUB,
        central,
        asked("list_finding_aggregators", {}, FindingAggregators=[]),
        refused(batch, "ResourceNotFoundException"),
        asked(batch, one, ConfigurationPolicyAssociations=[associated]),
        refused(batch, "ResourceNotFoundException"),
        policy(POLICY, enabled=True),
    )

    assert {account: each.kind for account, each in found.items()} == {
        ONE: Automatic.POLICY,
        TWO: Automatic.UNASSOCIATED,
    }


def test_policies_that_may_be_read_later_are_an_error() -> None:
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )
    with pytest.raises(Throttled):
        automation(
            SECURITYHUB,
            central,
            refused("list_finding_aggregators", "LimitExceededException", "Rate exceeded"),
        )


def test_policies_are_asked_for_by_the_fifty_and_each_is_read_once() -> None:
    accounts = tuple(AccountId(f"{number:012}") for number in range(1, 61))
    central = described(
        SECURITYHUB,
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )

    def batch(some: tuple[AccountId, ...]) -> Exchange:
        targets = [{"Target": {"AccountId": account}} for account in some]
        return asked(
            "batch_get_configuration_policy_associations",
            {"ConfigurationPolicyAssociationIdentifiers": targets},
            ConfigurationPolicyAssociations=[
                {"TargetId": account, "ConfigurationPolicyId": POLICY} for account in some
            ],
        )

    found = automation(
        SECURITYHUB,
        central,
        asked("list_finding_aggregators", {}, FindingAggregators=[]),
        batch(accounts[:50]),
        batch(accounts[50:]),
        policy(POLICY, enabled=False),
        accounts=accounts,
    )

    assert {account: each.kind for account, each in found.items()} == dict.fromkeys(
        accounts, Automatic.LEFT_OUT
    )
