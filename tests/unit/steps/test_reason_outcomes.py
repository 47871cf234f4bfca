"""Every reason comes with the outcomes that its table names, and with no others."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from functions.enrolment.account import AccountId, AccountState, Mode, OrganizationAccount
from functions.enrolment.automation import Automatic, Automation
from functions.enrolment.configuration import Timing
from functions.enrolment.decide import Circumstances, decide
from functions.enrolment.documents import loop_to_json
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    CredentialsRefused,
    ServiceRefused,
)
from functions.enrolment.explain import reason_code_of, waiting_for
from functions.enrolment.membership import Action, Answer, Observation, Outcome, Status, Verdict
from functions.enrolment.plan import Facts, make_plan
from functions.enrolment.reason import MEANINGS, WAITING, ReasonCode
from functions.enrolment.records import membership_from_item, membership_to_item
from functions.enrolment.request import OnboardingRequest, RequestedAccount
from functions.enrolment.results import Result
from functions.enrolment.scope import Scope
from functions.enrolment.turn import is_slow, take_answers, take_refusal, take_turn
from functions.services import registry
from functions.steps import fail_target, publish_results
from tests.support.builders import (
    ACCOUNT,
    ADMINISTRATOR,
    EMAIL,
    MANAGEMENT,
    NOW,
    RUN,
    a_configuration,
    a_loop,
    a_membership,
    an_onboarding,
    at_service,
    circumstances,
    tried,
)
from tests.unit.steps.support import begin, rows, run, wired

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from functions.enrolment.membership import Membership
    from functions.enrolment.service import Service

    Seen = tuple[ReasonCode, str]

TIMING = Timing()
DAY = 86400
REFUSALS = (AdministratorNotReady, AccessDenied, CredentialsRefused, ServiceRefused)
REGIONS = ("eu-west-1", "me-south-1", "ap-northeast-3")
# The codes of errors on a call that no retry mends.
REFUSED = {reason_code_of(kind("no"), region) for kind, region in product(REFUSALS, REGIONS)}
DETAILS = (None, "VOLUME_UNKNOWN", "VOLUME_TOO_HIGH")
GUARDDUTY = (
    None,
    a_membership(Status.INVITED),
    a_membership(Status.ENABLED).settled(Outcome.ENABLED, None, NOW),
    a_membership(Status.RESIGNED).settled(Outcome.FAILED, None, NOW),
    a_membership().settled(Outcome.SKIPPED, None, NOW),
)


def ended(memberships: Iterable[Membership]) -> Iterator[Seen]:
    """The reasons of what has ended, and was not enabled."""
    for membership in memberships:
        if membership.outcome is not None and membership.reason is not None:
            yield membership.reason.code, str(membership.outcome)


def by_the_plan() -> Iterator[Seen]:
    for account, state, region, delegated, scope in product(
        (ACCOUNT, ADMINISTRATOR),
        AccountState,
        REGIONS,
        (True, False),
        (Scope(), Scope(exclude_accounts=(ACCOUNT,))),
    ):
        facts = Facts(
            ADMINISTRATOR,
            MANAGEMENT,
            {account: OrganizationAccount(account, EMAIL, state)},
            dict.fromkeys(registry.SERVICES, delegated),
            {account: frozenset()},
        )
        request = OnboardingRequest(
            (RequestedAccount(account, None),), source="manual", automatic=False
        )
        configuration = a_configuration(regions=(region,), scope=scope)
        yield from ended(make_plan(request, facts, configuration, NOW).settled)


def histories(mode: Mode) -> Iterator[Membership]:
    """Whatever may have been read of a membership, and done."""
    late = TIMING.invitation_deadline - 60
    firsts = (None, Status.ABSENT, Status.INVITED)
    for status, first, detail, after in product(Status, firsts, DETAILS, (0, late)):
        if detail is not None and status is not Status.ACCEPTED_BUT_DISABLED:
            continue
        reading = Observation(ACCOUNT, status, status, detail)
        membership = a_membership(first or status, mode).seen(reading, NOW + after)
        yield membership
        yield tried(membership, Action.ACCEPT, Verdict.RETRY)
        yield tried(membership, Action.RESTART, at=NOW + after)
    yield a_membership(mode=mode).seen(Observation(ACCOUNT, Status.UNKNOWN, "Archived"), NOW)
    for status, kind in product(Status, Automatic if mode is Mode.ORGANIZATION else ()):
        yield a_membership(status, mode).told(Automation(kind, "auto-enable"), NOW)


def before(service: Service) -> tuple[Membership | None, ...]:
    """The memberships of the service that comes before this one."""
    return GUARDDUTY if service is registry.DETECTIVE else (None,)


def by_the_rules() -> Iterator[Seen]:
    afters = (0, 1000, TIMING.invitation_deadline, 60 * DAY)
    known = (frozenset[AccountId](), frozenset({ACCOUNT}))
    for mode, service, opted_in in product(Mode, registry.SERVICES, known):
        for membership, after, awaited in product(histories(mode), afters, before(service)):
            rests_on = Circumstances(
                max(NOW + after, membership.transitions[-1].at),
                TIMING,
                accepts=True,
                opted_in=opted_in,
                awaited={ACCOUNT: awaited} if awaited else {},
            )
            decision = decide(at_service(service, membership), rests_on)
            if decision.reason is not None:
                yield decision.reason.code, str(decision.outcome)


def by_answers() -> Iterator[Seen]:
    answers = {answer for service in registry.SERVICES for _, answer in service.texts}
    answers |= {Answer(Verdict.PERMANENT, "no", code) for code in REFUSED}
    for answer in answers:
        absent = a_membership(Status.ABSENT)
        begun = absent.begun(Action.CREATE, NOW)
        answered = take_answers([begun], Action.CREATE, {ACCOUNT: answer}, {ACCOUNT: absent}, NOW)
        yield from ended(answered)


def by_refused_readings() -> Iterator[Seen]:
    for code in REFUSED:
        turn = take_refusal([a_membership()], NOW, code, "no", TIMING, NOW)
        yield from ended(turn.memberships)


def by_a_dry_run() -> Iterator[Seen]:
    reading = Observation(ACCOUNT, Status.ABSENT, "Absent")
    turn = take_turn([a_membership()], [reading], circumstances=circumstances(), dry_run=True)
    yield from ended(turn.memberships)


def by_steps_that_fail() -> Iterator[Seen]:
    for error in ("Throttled", "Conflict", "Lambda.Unknown"):
        wiring = wired()
        begin(wiring, a_membership())
        failure = {"failure": {"Error": error, "Cause": ""}}
        run(fail_target.handler, loop_to_json(a_loop()) | failure, wiring)
        yield from ended(rows(wiring).values())


def by_the_end_of_the_run() -> Iterator[Seen]:
    wiring = wired()
    begin(wiring, a_membership())
    run(publish_results.handler, {"onboarding_id": RUN}, wiring)
    yield from ended(rows(wiring).values())


def while_waiting() -> Iterator[Seen]:
    """An interim result waits for nothing but the slow."""
    ended_at_once = {Automatic.LEFT_OUT, Automatic.NOT_DELEGATED}
    for mode, service in product(Mode, registry.SERVICES):
        for membership, awaited in product(histories(mode), before(service)):
            if membership.automation and membership.automation.kind in ended_at_once:
                continue
            if is_slow(membership) and membership.detail != "VOLUME_TOO_HIGH":
                yield waiting_for(membership, awaited).code, WAITING


def by_another_run() -> Iterator[Seen]:
    left = replace(a_membership(Status.INVITED), onboarding_id="another")
    yield from ended(Result(an_onboarding(), (), NOW, left=(left,)).all)


def by_earlier_versions() -> Iterator[Seen]:
    """They kept no codes."""
    for outcome in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED):
        item = membership_to_item(a_membership().settled(outcome, None, NOW), NOW)
        yield from ended([membership_from_item(item | {"reason": "why"}, registry.SERVICES)])


def test_every_reason_comes_with_the_outcomes_that_its_table_names_and_with_no_others() -> None:
    seen = {
        *by_the_plan(),
        *by_the_rules(),
        *by_answers(),
        *by_refused_readings(),
        *by_a_dry_run(),
        *by_steps_that_fail(),
        *by_the_end_of_the_run(),
        *while_waiting(),
        *by_another_run(),
        *by_earlier_versions(),
    }

    assert seen == {(c, o) for c, meaning in MEANINGS.items() for o in meaning.outcomes}
