"""What the configuration policies of Security Hub's central configuration do about accounts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Invitation
from functions.enrolment.errors import Throttled
from functions.services.central import central_automation
from functions.services.registry import SECURITYHUB
from tests.unit.aws.support import REGION
from tests.unit.services.stubs import ADMINISTRATOR, ONE, THREE, TWO, asked, refused, stubbed

if TYPE_CHECKING:
    from tests.unit.services.stubs import Exchange

BATCH = "batch_get_configuration_policy_associations"
AGGREGATOR = f"arn:aws:securityhub:us-east-1:{ADMINISTRATOR}:finding-aggregator/1"
POLICY, OTHER_POLICY = "policy-1", "policy-2"
NO_POLICY = Automation(Automatic.UNASSOCIATED, "no configuration policy applies")


def aggregators(*arns: str) -> Exchange:
    found = [{"FindingAggregatorArn": arn} for arn in arns]
    return asked("list_finding_aggregators", {}, FindingAggregators=found)


def associations(
    accounts: tuple[AccountId, ...],
    *found: dict[str, Any],
    unread: tuple[dict[str, Any], ...] = (),
) -> Exchange:
    targets = [{"Target": {"AccountId": account}} for account in accounts]
    return asked(
        BATCH,
        {"ConfigurationPolicyAssociationIdentifiers": targets},
        ConfigurationPolicyAssociations=list(found),
        UnprocessedConfigurationPolicyAssociations=list(unread),
    )


def unprocessed(account: AccountId, **said: str) -> dict[str, Any]:
    return {
        "ConfigurationPolicyAssociationIdentifiers": {"Target": {"AccountId": account}},
        **said,
    }


def policy(policy_id: str, *, enabled: bool) -> Exchange:
    return asked(
        "get_configuration_policy",
        {"Identifier": policy_id},
        Id=policy_id,
        ConfigurationPolicy={"SecurityHub": {"ServiceEnabled": enabled}},
    )


def centrally(
    *exchanges: Exchange, accounts: tuple[AccountId, ...] = (ONE, TWO)
) -> dict[AccountId, Automation]:
    """What is read by these calls after the home Region has been looked for, and not found."""
    with stubbed("securityhub", aggregators(), *exchanges) as client:
        return dict(central_automation(client, lambda _: client, accounts))


def unknown(error: str) -> Automation:
    return Automation(
        Automatic.POLICY_UNKNOWN, f"its configuration policy could not be read: {error}"
    )


def test_a_central_configuration_says_it_for_each_account_from_the_home_region() -> None:
    """Each policy is read once."""
    central = asked(
        "describe_organization_configuration",
        {},
        AutoEnable=False,
        OrganizationConfiguration={"ConfigurationType": "CENTRAL", "Status": "ENABLED"},
    )
    here = (central, aggregators(AGGREGATOR))
    home = (
        associations(
            (ONE, TWO, THREE),
            {
                "TargetId": ONE,
                "ConfigurationPolicyId": POLICY,
                "AssociationStatus": "FAILED",
                "AssociationStatusMessage": "Config does not record,\nask jane@example.com",
            },
            {"TargetId": TWO, "ConfigurationPolicyId": POLICY},
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
    assert found == {
        ONE: Automation(
            Automatic.POLICY,
            "configuration policy policy-1 FAILED: Config does not record, ask (e-mail)",
        ),
        TWO: Automation(Automatic.POLICY, "configuration policy policy-1"),
        THREE: Automation(Automatic.LEFT_OUT, "configuration policy policy-2 disables it"),
    }


@pytest.mark.parametrize(
    ("answer", "region"),
    [
        ({"FindingAggregators": [{"FindingAggregatorArn": AGGREGATOR}]}, "us-east-1"),
        ({"FindingAggregators": []}, REGION),
        ({"FindingAggregators": [{}]}, REGION),
        ({"FindingAggregators": [{"FindingAggregatorArn": "arn:aws:securityhub"}]}, REGION),
        ({"FindingAggregators": [{"FindingAggregatorArn": "arn:aws:securityhub:x"}]}, "x"),
        ({}, REGION),
    ],
)
def test_without_a_readable_aggregator_the_home_region_is_the_target_region(
    answer: dict[str, Any], region: str
) -> None:
    regions: list[str] = []
    exchanges = (
        asked("list_finding_aggregators", {}, **answer),
        asked(
            BATCH, {"ConfigurationPolicyAssociationIdentifiers": [{"Target": {"AccountId": ONE}}]}
        ),
    )
    with stubbed("securityhub", *exchanges) as client:

        def client_in(name: str) -> Any:
            regions.append(name)
            return client

        found = central_automation(client, client_in, (ONE,))

    assert regions == [region]
    assert found == {ONE: NO_POLICY}


def test_an_account_that_no_policy_configures_is_self_managed_unassociated_or_unknown() -> None:
    found = centrally(
        associations(
            (ONE, TWO, THREE),
            {"TargetId": ONE, "ConfigurationPolicyId": "SELF_MANAGED_SECURITY_HUB"},
            unread=(
                unprocessed(TWO, ErrorCode="404"),
                # A status of three digits may also be part of an account's id.
                unprocessed(THREE, ErrorCode="500", ErrorReason="why of 404040404040"),
            ),
        ),
        accounts=(ONE, TWO, THREE),
    )

    assert found == {
        ONE: Automation(Automatic.NONE, "self-managed in the central configuration"),
        TWO: NO_POLICY,
        THREE: unknown("500 why of 404040404040"),
    }


def test_an_answer_without_its_optional_fields_is_read() -> None:
    """Botocore's model requires none of them."""
    found = centrally(
        asked(
            BATCH,
            {
                "ConfigurationPolicyAssociationIdentifiers": [
                    {"Target": {"AccountId": account}} for account in (ONE, TWO, THREE)
                ]
            },
            UnprocessedConfigurationPolicyAssociations=[
                unprocessed(ONE),
                unprocessed(TWO, ErrorCode="500"),
                {"ErrorCode": "500"},
                {"ConfigurationPolicyAssociationIdentifiers": {}},
            ],
        ),
        accounts=(ONE, TWO, THREE),
    )

    assert found == {ONE: unknown(""), TWO: unknown("500"), THREE: NO_POLICY}


def test_an_association_that_names_no_policy_is_unknown() -> None:
    found = centrally(associations((ONE,), {"TargetId": ONE}), accounts=(ONE,))

    assert found == {ONE: unknown("its association names none")}


@pytest.mark.parametrize("answer", [{}, {"ConfigurationPolicy": {"SecurityHub": {}}}])
def test_a_policy_that_does_not_say_that_it_enables_disables(answer: dict[str, Any]) -> None:
    found = centrally(
        associations((ONE,), {"TargetId": ONE, "ConfigurationPolicyId": POLICY}),
        asked("get_configuration_policy", {"Identifier": POLICY}, **answer),
        accounts=(ONE,),
    )

    assert found[ONE].kind is Automatic.LEFT_OUT


def test_a_policy_of_a_kind_that_botocore_does_not_know_disables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Policies are a union, of which botocore knows one kind."""
    exchanges = (
        aggregators(),
        associations((ONE,), {"TargetId": ONE, "ConfigurationPolicyId": POLICY}),
    )
    later = {"ConfigurationPolicy": {"SDK_UNKNOWN_MEMBER": {"name": "Later"}}}
    with stubbed("securityhub", *exchanges) as client:
        # The stubber refuses such an answer.
        monkeypatch.setattr(client, "get_configuration_policy", lambda **_: later)
        found = central_automation(client, lambda _: client, (ONE,))

    assert found[ONE].kind is Automatic.LEFT_OUT


@pytest.mark.parametrize(
    ("operation", "before"),
    [
        ("ListFindingAggregators", ()),
        ("BatchGetConfigurationPolicyAssociations", (aggregators(),)),
        (
            "GetConfigurationPolicy",
            (
                aggregators(),
                associations((ONE,), {"TargetId": ONE, "ConfigurationPolicyId": POLICY}),
            ),
        ),
    ],
)
@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidInputException"])
def test_policies_that_cannot_be_read_are_unknown_for_every_account(
    operation: str, before: tuple[Exchange, ...], code: str
) -> None:
    """For example while central configuration is PENDING."""
    method = "_".join(re.findall("[A-Z][a-z]+", operation)).lower()
    with stubbed("securityhub", *before, refused(method, code, "no")) as client:
        found = central_automation(client, lambda _: client, (ONE,))

    assert found == {ONE: unknown(f"Security Hub CSPM {operation}: {code}: no")}


def test_policies_that_may_be_read_later_are_an_error() -> None:
    throttled = refused("list_finding_aggregators", "LimitExceededException", "Rate exceeded")
    with stubbed("securityhub", throttled) as client, pytest.raises(Throttled):
        central_automation(client, lambda _: client, (ONE, TWO))


def test_a_batch_that_is_refused_for_an_account_without_an_association_is_asked_for_each() -> None:
    found = centrally(
        refused(BATCH, "ResourceNotFoundException"),
        associations((ONE,), {"TargetId": ONE, "ConfigurationPolicyId": POLICY}),
        refused(BATCH, "ResourceNotFoundException"),
        policy(POLICY, enabled=True),
    )

    assert {account: each.kind for account, each in found.items()} == {
        ONE: Automatic.POLICY,
        TWO: Automatic.UNASSOCIATED,
    }


def test_policies_are_asked_for_by_the_fifty_and_each_is_read_once() -> None:
    accounts = tuple(AccountId(f"{number:012}") for number in range(1, 61))
    first, *rest = accounts

    def associated(some: tuple[AccountId, ...], *unread: dict[str, Any]) -> Exchange:
        found = ({"TargetId": account, "ConfigurationPolicyId": POLICY} for account in some)
        return associations(
            some, *(one for one in found if one["TargetId"] != first), unread=unread
        )

    found = centrally(
        associated(accounts[:50], unprocessed(first, ErrorCode="500")),
        associated(accounts[50:]),
        policy(POLICY, enabled=False),
        accounts=accounts,
    )

    assert {account: each.kind for account, each in found.items()} == {
        first: Automatic.POLICY_UNKNOWN,
        **dict.fromkeys(rest, Automatic.LEFT_OUT),
    }
