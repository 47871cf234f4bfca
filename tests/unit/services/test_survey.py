"""What a survey reads of each target, and what becomes of what cannot be read."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

import pytest

from functions.enrolment.account import AccountId, AccountState, OrganizationAccount
from functions.enrolment.automation import Automatic, Automation, auto_enable, unreadable
from functions.enrolment.coverage import Listing, State, cells
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
    Throttled,
)
from functions.enrolment.handover import survey_from_json, survey_to_json
from functions.enrolment.membership import Observation, Status
from functions.enrolment.rate import Rate
from functions.enrolment.reason import ReasonCode
from functions.enrolment.scope import Scope
from functions.enrolment.target import Target
from functions.services.rates import survey_rates
from functions.services.registry import DETECTIVE, GUARDDUTY, SECURITYHUB, SERVICES
from functions.services.survey import FRESH_SECONDS, Chosen, list_target, make_survey
from tests.support.builders import ADMINISTRATOR, MANAGEMENT, NOW, a_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from functions.aws.directory import Directory
    from functions.enrolment.coverage import Survey
    from functions.services.protocol import SecurityService
    from functions.services.record import ServiceRecord

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
        assert resource == "detector"
        yield from (Observation(a, Status.ENABLED, "Enabled") for a in self.enabled)
        self._fail("members")

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        assert resource == "detector"
        return tuple(Observation(a, Status.ABSENT, "Absent") for a in accounts)

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        assert resource == "detector"
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
    assert (listing.resource, listing.read_at) == ("detector", NOW)


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

    assert listing == Listing(HERE, problem=listing.problem, read_at=NOW)
    assert listing.problem.code is code
    assert str(error) in listing.problem.text


def test_where_the_administrator_has_not_opted_in_the_problem_says_so() -> None:
    service = cast("SecurityService", Lists(resource=CredentialsRefused("invalid token")))

    listing = list_target(Target(GUARDDUTY, "me-south-1"), service, DIRECTORY, NOW)

    assert listing.problem is not None
    assert listing.problem.code is ReasonCode.ADMINISTRATOR_REGION


def test_automation_that_cannot_be_read_is_unknown_and_the_members_are_kept() -> None:
    listing = listing_of(Lists(MANY[0], automation=AccessDenied("denied")))

    assert set(listing.members) == {MANY[0]}
    assert listing.automations == dict.fromkeys(MANY[1:], unreadable(AccessDenied("denied")))


class Organizations:
    """The directory; what it was asked about single accounts."""

    def __init__(self, *, delegated: bool = True) -> None:
        self.looked_up: list[tuple[str, AccountId]] = []
        self.delegated = delegated
        self.principals: list[str] = []

    def accounts(self) -> Iterator[OrganizationAccount]:
        yield from DIRECTORY.values()

    def find(self, account_id: AccountId) -> OrganizationAccount | None:
        self.looked_up.append(("account", account_id))
        return DIRECTORY.get(account_id)

    def policy_types(self) -> dict[str, str] | None:
        return {}

    def organization(self) -> Any:
        class Found:
            management_account_id = MANAGEMENT

        return Found()

    def is_delegated(self, principal: str, account_id: AccountId) -> bool:
        assert account_id == ADMINISTRATOR
        self.principals.append(principal)
        return self.delegated

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
    )

    wanted = {("regions", account) for account in MANY[:5]}
    wanted |= {("tags", account) for account in MANY if tagged}
    assert set(directory.looked_up) == wanted
    assert [listing.target for listing in survey.listings] == targets
    assert survey.facts.delegated == {GUARDDUTY: True}
    assert directory.principals == [GUARDDUTY.principal]
    assert survey.facts.management_id == MANAGEMENT


def test_accounts_that_are_not_active_are_told_without_being_looked_up() -> None:
    world = Counted(4, {})
    not_active = (AccountState.SUSPENDED, AccountState.PENDING_ACTIVATION)
    world.states = dict(zip(world.ids[1::2], not_active, strict=True))
    configuration = a_configuration(regions=("eu-west-1", "me-south-1"))

    survey = world.survey()

    assert (world.requests["ListRegions"], survey.finished) == (0, True)
    looked_up = replace(survey.facts, regions=dict.fromkeys(world.states, frozenset[str]()))
    found = list(cells(survey.facts, survey.listings, configuration, NOW))
    assert found == list(cells(looked_up, survey.listings, configuration, NOW))
    told = {cell.reason.code for cell in found if cell.reason and cell.account_id in world.states}
    assert told == {ReasonCode.ACCOUNT_NOT_ACTIVE, ReasonCode.ACCOUNT_PENDING}


class Answers(Lists):
    """A service that is asked for accounts by name; how many each call had."""

    def observe(self, resource: str, accounts: Sequence[AccountId]) -> tuple[Observation, ...]:
        assert resource == "detector"
        self.asked.append(len(accounts))
        listed = frozenset(self.enabled)
        return tuple(
            Observation(a, *(_ENABLED if a in listed else (Status.ABSENT, "Absent")))
            for a in accounts
        )

    def members(self, resource: str) -> Iterator[Observation]:
        raise AssertionError("the members are not listed")


_ENABLED = (Status.ENABLED, "Enabled")
OUTSIDE = AccountId("777788889999")


class NotDelegated(Lists):
    """A service whose organisation another account administers."""

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        return dict.fromkeys(accounts, Automation(Automatic.NOT_DELEGATED, "of 1"))


@pytest.mark.parametrize(
    ("service", "delegated", "said"),
    [
        (NotDelegated(MANY[0], OUTSIDE), True, "(of 1)"),
        (Lists(MANY[0], OUTSIDE), False, f"({ADMINISTRATOR})"),
    ],
    ids=["in the Region", "for the service"],
)
def test_where_another_account_administers_the_organisation_its_accounts_are_not_known(
    service: Lists, delegated: bool, said: str
) -> None:
    """The members outside the organisation are those of the administrator account."""
    configuration = a_configuration(regions=("eu-west-1",))

    survey = make_survey(
        [HERE],
        configuration,
        SERVICES,
        cast("Directory", Organizations(delegated=delegated)),
        ADMINISTRATOR,
        lambda _: cast("SecurityService", service),
    )

    (listing,) = survey.listings
    assert listing.problem is not None
    assert listing.problem.code is ReasonCode.NOT_DELEGATED
    assert said in listing.problem.text
    found = cells(survey.facts, survey.listings, configuration, NOW)
    assert {cell.state for cell in found} == {State.UNREAD}
    assert (list(listing.members), listing.automations) == ([OUTSIDE], {})


def test_without_an_organisation_there_is_no_management_account() -> None:
    class Alone(Organizations):
        def organization(self) -> Any:
            return None

    survey = make_survey(
        [HERE],
        a_configuration(regions=("eu-west-1",)),
        SERVICES,
        cast("Directory", Alone()),
        ADMINISTRATOR,
        lambda _: cast("SecurityService", Answers(OUTSIDE)),
        chosen=Chosen({}, (OUTSIDE,)),
    )

    assert survey.facts.management_id is None
    assert [set(listing.members) for listing in survey.listings] == [{OUTSIDE}]


def test_the_management_account_administers_its_organisation_without_being_delegated() -> None:
    survey = make_survey(
        [HERE],
        a_configuration(regions=("eu-west-1",)),
        SERVICES,
        cast("Directory", Organizations(delegated=False)),
        MANAGEMENT,
        lambda _: cast("SecurityService", Lists(*MANY)),
    )

    (listing,) = survey.listings
    assert listing.problem is None
    assert set(listing.members) == set(MANY)


def test_of_chosen_accounts_only_their_own_memberships_are_read() -> None:
    directory, service = Organizations(), Answers(*MANY[:59])
    chosen = Chosen({a: DIRECTORY[a] for a in MANY[:60]}, (OUTSIDE,))

    survey = make_survey(
        [Target(GUARDDUTY, "me-south-1")],
        a_configuration(regions=("me-south-1",)),
        SERVICES,
        cast("Directory", directory),
        ADMINISTRATOR,
        lambda _: cast("SecurityService", service),
        clock=lambda: NOW,
        chosen=chosen,
    )

    (listing,) = survey.listings
    assert set(listing.members) == {*MANY[:60], OUTSIDE}
    # Two calls for the memberships, and one for what the service does about the one missing.
    assert service.asked == [50, 11, 1]
    assert set(survey.facts.directory) == set(MANY[:60])
    assert directory.looked_up == [("regions", MANY[59])]


class Clock:
    """Each reading of it takes a second."""

    def __init__(self) -> None:
        self._moments = count(NOW + 1)

    def __call__(self) -> float:
        return next(self._moments)


class Counted:
    """An organisation and its services, which count the requests that they would take.

    Every second account is Enabled everywhere.
    """

    def __init__(self, accounts: int, types: dict[str, str] | None = None) -> None:
        self.ids = [AccountId(f"{400_000_000_000 + number}") for number in range(accounts)]
        self.types = types
        self.requests: Counter[str] = Counter()
        self._lock = Lock()
        self.setting = "ALL"
        self.states: dict[AccountId, AccountState] = {}

    # The directory

    def accounts(self) -> Iterator[OrganizationAccount]:
        for account in self._pages("ListAccounts", self.ids, 20):
            state = self.states.get(account, AccountState.ACTIVE)
            yield OrganizationAccount(account, "root@example.com", state, "o-a/r-b/", NOW)

    def organization(self) -> Any:
        return Organizations().organization()

    def is_delegated(self, principal: str, account_id: AccountId) -> bool:
        self._count("ListDelegatedAdministrators")
        return True

    def policy_types(self) -> dict[str, str] | None:
        self._count("ListRoots")
        return self.types

    def enabled_regions(self, account_id: AccountId) -> frozenset[str] | None:
        self._count("ListRegions")
        return frozenset({"me-south-1"}) if account_id[-1] in "13" else None

    def tags(self, account_id: AccountId) -> dict[str, str]:
        self._count("ListTagsForResource")
        return {"team": account_id[-1]}

    # Each service

    def administrator_resource(self) -> str:
        return "resource"

    def members(self, resource: str) -> Iterator[Observation]:
        for account in self._pages("ListMembers", self.ids[::2], 50):
            yield Observation(account, Status.ENABLED, "Enabled")

    def automation(
        self, resource: str, accounts: Sequence[AccountId]
    ) -> Mapping[AccountId, Automation]:
        self._count("DescribeOrganizationConfiguration")
        return dict.fromkeys(accounts, auto_enable(self.setting))

    def _pages(self, request: str, ids: Sequence[AccountId], size: int) -> Iterator[AccountId]:
        for start in range(0, len(ids), size):
            self._count(request)
            yield from ids[start : start + size]

    def _count(self, request: str) -> None:
        with self._lock:
            self.requests[request] += 1

    def survey(self, services: Sequence[ServiceRecord] = SERVICES, **arguments: Any) -> Survey:
        regions = ("eu-west-1", "me-south-1")
        scope = Scope(exclude_tags={"team": "none"})
        return make_survey(
            [Target(service, region) for region in regions for service in services],
            a_configuration(regions=regions, scope=scope),
            SERVICES,
            cast("Directory", self),
            ADMINISTRATOR,
            lambda _: cast("SecurityService", self),
            **arguments,
        )


@pytest.mark.parametrize("accounts", [100, 1_000, 10_000])
def test_requests_grow_with_the_number_of_accounts(accounts: int) -> None:
    world = Counted(accounts, {})

    assert world.survey().finished

    assert world.requests == {
        "ListAccounts": accounts / 20,
        "ListRoots": 1,
        "ListDelegatedAdministrators": len(SERVICES),
        "ListMembers": 2 * len(SERVICES) * accounts / 2 / 50,
        "DescribeOrganizationConfiguration": 2 * len(SERVICES),
        "ListRegions": accounts / 2,
        "ListTagsForResource": accounts,
    }


def test_a_survey_in_parts_reads_the_same_and_nothing_twice() -> None:
    whole, parts = Counted(200, {}), Counted(200, {})
    expected = whole.survey()
    assert expected.finished
    known, number = None, 0

    # 6 targets and 300 lookups, each after one look at the clock.
    for seconds in (4, 100, 1000):
        clock = Clock()
        found = parts.survey(until=NOW + seconds, known=known, clock=clock)
        document = json.dumps(survey_to_json(found))
        assert "@" not in document
        known, number = survey_from_json(json.loads(document), SERVICES), number + 1
        assert found.finished is (number == 3)
        assert known.finished is found.finished

    assert untimed(found) == untimed(expected)
    once_each_part = {"ListAccounts", "ListRoots", "ListDelegatedAdministrators"}
    assert parts.requests == {
        name: count * (3 if name in once_each_part else 1) for name, count in whole.requests.items()
    }


def untimed(survey: Survey) -> Survey:
    return replace(survey, listings=tuple(replace(one, read_at=None) for one in survey.listings))


class SlowClock:
    """Every request takes its time."""

    SECONDS: Mapping[str, float] = {"ListRegions": 0.2, "ListMembers": 0.1}

    def __init__(self, world: Counted) -> None:
        self._world = world

    def __call__(self) -> float:
        made = self._world.requests
        return NOW + sum(made[name] * seconds for name, seconds in self.SECONDS.items())


@pytest.mark.parametrize(("accounts", "listings"), [(4_000, 1), (12_000, 2)])
def test_what_runs_act_on_is_read_last(accounts: int, listings: int) -> None:
    """Targets in opt-in Regions say which accounts to look up, and are listed again if that takes
    long; the others are listed after it.
    """
    world = Counted(accounts, {})
    clock = SlowClock(world)
    known: Survey | None = None
    began = clock()

    while known is None or not known.finished:
        began = clock()
        found = world.survey(until=began + 540, known=known, clock=clock)
        document = json.loads(json.dumps(survey_to_json(found)))
        known = survey_from_json(document, SERVICES)

    pages = accounts / 2 / 50
    assert world.requests["ListMembers"] == (1 + listings) * len(SERVICES) * pages
    assert world.requests["ListRegions"] == accounts / 2
    assert clock() - known.read_since(NOW) <= (FRESH_SECONDS if listings == 1 else 120)


def test_a_part_of_an_earlier_version_is_gone_on_with() -> None:
    """It does not say when what it lists was read: that is listed again after lookups."""
    world = Counted(200, {})
    document = survey_to_json(world.survey(until=NOW + 200, clock=Clock()))
    for listing in document["listings"]:
        del listing["read_at"]
    known = survey_from_json(document, SERVICES)

    assert known.read_since(NOW) == NOW
    survey = world.survey(known=known, clock=lambda: NOW + 700)

    assert survey.finished
    assert survey.read_since(NOW) == NOW + 700


def test_without_time_no_target_is_read() -> None:
    world = Counted(20, {})

    survey = world.survey(until=NOW, clock=Clock())

    assert (survey.listings, survey.finished) == ((), False)
    assert not world.requests["ListMembers"]
    assert len(survey.facts.directory) == 20


@pytest.mark.parametrize("left", ["regions", "tags", "targets"])
def test_a_survey_is_finished_when_the_last_is_read(left: str) -> None:
    """At the end of its time nothing is begun any more, and it says that it is not finished."""
    world = Counted(20, {})
    known = world.survey(clock=lambda: NOW)
    facts, listings = known.facts, known.listings
    known = {
        "regions": replace(known, facts=replace(facts, regions={})),
        "tags": replace(known, facts=replace(facts, tags={})),
        "targets": replace(known, listings=listings[3:]),
    }[left]
    world.requests.clear()

    survey = world.survey(until=NOW, known=known, clock=lambda: NOW)

    assert not survey.finished
    assert set(world.requests) == {"ListAccounts", "ListRoots", "ListDelegatedAdministrators"}
    assert world.survey(until=NOW + 1, known=known, clock=lambda: NOW).finished


def test_without_a_further_lookup_what_was_listed_long_ago_is_not_listed_again() -> None:
    world = Counted(20, {})
    known = world.survey(clock=lambda: NOW)
    world.requests.clear()

    survey = world.survey(known=known, clock=lambda: NOW + FRESH_SECONDS + 1)

    assert survey.finished
    assert not world.requests["ListMembers"]


def test_policies_are_asked_for_only_where_a_service_has_a_type_of_them() -> None:
    world = Counted(20, {})

    world.survey(services=[DETECTIVE])

    assert not world.requests["ListRoots"]


def test_accounts_are_looked_up_only_when_every_target_in_an_opt_in_region_is_read() -> None:
    """Which accounts lack a membership there is not known before."""
    world = Counted(20, {})

    survey = world.survey(until=NOW + 3, clock=Clock())

    assert {listing.target.region for listing in survey.listings} == {"me-south-1"}
    assert (len(survey.listings), survey.facts.regions, survey.facts.tags) == (2, {}, {})


def kinds(survey: Survey, service: ServiceRecord) -> set[Automatic]:
    return {
        automation.kind
        for listing in survey.listings
        if listing.target.service == service
        for automation in listing.automations.values()
    }


@pytest.mark.parametrize("setting", ["NEW", "ALL"])
def test_auto_enable_of_guardduty_does_nothing_while_its_policy_type_is_enabled(
    setting: str,
) -> None:
    world = Counted(20, {"GUARDDUTY_POLICY": "ENABLED"})
    world.setting = setting

    survey = world.survey()

    assert kinds(survey, GUARDDUTY) == {Automatic.NONE}
    assert kinds(survey, DETECTIVE) == {auto_enable(setting).kind}
    [said] = {
        automation.said
        for listing in survey.listings
        if listing.target.service == GUARDDUTY
        for automation in listing.automations.values()
    }
    assert said == (
        f"auto-enable {setting}, which does nothing while the organisation has GUARDDUTY_POLICY"
        " enabled"
    )
    assert survey.notes == (
        "GuardDuty: the organisation has the policy type GUARDDUTY_POLICY enabled: policies decide"
        " in which accounts and Regions it is enabled, and its auto-enable does nothing",
    )


@pytest.mark.parametrize("status", ["PENDING_ENABLE", "PENDING_DISABLE"])
def test_a_policy_type_that_is_not_enabled_changes_nothing(status: str) -> None:
    survey = Counted(20, {"GUARDDUTY_POLICY": status}).survey()

    assert (kinds(survey, GUARDDUTY), survey.notes) == ({Automatic.ALL}, ())


def test_security_hubs_policy_type_is_noted() -> None:
    survey = Counted(20, {"SECURITYHUB_CSPM_POLICY": "ENABLED"}).survey()

    assert kinds(survey, SECURITYHUB) == {Automatic.ALL}
    assert survey.notes == (
        "Security Hub CSPM: the organisation has the policy type SECURITYHUB_CSPM_POLICY enabled:"
        " policies decide in which accounts and Regions it is enabled",
    )


def test_policy_types_that_are_not_readable_are_noted() -> None:
    survey = Counted(20, None).survey()

    assert kinds(survey, GUARDDUTY) == {Automatic.ALL}
    assert [note.partition(": ")[0] for note in survey.notes] == ["Security Hub CSPM", "GuardDuty"]
    assert all(note.endswith("(organizations:ListRoots was refused)") for note in survey.notes)


def test_a_configured_rate_replaces_the_rate_of_the_service() -> None:
    rates = survey_rates(SERVICES, {"guardduty": 2})

    assert rates["guardduty"] == Rate(2, 2)
    assert rates["securityhub"] == Rate(10, 30)
    assert rates["detective"] == Rate(5, 10)
    assert rates["organizations:ListAccounts"] == Rate(8, 12)
