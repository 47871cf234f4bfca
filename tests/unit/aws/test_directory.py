"""What is made of the answers of Organizations and Account Management."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.stub import Stubber

from functions.aws.directory import Directory, Organization
from functions.enrolment.account import AccountState, OrganizationAccount
from functions.enrolment.errors import AccessDenied, RollcallError, ServiceRefused, Throttled
from tests.support.builders import ACCOUNT, EMAIL, MANAGEMENT, NOW, OTHER
from tests.unit.aws.support import REGION, a_session

if TYPE_CHECKING:
    from collections.abc import Iterator

PRINCIPAL = "guardduty.amazonaws.com"
PATH = "o-exampleorgid/r-abcd/ou-abcd-11111111/"
FIRST_PAGE = {"ServicePrincipal": PRINCIPAL, "MaxResults": 20}
REGIONS_ASKED = {
    "AccountId": ACCOUNT,
    "RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"],
    "MaxResults": 50,
}


class Stubbed:
    def __init__(self) -> None:
        organizations = a_session().client("organizations", region_name=REGION)
        account = a_session().client("account", region_name=REGION)
        self.organizations = Stubber(organizations)
        self.account = Stubber(account)
        self.directory = Directory(organizations, account)


@pytest.fixture
def aws() -> Iterator[Stubbed]:
    stubbed = Stubbed()
    with stubbed.organizations, stubbed.account:
        yield stubbed
    stubbed.organizations.assert_no_pending_responses()
    stubbed.account.assert_no_pending_responses()


def account(**changes: Any) -> dict[str, Any]:
    return {"Account": {"Id": ACCOUNT, "Email": EMAIL, "State": "ACTIVE"} | changes}


def test_the_organization_and_its_management_account(aws: Stubbed) -> None:
    answer = {"Organization": {"Id": "o-exampleorgid", "MasterAccountId": MANAGEMENT}}
    aws.organizations.add_response("describe_organization", answer, {})

    assert aws.directory.organization() == Organization("o-exampleorgid", MANAGEMENT)


def test_an_account_may_belong_to_no_organization(aws: Stubbed) -> None:
    for operation in ("describe_organization", "describe_account", "list_delegated_administrators"):
        aws.organizations.add_client_error(operation, "AWSOrganizationsNotInUseException")

    assert aws.directory.organization() is None
    assert aws.directory.find(ACCOUNT) is None
    assert aws.directory.is_delegated(PRINCIPAL, ACCOUNT) is False


def test_an_account_is_found_with_its_path_and_when_it_joined(aws: Stubbed) -> None:
    answer = account(Paths=[PATH], JoinedTimestamp=datetime.fromtimestamp(NOW + 0.5, UTC))
    aws.organizations.add_response("describe_account", answer, {"AccountId": ACCOUNT})

    found = aws.directory.find(ACCOUNT)

    assert found == OrganizationAccount(ACCOUNT, EMAIL, "ACTIVE", PATH, joined_at=NOW + 0.5)


def test_an_account_has_a_name_and_the_unit_it_is_in(aws: Stubbed) -> None:
    unit = "o-aa111bb222/r-ab12/ou-ab12-cdefgh34/"
    answer = account(Name="Payments", Paths=[f"{unit}{ACCOUNT}/"])
    aws.organizations.add_response("describe_account", answer)

    found = aws.directory.find(ACCOUNT)

    assert found is not None
    assert (found.name, found.unit) == ("Payments", unit)


@pytest.mark.parametrize(
    "code", ["OrganizationalUnitNotFoundException", "AccessDeniedException", None]
)
def test_a_unit_has_a_name_as_far_as_it_may_be_known(aws: Stubbed, code: str | None) -> None:
    operation = "describe_organizational_unit"
    if code is None:
        aws.organizations.add_response(operation, {"OrganizationalUnit": {"Name": "Production"}})
    else:
        aws.organizations.add_client_error(operation, code)

    found = aws.directory.unit_name("ou-ab12-cdefgh34")

    assert found == (None if code else "Production")


def test_state_is_believed_over_the_retired_status(aws: Stubbed) -> None:
    both = account(State="PENDING_CLOSURE", Status="ACTIVE")
    aws.organizations.add_response("describe_account", both)

    found = aws.directory.find(ACCOUNT)

    assert found == OrganizationAccount(ACCOUNT, EMAIL, AccountState.PENDING_CLOSURE)


def test_status_is_used_where_state_is_absent(aws: Stubbed) -> None:
    answer = {"Account": {"Id": ACCOUNT, "Email": EMAIL, "Status": "SUSPENDED"}}
    aws.organizations.add_response("describe_account", answer)

    found = aws.directory.find(ACCOUNT)

    assert found == OrganizationAccount(ACCOUNT, EMAIL, AccountState.SUSPENDED)


def test_an_account_of_another_organization_is_not_found(aws: Stubbed) -> None:
    aws.organizations.add_client_error("describe_account", "AccountNotFoundException")

    assert aws.directory.find(ACCOUNT) is None


@pytest.mark.parametrize(
    ("code", "error"),
    [("AccessDeniedException", AccessDenied), ("TooManyRequestsException", Throttled)],
)
def test_what_cannot_be_looked_up_is_an_error(
    aws: Stubbed, code: str, error: type[RollcallError]
) -> None:
    aws.organizations.add_client_error("describe_account", code)

    with pytest.raises(error, match=code):
        aws.directory.find(ACCOUNT)


def test_accounts_are_listed_page_after_page_also_after_an_empty_one(aws: Stubbed) -> None:
    joined = datetime.fromtimestamp(NOW + 0.5, UTC)
    one = {"Id": ACCOUNT, "Email": EMAIL, "State": "ACTIVE", "Status": "SUSPENDED"}
    two = {"Id": OTHER, "Status": "SUSPENDED"}
    pages: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {"Accounts": [one | {"Paths": [PATH], "JoinedTimestamp": joined}], "NextToken": "a"}),
        ({"NextToken": "a"}, {"Accounts": [], "NextToken": "b"}),
        ({"NextToken": "b"}, {"Accounts": [two]}),
    ]
    for request, response in pages:
        aws.organizations.add_response("list_accounts", response, {"MaxResults": 20} | request)

    assert list(aws.directory.accounts()) == [
        OrganizationAccount(ACCOUNT, EMAIL, AccountState.ACTIVE, PATH, joined_at=NOW + 0.5),
        OrganizationAccount(OTHER, "", AccountState.SUSPENDED),
    ]


def test_a_page_of_accounts_is_read_when_it_is_needed(aws: Stubbed) -> None:
    first = {"Accounts": [{"Id": ACCOUNT}], "NextToken": "more"}
    aws.organizations.add_response("list_accounts", first)
    accounts = aws.directory.accounts()

    assert next(accounts).id == ACCOUNT

    aws.organizations.add_client_error("list_accounts", "TooManyRequestsException")
    with pytest.raises(Throttled, match=r"^Organizations ListAccounts: TooManyRequests"):
        next(accounts)


def test_without_an_organization_there_is_no_list_that_could_be_taken_for_complete(
    aws: Stubbed,
) -> None:
    aws.organizations.add_client_error("list_accounts", "AWSOrganizationsNotInUseException")

    with pytest.raises(ServiceRefused, match="AWSOrganizationsNotInUseException"):
        list(aws.directory.accounts())


@pytest.mark.parametrize(("delegate", "expected"), [(ACCOUNT, True), (OTHER, False)])
def test_delegated_administrators_are_searched_on_every_page(
    aws: Stubbed, delegate: str, expected: bool
) -> None:
    first = {"DelegatedAdministrators": [{"Id": MANAGEMENT}], "NextToken": "more"}
    last = {"DelegatedAdministrators": [{"Id": delegate}]}
    operation = "list_delegated_administrators"
    aws.organizations.add_response(operation, first, FIRST_PAGE)
    aws.organizations.add_response(operation, last, FIRST_PAGE | {"NextToken": "more"})

    assert aws.directory.is_delegated(PRINCIPAL, ACCOUNT) is expected


def test_who_is_delegated_may_be_hidden(aws: Stubbed) -> None:
    aws.organizations.add_client_error("list_delegated_administrators", "AccessDeniedException")

    assert aws.directory.is_delegated(PRINCIPAL, ACCOUNT) is None


def test_the_policy_types_of_the_root(aws: Stubbed) -> None:
    types = [
        {"Type": "GUARDDUTY_POLICY", "Status": "ENABLED"},
        {"Type": "TAG_POLICY", "Status": "PENDING_DISABLE"},
    ]
    aws.organizations.add_response("list_roots", {"Roots": [{"PolicyTypes": types}]}, {})

    assert aws.directory.policy_types() == {
        "GUARDDUTY_POLICY": "ENABLED",
        "TAG_POLICY": "PENDING_DISABLE",
    }


def test_the_policy_types_may_be_hidden(aws: Stubbed) -> None:
    aws.organizations.add_client_error("list_roots", "AccessDeniedException")

    assert aws.directory.policy_types() is None


def test_enabled_regions_of_all_pages(aws: Stubbed) -> None:
    first = {
        "Regions": [{"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED_BY_DEFAULT"}],
        "NextToken": "more",
    }
    last = {"Regions": [{"RegionName": "af-south-1", "RegionOptStatus": "ENABLED"}]}
    aws.account.add_response("list_regions", first, REGIONS_ASKED)
    aws.account.add_response("list_regions", last, REGIONS_ASKED | {"NextToken": "more"})

    assert aws.directory.enabled_regions(ACCOUNT) == frozenset({"eu-west-1", "af-south-1"})


@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_enabled_regions_may_be_hidden(aws: Stubbed, code: str) -> None:
    aws.account.add_client_error("list_regions", code)

    assert aws.directory.enabled_regions(ACCOUNT) is None


def test_the_tags_of_an_account_page_after_page(aws: Stubbed) -> None:
    first = {"Tags": [{"Key": "stage", "Value": "prod"}], "NextToken": "next"}
    asked = {"ResourceId": ACCOUNT}
    aws.organizations.add_response("list_tags_for_resource", first, asked)
    second = {"Tags": [{"Key": "team", "Value": ""}]}
    aws.organizations.add_response("list_tags_for_resource", second, asked | {"NextToken": "next"})

    assert aws.directory.tags(ACCOUNT) == {"stage": "prod", "team": ""}
