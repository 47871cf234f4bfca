"""The beliefs about Organizations, Account Management and STS; all are tried by reading only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions.enrolment.account import AccountState
from functions.services.registry import SERVICES
from tests.contract.beliefs import needs
from tests.contract.beliefs.belief import Belief, Source
from tests.contract.beliefs.expectations import (
    Count,
    Either,
    Expectation,
    Lacks,
    Matches,
    OneOf,
    Present,
    Refused,
)
from tests.contract.beliefs.guard import NO_SUCH_ROLE
from tests.contract.beliefs.needs import ACCOUNT_MANAGEMENT, UNKNOWN_ACCOUNTS

if TYPE_CHECKING:
    from functions.services.record import ServiceRecord

_DIRECTORY = "functions/aws/directory.py"


def _own_account(name: str, expected: Expectation) -> Belief:
    return Belief(
        id=f"organizations.describe-account.{name}",
        service="organizations",
        operation="DescribeAccount",
        parameters=lambda site: {"AccountId": site.caller},
        expected=expected,
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.reads_organization),
        regional=False,
    )


def _delegates(record: ServiceRecord) -> Belief:
    return Belief(
        id=f"organizations.list-delegated-administrators.{record.name}",
        service="organizations",
        operation="ListDelegatedAdministrators",
        parameters=lambda _: {"ServicePrincipal": record.principal, "MaxResults": 20},
        expected=Present(("DelegatedAdministrators[].Id",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.is_delegate),
        regional=False,
    )


_ORGANIZATIONS = (
    Belief(
        id="organizations.describe-organization.fields",
        service="organizations",
        operation="DescribeOrganization",
        expected=Present(("Organization.Id", "Organization.MasterAccountId")),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization,),
        regional=False,
    ),
    Belief(
        id="organizations.describe-organization.none",
        service="organizations",
        operation="DescribeOrganization",
        expected=Refused(("AWSOrganizationsNotInUseException",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_no_organization,),
        regional=False,
    ),
    _own_account("state", OneOf("Account.State", frozenset(state.value for state in AccountState))),
    # Retired on 9 September 2026; both are taken.
    _own_account("status", Either((Lacks("Account.Status"), OneOf("Account.Status", ("ACTIVE",))))),
    _own_account(
        "path",
        Matches("Account.Paths[]", "o-…/r-…/ou-…/account/", r"o-\w+/r-\w+/(ou-[\w-]+/)*\d{12}/"),
    ),
    _own_account("joined", Present(("Account.JoinedTimestamp", "Account.Email"))),
    Belief(
        id="organizations.describe-account.unknown",
        service="organizations",
        operation="DescribeAccount",
        parameters=lambda _: {"AccountId": UNKNOWN_ACCOUNTS[0]},
        expected=Refused(("AccountNotFoundException",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.reads_organization),
        regional=False,
    ),
    Belief(
        id="organizations.list-accounts.page",
        service="organizations",
        operation="ListAccounts",
        expected=Count("Accounts", 20),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.reads_organization),
        regional=False,
    ),
    Belief(
        id="organizations.list-accounts.21-a-page",
        service="organizations",
        operation="ListAccounts",
        parameters=lambda _: {"MaxResults": 21},
        expected=Refused(("InvalidInputException",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.reads_organization),
        regional=False,
    ),
    *(_delegates(record) for record in SERVICES),
    Belief(
        id="organizations.list-delegated-administrators.other-account",
        service="organizations",
        operation="ListDelegatedAdministrators",
        parameters=lambda _: {"ServicePrincipal": ACCOUNT_MANAGEMENT},
        expected=Refused(("AccessDeniedException",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.is_plain_member,),
        regional=False,
    ),
    Belief(
        id="organizations.list-tags-for-resource.administrator",
        service="organizations",
        operation="ListTagsForResource",
        parameters=lambda site: {"ResourceId": site.caller},
        expected=Present(("Tags",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.is_delegate),
        regional=False,
    ),
)

_OTHERS = (
    Belief(
        id="account.list-regions.administrator",
        service="account",
        operation="ListRegions",
        parameters=lambda site: {
            "AccountId": needs.other_account(site),
            "RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"],
            "MaxResults": 50,
        },
        expected=Present(("Regions[].RegionName",)),
        source=Source.READ,
        used_in=(_DIRECTORY,),
        needs=(needs.in_organization, needs.reads_organization, needs.manages_accounts),
        regional=False,
    ),
    Belief(
        id="account.list-regions.other-account",
        service="account",
        operation="ListRegions",
        parameters=lambda _: {"AccountId": UNKNOWN_ACCOUNTS[0]},
        expected=Refused(("AccessDeniedException", "ValidationException")),
        source=Source.UNKNOWN,
        used_in=(_DIRECTORY,),
        needs=(needs.manages_no_accounts,),
        regional=False,
    ),
    Belief(
        id="sts.assume-role.no-such-role",
        service="sts",
        operation="AssumeRole",
        parameters=lambda site: {
            "RoleArn": f"arn:{site.partition}:iam::{site.caller}:role/{NO_SUCH_ROLE}",
            "RoleSessionName": "rollcall-contract",
        },
        expected=Refused(("AccessDenied",), ("is not authorized to perform: sts:AssumeRole",)),
        source=Source.READ,
        used_in=("functions/aws/sessions.py", "functions/aws/calls.py"),
    ),
)

ORGANIZATION_READINGS = (*_ORGANIZATIONS, *_OTHERS)
