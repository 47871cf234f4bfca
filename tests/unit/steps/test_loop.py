"""What the steps that act have in common: an action is noted, then done, then its answer noted."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import pytest

from functions.enrolment.account import AccountId, Mode
from functions.enrolment.configuration import Invitation
from functions.enrolment.documents import loop_from_json, loop_to_json
from functions.enrolment.errors import (
    AccessDenied,
    AdministratorNotReady,
    Conflict,
    RollcallError,
    ServiceRefused,
    ServiceUnavailable,
    Throttled,
)
from functions.enrolment.membership import (
    STEP_SECONDS,
    Action,
    Answer,
    Attempt,
    Outcome,
    Status,
    Transition,
    Verdict,
)
from functions.enrolment.ownership import LEASE_SECONDS
from functions.enrolment.reason import Reason, ReasonCode
from functions.services import registry
from functions.steps import accept_invitations, create_members, get_members
from tests.support.builders import (
    ACCOUNT,
    NOW,
    OTHER,
    RUN,
    a_configuration,
    a_loop,
    a_membership,
)
from tests.unit.steps.support import TAKEN, Interrupted, Wired, begin, rows, run, the_record, wired

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from functions.enrolment.membership import Membership
    from functions.enrolment.target import Target
    from functions.services.protocol import Invitee
    from tests.unit.steps.support import Handler

LATER = NOW + 30
DAY = 86400
THIRD = AccountId("666677778888")
REFUSAL = ServiceRefused("GuardDuty CreateMembers: BadRequestException: no")


def due(account: AccountId = ACCOUNT, **changes: Any) -> Membership:
    """A membership that was read and is to be created."""
    return replace(a_membership(Status.ABSENT, account_id=account, due=Action.CREATE), **changes)


def create(wiring: Wired, *accounts: AccountId) -> dict[str, Any]:
    """Create Members, for these accounts."""
    loop = a_loop(ACCOUNT, OTHER, THIRD, acting=accounts, next=Action.CREATE, wait_seconds=15)
    return run(create_members.handler, loop_to_json(loop), wiring)


def refusing(*refused: AccountId) -> Callable[[Sequence[AccountId]], Mapping[AccountId, Answer]]:
    """A service that refuses every call with one of these accounts."""

    def says(accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        if set(accounts) & set(refused):
            raise REFUSAL
        return dict.fromkeys(accounts, TAKEN)

    return says


def raising(error: RollcallError) -> Callable[[Sequence[AccountId]], Mapping[AccountId, Answer]]:
    """A service that does not answer."""

    def says(_: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        raise error

    return says


def attempt(membership: Membership) -> Attempt:
    return membership.attempts[Action.CREATE]


def test_an_action_is_noted_as_begun_before_the_call_and_its_answer_after_it() -> None:
    wiring = wired(now=LATER)
    begin(wiring, due())
    noted = []

    def says(accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        noted.append(rows(wiring)[ACCOUNT])
        return dict.fromkeys(accounts, TAKEN)

    wiring.target.says = says

    document = create(wiring, ACCOUNT)

    [before] = noted
    after = rows(wiring)[ACCOUNT]
    assert (before.due, attempt(before)) == (None, Attempt(1, LATER, None))
    assert (after.due, attempt(after)) == (None, Attempt(1, LATER, TAKEN))
    assert wiring.target.calls == [("create", [ACCOUNT])]
    assert (document["next"], document["acting"], document["wait_seconds"]) == ("wait", [], 15)


def test_an_account_that_the_service_refuses_does_not_spoil_the_batch() -> None:
    wiring = wired(now=LATER)
    begin(wiring, due(ACCOUNT), due(OTHER))
    wiring.target.says = refusing(ACCOUNT)

    create(wiring, ACCOUNT, OTHER)

    found = rows(wiring)
    assert [accounts for _, accounts in wiring.target.calls] == [
        *([ACCOUNT, OTHER], [ACCOUNT], [OTHER])
    ]
    assert (found[ACCOUNT].outcome, found[ACCOUNT].reason) == (
        Outcome.FAILED,
        Reason(
            ReasonCode.REFUSED,
            f"the service refused the request: {REFUSAL}; Absent since 2027-01-15T08:00:00Z;"
            " last tried: create at 2027-01-15T08:00:30Z;"
            " to do: fix the cause it names, and start again",
        ),
    )
    assert (found[OTHER].outcome, attempt(found[OTHER]).answer) == (None, TAKEN)


def test_after_a_call_that_was_not_answered_no_other_is_made_and_the_rest_stays_due() -> None:
    wiring = wired(now=LATER)
    before = Attempt(2, NOW - 60, Answer(Verdict.RETRY, "later"))
    begin(
        wiring, *(due(each, attempts={Action.CREATE: before}) for each in (ACCOUNT, OTHER, THIRD))
    )

    def says(accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        if len(accounts) > 1:
            raise REFUSAL
        if accounts == [OTHER]:
            raise ServiceUnavailable("GuardDuty CreateMembers: ReadTimeoutError")
        return dict.fromkeys(accounts, TAKEN)

    wiring.target.says = says

    create(wiring, ACCOUNT, OTHER, THIRD)

    found = rows(wiring)
    assert [accounts for _, accounts in wiring.target.calls[1:]] == [[ACCOUNT], [OTHER]]
    assert {each: (row.due, attempt(row)) for each, row in found.items()} == {
        ACCOUNT: (None, Attempt(3, LATER, TAKEN)),
        OTHER: (
            None,
            Attempt(
                3,
                LATER,
                Answer(Verdict.UNANSWERED, "GuardDuty CreateMembers: ReadTimeoutError"),
            ),
        ),
        THIRD: (Action.CREATE, before),
    }


@pytest.mark.parametrize(
    ("error", "verdict", "code", "outcome"),
    [
        (AccessDenied("no"), Verdict.PERMANENT, ReasonCode.ACCESS_DENIED, Outcome.FAILED),
        (
            AdministratorNotReady("gone"),
            Verdict.PERMANENT,
            ReasonCode.ADMINISTRATOR_NOT_READY,
            Outcome.FAILED,
        ),
        (Throttled("slowly"), Verdict.UNANSWERED, None, None),
        (ServiceUnavailable("gone"), Verdict.UNANSWERED, None, None),
        (Conflict("busy"), Verdict.UNANSWERED, None, None),
    ],
)
def test_a_call_that_fails_is_answered_for_all_that_it_was_for_and_no_others(
    error: RollcallError, verdict: Verdict, code: ReasonCode | None, outcome: Outcome | None
) -> None:
    wiring = wired(now=LATER)
    begin(wiring, due(ACCOUNT), due(OTHER), due(THIRD))
    wiring.target.says = raising(error)

    create(wiring, ACCOUNT, OTHER)

    found = rows(wiring)
    for account in (ACCOUNT, OTHER):
        assert attempt(found[account]).answer == Answer(verdict, str(error), code)
        assert (found[account].due, found[account].outcome) == (None, outcome)
    assert found[THIRD] == replace(due(THIRD), revision=1)
    assert len(wiring.target.calls) == 1


# In a status that has lasted for a while: what may heal is tried again after an eighth of it.
LONG_ABSENT = due(transitions=(Transition("Absent", LATER - 2400),), taken_at=LATER - 2400)
AGAIN = 2400 // 8


def wait_after(
    handler: Handler, wiring: Wired, *memberships: Membership, others_wait: int = DAY
) -> int:
    """How long the loop waits after an action for these memberships: 15 s, where it may have had
    an effect."""
    begin(wiring, *memberships, started_at=LATER - 30 * DAY, lease_until=LATER)
    accounts = tuple(membership.account_id for membership in memberships)
    loop = a_loop(*accounts, acting=accounts, wait_seconds=15, others_wait=others_wait)
    seconds: int = run(handler, loop_to_json(loop), wiring)["wait_seconds"]
    return seconds


@pytest.mark.parametrize(
    ("verdict", "others_wait", "seconds"),
    [
        pytest.param(Verdict.RETRY, DAY, AGAIN, id="it is tried again"),
        pytest.param(Verdict.UNKNOWN, DAY, AGAIN, id="it is tried again after unknown words"),
        pytest.param(Verdict.RETRY, 60, 60, id="something else falls due before"),
        pytest.param(Verdict.RETRY, 1, 15, id="something else is due"),
        pytest.param(Verdict.TAKEN, DAY, 15, id="it was done"),
        pytest.param(Verdict.BENIGN, DAY, 15, id="it was done before"),
        pytest.param(Verdict.UNANSWERED, DAY, 15, id="it may have been done"),
        pytest.param(Verdict.PERMANENT, DAY, 15, id="it has ended, and perhaps the loop"),
    ],
)
def test_after_what_achieved_nothing_the_loop_waits_until_something_falls_due(
    verdict: Verdict, others_wait: int, seconds: int
) -> None:
    wiring = wired(now=LATER)
    wiring.target.says = lambda accounts: dict.fromkeys(accounts, Answer(verdict, "later"))

    waited = wait_after(create_members.handler, wiring, LONG_ABSENT, others_wait=others_wait)

    assert waited == seconds


def test_after_the_end_of_all_there_is_the_loop_ends_soon() -> None:
    wiring = wired(now=LATER)
    begin(wiring, a_membership())
    wiring.target.says = lambda accounts: dict.fromkeys(accounts, Answer(Verdict.PERMANENT, "no"))

    document = run(get_members.handler, loop_to_json(a_loop()), wiring)
    document = run(create_members.handler, document, wiring)

    assert rows(wiring)[ACCOUNT].outcome is Outcome.FAILED
    assert document["wait_seconds"] <= 15


def test_after_what_achieved_something_for_one_account_the_loop_reads_soon() -> None:
    wiring = wired(now=LATER)
    wiring.target.says = lambda _: {ACCOUNT: Answer(Verdict.RETRY), OTHER: TAKEN}
    both = LONG_ABSENT, replace(LONG_ABSENT, account_id=OTHER)

    assert wait_after(create_members.handler, wiring, *both) == 15


@pytest.mark.parametrize(
    "attempts", [{}, {Action.CREATE: Attempt(1, NOW - 900, Answer(Verdict.RETRY))}]
)
def test_after_an_account_that_was_not_called_for_the_loop_reads_soon(
    attempts: dict[Action, Attempt],
) -> None:
    wiring = wired(now=LATER)
    wiring.target.says = lambda _: {ACCOUNT: Answer(Verdict.RETRY)}
    both = LONG_ABSENT, replace(LONG_ABSENT, account_id=OTHER, attempts=attempts)

    assert wait_after(create_members.handler, wiring, *both) == 15


@dataclass(frozen=True)
class Forbidden(Wired):
    """A deployment with a member role that may do nothing."""

    def invitee(self, target: Target, account_id: AccountId) -> Invitee:
        raise AccessDenied("no")


def forbidden(now: float) -> Forbidden:
    invitation = Invitation(member_role="RollcallMember", external_id="x")
    plain = wired(now=now)
    settings = replace(plain.settings, configuration=a_configuration(invitation=invitation))
    parts = {field.name: getattr(plain, field.name) for field in fields(plain)}
    return Forbidden(**parts | {"settings": settings})


def test_after_an_invitation_that_could_not_be_accepted_the_loop_waits_as_for_its_owner() -> None:
    wiring = forbidden(now=LATER)
    invited = a_membership(Status.INVITED, Mode.INVITATION, at=LATER - DAY, due=Action.ACCEPT)

    assert wait_after(accept_invitations.handler, wiring, invited) == DAY // 12


def test_the_lease_outlasts_the_wait_after_what_achieved_nothing() -> None:
    wiring = forbidden(now=LATER)
    invited = a_membership(Status.INVITED, Mode.INVITATION, at=LATER - DAY, due=Action.ACCEPT)

    seconds = wait_after(accept_invitations.handler, wiring, invited)

    assert the_record(wiring).lease_until >= LATER + seconds + STEP_SECONDS


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(due(due=None), id="not due"),
        pytest.param(due(due=Action.INVITE), id="due for something else"),
        pytest.param(due(onboarding_id="another"), id="another run's"),
        pytest.param(due(taken_at=NOW - 1), id="an older run's of the same name"),
        pytest.param(due(outcome=Outcome.FAILED), id="ended"),
    ],
)
def test_nothing_is_done_for_an_account_that_is(row: Membership) -> None:
    wiring = wired(now=LATER)
    begin(wiring, row)
    before = dict(wiring.rows.items)

    create(wiring, ACCOUNT)

    assert wiring.target.calls == []
    assert wiring.rows.items == before


def test_what_a_step_that_was_cut_short_had_begun_is_left_to_the_next_reading() -> None:
    wiring = wired(now=LATER)
    begin(wiring, due().begun(Action.CREATE, NOW))

    create(wiring, ACCOUNT)

    assert wiring.target.calls == []
    row = rows(wiring)[ACCOUNT]
    assert (row.due, row.outcome) == (None, None)
    assert attempt(row) == Attempt(1, NOW)


@pytest.mark.parametrize("lease_until", [NOW, LATER + 3600])
def test_a_closed_run_does_nothing_and_writes_nothing(lease_until: float) -> None:
    wiring = wired(now=LATER)
    begin(wiring, due())
    wiring.ledger.close(RUN, "aborted", {}, NOW, lease_until=lease_until)
    before = dict(wiring.rows.items)

    create(wiring, ACCOUNT)

    assert wiring.target.calls == []
    assert wiring.rows.items == before


def test_a_run_that_is_closed_before_its_lease_is_extended_does_nothing() -> None:
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, due(), lease_until=NOW)
    interrupted.between = lambda: wiring.ledger.close(RUN, "aborted", {}, NOW)

    create(wiring, ACCOUNT)

    assert wiring.target.calls == []
    assert rows(wiring)[ACCOUNT] == replace(due(), revision=1)


@pytest.mark.parametrize(
    ("lease_until", "extended_to"),
    [
        (LATER + STEP_SECONDS, LATER + STEP_SECONDS),
        (LATER + STEP_SECONDS - 1, LATER + LEASE_SECONDS),
        (NOW, LATER + LEASE_SECONDS),
    ],
)
def test_the_lease_is_extended_where_it_might_end_before_the_step(
    lease_until: float, extended_to: float
) -> None:
    wiring = wired(now=LATER)
    begin(wiring, due(), lease_until=lease_until)

    create(wiring, ACCOUNT)

    assert the_record(wiring).lease_until == extended_to


def test_where_another_attempt_of_the_same_step_has_begun_this_one_is_taken_again() -> None:
    begun = due(revision=1).begun(Action.CREATE, LATER - 1)
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, due())
    interrupted.between = lambda: wiring.ledger.write([begun], LATER)

    with pytest.raises(Conflict, match="written by another step of this run"):
        create(wiring, ACCOUNT)
    assert rows(wiring)[ACCOUNT] == replace(begun, revision=2)

    create(wiring, ACCOUNT)
    assert wiring.target.calls == []


def test_what_another_run_takes_meanwhile_is_left_to_it() -> None:
    taken = due(revision=1).taken("another", due().mode, LATER)
    interrupted = Interrupted()
    wiring = wired(interrupted, now=LATER)
    begin(wiring, due(ACCOUNT), due(OTHER))
    interrupted.between = lambda: wiring.ledger.write([taken], LATER)

    create(wiring, ACCOUNT, OTHER)

    assert wiring.target.calls == [("create", [OTHER])]
    assert rows(wiring)[ACCOUNT] == replace(taken, revision=2)


def test_an_answer_is_not_written_over_what_another_run_took_during_the_call() -> None:
    wiring = wired(now=LATER)
    begin(wiring, due())

    def says(accounts: Sequence[AccountId]) -> Mapping[AccountId, Answer]:
        row = rows(wiring)[ACCOUNT]
        wiring.ledger.write([row.taken("another", row.mode, LATER)], LATER)
        return dict.fromkeys(accounts, TAKEN)

    wiring.target.says = says

    create(wiring, ACCOUNT)

    found = rows(wiring)[ACCOUNT]
    assert (found.onboarding_id, attempt(found).answer) == ("another", None)


def test_a_document_of_an_earlier_version_is_understood() -> None:
    wiring = wired(now=LATER)
    begin(wiring, due(ACCOUNT), due(OTHER))
    document = {
        "onboarding_id": RUN,
        "target": {"service": "guardduty", "region": "eu-west-1"},
        "memberships": [
            {"account_id": each, "email": None, "mode": "organization", "status": "Absent"}
            for each in (ACCOUNT, OTHER)
        ],
        "accounts": [OTHER],
        "next": "create",
    }

    after = loop_from_json(run(create_members.handler, document, wiring), registry.SERVICES)

    assert wiring.target.calls == [("create", [OTHER])]
    assert [account.id for account in after.accounts] == [ACCOUNT, OTHER]
