"""A run begins: its record, its plan, and what it takes; again after any error."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.directory import Organization
from functions.aws.executions import Ended
from functions.enrolment.account import AccountId, AccountState, OrganizationAccount
from functions.enrolment.configuration import Timing
from functions.enrolment.errors import (
    AccountNotReady,
    Conflict,
    InvalidInput,
    ServiceRefused,
    ServiceUnavailable,
)
from functions.enrolment.membership import Outcome, Status
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.scope import Scope
from functions.enrolment.times import iso
from functions.steps import plan_onboarding
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    OTHER,
    RUN,
    TARGET,
    a_membership,
)
from tests.support.events import create_account_result, from_management
from tests.unit.aws.support import an_onboarding
from tests.unit.steps.support import Known, Seen, Wired, rows, run, the_record, wired

if TYPE_CHECKING:
    from collections.abc import Callable

    from functions.enrolment.membership import Membership
    from functions.enrolment.records import OnboardingRecord

LATER = NOW + 60
MANUAL = {
    "accounts": [{"id": ACCOUNT}],
    "services": ["guardduty"],
    "regions": [TARGET.region],
}
ARRIVAL = create_account_result(ACCOUNT)
OPTED_IN = from_management("account_region_opt_in_status_change")
STRANGER = AccountId("000011112222")
EXECUTION = "arn:aws:states:eu-west-1:111122223333:execution:Rollcall:"
HOLDER = an_onboarding("holder", execution_arn=f"{EXECUTION}holder")
HELD = a_membership(Status.VERIFYING, onboarding_id="holder")


def plan(wiring: Wired, given: object, now: float = LATER) -> dict[str, Any]:
    event = {
        "input": given,
        "onboarding_id": RUN,
        "started_at": iso(NOW),
        "execution_arn": f"{EXECUTION}{RUN}",
    }
    return run(plan_onboarding.handler, event, replace(wiring, now=lambda: now))


def an_organization(*rows: Any, record: OnboardingRecord = HOLDER) -> Wired:
    """The account belongs to it, and another run has these memberships."""
    wiring = wired()
    wiring.known.account_ids.append(ACCOUNT)
    wiring.ledger.open(record)
    if rows:
        assert not wiring.ledger.write(rows, NOW)
    return wiring


def test_what_is_free_is_taken_and_handed_on() -> None:
    wiring = an_organization()

    document = plan(wiring, MANUAL)

    account = {
        "id": ACCOUNT,
        "email": EMAIL,
        "mode": "organization",
        "regions_known": False,
        "joined_at": NOW,
    }
    place = {"service": "guardduty", "region": "eu-west-1"}
    assert document == {
        "verdict": "enrol",
        "onboarding_id": RUN,
        "dry_run": False,
        "accounts": [account],
        "targets": [place | {"left_out": [], "waits_for": None}],
    }
    row = rows(wiring)[ACCOUNT]
    assert (row.onboarding_id, row.taken_at) == (RUN, LATER)
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert (findings.own, findings.plan is None) == ((row,), False)
    assert findings.onboarding.execution_arn == f"{EXECUTION}{RUN}"


AT_FIRST = NOW + 60
YOUNG, OLD = AT_FIRST + Timing().visibility - 1, AT_FIRST + Timing().visibility
# What comes of a start by mode and e-mail: for an account of the organisation, for one that
# Organizations does not know, at first and later, and where there is no organisation.
INSIDE, OUTSIDE, WAITS = "organization", "invitation", "AccountNotReady"
NO_EMAIL, NO_MODE = "accounts[0].email", "mode"
STARTS = {
    (None, None): (INSIDE, NO_EMAIL, NO_EMAIL, NO_EMAIL),
    (None, EMAIL): (INSIDE, WAITS, OUTSIDE, OUTSIDE),
    ("organization", None): (INSIDE, WAITS, WAITS, NO_MODE),
    ("organization", EMAIL): (INSIDE, WAITS, WAITS, NO_MODE),
    ("invitation", None): (NO_MODE, NO_EMAIL, NO_EMAIL, NO_EMAIL),
    ("invitation", EMAIL): (NO_MODE, OUTSIDE, OUTSIDE, OUTSIDE),
}
SITUATIONS = {
    "known": (0, True, True, (YOUNG, OLD)),
    "unknown at first": (1, True, False, (YOUNG,)),
    "unknown later": (2, True, False, (OLD,)),
    "without an organisation": (3, False, False, (YOUNG, OLD)),
}


def outcome_of_planning(wiring: Wired, given: object, now: float) -> str:
    """The mode that is found for the account, what is refused, or that it is waited for."""
    try:
        document = plan(wiring, given, now)
    except InvalidInput as refusal:
        return refusal.field
    except AccountNotReady:
        return WAITS
    mode: str = document["accounts"][0]["mode"]
    return mode


@pytest.mark.parametrize("of_all", [True, False], ids=["of all", "of the account"])
@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize(("mode", "email"), STARTS)
def test_a_persons_start_waits_for_an_account_that_organizations_may_come_to_know(
    mode: str | None, email: str | None, situation: str, *, of_all: bool
) -> None:
    """The mode is given for all accounts, or for this one."""
    column, founded, known, moments = SITUATIONS[situation]
    account, given = {"id": ACCOUNT, "email": email}, dict(MANUAL)
    if mode is not None:
        (given if of_all else account)["mode"] = mode

    for now in moments:
        wiring = wired()
        wiring.known.founded = founded
        wiring.known.account_ids = [ACCOUNT] if known else []
        outcome_of_planning(wiring, given | {"accounts": [account]}, AT_FIRST)
        outcome = outcome_of_planning(wiring, given | {"accounts": [account]}, now)

        assert outcome.replace("accounts[0].mode", NO_MODE) == STARTS[mode, email][column]


def test_a_start_that_waits_says_how_not_to() -> None:
    given = MANUAL | {"accounts": [{"id": ACCOUNT, "email": EMAIL}]}

    with pytest.raises(AccountNotReady, match=f'know {ACCOUNT}.*: mode "invitation" takes it as'):
        plan(wired(), given, YOUNG)


def test_an_events_account_is_waited_for_however_late() -> None:
    with pytest.raises(AccountNotReady, match=rf"does not know {ACCOUNT} \(yet\)$"):
        plan(wired(), ARRIVAL, OLD + LEASE_SECONDS)


OPT_IN = "ap-east-1"
FACTS = ["organization", f"find {ACCOUNT}"]
DELEGATED = [f"delegated {each}.amazonaws.com" for each in ("securityhub", "guardduty")]
ITSELF = {"accounts": [{"id": ADMINISTRATOR}]}
OUTSIDER = {"accounts": [{"id": OTHER, "email": EMAIL}], "mode": "invitation"}


class Asked(Known):
    """What Organizations and Account Management are asked, in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.account_ids = [ACCOUNT, ADMINISTRATOR]
        self.management = MANAGEMENT
        self.state = AccountState.ACTIVE
        self.joined_at = NOW

    def organization(self) -> Organization | None:
        self.asked.append("organization")
        return Organization("o-exampleorgid", self.management) if self.founded else None

    def find(self, account_id: AccountId) -> OrganizationAccount | None:
        self.asked.append(f"find {account_id}")
        if account_id not in self.account_ids:
            return None
        return OrganizationAccount(account_id, EMAIL, self.state, joined_at=self.joined_at)

    def is_delegated(self, service_principal: str, account_id: AccountId) -> bool | None:
        self.asked.append(f"delegated {service_principal}")
        return True

    def enabled_regions(self, account_id: AccountId) -> frozenset[str] | None:
        self.asked.append(f"regions {account_id}")
        return frozenset({TARGET.region})

    def tags(self, account_id: AccountId) -> dict[str, str]:
        self.asked.append(f"tags {account_id}")
        return {}


def asking(known: Asked, **configured: Any) -> Wired:
    return replace(wired(**configured), known=known)


@pytest.mark.parametrize(
    ("given", "configured", "known", "asked"),
    [
        pytest.param(MANUAL, {}, {}, [*FACTS, DELEGATED[1]], id="a service"),
        pytest.param(
            MANUAL | {"services": ["guardduty", "securityhub"]},
            {},
            {},
            [*FACTS, *DELEGATED],
            id="services",
        ),
        pytest.param(
            MANUAL | {"regions": [OPT_IN]},
            {"regions": (TARGET.region, OPT_IN)},
            {},
            [*FACTS, DELEGATED[1], f"regions {ACCOUNT}"],
            id="a Region that needs opting in",
        ),
        pytest.param(
            MANUAL, {"regions": (TARGET.region, OPT_IN)}, {}, [*FACTS, DELEGATED[1]], id="another"
        ),
        pytest.param(
            MANUAL,
            {"scope": Scope(exclude_tags={"stage": "*"})},
            {},
            [*FACTS, DELEGATED[1], f"tags {ACCOUNT}"],
            id="a scope of tags",
        ),
        pytest.param(
            MANUAL | ITSELF | {"regions": [OPT_IN]},
            {"regions": (OPT_IN,)},
            {},
            ["organization", f"find {ADMINISTRATOR}", DELEGATED[1]],
            id="the administrator's Regions are its own",
        ),
        pytest.param(
            MANUAL,
            {},
            {"management": ADMINISTRATOR},
            FACTS,
            id="the management account need not be delegated",
        ),
        pytest.param(
            MANUAL | OUTSIDER,
            {"regions": (TARGET.region, OPT_IN)},
            {},
            ["organization", f"find {OTHER}"],
            id="an account outside",
        ),
        pytest.param(
            MANUAL | OUTSIDER, {}, {"founded": False}, ["organization"], id="no organisation"
        ),
    ],
)
def test_facts_are_asked_only_where_they_matter(
    given: dict[str, Any], configured: dict[str, Any], known: dict[str, Any], asked: list[str]
) -> None:
    directory = Asked()
    for name, value in known.items():
        setattr(directory, name, value)

    plan(asking(directory, **configured), given)

    assert directory.asked == asked


@pytest.mark.parametrize("about", [ACCOUNT, OTHER, ADMINISTRATOR])
@pytest.mark.parametrize("event", [ARRIVAL, OPTED_IN], ids=["created", "opted in"])
def test_an_event_of_a_stranger_is_refused_before_its_account_is_looked_up(
    event: dict[str, Any], about: AccountId
) -> None:
    """Which is the management account is not known before Organizations has been asked."""
    directory = Asked()
    wiring = asking(directory, regions=(TARGET.region, OPT_IN))
    forged = json.loads(json.dumps(event).replace(ACCOUNT, about)) | {"account": STRANGER}

    with pytest.raises(InvalidInput, match=f"^account: takes {MANAGEMENT}, the management account"):
        plan(wiring, forged)

    assert directory.asked == FACTS[:1]
    assert wiring.rows.items == {}


@pytest.mark.parametrize("event", [ARRIVAL, OPTED_IN], ids=["created", "opted in"])
def test_a_forged_event_never_has_an_account_outside_the_organisation_invited(
    event: dict[str, Any],
) -> None:
    """It is waited for, as a new account is, with an address of a forger or without."""
    wiring = asking(Asked(), regions=(TARGET.region, OPT_IN))
    forged = json.loads(json.dumps(event).replace(ACCOUNT, STRANGER))
    forged |= {"accounts": [{"id": STRANGER, "email": EMAIL}], "mode": "invitation"}
    forged["detail"] |= {"email": EMAIL, "mode": "invitation"}

    with pytest.raises(AccountNotReady, match=rf"does not know {STRANGER} \(yet\)$"):
        plan(wiring, forged, OLD + LEASE_SECONDS)

    assert wiring.rows.items == {}


@pytest.mark.parametrize("event", [ARRIVAL, OPTED_IN], ids=["created", "opted in"])
def test_a_forged_event_about_the_administrator_enrols_nothing(event: dict[str, Any]) -> None:
    wiring = asking(Asked(), regions=(TARGET.region, OPT_IN))

    document = plan(wiring, json.loads(json.dumps(event).replace(ACCOUNT, ADMINISTRATOR)))

    assert (document["verdict"], document["targets"]) == ("settled", [])


def test_an_events_account_is_waited_for_until_it_is_active() -> None:
    directory = Asked()
    directory.state = AccountState.PENDING_ACTIVATION
    wiring = asking(directory)

    with pytest.raises(AccountNotReady, match=f"^Organizations says {ACCOUNT} is PENDING_ACTIVA"):
        plan(wiring, ARRIVAL)
    assert wiring.rows.items == {}


def test_where_everything_is_settled_by_the_plan_there_is_nothing_to_enrol() -> None:
    wiring = asking(Asked())

    document = plan(wiring, MANUAL | ITSELF)

    assert (document["verdict"], document["targets"]) == ("settled", [])
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert findings.plan is not None
    assert [m.outcome for m in findings.plan.settled] == [Outcome.SKIPPED]


@pytest.mark.parametrize("held", [[], [HELD]], ids=["free", "another run's"])
@pytest.mark.parametrize("status", [None, "ABORTED"])
def test_a_dry_run_takes_nothing_and_waits_for_nobody(
    held: list[Membership], status: str | None
) -> None:
    wiring = an_organization(*held)
    if status is not None:
        wiring.seen.over[HOLDER.execution_arn] = Ended(status, NOW + 30)
    before = rows(wiring)

    document = plan(wiring, MANUAL | {"dry_run": True})

    assert (document["verdict"], document["dry_run"]) == ("enrol", True)
    assert [target["left_out"] for target in document["targets"]] == [[]]
    assert rows(wiring) == before
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert (findings.onboarding.dry_run, findings.plan is None) == (True, False)


def test_what_another_run_is_at_work_on_is_left_out() -> None:
    wiring = an_organization(HELD)

    assert plan(wiring, MANUAL) | {"accounts": []} == {
        "verdict": "settled",
        "onboarding_id": RUN,
        "dry_run": False,
        "accounts": [],
        "targets": [],
    }
    assert rows(wiring)[ACCOUNT] == replace(HELD, revision=1)


@pytest.mark.parametrize("status", ["SUCCEEDED", "FAILED"])
def test_what_a_run_holds_whose_execution_has_ended_is_taken(status: str) -> None:
    wiring = an_organization(HELD)
    wiring.seen.over[HOLDER.execution_arn] = Ended(status, NOW + 30)

    assert plan(wiring, MANUAL)["verdict"] == "enrol"
    assert rows(wiring)[ACCOUNT].onboarding_id == RUN


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT"])
def test_what_a_stopped_run_may_yet_be_doing_is_waited_for(status: str) -> None:
    wiring = an_organization(HELD)
    wiring.seen.over[HOLDER.execution_arn] = Ended(status, NOW + 30)

    with pytest.raises(Conflict, match="onboarding holder was stopped and may yet act"):
        plan(wiring, MANUAL, NOW + 30 + LEASE_SECONDS - 1)
    assert rows(wiring)[ACCOUNT].onboarding_id == "holder"

    assert plan(wiring, MANUAL, NOW + 30 + LEASE_SECONDS)["verdict"] == "enrol"
    assert rows(wiring)[ACCOUNT].onboarding_id == RUN


@pytest.mark.parametrize(
    ("changes", "asked"),
    [({}, 1), ({"execution_arn": ""}, 0), ({"closed_at": NOW, "lease_until": LATER + 9}, 0)],
    ids=["not told", "no execution", "closed"],
)
def test_what_a_run_holds_is_left_to_it_where_its_execution_tells_nothing_new(
    changes: dict[str, Any], asked: int
) -> None:
    """Step Functions is asked only where it may know more; its lease ends by itself."""
    wiring = an_organization(HELD, record=replace(HOLDER, **changes))
    seen = Silent()

    document = {}
    with suppress(Conflict):
        document = plan(replace(wiring, seen=seen), MANUAL)

    assert document.get("verdict", "settled") == "settled"
    assert len(seen.asked) == asked
    assert rows(wiring)[ACCOUNT].onboarding_id == "holder"


class Silent(Seen):
    """Step Functions, which fails."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def ended(self, execution_arn: str) -> Ended | None:
        self.asked.append(execution_arn)
        raise ServiceUnavailable("no")


def all_enabled() -> Wired:
    """Everything that an arrival of the account brings was enabled a moment ago."""
    wiring = an_organization(record=replace(HOLDER, closed_at=NOW, lease_until=NOW))
    plan(wiring, ARRIVAL, NOW)
    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    ended = [
        replace(row, onboarding_id="holder").settled(Outcome.ENABLED, None, NOW + 30)
        for row in findings.own
    ]
    wiring.ledger.record(ended, NOW + 30)
    del wiring.rows.items[f"onboarding#{RUN}", "onboarding"]
    return wiring


def test_a_further_event_about_what_was_enabled_lately_is_a_duplicate() -> None:
    wiring = all_enabled()
    before = rows(wiring)

    document = plan(wiring, ARRIVAL)

    assert document == {"verdict": "duplicate", "cause": "duplicate of holder"}
    assert the_record(wiring).outcome == "duplicate of holder"
    assert rows(wiring) == before


def test_a_duplicate_that_is_planned_again_is_a_duplicate_again() -> None:
    wiring = all_enabled()

    assert plan(wiring, ARRIVAL) == plan(wiring, ARRIVAL, LATER + 5)


def a_person(wiring: Wired) -> object:
    return MANUAL


def one_is_left(wiring: Wired) -> object:
    """One membership was removed."""
    key = next(key for key in wiring.rows.items if key[0] == f"account#{ACCOUNT}")
    del wiring.rows.items[key]
    return ARRIVAL


def it_came_back(wiring: Wired) -> object:
    """The account left after that, and joined again."""
    directory = Asked()
    directory.joined_at = NOW + 40
    wiring.known.find = directory.find  # type: ignore[method-assign]  # a stand-in
    return ARRIVAL


def it_opted_in(wiring: Wired) -> object:
    """An event about one Region: the account may have opted out of it in between."""
    event = from_management("account_region_opt_in_status_change")
    event["detail"] |= {"accountId": ACCOUNT, "regionName": TARGET.region}
    return event


@pytest.mark.parametrize(
    ("given", "taken"), [(a_person, 1), (one_is_left, 1), (it_came_back, 6), (it_opted_in, 3)]
)
def test_what_was_enabled_lately_may_be_taken_again(
    given: Callable[[Wired], object], taken: int
) -> None:
    wiring = all_enabled()

    document = plan(wiring, given(wiring))

    findings = wiring.ledger.findings(RUN)
    assert findings is not None
    assert (document["verdict"], findings.onboarding.outcome) == ("enrol", None)
    assert len(findings.own) == taken


def test_a_step_that_is_taken_again_late_has_the_lease_again() -> None:
    wiring = an_organization()
    plan(wiring, MANUAL)

    plan(wiring, MANUAL, LATER + LEASE_SECONDS)

    lease_until = the_record(wiring).lease_until
    assert lease_until == LATER + 2 * LEASE_SECONDS
    assert rows(wiring)[ACCOUNT].taken_at == LATER


def test_a_run_that_was_closed_meanwhile_takes_nothing() -> None:
    wiring = an_organization()
    wiring.ledger.open(an_onboarding(RUN, lease_until=LATER))
    wiring.ledger.close(RUN, "the execution was aborted", {}, LATER)

    with pytest.raises(ServiceRefused, match=f"{RUN} is closed: the execution was aborted"):
        plan(wiring, MANUAL, LATER + 5)
    assert rows(wiring) == {}
