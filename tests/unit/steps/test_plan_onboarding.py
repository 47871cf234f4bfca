"""A run begins: its record, its plan, and what it takes; again after any error."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.aws.executions import Ended
from functions.enrolment.configuration import Timing
from functions.enrolment.errors import AccountNotReady, Conflict, InvalidInput, ServiceRefused
from functions.enrolment.membership import Outcome, Status
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.times import iso
from functions.steps import plan_onboarding
from tests.support.builders import ACCOUNT, EMAIL, NOW, RUN, TARGET, a_membership
from tests.support.events import create_account_result
from tests.unit.aws.support import an_onboarding
from tests.unit.steps.support import Wired, rows, run, the_record, wired

if TYPE_CHECKING:
    from functions.enrolment.records import OnboardingRecord

LATER = NOW + 60
MANUAL = {
    "accounts": [{"id": ACCOUNT}],
    "services": ["guardduty"],
    "regions": [TARGET.region],
}
ARRIVAL = create_account_result(ACCOUNT)
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
    wiring.known.accounts.append(ACCOUNT)
    wiring.ledger.open(record)
    if rows:
        assert not wiring.ledger.write(rows, NOW)
    return wiring


def test_what_is_free_is_taken_and_handed_on() -> None:
    wiring = an_organization()

    document = plan(wiring, MANUAL)

    account = {"id": ACCOUNT, "email": EMAIL, "mode": "organization", "regions_known": False}
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
        wiring.known.accounts = [ACCOUNT] if known else []
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


def test_a_dry_run_takes_nothing() -> None:
    wiring = an_organization()

    assert plan(wiring, MANUAL | {"dry_run": True})["verdict"] == "enrol"
    assert rows(wiring) == {}


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
