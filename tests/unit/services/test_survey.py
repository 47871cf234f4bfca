"""What a survey reads of each target, and what becomes of what cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.enrolment.account import AccountId, OrganizationAccount
from functions.enrolment.automation import Automatic, auto_enable
from functions.enrolment.errors import AccessDenied, AdministratorNotReady, Throttled
from functions.enrolment.membership import Observation, Status
from functions.enrolment.reason import ReasonCode
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.services.registry import GUARDDUTY, SERVICES
from functions.services.survey import list_target, make_survey
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, NOW, a_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.aws.directory import Directory
    from functions.enrolment.automation import Automation
    from functions.services.protocol import SecurityService

HERE = Target(GUARDDUTY, "eu-west-1")
MANY = [AccountId(f"{300_000_000_000 + number}") for number in range(120)]
DIRECTORY = {a: OrganizationAccount(a, "root@example.com", "ACTIVE") for a in MANY}


class Lists:
    """A service that lists these accounts as Enabled, and may fail in one of its calls."""

    def __init__(self, *enabled: AccountId, **errors: Exception) -> None:
        self.enabled, self.errors = enabled, errors
        self.asked: list[int] = []

    def administrator_resource(self) -> str:
        self._fail("resource")
        return "detector"

    def members(self, resource: str) -> Iterator[Observation]:
        yield from (Observation(a, Status.ENABLED, "Enabled") for a in self.enabled)
        self._fail("members")

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        self._fail("automation")
        self.asked.append(len(accounts))
        return dict.fromkeys(accounts, auto_enable("NONE"))

    def _fail(self, call: str) -> None:
        if call in self.errors:
            raise self.errors[call]


def listing_of(service: Lists) -> Any:
    return list_target(HERE, cast("SecurityService", service), DIRECTORY, NOW)


def test_the_members_are_listed_and_the_rest_asked_about_at_once() -> None:
    service = Lists(*MANY[:10])

    listing = listing_of(service)

    assert set(listing.members) == set(MANY[:10])
    assert service.asked == [110]
    assert set(listing.automations) == set(MANY[10:])


def test_where_all_are_enabled_nothing_more_is_asked() -> None:
    service = Lists(*MANY)

    assert not listing_of(service).automations
    assert service.asked == []


@pytest.mark.parametrize("call", ["resource", "members"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AdministratorNotReady("no detector"), ReasonCode.ADMINISTRATOR_NOT_READY),
        (AccessDenied("denied"), ReasonCode.ACCESS_DENIED),
        (Throttled("slow down"), ReasonCode.UNAVAILABLE),
    ],
    ids=["not ready", "denied", "throttled"],
)
def test_a_target_that_cannot_be_read_has_no_members_but_a_problem(
    call: str, error: Exception, code: ReasonCode
) -> None:
    listing = listing_of(Lists(*MANY, **{call: error}))

    assert (listing.members, listing.automations) == ({}, {})
    assert listing.problem.code is code
    assert str(error) in listing.problem.text


def test_automation_that_cannot_be_read_is_unknown_and_the_members_are_kept() -> None:
    listing = listing_of(Lists(MANY[0], automation=AccessDenied("denied")))

    assert set(listing.members) == {MANY[0]}
    assert {each.kind for each in listing.automations.values()} == {Automatic.UNKNOWN}


class Organizations:
    """The directory; what it was asked about single accounts."""

    def __init__(self) -> None:
        self.looked_up: list[tuple[str, AccountId]] = []

    def accounts(self) -> Iterator[OrganizationAccount]:
        yield from DIRECTORY.values()

    def organization(self) -> Any:
        class Found:
            management_account_id = MANAGEMENT

        return Found()

    def is_delegated(self, principal: str, account_id: AccountId) -> bool:
        return True

    def enabled_regions(self, account_id: AccountId) -> frozenset[str]:
        self.looked_up.append(("regions", account_id))
        return frozenset()

    def tags(self, account_id: AccountId) -> dict[str, str]:
        self.looked_up.append(("tags", account_id))
        return {"team": "shop"}


@pytest.mark.parametrize("tagged", [False, True])
def test_single_accounts_are_looked_up_only_where_it_matters(*, tagged: bool) -> None:
    """Regions: of accounts without membership in an opt-in Region. Tags: if the scope has some."""
    scope = Scope(exclude_tags={"team": "none"}) if tagged else Scope()
    configuration = a_configuration(regions=("eu-west-1", "me-south-1"), scope=scope)
    targets = [Target(GUARDDUTY, "eu-west-1"), Target(GUARDDUTY, "me-south-1")]
    services = {"eu-west-1": Lists(), "me-south-1": Lists(*MANY[5:])}
    directory = Organizations()

    survey = make_survey(
        targets,
        configuration,
        SERVICES,
        cast("Directory", directory),
        ADMINISTRATOR,
        lambda target: cast("SecurityService", services[target.region]),
        now=NOW,
    )

    wanted = {("regions", account) for account in MANY[:5]}
    wanted |= {("tags", account) for account in MANY if tagged}
    assert set(directory.looked_up) == wanted
    assert [listing.target for listing in survey.listings] == targets
    assert set(survey.facts.delegated) == {GUARDDUTY}
