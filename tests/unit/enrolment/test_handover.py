"""What a survey hands over to a run, and which of it a membership that the run takes gets."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.enrolment.account import AccountState, Mode, OrganizationAccount
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.coverage import Listing, Survey
from functions.enrolment.handover import (
    Batch,
    batch_from_json,
    batch_to_json,
    onboarding_id,
    reconcile_of,
    survey_from_json,
    survey_to_json,
)
from functions.enrolment.membership import (
    SURVEY_VALID_SECONDS,
    Action,
    Membership,
    Observation,
    Outcome,
    Status,
)
from functions.enrolment.plan import Facts
from functions.enrolment.reason import Reason, ReasonCode
from functions.enrolment.turn import handed_over
from functions.services import registry
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    OTHER,
    TARGET,
    a_configuration,
    a_membership,
    tried,
)

if TYPE_CHECKING:
    from functions.enrolment.automation import Automation as Said

LATER = NOW + 600
NONE = Automation(Automatic.NONE, "auto-enable NONE")
UNKNOWN = Automation(Automatic.UNKNOWN, "not read")
CONFIGURATION = a_configuration()


def a_batch(*listings: Listing) -> Batch:
    accounts = {
        account: OrganizationAccount(account, "", AccountState.ACTIVE, "o-a/r-b/", NOW - 60)
        for account in (ACCOUNT, OTHER)
    }
    facts = Facts(
        ADMINISTRATOR,
        MANAGEMENT,
        accounts,
        {registry.GUARDDUTY: True, registry.DETECTIVE: None},
        {ACCOUNT: frozenset({"eu-west-1"}), OTHER: None},
        {ACCOUNT: {"stage": "test"}},
    )
    return Batch("reconcile-1", 7, NOW, "arn:reconcile-1", facts, listings)


def a_listing(
    status: Status | None = None, said: Said | None = NONE, problem: Reason | None = None
) -> Listing:
    seen = {} if status is None else {ACCOUNT: Observation(ACCOUNT, status, f"In {status}", "why")}
    return Listing(TARGET, seen, {} if said is None else {ACCOUNT: said}, problem, "detector-1")


listings = st.builds(
    lambda target, statuses, kinds, resource, read_at: Listing(
        target,
        {a: Observation(a, s, str(s), detail) for a, (s, detail) in statuses.items()},
        {a: Automation(kind, "what it does") for a, kind in kinds.items()},
        resource=resource,
        read_at=read_at,
    ),
    st.sampled_from(CONFIGURATION.targets),
    st.dictionaries(
        st.sampled_from([ACCOUNT, OTHER]),
        st.tuples(st.sampled_from(Status), st.none() | st.text(max_size=3)),
    ),
    st.dictionaries(st.sampled_from([ACCOUNT, OTHER]), st.sampled_from(Automatic)),
    st.none() | st.text(max_size=5),
    st.none() | st.floats(0, NOW),
)
problems = st.just(
    Listing(TARGET, problem=Reason(ReasonCode.ACCESS_DENIED, "GetMembers was refused"))
)


@settings(max_examples=100, deadline=None)
@given(st.lists(listings | problems, max_size=4))
def test_a_batch_is_read_as_it_was_written(found: list[Listing]) -> None:
    batch = a_batch(*found)

    assert batch_from_json(json.loads(json.dumps(batch_to_json(batch))), registry.SERVICES) == batch


@pytest.mark.parametrize("finished", [True, False])
def test_a_survey_is_read_as_it_was_written(finished: bool) -> None:
    survey = Survey(
        a_batch().facts, (a_listing(Status.PAUSED),), ("a note", "another"), finished=finished
    )

    document = json.loads(json.dumps(survey_to_json(survey)))

    assert survey_from_json(document, registry.SERVICES) == survey


def test_a_batch_says_nothing_of_other_accounts_and_contains_no_address() -> None:
    stranger = Observation(ADMINISTRATOR, Status.ENABLED, "Enabled")
    accounts = {ACCOUNT: OrganizationAccount(ACCOUNT, EMAIL, AccountState.ACTIVE)}
    batch = a_batch(Listing(TARGET, {ADMINISTRATOR: stranger}))
    batch = replace(batch, facts=replace(batch.facts, directory=accounts))

    text = json.dumps(batch_to_json(batch)["listings"]) + json.dumps(batch_to_json(batch))

    assert EMAIL not in text
    assert batch_to_json(batch)["listings"][0]["members"] == []


@pytest.mark.parametrize(("email", "known"), [(EMAIL, EMAIL), (None, "")], ids=["known", "unknown"])
def test_the_facts_get_the_addresses_of_the_accounts_that_are_enrolled(
    email: str | None, known: str
) -> None:
    facts = a_batch().facts_with({OTHER: email})

    assert {account: each.email for account, each in facts.directory.items()} == {OTHER: known}


AT_SURVEY = a_membership(at=NOW - 60)
ENABLED_BEFORE = AT_SURVEY.settled(Outcome.ENABLED, None, NOW)
CREATED_SINCE = tried(AT_SURVEY, Action.CREATE, at=NOW + 1)
INFORMED = {
    "it has no row": (Membership(ACCOUNT, TARGET, Mode.ORGANIZATION), a_listing(), Status.ABSENT),
    "it ended before": (ENABLED_BEFORE, a_listing(Status.REMOVED), Status.REMOVED),
    "it ended since": (replace(ENABLED_BEFORE, settled_at=NOW + 1), a_listing(), None),
    "it was taken since": (a_membership(at=NOW + 1), a_listing(), None),
    "it was created since": (CREATED_SINCE, a_listing(), None),
    "it changed since": (a_membership(Status.PAUSED, at=NOW + 1, taken_at=NOW), a_listing(), None),
    "enabled": (AT_SURVEY, a_listing(Status.ENABLED, None), Status.ENABLED),
    "the automation was not read": (AT_SURVEY, a_listing(Status.PAUSED, None), None),
    "the automation is unknown": (AT_SURVEY, a_listing(Status.PAUSED, UNKNOWN), None),
    "the target was not read": (
        AT_SURVEY,
        a_listing(problem=Reason(ReasonCode.ACCESS_DENIED, "no")),
        None,
    ),
    "it is in no listing": (AT_SURVEY, replace(a_listing(), target=CONFIGURATION.targets[0]), None),
}


@pytest.mark.parametrize(("before", "listing", "status"), INFORMED.values(), ids=INFORMED)
def test_what_is_taken_gets_what_the_survey_read_unless_that_may_be_outdated(
    before: Membership, listing: Listing, status: Status | None
) -> None:
    taken = before.taken("run-1", Mode.ORGANIZATION, LATER)

    informed = a_batch(listing).inform(before, taken)

    if status is None:
        assert informed == taken
        return
    assert (informed.status, informed.surveyed_at) == (status, NOW)
    assert informed.transitions[0].at == NOW
    assert (informed.taken_at, informed.attempts) == (LATER, taken.attempts)
    assert informed.automation == (None if status is Status.ENABLED else NONE)


SURVEYED = a_batch(a_listing(Status.PAUSED)).inform(
    AT_SURVEY, AT_SURVEY.taken("run-1", Mode.ORGANIZATION, LATER)
)
READ_AGAIN = SURVEYED.seen(Observation(ACCOUNT, Status.PAUSED, SURVEYED.raw), LATER)


@pytest.mark.parametrize(
    ("memberships", "now", "found"),
    [
        pytest.param([SURVEYED], NOW + SURVEY_VALID_SECONDS, 1, id="valid"),
        pytest.param([SURVEYED], NOW + SURVEY_VALID_SECONDS + 1, 0, id="too old"),
        pytest.param([SURVEYED, a_membership(account_id=OTHER)], LATER, 0, id="not for all"),
        pytest.param([READ_AGAIN], LATER, 0, id="read since"),
        pytest.param([tried(SURVEYED, Action.RESTART)], LATER, 0, id="acted since"),
        pytest.param([replace(READ_AGAIN, surveyed_at=NOW - 9)], LATER, 0, id="by another version"),
        pytest.param([], LATER, 0, id="none"),
    ],
)
def test_a_survey_is_acted_on_once_and_while_it_is_valid_for_all(
    memberships: list[Membership], now: float, found: int
) -> None:
    readings = handed_over(memberships, now)

    assert len(readings) == found
    for reading in readings:
        assert reading == Observation(ACCOUNT, Status.PAUSED, SURVEYED.raw, "why")


@pytest.mark.parametrize(("age", "valid"), [(0, True), (SURVEY_VALID_SECONDS + 1, False)])
def test_a_batch_is_valid_as_long_as_its_survey(age: float, valid: bool) -> None:
    batch = a_batch()

    assert batch.is_valid(batch.surveyed_at + age) is valid


@pytest.mark.parametrize("reconcile_id", ["nightly-2", "r" * 72])
def test_a_run_of_a_reconcile_is_named_after_it_and_its_batch(reconcile_id: str) -> None:
    assert onboarding_id(reconcile_id, 12) == f"{reconcile_id}-12"
    assert reconcile_of(onboarding_id(reconcile_id, 12)) == reconcile_id


def test_the_name_of_a_run_is_as_long_as_that_of_an_execution_may_be() -> None:
    assert onboarding_id("r" * 80, 1_234_567) == "r" * 72 + "-1234567"
