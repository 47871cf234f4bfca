"""Looks up accounts in Organizations and Account Management."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from functions.aws.calls import calling
from functions.enrolment.account import AccountId, OrganizationAccount
from functions.enrolment.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_account import AccountClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

# Accounts in a page of ListAccounts (botocore).
MOST_LISTED = 20

ACTIONS: Mapping[str, tuple[str, ...]] = {
    "organization": ("organizations:DescribeOrganization",),
    "find": ("organizations:DescribeAccount",),
    "accounts": ("organizations:ListAccounts",),
    "is_delegated": ("organizations:ListDelegatedAdministrators",),
    "tags": ("organizations:ListTagsForResource",),
    "policy_types": ("organizations:ListRoots",),
    "unit_name": ("organizations:DescribeOrganizationalUnit",),
    "enabled_regions": ("account:ListRegions",),
}

# As a service's record has them.
RESOURCES: Mapping[str, str] = dict.fromkeys(
    ("organizations:DescribeAccount", "organizations:ListTagsForResource"),
    "arn:{partition}:organizations::*:account/*",
)

# Of one account: Organizations user guide, "orgs_reference_limits"; Account Management reference
# guide, "quotas", which gives no burst. All accounts of an organisation share a slightly larger
# bucket of Organizations.
RATES: Mapping[str, Rate] = {
    "organizations:DescribeOrganization": Rate(1, 2),
    "organizations:DescribeAccount": Rate(20, 30),
    "organizations:ListAccounts": Rate(8, 12),
    "organizations:ListDelegatedAdministrators": Rate(5, 8),
    "organizations:ListTagsForResource": Rate(10, 15),
    "organizations:ListRoots": Rate(1, 2),
    "organizations:DescribeOrganizationalUnit": Rate(2, 2),
    "account:ListRegions": Rate(5, 1),
}


@dataclass(frozen=True, slots=True)
class Organization:
    """The organisation this account belongs to."""

    id: str
    management_account_id: AccountId


class Directory:
    """The organisation's accounts, as seen by the management account or a delegated administrator.

    Every method raises ``Throttled``, ``ServiceUnavailable``, ``Conflict`` or ``ServiceRefused``,
    and ``AccessDenied`` unless stated otherwise.
    """

    def __init__(self, organizations: OrganizationsClient, account: AccountClient) -> None:
        self._organizations = organizations
        self._account = account

    def organization(self) -> Organization | None:
        """The organisation, None if this account belongs to none."""
        with calling("Organizations", "DescribeOrganization"):
            try:
                found = self._organizations.describe_organization()["Organization"]
            except self._organizations.exceptions.AWSOrganizationsNotInUseException:
                return None
        return Organization(found["Id"], AccountId(found["MasterAccountId"]))

    def find(self, account_id: AccountId) -> OrganizationAccount | None:
        """An account of the organisation, None if it does not belong to it.

        Organizations may not return an account for a short time after its creation.
        """
        exceptions = self._organizations.exceptions
        with calling("Organizations", "DescribeAccount"):
            try:
                found = self._organizations.describe_account(AccountId=account_id)["Account"]
            except (
                exceptions.AccountNotFoundException,
                exceptions.AWSOrganizationsNotInUseException,
            ):
                return None
        return _read_account(account_id, found)

    def accounts(self) -> Iterator[OrganizationAccount]:
        """All accounts of the organisation, in whatever state; each page is read when needed.

        Raises the errors of the call while iterating, ``ServiceRefused`` also if this account
        belongs to no organisation. A list that ended with an error is not complete.
        """
        # An empty page may have a NextToken (botocore, ListAccounts): the paginator goes on.
        pages = self._organizations.get_paginator("list_accounts").paginate(
            PaginationConfig={"PageSize": MOST_LISTED}
        )
        with calling("Organizations", "ListAccounts"):
            for page in pages:
                for found in page["Accounts"]:
                    if "Id" in found:
                        yield _read_account(AccountId(found["Id"]), found)

    def tags(self, account_id: AccountId) -> dict[str, str]:
        """An account's tags in Organizations."""
        paginator = self._organizations.get_paginator("list_tags_for_resource")
        with calling("organizations", "ListTagsForResource"):
            return {
                tag["Key"]: tag["Value"]
                for page in paginator.paginate(ResourceId=account_id)
                for tag in page["Tags"]
            }

    def is_delegated(self, service_principal: str, account_id: AccountId) -> bool | None:
        """Whether the account is a service's delegated administrator; None if access is denied.

        ``service_principal`` is, for example, ``guardduty.amazonaws.com``.
        """
        exceptions = self._organizations.exceptions
        paginator = self._organizations.get_paginator("list_delegated_administrators")
        with calling("Organizations", "ListDelegatedAdministrators"):
            try:
                return any(
                    administrator.get("Id") == account_id
                    for page in paginator.paginate(
                        ServicePrincipal=service_principal, PaginationConfig={"PageSize": 20}
                    )
                    for administrator in page["DelegatedAdministrators"]
                )
            except exceptions.AWSOrganizationsNotInUseException:
                return False
            except exceptions.AccessDeniedException:
                return None

    def policy_types(self) -> dict[str, str] | None:
        """The policy types of the organisation's root with their status; None if access is denied.

        For example ``{"GUARDDUTY_POLICY": "ENABLED"}``; a type that was never enabled is missing.
        The management account and every delegated administrator may ask.
        """
        exceptions = self._organizations.exceptions
        paginator = self._organizations.get_paginator("list_roots")
        with calling("Organizations", "ListRoots"):
            try:
                return {
                    found["Type"]: found["Status"]
                    for page in paginator.paginate()
                    for root in page["Roots"]
                    for found in root.get("PolicyTypes", ())
                    if "Type" in found and "Status" in found
                }
            except exceptions.AWSOrganizationsNotInUseException:
                return {}
            except exceptions.AccessDeniedException:
                return None

    def unit_name(self, unit_id: str) -> str | None:
        """The name of an organisational unit; None if access is denied or there is no such unit.

        The management account and every delegated administrator may ask.
        """
        exceptions = self._organizations.exceptions
        with calling("Organizations", "DescribeOrganizationalUnit"):
            try:
                found = self._organizations.describe_organizational_unit(
                    OrganizationalUnitId=unit_id
                )["OrganizationalUnit"]
            except (
                exceptions.OrganizationalUnitNotFoundException,
                exceptions.AccessDeniedException,
            ):
                return None
        return found.get("Name")

    def enabled_regions(self, account_id: AccountId) -> frozenset[str] | None:
        """The Regions enabled for an account; None if Account Management refuses the request.

        Only the management account and a delegated administrator of ``account`` may look up
        accounts, and only those of the organisation. AWS does not document which of the two errors
        it returns otherwise.
        """
        exceptions = self._account.exceptions
        paginator = self._account.get_paginator("list_regions")
        with calling("Account Management", "ListRegions"):
            try:
                return frozenset(
                    region["RegionName"]
                    for page in paginator.paginate(
                        AccountId=account_id,
                        RegionOptStatusContains=["ENABLED", "ENABLED_BY_DEFAULT"],
                        PaginationConfig={"PageSize": 50},
                    )
                    for region in page.get("Regions", ())
                )
            except (exceptions.AccessDeniedException, exceptions.ValidationException):
                return None


def _read_account(account_id: AccountId, found: AccountTypeDef) -> OrganizationAccount:
    # Status was retired on 9 September 2026 in favour of State (botocore, Account).
    state = found.get("State") or found.get("Status") or ""
    path = next(iter(found.get("Paths") or ()), None)
    joined = found.get("JoinedTimestamp")
    return OrganizationAccount(
        account_id,
        found.get("Email", ""),
        state,
        path,
        joined_at=None if joined is None else joined.timestamp(),
        name=found.get("Name", ""),
    )
