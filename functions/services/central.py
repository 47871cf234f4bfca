"""Security Hub's central configuration: the configuration policies that apply to accounts.

The calls are open to the delegated administrator in the home Region only (botocore; Security Hub
user guide, "central configuration").
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from functions.aws.calls import calling, code_of
from functions.enrolment.account import MOST_ACCOUNTS
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.errors import Permanent, ServiceRefused
from functions.enrolment.text import one_line, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_securityhub import SecurityHubClient
    from mypy_boto3_securityhub.type_defs import (
        ConfigurationPolicyAssociationSummaryTypeDef as Association,
    )
    from mypy_boto3_securityhub.type_defs import (
        UnprocessedConfigurationPolicyAssociationTypeDef as Unprocessed,
    )

    from functions.enrolment.account import AccountId

_LABEL = "Security Hub CSPM"
_NOT_FOUND = "ResourceNotFoundException"
SELF_MANAGED = "SELF_MANAGED_SECURITY_HUB"
# Inferred: an account to which no policy applies is left out, or named with one of these codes.
NO_POLICY = (_NOT_FOUND, "404")
_LONGEST_MESSAGE = 200
PERMISSIONS = (
    "securityhub:ListFindingAggregators",
    "securityhub:BatchGetConfigurationPolicyAssociations",
    "securityhub:GetConfigurationPolicy",
)
RESOURCES: Mapping[str, str] = {
    "securityhub:GetConfigurationPolicy": (
        "arn:{partition}:securityhub:*:{account}:configuration-policy/*"
    ),
}


def central_automation(
    client: SecurityHubClient,
    client_in: Callable[[str], SecurityHubClient],
    accounts: Sequence[AccountId],
) -> Mapping[AccountId, Automation]:
    """What the policies do about each account; ``client_in`` gives the client of a Region.

    An account without an association is ``UNASSOCIATED``, a self-managed one ``NONE``. Where the
    policies cannot be read, all are ``POLICY_UNKNOWN``.

    Raises:
        Throttled, ServiceUnavailable, Conflict: from the calls.
    """
    try:
        return _read(client_in(_home_region(client)), accounts)
    except Permanent as error:
        return dict.fromkeys(accounts, _unreadable(str(error)))


def _read(home: SecurityHubClient, accounts: Sequence[AccountId]) -> Mapping[AccountId, Automation]:
    associations: dict[str, Association] = {}
    unprocessed: dict[str | None, Unprocessed] = {}
    # Botocore's model gives the list no maximum; it is kept to that of the member operations.
    for begin in range(0, len(accounts), MOST_ACCOUNTS):
        found, unread = _associations(home, accounts[begin : begin + MOST_ACCOUNTS])
        associations |= found
        unprocessed |= unread

    @cache
    def enables(policy_id: str) -> bool:
        return _enables(home, policy_id)

    def of(account: AccountId) -> Automation:
        if account in associations:
            return _by_policy(associations[account], enables)
        return _without_association(unprocessed.get(account))

    return {account: of(account) for account in accounts}


def _associations(
    home: SecurityHubClient, accounts: Sequence[AccountId]
) -> tuple[dict[str, Association], dict[str | None, Unprocessed]]:
    """The accounts' associations, and what is said of those that were not processed."""
    try:
        with calling(_LABEL, "BatchGetConfigurationPolicyAssociations"):
            response = home.batch_get_configuration_policy_associations(
                ConfigurationPolicyAssociationIdentifiers=[
                    {"Target": {"AccountId": account}} for account in accounts
                ]
            )
    except ServiceRefused as error:
        # In botocore's model. Inferred: an account without an association may have it refused.
        if code_of(error) != _NOT_FOUND:
            raise
        each = [_associations(home, [one]) for one in accounts] if len(accounts) > 1 else []
        return (
            {account: one for found, _ in each for account, one in found.items()},
            {account: one for _, unread in each for account, one in unread.items()},
        )
    return (
        {
            association["TargetId"]: association
            for association in response.get("ConfigurationPolicyAssociations", ())
            if "TargetId" in association
        },
        {
            one.get("ConfigurationPolicyAssociationIdentifiers", {})
            .get("Target", {})
            .get("AccountId"): one
            for one in response.get("UnprocessedConfigurationPolicyAssociations", ())
        },
    )


def _home_region(client: SecurityHubClient) -> str:
    """The aggregation Region, which any linked Region knows: its aggregator's ARN has it."""
    with calling(_LABEL, "ListFindingAggregators"):
        found = client.list_finding_aggregators().get("FindingAggregators", ())
    arns = (one.get("FindingAggregatorArn", "") for one in found)
    return next((region for arn in arns for region in arn.split(":")[3:4]), client.meta.region_name)


def _by_policy(association: Association, enables: Callable[[str], bool]) -> Automation:
    policy_id = association.get("ConfigurationPolicyId")
    if policy_id is None:
        return _unreadable("its association names none")
    if policy_id == SELF_MANAGED:
        return Automation(Automatic.NONE, "self-managed in the central configuration")
    status = association.get("AssociationStatus", "")
    message = _quoted(association.get("AssociationStatusMessage", ""))
    said = ": ".join(filter(None, (f"configuration policy {policy_id} {status}".strip(), message)))
    if not enables(policy_id):
        return Automation(Automatic.LEFT_OUT, f"configuration policy {policy_id} disables it")
    return Automation(Automatic.POLICY, said)


def _without_association(unprocessed: Unprocessed | None) -> Automation:
    if unprocessed is None or (code := unprocessed.get("ErrorCode", "")) in NO_POLICY:
        return Automation(Automatic.UNASSOCIATED, "no configuration policy applies")
    return _unreadable(f"{code} {unprocessed.get('ErrorReason', '')}")


def _unreadable(error: str) -> Automation:
    said = f"its configuration policy could not be read: {_quoted(error)}"
    return Automation(Automatic.POLICY_UNKNOWN, said)


def _quoted(text: str) -> str:
    return one_line(redact(text), _LONGEST_MESSAGE)


def _enables(home: SecurityHubClient, policy_id: str) -> bool:
    with calling(_LABEL, "GetConfigurationPolicy"):
        found = home.get_configuration_policy(Identifier=policy_id)
    return bool(found.get("ConfigurationPolicy", {}).get("SecurityHub", {}).get("ServiceEnabled"))
